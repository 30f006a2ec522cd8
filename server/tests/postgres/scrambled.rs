//! Many writers whose transactions are delayed and committed in scrambled order, and readers who page meanwhile.

use crate::figures::{figure, seed, stopwatch};
use crate::postgres::Database;
use mana_sync::log::contract::fixtures::{insert, numbers, own, page, person, push_of, sync_log, with};
use mana_sync::log::postgres::{PostgresLog, PostgresTransaction};
use mana_sync::log::{
    Caller, ChangeLog, Epoch, Extent, Head, KnownEvents, LogError, LogRow, RecordKey, StreamId, StreamState, SyncLog,
    Tag, Transaction,
};
use mana_sync_engine::model::{EventId, UserId};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

const WRITERS: u64 = 32;
const READERS: u64 = 4;
const SPACES: u64 = 6;

type Numbers = Arc<dyn Fn() -> u64 + Send + Sync>;

/// A log whose transactions take their time at each step.
struct Delayed(PostgresLog, Numbers);

struct DelayedTransaction(PostgresTransaction, Numbers);

impl DelayedTransaction {
    async fn dawdle(&self) {
        tokio::time::sleep(Duration::from_micros((self.1)() % 8000)).await;
    }
}

impl ChangeLog for Delayed {
    type Snapshot = <PostgresLog as ChangeLog>::Snapshot;
    type Transaction = DelayedTransaction;

    fn epoch(&self) -> Epoch {
        self.0.epoch()
    }

    async fn snapshot(&self, caller: &Caller) -> Result<Self::Snapshot, LogError> {
        self.0.snapshot(caller).await
    }

    async fn transaction(&self, caller: &Caller) -> Result<DelayedTransaction, LogError> {
        Ok(DelayedTransaction(self.0.transaction(caller).await?, self.1.clone()))
    }
}

impl Extent for DelayedTransaction {
    async fn streams(&mut self, streams: &BTreeSet<StreamId>) -> Result<BTreeMap<StreamId, StreamState>, LogError> {
        self.0.streams(streams).await
    }

    async fn tags(&mut self, positions: &BTreeMap<StreamId, u64>) -> Result<BTreeMap<StreamId, Tag>, LogError> {
        self.0.tags(positions).await
    }
}

impl Transaction for DelayedTransaction {
    async fn lock(&mut self, streams: &BTreeSet<StreamId>) -> Result<BTreeMap<StreamId, u64>, LogError> {
        self.dawdle().await;
        let locked = self.0.lock(streams).await;
        self.dawdle().await;
        locked
    }

    async fn known(&mut self, user: &UserId, events: &BTreeSet<EventId>) -> Result<KnownEvents, LogError> {
        self.0.known(user, events).await
    }

    async fn heads(&mut self, keys: &BTreeSet<RecordKey>) -> Result<BTreeMap<RecordKey, Head>, LogError> {
        self.0.heads(keys).await
    }

    async fn charge(&mut self, user: &UserId, rows: &[LogRow]) -> Result<u64, LogError> {
        self.0.charge(user, rows).await
    }

    async fn append(&mut self, rows: &[LogRow]) -> Result<(), LogError> {
        self.0.append(rows).await
    }

    async fn put_heads(&mut self, heads: &BTreeMap<RecordKey, Head>) -> Result<(), LogError> {
        self.0.put_heads(heads).await
    }

    async fn set_horizon(&mut self, stream: &StreamId, horizon: u64) -> Result<(), LogError> {
        self.0.set_horizon(stream, horizon).await
    }

    async fn commit(self) -> Result<(), LogError> {
        self.dawdle().await;
        self.0.commit().await
    }
}

fn everywhere(name: &str) -> Caller {
    let spaces: Vec<String> = (0..SPACES).map(|n| format!("s{n}:club:member")).collect();
    person(name, &spaces.iter().map(String::as_str).collect::<Vec<_>>())
}

/// Pushes batches that go to several spaces and to the writer's own; how many changes went to spaces.
async fn write(log: Arc<SyncLog<Delayed>>, writer: u64, (seed, pushes): (u64, u64)) -> usize {
    let next = numbers(seed ^ (writer << 32));
    let caller = everywhere(&format!("w{writer}"));
    let mut shared = 0;
    for n in 0..pushes {
        let change = |at: u64| {
            let (id, record) = (n * 100 + at, format!("w{writer}-{n}-{at}"));
            match next() % (SPACES + 1) {
                SPACES => own(id, &record),
                space => with(insert(id, &record), &[("spaceId", json!(format!("s{space}"))), ("data", json!({}))]),
            }
        };
        let batch: Vec<Value> = (0..=next() % 5).map(change).collect();
        let outcome = loop {
            match log.push(push_of(&caller, &batch)).await {
                Ok(outcome) => break outcome,
                Err(LogError::Busy(_) | LogError::Conflict) => {}
                Err(error) => panic!("{error}"),
            }
        };
        assert_eq!(outcome.accepted.len(), batch.len());
        shared += batch.iter().filter(|change| !change["spaceId"].is_null()).count();
    }
    shared
}

/// Pages until the writers are done and there is no more: how often each change came.
async fn read(log: Arc<SyncLog<Delayed>>, reader: u64, running: Arc<AtomicU64>) -> BTreeMap<String, u32> {
    let next = numbers(reader);
    let caller = everywhere(&format!("r{reader}"));
    let (mut got, mut cursor) = (BTreeMap::new(), None);
    loop {
        // Asked before the page is read: what was written by then is in this page or in one after it.
        let finished = running.load(Ordering::SeqCst) == 0;
        let limit = usize::try_from(next() % 9 + 1).unwrap();
        let page = page(&log, &caller, cursor, limit).await.expect("a page");
        for change in &page.changes {
            *got.entry(format!("{} {}", change.user_id.as_ref().unwrap(), change.event_id)).or_default() += 1;
        }
        cursor = Some(page.cursor);
        if finished && !page.has_more {
            return got;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_reader_gets_every_change_once_in_whatever_order_writers_commit() {
    let (database, seed, elapsed) = (Database::migrated().await, seed(), stopwatch());
    let random: Numbers = Arc::new(numbers(seed));
    let log = Arc::new(sync_log(Delayed(database.log().await, random), seed));
    let pushes = figure("PUSHES", 10);
    let running = Arc::new(AtomicU64::new(WRITERS));
    let writers: Vec<_> = (0..WRITERS)
        .map(|writer| {
            let (log, running) = (log.clone(), running.clone());
            tokio::spawn(async move {
                let shared = write(log, writer, (seed, pushes)).await;
                running.fetch_sub(1, Ordering::SeqCst);
                shared
            })
        })
        .collect();
    let readers: Vec<_> = (0..READERS).map(|n| tokio::spawn(read(log.clone(), n, running.clone()))).collect();
    let mut written = 0;
    for writer in writers {
        written += writer.await.unwrap();
    }
    for reader in readers {
        let got = reader.await.unwrap();
        assert_eq!(got.len(), written, "nothing is missed");
        assert!(got.values().all(|times| *times == 1), "nothing comes twice");
    }
    println!("{WRITERS} writers, {} pushes, {written} shared changes, {:.1} s", WRITERS * pushes, elapsed());
}

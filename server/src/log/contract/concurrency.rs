//! Push and pull from many tasks at once.

#![allow(clippy::missing_panics_doc, reason = "each case panics where a store or a rule breaks its promise")]

use super::fixtures::{event, ids, insert, member, numbers, own, page, push_of, read_all, sync_log};
use crate::log::{ChangeLog, LogError, PushOutcome, SyncLog};
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::Arc;

const WRITERS: u64 = 8;
const PUSHES: u64 = 40;

/// The seed of this run: `MANA_TEST_SEED`, else a fixed one; printed so that a failure can be repeated.
fn seed() -> u64 {
    let seed = std::env::var("MANA_TEST_SEED").ok().and_then(|text| text.parse().ok()).unwrap_or(20_260_101);
    println!("MANA_TEST_SEED={seed}");
    seed
}

/// Pushes as a client does: again, until there is an answer.
async fn push_until_answered<L: ChangeLog>(log: &SyncLog<L>, name: &str, changes: &[Value]) -> PushOutcome {
    for _ in 0..1000 {
        match log.push(push_of(&member(name), changes)).await {
            Ok(outcome) => return outcome,
            Err(LogError::Busy(_) | LogError::Conflict) => tokio::task::yield_now().await,
            Err(error) => panic!("{error}"),
        }
    }
    panic!("the store stays busy");
}

/// Writers push batches of random sizes into their own and a shared stream while a reader pages from the start on;
/// at the end the reader has every change once.
pub async fn writers_at_once_and_a_paging_reader_miss_nothing<L: ChangeLog>(log: L) {
    let seed = seed();
    let log = Arc::new(sync_log(log, seed));
    let writers: Vec<_> = (0..WRITERS).map(|w| tokio::spawn(write_batches(log.clone(), w, seed))).collect();
    let reader = member("reader");
    let next = numbers(seed);
    let mut got: BTreeMap<String, u32> = BTreeMap::new();
    let mut cursor = None;
    loop {
        // Asked before the page is read: what was written by then is in this page or in one after it.
        let finished = writers.iter().all(tokio::task::JoinHandle::is_finished);
        let limit = usize::try_from(next() % 7 + 1).unwrap();
        let page = page(&log, &reader, cursor, limit).await.unwrap();
        for change in &page.changes {
            *got.entry(format!("{} {}", change.user_id.as_ref().unwrap(), change.event_id)).or_default() += 1;
        }
        cursor = Some(page.cursor);
        if finished && !page.has_more {
            break;
        }
    }
    let mut written = 0;
    for writer in writers {
        written += writer.await.unwrap();
    }
    assert_eq!(got.len(), written, "nothing is missed");
    assert!(got.values().all(|times| *times == 1), "nothing comes twice");
}

/// How many changes went into the shared stream.
async fn write_batches<L: ChangeLog>(log: Arc<SyncLog<L>>, writer: u64, seed: u64) -> usize {
    let next = numbers(seed ^ (writer + 1));
    let name = format!("w{writer}");
    let mut shared = 0;
    for n in 0..PUSHES {
        let place = |at: u64| {
            let (id, record) = (n * 100 + at, format!("{name}-{n}-{at}"));
            if at.is_multiple_of(3) { own(id, &record) } else { insert(id, &record) }
        };
        let batch: Vec<Value> = (0..=next() % 6).map(place).collect();
        let outcome = push_until_answered(&log, &name, &batch).await;
        assert_eq!(outcome.accepted.len(), batch.len());
        shared += batch.iter().filter(|change| change["spaceId"] == "family").count();
    }
    shared
}

/// The same push from many tasks: each is told that it is accepted, and the rows are there once.
pub async fn one_push_sent_by_many_at_once_is_stored_once<L: ChangeLog>(log: L) {
    let log = Arc::new(sync_log(log, seed()));
    let send = |log: Arc<SyncLog<L>>| async move {
        push_until_answered(&log, "ada", &[insert(1, "t1"), own(2, "t2"), insert(3, "t3")]).await
    };
    let tasks: Vec<_> = (0..8).map(|_| tokio::spawn(send(log.clone()))).collect();
    for task in tasks {
        assert_eq!(task.await.unwrap().accepted, [event(1), event(2), event(3)]);
    }
    assert_eq!(ids(&read_all(&log, &member("ada")).await), ["t2", "t1", "t3"]);
}

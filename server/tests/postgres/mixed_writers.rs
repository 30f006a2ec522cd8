//! Servers that push and services that add rows themselves, at once, into the same streams: every reader that pages meanwhile
//! ends with every change, once and in order.

use crate::figures::{figure, seed};
use crate::postgres::{Database, SERVICE, SUPERUSER};
use crate::services::{add, row};
use mana_sync::log::contract::fixtures::{insert, member, numbers, own, pull_of, push_of, sync_log};
use mana_sync::log::postgres::PostgresLog;
use mana_sync::log::{Caller, LogError, SyncLog};
use serde_json::{Value, json};
use sqlx::PgPool;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

const WRITERS: u64 = 4;

type Log = Arc<SyncLog<PostgresLog>>;

/// Pushes batches as `w<n>`, a third of it into their own stream.
async fn push(log: Log, writer: u64, rounds: u64, seed: u64) {
    let (caller, next) = (member(&format!("w{writer}")), numbers(seed ^ (writer + 1)));
    for round in 0..rounds {
        let change = |at: u64| {
            let n = (writer << 32) + round * 10 + at;
            let record = format!("t{}", next() % 50);
            if next().is_multiple_of(3) { own(n, &record) } else { insert(n, &record) }
        };
        let changes: Vec<Value> = (0..=next() % 4).map(change).collect();
        loop {
            match log.push(push_of(&caller, &changes)).await {
                Ok(outcome) => break assert_eq!(outcome.accepted.len(), changes.len(), "{:?}", outcome.rejected),
                Err(LogError::Busy(_) | LogError::Conflict) => tokio::task::yield_now().await,
                Err(error) => panic!("{error}"),
            }
        }
    }
}

/// Adds rows in the name of the same people; some transactions are given up.
async fn serve(pool: PgPool, writer: u64, rounds: u64, seed: u64) {
    let next = numbers(seed ^ (writer + 100));
    for _ in 0..rounds {
        let space = if next().is_multiple_of(3) { Value::Null } else { json!("family") };
        let record = format!("t{}", next() % 50);
        let user = if next().is_multiple_of(10) { json!("") } else { json!(format!("w{writer}")) };
        let fails = user == "";
        let parts =
            [("user_id", user), ("space_id", space), ("op", json!("update")), ("data", json!({ "n": next() % 9 }))];
        let added = add(&pool, &row(&record, &parts)).await;
        assert_eq!(added.is_err(), fails, "{added:?}");
    }
}

/// Pages of random sizes until one that was asked for after the last write brings nothing more; the events by stream.
async fn read(log: Log, caller: Caller, finished: Arc<AtomicBool>, seed: u64) -> BTreeMap<String, Vec<String>> {
    let next = numbers(seed);
    let (mut got, mut cursor) = (BTreeMap::<String, Vec<String>>::new(), None);
    loop {
        let last = finished.load(Ordering::SeqCst);
        let limit = usize::try_from(next() % 20 + 1).expect("small");
        let page = log.pull(&pull_of(&caller, cursor.take(), &["tasks"], limit)).await.expect("a page");
        for change in page.changes {
            let stream = change.space_id.map_or(format!("user:{}", caller.user), |space| format!("space:{space}"));
            got.entry(stream).or_default().push(change.event_id.into());
        }
        cursor = Some(page.cursor);
        if last && !page.has_more {
            return got;
        }
    }
}

/// What lies in the log, asked of the database alone. Positions have no gaps.
async fn stored(database: &Database) -> BTreeMap<String, Vec<String>> {
    let admin = PgPool::connect(&database.url(SUPERUSER).await).await.expect("a connection");
    let rows: Vec<(String, i64, String)> =
        sqlx::query_as("SELECT stream, pos, id FROM sync_changes ORDER BY stream, pos")
            .fetch_all(&admin)
            .await
            .expect("the rows");
    let mut streams = BTreeMap::<String, Vec<String>>::new();
    for (stream, pos, id) in rows {
        let ids = streams.entry(stream).or_default();
        ids.push(id);
        assert_eq!(usize::try_from(pos).ok(), Some(ids.len()), "positions have no gaps");
    }
    streams
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn readers_that_page_while_servers_and_services_write_get_every_change_once_and_in_order() {
    let (seed, rounds) = (seed(), figure("MIXED", 60));
    let database = Database::migrated().await;
    let log = Arc::new(sync_log(database.log().await, seed));
    let pool = PgPool::connect(&database.url(SERVICE).await).await.expect("a connection");
    let finished = Arc::new(AtomicBool::new(false));
    let readers = ["reader", "w0", "w1"]
        .map(|name| (name, tokio::spawn(read(log.clone(), member(name), finished.clone(), !seed))));
    let mut writers = Vec::new();
    for writer in 0..WRITERS {
        writers.push(tokio::spawn(push(log.clone(), writer, rounds, seed)));
        writers.push(tokio::spawn(serve(pool.clone(), writer, rounds, seed)));
    }
    for writer in writers {
        writer.await.expect("the writer ends");
    }
    finished.store(true, Ordering::SeqCst);
    let there = stored(&database).await;
    println!("{} changes in {} streams", there.values().map(Vec::len).sum::<usize>(), there.len());
    for (name, reader) in readers {
        let got = reader.await.expect("the reader ends");
        for stream in [format!("user:{name}"), "space:family".to_owned()] {
            assert_eq!(got.get(&stream), there.get(&stream), "{name} in {stream}");
        }
    }
}

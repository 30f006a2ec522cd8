//! Transactions of any size in pages of any size: a page may end anywhere inside a transaction, every change comes once,
//! and the pages end.

use crate::figures::{figure, seed, stopwatch};
use crate::support::{insert, sqlite};
use mana_sync::log::contract::fixtures::{numbers, person, pull_of, push_of, sync_log};
use mana_sync::log::memory::MemoryLog;
use mana_sync::log::{Caller, ChangeLog, Epoch, SyncLog};
use serde_json::Value;
use std::collections::BTreeMap;

const MAX_BATCH: u64 = 5_000;
const MAX_PAGE: u64 = 1_000;
const PLACES: [Option<&str>; 3] = [None, Some("alpha"), Some("beta")];
/// Sizes at which a page and a transaction end together, or just do not.
const EDGES: [(u64, u64); 10] = [
    (1, 1),
    (2, 1),
    (1, MAX_PAGE),
    (MAX_PAGE - 1, MAX_PAGE),
    (MAX_PAGE, MAX_PAGE),
    (MAX_PAGE + 1, MAX_PAGE),
    (MAX_BATCH, MAX_PAGE),
    (MAX_BATCH, MAX_PAGE - 1),
    (MAX_BATCH, 1),
    (MAX_BATCH - 1, 2),
];

/// The event ids of each place, in their order.
type Places = BTreeMap<Option<String>, Vec<String>>;

fn ada() -> Caller {
    person("ada", &["alpha:club:member", "beta:club:member"])
}

/// Commits `count` changes in one transaction, each in a stream of its own choice.
async fn commit<L: ChangeLog>(log: &SyncLog<L>, first: u64, count: u64, next: &impl Fn() -> u64, sent: &mut Places) {
    let mut batch: Vec<Value> = Vec::new();
    for n in first..first + count {
        let place = PLACES[usize::try_from(next() % 3).expect("small")];
        batch.push(insert(n, &format!("t{n}"), place));
        let id = batch.last().and_then(|change| change["eventId"].as_str()).unwrap_or_default();
        sent.entry(place.map(str::to_owned)).or_default().push(id.to_owned());
    }
    let outcome = log.push(push_of(&ada(), &batch)).await.expect("the store works");
    assert_eq!((outcome.accepted.len() as u64, outcome.rejected.len()), (count, 0));
}

/// Reads the transaction in pages; in every other pair a second one is committed after the first page.
async fn read_in_pages<L: ChangeLog>(log: &SyncLog<L>, (batch, page): (u64, u64), next: impl Fn() -> u64) {
    let (mut sent, mut got) = (Places::new(), Places::new());
    commit(log, 0, batch, &next, &mut sent).await;
    let late = if next().is_multiple_of(2) { 0 } else { 1 + next() % 50 };
    let limit = usize::try_from(page).expect("small");
    let (mut cursor, mut pages) = (None, 0);
    loop {
        let answer = log.pull(&pull_of(&ada(), cursor.clone(), &["tasks"], limit)).await.expect("a page");
        pages += 1;
        assert!(answer.changes.len() <= limit, "a page has at most its limit");
        if answer.has_more {
            assert_eq!(answer.changes.len(), limit, "a page that is not the last is full");
            assert_ne!(Some(&answer.cursor), cursor.as_ref(), "a page moves the cursor");
        }
        for change in answer.changes {
            got.entry(change.space_id.map(Into::into)).or_default().push(change.event_id.into());
        }
        cursor = Some(answer.cursor);
        if pages == 1 && late > 0 {
            commit(log, batch, late, &next, &mut sent).await;
        } else if !answer.has_more {
            break;
        }
    }
    assert_eq!(got, sent, "every change once, in the order of its stream");
    assert!(pages <= (batch + late) / page + 2, "{pages} pages");
}

fn pairs(seed: u64, count: u64) -> impl Iterator<Item = (u64, u64)> {
    let next = numbers(seed);
    let random = std::iter::repeat_with(move || (next() % MAX_BATCH + 1, next() % MAX_PAGE + 1));
    EDGES.into_iter().chain(random).take(usize::try_from(count).expect("small"))
}

#[tokio::test]
async fn every_transaction_is_read_whole_in_pages_of_any_size_in_memory() {
    let (seed, count, seconds) = (seed(), figure("PAIRS", 20), stopwatch());
    for (n, pair) in pairs(seed, count).enumerate() {
        println!("pair {n}: {pair:?}");
        let log = sync_log(MemoryLog::new(Epoch([1; 16])), seed);
        read_in_pages(&log, pair, numbers(seed ^ n as u64)).await;
    }
    println!("{count} pairs in {:.1} s", seconds());
}

#[tokio::test]
async fn every_transaction_is_read_whole_in_pages_of_any_size_in_sqlite() {
    let (seed, count, seconds) = (seed(), figure("PAIRS", 20).div_ceil(20), stopwatch());
    // Of the edges the last ones have the most pages.
    for (n, pair) in pairs(seed, EDGES.len() as u64 + count).skip(3).enumerate() {
        println!("pair {n}: {pair:?}");
        let (_folder, database, log) = sqlite(seed).await;
        read_in_pages(&sync_log(log, seed), pair, numbers(seed ^ n as u64)).await;
        database.close().await;
    }
    println!("{} pairs in {:.1} s", EDGES.len() as u64 + count - 3, seconds());
}

//! One change of a batch is refused, at every position in turn: the others are stored once, and a retry adds nothing.

use crate::support::{insert, sqlite};
use mana_sync::log::contract::fixtures::{event, person, push_of, sync_log, with};
use mana_sync::log::memory::MemoryLog;
use mana_sync::log::{Caller, ChangeLog, Epoch, Push, PushOutcome, Sent, SyncLog};
use mana_sync_engine::protocol::wire::RejectionCode;
use serde_json::value::RawValue;
use serde_json::{Value, json};
use std::collections::BTreeSet;

const BATCH: u64 = 200;

fn ada() -> Caller {
    person("ada", &["alpha:club:member", "hall:club:viewer"])
}

/// Spoils a change in one of the ways a server refuses, and says by which code.
fn spoil(change: Value, way: u64) -> (Value, RejectionCode) {
    match way % 6 {
        0 => (with(change, &[("op", json!("upsert"))]), RejectionCode::InvalidChange),
        1 => (with(change, &[("spaceId", json!("elsewhere"))]), RejectionCode::NotAMember),
        2 => (with(change, &[("spaceId", json!("hall"))]), RejectionCode::ReadOnly),
        3 => (with(change, &[("at", json!("2027-01-01T00:00:00.000000Z"))]), RejectionCode::ClockAhead),
        4 => (with(change, &[("data", json!({ "spaceId": "alpha" }))]), RejectionCode::SpaceMismatch),
        _ => (with(change, &[("data", json!({ "title": "a\u{0}b" }))]), RejectionCode::InvalidChange),
    }
}

fn ids(outcome: &PushOutcome) -> (BTreeSet<String>, Vec<(String, RejectionCode)>) {
    let accepted = outcome.accepted.iter().map(ToString::to_string).collect();
    (accepted, outcome.rejected.iter().map(|rejection| (rejection.event_id.clone(), rejection.code)).collect())
}

/// Pushes a batch with one bad change, twice; gives how many changes were accepted.
async fn push_with_one_bad<L: ChangeLog>(log: &SyncLog<L>, position: u64) -> usize {
    let first = position * BATCH;
    // Of one's own and of no shared space, so that the ways to name a wrong space are wrong in every position.
    let mut batch: Vec<Value> =
        (first..first + BATCH).map(|n| insert(n, &format!("t{n}"), Some("_personal:ada"))).collect();
    let at = usize::try_from(position).expect("small");
    let (bad, code) = spoil(batch[at].clone(), position);
    batch[at] = bad;
    let refused = vec![(event(first + position).to_string(), code)];
    let others: BTreeSet<String> =
        (0..BATCH).filter(|n| *n != position).map(|n| event(first + n).to_string()).collect();
    for _ in 0..2 {
        let outcome = log.push(push_of(&ada(), &batch)).await.expect("the store works");
        assert_eq!(ids(&outcome), (others.clone(), refused.clone()), "position {position}");
    }
    others.len()
}

#[tokio::test]
async fn one_bad_change_at_any_position_leaves_the_others_stored_once_in_memory() {
    let store = MemoryLog::new(Epoch([1; 16]));
    let log = sync_log(store.clone(), 1);
    let mut stored = 0;
    for position in 0..BATCH {
        stored += push_with_one_bad(&log, position).await;
        assert_eq!(store.row_count(), stored, "position {position}");
    }
}

#[tokio::test]
async fn one_bad_change_at_any_position_leaves_the_others_stored_once_in_sqlite() {
    let (_folder, database, log) = sqlite(1).await;
    let log = sync_log(log, 1);
    let mut stored = 0;
    for position in (0..BATCH).step_by(13) {
        stored += push_with_one_bad(&log, position).await;
        let rows: i64 = sqlx::query_scalar("SELECT count(*) FROM sync_changes")
            .fetch_one(&database.readers)
            .await
            .expect("a count");
        assert_eq!(usize::try_from(rows).ok(), Some(stored), "position {position}");
    }
}

#[tokio::test]
async fn one_change_of_11_mb_leaves_the_others_stored_once() {
    let store = MemoryLog::new(Epoch([1; 16]));
    let log = sync_log(store.clone(), 1);
    let mut batch: Vec<Value> = (0..BATCH).map(|n| insert(n, &format!("t{n}"), None)).collect();
    batch[100]["data"]["text"] = json!("x".repeat(11 << 20));
    let texts: Vec<Box<RawValue>> =
        batch.iter().map(|change| RawValue::from_string(change.to_string()).expect("JSON")).collect();
    for _ in 0..2 {
        let changes = texts.iter().map(|text| Sent::from_text(text)).collect();
        let outcome = log.push(Push { changes, ..push_of(&ada(), &[]) }).await.expect("the store works");
        let refused = vec![(event(100).to_string(), RejectionCode::TooLarge)];
        assert_eq!((ids(&outcome).0.len(), ids(&outcome).1), (199, refused));
        assert_eq!(store.row_count(), 199);
    }
}

//! Small parts that the cases are made of: people, spaces, changes.

use crate::log::{
    Caller, ChangeLog, Collection, Pull, PullError, PullPage, Push, PushOutcome, Randomness, Sent, SyncLog,
};
use mana_sync_engine::model::{Change, ClientId, EventId, Space, SpaceId, Stamp, UserId};
use mana_sync_engine::protocol::wire::RejectionCode;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// The server's clock in the cases.
pub const NOW: &str = "2026-01-01T12:00:00.000000Z";

/// Numbers in a fixed order that look random: the same seed gives the same ones.
pub fn numbers(seed: u64) -> impl Fn() -> u64 + Send + Sync {
    let state = AtomicU64::new(seed);
    move || {
        // SplitMix64.
        let mut z = state.fetch_add(0x9e37_79b9_7f4a_7c15, Ordering::Relaxed).wrapping_add(0x9e37_79b9_7f4a_7c15);
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}

/// Bytes from [`numbers`].
#[must_use]
pub fn randomness(seed: u64) -> Randomness {
    let next = numbers(seed);
    Arc::new(move |bytes: &mut [u8]| bytes.fill_with(|| next().to_le_bytes()[0]))
}

/// The rules over a log, with tags from this seed.
pub fn sync_log<L: ChangeLog>(log: L, seed: u64) -> SyncLog<L> {
    SyncLog::new(log, randomness(seed), BTreeMap::new())
}

/// Event id number `n`.
#[must_use]
pub fn event(n: u64) -> EventId {
    let mut random = [0; 10];
    random[2..].copy_from_slice(&n.to_be_bytes());
    EventId::from_parts(1_767_000_000_000, &random)
}

/// A person in spaces written `id:type:role`.
///
/// # Panics
/// When a name is malformed.
#[must_use]
pub fn person(name: &str, spaces: &[&str]) -> Caller {
    let space = |text: &&str| {
        let parts: Vec<&str> = text.split(':').collect();
        let id = SpaceId::parse(parts[0]).expect("a space id");
        Space { id, kind: Some(parts[1].to_owned()), role: Some(parts[2].to_owned()) }
    };
    Caller { user: UserId::parse(name).expect("a user id"), spaces: spaces.iter().map(space).collect() }
}

/// A member of the shared space `family`.
#[must_use]
pub fn member(name: &str) -> Caller {
    person(name, &["family:family:member"])
}

/// An insert into `todo/tasks` of the shared space `family`; override parts with [`with`].
#[must_use]
pub fn insert(n: u64, record: &str) -> Value {
    json!({ "eventId": event(n), "app": "todo", "schemaVersion": 1, "table": "tasks", "id": record, "op": "insert",
        "at": "2026-01-01T11:00:00.000000Z", "spaceId": "family", "visibility": "space", "origin": "user",
        "data": { "id": record, "title": format!("Task {n}"), "spaceId": "family" } })
}

/// An update of one field of a record of [`insert`].
#[must_use]
pub fn update(n: u64, record: &str) -> Value {
    let edit = json!({ "value": format!("Title {n}"), "at": "2026-01-01T11:30:00.000000Z" });
    let mut change = with(insert(n, record), &[("op", json!("update")), ("fields", json!({ "title": edit }))]);
    change.as_object_mut().map(|change| change.remove("data"));
    change
}

/// A change of what belongs to a person: no space anywhere.
#[must_use]
pub fn own(n: u64, record: &str) -> Value {
    with(insert(n, record), &[("spaceId", Value::Null), ("data", json!({ "title": format!("Own {n}") }))])
}

/// `change` with these members in place of its own.
#[must_use]
pub fn with(mut change: Value, members: &[(&str, Value)]) -> Value {
    for (name, value) in members {
        change[*name] = value.clone();
    }
    change
}

/// `change` with an edit of one field, written at this minute between eleven and twelve.
#[must_use]
pub fn edited(mut change: Value, field: &str, value: &str, minute: u64) -> Value {
    change["fields"][field] = json!({ "value": value, "at": format!("2026-01-01T11:{minute:02}:00.000000Z") });
    change
}

/// A push of these changes.
///
/// # Panics
/// When the names above are malformed.
#[must_use]
pub fn push_of(caller: &Caller, changes: &[Value]) -> Push {
    Push {
        caller: caller.clone(),
        client_id: ClientId::parse("install.session").expect("a client id"),
        receipt: None,
        changes: changes.iter().cloned().map(Sent::from_value).collect(),
        now: Stamp::parse(NOW).expect("a stamp"),
    }
}

/// Pushes these changes.
///
/// # Panics
/// When the store fails.
pub async fn push<L: ChangeLog>(log: &SyncLog<L>, caller: &Caller, changes: &[Value]) -> PushOutcome {
    log.push(push_of(caller, changes)).await.expect("the store works")
}

/// Pushes changes of which each must be accepted.
///
/// # Panics
/// When one is not.
pub async fn accept<L: ChangeLog>(log: &SyncLog<L>, caller: &Caller, changes: &[Value]) {
    let outcome = push(log, caller, changes).await;
    assert_eq!(outcome.rejected, [], "all {} changes are accepted", changes.len());
}

/// The code of the one change that was pushed, if it was rejected.
pub async fn code<L: ChangeLog>(log: &SyncLog<L>, caller: &Caller, change: Value) -> Option<RejectionCode> {
    push(log, caller, &[change]).await.rejected.first().map(|rejection| rejection.code)
}

/// A pull of `todo/<table>` for each table.
///
/// # Panics
/// When a table's name is malformed.
#[must_use]
pub fn pull_of(caller: &Caller, cursor: Option<String>, tables: &[&str], limit: usize) -> Pull {
    let table = |name: &&str| Collection::try_from(format!("todo/{name}")).expect("a table");
    Pull { caller: caller.clone(), cursor, receipt: None, tables: tables.iter().map(table).collect(), limit }
}

/// One page of `todo/tasks`.
pub async fn page<L: ChangeLog>(
    log: &SyncLog<L>,
    caller: &Caller,
    cursor: Option<String>,
    limit: usize,
) -> Result<PullPage, PullError> {
    log.pull(&pull_of(caller, cursor, &["tasks"], limit)).await
}

/// Reads pages of these tables until there are no more; all changes, and the cursor at the end.
///
/// # Panics
/// When a page is refused, or the pages do not end.
pub async fn read_on<L: ChangeLog>(
    log: &SyncLog<L>,
    caller: &Caller,
    mut cursor: Option<String>,
    (tables, limit): (&[&str], usize),
) -> (Vec<Change>, String) {
    let mut changes = Vec::new();
    for _ in 0..100_000 {
        let page = log.pull(&pull_of(caller, cursor.take(), tables, limit)).await.expect("a page");
        assert!(page.changes.len() <= limit, "a page has at most its limit");
        changes.extend(page.changes);
        if !page.has_more {
            return (changes, page.cursor);
        }
        cursor = Some(page.cursor);
    }
    panic!("the pages do not end");
}

/// Everything a person may read of `todo/tasks`.
pub async fn read_all<L: ChangeLog>(log: &SyncLog<L>, caller: &Caller) -> Vec<Change> {
    read_on(log, caller, None, (&["tasks"], 100)).await.0
}

/// The record ids of changes, in their order.
#[must_use]
pub fn ids(changes: &[Change]) -> Vec<&str> {
    changes.iter().map(|change| change.id.as_str()).collect()
}

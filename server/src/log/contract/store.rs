//! The promises of [`ChangeLog`] and [`Transaction`], and of streams and events, method by method.

#![allow(clippy::missing_panics_doc, reason = "each case panics where a store breaks its promise")]

use super::fixtures::{NOW, event, insert, update, with};
use super::rows::{caller, head, none, read, row, stream, user, write};
use crate::log::{ChangeLog, Collection, Deletion, Extent, Head, LogError, LogRow, RecordKey, Transaction};
use mana_sync_engine::model::{Change, EventId, RecordId, Stamp, Visibility};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// Before and after a write.
pub async fn the_epoch_stays_the_same<L: ChangeLog>(log: L) {
    let first = log.epoch();
    write(&log, &[row("user:ada", 1, "ada", insert(1, "t1"))], &none()).await.unwrap();
    assert_eq!(log.epoch(), first);
}

/// Streams nobody wrote are left out; one that was written stands at its newest row.
pub async fn a_stream_without_rows_stands_nowhere<L: ChangeLog>(log: L) {
    let asked = BTreeSet::from([stream("user:ada"), stream("space:family")]);
    let ada = caller("ada", &asked);
    assert!(log.snapshot(&ada).await.unwrap().streams(&asked).await.unwrap().is_empty());
    let rows = [row("user:ada", 1, "ada", insert(1, "t1")), row("user:ada", 2, "ada", insert(2, "t2"))];
    write(&log, &rows, &none()).await.unwrap();
    let states = log.snapshot(&ada).await.unwrap().streams(&asked).await.unwrap();
    assert_eq!(states.keys().collect::<Vec<_>>(), [&stream("user:ada")]);
    let state = states[&stream("user:ada")];
    assert_eq!((state.pos, state.tag, state.horizon), (2, Some(rows[1].tag), 0));
    let mut transaction = log.transaction(&ada).await.unwrap();
    let locked = transaction.lock(&asked).await.unwrap();
    assert_eq!(locked, BTreeMap::from([(stream("user:ada"), 2), (stream("space:family"), 0)]));
    transaction.commit().await.unwrap();
    let states = log.snapshot(&ada).await.unwrap().streams(&asked).await.unwrap();
    assert_eq!(states.len(), 1, "a stream that was locked and not written still has no rows");
}

/// What a transaction has written counts in it, and nowhere else before its commit.
pub async fn a_transaction_stands_where_it_has_written<L: ChangeLog>(log: L) {
    let (own, family) = (stream("user:ada"), stream("space:family"));
    let asked = BTreeSet::from([own.clone(), family.clone()]);
    let ada = caller("ada", &asked);
    let [first, second, other] = [
        row("user:ada", 1, "ada", insert(1, "t1")),
        row("user:ada", 2, "ada", insert(2, "t2")),
        row("space:family", 1, "ada", insert(3, "t3")),
    ];
    write(&log, std::slice::from_ref(&first), &none()).await.unwrap();
    let mut transaction = log.transaction(&ada).await.unwrap();
    transaction.lock(&asked).await.unwrap();
    transaction.append(&[second.clone(), other.clone()]).await.unwrap();
    let states = transaction.streams(&asked).await.unwrap();
    let stands: Vec<_> = states.values().map(|state| (state.pos, state.tag)).collect();
    assert_eq!(stands, [(2, Some(second.tag)), (1, Some(other.tag))]);
    for (pos, tag) in [(1, first.tag), (2, second.tag)] {
        let tags = transaction.tags(&BTreeMap::from([(own.clone(), pos), (family.clone(), 1)])).await.unwrap();
        assert_eq!(tags, BTreeMap::from([(own.clone(), tag), (family.clone(), other.tag)]));
    }
    let states = log.snapshot(&ada).await.unwrap().streams(&asked).await.unwrap();
    assert_eq!(states.values().map(|state| state.pos).collect::<Vec<_>>(), [1]);
    drop(transaction);
    let states = log.snapshot(&ada).await.unwrap().streams(&asked).await.unwrap();
    assert_eq!(states.values().map(|state| state.pos).collect::<Vec<_>>(), [1], "nothing was kept");
}

/// Every kind of change, with stamps of its own, replaced stamps, actors, numbers and text.
pub async fn rows_come_back_as_they_were_written<L: ChangeLog>(log: L) {
    let at = "2026-01-01T10:00:00.000001Z";
    let numbers = json!({ "a": [1, -1.5e-7, 9_007_199_254_740_991_u64, 0.1] });
    let edit = json!({ "value": numbers, "at": at, "prev": "2025-12-31T10:00:00.5Z" });
    let text = json!({ "id": "t1", "title": "é \u{1F468}\u{200D}\u{1F469} \"'\\ \n", "none": null, "sum": 5e-324 });
    let actor = json!({ "kind": "ai", "principalId": "p", "rationale": "because" });
    let changes = [
        with(insert(1, "t1"), &[("data", text), ("fields", json!({ "due": edit })), ("actor", actor)]),
        with(
            update(2, "t1"),
            &[("fields", json!({ "due": edit, "x": { "value": 1, "at": at } })), ("schemaVersion", json!(7))],
        ),
        with(insert(3, "t1"), &[("op", json!("delete")), ("deletedAt", json!(at)), ("at", json!(at))]),
        with(insert(4, "t1"), &[("op", json!("withdraw")), ("data", Value::Null)]),
    ];
    let rows: Vec<LogRow> = changes.into_iter().zip(1..).map(|(c, pos)| row("space:family", pos, "ada", c)).collect();
    write(&log, &rows, &none()).await.unwrap();
    let written: Vec<Change> = rows.into_iter().map(|row| row.change).collect();
    assert_eq!(read(&log, "space:family", "bob").await, written);
}

/// A gap or a repeated position fails and leaves nothing.
pub async fn a_position_that_does_not_follow_is_refused<L: ChangeLog>(log: L) {
    write(&log, &[row("user:ada", 1, "ada", insert(1, "t1"))], &none()).await.unwrap();
    for pos in [1, 3] {
        assert!(write(&log, &[row("user:ada", pos, "ada", insert(2, "t2"))], &none()).await.is_err(), "{pos}");
    }
    assert!(write(&log, &[row("user:bob", 2, "bob", insert(2, "t2"))], &none()).await.is_err(), "not the first");
    let mut transaction = log.transaction(&caller("ada", [&stream("space:family")])).await.unwrap();
    transaction.lock(&BTreeSet::from([stream("space:family")])).await.unwrap();
    assert!(transaction.append(&[row("user:ada", 2, "ada", insert(2, "t2"))]).await.is_err(), "not locked");
    drop(transaction);
    assert_eq!(read(&log, "user:ada", "ada").await.len(), 1);
}

/// What is not committed never was; the next transaction goes on from there.
pub async fn a_dropped_transaction_leaves_nothing<L: ChangeLog>(log: L) {
    let rows = [row("user:ada", 1, "ada", insert(1, "t1"))];
    let heads = BTreeMap::from([(rows[0].key(), head("ada", Visibility::Space))]);
    let ada = caller("ada", []);
    let mut transaction = log.transaction(&ada).await.unwrap();
    transaction.lock(&BTreeSet::from([stream("user:ada")])).await.unwrap();
    transaction.append(&rows).await.unwrap();
    transaction.put_heads(&heads).await.unwrap();
    drop(transaction);
    assert!(read(&log, "user:ada", "ada").await.is_empty());
    let mut transaction = log.transaction(&ada).await.unwrap();
    assert!(transaction.heads(&heads.keys().cloned().collect()).await.unwrap().is_empty());
    drop(transaction);
    write(&log, &rows, &heads).await.unwrap();
    assert_eq!(read(&log, "user:ada", "ada").await.len(), 1);
}

/// A snapshot taken before a commit does not see it, whenever it is asked.
pub async fn a_snapshot_sees_one_moment<L: ChangeLog>(log: L) {
    write(&log, &[row("user:ada", 1, "ada", insert(1, "t1"))], &none()).await.unwrap();
    let ada = caller("ada", []);
    let mut before = log.snapshot(&ada).await.unwrap();
    write(&log, &[row("user:ada", 2, "ada", insert(2, "t2"))], &none()).await.unwrap();
    let asked = BTreeSet::from([stream("user:ada")]);
    assert_eq!(before.streams(&asked).await.unwrap()[&stream("user:ada")].pos, 1);
    let mut after = log.snapshot(&ada).await.unwrap();
    assert_eq!(after.streams(&asked).await.unwrap()[&stream("user:ada")].pos, 2);
}

/// The same id of the same user is a conflict in any stream; another user's is another event.
pub async fn an_event_of_one_user_is_stored_once_in_all_streams<L: ChangeLog>(log: L) {
    let first = row("user:ada", 1, "ada", insert(1, "t1"));
    write(&log, std::slice::from_ref(&first), &none()).await.unwrap();
    let again = write(&log, &[row("space:family", 1, "ada", insert(1, "t1"))], &none()).await;
    assert!(matches!(again, Err(LogError::Conflict)), "{again:?}");
    write(&log, &[row("space:family", 1, "bob", insert(1, "t1"))], &none()).await.unwrap();
    // Who is in no space any more: what they sent while they were is known all the same.
    let mut transaction = log.transaction(&caller("bob", [])).await.unwrap();
    assert_eq!(transaction.known(&user("bob"), &[event(1), event(2)].into()).await.unwrap().len(), 1);
    drop(transaction);
    let mut transaction = log.transaction(&caller("ada", [])).await.unwrap();
    let asked: BTreeSet<EventId> = [event(1), event(2)].into();
    let known = transaction.known(&user("ada"), &asked).await.unwrap();
    assert_eq!(known.keys().collect::<Vec<_>>(), [&event(1)]);
    assert_eq!(known[&event(1)], first.hash);
    assert!(transaction.known(&user("eve"), &asked).await.unwrap().is_empty());
}

/// Heads are found by their whole key and replaced whole.
pub async fn heads_are_kept_and_replaced<L: ChangeLog>(log: L) {
    let key = |place: &str| RecordKey {
        stream: stream(place),
        collection: Collection::try_from("todo/tasks".to_owned()).unwrap(),
        id: RecordId::parse("t1").unwrap(),
    };
    let deletion = Some(Deletion { at: Stamp::parse(NOW).unwrap(), deleted: true });
    let at = |minute| Some(Stamp::parse(&format!("2026-01-01T11:{minute}:00.000000Z")).unwrap());
    let unknown = Head { author: None, author_at: None, visibility: Visibility::Space, visibility_at: None, deletion };
    let stamped = Head { author_at: at(10), visibility_at: at(20), ..head("bob", Visibility::Private) };
    let family = [stream("space:family")];
    for (writer, heads) in [
        ("ada", BTreeMap::from([(key("space:family"), unknown), (key("user:ada"), head("ada", Visibility::Space))])),
        ("bob", BTreeMap::from([(key("space:family"), stamped)])),
    ] {
        let writer = caller(writer, &family);
        let mut transaction = log.transaction(&writer).await.unwrap();
        transaction.lock(&BTreeSet::from([stream("space:family")])).await.unwrap();
        transaction.put_heads(&heads).await.unwrap();
        transaction.commit().await.unwrap();
        let mut transaction = log.transaction(&writer).await.unwrap();
        assert_eq!(transaction.heads(&heads.keys().cloned().collect()).await.unwrap(), heads);
    }
    let mut transaction = log.transaction(&caller("bob", [])).await.unwrap();
    assert!(transaction.heads(&BTreeSet::from([key("user:bob")])).await.unwrap().is_empty());
}

/// The count of a person grows with what is written, by more for a larger change, and knows no dropped transaction.
pub async fn what_a_person_wrote_is_counted_when_it_is_committed<L: ChangeLog>(log: L) {
    let larger = with(insert(2, "t2"), &[("data", json!({ "title": "long ".repeat(200) }))]);
    let rows = [row("user:ada", 1, "ada", insert(1, "t1")), row("user:ada", 2, "ada", larger)];
    let charge = async |name: &str, rows: &[LogRow], commits: bool| {
        let mut transaction = log.transaction(&caller(name, [])).await.unwrap();
        transaction.lock(&BTreeSet::from([stream(&format!("user:{name}"))])).await.unwrap();
        let used = transaction.charge(&user(name), rows).await.unwrap();
        if commits {
            transaction.commit().await.unwrap();
        }
        used
    };
    let small = charge("ada", &rows[..1], false).await;
    assert!(small > 0);
    assert_eq!(charge("ada", &rows[..1], true).await, small, "what was dropped is not counted");
    let both = charge("ada", &rows[1..], true).await;
    assert!(both >= 2 * small + 900, "{both} for two, {small} for the small one");
    assert_eq!(charge("bob", &rows[..1], true).await, small, "everybody for themselves");
    assert_eq!(charge("ada", &[], true).await, both);
}

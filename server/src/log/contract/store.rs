//! The promises of [`ChangeLog`], [`Snapshot`] and [`Transaction`], method by method.

#![allow(clippy::missing_panics_doc, reason = "each case panics where a store breaks its promise")]

use super::fixtures::{NOW, event, insert, update, with};
use crate::log::{
    ChangeLog, Collection, ContentHash, Deletion, Head, LogError, LogRow, RecordKey, Rows, Snapshot, Span, StreamId,
    Tag, Transaction,
};
use mana_sync_engine::model::{Change, ClientId, EventId, Op, RecordId, Stamp, UserId, Visibility};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

fn stream(text: &str) -> StreamId {
    StreamId::try_from(text.to_owned()).unwrap()
}

fn user(name: &str) -> UserId {
    UserId::parse(name).unwrap()
}

fn tables(names: &[&str]) -> BTreeSet<Collection> {
    names.iter().map(|name| Collection::try_from(format!("todo/{name}")).unwrap()).collect()
}

fn row(place: &str, pos: u64, author: &str, change: Value) -> LogRow {
    let change = Change { user_id: Some(user(author)), group: None, ..Change::parse(change).unwrap() };
    LogRow {
        stream: stream(place),
        pos,
        tag: Tag([u8::try_from(pos % 251).unwrap(); 8]),
        hash: ContentHash::of(&change),
        user: user(author),
        client_id: ClientId::parse("install.session").unwrap(),
        created_at: Stamp::parse(NOW).unwrap(),
        change,
    }
}

async fn write<L: ChangeLog>(log: &L, rows: &[LogRow], heads: &BTreeMap<RecordKey, Head>) -> Result<(), LogError> {
    let mut transaction = log.transaction().await?;
    transaction.lock(&rows.iter().map(|row| row.stream.clone()).collect()).await?;
    transaction.append(rows).await?;
    transaction.put_heads(heads).await?;
    transaction.commit().await
}

async fn read<L: ChangeLog>(log: &L, place: &str, reader: &str) -> Vec<Change> {
    let found = span(log, place, (0, 1000), (&["tasks", "tags"], reader), (1000, usize::MAX)).await;
    assert!(found.complete);
    found.rows.into_iter().map(|row| row.change).collect()
}

async fn span<L: ChangeLog>(
    log: &L,
    place: &str,
    (after, through): (u64, u64),
    (names, reader): (&[&str], &str),
    (limit, max_bytes): (usize, usize),
) -> Rows {
    let (stream, collections, reader) = (stream(place), tables(names), user(reader));
    let span = Span { stream: &stream, after, through, collections: &collections, reader: &reader, limit, max_bytes };
    log.snapshot().await.unwrap().rows(&span).await.unwrap()
}

fn positions(rows: &Rows) -> Vec<u64> {
    rows.rows.iter().map(|row| row.pos).collect()
}

fn none() -> BTreeMap<RecordKey, Head> {
    BTreeMap::new()
}

/// Two snapshots, one epoch.
pub async fn the_epoch_stays_the_same<L: ChangeLog>(log: L) {
    let first = log.snapshot().await.unwrap().epoch().await.unwrap();
    write(&log, &[row("user:ada", 1, "ada", insert(1, "t1"))], &none()).await.unwrap();
    assert_eq!(log.snapshot().await.unwrap().epoch().await.unwrap(), first);
}

/// Streams nobody wrote are left out; one that was written stands at its newest row.
pub async fn a_stream_without_rows_stands_nowhere<L: ChangeLog>(log: L) {
    let asked = BTreeSet::from([stream("user:ada"), stream("user:bob")]);
    assert!(log.snapshot().await.unwrap().streams(&asked).await.unwrap().is_empty());
    let rows = [row("user:ada", 1, "ada", insert(1, "t1")), row("user:ada", 2, "ada", insert(2, "t2"))];
    write(&log, &rows, &none()).await.unwrap();
    let states = log.snapshot().await.unwrap().streams(&asked).await.unwrap();
    assert_eq!(states.keys().collect::<Vec<_>>(), [&stream("user:ada")]);
    let state = states[&stream("user:ada")];
    assert_eq!((state.pos, state.tag, state.horizon), (2, Some(rows[1].tag), 0));
    let mut transaction = log.transaction().await.unwrap();
    let locked = transaction.lock(&asked).await.unwrap();
    assert_eq!(locked, BTreeMap::from([(stream("user:ada"), 2), (stream("user:bob"), 0)]));
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
        with(insert(4, "t1"), &[("op", json!("withdraw")), ("data", Value::Null), ("spaceId", Value::Null)]),
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
    let mut transaction = log.transaction().await.unwrap();
    transaction.lock(&BTreeSet::from([stream("user:bob")])).await.unwrap();
    assert!(transaction.append(&[row("user:ada", 2, "ada", insert(2, "t2"))]).await.is_err(), "not locked");
    drop(transaction);
    assert_eq!(read(&log, "user:ada", "ada").await.len(), 1);
}

/// What is not committed never was; the next transaction goes on from there.
pub async fn a_dropped_transaction_leaves_nothing<L: ChangeLog>(log: L) {
    let rows = [row("user:ada", 1, "ada", insert(1, "t1"))];
    let heads = BTreeMap::from([(rows[0].key(), head("ada", Visibility::Space))]);
    let mut transaction = log.transaction().await.unwrap();
    transaction.lock(&BTreeSet::from([stream("user:ada")])).await.unwrap();
    transaction.append(&rows).await.unwrap();
    transaction.put_heads(&heads).await.unwrap();
    drop(transaction);
    assert!(read(&log, "user:ada", "ada").await.is_empty());
    let mut transaction = log.transaction().await.unwrap();
    assert!(transaction.heads(&heads.keys().cloned().collect()).await.unwrap().is_empty());
    drop(transaction);
    write(&log, &rows, &heads).await.unwrap();
    assert_eq!(read(&log, "user:ada", "ada").await.len(), 1);
}

/// A snapshot taken before a commit does not see it, whenever it is asked.
pub async fn a_snapshot_sees_one_moment<L: ChangeLog>(log: L) {
    write(&log, &[row("user:ada", 1, "ada", insert(1, "t1"))], &none()).await.unwrap();
    let mut before = log.snapshot().await.unwrap();
    write(&log, &[row("user:ada", 2, "ada", insert(2, "t2"))], &none()).await.unwrap();
    let asked = BTreeSet::from([stream("user:ada")]);
    assert_eq!(before.streams(&asked).await.unwrap()[&stream("user:ada")].pos, 1);
    let mut after = log.snapshot().await.unwrap();
    assert_eq!(after.streams(&asked).await.unwrap()[&stream("user:ada")].pos, 2);
}

/// The same id of the same user is a conflict in any stream; another user's is another event.
pub async fn an_event_of_one_user_is_stored_once_in_all_streams<L: ChangeLog>(log: L) {
    write(&log, &[row("user:ada", 1, "ada", insert(1, "t1"))], &none()).await.unwrap();
    let again = write(&log, &[row("space:family", 1, "ada", insert(1, "t1"))], &none()).await;
    assert!(matches!(again, Err(LogError::Conflict)), "{again:?}");
    write(&log, &[row("space:family", 1, "bob", insert(1, "t1"))], &none()).await.unwrap();
    let mut transaction = log.transaction().await.unwrap();
    let asked: BTreeSet<EventId> = [event(1), event(2)].into();
    let known = transaction.known(&user("ada"), &asked).await.unwrap();
    assert_eq!(known.keys().collect::<Vec<_>>(), [&event(1)]);
    assert_eq!(known[&event(1)], ContentHash::of(&Change::parse(insert(1, "t1")).unwrap()));
    assert!(transaction.known(&user("eve"), &asked).await.unwrap().is_empty());
}

fn head(author: &str, visibility: Visibility) -> Head {
    Head { author: Some(user(author)), author_at: None, visibility, visibility_at: None, deletion: None }
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
    for heads in [
        BTreeMap::from([(key("space:family"), unknown), (key("user:ada"), head("ada", Visibility::Space))]),
        BTreeMap::from([(key("space:family"), stamped)]),
    ] {
        let mut transaction = log.transaction().await.unwrap();
        transaction.lock(&BTreeSet::from([stream("space:family")])).await.unwrap();
        transaction.put_heads(&heads).await.unwrap();
        transaction.commit().await.unwrap();
        let mut transaction = log.transaction().await.unwrap();
        assert_eq!(transaction.heads(&heads.keys().cloned().collect()).await.unwrap(), heads);
    }
    let mut transaction = log.transaction().await.unwrap();
    assert!(transaction.heads(&BTreeSet::from([key("user:bob")])).await.unwrap().is_empty());
}

/// Bounds, tables, and streams that do not exist.
pub async fn a_span_gives_its_tables_between_its_ends<L: ChangeLog>(log: L) {
    let table = |n: u64| if n.is_multiple_of(2) { "tags" } else { "tasks" };
    let rows: Vec<LogRow> = (1..=8)
        .map(|n| row("user:ada", n, "ada", with(insert(n, &format!("t{n}")), &[("table", json!(table(n)))])))
        .collect();
    write(&log, &rows, &none()).await.unwrap();
    for (bounds, names, wanted) in [
        ((0, 8), &["tasks", "tags"][..], &[1, 2, 3, 4, 5, 6, 7, 8][..]),
        ((2, 6), &["tasks", "tags"], &[3, 4, 5, 6]),
        ((2, 6), &["tags"], &[4, 6]),
        ((8, 8), &["tags"], &[]),
        ((0, 8), &["task"], &[]),
        ((0, 8), &[], &[]),
    ] {
        let found = span(&log, "user:ada", bounds, (names, "ada"), (100, usize::MAX)).await;
        assert_eq!((positions(&found), found.complete), (wanted.to_vec(), true), "{bounds:?} {names:?}");
    }
    assert!(span(&log, "user:bob", (0, 8), (&["tasks"], "bob"), (100, usize::MAX)).await.complete);
}

/// A cut says so; a full page that holds everything does not; one row comes however large it is.
pub async fn a_span_is_cut_by_count_and_by_bytes<L: ChangeLog>(log: L) {
    let rows: Vec<LogRow> = (1..=4).map(|n| row("user:ada", n, "ada", insert(n, &format!("t{n}")))).collect();
    write(&log, &rows, &none()).await.unwrap();
    for (limit, max_bytes, wanted, complete) in
        [(4, usize::MAX, 4, true), (3, usize::MAX, 3, false), (4, 1, 1, false), (1, 1, 1, false)]
    {
        let found = span(&log, "user:ada", (0, 4), (&["tasks"], "ada"), (limit, max_bytes)).await;
        assert_eq!((found.rows.len(), found.complete), (wanted, complete), "{limit} rows, {max_bytes} bytes");
        assert!(found.bytes > 0);
    }
}

/// What `is_visible` says, said by the store: the record's head decides, a withdrawal goes to the others.
pub async fn rows_of_private_records_are_for_their_author<L: ChangeLog>(log: L) {
    let rows = [
        row("space:family", 1, "ada", insert(1, "hidden")),
        row("space:family", 2, "ada", insert(2, "shown")),
        row("space:family", 3, "ada", with(insert(3, "hidden"), &[("op", json!("withdraw"))])),
        row("space:family", 4, "bob", update(4, "headless")),
    ];
    assert_eq!(rows[2].change.op, Op::Withdraw);
    let heads = BTreeMap::from([
        (rows[0].key(), head("ada", Visibility::Private)),
        (rows[1].key(), head("ada", Visibility::Space)),
    ]);
    write(&log, &rows, &heads).await.unwrap();
    let seen = async |reader| {
        let found = span(&log, "space:family", (0, 4), (&["tasks"], reader), (100, usize::MAX)).await;
        positions(&found)
    };
    assert_eq!(seen("ada").await, [1, 2, 4]);
    assert_eq!(seen("bob").await, [2, 3, 4]);
}

/// A tag for each position that has a row.
pub async fn tags_are_found_where_there_are_rows<L: ChangeLog>(log: L) {
    let rows: Vec<LogRow> = (1..=3).map(|n| row("user:ada", n, "ada", insert(n, &format!("t{n}")))).collect();
    write(&log, &rows, &none()).await.unwrap();
    let mut snapshot = log.snapshot().await.unwrap();
    for (place, pos, wanted) in [("user:ada", 2, Some(rows[1].tag)), ("user:ada", 4, None), ("user:bob", 1, None)] {
        let found = snapshot.tags(&BTreeMap::from([(stream(place), pos)])).await.unwrap();
        assert_eq!(found.get(&stream(place)).copied(), wanted, "{place} {pos}");
    }
}

/// A horizon belongs to its stream and moves nothing else.
pub async fn a_horizon_is_kept<L: ChangeLog>(log: L) {
    write(&log, &[row("user:ada", 1, "ada", insert(1, "t1"))], &none()).await.unwrap();
    let mut transaction = log.transaction().await.unwrap();
    transaction.lock(&BTreeSet::from([stream("user:ada")])).await.unwrap();
    transaction.set_horizon(&stream("user:ada"), 1).await.unwrap();
    transaction.commit().await.unwrap();
    let asked = BTreeSet::from([stream("user:ada")]);
    let state = log.snapshot().await.unwrap().streams(&asked).await.unwrap()[&stream("user:ada")];
    assert_eq!((state.pos, state.horizon), (1, 1));
}

/// Ids are values, never parts of a list or of a statement.
pub async fn ids_with_quotes_and_commas_name_nothing_else<L: ChangeLog>(log: L) {
    write(&log, &[row("space:b", 1, "ada", insert(1, "t1"))], &none()).await.unwrap();
    for hostile in ["a,b", "b\"", "\",\"b", "b' OR '1'='1", "[\"b\"]", "{b}", "%", "_", "a\",\"space:b", "user:ada"] {
        let place = format!("space:{hostile}");
        assert!(read(&log, &place, "ada").await.is_empty(), "{hostile}");
        let asked = BTreeSet::from([stream(&place)]);
        assert!(log.snapshot().await.unwrap().streams(&asked).await.unwrap().is_empty(), "{hostile}");
        let own = row(&place, 1, hostile, insert(1, hostile));
        write(&log, std::slice::from_ref(&own), &BTreeMap::from([(own.key(), head(hostile, Visibility::Private))]))
            .await
            .unwrap();
        assert_eq!(read(&log, &place, hostile).await, [own.change]);
    }
    assert_eq!(read(&log, "space:b", "eve").await.len(), 1);
}

//! The promises of [`Snapshot`](crate::log::Snapshot) about rows and tags, and of horizons and ids.

#![allow(clippy::missing_panics_doc, reason = "each case panics where a store breaks its promise")]

use super::fixtures::{insert, update, with};
use super::rows::{caller, head, none, positions, read, row, span, stream, write};
use crate::log::{ChangeLog, Extent, LogRow, Transaction};
use mana_sync_engine::model::{Op, Visibility};
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};

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
    ];
    assert_eq!(rows[2].change.op, Op::Withdraw);
    let heads = BTreeMap::from([
        (rows[0].key(), head("ada", Visibility::Private)),
        (rows[1].key(), head("ada", Visibility::Space)),
    ]);
    write(&log, &rows, &heads).await.unwrap();
    write(&log, &[row("space:family", 4, "bob", update(4, "headless"))], &none()).await.unwrap();
    let alone = with(insert(5, "alone"), &[("visibility", json!("private"))]);
    write(&log, &[row("space:family", 5, "bob", alone)], &none()).await.unwrap();
    let seen = async |reader| {
        let found = span(&log, "space:family", (0, 5), (&["tasks"], reader), (100, usize::MAX)).await;
        positions(&found)
    };
    assert_eq!(seen("ada").await, [1, 2, 4]);
    assert_eq!(seen("bob").await, [2, 3, 4, 5], "one without head that says it is private is its writer's");
    let family = stream("space:family");
    let mut snapshot = log.snapshot(&caller("bob", [&family])).await.unwrap();
    let tags = snapshot.tags(&BTreeMap::from([(family.clone(), 1)])).await.unwrap();
    assert_eq!(tags.get(&family), Some(&rows[0].tag), "where a row is hidden its tag still says that the log goes on");
}

/// A tag for each position that has a row.
pub async fn tags_are_found_where_there_are_rows<L: ChangeLog>(log: L) {
    let rows: Vec<LogRow> = (1..=3).map(|n| row("user:ada", n, "ada", insert(n, &format!("t{n}")))).collect();
    write(&log, &rows, &none()).await.unwrap();
    let mut snapshot = log.snapshot(&caller("ada", [])).await.unwrap();
    for (place, pos, wanted) in [("user:ada", 2, Some(rows[1].tag)), ("user:ada", 4, None), ("user:bob", 1, None)] {
        let found = snapshot.tags(&BTreeMap::from([(stream(place), pos)])).await.unwrap();
        assert_eq!(found.get(&stream(place)).copied(), wanted, "{place} {pos}");
    }
}

/// A horizon belongs to its stream and moves nothing else.
pub async fn a_horizon_is_kept<L: ChangeLog>(log: L) {
    write(&log, &[row("user:ada", 1, "ada", insert(1, "t1"))], &none()).await.unwrap();
    let ada = caller("ada", []);
    let mut transaction = log.transaction(&ada).await.unwrap();
    transaction.lock(&BTreeSet::from([stream("user:ada")])).await.unwrap();
    transaction.set_horizon(&stream("user:ada"), 1).await.unwrap();
    transaction.commit().await.unwrap();
    let asked = BTreeSet::from([stream("user:ada")]);
    let state = log.snapshot(&ada).await.unwrap().streams(&asked).await.unwrap()[&stream("user:ada")];
    assert_eq!((state.pos, state.horizon), (1, 1));
}

/// Ids are values, never parts of a list or of a statement.
pub async fn ids_with_quotes_and_commas_name_nothing_else<L: ChangeLog>(log: L) {
    write(&log, &[row("space:b", 1, "ada", insert(1, "t1"))], &none()).await.unwrap();
    for hostile in ["a,b", "b\"", "\",\"b", "b' OR '1'='1", "[\"b\"]", "{b}", "%", "_", "a\",\"space:b", "user:ada"] {
        let place = format!("space:{hostile}");
        assert!(read(&log, &place, "ada").await.is_empty(), "{hostile}");
        let asked = BTreeSet::from([stream(&place)]);
        let ada = caller("ada", &asked);
        assert!(log.snapshot(&ada).await.unwrap().streams(&asked).await.unwrap().is_empty(), "{hostile}");
        let own = row(&place, 1, hostile, insert(1, hostile));
        write(&log, std::slice::from_ref(&own), &BTreeMap::from([(own.key(), head(hostile, Visibility::Private))]))
            .await
            .unwrap();
        assert_eq!(read(&log, &place, hostile).await, [own.change]);
    }
    assert_eq!(read(&log, "space:b", "eve").await.len(), 1);
}

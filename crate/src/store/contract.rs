//! The suite every store passes: each promise of [`Store`] and [`Transaction`], tried.
//!
//! It panics where a promise is broken, so that it runs under any test harness, native or in a browser.

#![expect(clippy::missing_panics_doc, reason = "a panic is how a broken promise is reported")]

mod dice;
mod many;
mod program;

pub use dice::program;
pub use program::{Program, compare_with_memory, run as run_program};

/// How many programs (of the seeds from 0) every store answers alike.
pub const PROGRAMS: u64 = 125;

use super::{Key, KeyRange, Mode, Row, RowValue, Scan, Store, StoreError, Transaction};
use crate::model::StoreSpec;
use serde_json::{Value, json};
use std::future::Future;

/// Runs every case; `open` makes a fresh, empty store with the given tables each time it is called.
pub async fn run<S: Store, F: Future<Output = S>>(open: impl Fn(Vec<StoreSpec>) -> F) {
    what_is_put_is_read_back(&open(tables()).await).await;
    what_is_dropped_leaves_nothing(&open(tables()).await).await;
    what_is_aborted_leaves_nothing(&open(tables()).await).await;
    a_transaction_sees_its_own_writes(&open(tables()).await).await;
    writers_wait_for_each_other(&open(tables()).await, Mode::Write).await;
    writers_wait_for_each_other(&open(tables()).await, Mode::Durable).await;
    keys_are_counted(&open(tables()).await).await;
    many::rows_of_many_keys_come_in_the_order_of_the_keys(&open(tables()).await).await;
    many::many_rows_show_the_transactions_own_writes(&open(tables()).await).await;
    many::what_is_inserted_with_the_commit_has_its_keys(&open(tables()).await).await;
    many::a_refused_row_undoes_what_it_would_have_ended(&open(tables()).await).await;
    keys_may_lie_beside_rows(&open(tables()).await).await;
    scans_go_by_index_order(&open(tables()).await).await;
    scans_filter_before_they_count(&open(tables()).await).await;
    multi_entry_lists_each_element(&open(tables()).await).await;
    entries_have_their_keys(&open(tables()).await).await;
    ranges_are_counted(&open(tables()).await).await;
    unique_indexes_refuse_the_second(&open(tables()).await).await;
    an_offer_refuses_rows_one_by_one(&open(tables()).await).await;
    an_offer_makes_and_takes_keys(&open(tables()).await).await;
    removing_and_clearing_remove(&open(tables()).await).await;
    a_row_without_key_is_refused(&open(tables()).await).await;
    readers_do_not_write(&open(tables()).await).await;
    unknown_stores_and_indexes_are_named(&open(tables()).await).await;
    a_pulse_leaves_the_transaction_usable(&open(tables()).await).await;
    a_closed_store_says_so(&open(tables()).await).await;
}

/// The tables the suite needs.
#[must_use]
pub fn tables() -> Vec<StoreSpec> {
    [("items", "id, rank, [kind+rank], *tags, &slug"), ("counted", "++seq"), ("beside", "")]
        .into_iter()
        .map(|(name, schema)| StoreSpec::parse(name, schema).expect("the suite's own schema is valid"))
        .collect()
}

fn row<R: Row>(json: &Value) -> R {
    R::from_json(json).expect("the suite's own rows are objects")
}

fn json_of<R: Row>(row: &R) -> Value {
    row.to_json().expect("the suite's own rows are JSON")
}

fn ids<R: Row>(rows: &[R]) -> Vec<String> {
    rows.iter().filter_map(|row| row.text("id")).collect()
}

async fn fill<S: Store>(store: &S, rows: &[Value]) {
    let tx = store.begin(Mode::Write, &["items"]).expect("begins");
    for item in rows {
        tx.put("items", &row(item), None).expect("puts");
    }
    tx.commit().await.expect("commits");
}

async fn read<S: Store>(store: &S, key: &str) -> Option<Value> {
    let tx = store.begin(Mode::Read, &["items"]).expect("begins");
    tx.get("items", &Key::text(key)).await.expect("reads").map(|row| json_of(&row))
}

async fn what_is_put_is_read_back<S: Store>(store: &S) {
    let item = json!({ "id": "a", "rank": 1.5, "nested": { "list": [1, "two", null, true] }, "none": null });
    fill(store, std::slice::from_ref(&item)).await;
    assert_eq!(read(store, "a").await, Some(item));
    assert_eq!(read(store, "b").await, None);
    let tx = store.begin(Mode::Read, &["items"]).expect("begins");
    let many = tx.get_many("items", &[Key::text("b"), Key::text("a")]).await.expect("reads");
    assert!(many[0].is_none() && many[1].is_some(), "rows come in the order of the keys");
    assert!(tx.get_many("items", &[]).await.expect("reads nothing").is_empty());
}

async fn what_is_dropped_leaves_nothing<S: Store>(store: &S) {
    let tx = store.begin(Mode::Write, &["items"]).expect("begins");
    tx.put("items", &row(&json!({ "id": "a" })), None).expect("puts");
    drop(tx);
    assert_eq!(read(store, "a").await, None, "a dropped transaction is aborted");
}

async fn what_is_aborted_leaves_nothing<S: Store>(store: &S) {
    fill(store, &[json!({ "id": "a", "rank": 1 })]).await;
    let tx = store.begin(Mode::Write, &["items"]).expect("begins");
    tx.get("items", &Key::text("a")).await.expect("reads");
    tx.put("items", &row(&json!({ "id": "a", "rank": 2 })), None).expect("puts");
    tx.abort();
    assert_eq!(read(store, "a").await, Some(json!({ "id": "a", "rank": 1 })));
    assert!(tx.put("items", &row(&json!({ "id": "b" })), None).is_err(), "nothing is written after an abort");
    assert!(tx.commit().await.is_err(), "an aborted transaction does not commit");
}

async fn a_transaction_sees_its_own_writes<S: Store>(store: &S) {
    let tx = store.begin(Mode::Write, &["items"]).expect("begins");
    tx.put("items", &row(&json!({ "id": "a", "rank": 1 })), None).expect("puts");
    let seen = tx.get("items", &Key::text("a")).await.expect("reads");
    assert_eq!(seen.map(|row| json_of(&row)), Some(json!({ "id": "a", "rank": 1 })));
    tx.delete("items", &Key::text("a")).expect("deletes");
    assert!(tx.get("items", &Key::text("a")).await.expect("reads").is_none());
    tx.commit().await.expect("commits");
}

async fn writers_wait_for_each_other<S: Store>(store: &S, mode: Mode) {
    fill(store, &[json!({ "id": "n", "rank": 0 })]).await;
    let bump = || async {
        let tx = store.begin(mode, &["items"]).expect("begins");
        let rank = tx.get("items", &Key::text("n")).await.expect("reads").and_then(|row| row.get("rank"));
        let next = rank.and_then(|value| value.as_number()).unwrap_or_default() + 1.0;
        tx.put("items", &row(&json!({ "id": "n", "rank": next })), None).expect("puts");
        tx.commit().await.expect("commits");
    };
    futures_util::future::join_all((0..10).map(|_| bump())).await;
    let rank = read(store, "n").await.and_then(|row| row["rank"].as_f64());
    assert_eq!(rank, Some(10.0), "no increment is lost");
}

async fn keys_are_counted<S: Store>(store: &S) {
    let tx = store.begin(Mode::Write, &["counted"]).expect("begins");
    tx.put("counted", &row(&json!({ "name": "first" })), None).expect("puts");
    let second = tx.insert("counted", &row(&json!({ "name": "second" })), None).await.expect("inserts");
    assert_eq!(second, Key::Number(2.0));
    tx.commit().await.expect("commits");
    let tx = store.begin(Mode::Read, &["counted"]).expect("begins");
    let row = tx.get("counted", &second).await.expect("reads").expect("is there");
    assert_eq!(json_of(&row), json!({ "name": "second", "seq": 2 }), "the key is written into the row");
}

async fn keys_may_lie_beside_rows<S: Store>(store: &S) {
    let tx = store.begin(Mode::Write, &["beside"]).expect("begins");
    tx.put("beside", &row(&json!({ "v": 1 })), Some(&Key::Number(7.0))).expect("puts");
    tx.commit().await.expect("commits");
    let tx = store.begin(Mode::Read, &["beside"]).expect("begins");
    let found = tx.get("beside", &Key::Number(7.0)).await.expect("reads");
    assert_eq!(found.map(|row| json_of(&row)), Some(json!({ "v": 1 })));
}

fn ranked() -> Vec<Value> {
    vec![
        json!({ "id": "a", "rank": 2, "kind": "x" }),
        json!({ "id": "b", "rank": 1, "kind": "y" }),
        json!({ "id": "c", "rank": 2, "kind": "y" }),
        json!({ "id": "d", "kind": "x" }),
    ]
}

async fn scans_go_by_index_order<S: Store>(store: &S) {
    fill(store, &ranked()).await;
    let found = async |scan: Scan| {
        let tx = store.begin(Mode::Read, &["items"]).expect("begins");
        ids(&tx.scan("items", &scan, &|_| true).await.expect("scans"))
    };
    let by_rank = Scan { index: Some("rank".into()), ..Scan::default() };
    assert_eq!(found(Scan::default()).await, ["a", "b", "c", "d"]);
    assert_eq!(found(by_rank.clone()).await, ["b", "a", "c"], "rows without the key are left out");
    assert_eq!(found(Scan { reverse: true, ..by_rank.clone() }).await, ["c", "a", "b"]);
    let two = Some(KeyRange::only(Key::Number(2.0)));
    assert_eq!(found(Scan { range: two.clone(), ..by_rank.clone() }).await, ["a", "c"]);
    assert_eq!(found(Scan { range: two, reverse: true, limit: Some(1), ..by_rank }).await, ["c"]);
    let compound = KeyRange {
        lower: Some((Key::List(vec![Key::text("y")]), false)),
        upper: Some((Key::List(vec![Key::text("y"), Key::List(vec![])]), false)),
    };
    let scan = Scan { index: Some("[kind+rank]".into()), range: Some(compound), ..Scan::default() };
    assert_eq!(found(scan).await, ["b", "c"]);
    let above = KeyRange { lower: Some((Key::text("b"), true)), upper: None };
    assert_eq!(found(Scan { range: Some(above.clone()), ..Scan::default() }).await, ["c", "d"]);
    assert_eq!(found(Scan { range: Some(above), reverse: true, ..Scan::default() }).await, ["d", "c"]);
}

async fn scans_filter_before_they_count<S: Store>(store: &S) {
    fill(store, &ranked()).await;
    let tx = store.begin(Mode::Read, &["items"]).expect("begins");
    let keep = |row: &S::Row| row.text("kind").as_deref() == Some("x");
    let all = tx.scan("items", &Scan::default(), &keep).await.expect("scans");
    assert_eq!(ids(&all), ["a", "d"]);
    let second = tx.scan("items", &Scan { offset: 1, limit: Some(1), ..Scan::default() }, &keep).await.expect("scans");
    assert_eq!(ids(&second), ["d"]);
    let none = tx.scan("items", &Scan { limit: Some(0), ..Scan::default() }, &keep).await.expect("scans");
    assert!(none.is_empty());
    let past = tx.scan("items", &Scan { offset: 9, ..Scan::default() }, &keep).await.expect("scans");
    assert!(past.is_empty());
}

async fn multi_entry_lists_each_element<S: Store>(store: &S) {
    fill(store, &[json!({ "id": "a", "tags": ["q", "p"] }), json!({ "id": "b", "tags": ["q"] })]).await;
    let tx = store.begin(Mode::Read, &["items"]).expect("begins");
    let scan = Scan { index: Some("tags".into()), ..Scan::default() };
    assert_eq!(ids(&tx.scan("items", &scan, &|_| true).await.expect("scans")), ["a", "a", "b"]);
}

async fn entries_have_their_keys<S: Store>(store: &S) {
    fill(store, &ranked()).await;
    let tx = store.begin(Mode::Read, &["items"]).expect("begins");
    let by_rank = Scan { index: Some("rank".into()), ..Scan::default() };
    let listed = async |scan: &Scan, rows: bool, keep: &dyn Fn(&Key, Option<&S::Row>) -> bool| {
        let entries = tx.entries("items", scan, rows, keep).await.expect("lists");
        assert!(entries.iter().all(|entry| entry.row.is_some() == rows), "rows come where they are asked for");
        entries.into_iter().map(|entry| (entry.key, entry.primary)).collect::<Vec<_>>()
    };
    let pair = |rank: f64, id: &str| (Key::Number(rank), Key::text(id));
    let all = [pair(1.0, "b"), pair(2.0, "a"), pair(2.0, "c")];
    assert_eq!(listed(&by_rank, false, &|_, row| row.is_none()).await, all);
    assert_eq!(listed(&by_rank, true, &|_, row| row.is_some()).await, all);
    let last = Scan { reverse: true, offset: 1, limit: Some(1), ..by_rank };
    assert_eq!(listed(&last, false, &|_, _| true).await, [pair(2.0, "a")]);
    assert_eq!(listed(&last, false, &|_, _| false).await, []);
    let from_c = Some(KeyRange { lower: Some((Key::text("c"), false)), upper: None });
    let primary = Scan { range: from_c, reverse: true, ..Scan::default() };
    let ids = [(Key::text("d"), Key::text("d")), (Key::text("c"), Key::text("c"))];
    assert_eq!(listed(&primary, false, &|_, _| true).await, ids);
    assert_eq!(listed(&Scan { offset: 1, ..primary }, true, &|_, _| true).await, ids[1..]);
}

async fn ranges_are_counted<S: Store>(store: &S) {
    fill(store, &ranked()).await;
    let tx = store.begin(Mode::Read, &["items"]).expect("begins");
    assert_eq!(tx.count("items", None, None).await.expect("counts"), 4);
    assert_eq!(tx.count("items", Some("rank"), None).await.expect("counts"), 3);
    let two = KeyRange::only(Key::Number(2.0));
    assert_eq!(tx.count("items", Some("rank"), Some(&two)).await.expect("counts"), 2);
    let empty = KeyRange { lower: Some((Key::Number(2.0), false)), upper: Some((Key::Number(1.0), false)) };
    assert_eq!(tx.count("items", Some("rank"), Some(&empty)).await.expect("counts"), 0);
}

async fn unique_indexes_refuse_the_second<S: Store>(store: &S) {
    let names = store.unique_indexes("items").into_iter().map(|index| index.name);
    assert_eq!(names.collect::<Vec<_>>(), ["slug"]);
    assert!(store.unique_indexes("counted").is_empty());
    fill(store, &[json!({ "id": "a", "slug": "s" })]).await;
    let tx = store.begin(Mode::Write, &["items"]).expect("begins");
    tx.put("items", &row(&json!({ "id": "z", "rank": 1 })), None).expect("puts");
    let put = tx.put("items", &row(&json!({ "id": "b", "slug": "s" })), None);
    let error = match put {
        Ok(()) => tx.commit().await.expect_err("the second is refused"),
        Err(error) => error,
    };
    assert!(matches!(error, StoreError::Constraint(_)), "{error}");
    assert_eq!(read(store, "z").await, None, "the whole transaction is undone");
}

async fn an_offer_refuses_rows_one_by_one<S: Store>(store: &S) {
    fill(store, &[json!({ "id": "a", "slug": "s" })]).await;
    let tx = store.begin(Mode::Write, &["items"]).expect("begins");
    let offer = |rows: &[Value]| rows.iter().map(|json| (None, row::<S::Row>(json))).collect::<Vec<_>>();
    let rows = [
        json!({ "id": "b", "slug": "s" }),
        json!({ "id": "c", "slug": "t" }),
        json!({ "id": "d", "slug": "t" }),
        json!({ "id": "a", "rank": 1 }),
        json!({ "rank": 2 }),
        json!({ "id": "a", "slug": "u" }),
    ];
    let put = tx.offer("items", &offer(&rows), false).await.expect("is answered");
    assert!(matches!(put[0], Err(StoreError::Constraint(_))), "the index has that entry: {:?}", put[0]);
    assert_eq!(put[1], Ok(Key::text("c")));
    assert!(matches!(put[2], Err(StoreError::Constraint(_))), "this offer made that entry: {:?}", put[2]);
    assert_eq!(put[3], Ok(Key::text("a")), "a put replaces");
    assert!(matches!(put[4], Err(StoreError::InvalidKey(_))), "{:?}", put[4]);
    assert_eq!(put[5], Ok(Key::text("a")));
    let add = tx.offer("items", &offer(&rows[3..]), true).await.expect("is answered");
    assert!(matches!(add[0], Err(StoreError::Constraint(_))), "nothing is replaced: {:?}", add[0]);
    assert!(tx.offer("items", &[], true).await.expect("is answered").is_empty());
    tx.put("items", &row(&json!({ "id": "after" })), None).expect("the transaction goes on");
    tx.commit().await.expect("commits");
    assert_eq!(read(store, "a").await, Some(json!({ "id": "a", "slug": "u" })));
    assert_eq!((read(store, "b").await, read(store, "d").await), (None, None), "what was refused is not there");
    assert!(read(store, "after").await.is_some());
}

async fn an_offer_makes_and_takes_keys<S: Store>(store: &S) {
    let tx = store.begin(Mode::Write, &["counted", "beside"]).expect("begins");
    let counted = [(None, row(&json!({ "v": 1 }))), (None, row(&json!({ "seq": 7, "v": 2 }))), (None, row(&json!({})))];
    let keys = tx.offer("counted", &counted, true).await.expect("is answered");
    assert_eq!(keys[..2], [Ok(Key::Number(1.0)), Ok(Key::Number(7.0))]);
    let beside = [(Some(Key::text("k")), row(&json!({ "v": 1 }))), (None, row(&json!({ "v": 2 })))];
    let keys = tx.offer("beside", &beside, true).await.expect("is answered");
    assert_eq!(keys[0], Ok(Key::text("k")));
    assert!(matches!(keys[1], Err(StoreError::InvalidKey(_))), "{:?}", keys[1]);
    tx.commit().await.expect("commits");
}

async fn removing_and_clearing_remove<S: Store>(store: &S) {
    fill(store, &ranked()).await;
    let tx = store.begin(Mode::Write, &["items"]).expect("begins");
    tx.delete("items", &Key::text("a")).expect("deletes");
    tx.delete("items", &Key::text("not there")).expect("deletes nothing");
    tx.commit().await.expect("commits");
    assert_eq!(read(store, "a").await, None);
    assert!(read(store, "b").await.is_some());
    let tx = store.begin(Mode::Write, &["items"]).expect("begins");
    tx.clear("items").expect("clears");
    tx.put("items", &row(&json!({ "id": "new" })), None).expect("puts");
    tx.commit().await.expect("commits");
    assert_eq!(read(store, "b").await, None);
    assert!(read(store, "new").await.is_some());
}

async fn a_row_without_key_is_refused<S: Store>(store: &S) {
    let tx = store.begin(Mode::Write, &["items"]).expect("begins");
    tx.put("items", &row(&json!({ "id": "before" })), None).expect("puts");
    let refused = tx.put("items", &row(&json!({ "id": { "no": "key" } })), None);
    assert!(refused.is_err(), "a failure known at once is returned");
    assert!(tx.commit().await.is_err(), "and has aborted the transaction");
    assert_eq!(read(store, "before").await, None, "together with what went before");
}

async fn readers_do_not_write<S: Store>(store: &S) {
    let tx = store.begin(Mode::Read, &["items"]).expect("begins");
    assert!(tx.put("items", &row(&json!({ "id": "a" })), None).is_err());
    drop(tx);
    assert_eq!(read(store, "a").await, None);
}

async fn unknown_stores_and_indexes_are_named<S: Store>(store: &S) {
    assert!(matches!(store.begin(Mode::Read, &["nowhere"]), Err(StoreError::NotFound(_))));
    let tx = store.begin(Mode::Read, &["items"]).expect("begins");
    let scan = Scan { index: Some("nothing".into()), ..Scan::default() };
    assert!(matches!(tx.scan("items", &scan, &|_| true).await, Err(StoreError::NotFound(_))));
}

async fn a_pulse_leaves_the_transaction_usable<S: Store>(store: &S) {
    let tx = store.begin(Mode::Write, &["items"]).expect("begins");
    tx.put("items", &row(&json!({ "id": "a" })), None).expect("puts");
    tx.pulse().await;
    tx.put("items", &row(&json!({ "id": "b" })), None).expect("puts");
    tx.commit().await.expect("commits");
    assert!(read(store, "a").await.is_some() && read(store, "b").await.is_some());
}

async fn a_closed_store_says_so<S: Store>(store: &S) {
    fill(store, &[json!({ "id": "a" })]).await;
    store.close();
    assert!(matches!(store.begin(Mode::Read, &["items"]), Err(StoreError::Closed)));
}

//! Transactions in IndexedDB: the contract of every store, and what only a browser can do to one.

use crate::support::{Heard, Patched, delete, fresh_name, get, js, object, open, put, row, try_open};
use futures_util::FutureExt;
use futures_util::future::{join, join_all};
use mana_sync_engine::store::{Key, Mode, Row, RowValue, Scan, Store, StoreError, Transaction, contract};
use mana_sync_engine::web::{Durability, IndexedDb, JsRow, OpenOptions, abort_open_transactions};
use serde_json::json;
use std::cell::RefCell;
use std::rc::Rc;
use wasm_bindgen::JsValue;
use wasm_bindgen_test::wasm_bindgen_test;

const ITEMS: &[(&str, &str)] = &[("items", "id, rank, &slug"), ("counted", "++seq")];

#[wasm_bindgen_test]
async fn indexeddb_keeps_the_contract() {
    let names = RefCell::new(Vec::new());
    contract::run(|stores| {
        let name = fresh_name();
        names.borrow_mut().push(name.clone());
        let options = OpenOptions { name, version: 1, stores, durability: Durability::Strict, events: Rc::new(|_| {}) };
        async { IndexedDb::open(options).await.expect("opens") }
    })
    .await;
    for name in names.take() {
        delete(&name).await;
    }
}

#[wasm_bindgen_test]
async fn awaiting_something_else_ends_a_transaction_and_the_next_call_is_named() {
    let name = fresh_name();
    let db = open(&name, 1, ITEMS).await;
    let tx = db.begin(Mode::Write, &["items"]).expect("begins");
    tx.get("items", &Key::text("a")).await.expect("reads");
    // The browser commits the first on its own to let this one begin.
    put(&db, "items", &row(&json!({ "id": "other" }))).await;
    let key = Key::text("a");
    assert_eq!(tx.get("items", &key).await.err(), Some(StoreError::Inactive("get")));
    assert_eq!(tx.get_many("items", std::slice::from_ref(&key)).await.err(), Some(StoreError::Inactive("get")));
    assert_eq!(tx.scan("items", &Scan::default(), &|_| true).await.err(), Some(StoreError::Inactive("scan")));
    assert_eq!(tx.put("items", &row(&json!({ "id": "a" })), None), Err(StoreError::Inactive("put")));
    assert_eq!(tx.delete("items", &key), Err(StoreError::Inactive("delete")));
    assert_eq!(tx.clear("items"), Err(StoreError::Inactive("clear")));
    drop((tx, db));
    delete(&name).await;
}

#[wasm_bindgen_test]
async fn a_transaction_that_is_inactive_but_not_finished_names_the_call_too() {
    let name = fresh_name();
    let db = open(&name, 1, ITEMS).await;
    let blocker = db.begin(Mode::Write, &["items"]).expect("begins");
    blocker.put("items", &row(&json!({ "id": "b" })), None).expect("puts");
    // Begun and unused, it waits for the first and is inactive as soon as this turn is over.
    let waiting = db.begin(Mode::Write, &["items"]).expect("begins");
    blocker.commit().await.expect("commits");
    assert_eq!(waiting.put("items", &row(&json!({ "id": "a" })), None), Err(StoreError::Inactive("put")));
    drop((waiting, db));
    delete(&name).await;
}

#[wasm_bindgen_test]
async fn the_panic_registry_aborts_what_is_open() {
    let name = fresh_name();
    let db = open(&name, 1, ITEMS).await;
    let tx = db.begin(Mode::Write, &["items", "counted"]).expect("begins");
    tx.put("items", &row(&json!({ "id": "a" })), None).expect("puts");
    tx.get("items", &Key::text("a")).await.expect("reads");
    abort_open_transactions();
    assert!(get(&db, "items", "a").await.is_none(), "the first put went with the transaction");
    drop((tx, db));
    delete(&name).await;
}

#[wasm_bindgen_test]
async fn what_cannot_be_cloned_takes_the_whole_transaction_with_it() {
    let name = fresh_name();
    let db = open(&name, 1, ITEMS).await;
    let tx = db.begin(Mode::Write, &["items"]).expect("begins");
    tx.put("items", &row(&json!({ "id": "first" })), None).expect("puts");
    let refused = tx.put("items", &object("{ id: 'second', act() {} }"), None);
    assert!(matches!(refused, Err(StoreError::NotStorable(_))), "{refused:?}");
    assert!(matches!(tx.commit().await, Err(StoreError::NotStorable(_))), "the commit names the cause");
    assert!(get(&db, "items", "first").await.is_none());
    drop(db);
    delete(&name).await;
}

#[wasm_bindgen_test]
async fn a_failed_request_is_the_error_of_everything_after_it() {
    let name = fresh_name();
    let db = open(&name, 1, ITEMS).await;
    put(&db, "items", &row(&json!({ "id": "a", "slug": "taken" }))).await;
    let tx = db.begin(Mode::Write, &["items"]).expect("begins");
    tx.put("items", &row(&json!({ "id": "b", "slug": "taken" })), None).expect("is asked for");
    tx.put("items", &row(&json!({ "id": "c" })), None).expect("is asked for");
    let read = tx.get("items", &Key::text("a")).await;
    assert!(matches!(read, Err(StoreError::Constraint(_))), "{read:?}");
    assert!(matches!(tx.put("items", &row(&json!({ "id": "d" })), None), Err(StoreError::Constraint(_))));
    assert!(matches!(tx.commit().await, Err(StoreError::Constraint(_))));
    let tx = db.begin(Mode::Write, &["items"]).expect("begins");
    let inserted = tx.insert("items", &row(&json!({ "id": "b", "slug": "taken" })), None).await;
    assert!(matches!(inserted, Err(StoreError::Constraint(_))), "{inserted:?}");
    drop((tx, db));
    delete(&name).await;
}

#[wasm_bindgen_test]
async fn a_full_disk_is_told_apart_at_put_and_at_commit() {
    let name = fresh_name();
    let db = open(&name, 1, ITEMS).await;
    let full = "{ value() { throw new DOMException('full', 'QuotaExceededError') }, writable: true }";
    let patch = Patched::new("IDBObjectStore.prototype", "put", full);
    let tx = db.begin(Mode::Write, &["items"]).expect("begins");
    assert_eq!(tx.put("items", &row(&json!({ "id": "a" })), None), Err(StoreError::Quota));
    assert_eq!(tx.commit().await, Err(StoreError::Quota));
    drop(patch);
    let at_commit = "{ value() { this.abort() }, writable: true }";
    let _commit = Patched::new("IDBTransaction.prototype", "commit", at_commit);
    let _error = Patched::new(
        "IDBTransaction.prototype",
        "error",
        "{ get: () => new DOMException('full', 'QuotaExceededError') }",
    );
    let tx = db.begin(Mode::Write, &["items"]).expect("begins");
    tx.put("items", &row(&json!({ "id": "a" })), None).expect("is asked for");
    assert_eq!(tx.commit().await, Err(StoreError::Quota));
    drop(db);
    delete(&name).await;
}

#[wasm_bindgen_test]
async fn a_dead_storage_process_is_told_apart() {
    let name = fresh_name();
    let db = open(&name, 1, ITEMS).await;
    let lost = "{ value() { throw new DOMException('Connection to Indexed Database server lost. Refresh the page to \
                try again', 'UnknownError') }, writable: true }";
    let patch = Patched::new("IDBObjectStore.prototype", "get", lost);
    let tx = db.begin(Mode::Read, &["items"]).expect("begins");
    let read = tx.get("items", &Key::text("a")).await;
    assert!(matches!(read, Err(StoreError::ConnectionLost(_))), "{read:?}");
    drop((patch, tx));
    // An abort nobody asked for and that has no error: the browser cut the connection.
    let _commit = Patched::new("IDBTransaction.prototype", "commit", "{ value() { this.abort() }, writable: true }");
    let tx = db.begin(Mode::Write, &["items"]).expect("begins");
    tx.put("items", &row(&json!({ "id": "a" })), None).expect("is asked for");
    assert!(matches!(tx.commit().await, Err(StoreError::ConnectionLost(_))));
    drop(db);
    delete(&name).await;
}

#[wasm_bindgen_test]
async fn many_reads_at_once_each_get_their_own_answer() {
    let name = fresh_name();
    let db = open(&name, 1, ITEMS).await;
    let tx = db.begin(Mode::Write, &["items"]).expect("begins");
    for n in 0..300 {
        tx.put("items", &row(&json!({ "id": format!("i{n}"), "rank": n })), None).expect("puts");
    }
    let keys: Vec<Key> = (0..300).map(|n| Key::text(&format!("i{n}"))).collect();
    let limited = Scan { index: Some("rank".into()), offset: 5, limit: Some(20), ..Scan::default() };
    let reads = join_all(keys.iter().map(|key| tx.get("items", key)));
    let (found, scanned) = join(reads, tx.scan("items", &limited, &|_| true)).await;
    for (n, found) in found.into_iter().enumerate() {
        let rank = found.expect("reads").and_then(|row| row.get("rank")).and_then(|rank| rank.as_number());
        assert_eq!(rank, Some(f64::from(u32::try_from(n).unwrap())));
    }
    assert_eq!(scanned.expect("scans").len(), 20);
    tx.commit().await.expect("commits");
    drop(db);
    delete(&name).await;
}

#[wasm_bindgen_test]
async fn a_limited_scan_that_filters_much_out_finds_the_same() {
    let name = fresh_name();
    let db = open(&name, 1, ITEMS).await;
    let tx = db.begin(Mode::Write, &["items"]).expect("begins");
    for n in 0..50 {
        tx.put("items", &row(&json!({ "id": format!("i{n:02}"), "rank": n % 10 })), None).expect("puts");
    }
    let of_rank = |row: &JsRow| row.get("rank").and_then(|rank| rank.as_number()) == Some(3.0);
    for index in [None, Some("rank".to_owned())] {
        for (offset, limit, expected) in [
            (0, Some(2), &["i03", "i13"][..]),
            (1, Some(2), &["i13", "i23"]),
            (3, None, &["i33", "i43"]),
            (4, Some(9), &["i43"]),
            (0, Some(5000), &["i03", "i13", "i23", "i33", "i43"]),
        ] {
            let scan = Scan { index: index.clone(), offset, limit, ..Scan::default() };
            let rows = tx.scan("items", &scan, &of_rank).await.expect("scans");
            let ids: Vec<String> = rows.iter().filter_map(|row| row.text("id")).collect();
            assert_eq!(ids, expected, "{scan:?}");
        }
    }
    drop((tx, db));
    delete(&name).await;
}

#[wasm_bindgen_test]
async fn a_read_nobody_waits_for_disturbs_no_other() {
    let name = fresh_name();
    let db = open(&name, 1, ITEMS).await;
    put(&db, "items", &row(&json!({ "id": "a" }))).await;
    let tx = db.begin(Mode::Read, &["items"]).expect("begins");
    let (a, none) = (Key::text("a"), Key::text("none"));
    let mut dropped = Box::pin(tx.get("items", &none));
    assert!((&mut dropped).now_or_never().is_none(), "it is under way");
    let kept = tx.get("items", &a);
    drop(dropped);
    assert!(kept.await.expect("reads").is_some());
    drop((tx, db));
    delete(&name).await;
}

#[wasm_bindgen_test]
async fn a_commit_nobody_waits_for_still_happens() {
    let name = fresh_name();
    let db = open(&name, 1, ITEMS).await;
    let tx = db.begin(Mode::Write, &["items"]).expect("begins");
    tx.put("items", &row(&json!({ "id": "a" })), None).expect("puts");
    assert!(tx.commit().now_or_never().is_none(), "it is under way");
    assert!(get(&db, "items", "a").await.is_some());
    drop(db);
    delete(&name).await;
}

#[wasm_bindgen_test]
async fn dates_maps_and_blobs_survive_untouched() {
    let name = fresh_name();
    let db = open(&name, 1, &[("items", "id, due")]).await;
    let source = "{ id: 'a', due: new Date(86400000), tags: new Map([['k', new Set([1n])]]), gone: undefined,
        file: new Blob(['hello'], { type: 'text/plain' }), raw: new Uint16Array([1, 2]), lone: '\\ud800' }";
    put(&db, "items", &object(source)).await;
    let found = get(&db, "items", "a").await.expect("is there");
    let check = "async (row) => row.due instanceof Date && row.due.getTime() === 86400000
        && row.tags.get('k').has(1n) && await row.file.text() === 'hello' && row.raw instanceof Uint16Array
        && row.raw[1] === 2 && row.lone === '\\ud800' && 'gone' in row";
    assert_eq!(crate::support::call_async(check, &[found.as_ref()]).await, JsValue::TRUE);
    let by_date = Scan { index: Some("due".into()), ..Scan::default() };
    let tx = db.begin(Mode::Read, &["items"]).expect("begins");
    assert_eq!(tx.scan("items", &by_date, &|_| true).await.expect("scans").len(), 1);
    drop((tx, db));
    delete(&name).await;
}

#[wasm_bindgen_test]
async fn every_kind_of_key_comes_back_as_it_went() {
    let name = fresh_name();
    let db = open(&name, 1, &[("beside", "")]).await;
    let keys = [
        Key::Number(-1.5),
        Key::Date(86_400_000.0),
        Key::text("über"),
        Key::Bytes(vec![0, 255]),
        Key::List(vec![Key::text("a"), Key::Number(1.0)]),
    ];
    let tx = db.begin(Mode::Write, &["beside"]).expect("begins");
    for key in &keys {
        assert_eq!(&tx.insert("beside", &row(&json!({})), Some(key)).await.expect("inserts"), key);
    }
    assert!(tx.get_many("beside", &keys).await.expect("reads").iter().all(Option::is_some));
    assert!(matches!(tx.get("beside", &Key::Number(f64::NAN)).await, Err(StoreError::InvalidKey(_))));
    tx.commit().await.expect("commits");
    drop(db);
    delete(&name).await;
}

#[wasm_bindgen_test]
async fn rows_that_are_no_objects_are_handed_through() {
    let name = fresh_name();
    let db = open(&name, 1, &[("beside", "")]).await;
    let put = "async (name) => { const db = await new Promise((r) => { const q = indexedDB.open(name); \
        q.onsuccess = () => r(q.result) }); const tx = db.transaction('beside', 'readwrite'); \
        tx.objectStore('beside').put('text', 'k'); await new Promise((r) => (tx.oncomplete = r)); db.close() }";
    crate::support::call_async(put, &[&JsValue::from_str(&name)]).await;
    let found = get(&db, "beside", "k").await.expect("is there");
    assert_eq!(*AsRef::<JsValue>::as_ref(&found), js("'text'"));
    assert!(found.get("length").is_none(), "it has no fields");
    drop(db);
    delete(&name).await;
}

#[wasm_bindgen_test]
async fn a_closed_connection_lets_running_transactions_finish() {
    let name = fresh_name();
    let db = try_open(&name, 1, ITEMS, &Heard::new()).await.expect("opens");
    let tx = db.begin(Mode::Write, &["items"]).expect("begins");
    tx.put("items", &row(&json!({ "id": "a" })), None).expect("puts");
    db.close();
    assert_eq!(db.begin(Mode::Read, &["items"]).err(), Some(StoreError::Closed));
    tx.commit().await.expect("commits");
    drop(db);
    let db = open(&name, 1, ITEMS).await;
    assert!(get(&db, "items", "a").await.is_some());
    drop(db);
    delete(&name).await;
}

//! Several connections to one database, as several tabs have.

use crate::support::{Heard, call, call_async, delete, fresh_name, get, js, open, row, try_open};
use futures_util::future::{Either, join, select};
use mana_sync_engine::store::{Mode, Store, StoreError, Transaction};
use mana_sync_engine::web::{StoreEvent, delete_database};
use serde_json::json;
use std::pin::pin;
use std::rc::Rc;
use wasm_bindgen::JsValue;
use wasm_bindgen_test::wasm_bindgen_test;

const TASKS: &[(&str, &str)] = &[("tasks", "id")];

/// A connection of somebody who closes for nobody.
async fn stubborn(name: &str) -> JsValue {
    let open = "(name) => new Promise((done) => { const opened = indexedDB.open(name);
        opened.onsuccess = () => done(opened.result); })";
    call_async(open, &[&JsValue::from_str(name)]).await
}

#[wasm_bindgen_test]
async fn an_old_connection_closes_for_a_new_version_after_its_running_transaction() {
    let name = fresh_name();
    let heard = Heard::new();
    let old = try_open(&name, 1, TASKS, &heard).await.expect("opens");
    let tx = old.begin(Mode::Write, &["tasks"]).expect("begins");
    tx.put("tasks", &row(&json!({ "id": "last" })), None).expect("puts");
    let told = Heard::new();
    let (new, saved) = join(try_open(&name, 2, TASKS, &told), tx.commit()).await;
    let new = new.expect("opens");
    saved.expect("the running transaction is saved");
    assert!(told.all().iter().all(|event| *event == StoreEvent::Blocked), "it waited, or was faster");
    assert_eq!(heard.all(), [StoreEvent::VersionChange(Some(21))]);
    assert_eq!(old.begin(Mode::Read, &["tasks"]).err(), Some(StoreError::Closed));
    assert!(get(&new, "tasks", "last").await.is_some());
    drop((old, new));
    delete(&name).await;
}

#[wasm_bindgen_test]
async fn a_connection_that_does_not_close_is_reported_and_waited_for() {
    let name = fresh_name();
    drop(open(&name, 1, TASKS).await);
    let other = stubborn(&name).await;
    let heard = Heard::new();
    let opening = pin!(try_open(&name, 2, TASKS, &heard));
    let opening = match select(opening, pin!(heard.wait_for(1))).await {
        Either::Right((events, opening)) => {
            assert_eq!(events, [StoreEvent::Blocked]);
            opening
        }
        Either::Left(_) => panic!("opened although another connection is open"),
    };
    call("(db) => db.close()", &[&other]);
    assert_eq!(opening.await.expect("opens").physical_version(), 21);
    delete(&name).await;
}

#[wasm_bindgen_test]
async fn deleting_closes_our_connections_and_waits_for_others() {
    let name = fresh_name();
    let heard = Heard::new();
    let db = try_open(&name, 1, TASKS, &heard).await.expect("opens");
    let other = stubborn(&name).await;
    let events = heard.clone();
    let deleting = pin!(delete_database(&name, Rc::new(move |event| events.note(event))));
    let Either::Right((events, deleting)) = select(deleting, pin!(heard.wait_for(2))).await else {
        panic!("deleted although another connection is open");
    };
    assert_eq!(events, [StoreEvent::VersionChange(None), StoreEvent::Blocked]);
    assert_eq!(db.begin(Mode::Read, &["tasks"]).err(), Some(StoreError::Closed));
    call("(db) => db.close()", &[&other]);
    deleting.await.expect("deletes");
    let names = call_async("async () => (await indexedDB.databases()).map((db) => db.name)", &[]).await;
    assert!(!js_sys::Array::from(&names).includes(&JsValue::from_str(&name), 0));
}

#[wasm_bindgen_test]
async fn a_connection_the_browser_closed_says_so() {
    let name = fresh_name();
    let catch = crate::support::Patched::new(
        "IDBFactory.prototype",
        "open",
        "{ value(...a) { const q = before.apply(this, a); q.addEventListener('success', () => { globalThis.last = q.result });
            return q }, writable: true }",
    );
    let heard = Heard::new();
    let db = try_open(&name, 1, TASKS, &heard).await.expect("opens");
    drop(catch);
    js("last.dispatchEvent(new Event('close'))");
    assert_eq!(heard.all(), [StoreEvent::Lost]);
    assert!(matches!(db.begin(Mode::Read, &["tasks"]), Err(StoreError::ConnectionLost(_))));
    js("delete globalThis.last");
    drop(db);
    delete(&name).await;
}

#[wasm_bindgen_test]
async fn a_connection_that_arrives_too_late_is_closed() {
    let name = fresh_name();
    {
        let heard = Heard::new();
        let mut opening = pin!(try_open(&name, 1, TASKS, &heard));
        assert!(futures_util::poll!(&mut opening).is_pending(), "it is under way");
    }
    // Would wait for ever if the connection nobody has were still open.
    let heard = Heard::new();
    drop(try_open(&name, 2, TASKS, &heard).await.expect("opens"));
    assert!(!heard.all().contains(&StoreEvent::Lost));
    delete(&name).await;
}

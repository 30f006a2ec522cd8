//! A panic inside the engine: what was half-written is undone, and others get what the dead instance held.
//!
//! Alone in its file, because nothing of an instance is used after it has panicked.

#![cfg(target_arch = "wasm32")]

use futures_util::FutureExt;
use js_sys::{Function, Promise};
use mana_sync_engine::engine::ports::{Host, Tabs};
use mana_sync_engine::model::StoreSpec;
use mana_sync_engine::store::{Mode, Row, Store, Transaction};
use mana_sync_engine::web::{BrowserHost, BrowserTabs, Durability, IndexedDb, JsRow, OpenOptions, on_panic};
use std::cell::RefCell;
use std::rc::Rc;
use wasm_bindgen::closure::Closure;
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;
use wasm_bindgen_test::{wasm_bindgen_test, wasm_bindgen_test_configure};

wasm_bindgen_test_configure!(run_in_browser);

async fn run(source: &str) -> JsValue {
    let promise: Promise = js_sys::eval(source).expect("the test's JavaScript runs").unchecked_into();
    JsFuture::from(promise).await.expect("the test's JavaScript does not reject")
}

#[wasm_bindgen_test]
async fn a_panic_between_two_puts_leaves_neither_and_frees_what_was_held() {
    let stores = vec![StoreSpec::parse("items", "id").expect("a valid schema")];
    let options = OpenOptions {
        name: "test-panic".to_owned(),
        version: 1,
        stores,
        durability: Durability::Relaxed,
        events: Rc::new(|_| {}),
    };
    let db = IndexedDb::open(options).await.expect("opens");
    let tabs = BrowserTabs::new("test-panic");
    let _leader = tabs.lock("leader").await;
    let _queued = tabs.lock("leader");
    let told: Rc<RefCell<Vec<String>>> = Rc::default();
    let note = Rc::clone(&told);
    let callback = Closure::<dyn Fn(String)>::new(move |message| note.borrow_mut().push(message)).into_js_value();
    on_panic(callback.unchecked_into());

    let planted = Closure::<dyn Fn()>::new(move || {
        let tx = db.begin(Mode::Write, &["items"]).expect("begins");
        let mut row = JsRow::empty();
        row.set_text("id", "first");
        tx.put("items", &row, None).expect("puts");
        panic!("planted between two puts");
    });
    let planted: Function = planted.into_js_value().unchecked_into();
    assert!(planted.call0(&JsValue::UNDEFINED).is_err(), "the instance traps");

    assert!(told.borrow()[0].contains("planted between two puts"), "the page is told");
    let kept = "new Promise((done) => { const opened = indexedDB.open('test-panic'); opened.onsuccess = () => {
        const db = opened.result; const asked = db.transaction('items').objectStore('items').count();
        asked.onsuccess = () => { db.close(); done(asked.result) } } })";
    assert_eq!(run(kept).await, 0, "neither row is there");
    run("navigator.locks.request('mana:test-panic:leader', () => {})").await;
    let delete = "new Promise((done, fail) => { const deleted = indexedDB.deleteDatabase('test-panic');
        deleted.onsuccess = done; deleted.onblocked = () => fail('still open') })";
    run(delete).await;
    assert!(BrowserHost.sleep(0).now_or_never().is_none(), "tasks of the dead instance rest");
}

//! Fresh databases, JavaScript written in place, and stand-ins for what the browser has.

use js_sys::{Array, Function, Object, Promise, Reflect};
use mana_sync_engine::engine::ports::Host;
use mana_sync_engine::model::StoreSpec;
use mana_sync_engine::store::{Key, Mode, Row, Store, Transaction};
use mana_sync_engine::web::{BrowserHost, Durability, IndexedDb, JsRow, OpenError, OpenOptions, StoreEvent};
use serde_json::Value;
use std::cell::RefCell;
use std::future::poll_fn;
use std::rc::Rc;
use std::task::{Poll, Waker};
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;

/// The value of a JavaScript expression.
pub fn js(expression: &str) -> JsValue {
    js_sys::eval(&format!("({expression})")).expect("the test's JavaScript runs")
}

/// Calls a function written in JavaScript.
pub fn call(function: &str, arguments: &[&JsValue]) -> JsValue {
    let function: Function = js(function).unchecked_into();
    let arguments: Array = arguments.iter().collect();
    function.apply(&JsValue::UNDEFINED, &arguments).expect("the test's JavaScript does not throw")
}

/// Calls an async function written in JavaScript and waits for its result.
pub async fn call_async(function: &str, arguments: &[&JsValue]) -> JsValue {
    let promise: Promise = call(function, arguments).unchecked_into();
    JsFuture::from(promise).await.expect("the test's JavaScript does not reject")
}

/// A name no other database has.
pub fn fresh_name() -> String {
    let mut bytes = [0; 8];
    BrowserHost.random(&mut bytes);
    format!("test-{:016x}", u64::from_le_bytes(bytes))
}

/// Stores from their names and schemas.
pub fn specs(stores: &[(&str, &str)]) -> Vec<StoreSpec> {
    stores.iter().map(|(name, schema)| StoreSpec::parse(name, schema).expect("a valid schema")).collect()
}

/// What was reported, for tests that wait for it.
#[derive(Clone, Default)]
pub struct Heard<T>(Rc<RefCell<(Vec<T>, Option<Waker>)>>);

impl<T: Clone + 'static> Heard<T> {
    pub fn new() -> Self {
        Self(Rc::new(RefCell::new((Vec::new(), None))))
    }

    pub fn note(&self, item: T) {
        let mut heard = self.0.borrow_mut();
        heard.0.push(item);
        if let Some(waker) = heard.1.take() {
            waker.wake();
        }
    }

    pub fn all(&self) -> Vec<T> {
        self.0.borrow().0.clone()
    }

    /// Waits until at least `count` things were reported.
    pub async fn wait_for(&self, count: usize) -> Vec<T> {
        poll_fn(|cx| {
            let mut heard = self.0.borrow_mut();
            if heard.0.len() >= count {
                return Poll::Ready(heard.0.clone());
            }
            heard.1 = Some(cx.waker().clone());
            Poll::Pending
        })
        .await
    }
}

pub async fn try_open(
    name: &str,
    version: u32,
    stores: &[(&str, &str)],
    events: &Heard<StoreEvent>,
) -> Result<IndexedDb, OpenError> {
    let events = events.clone();
    let events: Rc<dyn Fn(StoreEvent)> = Rc::new(move |event| events.note(event));
    let options =
        OpenOptions { name: name.to_owned(), version, stores: specs(stores), durability: Durability::Relaxed, events };
    IndexedDb::open(options).await
}

pub async fn open(name: &str, version: u32, stores: &[(&str, &str)]) -> IndexedDb {
    try_open(name, version, stores, &Heard::new()).await.expect("opens")
}

pub async fn delete(name: &str) {
    let ignored: Rc<dyn Fn(StoreEvent)> = Rc::new(|_| {});
    mana_sync_engine::web::delete_database(name, ignored).await.expect("deletes");
}

pub fn row(json: &Value) -> JsRow {
    JsRow::from_json(json).expect("an object")
}

pub fn object(expression: &str) -> JsRow {
    JsRow::new(js(expression).unchecked_into())
}

pub async fn put(db: &IndexedDb, store: &str, row: &JsRow) {
    let tx = db.begin(Mode::Write, &[store]).expect("begins");
    tx.put(store, row, None).expect("puts");
    tx.commit().await.expect("commits");
}

pub async fn get(db: &IndexedDb, store: &str, key: &str) -> Option<JsRow> {
    let tx = db.begin(Mode::Read, &[store]).expect("begins");
    tx.get(store, &Key::text(key)).await.expect("reads")
}

/// Puts something else in the place of a property until it is dropped.
pub struct Patched {
    target: Object,
    name: JsValue,
    before: JsValue,
}

impl Patched {
    /// `descriptor` is a JavaScript expression for `Object.defineProperty`; `before` in it is the property's value.
    pub fn new(target: &str, name: &str, descriptor: &str) -> Self {
        let target: Object = js(target).unchecked_into();
        let name = JsValue::from_str(name);
        let before = Object::get_own_property_descriptor(&target, &name);
        let value = Reflect::get(&target, &name).unwrap_or(JsValue::UNDEFINED);
        let make = format!("(before) => ({{ configurable: true, ...({descriptor}) }})");
        let descriptor: Object = call(&make, &[&value]).unchecked_into();
        Object::define_property(&target, &name, &descriptor);
        Self { target, name, before }
    }
}

impl Drop for Patched {
    fn drop(&mut self) {
        let _ = Reflect::delete_property(&self.target, &self.name);
        if self.before.is_object() {
            Object::define_property(&self.target, &self.name, self.before.unchecked_ref());
        }
    }
}

/// Timers that fire at once, however long they were to wait.
pub fn impatient_timers() -> Patched {
    Patched::new("globalThis", "setTimeout", "{ value: (act) => before.call(globalThis, act, 0), writable: true }")
}

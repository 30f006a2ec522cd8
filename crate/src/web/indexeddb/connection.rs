//! An open connection: begins transactions, and closes when another tab wants to upgrade or delete the database.

use super::error::store_error;
use super::transaction::IndexedDbTransaction;
use crate::model::{IndexSpec, OrderedMap};
use crate::store::{Mode, Store, StoreError};
use crate::web::host::sleep;
use crate::web::registry::{self, Registration, Resource};
use crate::web::{JsRow, js};
use js_sys::{Array, Function, Object, Reflect};
use std::cell::Cell;
use std::rc::Rc;
use wasm_bindgen::closure::Closure;
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::spawn_local;
use web_sys::{Event, IdbDatabase, IdbTransaction, IdbVersionChangeEvent};

/// When a write counts as stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Durability {
    /// When the operating system has it: a power cut may take the last seconds.
    #[default]
    Relaxed,
    /// When the disk has it.
    Strict,
}

/// What happens to a connection from outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StoreEvent {
    /// Opening or deleting waits for another connection, usually an old tab, to close.
    Blocked,
    /// Another tab wants this version (`None`: to delete the database); this connection closes for it.
    VersionChange(Option<u32>),
    /// The browser closed the connection: storage was cleared or failed.
    Lost,
}

/// Is told what happens to a connection.
pub type OnStoreEvent = Rc<dyn Fn(StoreEvent)>;

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Open,
    Closed,
    Lost,
}

struct Connection {
    db: IdbDatabase,
    state: Rc<Cell<State>>,
    /// Unique indexes by store.
    unique: OrderedMap<String, Vec<IndexSpec>>,
    begin: Function,
    options: Object,
    /// For what must outlive a power cut.
    strict: Object,
    _on_event: Closure<dyn Fn(Event)>,
    _registration: Registration,
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.db.set_onversionchange(None);
        self.db.set_onclose(None);
        self.db.close();
    }
}

fn with_durability(durability: &str) -> Object {
    let options = Object::new();
    // Setting a property of a new plain object cannot fail.
    let _ = Reflect::set(&options, &JsValue::from_str("durability"), &JsValue::from_str(durability));
    options
}

/// A store in IndexedDB; clones share one connection, which closes when the last is dropped.
#[derive(Clone)]
pub struct IndexedDb(Rc<Connection>);

impl IndexedDb {
    pub(super) fn new(
        db: IdbDatabase,
        unique: OrderedMap<String, Vec<IndexSpec>>,
        durability: Durability,
        events: OnStoreEvent,
    ) -> Self {
        let state = Rc::new(Cell::new(State::Open));
        let on_event = on_event(db.clone(), Rc::clone(&state), events);
        db.set_onversionchange(Some(on_event.as_js_value().unchecked_ref()));
        db.set_onclose(Some(on_event.as_js_value().unchecked_ref()));
        let begin = js::function(&db, "transaction").expect("a database has transactions");
        let strict = with_durability("strict");
        let options = if durability == Durability::Strict { strict.clone() } else { with_durability("relaxed") };
        let registration = Registration::new(Resource::Database(db.clone()));
        Self(Rc::new(Connection {
            db,
            state,
            unique,
            begin,
            options,
            strict,
            _on_event: on_event,
            _registration: registration,
        }))
    }

    /// The database's name.
    #[must_use]
    pub fn name(&self) -> String {
        self.0.db.name()
    }

    /// The version IndexedDB keeps: the app's × 10, and the engine's own steps.
    #[must_use]
    pub fn physical_version(&self) -> u32 {
        version_of(self.0.db.version())
    }

    fn refusal(&self, thrown: &JsValue, stores: &[&str]) -> StoreError {
        match store_error(thrown, "begin") {
            StoreError::NotFound(message) => {
                let names = self.0.db.object_store_names();
                let missing = stores.iter().find(|name| !names.contains(name));
                StoreError::NotFound(missing.map_or(message, |name| (*name).to_owned()))
            }
            // Nobody here closed the connection, and no event said that the browser did: Safari leaves such handles behind.
            StoreError::Inactive(_) if self.0.state.get() == State::Open => {
                StoreError::ConnectionLost("the browser closed it".to_owned())
            }
            StoreError::Inactive(_) => StoreError::Closed,
            other => other,
        }
    }

    /// Calls the function itself: web-sys gives the form with options only to builds with unstable APIs.
    fn transaction(&self, mode: Mode, stores: &[&str]) -> Result<IdbTransaction, JsValue> {
        let names: Array = stores.iter().map(|name| JsValue::from_str(name)).collect();
        let options = if mode == Mode::Durable { &self.0.strict } else { &self.0.options };
        let mode = JsValue::from_str(if mode == Mode::Read { "readonly" } else { "readwrite" });
        let begun = self.0.begin.call3(&self.0.db, &names, &mode, options)?;
        Ok(begun.unchecked_into())
    }
}

impl Store for IndexedDb {
    type Row = JsRow;
    type Tx = IndexedDbTransaction;

    fn begin(&self, mode: Mode, stores: &[&str]) -> Result<IndexedDbTransaction, StoreError> {
        match self.0.state.get() {
            State::Open => {}
            State::Closed => return Err(StoreError::Closed),
            State::Lost => return Err(StoreError::ConnectionLost("the browser closed it".to_owned())),
        }
        let tx = self.transaction(mode, stores).map_err(|thrown| self.refusal(&thrown, stores))?;
        Ok(IndexedDbTransaction::new(tx))
    }

    fn unique_indexes(&self, store: &str) -> Vec<IndexSpec> {
        self.0.unique.get(store).cloned().unwrap_or_default()
    }

    fn close(&self) {
        self.0.state.set(State::Closed);
        self.0.db.close();
    }
}

fn on_event(db: IdbDatabase, state: Rc<Cell<State>>, events: OnStoreEvent) -> Closure<dyn Fn(Event)> {
    Closure::new(move |event: Event| {
        if let Some(change) = event.dyn_ref::<IdbVersionChangeEvent>() {
            state.set(State::Closed);
            make_way(&db);
            events(StoreEvent::VersionChange(change.new_version().map(version_of)));
        } else {
            state.set(State::Lost);
            events(StoreEvent::Lost);
        }
    })
}

/// Closes for another tab: running transactions finish, and the other one goes on after them. While some run, the connection
/// is closed only after the event: else Chromium, unlike the standard, does not tell the other tab that it is blocked.
fn make_way(db: &IdbDatabase) {
    if !registry::has_open_transaction() {
        return db.close();
    }
    let db = db.clone();
    spawn_local(async move {
        sleep(0).await;
        db.close();
    });
}

/// Versions are whole numbers that IndexedDB keeps as doubles.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "versions are small and positive")]
pub(super) fn version_of(version: f64) -> u32 {
    version as u32
}

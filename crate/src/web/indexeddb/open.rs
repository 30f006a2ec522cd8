//! Opening and deleting a database: versions, upgrades, other tabs, and browsers that refuse or never answer.

use super::connection::{Durability, IndexedDb, OnStoreEvent, StoreEvent, version_of};
use super::error::store_error;
use super::open_error::OpenError;
use super::upgrade::{missing, note_data_version, unique_indexes, upgrade};
use crate::model::StoreSpec;
use crate::store::{ENGINE, StoreError};
use crate::web::host::sleep;
use crate::web::js;
use crate::web::registry::{self, Registration, Resource};
use futures_channel::oneshot::{self, Sender};
use futures_util::future::{Either, select};
use std::cell::{Cell, RefCell};
use std::pin::pin;
use std::rc::Rc;
use wasm_bindgen::closure::Closure;
use wasm_bindgen::{JsCast, JsValue};
use web_sys::{Event, IdbDatabase, IdbFactory, IdbOpenDbRequest, IdbTransaction, IdbVersionChangeEvent};

/// How long opening may stay without any sign of life, in milliseconds.
const LIMIT_MS: u64 = 10_000;
/// IndexedDB versions per version of the app's schema, as Dexie has it.
pub(super) const STEPS: u32 = 10;

/// What to open, and how.
pub struct OpenOptions {
    /// The database's name.
    pub name: String,
    /// The version of the app's schema, from 1; raised when `stores` change.
    pub version: u32,
    /// The stores the app and the engine need.
    pub stores: Vec<StoreSpec>,
    /// When a write counts as stored.
    pub durability: Durability,
    /// Is told what happens while opening and later.
    pub events: OnStoreEvent,
}

impl IndexedDb {
    /// Opens the database, creating or upgrading it where needed.
    ///
    /// IndexedDB's version is `version × 10 + 1`. A database with a higher one is used as it is when all that is declared
    /// exists. Waits for as long as another tab keeps an older version open, after reporting [`StoreEvent::Blocked`].
    pub async fn open(options: OpenOptions) -> Result<Self, OpenError> {
        let wanted = options.version * STEPS + 1;
        let (name, specs) = (options.name, Rc::<[StoreSpec]>::from(options.stores));
        let open = async |version| attempt(&name, version, &specs, &options.events).await;
        let mut db = match open(Some(wanted)).await {
            Err(Refusal::Newer) => open(None).await,
            other => other,
        }
        .map_err(Refusal::into_error)?;
        if let Some(missing) = missing(&db, &specs).inspect_err(|_| db.close())? {
            let stored = version_of(db.version());
            db.close();
            // The schema grew without its version: Dexie, too, then takes a step between two app versions.
            if (stored + 1) / STEPS != options.version {
                return Err(OpenError::SchemaTooNew { stored, wanted, missing });
            }
            db = open(Some(stored + 1)).await.map_err(Refusal::into_error)?;
        }
        let unique = unique_indexes(&db, &specs).inspect_err(|_| db.close())?;
        Ok(Self::new(db, unique, options.durability, options.events))
    }
}

/// Deletes a database; there need not be one. Waits for as long as another tab keeps it open, after reporting
/// [`StoreEvent::Blocked`].
pub async fn delete_database(name: &str, events: OnStoreEvent) -> Result<(), OpenError> {
    let request = factory()?.delete_database(name).map_err(|thrown| unavailable(&thrown))?;
    match follow(&request, Rc::new([]), events).await {
        // A database that was deleted has no connection to hand over.
        Ok(_) | Err(Refusal::Newer) => Ok(()),
        Err(Refusal::Other(error)) => Err(error),
    }
}

enum Refusal {
    Newer,
    Other(OpenError),
}

impl Refusal {
    fn into_error(self) -> OpenError {
        match self {
            Self::Newer => OpenError::Store(StoreError::Other("VersionError".into(), "another tab was faster".into())),
            Self::Other(error) => error,
        }
    }
}

impl From<OpenError> for Refusal {
    fn from(error: OpenError) -> Self {
        Self::Other(error)
    }
}

fn unavailable(thrown: &JsValue) -> OpenError {
    OpenError::Unavailable(js::describe(thrown))
}

fn factory() -> Result<IdbFactory, OpenError> {
    let name = JsValue::from_str("indexedDB");
    let found = js_sys::Reflect::get(&js_sys::global(), &name).map_err(|thrown| unavailable(&thrown))?;
    if found.is_object() {
        Ok(found.unchecked_into())
    } else {
        Err(OpenError::Unavailable("there is no indexedDB".to_owned()))
    }
}

async fn attempt(
    name: &str,
    version: Option<u32>,
    stores: &Rc<[StoreSpec]>,
    events: &OnStoreEvent,
) -> Result<IdbDatabase, Refusal> {
    let factory = factory()?;
    let request = match version {
        Some(version) => factory.open_with_u32(name, version),
        None => factory.open(name),
    };
    let request = request.map_err(|thrown| unavailable(&thrown))?;
    let opened = follow(&request, Rc::clone(stores), Rc::clone(events)).await?;
    Ok(opened.unchecked_into())
}

/// Waits for the outcome of an open or delete request.
async fn follow(request: &IdbOpenDbRequest, stores: Rc<[StoreSpec]>, events: OnStoreEvent) -> Result<JsValue, Refusal> {
    let (send, mut outcome) = oneshot::channel();
    let alive = Rc::new(Cell::new(false));
    let attempt = Attempt {
        stores,
        events,
        alive: Rc::clone(&alive),
        send: RefCell::new(Some(send)),
        upgrading: RefCell::default(),
        refused: RefCell::default(),
    };
    attempt.listen(request);
    let answered = match select(&mut outcome, pin!(sleep(LIMIT_MS))).await {
        Either::Left((answered, _)) => answered,
        Either::Right(_) if alive.get() => outcome.await,
        Either::Right(_) => return Err(OpenError::NoAnswer.into()),
    };
    answered.unwrap_or(Err(OpenError::NoAnswer.into()))
}

/// A request that is under way. Its closure belongs to the browser's garbage collector, because the request may be
/// answered after everybody has stopped waiting; what it then opens is closed again.
struct Attempt {
    stores: Rc<[StoreSpec]>,
    events: OnStoreEvent,
    alive: Rc<Cell<bool>>,
    send: RefCell<Option<Sender<Result<JsValue, Refusal>>>>,
    upgrading: RefCell<Option<(IdbTransaction, Registration)>>,
    refused: RefCell<Option<OpenError>>,
}

impl Attempt {
    fn listen(self, request: &IdbOpenDbRequest) {
        let handler = Closure::<dyn Fn(Event)>::new(move |event: Event| self.take_event(&event)).into_js_value();
        let handler = Some(handler.unchecked_ref());
        request.set_onblocked(handler);
        request.set_onupgradeneeded(handler);
        request.set_onsuccess(handler);
        request.set_onerror(handler);
    }

    fn take_event(&self, event: &Event) {
        let Some(target) = event.target() else { return };
        let request: IdbOpenDbRequest = target.unchecked_into();
        self.alive.set(true);
        match event.type_().as_str() {
            "blocked" => (self.events)(StoreEvent::Blocked),
            "upgradeneeded" => self.upgrade(&request, event),
            "success" => self.finish(Ok(request.result().unwrap_or(JsValue::UNDEFINED))),
            _ => self.finish(Err(self.refusal(&request))),
        }
    }

    fn upgrade(&self, request: &IdbOpenDbRequest, event: &Event) {
        let Some(tx) = request.transaction() else { return };
        let Ok(db) = request.result() else { return };
        let registration = Registration::new(Resource::Transaction(tx.clone()));
        let abandoned = registry::is_dead() || self.send.borrow().as_ref().is_none_or(Sender::is_canceled);
        let db: &IdbDatabase = db.unchecked_ref();
        let is_first = !db.object_store_names().contains(ENGINE);
        let mut upgraded = upgrade(db, &tx, &self.stores);
        if is_first && db.object_store_names().contains(ENGINE) {
            let old = event.dyn_ref::<IdbVersionChangeEvent>().map_or(0.0, IdbVersionChangeEvent::old_version);
            let noted = note_data_version(&tx, version_of(old), version_of(db.version()));
            upgraded = upgraded.and(noted);
        }
        if abandoned || upgraded.is_err() {
            // Its `error` event brings the refusal to whoever waits.
            let _ = tx.abort();
        }
        *self.refused.borrow_mut() = upgraded.err();
        *self.upgrading.borrow_mut() = Some((tx, registration));
    }

    fn refusal(&self, request: &IdbOpenDbRequest) -> Refusal {
        if let Some(error) = self.refused.take() {
            return error.into();
        }
        // The request itself only says that the upgrade was aborted.
        let cause = self.upgrading.borrow().as_ref().and_then(|(tx, _)| tx.error());
        let thrown = cause.or_else(|| request.error().ok().flatten());
        let thrown = thrown.map_or(JsValue::UNDEFINED, JsValue::from);
        match js::name_and_message(&thrown).0.as_str() {
            "VersionError" => Refusal::Newer,
            "SecurityError" | "InvalidStateError" => unavailable(&thrown).into(),
            _ => OpenError::Store(store_error(&thrown, "open")).into(),
        }
    }

    fn finish(&self, outcome: Result<JsValue, Refusal>) {
        self.upgrading.take();
        let Some(send) = self.send.take() else { return };
        let untaken = if registry::is_dead() { Err(outcome) } else { send.send(outcome) };
        if let Err(Ok(late)) = untaken
            && let Ok(db) = late.dyn_into::<IdbDatabase>()
        {
            db.close();
        }
    }
}

//! `RawEngine`: an open engine.

use super::convert;
use super::error::{invalid, not_opened, thrown};
use super::options::{self, Options, RawSpace, RawUser};
use super::signals::Signals;
use super::transaction::{Inner, RawTx, SharedEngine};
use super::upgrades;
use crate::engine::ports::{LockGuard, Tabs};
use crate::engine::{Engine, Error, Event, Kind, Session, State, Want, Write, Writer};
use crate::model::Actor;
use crate::store::Row;
use crate::web::{
    BrowserHost, BrowserNetwork, BrowserTabs, IndexedDb, JsRow, Marker, NetworkOptions, OpenOptions, StoreEvent,
    delete_database, on_panic,
};
use js_sys::{Array, Function, Object, Promise};
use std::cell::{Cell, RefCell};
use std::future::Future;
use std::rc::{Rc, Weak};
use wasm_bindgen::prelude::wasm_bindgen;
use wasm_bindgen::{JsCast, JsValue};

type Presence = Option<Box<dyn LockGuard>>;
type BrowserSession = Session<IndexedDb, BrowserHost, BrowserNetwork, BrowserTabs>;

/// What the events of a database's connection concern.
#[derive(Default)]
struct Connected {
    session: RefCell<Weak<BrowserSession>>,
    /// Its database is gone, maybe before there was a session.
    is_cut_off: Cell<bool>,
}

/// An open engine.
#[wasm_bindgen]
pub struct RawEngine {
    pub(super) session: Rc<BrowserSession>,
    /// How long a write waits for the vault to be unlocked.
    pub(super) vault_wait_ms: u64,
    name: String,
    closed: Rc<Cell<bool>>,
    signals: Rc<RefCell<Option<Signals>>>,
    /// Tells other tabs that this one has the database open.
    presence: Rc<RefCell<Presence>>,
}

impl RawEngine {
    pub(super) async fn open(options: &JsValue, host: JsValue) -> Result<Self, JsValue> {
        let parsed: Options = options::read(options, "openEngine")?;
        on_panic(function(&host, "panicked")?);
        let config = parsed.config()?;
        crate::web::set_sealed_value(&convert::get(&host, "sealed"));
        let tell = teller(&function(&host, "event")?);
        let tabs = BrowserTabs::new(&parsed.name);
        // One tab after the other, so that exactly one of several that start together is the first.
        let turn = tabs.lock("opening").await;
        let only = tabs.try_lock("open").await;
        let first_tab = only.is_some();
        drop(only);
        let presence = tabs.share_lock("open").await;
        drop(turn);
        let on_store = Rc::clone(&tell);
        let connected: Rc<Connected> = Rc::default();
        let heard = Rc::clone(&connected);
        let store = IndexedDb::open(OpenOptions {
            name: parsed.name.clone(),
            version: parsed.schema.version,
            stores: parsed.all_stores()?,
            durability: parsed.durability(),
            events: Rc::new(move |event| store_event(&on_store, &heard, event)),
        });
        let store = store.await.map_err(not_opened)?;
        let engine = Engine::open(store, BrowserHost, config, first_tab).await.map_err(|e| thrown(&e))?;
        let upgrade = function(&host, "upgrade")?;
        let progress = |version, step, steps| {
            tell(
                "upgrade",
                convert::json_out(&serde_json::json!({ "version": version, "step": step, "steps": steps })),
            );
        };
        if let Err(error) = upgrades::run(&engine, &parsed.schema, &tabs, &upgrade, progress).await {
            engine.close();
            return Err(error);
        }
        if let Some(adoption) = engine.take_adoption() {
            tell("adoption", convert::adoption(&adoption));
        }
        let network = parsed.sync.as_ref().map(|sync| network(&sync.url, &host)).transpose()?;
        let marker = Marker::of(&parsed.name);
        if let Some(note) = marker.lost(engine.install_id()) {
            let told = || tell("database-lost", convert::json_out(&serde_json::json!({ "unsent": note.unsent })));
            engine.tell_once_lost(&note.install, told).await.map_err(|e| thrown(&e))?;
        }
        marker.keep(engine.install_id(), engine.pending());
        let session = Session::new(&engine, network, tabs, listener(tell, marker, engine.install_id()));
        session.lock_after(convert::whole(parsed.vault_idle_lock_ms, "vault.idleLockMs")? as u64);
        *connected.session.borrow_mut() = Rc::downgrade(&session);
        if connected.is_cut_off.get() {
            session.close();
            let message = "another tab with a newer version of the app took the database over: reload the page";
            return Err(thrown(&Error::new(Kind::Closed, message)));
        }
        let hurried = Rc::downgrade(&session);
        let signals = Signals::listen(move || {
            if let Some(session) = hurried.upgrade() {
                session.hurry();
            }
        });
        Ok(Self {
            session,
            vault_wait_ms: convert::whole(parsed.vault_wait_ms, "vault.waitMs")? as u64,
            name: parsed.name,
            closed: Rc::default(),
            signals: Rc::new(RefCell::new(Some(signals))),
            presence: Rc::new(RefCell::new(Some(presence))),
        })
    }

    fn engine(&self) -> Result<SharedEngine, JsValue> {
        if self.closed.get() {
            return Err(thrown(&Error::new(Kind::Closed, "the engine is closed: open it again")));
        }
        Ok(Rc::clone(self.session.engine()))
    }

    /// A promise of what `task` makes of the engine; it begins in this turn.
    pub(super) fn promise<F>(&self, task: impl FnOnce(SharedEngine) -> F) -> Promise
    where
        F: Future<Output = Result<JsValue, JsValue>> + 'static,
    {
        match self.engine() {
            Ok(engine) => super::started(Box::pin(task(engine))),
            Err(error) => Promise::reject(&error),
        }
    }
}

#[wasm_bindgen]
impl RawEngine {
    /// Begins a transaction in this turn.
    pub fn begin(&self, mode: &str, tables: &JsValue, actor: &JsValue) -> Result<RawTx, JsValue> {
        let engine = self.engine()?;
        let tables = table_names(tables)?;
        let names: Vec<&str> = tables.iter().map(String::as_str).collect();
        match mode {
            "r" => Ok(RawTx::new(engine.clone(), Inner::read(&engine, &names).map_err(|e| thrown(&e))?)),
            "rw" => {
                self.session.vault_used();
                let writer = Writer::begin(&engine, &names, parse_actor(actor)?).map_err(|e| thrown(&e))?;
                Ok(RawTx::new(engine, Inner::Write(Rc::new(writer))))
            }
            other => Err(invalid(&format!("there is no transaction mode {other}: use 'r' or 'rw'"))),
        }
    }

    /// One write in a transaction of its own.
    pub fn write(&self, kind: String, table: String, items: JsValue, actor: JsValue, bulk: bool) -> Promise {
        let wait_ms = self.vault_wait_ms;
        self.session.vault_used();
        self.promise(move |engine| async move {
            let write = || convert::write(&kind, &items);
            let actor = parse_actor(&actor)?;
            let mut written = write_alone(&engine, &table, write()?, actor.clone(), bulk).await;
            let is_locked = written.as_ref().is_err_and(|error| error.kind() == Kind::VaultLocked);
            if is_locked && engine.unlocked_within(wait_ms).await {
                written = write_alone(&engine, &table, write()?, actor, bulk).await;
            }
            written.map(|written| convert::written(&written)).map_err(|e| thrown(&e))
        })
    }

    /// The rows of a query.
    pub fn read(&self, query: JsValue) -> Promise {
        self.promise(move |engine| async move {
            let rows = engine.read(&convert::query(&query)?).await.map_err(|e| thrown(&e))?;
            Ok(convert::rows_out(rows.into_iter().map(Some).collect()))
        })
    }

    /// Rows and keys of a query.
    pub fn find(&self, query: JsValue, want: JsValue) -> Promise {
        self.promise(move |engine| async move {
            let want = convert::want(&want);
            let found = engine.find(&convert::query(&query)?, want).await.map_err(|e| thrown(&e))?;
            Ok(convert::found(found, want))
        })
    }

    /// The number of rows of a query.
    pub fn count(&self, query: JsValue) -> Promise {
        self.promise(move |engine| async move {
            Ok(convert::count(engine.count(&convert::query(&query)?).await.map_err(|e| thrown(&e))?))
        })
    }

    /// How a query is answered.
    pub fn explain(&self, query: &JsValue) -> Result<JsValue, JsValue> {
        let explained = self.engine()?.explain(&convert::query(query)?).map_err(|e| thrown(&e))?;
        Ok(convert::explanation(&explained))
    }

    /// The live rows of these keys, in their order.
    #[wasm_bindgen(js_name = getMany)]
    pub fn get_many(&self, table: String, keys: JsValue) -> Promise {
        self.promise(move |engine| async move {
            let rows = engine.get_many(&table, &convert::keys(&keys)?).await.map_err(|e| thrown(&e))?;
            Ok(convert::rows_out(rows))
        })
    }

    /// Calls back with the rows of a query, now and after every commit that may change them.
    pub fn subscribe(&self, query: &JsValue, callback: Function) -> Result<u32, JsValue> {
        // Rows of branches that functions of the app choose from have to be told apart.
        let apart = convert::get(query, "apart").is_truthy();
        let want = Want { primary: apart, branches: apart, apart, ..Want::ROWS };
        let subscribed = self.engine()?.subscribe(convert::query(query)?, want, move |result| {
            let (found, error) = match result {
                Ok(found) => (convert::found(found, want), JsValue::UNDEFINED),
                Err(error) => (JsValue::UNDEFINED, thrown(&error)),
            };
            // What the app's callback throws is the app's; the engine goes on.
            let _ = callback.call2(&JsValue::UNDEFINED, &found, &error);
        });
        subscribed.map_err(|e| thrown(&e))
    }

    /// Ends a live query.
    pub fn unsubscribe(&self, id: u32) {
        self.session.engine().unsubscribe(id);
    }

    /// Takes part in sync.
    #[wasm_bindgen(js_name = syncStart)]
    pub fn sync_start(&self) {
        if !self.closed.get() {
            self.session.sync_start();
        }
    }

    /// Takes no part in sync any more.
    #[wasm_bindgen(js_name = syncStop)]
    pub fn sync_stop(&self) {
        self.session.sync_stop();
    }

    /// Pushes and pulls; resolves when both have succeeded.
    #[wasm_bindgen(js_name = syncNow)]
    pub fn sync_now(&self) -> Promise {
        let session = Rc::clone(&self.session);
        self.promise(
            move |_| async move { session.sync_now().await.map(|()| JsValue::UNDEFINED).map_err(|e| thrown(&e)) },
        )
    }

    /// Pulls everything anew and pushes; resolves when both have succeeded.
    #[wasm_bindgen(js_name = resync)]
    pub fn resync(&self) -> Promise {
        let session = Rc::clone(&self.session);
        self.promise(
            move |_| async move { session.resync().await.map(|()| JsValue::UNDEFINED).map_err(|e| thrown(&e)) },
        )
    }

    /// Compares this device with the server: a `RawCheck`.
    #[wasm_bindgen(js_name = check)]
    pub fn check(&self) -> Promise {
        let session = Rc::clone(&self.session);
        self.promise(move |_| async move {
            let check = session.check().await.map_err(|e| thrown(&e))?;
            Ok(convert::json_out(&check.into()))
        })
    }

    /// Asks for an app; resolves when all of it is here.
    pub fn ensure(&self, app: String) -> Promise {
        let session = Rc::clone(&self.session);
        self.promise(
            move |_| async move { session.ensure(&app).await.map(|()| JsValue::UNDEFINED).map_err(|e| thrown(&e)) },
        )
    }

    /// The sync status.
    #[wasm_bindgen(js_name = syncStatus)]
    pub fn sync_status(&self) -> JsValue {
        convert::status(&self.session.status())
    }

    /// Resolves when the server has everything up to a ticket.
    #[wasm_bindgen(js_name = whenSynced)]
    pub fn when_synced(&self, ticket: f64) -> Promise {
        self.promise(move |engine| async move {
            engine.when_synced(ticket).await.map(|()| JsValue::UNDEFINED).map_err(|e| thrown(&e))
        })
    }

    /// The number of changes the server does not have: on their way, refused, or waiting behind a refused one.
    #[wasm_bindgen(js_name = unsentCount)]
    pub fn unsent_count(&self) -> Promise {
        self.promise(|engine| async move { engine.count_unsent().await.map(convert::count).map_err(|e| thrown(&e)) })
    }

    /// Signs a user in on a guest's database, or renames the user.
    #[wasm_bindgen(js_name = setUser)]
    pub fn set_user(&self, user: JsValue) -> Promise {
        let session = Rc::clone(&self.session);
        self.promise(move |_| async move {
            let raw: Option<RawUser> = options::read(&user, "user")?;
            let user = raw.as_ref().map(options::user).transpose()?;
            session.set_user(user).await.map(|()| JsValue::UNDEFINED).map_err(|e| thrown(&e))
        })
    }

    /// Sets the spaces the user is a member of; those in `confirmed` may be shared now though they were the user's own.
    #[wasm_bindgen(js_name = setSpaces)]
    pub fn set_spaces(&self, spaces: JsValue, confirmed: Vec<String>) -> Promise {
        self.promise(move |engine| async move {
            let raw: Vec<RawSpace> = options::read(&spaces, "spaces")?;
            let confirmed = confirmed.iter().map(|id| options::space_id(id)).collect::<Result<Vec<_>, _>>()?;
            let set = engine.set_spaces(options::spaces(&raw)?, &confirmed).await;
            set.map(|()| JsValue::UNDEFINED).map_err(|e| thrown(&e))
        })
    }

    /// Unlocks the vault: `{ rawKey }`, `{ recoveryCode, recoveryWrappedMk, recoveryIv }` or `{ passphrase, normalized,
    /// wrapped }`.
    pub fn unlock(&self, with: JsValue) -> Promise {
        self.promise(move |engine| async move {
            let unlock = super::vault::unlock_of(&with)?;
            let locks = engine.locks();
            let unlock = super::vault::derived(unlock).await?;
            // A lock that came meanwhile is the later word.
            if engine.locks() != locks {
                return Err(thrown(&Error::new(Kind::VaultLocked, "the vault was locked meanwhile: unlock it again")));
            }
            engine.unlock(unlock).map(|()| JsValue::UNDEFINED).map_err(|e| thrown(&e))
        })
    }

    /// Locks the vault in all tabs.
    pub fn lock(&self) -> Result<(), JsValue> {
        self.engine()?.lock();
        Ok(())
    }

    /// Makes `key` the user's newest key. `persist` is called with what the app is to keep, before anything is written,
    /// and what it gives is awaited.
    pub fn rotate(&self, key: JsValue, persist: Function) -> Promise {
        let session = Rc::clone(&self.session);
        self.promise(move |_| async move {
            let key = super::vault::raw_key(&key)?;
            let failed: Rc<RefCell<Option<JsValue>>> = Rc::default();
            let told = Rc::clone(&failed);
            let rotated = session.rotate(key, async move |new| {
                let kept = super::vault::persisted(&persist, &new).await;
                kept.map_err(|error| {
                    *told.borrow_mut() = Some(error);
                    Error::new(Kind::InvalidArgument, "the app could not keep the new key: nothing was written")
                })
            });
            let rotated = rotated.await;
            // What the app's function threw is the app's to see.
            let thrown_by_app = failed.borrow_mut().take();
            rotated.map(|()| JsValue::UNDEFINED).map_err(|error| thrown_by_app.unwrap_or_else(|| thrown(&error)))
        })
    }

    /// Somebody uses the page: a vault that locks when nobody does stays open.
    #[wasm_bindgen(js_name = vaultUsed)]
    pub fn vault_used(&self) {
        self.session.vault_used();
    }

    /// A new recovery code, and the key wrapped with it.
    #[wasm_bindgen(js_name = createRecoveryCode)]
    pub fn create_recovery_code(&self) -> Promise {
        self.promise(|engine| async move {
            let (code, wrapped) = engine.create_recovery_code().map_err(|e| thrown(&e))?;
            Ok(super::vault::recovery(&code, &wrapped))
        })
    }

    /// The key wrapped with a passphrase, which is in the form NFKC: `{ kdf, iterations, salt, iv, ciphertext }`.
    #[wasm_bindgen(js_name = createPassphraseWrap)]
    pub fn create_passphrase_wrap(&self, normalized: &JsValue) -> Promise {
        let normalized = super::vault::text_of(normalized).unwrap_or_default();
        self.promise(|engine| async move {
            let wrapped = super::vault::passphrase_wrap(&engine, &normalized).await.map_err(|e| thrown(&e))?;
            Ok(convert::json_out(&wrapped.to_json()))
        })
    }

    /// Waits for the vault to be unlocked, as long as a write does; gives whether it is.
    #[wasm_bindgen(js_name = unlockedInTime)]
    pub fn unlocked_in_time(&self) -> Promise {
        let wait_ms = self.vault_wait_ms;
        self.promise(move |engine| async move { Ok(engine.unlocked_within(wait_ms).await.into()) })
    }

    /// Sets the space new records go to and queries look at; `null`: the user's own.
    #[wasm_bindgen(js_name = setActiveSpace)]
    #[expect(clippy::needless_pass_by_value, reason = "wasm-bindgen hands optional texts over by value")]
    pub fn set_active_space(&self, id: Option<String>) -> Result<(), JsValue> {
        let space = id.as_deref().map(options::space_id).transpose()?;
        self.engine()?.set_active_space(space);
        Ok(())
    }

    /// Writes the local value of a conflict back, as a new edit.
    #[wasm_bindgen(js_name = restoreConflict)]
    pub fn restore_conflict(&self, conflict: JsValue) -> Promise {
        self.vault_used();
        self.promise(move |engine| async move {
            let text = |key: &str| convert::get(&conflict, key).as_string();
            let (Some(table), Some(id), Some(field)) = (text("table"), text("id"), text("field")) else {
                return Err(invalid("this is not a conflict"));
            };
            let mut changes = JsRow::new(Object::new());
            let local = convert::get(&conflict, "local");
            let value = match convert::get(&local, "sealed").as_string() {
                None => convert::get(&local, "value"),
                Some(sealed) => {
                    let at = convert::get(&local, "at").as_string().unwrap_or_default();
                    let value = engine.open_value(&table, &id, &field, &at, &sealed).map_err(|e| thrown(&e))?;
                    convert::json_out(&value)
                }
            };
            changes.set(&field, value);
            let key = crate::store::Key::Text(id);
            if engine
                .get_many(&table, std::slice::from_ref(&key))
                .await
                .map_err(|e| thrown(&e))?
                .iter()
                .all(Option::is_none)
            {
                return Err(thrown(&Error::new(
                    Kind::NotFound,
                    "the record of this conflict is gone: nothing was written",
                )));
            }
            let written = write_alone(&engine, &table, Write::Restate(vec![(key, changes)]), None, false).await;
            written.map(|_| JsValue::UNDEFINED).map_err(|e| thrown(&e))
        })
    }

    /// A record as stored, and the rows of the change log that name it.
    pub fn inspect(&self, table: String, key: JsValue) -> Promise {
        self.promise(move |engine| async move {
            let (record, log) = engine.inspect(&table, &convert::key(&key)?).await.map_err(|e| thrown(&e))?;
            let record = record.map_or(JsValue::NULL, |row| row.as_object().clone().into());
            Ok(convert::inspected(&record, &log))
        })
    }

    /// The oldest rows of the change log.
    pub fn log(&self, limit: f64) -> Promise {
        self.promise(move |engine| async move {
            let rows = engine.log_rows(convert::whole(limit, "limit")?).await.map_err(|e| thrown(&e))?;
            Ok(rows.iter().map(convert::json_out).collect::<Array>().into())
        })
    }

    /// Ends the engine; what is committing finishes.
    pub fn close(&self) {
        shut(&self.session, &self.closed, &self.signals, &self.presence);
    }

    /// Closes the engine and deletes the database; refuses while changes are unsent, unless forced.
    pub fn destroy(&self, force: bool) -> Promise {
        let (engine, session) = (self.engine(), Rc::clone(&self.session));
        let (closed, name) = (Rc::clone(&self.closed), self.name.clone());
        let (signals, presence) = (Rc::clone(&self.signals), Rc::clone(&self.presence));
        super::promise_of(async move {
            if let Ok(engine) = engine {
                if !force {
                    refuse_unsent(engine.count_unsent().await.map_err(|e| thrown(&e))?)?;
                }
                // They lose this database, and have no use for its key.
                engine.lock_elsewhere();
            }
            shut(&session, &closed, &signals, &presence);
            delete_database(&name, Rc::new(|_| {})).await.map_err(not_opened)?;
            Marker::of(&name).remove();
            Ok(JsValue::UNDEFINED)
        })
    }
}

fn refuse_unsent(pending: usize) -> Result<(), JsValue> {
    if pending == 0 {
        return Ok(());
    }
    let message = format!(
        "{pending} changes are not on the server: sync first and decide on dead letters, or force to lose them"
    );
    Err(thrown(&Error::new(Kind::UnsentChanges, message).with(serde_json::json!({ "pending": pending }))))
}

fn shut(
    session: &BrowserSession,
    closed: &Cell<bool>,
    signals: &RefCell<Option<Signals>>,
    presence: &RefCell<Presence>,
) {
    if !closed.replace(true) {
        signals.borrow_mut().take();
        session.close();
        presence.borrow_mut().take();
    }
}

/// Tells the page what happens, and keeps the count of unsent changes where it outlives the database.
fn listener(tell: Teller, marker: Marker, install: &str) -> impl Fn(Event) + 'static {
    let (install, shown) = (install.to_owned(), Cell::new(State::Local));
    move |event| {
        if let Event::Status(status) = &event {
            marker.keep(&install, status.pending);
            let needs_the_app = matches!(
                status.state,
                State::NeedsAuth | State::UpdateRequired | State::StorageFull | State::BillingRequired
            );
            if shown.replace(status.state) != status.state && needs_the_app {
                tell(status.state.as_str(), JsValue::NULL);
            }
        }
        if let Some((name, detail)) = convert::event(&event) {
            tell(name, detail);
        }
    }
}

async fn write_alone(
    engine: &SharedEngine,
    table: &str,
    write: Write<JsRow>,
    actor: Option<Actor>,
    bulk: bool,
) -> crate::engine::Result<crate::engine::Written> {
    #[cfg(feature = "planted-faults")]
    super::plant_what_is_asked_for();
    let writer = Writer::begin(engine, &[table], actor)?;
    let result = if bulk { writer.write_bulk(table, write).await } else { writer.write(table, write).await };
    match result {
        Ok(written) => Ok(crate::engine::Written { ticket: writer.commit().await?.ticket, ..written }),
        // What was not refused is kept.
        Err(error) if error.kind() == Kind::BulkFailed => writer.commit().await.and(Err(error)),
        Err(error) => Err(error),
    }
}

fn table_names(tables: &JsValue) -> Result<Vec<String>, JsValue> {
    let names = convert::items(tables, "tables")?;
    names.iter().map(|name| name.as_string().ok_or_else(|| invalid("a table's name must be a text"))).collect()
}

fn parse_actor(actor: &JsValue) -> Result<Option<Actor>, JsValue> {
    if actor.is_null() || actor.is_undefined() {
        return Ok(None);
    }
    let json = crate::store::RowValue::to_json(actor).map_err(|malformed| thrown(&malformed.into()))?;
    Actor::parse(json).map(Some).map_err(|malformed| thrown(&malformed.into()))
}

fn function(host: &JsValue, name: &str) -> Result<Function, JsValue> {
    convert::get(host, name).dyn_into().map_err(|_| invalid(&format!("the host has no function {name}")))
}

type Teller = Rc<dyn Fn(&'static str, JsValue)>;

fn teller(event: &Function) -> Teller {
    let event = event.clone();
    Rc::new(move |name, detail| {
        // What the app's listeners throw is the app's; the engine goes on.
        let _ = event.call2(&JsValue::UNDEFINED, &name.into(), &detail);
    })
}

fn store_event(tell: &Teller, connected: &Connected, event: StoreEvent) {
    if matches!(event, StoreEvent::VersionChange(_) | StoreEvent::Lost) {
        connected.is_cut_off.set(true);
        let session = connected.session.borrow().upgrade();
        if let Some(session) = session {
            session.cut_off();
        }
    }
    match event {
        StoreEvent::Blocked => tell("blocked", JsValue::NULL),
        StoreEvent::VersionChange(_) => tell("versionchange", JsValue::NULL),
        StoreEvent::Lost => tell("lost", JsValue::NULL),
    }
}

fn network(url: &str, host: &JsValue) -> Result<BrowserNetwork, JsValue> {
    let own = |name: &str| convert::get(host, name).dyn_into::<Function>().ok();
    let get_token = function(host, "getToken")?;
    Ok(BrowserNetwork::new(NetworkOptions {
        base: url.to_owned(),
        fetch: own("fetch"),
        web_socket: own("webSocket"),
        get_token: Some(get_token),
    }))
}

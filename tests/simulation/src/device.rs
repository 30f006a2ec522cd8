//! A device: a database, a clock and a line that outlive its tabs, and the tab that runs now.

use super::executor::{Executor, Owner};
use super::host::{SimHost, WallClock};
use super::network::{Line, SimTransport};
use super::random::Random;
use super::storage::{Power, SimStore};
use super::tabs::OneTab;
use mana_sync_engine::engine::{Config, Engine, Error, Event, Query, Result, Session, User, Write, Writer, Written};
use mana_sync_engine::model::{Actor, AppId, Scope, Space, StoreSpec, TableName, TableSync, UserId};
use mana_sync_engine::store::{ENGINE_STORES, JsonRow, Key, MemoryStore};
use serde_json::{Value, json};
use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

type SimSession = Session<SimStore, SimHost, SimTransport, OneTab>;

/// How long a call may take before it counts as lost, in milliseconds of virtual time.
const LIMIT_MS: u64 = 300_000;

/// What an app opens its engine with.
#[derive(Debug, Clone)]
pub struct Setup {
    /// The signed-in user; `None` is a guest.
    pub user: Option<String>,
    /// The spaces the user is a member of.
    pub spaces: Vec<Space>,
    /// The tables of app `todo` that sync, with their scope.
    pub tables: Vec<(&'static str, Scope)>,
    /// The version of the app's data.
    pub schema_version: u32,
}

impl Setup {
    /// A user with the tables `tasks` and `settings`.
    #[must_use]
    pub fn of(user: &str) -> Self {
        let tables = vec![("tasks", Scope::Space), ("settings", Scope::User)];
        Self { user: Some(user.to_owned()), spaces: Vec::new(), tables, schema_version: 1 }
    }

    fn stores(&self) -> Vec<StoreSpec> {
        let synced = self.tables.iter().map(|(name, _)| (*name, "id"));
        let all = synced.chain([("notes", "++id")]);
        all.map(|(name, schema)| StoreSpec::parse(name, schema).expect("a schema")).collect()
    }

    fn config(&self) -> Config {
        let sync = |(name, scope): &(&str, Scope)| {
            let (app, sync_name) = (AppId::parse("todo").expect("an app"), TableName::parse(*name).expect("a table"));
            let schema_version = self.schema_version;
            let sync = TableSync { app, sync_name, scope: *scope, dates: BTreeSet::new(), schema_version };
            ((*name).to_owned(), sync)
        };
        let sync: BTreeMap<String, TableSync> = self.tables.iter().map(sync).collect();
        let mut config = Config::new("simulated", self.stores(), sync).expect("tables that fit together");
        config.user = self.user.as_ref().map(|user| user_named(user));
        config.spaces.clone_from(&self.spaces);
        config
    }
}

/// A user by id.
#[must_use]
pub fn user_named(id: &str) -> User {
    User { id: UserId::parse(id).expect("a user id"), display_name: None }
}

/// A running tab.
struct Tab {
    owner: Owner,
    session: Rc<SimSession>,
    power: Power,
}

/// A device.
pub struct Device {
    executor: Executor,
    random: Random,
    /// Its wall clock.
    pub clock: WallClock,
    /// Its line to the server.
    pub line: Rc<Line>,
    setup: RefCell<Setup>,
    memory: RefCell<MemoryStore>,
    tab: RefCell<Option<Tab>>,
    owners: Cell<Owner>,
    events: Rc<RefCell<Vec<Event>>>,
}

impl Device {
    /// A device with an empty database and no tab; `number` tells devices apart.
    #[must_use]
    pub fn new(executor: &Executor, random: Random, line: Rc<Line>, setup: Setup, number: u64) -> Self {
        Self {
            executor: executor.clone(),
            random,
            clock: WallClock::default(),
            line,
            memory: RefCell::new(empty(&setup)),
            setup: RefCell::new(setup),
            tab: RefCell::default(),
            owners: Cell::new(number << 32),
            events: Rc::default(),
        }
    }

    /// Opens a tab on what the database holds, and starts to sync.
    pub fn open(&self) {
        self.try_open().expect("the engine opens");
        self.session().sync_start();
    }

    /// Opens a tab that does not sync yet.
    pub fn try_open(&self) -> Result<()> {
        self.close();
        let owner = self.owners.get() + 1;
        self.owners.set(owner);
        let power = Power::default();
        let memory = MemoryStore::from_snapshot(&self.memory.borrow().snapshot());
        *self.memory.borrow_mut() = memory.clone();
        let store = SimStore::new(memory, power.clone());
        let host = SimHost::new(&self.executor, owner, &self.clock, self.random.fork());
        let opening = Engine::open(store, host, self.setup.borrow().config(), true);
        let engine = self.executor.block_on(owner, LIMIT_MS, opening).expect("opening does not wait")?;
        let transport = SimTransport::new(&self.line, owner);
        let events = Rc::clone(&self.events);
        let session = Session::new(&engine, Some(transport), OneTab, move |event| events.borrow_mut().push(event));
        *self.tab.borrow_mut() = Some(Tab { owner, session, power });
        Ok(())
    }

    /// Ends the tab where it stands; what was committed stays.
    pub fn close(&self) {
        let tab = self.tab.borrow_mut().take();
        if let Some(tab) = tab {
            self.executor.kill(tab.owner);
        }
    }

    /// Ends the tab where it stands and opens another one.
    pub fn restart(&self) {
        self.close();
        self.open();
    }

    /// Opens the app in another version.
    pub fn update_app(&self, setup: Setup) {
        self.close();
        let old = self.memory.borrow().snapshot();
        *self.memory.borrow_mut() = MemoryStore::upgraded(&old, all_stores(&setup));
        *self.setup.borrow_mut() = setup;
        self.open();
    }

    /// Loses the whole database, as browsers sometimes do.
    pub fn lose_database(&self) {
        self.close();
        *self.memory.borrow_mut() = empty(&self.setup.borrow());
    }

    /// The running tab's session.
    #[must_use]
    pub fn session(&self) -> Rc<SimSession> {
        Rc::clone(&self.tab.borrow().as_ref().expect("the device has a tab open").session)
    }

    /// The running tab's power supply.
    #[must_use]
    pub fn power(&self) -> Power {
        self.tab.borrow().as_ref().map(|tab| tab.power.clone()).expect("the device has a tab open")
    }

    fn call<T: 'static>(&self, future: impl Future<Output = Result<T>> + 'static) -> Option<Result<T>> {
        let owner = self.tab.borrow().as_ref().map(|tab| tab.owner).expect("the device has a tab open");
        self.executor.block_on(owner, LIMIT_MS, future)
    }

    /// Performs writes in one transaction; `None` when the tab died over it.
    pub fn try_transact(&self, actor: Option<Value>, writes: Vec<(&str, Write<JsonRow>)>) -> Option<Result<Written>> {
        let engine = Rc::clone(self.session().engine());
        let tables: Vec<String> = writes.iter().map(|(table, _)| (*table).to_owned()).collect();
        let writes: Vec<(String, Write<JsonRow>)> =
            writes.into_iter().map(|(t, write)| (t.to_owned(), write)).collect();
        let actor = actor.map(|json| Actor::parse(json).expect("an actor"));
        self.call(async move {
            let names: Vec<&str> = tables.iter().map(String::as_str).collect();
            let transaction = Writer::begin(&engine, &names, actor)?;
            for (table, write) in writes {
                transaction.write(&table, write).await?;
            }
            transaction.commit().await
        })
    }

    /// Performs writes in one transaction.
    pub fn transact(&self, writes: Vec<(&str, Write<JsonRow>)>) -> Result<Written> {
        self.try_transact(None, writes).expect("the tab lives")
    }

    /// Adds a record.
    pub fn add(&self, table: &str, record: Value) -> Result<Written> {
        self.transact(vec![(table, Write::Add(vec![row(record)]))])
    }

    /// Puts a whole record.
    pub fn put(&self, table: &str, record: Value) -> Result<Written> {
        self.transact(vec![(table, Write::Put(vec![row(record)]))])
    }

    /// Changes parts of a record.
    pub fn update(&self, table: &str, id: &str, changes: Value) -> Result<Written> {
        self.transact(vec![(table, Write::Update(vec![(Key::text(id), row(changes))]))])
    }

    /// Deletes a record.
    pub fn delete(&self, table: &str, id: &str) -> Result<Written> {
        self.transact(vec![(table, Write::Delete(vec![Key::text(id)]))])
    }

    /// Brings a record back.
    pub fn restore(&self, table: &str, id: &str) -> Result<Written> {
        self.transact(vec![(table, Write::Restore(vec![Key::text(id)]))])
    }

    /// Pushes and pulls once.
    pub fn sync(&self) -> Result<()> {
        let session = self.session();
        self.call(async move { session.sync_now().await }).expect("a round ends")
    }

    /// Applies a page from nowhere, as a server could send it.
    pub fn engine(&self) -> Rc<Engine<SimStore, SimHost>> {
        Rc::clone(self.session().engine())
    }

    /// The rows a query over a whole table gives.
    #[must_use]
    pub fn rows(&self, table: &str) -> Vec<Value> {
        let engine = self.engine();
        let query = Query { table: table.to_owned(), across_spaces: true, ..Query::default() };
        let read = self.call(async move { engine.read(&query).await });
        let rows: Vec<JsonRow> = read.expect("the tab lives").expect("the table is there");
        rows.into_iter().map(|row| Value::Object(row.0)).collect()
    }

    /// A record as stored, tombstones too; `null` when there is none.
    #[must_use]
    pub fn stored(&self, table: &str, id: &str) -> Value {
        self.store_rows(table).into_iter().find(|row| row["id"] == json!(id)).unwrap_or_default()
    }

    /// All committed rows of a store.
    #[must_use]
    pub fn store_rows(&self, store: &str) -> Vec<Value> {
        self.memory.borrow().rows(store)
    }

    /// The logged changes the server does not have yet, each with its row.
    #[must_use]
    pub fn logged(&self) -> Vec<(Value, Value)> {
        let rows = self.store_rows("_changeLog");
        let pairs = rows.iter().flat_map(|row| {
            let changes = row["changes"].as_array().cloned().unwrap_or_default();
            changes.into_iter().map(|change| (row.clone(), change))
        });
        pairs.collect()
    }

    /// The engine's own rows of a kind.
    #[must_use]
    pub fn engine_rows(&self, kind: &str) -> Vec<Value> {
        self.store_rows("_engine").into_iter().filter(|row| row["kind"] == kind).collect()
    }

    /// Everything the app was told so far; forgotten here.
    #[must_use]
    pub fn take_events(&self) -> Vec<Event> {
        self.events.take()
    }

    /// The tables that sync.
    #[must_use]
    pub fn synced_tables(&self) -> Vec<&'static str> {
        self.setup.borrow().tables.iter().map(|(name, _)| *name).collect()
    }
}

fn empty(setup: &Setup) -> MemoryStore {
    MemoryStore::new(all_stores(setup))
}

fn all_stores(setup: &Setup) -> Vec<StoreSpec> {
    let own = ENGINE_STORES.iter().map(|(name, schema)| StoreSpec::parse(name, schema).expect("a schema"));
    own.chain(setup.stores()).collect()
}

/// A row of JSON.
#[must_use]
pub fn row(json: Value) -> JsonRow {
    match json {
        Value::Object(map) => JsonRow(map),
        other => panic!("{other} is no record"),
    }
}

/// The code of a call that must have failed.
#[must_use]
pub fn code<T: std::fmt::Debug>(result: Result<T>) -> &'static str {
    result.map_err(|error: Error| error.kind().code()).expect_err("the call is refused")
}

//! What a test asks of a device: writes, reads, and what is stored.

use super::device::Device;
use super::executor::Owner;
use super::host::SimHost;
use super::setup::user_named;
use super::storage::SimStore;
use mana_sync_engine::crypto::MasterKey;
use mana_sync_engine::engine::{
    Check, DeadLetter, Engine, Error, Event, GuestData, Import, ImportPage, Query, Reason, Result, Unlock, Unreadable,
    Upgrade, Write, Writer, Written,
};
use mana_sync_engine::model::{Actor, Space, SpaceId, Visibility};
use mana_sync_engine::store::{JsonRow, Key};
use serde_json::{Value, json};
use std::rc::Rc;

/// How long a call may take before it counts as lost, in milliseconds of virtual time.
const LIMIT_MS: u64 = 300_000;

impl Device {
    fn call<T: 'static>(&self, future: impl Future<Output = Result<T>> + 'static) -> Option<Result<T>> {
        let owner = self.with_tab(0, |tab| tab.owner)?;
        self.executor.block_on(owner, LIMIT_MS, future)
    }

    /// Performs writes in one transaction; `None` when the tab died over it.
    pub fn try_transact(&self, actor: Option<Value>, writes: Vec<(&str, Write<JsonRow>)>) -> Option<Result<Written>> {
        self.transact_in(0, None, actor, writes)
    }

    /// Performs writes in one transaction of a tab; its commit is that of call `call`. `None` when the tab is dead or
    /// died over it; a call that nobody ever answers panics.
    pub fn transact_in(
        &self,
        at: usize,
        call: Option<u64>,
        actor: Option<Value>,
        writes: Vec<(&str, Write<JsonRow>)>,
    ) -> Option<Result<Written>> {
        let (owner, writing) = self.writing(at, call, actor, writes)?;
        let written = self.executor.block_on(owner, LIMIT_MS, writing);
        assert!(written.is_some() || !self.is_open(at), "a write is answered while its tab lives");
        written
    }

    /// Begins writes in one transaction of a tab that is open, and does not wait; `told` hears the answer while the tab lives.
    pub fn begin_in(
        &self,
        at: usize,
        writes: Vec<(&str, Write<JsonRow>)>,
        told: impl FnOnce(Result<Written>) + 'static,
    ) {
        if let Some((owner, writing)) = self.writing(at, None, None, writes) {
            self.executor.spawn(owner, Box::pin(async move { told(writing.await) }));
        }
    }

    /// Writes in one transaction of a tab, not begun yet; `None` when the tab is dead.
    fn writing(
        &self,
        at: usize,
        call: Option<u64>,
        actor: Option<Value>,
        writes: Vec<(&str, Write<JsonRow>)>,
    ) -> Option<(Owner, impl Future<Output = Result<Written>> + 'static)> {
        let (owner, engine, store) =
            self.with_tab(at, |tab| (tab.owner, Rc::clone(tab.session.engine()), tab.store.clone()))?;
        let writes: Vec<(String, Write<JsonRow>)> =
            writes.into_iter().map(|(table, write)| (table.to_owned(), write)).collect();
        let actor = actor.map(|json| Actor::parse(json).expect("an actor"));
        let writing = async move {
            let names: Vec<&str> = writes.iter().map(|(table, _)| table.as_str()).collect();
            store.set_call(call);
            let transaction = Writer::begin(&engine, &names, actor);
            store.set_call(None);
            let transaction = transaction?;
            for (table, write) in writes {
                transaction.write(&table, write).await?;
            }
            transaction.commit().await
        };
        Some((owner, writing))
    }

    /// Performs writes in one transaction.
    pub fn transact(&self, writes: Vec<(&str, Write<JsonRow>)>) -> Result<Written> {
        self.try_transact(None, writes).expect("the tab lives")
    }

    /// Unlocks the vault with a key of which every byte is `byte`.
    pub fn unlock(&self, byte: u8) -> Result<()> {
        self.engine().unlock(raw_key(byte))
    }

    /// Makes a key of which every byte is `byte` the user's newest; the app keeps it when `persist` says so. `None`: the
    /// tab died over it.
    pub fn try_rotate(&self, byte: u8, persist: impl FnOnce() -> Result<()> + 'static) -> Option<Result<()>> {
        let session = self.session();
        let new = MasterKey::from_bytes(&[byte; 32]).expect("a key has 32 bytes");
        self.call(async move { session.rotate(new, async move |_| persist()).await })
    }

    /// The same, with an app that keeps the key, in a tab that lives.
    pub fn rotate(&self, byte: u8) -> Result<()> {
        self.try_rotate(byte, || Ok(())).expect("the tab lives")
    }

    /// Begins to make a key of which every byte is `byte` the user's newest, and does not wait. When the app is to keep it,
    /// `kept` hears of it, and the vault of every tab that is opened later is unlocked with it; `told` hears the answer
    /// while the tab lives.
    pub fn begin_rotate(&self, byte: u8, kept: impl FnOnce() + 'static, told: impl FnOnce(Result<()>) + 'static) {
        let Some((owner, session)) = self.with_tab(0, |tab| (tab.owner, Rc::clone(&tab.session))) else { return };
        let key = Rc::clone(&self.key);
        let new = MasterKey::from_bytes(&[byte; 32]).expect("a key has 32 bytes");
        self.executor.spawn(
            owner,
            Box::pin(async move {
                let keep = async move |_| {
                    kept();
                    key.set(Some(byte));
                    Ok(())
                };
                told(session.rotate(new, keep).await);
            }),
        );
    }

    /// Brings the data to a version as an app's upgrade does: what `change` makes of each row that a query over one of the
    /// tables gives is written over it.
    pub fn upgrade(
        &self,
        version: u32,
        tables: &[&str],
        change: impl Fn(&Value) -> Value + 'static,
    ) -> Result<Written> {
        let engine = self.engine();
        let tables: Vec<String> = tables.iter().map(|table| (*table).to_owned()).collect();
        let upgrading = async move {
            let upgrade = Upgrade::begin(&engine).await?;
            let writer = upgrade.to(version).await?;
            for table in tables {
                let query = Query { table: table.clone(), ..Query::default() };
                let rows: Vec<JsonRow> = writer.read(async |tx| engine.read_in(tx, &query).await).await?;
                let changed = rows.into_iter().map(|row| Value::Object(row.to_map())).map(|shown| {
                    let id = shown["id"].as_str().expect("an id");
                    (Key::text(id), row(change(&shown)))
                });
                writer.write(&table, Write::Update(changed.collect())).await?;
            }
            writer.commit().await
        };
        self.call(upgrading).expect("the tab lives")
    }

    /// Signs a user in on a guest's database.
    pub fn sign_in(&self, user: &str) -> Result<()> {
        let (session, user) = (self.session(), user_named(user));
        self.call(async move { session.set_user(Some(user)).await }).expect("the tab lives")
    }

    /// Signs the user out, on the engine that is open.
    pub fn sign_out(&self) -> Result<()> {
        let session = self.session();
        self.call(async move { session.set_user(None).await }).expect("the tab lives")
    }

    /// Takes a guest's records into the account of who is signed in; `None`: the tab died over it.
    pub fn try_adopt_guest_data(&self) -> Option<Result<GuestData<JsonRow>>> {
        let session = self.session();
        self.call(async move { session.adopt_guest_data(0).await })
    }

    /// The same, in a tab that lives.
    pub fn adopt_guest_data(&self) -> Result<GuestData<JsonRow>> {
        self.try_adopt_guest_data().expect("the tab lives")
    }

    /// What adopting would come to.
    #[must_use]
    pub fn guest_data(&self) -> GuestData<JsonRow> {
        let engine = self.engine();
        self.call(async move { engine.guest_data().await }).expect("the tab lives").expect("it is read")
    }

    /// Deletes what is left of a guest's.
    pub fn discard_guest_data(&self) -> Result<usize> {
        let engine = self.engine();
        self.call(async move { engine.discard_guest_data().await }).expect("the tab lives")
    }

    /// Locks the vault.
    pub fn lock(&self) {
        self.engine().lock();
    }

    /// Sets the spaces the user is a member of.
    pub fn set_spaces(&self, spaces: Vec<Space>) -> Result<()> {
        let engine = self.engine();
        self.call(async move { engine.set_spaces(spaces, &[]).await }).expect("the tab lives")
    }

    /// Makes a record private, or everybody's in its space.
    pub fn set_visibility(&self, table: &str, id: &str, to: Visibility) -> Result<Written> {
        let (engine, table, id) = (self.engine(), table.to_owned(), id.to_owned());
        self.call(async move { engine.set_visibility(&table, &id, to).await }).expect("the tab lives")
    }

    /// Moves a record to another space; gives its id there.
    pub fn move_to_space(&self, table: &str, id: &str, space: &str) -> Result<String> {
        let (engine, table, id) = (self.engine(), table.to_owned(), id.to_owned());
        let space = SpaceId::parse(space).expect("a space");
        let moved = self.call(async move { engine.move_to_space(&table, &id, &space).await }).expect("the tab lives");
        moved.map(|written| match &written.keys[0] {
            Key::Text(id) => id.clone(),
            other => panic!("{other:?} is no id"),
        })
    }

    /// The user's dead letters.
    #[must_use]
    pub fn dead_letters(&self) -> Vec<DeadLetter> {
        self.try_dead_letters().expect("the tab lives")
    }

    /// The same; `None`: the tab died over it.
    pub fn try_dead_letters(&self) -> Option<Vec<DeadLetter>> {
        let engine = self.engine();
        let read = self.call(async move { engine.dead_letters().await })?;
        Some(read.expect("they are read"))
    }

    /// What is in the user's quarantine, by reason: how many changes, and how many had to make room.
    #[must_use]
    pub fn quarantine(&self) -> Vec<(Reason, usize, usize)> {
        let engine = self.engine();
        let counted = self.call(async move { engine.quarantine().await }).expect("the tab lives");
        counted.expect("it is read").into_iter().map(|one| (one.reason, one.count, one.dropped)).collect()
    }

    /// Sends a dead letter again; `None`: the tab died over it.
    pub fn try_retry_letter(&self, id: &str) -> Option<Result<()>> {
        let (engine, id) = (self.engine(), id.to_owned());
        self.call(async move { engine.retry_letter(&id).await })
    }

    /// The same, in a tab that lives.
    pub fn retry_letter(&self, id: &str) -> Result<()> {
        self.try_retry_letter(id).expect("the tab lives")
    }

    /// Discards a dead letter; `None`: the tab died over it.
    pub fn try_discard_letter(&self, id: &str) -> Option<Result<()>> {
        let (engine, id) = (self.engine(), id.to_owned());
        self.call(async move { engine.discard_letter(&id).await })
    }

    /// The same, in a tab that lives.
    pub fn discard_letter(&self, id: &str) -> Result<()> {
        self.try_discard_letter(id).expect("the tab lives")
    }

    /// How many changes the server does not have, dead letters among them.
    #[must_use]
    pub fn unsent_count(&self) -> usize {
        let engine = self.engine();
        self.call(async move { engine.count_unsent().await }).expect("the tab lives").expect("they are counted")
    }

    /// Adds a record.
    pub fn add(&self, table: &str, record: Value) -> Result<Written> {
        self.transact(vec![(table, Write::Add(vec![row(record)]))])
    }

    /// Adds a record in a tab.
    pub fn add_in(&self, tab: usize, table: &str, record: Value) -> Result<Written> {
        let writes = vec![(table, Write::Add(vec![row(record)]))];
        self.transact_in(tab, None, None, writes).expect("the tab lives")
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

    /// All rows of a table that an archive would hold, with the shared spaces that are named, read in pages of three; and how many
    /// fields of them nothing here opens.
    pub fn export(&self, table: &str, spaces: &[&str]) -> Result<(Vec<Value>, usize)> {
        self.export_named(table, spaces).map(|(rows, unreadable)| (rows, unreadable.len()))
    }

    /// The same, with the names of those fields.
    pub fn export_named(&self, table: &str, spaces: &[&str]) -> Result<(Vec<Value>, Vec<Unreadable>)> {
        let (engine, table, user) = (self.engine(), table.to_owned(), self.signed_in());
        let spaces: Vec<SpaceId> = spaces.iter().map(|space| SpaceId::parse(*space).expect("a space")).collect();
        let reading = async move {
            let (mut rows, mut unreadable, mut after) = (Vec::new(), Vec::new(), None);
            loop {
                let page = engine.export_page(user.as_deref(), &table, &spaces, after.as_deref(), 3).await?;
                rows.extend(page.rows);
                unreadable.extend(page.unreadable);
                after = page.next;
                if after.is_none() {
                    assert_eq!(engine.export_count(user.as_deref(), &table, &spaces).await?, rows.len());
                    return Ok((rows, unreadable));
                }
            }
        };
        self.call(reading).expect("the tab lives")
    }

    fn signed_in(&self) -> Option<String> {
        self.engine().config().user.as_ref().map(|user| user.id.to_string())
    }

    /// The ids of whoever is signed in, and of their spaces.
    #[must_use]
    pub fn ids_around(&self) -> Vec<String> {
        let spaces: Vec<String> = self.engine().config().spaces.iter().map(|space| space.id.to_string()).collect();
        self.signed_in().into_iter().chain(spaces).collect()
    }

    /// Takes rows of an archive into a table, for whoever is signed in unless it is for somebody else; `None`: the tab died over it.
    pub fn try_import(&self, table: &str, rows: &[Value], how: Import) -> Option<Result<ImportPage>> {
        let (engine, table, rows) = (self.engine(), table.to_owned(), rows.to_vec());
        let how = Import { user: how.user.clone().or_else(|| self.signed_in()), ..how };
        self.call(async move { engine.import_page(&table, &rows, &how).await })
    }

    /// The same, in a tab that lives.
    pub fn import(&self, table: &str, rows: &[Value], how: Import) -> Result<ImportPage> {
        self.try_import(table, rows, how).expect("the tab lives")
    }

    /// Pushes and pulls once.
    pub fn sync(&self) -> Result<()> {
        let session = self.session();
        self.call(async move { session.sync_now().await }).expect("a round ends")
    }

    /// Begins to compare itself with the server, and does not wait; `told` hears the answer while the tab lives.
    pub fn begin_check(&self, told: impl FnOnce(Result<Check>) + 'static) {
        let Some((owner, session)) = self.with_tab(0, |tab| (tab.owner, Rc::clone(&tab.session))) else { return };
        self.executor.spawn(owner, Box::pin(async move { told(session.check().await) }));
    }

    /// Asks for an app, in a tab; resolves when all of it is here.
    pub fn ensure_in(&self, tab: usize, app: &'static str) -> Result<()> {
        let session = self.session_at(tab).expect("the tab is open");
        self.call(async move { session.ensure(app).await }).expect("a round ends")
    }

    /// Begins to ask for an app, and does not wait; `told` hears the answer while the tab lives.
    pub fn begin_ensure(&self, tab: usize, app: &'static str, told: impl FnOnce(Result<()>) + 'static) {
        let Some((owner, session)) = self.with_tab(tab, |tab| (tab.owner, Rc::clone(&tab.session))) else { return };
        self.executor.spawn(owner, Box::pin(async move { told(session.ensure(app).await) }));
    }

    /// Whether somebody has asked for an app.
    #[must_use]
    pub fn is_asked(&self, app: &str) -> bool {
        self.engine_rows("apps").first().is_some_and(|apps| !apps["here"][app].is_null())
    }

    /// Says, whenever it is asked, whether all of an app was pulled.
    pub fn holder(&self, app: &'static str) -> impl Fn() -> bool + 'static {
        let memory = self.memory.borrow().clone();
        move || {
            let rows = memory.rows("_engine");
            rows.iter().any(|row| row["kind"] == "apps" && row["here"][app] == json!(true))
        }
    }

    /// Pulls everything anew, in a tab.
    pub fn resync_in(&self, tab: usize) -> Result<()> {
        let session = self.session_at(tab).expect("the tab is open");
        self.call(async move { session.resync().await }).expect("a round ends")
    }

    /// Compares itself with the server.
    pub fn check(&self) -> Result<Check> {
        self.check_in(0)
    }

    /// The same, in a tab.
    pub fn check_in(&self, tab: usize) -> Result<Check> {
        let session = self.session_at(tab).expect("the tab is open");
        self.call(async move { session.check().await }).expect("a check ends")
    }

    /// Applies a page from nowhere, as a server could send it.
    pub fn engine(&self) -> Rc<Engine<SimStore, SimHost>> {
        Rc::clone(self.session().engine())
    }

    /// The rows a query over a whole table gives.
    #[must_use]
    pub fn rows(&self, table: &str) -> Vec<Value> {
        self.try_rows(table).expect("the table is there")
    }

    /// How many rows a query over a whole table gives in a tab.
    #[must_use]
    pub fn rows_in(&self, tab: usize, table: &str) -> usize {
        let engine = Rc::clone(self.session_at(tab).expect("the tab is open").engine());
        let query = Query { table: table.to_owned(), across_spaces: true, ..Query::default() };
        self.call(async move { engine.read(&query).await }).expect("the tab lives").expect("the table is there").len()
    }

    /// The same where it may fail.
    pub fn try_rows(&self, table: &str) -> Result<Vec<Value>> {
        let engine = self.engine();
        let query = Query { table: table.to_owned(), across_spaces: true, ..Query::default() };
        let read = self.call(async move { engine.read(&query).await }).expect("the tab lives");
        read.map(|rows| rows.into_iter().map(|row| Value::Object(row.to_map())).collect())
    }

    /// How many rows a table has, and a record by its id.
    pub fn try_look(&self, table: &str, id: &str) -> Result<(usize, Option<Value>)> {
        let (engine, key) = (self.engine(), Key::text(id));
        let (query, table) = (Query { table: table.to_owned(), ..Query::default() }, table.to_owned());
        let looked = self.call(async move {
            let found = engine.get_many(&table, &[key]).await?;
            Ok((engine.count(&query).await?, found.into_iter().next().flatten()))
        });
        let (count, row): (usize, Option<JsonRow>) = looked.expect("the tab lives")?;
        Ok((count, row.map(|row| Value::Object(row.to_map()))))
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
        self.events.take().into_iter().map(|(_, event)| event).collect()
    }

    /// The tables that sync.
    #[must_use]
    pub fn synced_tables(&self) -> Vec<&'static str> {
        self.setup.borrow().tables.iter().map(|(name, _)| *name).collect()
    }
}

/// A key of which every byte is `byte`.
#[must_use]
pub fn raw_key(byte: u8) -> Unlock {
    Unlock::Raw(MasterKey::from_bytes(&[byte; 32]).expect("a key has 32 bytes"))
}

/// A row of JSON.
#[must_use]
pub fn row(json: Value) -> JsonRow {
    match json {
        Value::Object(map) => JsonRow::from(map),
        other => panic!("{other} is no record"),
    }
}

/// The code of a call that must have failed.
#[must_use]
pub fn code<T: std::fmt::Debug>(result: Result<T>) -> &'static str {
    result.map_err(|error: Error| error.kind().code()).expect_err("the call is refused")
}

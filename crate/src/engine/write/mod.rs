//! The write path: one transaction over the records and the change log, compared, stamped and logged inside it.

mod carry_out;
mod outcome;
mod plan;
mod purge;
mod restore;
mod saying;
mod seal;
mod synced;

use super::data_version;
use super::epoch::Epoch;
use super::error::{Error, Result};
use super::log::{self, Author, Journal};
use super::ports::Host;
use super::prepare::{Field, check_seals};
use super::{Engine, Touched};
use crate::model::{Actor, OrderedSet, Origin, Stamp};
use crate::store::{CHANGE_LOG, ENGINE, Key, Mode, Row, RowValue, Store, StoreError, Transaction};
use futures_util::lock::{Mutex, MutexGuard};
pub(super) use outcome::{Outcome, rounds};
use plan::Target;
pub(super) use restore::{Fate, Manner, Restored};
use std::cell::Cell;
use std::rc::Rc;

type Value<S> = <<S as Store>::Row as Row>::Value;

/// A write on one table.
pub enum Write<R> {
    /// New records; an id is made where there is none.
    Add(Vec<R>),
    /// New records of a local table that keeps keys beside them.
    AddAt(Vec<(Key, R)>),
    /// Whole records, new or not: a field left out is taken away.
    Put(Vec<R>),
    /// The same in a local table that keeps keys beside them.
    PutAt(Vec<(Key, R)>),
    /// Parts of records; `a.b` reaches into objects, `undefined` takes a field away.
    Update(Vec<(Key, R)>),
    /// Fields of records by their names, which may hold dots; `undefined` takes a field away.
    UpdateFields(Vec<(Key, R)>),
    /// The same, said anew where something else came for a sealed field, though that is not what is shown.
    Restate(Vec<(Key, R)>),
    /// As [`Write::Update`], making records that are not there.
    Upsert(Vec<(Key, R)>),
    /// Records to remove; on synced tables they become tombstones.
    Delete(Vec<Key>),
    /// Tombstones to bring back.
    Restore(Vec<Key>),
    /// Records whose values leave this device; on local tables a removal.
    Purge(Vec<Key>),
    /// All records of a local table; of one that syncs those a query sees, which become tombstones.
    Clear {
        /// Says that tombstones are wanted.
        tombstones: bool,
    },
}

impl<R> Write<R> {
    /// How many records it names.
    fn len(&self) -> usize {
        match self {
            Self::Add(rows) | Self::Put(rows) => rows.len(),
            Self::AddAt(pairs)
            | Self::PutAt(pairs)
            | Self::Update(pairs)
            | Self::UpdateFields(pairs)
            | Self::Restate(pairs)
            | Self::Upsert(pairs) => pairs.len(),
            Self::Delete(keys) | Self::Restore(keys) | Self::Purge(keys) => keys.len(),
            Self::Clear { .. } => 0,
        }
    }
}

impl<R: Row> Write<R> {
    /// Refuses what stands for sealed values: in a local table it would say nothing.
    fn check_strays(&self) -> Result<()> {
        let check = |row: &R| {
            let fields: Vec<_> = row.fields().into_iter().filter(|(_, value)| value.is_sealed()).collect();
            let fields = fields.into_iter().map(|(name, value)| Field { name, value: Some(value), bytes: 0 });
            check_seals::<R>(None, &OrderedSet::new(), &fields.collect::<Vec<_>>())
        };
        match self {
            Self::Add(rows) | Self::Put(rows) => rows.iter().try_for_each(check),
            Self::AddAt(pairs)
            | Self::PutAt(pairs)
            | Self::Update(pairs)
            | Self::UpdateFields(pairs)
            | Self::Restate(pairs)
            | Self::Upsert(pairs) => pairs.iter().try_for_each(|(_, row)| check(row)),
            Self::Delete(_) | Self::Restore(_) | Self::Purge(_) | Self::Clear { .. } => Ok(()),
        }
    }
}

/// What a write did.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Written {
    /// The keys of the records, in the order they were given.
    pub keys: Vec<Key>,
    /// How many records really changed.
    pub count: usize,
    /// How many of them are new; counted by [`Write::Upsert`] alone.
    pub created: usize,
    /// Names the last row of the change log this transaction wrote; `None`: there is nothing to push.
    pub ticket: Option<f64>,
}

/// A call on a transaction, from where it is made to where it is answered.
struct UnderWay<'a> {
    steps: &'a Cell<u64>,
    under_way: &'a Cell<u32>,
}

impl<'a> UnderWay<'a> {
    fn new(steps: &'a Cell<u64>, under_way: &'a Cell<u32>) -> Self {
        steps.set(steps.get() + 1);
        under_way.set(under_way.get() + 1);
        Self { steps, under_way }
    }
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        self.steps.set(self.steps.get() + 1);
        self.under_way.set(self.under_way.get() - 1);
    }
}

/// The transaction, for a call whose turn it is.
struct Turn<'a, S: Store> {
    open: MutexGuard<'a, Option<Open<S>>>,
    _under_way: UnderWay<'a>,
}

/// A write transaction. Dropped without [`Writer::commit`], nothing of it stays.
pub struct Writer<S: Store, H: Host> {
    engine: Rc<Engine<S, H>>,
    actor: Value<S>,
    origin: Origin,
    /// Writes of one transaction take turns: each sees what the one before it did.
    open: Mutex<Option<Open<S>>>,
    /// How many calls began or ended: a transaction that is asked for nothing in a turn has lost its caller.
    steps: Cell<u64>,
    /// Calls that have not ended.
    under_way: Cell<u32>,
    abandoned: Cell<bool>,
    /// The version of the data that it brings them to, noted with the last of it.
    reaches: Cell<Option<u32>>,
    /// What it writes was written before, under no clock of this device's.
    unmoved: Cell<bool>,
}

pub(super) struct Open<S: Store> {
    pub(super) tx: S::Tx,
    epoch: Option<Epoch>,
    stamp: Option<Stamp>,
    logged: Journal<S::Row>,
    pub(super) touched: Vec<Touched<S::Row>>,
    count: usize,
    /// A put that failed at once; the transaction is aborted by it.
    failed: Option<StoreError>,
}

impl<S: Store, H: Host> Writer<S, H> {
    /// Begins a transaction over these tables; `actor`: who writes, by default the user.
    pub fn begin(engine: &Rc<Engine<S, H>>, tables: &[&str], actor: Option<Actor>) -> Result<Self> {
        Self::begin_in(engine, Mode::Write, tables, actor)
    }

    /// Begins a transaction in a writing mode; a durable one has the engine's own rows with it.
    pub(super) fn begin_in(
        engine: &Rc<Engine<S, H>>,
        mode: Mode,
        tables: &[&str],
        actor: Option<Actor>,
    ) -> Result<Self> {
        let mut stores: OrderedSet<&str> = if mode == Mode::Durable { [ENGINE].into() } else { OrderedSet::new() };
        for name in tables {
            let table = engine.config().table(name)?;
            stores.insert(name);
            if table.sync.is_some() {
                stores.extend([CHANGE_LOG, ENGINE]);
            }
        }
        let stores: Vec<&str> = stores.into_iter().collect();
        let tx = engine.store.begin(mode, &stores)?;
        let actor = actor.unwrap_or_else(|| {
            let config = engine.config();
            let name = config.user.as_ref().and_then(|user| user.display_name.clone());
            Actor::user(config.user_id(), name.as_deref())
        });
        let open = Open {
            tx,
            epoch: None,
            stamp: None,
            logged: Journal::default(),
            touched: Vec::new(),
            count: 0,
            failed: None,
        };
        Ok(Self {
            engine: Rc::clone(engine),
            actor: Value::<S>::from_json(&actor.to_json()),
            origin: actor.origin(),
            open: Mutex::new(Some(open)),
            steps: Cell::new(0),
            under_way: Cell::new(0),
            abandoned: Cell::new(false),
            reaches: Cell::default(),
            unmoved: Cell::default(),
        })
    }

    /// Performs one write. Records that are refused change nothing and leave the transaction usable: of one record alone
    /// the error says why, of several [`Kind::BulkFailed`](crate::engine::Kind::BulkFailed) names them, and the others
    /// are written.
    pub async fn write(&self, table: &str, write: Write<S::Row>) -> Result<Written> {
        self.perform(table, write, false).await
    }

    /// The same; also a single record that is refused is named as one of several.
    pub async fn write_bulk(&self, table: &str, write: Write<S::Row>) -> Result<Written> {
        self.perform(table, write, true).await
    }

    async fn perform(&self, name: &str, write: Write<S::Row>, bulk: bool) -> Result<Written> {
        let table = self.engine.config().table(name)?;
        let mut turn = self.enter("write").await?;
        let open = turn.open.as_mut().ok_or_else(|| ended("write"))?;
        let items = write.len();
        let outcome = match &table.sync {
            None => {
                if self.engine.config().seals_fields() {
                    write.check_strays()?;
                }
                super::local::write(open, &table, write).await?
            }
            Some(sync) => self.synced(open, &Target { name, sync }, write).await?,
        };
        open.count += outcome.count;
        outcome.result(name, items, bulk)
    }

    /// Has the transaction note, when it is committed, that the data are of `version`.
    pub(super) fn reach(&self, version: u32) {
        self.reaches.set(Some(version));
    }

    /// Runs `read` on the transaction, after the writes before it.
    pub async fn read<T>(&self, read: impl AsyncFnOnce(&S::Tx) -> Result<T>) -> Result<T> {
        let turn = self.enter("read").await?;
        let open = turn.open.as_ref().ok_or_else(|| ended("read"))?;
        read(&open.tx).await
    }

    /// Logs what was written and ends the transaction. Resolves when everything is stored; live queries and the sync
    /// driver are told then.
    pub async fn commit(&self) -> Result<Written> {
        let mut turn = self.enter("commit").await?;
        let mut open = turn.open.take().ok_or_else(|| ended("commit"))?;
        let logged = if open.epoch.is_some() { open.logged.len() } else { 0 };
        #[cfg(feature = "planted-faults")]
        super::faults::between_records_and_log();
        let rows = self.log_rows(&mut open);
        if let Some(version) = self.reaches.get() {
            data_version::note(&open.tx, version)?;
        }
        let asked = self.engine.ask_in(&open.tx, &open.touched).await?;
        let keys = open.tx.commit_with(CHANGE_LOG, &rows).await?;
        for app in asked {
            self.engine.unasked.borrow_mut().remove(app.as_str());
        }
        let ticket = keys.last().and_then(|key| if let Key::Number(seq) = key { Some(*seq) } else { None });
        self.engine.committed(&open.touched, self.origin, logged);
        Ok(Written { count: open.count, ticket, ..Written::default() })
    }

    /// The rows of the change log for what was written.
    fn log_rows(&self, open: &mut Open<S>) -> Vec<S::Row> {
        let Some(epoch) = &open.epoch else { return Vec::new() };
        let user_id = self.engine.config().user_id().to_owned();
        let author = Author {
            user_id: &user_id,
            actor: &self.actor,
            origin: self.origin,
            epoch: if self.unmoved.get() { restore::EPOCH } else { &epoch.epoch },
            offset: if self.unmoved.get() { 0 } else { epoch.offset.unwrap_or(0) },
        };
        log::rows(&author, open.logged.take())
    }

    /// Ends the transaction and undoes all of it.
    pub async fn abort(&self) {
        if let Some(open) = self.open.lock().await.take() {
            open.tx.abort();
        }
    }

    /// Takes the transaction for a call.
    async fn enter(&self, call: &'static str) -> Result<Turn<'_, S>> {
        let under_way = UnderWay::new(&self.steps, &self.under_way);
        let open = self.open.lock().await;
        if self.abandoned.get() { Err(ended(call)) } else { Ok(Turn { open, _under_way: under_way }) }
    }

    /// Aborts the transaction if nothing is asked of it in its next turn. For transactions an app's own code drives,
    /// after each of its calls: code that awaits anything else would let IndexedDB commit the records without their
    /// log. Gives whether it did.
    pub async fn watch(&self) -> bool {
        let seen = self.steps.get();
        let pulse = self.open.lock().await.as_ref().map(|open| open.tx.pulse());
        if let Some(pulse) = pulse {
            pulse.await;
            if self.steps.get() == seen && self.under_way.get() == 0 {
                self.abandoned.set(true);
                self.abort().await;
                return true;
            }
        }
        false
    }
}

impl<S: Store> Open<S> {
    pub(super) fn put(&mut self, table: &str, row: &S::Row) {
        if let Err(error) = self.tx.put(table, row, None) {
            self.failed.get_or_insert(error);
        }
    }

    fn result(&mut self) -> Result<()> {
        self.failed.take().map_or(Ok(()), |error| Err(error.into()))
    }
}

pub(super) fn ended(call: &'static str) -> Error {
    StoreError::Inactive(call).into()
}

//! The write path: one transaction over the records and the change log, compared, stamped and logged inside it.

use super::config::GUEST;
use super::epoch::{self, Epoch};
use super::error::{Error, Kind, Result};
use super::log::{self, Author, Logged, LoggedEdit, Payload};
use super::ports::Host;
use super::prepare::{Field, changed_fields, differences, is_deleted, newest_stamp, record_fields};
use super::stamps::{FieldMeta, Mark, stamp_of};
use super::{Engine, Touched};
use crate::model::{
    AUTHOR_ID, Actor, DELETED_AT, EventId, FIELD_META, ID, Origin, RecordId, SPACE_ID, Scope, Stamp, TableSync,
    USER_ID, VISIBILITY, Visibility,
};
use crate::store::{CHANGE_LOG, ENGINE, Key, Mode, Row, RowValue, Store, StoreError, Transaction};
use futures_util::lock::{Mutex, MutexGuard};
use serde_json::json;
use std::cell::Cell;
use std::collections::BTreeSet;
use std::rc::Rc;

type Value<S> = <<S as Store>::Row as Row>::Value;

/// A write on one table.
pub enum Write<R> {
    /// New records; an id is made where there is none.
    Add(Vec<R>),
    /// Whole records, new or not: a field left out is taken away.
    Put(Vec<R>),
    /// Parts of records; `a.b` reaches into objects, `undefined` takes a field away.
    Update(Vec<(Key, R)>),
    /// Records to remove; on synced tables they become tombstones.
    Delete(Vec<Key>),
    /// Tombstones to bring back.
    Restore(Vec<Key>),
    /// All records of a local table.
    Clear,
}

/// What a write did.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Written {
    /// The keys of the records, in the order they were given.
    pub keys: Vec<Key>,
    /// How many records really changed.
    pub count: usize,
    /// Names the last row of the change log this transaction wrote; `None`: there is nothing to push.
    pub ticket: Option<f64>,
}

/// A write transaction. Dropped without [`Writer::commit`], nothing of it stays.
pub struct Writer<S: Store, H: Host> {
    engine: Rc<Engine<S, H>>,
    actor: Value<S>,
    origin: Origin,
    /// Writes of one transaction take turns: each sees what the one before it did.
    open: Mutex<Option<Open<S>>>,
    /// How many calls were made: a transaction that is asked for nothing in a turn has lost its caller.
    calls: Cell<u64>,
    abandoned: Cell<bool>,
}

pub(super) struct Open<S: Store> {
    pub(super) tx: S::Tx,
    epoch: Option<Epoch>,
    stamp: Option<Stamp>,
    logged: Vec<Logged<S::Row>>,
    pub(super) touched: Vec<Touched<S::Row>>,
    count: usize,
    /// A put that failed at once; the transaction is aborted by it.
    failed: Option<StoreError>,
}

impl<S: Store, H: Host> Writer<S, H> {
    /// Begins a transaction over these tables; `actor`: who writes, by default the user.
    pub fn begin(engine: &Rc<Engine<S, H>>, tables: &[&str], actor: Option<Actor>) -> Result<Self> {
        let mut stores: BTreeSet<&str> = BTreeSet::new();
        for name in tables {
            let table = engine.config().table(name)?;
            stores.insert(name);
            if table.sync.is_some() {
                stores.extend([CHANGE_LOG, ENGINE]);
            }
        }
        let stores: Vec<&str> = stores.into_iter().collect();
        let tx = engine.store.begin(Mode::Write, &stores)?;
        let actor = actor.unwrap_or_else(|| {
            let config = engine.config();
            let name = config.user.as_ref().and_then(|user| user.display_name.clone());
            Actor::user(config.user_id(), name.as_deref())
        });
        let open =
            Open { tx, epoch: None, stamp: None, logged: Vec::new(), touched: Vec::new(), count: 0, failed: None };
        Ok(Self {
            engine: Rc::clone(engine),
            actor: Value::<S>::from_json(&actor.to_json()),
            origin: actor.origin(),
            open: Mutex::new(Some(open)),
            calls: Cell::new(0),
            abandoned: Cell::new(false),
        })
    }

    /// Performs one write. An error before anything was put leaves the transaction usable.
    pub async fn write(&self, table: &str, write: Write<S::Row>) -> Result<Written> {
        let table_name = table;
        let table = self.engine.config().table(table)?;
        let mut guard = self.enter("write").await?;
        let open = guard.as_mut().ok_or_else(|| ended("write"))?;
        let written = match &table.sync {
            None => super::local::write(open, &table, write).await?,
            Some(sync) => {
                let target = Target { name: table_name, sync };
                self.synced(open, &target, write).await?
            }
        };
        open.count += written.count;
        Ok(written)
    }

    /// Runs `read` on the transaction, after the writes before it.
    pub async fn read<T>(&self, read: impl AsyncFnOnce(&S::Tx) -> Result<T>) -> Result<T> {
        let guard = self.enter("read").await?;
        let open = guard.as_ref().ok_or_else(|| ended("read"))?;
        read(&open.tx).await
    }

    /// Logs what was written and ends the transaction. Resolves when everything is stored; live queries and the sync
    /// driver are told then.
    pub async fn commit(&self) -> Result<Written> {
        let mut guard = self.enter("commit").await?;
        let mut open = guard.take().ok_or_else(|| ended("commit"))?;
        let mut ticket = None;
        let mut logged = 0;
        #[cfg(feature = "planted-faults")]
        super::faults::between_records_and_log();
        if let (Some(epoch), false) = (&open.epoch, open.logged.is_empty()) {
            let user_id = self.engine.config().user_id().to_owned();
            let author = Author {
                user_id: &user_id,
                actor: &self.actor,
                origin: self.origin,
                epoch: &epoch.epoch,
                offset: epoch.offset.unwrap_or(0),
            };
            if let Some((seq, count)) = log::append(&open.tx, &author, std::mem::take(&mut open.logged)).await? {
                ticket = Some(seq);
                logged = count;
            }
        }
        open.tx.commit().await?;
        self.engine.committed(&open.touched, logged);
        Ok(Written { keys: Vec::new(), count: open.count, ticket })
    }

    /// Ends the transaction and undoes all of it.
    pub async fn abort(&self) {
        if let Some(open) = self.open.lock().await.take() {
            open.tx.abort();
        }
    }

    /// Takes the transaction for a call.
    async fn enter(&self, call: &'static str) -> Result<MutexGuard<'_, Option<Open<S>>>> {
        self.calls.set(self.calls.get() + 1);
        let guard = self.open.lock().await;
        if self.abandoned.get() { Err(ended(call)) } else { Ok(guard) }
    }

    /// Aborts the transaction if nothing is asked of it in its next turn. For transactions an app's own code drives,
    /// after each of its calls: code that awaits anything else would let IndexedDB commit the records without their
    /// log.
    pub async fn watch(&self) {
        let seen = self.calls.get();
        let pulse = self.open.lock().await.as_ref().map(|open| open.tx.pulse());
        if let Some(pulse) = pulse {
            pulse.await;
            if self.calls.get() == seen {
                self.abandoned.set(true);
                self.abort().await;
            }
        }
    }

    async fn synced(&self, open: &mut Open<S>, target: &Target<'_>, write: Write<S::Row>) -> Result<Written> {
        match write {
            Write::Add(rows) => self.store_rows(open, target, rows, true).await,
            Write::Put(rows) => self.store_rows(open, target, rows, false).await,
            Write::Update(items) => self.update_rows(open, target, items).await,
            Write::Delete(keys) => self.flip(open, target, keys, Flip::Delete).await,
            Write::Restore(keys) => self.flip(open, target, keys, Flip::Restore).await,
            Write::Clear => Err(Error::new(
                Kind::InvalidArgument,
                format!("{} syncs: clear() would be undone by the next pull; delete its records instead", target.name),
            )),
        }
    }

    async fn store_rows(
        &self,
        open: &mut Open<S>,
        target: &Target<'_>,
        rows: Vec<S::Row>,
        only_new: bool,
    ) -> Result<Written> {
        let mut records = Vec::with_capacity(rows.len());
        for row in &rows {
            records.push(NewRecord { id: self.id_of(row)?, fields: record_fields(row)? });
        }
        let mut written = Written::default();
        let mut rest = records.into_iter().peekable();
        while rest.peek().is_some() {
            // A record named twice is compared with its first writing, so the second waits for another round.
            let mut ids = BTreeSet::new();
            let mut round = Vec::new();
            while let Some(record) = rest.next_if(|record| ids.insert(record.id.clone())) {
                round.push(record);
            }
            self.store_round(open, target, round, only_new, &mut written).await?;
        }
        Ok(written)
    }

    async fn store_round(
        &self,
        open: &mut Open<S>,
        target: &Target<'_>,
        round: Vec<NewRecord<Value<S>>>,
        only_new: bool,
        written: &mut Written,
    ) -> Result<()> {
        let keys: Vec<Key> = round.iter().map(|record| Key::text(&record.id)).collect();
        let stored = self.stored(open, target.name, &keys).await?;
        let mut plans = Vec::with_capacity(round.len());
        for (record, stored) in round.into_iter().zip(stored) {
            plans.push(match stored {
                Some(row) if !is_deleted(&row) && only_new => return Err(exists(target.name, &record.id)),
                Some(row) if !is_deleted(&row) => self.plan_edits(target, record.id, row, record.fields, true)?,
                row => self.plan_insert(target, record, row)?,
            });
        }
        written.keys.extend(keys);
        written.count += self.carry_out(open, target, plans);
        open.result()
    }

    async fn update_rows(&self, open: &mut Open<S>, target: &Target<'_>, items: Vec<(Key, S::Row)>) -> Result<Written> {
        let mut written = Written::default();
        for (key, changes) in items {
            let stored = self.stored(open, target.name, std::slice::from_ref(&key)).await?.pop().flatten();
            let Some(row) = stored.filter(|row| !is_deleted(row)) else { continue };
            let id = text_key(&key)?;
            let fields = changed_fields(&row, &changes)?;
            let plan = self.plan_edits(target, id, row, fields, false)?;
            written.count += self.carry_out(open, target, vec![plan]);
            written.keys.push(key);
            open.result()?;
        }
        Ok(written)
    }

    async fn flip(&self, open: &mut Open<S>, target: &Target<'_>, keys: Vec<Key>, flip: Flip) -> Result<Written> {
        let mut unique = keys.clone();
        unique.sort();
        unique.dedup();
        let stored = self.stored(open, target.name, &unique).await?;
        let mut plans = Vec::new();
        for (key, row) in unique.iter().zip(stored) {
            let Some(row) = row.filter(|row| is_deleted(row) == (flip == Flip::Restore)) else { continue };
            self.check_space(&row)?;
            plans.push(Plan { id: text_key(key)?, stored: Some(row), act: Act::Flip(flip) });
        }
        let count = self.carry_out(open, target, plans);
        open.result()?;
        Ok(Written { keys, count, ticket: None })
    }

    /// The stored rows of these keys; the first call of a transaction learns the clock's epoch in the same turn.
    async fn stored(&self, open: &mut Open<S>, table: &str, keys: &[Key]) -> Result<Vec<Option<S::Row>>> {
        if open.epoch.is_some() {
            return Ok(open.tx.get_many(table, keys).await?);
        }
        let epoch = epoch::current(&open.tx, &self.engine.host, &self.engine.watch);
        let stored = open.tx.get_many(table, keys);
        let (epoch, stored) = futures_util::future::join(epoch, stored).await;
        open.epoch = Some(epoch?);
        Ok(stored?)
    }

    fn plan_insert(
        &self,
        target: &Target<'_>,
        record: NewRecord<Value<S>>,
        tombstone: Option<S::Row>,
    ) -> Result<Plan<S::Row>> {
        let mut data = S::Row::empty();
        let mut space = None;
        for field in record.fields {
            match (field.name.as_str(), field.value) {
                (SPACE_ID, Some(value)) => space = value.as_text(),
                (USER_ID | DELETED_AT, _) | (_, None) => {}
                (_, Some(value)) => data.set(&field.name, value),
            }
        }
        let config = self.engine.config();
        let stored_space = tombstone.as_ref().and_then(|row| row.text(SPACE_ID));
        if target.sync.scope == Scope::Space {
            let space =
                stored_space.unwrap_or_else(|| space.map_or_else(|| config.home_space(), |s| config.stored_space(&s)));
            config.check_writable_space(&space)?;
            let author = tombstone.as_ref().and_then(|row| row.text(AUTHOR_ID));
            self.set_author(&mut data, author)?;
            let visibility = data.text(VISIBILITY).map(Visibility::from).unwrap_or_default();
            data.set_text(VISIBILITY, visibility.as_str());
            data.set(DELETED_AT, Value::<S>::null());
            return Ok(Plan { id: record.id, stored: tombstone, act: Act::Insert { data, space: Some(space) } });
        }
        data.set(DELETED_AT, Value::<S>::null());
        Ok(Plan { id: record.id, stored: tombstone, act: Act::Insert { data, space: None } })
    }

    fn set_author(&self, data: &mut S::Row, known: Option<String>) -> Result<()> {
        let config = self.engine.config();
        let author = known.unwrap_or_else(|| config.user_id().to_owned());
        match data.text(AUTHOR_ID) {
            Some(given) if given != author => Err(Error::new(
                Kind::ImmutableField,
                "authorId is the user who creates the record: leave it out; nothing was written",
            )
            .with(json!({ "field": AUTHOR_ID }))),
            _ => {
                data.set_text(AUTHOR_ID, &author);
                Ok(())
            }
        }
    }

    fn plan_edits(
        &self,
        target: &Target<'_>,
        id: String,
        stored: S::Row,
        fields: Vec<Field<Value<S>>>,
        whole: bool,
    ) -> Result<Plan<S::Row>> {
        let edits = differences(&stored, fields, whole, &self.engine.config())?;
        if !edits.is_empty() && target.sync.scope == Scope::Space {
            self.check_space(&stored)?;
        }
        Ok(Plan { id, stored: Some(stored), act: Act::Edit(edits) })
    }

    fn check_space(&self, row: &S::Row) -> Result<()> {
        row.text(SPACE_ID).map_or(Ok(()), |space| self.engine.config().check_writable_space(&space))
    }

    /// Stamps, puts and logs; gives the number of records that changed. A failed put has aborted the transaction.
    fn carry_out(&self, open: &mut Open<S>, target: &Target<'_>, plans: Vec<Plan<S::Row>>) -> usize {
        let plans: Vec<_> =
            plans.into_iter().filter(|plan| !matches!(&plan.act, Act::Edit(edits) if edits.is_empty())).collect();
        let seen = plans.iter().filter_map(|plan| plan.seen(open.stamp)).max();
        if plans.is_empty() {
            return 0;
        }
        let at = self.stamp(open, seen);
        let mark = Mark::new(at, &self.actor, self.origin);
        let count = plans.len();
        for plan in plans {
            self.carry_out_one(open, target, plan, &mark);
        }
        count
    }

    fn carry_out_one(&self, open: &mut Open<S>, target: &Target<'_>, plan: Plan<S::Row>, mark: &Mark<Value<S>>) {
        let Plan { id, stored, act } = plan;
        let mut row = match &act {
            Act::Insert { .. } => S::Row::empty(),
            Act::Edit(_) | Act::Flip(_) => stored.as_ref().map_or_else(S::Row::empty, Row::shallow_copy),
        };
        let mut meta = FieldMeta::of(stored.as_ref());
        let payload = match act {
            Act::Insert { mut data, space } => {
                row = data.shallow_copy();
                row.set_text(ID, &id);
                match &space {
                    Some(space) => row.set_text(SPACE_ID, space),
                    None => row.set_text(USER_ID, self.engine.config().user_id()),
                }
                take_away_old_fields(&mut data, stored.as_ref());
                // The author's mark stays that of the first insert, as merging keeps it.
                let marked = |name: &String| {
                    name != AUTHOR_ID || stored.as_ref().and_then(|row| stamp_of(row, AUTHOR_ID)).is_none()
                };
                data.names().iter().filter(|name| marked(name)).for_each(|name| meta.mark(name, mark));
                let replaced = |name: String| stamp_of(stored.as_ref()?, &name).map(|prev| (name, prev));
                Payload::Insert { replaced: data.names().into_iter().filter_map(replaced).collect(), data }
            }
            Act::Edit(edits) => Payload::Update(edit_row(&mut row, &mut meta, edits, mark)),
            Act::Flip(Flip::Delete) => {
                let prev = stamp_of(&row, DELETED_AT);
                row.set_text(DELETED_AT, &mark.at.to_string());
                meta.mark(DELETED_AT, mark);
                Payload::Delete(prev)
            }
            Act::Flip(Flip::Restore) => {
                let revived = Field { name: DELETED_AT.to_owned(), value: Some(Value::<S>::null()) };
                Payload::Update(edit_row(&mut row, &mut meta, vec![revived], mark))
            }
        };
        meta.write(&mut row);
        self.log(open, target.sync, &id, &row, mark.at, payload);
        open.put(target.name, &row);
        open.touched.push(Touched { table: target.name.to_owned(), key: Key::Text(id), old: stored, new: Some(row) });
    }

    fn log(&self, open: &mut Open<S>, sync: &TableSync, id: &str, row: &S::Row, at: Stamp, payload: Payload<S::Row>) {
        let config = self.engine.config();
        if config.user_id() == GUEST {
            return;
        }
        if let Payload::Update(edits) = payload {
            let earlier = open.logged.iter_mut().rev().find(|logged| logged.is_of(sync, id));
            if let Some(earlier) = earlier.filter(|logged| logged.takes_updates(at)) {
                for edit in edits {
                    earlier.join(edit);
                }
                return;
            }
            self.push_log(open, sync, id, row, at, Payload::Update(edits));
            return;
        }
        self.push_log(open, sync, id, row, at, payload);
    }

    fn push_log(
        &self,
        open: &mut Open<S>,
        sync: &TableSync,
        id: &str,
        row: &S::Row,
        at: Stamp,
        payload: Payload<S::Row>,
    ) {
        let config = self.engine.config();
        let bytes = 200 + payload_bytes(&payload);
        open.logged.push(Logged {
            event_id: self.fresh_event_id(),
            app: sync.app.clone(),
            schema_version: sync.schema_version,
            table: sync.sync_name.clone(),
            id: id.to_owned(),
            at,
            payload,
            space: row.text(SPACE_ID).map(|space| config.wire_space(&space)),
            visibility: row.text(VISIBILITY).map(Visibility::from).unwrap_or_default(),
            bytes,
        });
    }

    /// The transaction's stamp; raised when a later write in it replaces something as new as that.
    fn stamp(&self, open: &mut Open<S>, seen: Option<Stamp>) -> Stamp {
        if let Some(stamp) = open.stamp.filter(|stamp| seen.is_none_or(|seen| seen < *stamp)) {
            return stamp;
        }
        let device_ms = self.engine.host.now_ms();
        let seen = seen.max(open.stamp);
        let mut clock = self.engine.clock.borrow_mut();
        let stamp = clock.tick(open.epoch.as_ref(), device_ms, seen);
        drop(clock);
        open.stamp = Some(stamp);
        stamp
    }

    fn fresh_event_id(&self) -> EventId {
        let mut random = [0; 10];
        self.engine.host.random(&mut random);
        EventId::from_parts(self.engine.host.now_ms(), &random)
    }

    fn id_of(&self, row: &S::Row) -> Result<String> {
        let Some(id) = row.get(ID) else {
            let mut random = [0; 10];
            self.engine.host.random(&mut random);
            return Ok(RecordId::from_parts(self.engine.host.now_ms(), &random).into());
        };
        let text = id.as_text().ok_or_else(|| unusable_id("must be a text"))?;
        RecordId::parse(text).map(Into::into).map_err(|malformed| unusable_id(&malformed.reason))
    }
}

struct Target<'a> {
    name: &'a str,
    sync: &'a TableSync,
}

struct NewRecord<V> {
    id: String,
    fields: Vec<Field<V>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Flip {
    Delete,
    Restore,
}

enum Act<R: Row> {
    Insert { data: R, space: Option<String> },
    Edit(Vec<Field<R::Value>>),
    Flip(Flip),
}

struct Plan<R: Row> {
    id: String,
    stored: Option<R>,
    act: Act<R>,
}

impl<R: Row> Plan<R> {
    /// The greatest stamp this write replaces. Values this same transaction wrote are not "replaced" by an update: it
    /// joins the change that wrote them. A delete, restore or new insert is a change of its own, so they count.
    fn seen(&self, own: Option<Stamp>) -> Option<Stamp> {
        let stored = self.stored.as_ref()?;
        match &self.act {
            Act::Insert { .. } => newest_stamp(stored),
            Act::Edit(edits) => {
                edits.iter().filter_map(|edit| stamp_of(stored, &edit.name)).filter(|at| Some(*at) != own).max()
            }
            Act::Flip(_) => stamp_of(stored, DELETED_AT),
        }
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

fn edit_row<R: Row>(
    row: &mut R,
    meta: &mut FieldMeta<R>,
    edits: Vec<Field<R::Value>>,
    mark: &Mark<R::Value>,
) -> Vec<LoggedEdit<R::Value>> {
    let logged = edits.into_iter().map(|edit| {
        let prev = stamp_of(row, &edit.name);
        let before = row.get(&edit.name).unwrap_or_else(R::Value::null);
        meta.mark(&edit.name, mark);
        let value = if let Some(value) = edit.value {
            row.set(&edit.name, value.clone());
            value
        } else {
            row.remove(&edit.name);
            R::Value::null()
        };
        LoggedEdit { name: edit.name, value, prev, before }
    });
    logged.collect()
}

/// An insert over a tombstone says of every old field that it is gone, so that all replicas agree.
fn take_away_old_fields<R: Row>(data: &mut R, tombstone: Option<&R>) {
    let Some(meta) = tombstone.and_then(|row| row.get(FIELD_META)).and_then(|meta| meta.as_row()) else { return };
    for name in meta.names() {
        if data.get(&name).is_none() {
            data.set(&name, R::Value::null());
        }
    }
}

fn payload_bytes<R: Row>(payload: &Payload<R>) -> usize {
    match payload {
        Payload::Insert { data, .. } => {
            data.names().iter().map(|name| name.len() + data.get(name).map_or(0, |value| value.weight())).sum()
        }
        Payload::Update(edits) => {
            edits.iter().map(|edit| 100 + edit.name.len() + edit.value.weight() + edit.before.weight()).sum()
        }
        Payload::Delete(_) => 0,
    }
}

fn text_key(key: &Key) -> Result<String> {
    match key {
        Key::Text(id) => Ok(id.clone()),
        _ => Err(unusable_id("must be a text")),
    }
}

fn unusable_id(reason: &str) -> Error {
    Error::new(Kind::InvalidRecord, format!("the record's id {reason}; nothing was written"))
        .with(json!({ "field": ID }))
}

fn exists(table: &str, id: &str) -> Error {
    let message = format!("{table} has a record with this id already: use put or update; nothing was written");
    Error::new(Kind::AlreadyExists, message).with(json!({ "table": table, "id": id }))
}

pub(super) fn ended(call: &'static str) -> Error {
    StoreError::Inactive(call).into()
}

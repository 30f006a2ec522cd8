//! A store in memory with IndexedDB's rules, for simulations and tests.
//!
//! Transactions wait for each other as IndexedDB's do; a transaction writes into an overlay that reaches the store when
//! it commits, so an abort, a drop or a crash leaves nothing behind.

mod listing;
mod offer;

use super::{
    Entry, JsonRow, JsonValue, Key, KeyRange, Mode, Offered, Row, RowValue, Scan, Store, StoreError, Transaction,
    index_keys, key_at,
};
use crate::model::{IndexSpec, KeyPath, StoreSpec};
use listing::{entries, listed};
use serde_json::Value;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::future::poll_fn;
use std::rc::Rc;
use std::task::{Poll, Waker};

type Rows = BTreeMap<Key, JsonRow>;

/// The greatest key a store makes (Indexed Database API 3.0, 2.11).
const LAST_COUNTED: u64 = 1 << 53;

#[derive(Clone)]
struct Table {
    spec: Rc<StoreSpec>,
    rows: Rows,
    next: u64,
}

struct Ticket {
    id: u64,
    mode: Mode,
    stores: Rc<[String]>,
    /// Operations of one transaction may be waited for by tasks of their own.
    waiting: Vec<Waker>,
}

/// What a commit did to one key of a store.
#[derive(Debug, Clone)]
pub struct Changed {
    /// The store.
    pub store: String,
    /// The key.
    pub key: Key,
    /// The row before.
    pub old: Option<JsonRow>,
    /// The row after.
    pub new: Option<JsonRow>,
}

type CommitHook = Rc<dyn Fn(u64, &[Changed])>;

#[derive(Default)]
struct Inner {
    tables: BTreeMap<String, Table>,
    queue: Vec<Ticket>,
    issued: u64,
    closed: bool,
    on_commit: Option<CommitHook>,
}

/// The store; clones share one content.
#[derive(Clone)]
pub struct MemoryStore(Rc<RefCell<Inner>>);

/// A copy of a store's content at one moment.
#[derive(Clone)]
pub struct Snapshot(BTreeMap<String, Table>);

impl MemoryStore {
    /// An empty store with these tables.
    pub fn new(specs: impl IntoIterator<Item = StoreSpec>) -> Self {
        let table = |spec: StoreSpec| (spec.name.clone(), Table { spec: Rc::new(spec), rows: Rows::new(), next: 1 });
        let tables = specs.into_iter().map(table);
        Self(Rc::new(RefCell::new(Inner { tables: tables.collect(), ..Inner::default() })))
    }

    /// What is committed now.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        Snapshot(self.0.borrow().tables.clone())
    }

    /// A new store with that content, as after a restart.
    #[must_use]
    pub fn from_snapshot(snapshot: &Snapshot) -> Self {
        Self(Rc::new(RefCell::new(Inner { tables: snapshot.0.clone(), ..Inner::default() })))
    }

    /// A new store with these tables and that content, as after an upgrade of the schema; other tables are gone.
    #[must_use]
    pub fn upgraded(snapshot: &Snapshot, specs: impl IntoIterator<Item = StoreSpec>) -> Self {
        let store = Self::new(specs);
        for (name, table) in &mut store.0.borrow_mut().tables {
            if let Some(old) = snapshot.0.get(name) {
                table.rows.clone_from(&old.rows);
                table.next = old.next;
            }
        }
        store
    }

    /// All committed rows of a store, in key order.
    #[must_use]
    pub fn rows(&self, store: &str) -> Vec<Value> {
        self.handles(store).iter().map(|row| Value::Object(row.to_map())).collect()
    }

    /// All committed rows of a store, in key order, without a copy of them.
    #[must_use]
    pub fn handles(&self, store: &str) -> Vec<JsonRow> {
        let inner = self.0.borrow();
        inner.tables.get(store).into_iter().flat_map(|table| table.rows.values().cloned()).collect()
    }

    /// The committed row of a key.
    #[must_use]
    pub fn row(&self, store: &str, key: &Key) -> Option<JsonRow> {
        self.0.borrow().tables.get(store)?.rows.get(key).cloned()
    }

    /// Calls `hook` at every commit that changed something, with the transaction's number and what it changed, in the
    /// moment it does.
    pub fn on_commit(&self, hook: impl Fn(u64, &[Changed]) + 'static) {
        self.0.borrow_mut().on_commit = Some(Rc::new(hook));
    }

    /// Takes a commit back, as a power cut does that came before the disk had it. Commits are taken back from the last
    /// one on.
    pub fn undo(&self, commit: &[Changed]) {
        let mut inner = self.0.borrow_mut();
        for changed in commit.iter().rev() {
            let Some(table) = inner.tables.get_mut(&changed.store) else { continue };
            match &changed.old {
                Some(row) => table.rows.insert(changed.key.clone(), row.clone()),
                None => table.rows.remove(&changed.key),
            };
        }
    }
}

impl Store for MemoryStore {
    type Row = JsonRow;
    type Tx = MemoryTransaction;

    fn begin(&self, mode: Mode, stores: &[&str]) -> Result<MemoryTransaction, StoreError> {
        let mut inner = self.0.borrow_mut();
        if inner.closed {
            return Err(StoreError::Closed);
        }
        if let Some(missing) = stores.iter().find(|name| !inner.tables.contains_key(**name)) {
            return Err(StoreError::NotFound((*missing).to_owned()));
        }
        inner.issued += 1;
        let id = inner.issued;
        let stores: Rc<[String]> = stores.iter().map(|name| (*name).to_owned()).collect();
        inner.queue.push(Ticket { id, mode, stores: Rc::clone(&stores), waiting: Vec::new() });
        Ok(MemoryTransaction { inner: Rc::clone(&self.0), id, mode, stores, state: RefCell::default() })
    }

    fn unique_indexes(&self, store: &str) -> Vec<IndexSpec> {
        let inner = self.0.borrow();
        let indexes = inner.tables.get(store).map(|table| table.spec.indexes.iter());
        indexes.into_iter().flatten().filter(|index| index.unique).cloned().collect()
    }

    fn close(&self) {
        self.0.borrow_mut().closed = true;
    }
}

#[derive(Default)]
struct TxState {
    /// Written rows by store and key; `None` is a removal.
    overlay: BTreeMap<String, BTreeMap<Key, Option<JsonRow>>>,
    cleared: Vec<String>,
    next: BTreeMap<String, u64>,
    failed: Option<StoreError>,
    ended: bool,
}

/// A transaction of a [`MemoryStore`].
pub struct MemoryTransaction {
    inner: Rc<RefCell<Inner>>,
    id: u64,
    mode: Mode,
    stores: Rc<[String]>,
    state: RefCell<TxState>,
}

impl MemoryTransaction {
    /// Its number, by which [`MemoryStore::on_commit`] names it.
    #[must_use]
    pub fn id(&self) -> u64 {
        self.id
    }

    async fn turn(&self, call: &'static str) -> Result<(), StoreError> {
        poll_fn(|cx| {
            let mut inner = self.inner.borrow_mut();
            let Some(at) = inner.queue.iter().position(|ticket| ticket.id == self.id) else {
                return Poll::Ready(());
            };
            if inner.queue[..at].iter().any(|earlier| conflicts(earlier, &inner.queue[at])) {
                let waiting = &mut inner.queue[at].waiting;
                if !waiting.iter().any(|known| known.will_wake(cx.waker())) {
                    waiting.push(cx.waker().clone());
                }
                return Poll::Pending;
            }
            Poll::Ready(())
        })
        .await;
        self.check(call)
    }

    fn check(&self, call: &'static str) -> Result<(), StoreError> {
        let state = self.state.borrow();
        match &state.failed {
            Some(error) => Err(error.clone()),
            None if state.ended => Err(StoreError::Inactive(call)),
            None => Ok(()),
        }
    }

    fn writable(&self, store: &str, call: &'static str) -> Result<(), StoreError> {
        self.check(call)?;
        if self.mode == Mode::Read {
            return Err(StoreError::Other("ReadOnlyError".into(), format!("{call} in a read-only transaction")));
        }
        self.in_scope(store)
    }

    fn in_scope(&self, store: &str) -> Result<(), StoreError> {
        if self.stores.iter().any(|name| name == store) { Ok(()) } else { Err(StoreError::NotFound(store.to_owned())) }
    }

    fn merged(&self, store: &str) -> Rows {
        let (inner, state) = (self.inner.borrow(), self.state.borrow());
        let mut rows = match inner.tables.get(store) {
            Some(table) if !state.cleared.iter().any(|name| name == store) => table.rows.clone(),
            _ => Rows::new(),
        };
        for (key, row) in state.overlay.get(store).into_iter().flatten() {
            match row {
                Some(row) => rows.insert(key.clone(), row.clone()),
                None => rows.remove(key),
            };
        }
        rows
    }

    fn one(&self, store: &str, key: &Key) -> Option<JsonRow> {
        let state = self.state.borrow();
        if let Some(written) = state.overlay.get(store).and_then(|rows| rows.get(key)) {
            return written.clone();
        }
        if state.cleared.iter().any(|name| name == store) {
            return None;
        }
        self.inner.borrow().tables.get(store)?.rows.get(key).cloned()
    }

    fn spec(&self, store: &str) -> Result<Rc<StoreSpec>, StoreError> {
        let inner = self.inner.borrow();
        let spec = inner.tables.get(store).map(|table| Rc::clone(&table.spec));
        spec.ok_or_else(|| StoreError::NotFound(store.to_owned()))
    }

    fn key_for(&self, store: &str, row: &mut JsonRow, key: Option<&Key>) -> Result<Key, StoreError> {
        let spec = self.spec(store)?;
        let primary = &spec.primary;
        let found = key.cloned().or_else(|| primary.key_path.as_ref().and_then(|path| key_at(row, path)));
        if let Some(key) = found {
            if let (true, Key::Number(number)) = (primary.auto_increment, &key) {
                self.count_from(store, *number);
            }
            return Ok(key);
        }
        if !primary.auto_increment {
            return Err(StoreError::InvalidKey(format!("a row of {store} has no key at {}", primary.name)));
        }
        let mut state = self.state.borrow_mut();
        let next = self.next_key(&mut state, store);
        let number = *next;
        if number > LAST_COUNTED {
            return Err(StoreError::Constraint(format!("{store} has no further key to make")));
        }
        *next += 1;
        if let Some(KeyPath::Single(path)) = &primary.key_path {
            row.set(path, JsonValue::from_json(&Value::from(number)));
        }
        #[expect(clippy::cast_precision_loss, reason = "IndexedDB's own key generator ends at 2^53")]
        Ok(Key::Number(number as f64))
    }

    /// The number of the next key that the store makes.
    fn next_key<'a>(&self, state: &'a mut TxState, store: &str) -> &'a mut u64 {
        let committed = self.inner.borrow().tables.get(store).map_or(1, |table| table.next);
        state.next.entry(store.to_owned()).or_insert(committed)
    }

    /// Makes later keys greater than a key that was given (Indexed Database API 3.0, 2.11, "possibly update the key generator").
    fn count_from(&self, store: &str, given: f64) {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "casts saturate")]
        let after = (given as u64).min(LAST_COUNTED) + 1;
        let mut state = self.state.borrow_mut();
        let next = self.next_key(&mut state, store);
        *next = after.max(*next);
    }

    fn fail(&self, error: StoreError) -> StoreError {
        self.state.borrow_mut().failed.get_or_insert_with(|| error.clone());
        error
    }

    fn write(&self, store: &str, row: &JsonRow, key: Option<&Key>) -> Result<Key, StoreError> {
        let mut row = row.clone();
        let key = self.key_for(store, &mut row, key).map_err(|error| self.fail(error))?;
        self.state.borrow_mut().overlay.entry(store.to_owned()).or_default().insert(key.clone(), Some(row));
        Ok(key)
    }

    fn violates_unique(&self) -> Option<StoreError> {
        let written: Vec<String> = self.state.borrow().overlay.keys().cloned().collect();
        for store in written {
            let spec = self.spec(&store).ok()?;
            for index in spec.indexes.iter().filter(|index| index.unique) {
                let mut seen = BTreeMap::new();
                for (primary, row) in self.merged(&store) {
                    if index_keys(&row, index).into_iter().any(|key| seen.insert(key, primary.clone()).is_some()) {
                        return Some(StoreError::Constraint(format!("{store}.{}", index.name)));
                    }
                }
            }
        }
        None
    }

    fn apply(&self) {
        let state = std::mem::take(&mut *self.state.borrow_mut());
        let mut inner = self.inner.borrow_mut();
        let hook = inner.on_commit.clone();
        let mut changes = Vec::new();
        for name in state.cleared {
            if let Some(table) = inner.tables.get_mut(&name) {
                let gone = std::mem::take(&mut table.rows).into_iter();
                changes.extend(gone.map(|(key, row)| Changed { store: name.clone(), key, old: Some(row), new: None }));
            }
        }
        for (name, rows) in state.overlay {
            let Some(table) = inner.tables.get_mut(&name) else { continue };
            for (key, new) in rows {
                let old = match &new {
                    Some(row) => table.rows.insert(key.clone(), row.clone()),
                    None => table.rows.remove(&key),
                };
                if hook.is_some() {
                    changes.push(Changed { store: name.clone(), key, old, new });
                }
            }
        }
        for (name, next) in state.next {
            if let Some(table) = inner.tables.get_mut(&name) {
                table.next = next;
            }
        }
        drop(inner);
        if let Some(hook) = hook.filter(|_| !changes.is_empty()) {
            hook(self.id, &changes);
        }
    }

    fn end(&self) {
        self.state.borrow_mut().ended = true;
        let mut inner = self.inner.borrow_mut();
        inner.queue.retain(|ticket| ticket.id != self.id);
        for ticket in &mut inner.queue {
            ticket.waiting.drain(..).for_each(Waker::wake);
        }
    }
}

fn conflicts(earlier: &Ticket, later: &Ticket) -> bool {
    let writes = earlier.mode != Mode::Read || later.mode != Mode::Read;
    writes && earlier.stores.iter().any(|name| later.stores.contains(name))
}

impl Transaction for MemoryTransaction {
    type Row = JsonRow;

    async fn get(&self, store: &str, key: &Key) -> Result<Option<JsonRow>, StoreError> {
        self.in_scope(store)?;
        self.turn("get").await?;
        Ok(self.one(store, key))
    }

    async fn get_many(&self, store: &str, keys: &[Key]) -> Result<Vec<Option<JsonRow>>, StoreError> {
        self.in_scope(store)?;
        self.turn("get").await?;
        Ok(keys.iter().map(|key| self.one(store, key)).collect())
    }

    async fn scan(
        &self,
        store: &str,
        scan: &Scan,
        keep: &dyn Fn(&JsonRow) -> bool,
    ) -> Result<Vec<JsonRow>, StoreError> {
        self.in_scope(store)?;
        self.turn("scan").await?;
        let spec = self.spec(store)?;
        let untouched = {
            let state = self.state.borrow();
            !state.overlay.contains_key(store) && !state.cleared.iter().any(|name| name == store)
        };
        if untouched {
            let inner = self.inner.borrow();
            let empty = Rows::new();
            return listed(&spec, scan, inner.tables.get(store).map_or(&empty, |table| &table.rows), keep);
        }
        listed(&spec, scan, &self.merged(store), keep)
    }

    async fn entries(
        &self,
        store: &str,
        scan: &Scan,
        rows: bool,
        keep: &dyn Fn(&Key, Option<&JsonRow>) -> bool,
    ) -> Result<Vec<Entry<JsonRow>>, StoreError> {
        self.in_scope(store)?;
        self.turn("entries").await?;
        let keep = |key: &Key, row: &JsonRow| keep(key, rows.then_some(row));
        let found = entries(&*self.spec(store)?, scan, &self.merged(store), &keep)?.into_iter();
        Ok(found.map(|entry| Entry { row: entry.row.filter(|_| rows), ..entry }).collect())
    }

    async fn count(&self, store: &str, index: Option<&str>, range: Option<&KeyRange>) -> Result<usize, StoreError> {
        let scan = Scan { index: index.map(str::to_owned), range: range.cloned(), ..Scan::default() };
        Ok(self.entries(store, &scan, false, &|_, _| true).await?.len())
    }

    fn put(&self, store: &str, row: &JsonRow, key: Option<&Key>) -> Result<(), StoreError> {
        self.writable(store, "put")?;
        self.write(store, row, key).map(drop)
    }

    async fn insert(&self, store: &str, row: &JsonRow, key: Option<&Key>) -> Result<Key, StoreError> {
        self.turn("insert").await?;
        self.writable(store, "insert")?;
        self.write(store, row, key)
    }

    async fn offer(&self, store: &str, rows: &[(Option<Key>, JsonRow)], only_new: bool) -> Result<Offered, StoreError> {
        self.turn("offer").await?;
        self.writable(store, "offer")?;
        Ok(rows.iter().map(|(key, row)| self.offer_one(store, row, key.as_ref(), only_new)).collect())
    }

    fn delete(&self, store: &str, key: &Key) -> Result<(), StoreError> {
        self.writable(store, "delete")?;
        self.state.borrow_mut().overlay.entry(store.to_owned()).or_default().insert(key.clone(), None);
        Ok(())
    }

    fn clear(&self, store: &str) -> Result<(), StoreError> {
        self.writable(store, "clear")?;
        let mut state = self.state.borrow_mut();
        state.overlay.remove(store);
        state.cleared.push(store.to_owned());
        Ok(())
    }

    fn pulse(&self) -> impl Future<Output = ()> + 'static {
        std::future::ready(())
    }

    async fn commit(self) -> Result<(), StoreError> {
        self.turn("commit").await?;
        if let Some(error) = self.violates_unique() {
            return Err(self.fail(error));
        }
        self.apply();
        Ok(())
    }

    fn abort(&self) {
        self.fail(StoreError::Aborted);
        self.end();
    }
}

impl Drop for MemoryTransaction {
    fn drop(&mut self) {
        self.end();
    }
}

#[cfg(test)]
mod tests;

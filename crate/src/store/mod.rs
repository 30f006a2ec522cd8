//! Where records live: the promises every store keeps, a memory store, and the suite that holds stores to them.
//!
//! A store keeps rows under keys, in key order, with indexes, as IndexedDB does. All reading and writing happens in
//! transactions, which are serialisable: of two that overlap and may write, the later one begins when the earlier one
//! has ended, in the order in which they were begun.

pub mod contract;
mod json_row;
mod key;
pub mod memory;
mod row;

pub use json_row::{JsonRow, JsonValue};
pub use key::{Key, KeyRange, index_keys, is_exact_key, key_at};
pub use memory::MemoryStore;
pub use row::{Row, RowValue, SEALED, travelling};

use crate::model::IndexSpec;
use std::future::Future;

/// The change log's store.
pub const CHANGE_LOG: &str = "_changeLog";
/// The engine's own rows: cursors, install id, clock, spaces, quarantine, parked changes.
pub const ENGINE: &str = "_engine";
/// Earlier values of fields.
pub const HISTORY: &str = "_history";

/// Kind of the row in [`ENGINE`] that names the schema version the app's rows were written under. Made by whoever makes
/// the stores, in the same transaction.
pub const DATA_VERSION: &str = "dataVersion";

/// The engine's stores in Dexie's schema syntax; all are created at once.
pub const ENGINE_STORES: [(&str, &str); 3] =
    [(CHANGE_LOG, "++seq, userId, appId"), (ENGINE, "[kind+key]"), (HISTORY, "++seq, [table+id], at")];

/// Whether a transaction may write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Reads only; runs beside other readers.
    Read,
    /// Reads and writes.
    Write,
    /// Reads and writes; once it is committed, it and every commit before it outlive a power cut.
    Durable,
}

/// What went wrong in a store. Nothing of a transaction that failed is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StoreError {
    /// A key exists already where it must be unique.
    Constraint(String),
    /// The device has no room left.
    Quota,
    /// The transaction was aborted.
    Aborted,
    /// The transaction has ended, or something else was awaited in it; names the call that found out.
    Inactive(&'static str),
    /// The store was closed.
    Closed,
    /// The browser dropped the connection.
    ConnectionLost(String),
    /// A value that cannot be stored.
    NotStorable(String),
    /// There is no such store or index.
    NotFound(String),
    /// The key is not one.
    InvalidKey(String),
    /// Anything else the platform said, by its name and words.
    Other(String, String),
}

impl std::fmt::Display for StoreError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Constraint(what) => write!(f, "a record with this key exists already: {what}"),
            Self::Quota => f.write_str("the device has no room left for this database"),
            Self::Aborted => f.write_str("the transaction was aborted"),
            Self::Inactive(call) => write!(f, "the transaction had ended when {call} was called"),
            Self::Closed => f.write_str("the database is closed"),
            Self::ConnectionLost(why) => write!(f, "the browser dropped the database connection: {why}"),
            Self::NotStorable(why) => write!(f, "the value cannot be stored: {why}"),
            Self::NotFound(what) => write!(f, "there is no store or index {what}"),
            Self::InvalidKey(what) => write!(f, "not a valid key: {what}"),
            Self::Other(name, message) => write!(f, "{name}: {message}"),
        }
    }
}

impl std::error::Error for StoreError {}

/// What became of the rows of an offer, in their order.
pub type Offered = Vec<Result<Key, StoreError>>;

/// What a scan reads.
#[derive(Debug, Clone, Default)]
pub struct Scan {
    /// The index; `None` is the primary key. Rows without its key are left out; rows of one key come in primary order.
    pub index: Option<String>,
    /// The keys wanted; `None` is all.
    pub range: Option<KeyRange>,
    /// From the greatest key down.
    pub reverse: bool,
    /// Rows to pass over, after filtering.
    pub offset: usize,
    /// Most rows, after filtering.
    pub limit: Option<usize>,
}

/// What an index lists: one entry per key of a row.
#[derive(Debug, Clone)]
pub struct Entry<R> {
    /// The key in the index.
    pub key: Key,
    /// The row's primary key.
    pub primary: Key,
    /// The row, where it was asked for.
    pub row: Option<R>,
}

/// A place for rows.
pub trait Store: 'static {
    /// Its rows.
    type Row: Row;
    /// Its transactions.
    type Tx: Transaction<Row = Self::Row>;

    /// Begins a transaction over the named stores, at once and in order: requests may be made in this same turn.
    fn begin(&self, mode: Mode, stores: &[&str]) -> Result<Self::Tx, StoreError>;

    /// The indexes of a store that refuse a second row of the same key, as they are, whatever the app declares.
    fn unique_indexes(&self, store: &str) -> Vec<IndexSpec>;

    /// Ends the connection. Running transactions finish; later ones get [`StoreError::Closed`].
    fn close(&self);
}

/// A transaction. Dropped before [`Transaction::commit`] was called, it is aborted: nothing of it stays.
///
/// Between `begin` and `commit` nothing may be awaited but the transaction's own reads; the browser ends it otherwise,
/// and the next call gives [`StoreError::Inactive`].
pub trait Transaction: 'static {
    /// Its rows.
    type Row: Row;

    /// The row of a key. Sees this transaction's own writes.
    fn get(&self, store: &str, key: &Key) -> impl Future<Output = Result<Option<Self::Row>, StoreError>>;

    /// The rows of keys, in the order of the keys. Asked for from this turn on: until it resolves, nothing may be put under
    /// these keys.
    fn get_many(&self, store: &str, keys: &[Key]) -> impl Future<Output = Result<Vec<Option<Self::Row>>, StoreError>>;

    /// Rows of a range in key order that `keep` says yes to.
    fn scan(
        &self,
        store: &str,
        scan: &Scan,
        keep: &dyn Fn(&Self::Row) -> bool,
    ) -> impl Future<Output = Result<Vec<Self::Row>, StoreError>>;

    /// What a range lists, with its keys, where `keep` says yes; without `rows` no row is read, and `keep` gets none.
    fn entries(
        &self,
        store: &str,
        scan: &Scan,
        rows: bool,
        keep: &dyn Fn(&Key, Option<&Self::Row>) -> bool,
    ) -> impl Future<Output = Result<Vec<Entry<Self::Row>>, StoreError>>;

    /// How many entries a range lists; no row is read.
    fn count(
        &self,
        store: &str,
        index: Option<&str>,
        range: Option<&KeyRange>,
    ) -> impl Future<Output = Result<usize, StoreError>>;

    /// Asks for a row to be stored, replacing one of the same key; `key` only where the store keeps keys beside rows.
    /// Nothing is awaited: what fails aborts the transaction and is the error of [`Transaction::commit`]. A failure
    /// known at once (the value cannot be stored) is returned, and the transaction is aborted then too.
    fn put(&self, store: &str, row: &Self::Row, key: Option<&Key>) -> Result<(), StoreError>;

    /// Like [`Transaction::put`] for a row whose key the store may have to make; gives the key.
    fn insert(&self, store: &str, row: &Self::Row, key: Option<&Key>) -> impl Future<Output = Result<Key, StoreError>>;

    /// Asks in this turn for rows to be stored, each under the key beside it where the store keeps keys so; `only_new`:
    /// none replaces another. Gives each row's key, or why it was not stored: a key or an entry of a unique index exists,
    /// the value cannot be stored, the key is none. Such a row changes nothing, and the transaction goes on.
    fn offer(
        &self,
        store: &str,
        rows: &[(Option<Key>, Self::Row)],
        only_new: bool,
    ) -> impl Future<Output = Result<Offered, StoreError>>;

    /// Asks for a key's row to be removed; there need not be one.
    fn delete(&self, store: &str, key: &Key) -> Result<(), StoreError>;

    /// Asks for all rows of a store to be removed.
    fn clear(&self, store: &str) -> Result<(), StoreError>;

    /// Resolves in the transaction's next turn: whoever awaits only this transaction has made the next request by then.
    fn pulse(&self) -> impl Future<Output = ()> + 'static;

    /// Ends the transaction; all of it is stored when this resolves with `Ok`, nothing otherwise.
    fn commit(self) -> impl Future<Output = Result<(), StoreError>>;

    /// Inserts rows into a store that makes their keys, and ends the transaction; gives the keys. One wait for all of it.
    fn commit_with(self, store: &str, rows: &[Self::Row]) -> impl Future<Output = Result<Vec<Key>, StoreError>>
    where
        Self: Sized,
    {
        async move {
            let mut keys = Vec::with_capacity(rows.len());
            for row in rows {
                keys.push(self.insert(store, row, None).await?);
            }
            self.commit().await?;
            Ok(keys)
        }
    }

    /// Ends the transaction and undoes all of it.
    fn abort(&self);
}

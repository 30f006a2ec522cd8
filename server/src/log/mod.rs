//! The change log: what a store of it promises, and the rules of push and pull over any store.
//!
//! A store (SQLite, PostgreSQL, memory) keeps rows, counters and heads and decides nothing. What is accepted, which stream it goes
//! to, who is served what and where a page ends is decided once, in `admit`, `decide`, `head`, `push`, `cursor` and
//! `pull`, without time, randomness or I/O of their own. [`contract`] is the test suite that every store passes.

mod access;
mod admit;
#[cfg(feature = "service")]
mod by_time;
mod bytes;
mod check;
#[cfg(feature = "service")]
mod columns;
#[cfg(feature = "service")]
pub mod contract;
mod cursor;
mod decide;
#[cfg(feature = "service")]
pub mod erase;
mod head;
pub mod memory;
mod opaque;
mod own_space;
#[cfg(feature = "service")]
pub mod postgres;
mod pull;
mod push;
mod receipt;
#[cfg(feature = "service")]
mod sql;
#[cfg(feature = "service")]
pub mod sqlite;
mod types;

pub use access::Caller;
pub use admit::Sent;
#[cfg(feature = "service")]
pub use by_time::{ByTime, Dated, DatedPage, Since, Withheld};
pub use bytes::{ContentHash, Epoch, Tag};
pub use check::{Check, Checked};
pub use cursor::{Cursor, Mark};
pub use own_space::{OwnSpaces, Standing};
pub use pull::{Pull, PullError, PullPage};
pub use push::{News, Push, PushOutcome};
pub use receipt::Receipt;
pub use types::*;

use mana_sync_engine::model::{AppId, Change, Malformed, UserId};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Why a store could not do what it was asked. It says nothing about the request: the same request may work later.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// The store is busy or out of connections.
    #[error("the change log is busy: {0}")]
    Busy(String),
    /// Another transaction took the same event id; the push can be tried again from its start.
    #[error("another transaction wrote the same event")]
    Conflict,
    /// The writer may store so many bytes, and the push is over that. Nothing of it was stored.
    #[error("a person may store {0} bytes")]
    OverQuota(u64),
    /// The store failed.
    #[error("the change log failed: {0}")]
    Failed(String),
}

/// Refuses what would take somebody over their quota, in bytes.
fn check_quota(used: u64, quota: Option<u64>) -> Result<(), LogError> {
    match quota.filter(|quota| used > *quota) {
        Some(quota) => Err(LogError::OverQuota(quota)),
        None => Ok(()),
    }
}

impl LogError {
    /// A stream is asked for whose space has just turned out to be its writer's own: asked again, they write to their own.
    pub(crate) fn turned_own() -> Self {
        Self::Busy("the space is its writer's own now".into())
    }
}

impl From<Malformed> for LogError {
    fn from(error: Malformed) -> Self {
        Self::Failed(format!("damaged data: {error}"))
    }
}

/// A store of the change log.
///
/// Its promises, checked by [`contract`]: a transaction is seen by later snapshots whole or not at all, and survives a
/// crash once `commit` has returned; a dropped transaction leaves nothing; a snapshot sees one moment however long it
/// is used; positions of a stream have no gaps and become visible in their order.
pub trait ChangeLog: Send + Sync + 'static {
    /// A view of one moment.
    type Snapshot: Snapshot;
    /// A transaction that writes.
    type Transaction: Transaction;

    /// The log's epoch: the same for as long as its data lives.
    fn epoch(&self) -> Epoch;

    /// Opens a view of this moment for this person. A store that can keeps everything else from it; which rows a person is
    /// served is decided by the rules all the same.
    fn snapshot(&self, caller: &Caller) -> impl Future<Output = Result<Self::Snapshot, LogError>> + Send;

    /// Opens a transaction in which this person writes.
    fn transaction(&self, caller: &Caller) -> impl Future<Output = Result<Self::Transaction, LogError>> + Send;
}

/// How far the log reaches.
pub trait Extent: Send {
    /// Where these streams stand; a stream without rows is left out.
    fn streams(
        &mut self,
        streams: &BTreeSet<StreamId>,
    ) -> impl Future<Output = Result<BTreeMap<StreamId, StreamState>, LogError>> + Send;

    /// The tags of the rows at these positions; where there is no row, the stream is left out.
    fn tags(
        &mut self,
        positions: &BTreeMap<StreamId, u64>,
    ) -> impl Future<Output = Result<BTreeMap<StreamId, Tag>, LogError>> + Send;
}

/// A view of one moment of the log.
pub trait Snapshot: Extent {
    /// The rows of a span that its reader may see ([`is_visible`]), oldest first. At least one when there is one,
    /// however large it is.
    fn rows(&mut self, span: &Span<'_>) -> impl Future<Output = Result<Rows, LogError>> + Send;

    /// Gives the changes of all these rows to `take`, whatever limits the span names: one record's after another's, each
    /// record's oldest first. One is in memory at a time.
    fn by_record(
        &mut self,
        span: &Span<'_>,
        take: &mut (dyn FnMut(Change) + Send),
    ) -> impl Future<Output = Result<(), LogError>> + Send;
}

/// A transaction that writes; for it the log reaches as far as with what it has written.
pub trait Transaction: Extent + Sized {
    /// Holds these streams against every other transaction until this one ends, and gives their newest positions (0 for
    /// a new stream). Called once, first: what is read afterwards cannot change any more.
    fn lock(
        &mut self,
        streams: &BTreeSet<StreamId>,
    ) -> impl Future<Output = Result<BTreeMap<StreamId, u64>, LogError>> + Send;

    /// Which of these events of this user are in the log, in any stream.
    fn known(
        &mut self,
        user: &UserId,
        events: &BTreeSet<mana_sync_engine::model::EventId>,
    ) -> impl Future<Output = Result<KnownEvents, LogError>> + Send;

    /// The heads of these records; a record without head is left out.
    fn heads(
        &mut self,
        keys: &BTreeSet<RecordKey>,
    ) -> impl Future<Output = Result<BTreeMap<RecordKey, Head>, LogError>> + Send;

    /// Adds what these rows take to what this user, their writer, has in the log: the bytes of all that, these included.
    fn charge(&mut self, user: &UserId, rows: &[LogRow]) -> impl Future<Output = Result<u64, LogError>> + Send;

    /// Adds rows; their streams are locked and their positions follow on the newest.
    fn append(&mut self, rows: &[LogRow]) -> impl Future<Output = Result<(), LogError>> + Send;

    /// Stores heads, in place of those there are.
    fn put_heads(&mut self, heads: &BTreeMap<RecordKey, Head>) -> impl Future<Output = Result<(), LogError>> + Send;

    /// Sets a stream's horizon: rows up to there are removed or may be.
    fn set_horizon(&mut self, stream: &StreamId, horizon: u64) -> impl Future<Output = Result<(), LogError>> + Send;

    /// Makes everything durable and visible, or fails and leaves nothing.
    fn commit(self) -> impl Future<Output = Result<(), LogError>> + Send;
}

/// Where random bytes come from.
pub type Randomness = Arc<dyn Fn(&mut [u8]) + Send + Sync>;

/// The rules of push and pull over a store.
pub struct SyncLog<L> {
    log: L,
    random: Randomness,
    max_schema: BTreeMap<AppId, u32>,
    quota: Option<u64>,
    noted: own_space::Noted,
}

impl<L: ChangeLog> SyncLog<L> {
    /// Rules over `log`; `max_schema` holds the newest schema version taken of an app, an app not in it has no limit.
    pub fn new(log: L, random: Randomness, max_schema: BTreeMap<AppId, u32>) -> Self {
        Self { log, random, max_schema, quota: None, noted: own_space::Noted::default() }
    }

    /// The same, with at most so many bytes of each person's in the log; without a number as many as there is room for.
    #[must_use]
    pub fn with_quota(self, quota: Option<u64>) -> Self {
        Self { quota, ..self }
    }

    /// How many bytes one person may store, where there is a limit.
    pub fn quota(&self) -> Option<u64> {
        self.quota
    }

    /// The newest schema version taken of an app, where there is a limit.
    pub fn newest_schema(&self, app: &AppId) -> Option<u32> {
        self.max_schema.get(app).copied()
    }

    /// The store.
    pub fn store(&self) -> &L {
        &self.log
    }
}

//! The nouns of the change log: streams, positions, rows and record heads.

use super::{ContentHash, LogError, Tag};
use mana_sync_engine::model::{
    AppId, Change, ClientId, EventId, Malformed, Op, RecordId, SpaceId, Stamp, TableName, UserId, Visibility,
};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// A sequence of changes with one counter: a shared space's, or what is a person's own.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum StreamId {
    /// Everything that is one person's own.
    User(UserId),
    /// A shared space.
    Space(SpaceId),
}

impl std::fmt::Display for StreamId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::User(user) => write!(f, "user:{user}"),
            Self::Space(space) => write!(f, "space:{space}"),
        }
    }
}

impl TryFrom<String> for StreamId {
    type Error = Malformed;
    fn try_from(text: String) -> Result<Self, Malformed> {
        match text.split_once(':') {
            Some(("user", id)) => UserId::parse(id).map(Self::User),
            Some(("space", id)) => SpaceId::parse(id).map(Self::Space),
            _ => Err(Malformed::new("stream", "must begin with 'user:' or 'space:'")),
        }
    }
}

impl From<StreamId> for String {
    fn from(stream: StreamId) -> Self {
        stream.to_string()
    }
}

/// A synced table of an app, written `app/table`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Collection {
    /// The app.
    pub app: AppId,
    /// The table's name on the wire.
    pub table: TableName,
}

impl std::fmt::Display for Collection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.app, self.table)
    }
}

impl TryFrom<String> for Collection {
    type Error = Malformed;
    fn try_from(text: String) -> Result<Self, Malformed> {
        let (app, table) =
            text.split_once('/').ok_or_else(|| Malformed::new("collection", "must be written app/table"))?;
        Ok(Self { app: AppId::parse(app)?, table: TableName::parse(table)? })
    }
}

impl From<Collection> for String {
    fn from(collection: Collection) -> Self {
        collection.to_string()
    }
}

/// A record inside its stream; two streams may hold records of one id.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RecordKey {
    /// The stream.
    pub stream: StreamId,
    /// The table.
    pub collection: Collection,
    /// The record.
    pub id: RecordId,
}

/// What the server knows about a record without reading its changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head {
    /// Who inserted it; unknown while only updates or deletes of it have come and all of them were visible.
    pub author: Option<UserId>,
    /// When they named themselves, the stamp of `authorId`; none while nobody did.
    pub author_at: Option<Stamp>,
    /// Who may see it now, whatever its older rows say.
    pub visibility: Visibility,
    /// When that was said, the stamp of the field `visibility`; none while no change had that field.
    pub visibility_at: Option<Stamp>,
    /// Its newest edit of `deletedAt`, if there was one.
    pub deletion: Option<Deletion>,
}

impl Head {
    /// The head of a record that had two, in two streams of its author's: the newer word about it counts.
    pub(super) fn joined(self, other: Self) -> Self {
        let (newer, older) = if self.visibility_at >= other.visibility_at { (self, other) } else { (other, self) };
        let newest = |deletion: &Deletion| (deletion.at, !deletion.deleted);
        Self {
            author: newer.author.or(older.author),
            author_at: newer.author_at.or(older.author_at),
            deletion: newer.deletion.into_iter().chain(older.deletion).max_by_key(newest),
            ..newer
        }
    }
}

/// The newest edit of a record's `deletedAt`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Deletion {
    /// When it was written.
    pub at: Stamp,
    /// Whether the record is a tombstone since.
    pub deleted: bool,
}

/// Where a stream stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct StreamState {
    /// Position of its newest row; 0 when it never had one.
    pub pos: u64,
    /// Tag of the row at `pos`.
    pub tag: Option<Tag>,
    /// Greatest position whose row was removed after its retention time; a cursor behind it missed that.
    pub horizon: u64,
    /// Up to here rows may be missing because their changes were folded into a later row.
    pub folded_through: u64,
}

/// A row to be written.
#[derive(Debug, Clone, PartialEq)]
pub struct LogRow {
    /// The stream.
    pub stream: StreamId,
    /// Its place in the stream, one after the row before.
    pub pos: u64,
    /// Its random tag.
    pub tag: Tag,
    /// What was sent.
    pub hash: ContentHash,
    /// Who wrote it, as the server verified.
    pub user: UserId,
    /// The client that pushed it, for logs.
    pub client_id: ClientId,
    /// The server's clock when it came. A database may date it later, so that it can be read by time.
    pub created_at: Stamp,
    /// The change, with its space as the wire names it and its author in `user_id`.
    pub change: Change,
}

impl LogRow {
    /// The table it belongs to.
    #[must_use]
    pub fn collection(&self) -> Collection {
        Collection { app: self.change.app.clone(), table: self.change.table.clone() }
    }

    /// The record it belongs to.
    #[must_use]
    pub fn key(&self) -> RecordKey {
        RecordKey { stream: self.stream.clone(), collection: self.collection(), id: self.change.id.clone() }
    }
}

/// A row as a reader gets it.
#[derive(Debug, Clone, PartialEq)]
pub struct ServedRow {
    /// Its place in its stream.
    pub pos: u64,
    /// Its tag.
    pub tag: Tag,
    /// The change, with its author in `user_id`.
    pub change: Change,
}

/// Which rows a reader asks of one stream.
#[derive(Debug, Clone)]
pub struct Span<'a> {
    /// The stream.
    pub stream: &'a StreamId,
    /// Rows after this position,
    pub after: u64,
    /// up to and including this one,
    pub through: u64,
    /// of these tables,
    pub collections: &'a BTreeSet<Collection>,
    /// that this user may see.
    pub reader: &'a UserId,
    /// At most this many.
    pub limit: usize,
    /// No further row once the rows so far have this many bytes.
    pub max_bytes: usize,
}

/// Rows of one stream, oldest first.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Rows {
    /// The rows.
    pub rows: Vec<ServedRow>,
    /// Their size in bytes, as far as it counts against `max_bytes`.
    pub bytes: usize,
    /// Whether these are all rows of the span.
    pub complete: bool,
}

/// Whether `reader` is served a row, given the head of its record. Rows of a private record go to its author alone,
/// whatever they said when they were written; a withdrawal goes to everybody else. Where a record has no head, which only
/// damage or somebody else's insert brings about, a row's own word decides.
#[must_use]
pub fn is_visible(row: &LogRow, head: Option<&Head>, reader: &UserId) -> bool {
    if row.change.op == Op::Withdraw {
        return row.user != *reader;
    }
    let (visibility, author) =
        head.map_or((row.change.visibility, Some(&row.user)), |head| (head.visibility, head.author.as_ref()));
    visibility == Visibility::Space || author == Some(reader)
}

/// The ids of one user's changes with what they said.
pub type KnownEvents = BTreeMap<EventId, ContentHash>;

/// The newest position of each stream that rows go to.
#[cfg(feature = "service")]
pub(super) fn newest(rows: &[LogRow]) -> BTreeMap<&StreamId, u64> {
    rows.iter().map(|row| (&row.stream, row.pos)).collect()
}

/// Moves positions on over rows that follow on them, as [`super::Transaction::append`] demands: no gap, no repetition,
/// no stream that is not locked.
pub(super) fn follow(positions: &mut BTreeMap<StreamId, u64>, rows: &[LogRow]) -> Result<(), LogError> {
    for row in rows {
        match positions.get_mut(&row.stream) {
            Some(pos) if row.pos == *pos + 1 => *pos = row.pos,
            _ => return Err(LogError::Failed(format!("position {} does not follow in its stream", row.pos))),
        }
    }
    Ok(())
}

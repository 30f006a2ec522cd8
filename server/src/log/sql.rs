//! What the SQL stores share: cells of rows, the nouns made of them, and what a database's errors mean.
//!
//! Both databases have the same tables. Their statements differ, so each store has its own; what comes back is read here.

use super::by_time::Filling;
use super::columns::Columns;
use super::{
    Collection, ContentHash, Dated, DatedPage, Deletion, Epoch, Head, LogError, RecordKey, Rows, ServedRow, Span,
    Standing, StreamId, StreamState, Tag,
};
use futures_util::{Stream, TryStreamExt as _};
use mana_sync_engine::model::{
    AppId, Change, EventId, Malformed, RecordId, SpaceId, Stamp, TableName, UserId, Visibility,
};
use sqlx::Row;
use sqlx::postgres::{PgDatabaseError, PgRow};
use sqlx::sqlite::SqliteRow;

/// A row of either database, by column.
pub(super) trait Cells {
    fn text(&self, column: usize) -> Result<String, LogError>;
    fn optional_text(&self, column: usize) -> Result<Option<String>, LogError>;
    fn optional_bool(&self, column: usize) -> Result<Option<bool>, LogError>;
    fn optional_bytes(&self, column: usize) -> Result<Option<Vec<u8>>, LogError>;
    fn integer(&self, column: usize) -> Result<i64, LogError>;
}

macro_rules! cells {
    ($row:ty) => {
        impl Cells for $row {
            fn text(&self, column: usize) -> Result<String, LogError> {
                Ok(self.try_get(column)?)
            }
            fn optional_text(&self, column: usize) -> Result<Option<String>, LogError> {
                Ok(self.try_get(column)?)
            }
            fn optional_bool(&self, column: usize) -> Result<Option<bool>, LogError> {
                Ok(self.try_get(column)?)
            }
            fn optional_bytes(&self, column: usize) -> Result<Option<Vec<u8>>, LogError> {
                Ok(self.try_get(column)?)
            }
            fn integer(&self, column: usize) -> Result<i64, LogError> {
                Ok(self.try_get(column)?)
            }
        }
    };
}

cells!(SqliteRow);
cells!(PgRow);

/// `epoch`.
pub(super) fn epoch(row: &impl Cells) -> Result<Epoch, LogError> {
    Ok(Epoch::try_from(row.text(0)?)?)
}

/// `app_id, table_name`.
pub(super) fn collection(row: &impl Cells) -> Result<Collection, LogError> {
    Ok(Collection { app: AppId::parse(row.text(0)?)?, table: TableName::parse(row.text(1)?)? })
}

/// `stream, pos`.
pub(super) fn position_of(row: &impl Cells) -> Result<(StreamId, u64), LogError> {
    Ok((StreamId::try_from(row.text(0)?)?, count(row, 1)?))
}

/// `stream, pos, horizon, folded_through, tag`.
pub(super) fn state(row: &impl Cells) -> Result<(StreamId, StreamState), LogError> {
    let (stream, pos) = position_of(row)?;
    let tag = row.optional_bytes(4)?.map(tag_from).transpose()?;
    Ok((stream, StreamState { pos, tag, horizon: count(row, 2)?, folded_through: count(row, 3)? }))
}

/// `stream, tag`.
pub(super) fn tag_of(row: &impl Cells) -> Result<(StreamId, Tag), LogError> {
    Ok((StreamId::try_from(row.text(0)?)?, tag(row, 1)?))
}

/// `space_id`, whether several people were seen in it, and whether it is somebody else's own.
pub(super) fn standing(row: &impl Cells) -> Result<(SpaceId, Standing), LogError> {
    let standing = match (row.optional_bool(1)?, row.optional_bool(2)?) {
        (_, Some(true)) => Standing::Foreign,
        (Some(true), _) => Standing::Shared,
        _ => Standing::Alone,
    };
    Ok((SpaceId::parse(row.text(0)?)?, standing))
}

/// `id, content_hash`.
pub(super) fn known(row: &impl Cells) -> Result<(EventId, ContentHash), LogError> {
    let hash = row.optional_bytes(1)?.and_then(|bytes| <[u8; 32]>::try_from(bytes).ok());
    let hash = hash.ok_or_else(|| LogError::Failed("a hash of another length".into()))?;
    Ok((EventId::parse(row.text(0)?)?, ContentHash(hash)))
}

/// `stream, app_id, table_name, record_id, author, author_at, visibility, visibility_at, deleted, deleted_at`.
pub(super) fn head(row: &impl Cells) -> Result<(RecordKey, Head), LogError> {
    let collection = Collection { app: AppId::parse(row.text(1)?)?, table: TableName::parse(row.text(2)?)? };
    let key = RecordKey { stream: StreamId::try_from(row.text(0)?)?, collection, id: RecordId::parse(row.text(3)?)? };
    let deleted = row.optional_bool(8)?;
    let head = Head {
        author: row.optional_text(4)?.map(UserId::parse).transpose()?,
        author_at: stamp(row, 5)?,
        visibility: Visibility::from(row.text(6)?),
        visibility_at: stamp(row, 7)?,
        deletion: stamp(row, 9)?.zip(deleted).map(|(at, deleted)| Deletion { at, deleted }),
    };
    Ok((key, head))
}

impl Rows {
    /// No rows yet, and none left out.
    pub(super) fn whole() -> Self {
        Self { complete: true, ..Self::default() }
    }

    /// Adds the next row of the span, or notes that it does not fit and says no: `pos, tag, id, app_id, table_name, record_id,
    /// user_id, op, data, field_meta, schema_version, actor, origin, space_id, visibility, at`.
    pub(super) fn take(&mut self, row: &impl Cells, span: &Span<'_>) -> Result<bool, LogError> {
        if self.rows.len() == span.limit || (self.bytes >= span.max_bytes && !self.rows.is_empty()) {
            self.complete = false;
            return Ok(false);
        }
        let columns = columns(row)?;
        self.bytes += columns.size();
        self.rows.push(ServedRow { pos: count(row, 0)?, tag: tag(row, 1)?, change: columns.into_change()? });
        Ok(true)
    }
}

/// Gives the changes of rows, as they come, to `take`; columns as in [`Rows::take`].
pub(super) async fn each_change<R: Cells>(
    mut rows: impl Stream<Item = Result<R, sqlx::Error>> + Unpin,
    take: &mut (dyn FnMut(Change) + Send),
) -> Result<(), LogError> {
    while let Some(row) = rows.try_next().await? {
        take(columns(&row)?.into_change()?);
    }
    Ok(())
}

/// Fills a page with rows as they are read by time, oldest first; everything up to `settled` is there to be read.
pub(super) async fn dated_page<R: Cells>(
    mut rows: impl Stream<Item = Result<R, sqlx::Error>> + Unpin,
    limit: usize,
    settled: Stamp,
) -> Result<DatedPage, LogError> {
    let mut page = Filling::default();
    while let Some(row) = rows.try_next().await? {
        if !page.take(limit, dated(&row)?) {
            break;
        }
    }
    Ok(page.page(limit, settled))
}

/// A row as it is read by time: the columns of [`Rows::take`], then `created_at, stream`, and whether it is a change that was
/// withheld, which stands in `data`.
fn dated(row: &impl Cells) -> Result<(Stamp, usize, Dated), LogError> {
    let at = Stamp::parse(&row.text(16)?)?;
    if row.integer(18)? != 0 {
        let text = row.text(8)?;
        let change = serde_json::from_str(&text).map_err(|error| Malformed::new("change", error.to_string()))?;
        return Ok((at, text.len(), Dated::Withheld(change)));
    }
    let columns = columns(row)?;
    Ok((at, columns.size(), Dated::Row(Box::new(columns.into_change()?))))
}

fn columns(row: &impl Cells) -> Result<Columns, LogError> {
    Ok(Columns {
        id: row.text(2)?,
        app_id: row.text(3)?,
        table_name: row.text(4)?,
        record_id: row.text(5)?,
        user_id: row.text(6)?,
        op: row.text(7)?,
        data: row.text(8)?,
        field_meta: row.text(9)?,
        schema_version: row.integer(10)?,
        actor: row.optional_text(11)?,
        origin: row.text(12)?,
        space_id: row.optional_text(13)?,
        visibility: row.text(14)?,
        at: row.text(15)?,
    })
}

fn count(row: &impl Cells, column: usize) -> Result<u64, LogError> {
    u64::try_from(row.integer(column)?).map_err(|_| LogError::Failed("a negative position".into()))
}

/// A position as the databases have it.
pub(super) fn position(pos: u64) -> Result<i64, LogError> {
    i64::try_from(pos).map_err(|_| LogError::Failed("a position past the end of integers".into()))
}

/// A number of rows or bytes; what is too large for a database is no limit there.
pub(super) fn limit(number: usize) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

fn tag(row: &impl Cells, column: usize) -> Result<Tag, LogError> {
    tag_from(row.optional_bytes(column)?.unwrap_or_default())
}

fn tag_from(bytes: Vec<u8>) -> Result<Tag, LogError> {
    bytes.try_into().map(Tag).map_err(|_| LogError::Failed("a tag of another length".into()))
}

fn stamp(row: &impl Cells, column: usize) -> Result<Option<Stamp>, LogError> {
    Ok(row.optional_text(column)?.map(|at| Stamp::parse(&at)).transpose()?)
}

impl From<sqlx::Error> for LogError {
    fn from(error: sqlx::Error) -> Self {
        match &error {
            sqlx::Error::PoolTimedOut => Self::Busy("no connection became free".into()),
            // The database went away, or this server stops.
            sqlx::Error::Io(_) | sqlx::Error::PoolClosed => Self::Busy(error.to_string()),
            sqlx::Error::Database(inner) if is_of_event(inner.as_ref()) => Self::Conflict,
            sqlx::Error::Database(inner) if is_busy(inner.as_ref()) => Self::Busy(error.to_string()),
            _ => Self::Failed(error.to_string()),
        }
    }
}

/// Whether two transactions wrote one event. Two rows at one position are another matter: that is damage.
fn is_of_event(error: &dyn sqlx::error::DatabaseError) -> bool {
    let of_sqlite = || error.message().contains("sync_changes.user_id, sync_changes.id");
    error.is_unique_violation()
        && error.constraint().map_or_else(of_sqlite, |name| name == "sync_changes_user_id_id_key")
}

/// Whether the same request may work in a moment. The two databases number their errors apart.
fn is_busy(error: &dyn sqlx::error::DatabaseError) -> bool {
    let code = error.code().unwrap_or_default();
    if error.try_downcast_ref::<PgDatabaseError>().is_some() {
        // A serialization failure, a deadlock, a lock not had in time, too little memory, too many connections, a statement or a
        // transaction that took too long, a server that starts or stops.
        return matches!(
            &*code,
            "40001" | "40P01" | "55P03" | "53200" | "53300" | "57014" | "25P03" | "57P01" | "57P02" | "57P03"
        );
    }
    // SQLITE_BUSY and SQLITE_LOCKED, with or without an extended code.
    code.parse::<i32>().is_ok_and(|code| matches!(code & 0xff, 5 | 6))
}

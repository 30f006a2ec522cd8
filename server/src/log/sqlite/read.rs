//! Reading the log in SQLite: one deferred transaction is one moment.

use crate::log::columns::Columns;
use crate::log::{Epoch, LogError, Rows, ServedRow, Snapshot, Span, StreamId, StreamState, Tag};
use futures_util::TryStreamExt as _;
use serde_json::json;
use sqlx::sqlite::SqliteRow;
use sqlx::{Row, Sqlite, SqlitePool};
use std::collections::{BTreeMap, BTreeSet};

/// A view of one moment of the log in SQLite.
pub struct SqliteSnapshot {
    epoch: Epoch,
    transaction: sqlx::Transaction<'static, Sqlite>,
}

impl SqliteSnapshot {
    pub(super) async fn begin(readers: &SqlitePool, epoch: Epoch) -> Result<Self, LogError> {
        let mut transaction = readers.begin().await?;
        // A deferred transaction takes its moment at the first read: now, not when the caller gets round to it.
        sqlx::query("SELECT 1 FROM log_epoch").execute(&mut *transaction).await?;
        Ok(Self { epoch, transaction })
    }
}

const STREAMS: &str = "SELECT s.stream, s.pos, s.horizon, s.folded_through, c.tag
  FROM json_each(?) AS asked
  JOIN streams AS s ON s.stream = asked.value
  LEFT JOIN sync_changes AS c ON c.stream = s.stream AND c.pos = s.pos";

const TAGS: &str = "SELECT c.stream, c.tag FROM json_each(?) AS asked
  JOIN sync_changes AS c ON c.stream = asked.key AND c.pos = asked.value";

/// The guard of visibility stands here as well as in `is_visible`: what a reader may not see is never loaded.
const ROWS: &str = "SELECT c.pos, c.tag, c.id, c.app_id, c.table_name, c.record_id, c.user_id, c.op, c.data,
    c.field_meta, c.schema_version, c.actor, c.origin, c.space_id, c.visibility, c.at
  FROM sync_changes AS c
  LEFT JOIN sync_records AS h ON h.stream = c.stream AND h.app_id = c.app_id AND h.table_name = c.table_name
    AND h.record_id = c.record_id
  WHERE c.stream = ?1 AND c.pos > ?2 AND c.pos <= ?3
    AND c.app_id || '/' || c.table_name IN (SELECT value FROM json_each(?4))
    AND CASE c.op WHEN 'withdraw' THEN c.user_id <> ?5 ELSE h.visibility IS NOT 'private' OR h.author IS ?5 END
  ORDER BY c.pos LIMIT ?6";

impl Snapshot for SqliteSnapshot {
    async fn epoch(&mut self) -> Result<Epoch, LogError> {
        Ok(self.epoch)
    }

    async fn streams(&mut self, streams: &BTreeSet<StreamId>) -> Result<BTreeMap<StreamId, StreamState>, LogError> {
        let rows = sqlx::query(STREAMS).bind(json!(streams).to_string()).fetch_all(&mut *self.transaction).await?;
        let state = |row: SqliteRow| {
            let tag = row.try_get::<Option<Vec<u8>>, _>(4)?.map(tag_from).transpose()?;
            let state =
                StreamState { pos: count(&row, 1)?, tag, horizon: count(&row, 2)?, folded_through: count(&row, 3)? };
            Ok((StreamId::try_from(row.try_get::<String, _>(0)?)?, state))
        };
        rows.into_iter().map(state).collect()
    }

    async fn tags(&mut self, positions: &BTreeMap<StreamId, u64>) -> Result<BTreeMap<StreamId, Tag>, LogError> {
        let rows = sqlx::query(TAGS).bind(json!(positions).to_string()).fetch_all(&mut *self.transaction).await?;
        let tag = |row: SqliteRow| Ok((StreamId::try_from(row.try_get::<String, _>(0)?)?, tag_from(row.try_get(1)?)?));
        rows.into_iter().map(tag).collect()
    }

    async fn rows(&mut self, span: &Span<'_>) -> Result<Rows, LogError> {
        let mut rows = sqlx::query(ROWS)
            .bind(span.stream.to_string())
            .bind(position(span.after)?)
            .bind(position(span.through)?)
            .bind(json!(span.collections).to_string())
            .bind(span.reader.as_str())
            .bind(i64::try_from(span.limit).unwrap_or(i64::MAX).saturating_add(1))
            .fetch(&mut *self.transaction);
        let mut found = Rows { complete: true, ..Rows::default() };
        while let Some(row) = rows.try_next().await? {
            if found.rows.len() == span.limit || (found.bytes >= span.max_bytes && !found.rows.is_empty()) {
                found.complete = false;
                break;
            }
            let columns = columns(&row)?;
            found.bytes += columns.size();
            found.rows.push(ServedRow {
                pos: count(&row, 0)?,
                tag: tag_from(row.try_get(1)?)?,
                change: columns.into_change()?,
            });
        }
        Ok(found)
    }
}

fn columns(row: &SqliteRow) -> Result<Columns, LogError> {
    Ok(Columns {
        id: row.try_get(2)?,
        app_id: row.try_get(3)?,
        table_name: row.try_get(4)?,
        record_id: row.try_get(5)?,
        user_id: row.try_get(6)?,
        op: row.try_get(7)?,
        data: row.try_get(8)?,
        field_meta: row.try_get(9)?,
        schema_version: row.try_get(10)?,
        actor: row.try_get(11)?,
        origin: row.try_get(12)?,
        space_id: row.try_get(13)?,
        visibility: row.try_get(14)?,
        at: row.try_get(15)?,
    })
}

fn count(row: &SqliteRow, column: usize) -> Result<u64, LogError> {
    u64::try_from(row.try_get::<i64, _>(column)?).map_err(|_| LogError::Failed("a negative position".into()))
}

pub(super) fn position(pos: u64) -> Result<i64, LogError> {
    i64::try_from(pos).map_err(|_| LogError::Failed("a position past the end of integers".into()))
}

fn tag_from(bytes: Vec<u8>) -> Result<Tag, LogError> {
    bytes.try_into().map(Tag).map_err(|_| LogError::Failed("a tag of another length".into()))
}

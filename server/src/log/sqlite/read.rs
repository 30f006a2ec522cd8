//! Reading the log in SQLite: one deferred transaction is one moment.

use crate::log::{Extent, LogError, Rows, Snapshot, Span, StreamId, StreamState, Tag, sql};
use futures_util::TryStreamExt as _;
use mana_sync_engine::model::Change;
use serde_json::json;
use sqlx::{Sqlite, SqliteConnection, SqlitePool};
use std::collections::{BTreeMap, BTreeSet};

/// A view of one moment of the log in SQLite.
pub struct SqliteSnapshot {
    transaction: sqlx::Transaction<'static, Sqlite>,
}

impl SqliteSnapshot {
    pub(super) async fn begin(readers: &SqlitePool) -> Result<Self, LogError> {
        let mut transaction = readers.begin().await?;
        // A deferred transaction takes its moment at the first read: now, not when the caller gets round to it.
        sqlx::query("SELECT 1 FROM log_epoch").execute(&mut *transaction).await?;
        Ok(Self { transaction })
    }

    pub(super) fn connection(&mut self) -> &mut SqliteConnection {
        &mut self.transaction
    }
}

const STREAMS: &str = "SELECT s.stream, s.pos, s.horizon, s.folded_through, c.tag
  FROM json_each(?) AS asked
  JOIN streams AS s ON s.stream = asked.value
  LEFT JOIN sync_changes AS c ON c.stream = s.stream AND c.pos = s.pos";

const TAGS: &str = "SELECT c.stream, c.tag FROM json_each(?) AS asked
  JOIN sync_changes AS c ON c.stream = asked.key AND c.pos = asked.value";

/// The guard of visibility stands here as well as in `is_visible`: what a reader may not see is never loaded.
macro_rules! rows {
    ($order:literal) => {
        concat!(
            "SELECT c.pos, c.tag, c.id, c.app_id, c.table_name, c.record_id, c.user_id, c.op, c.data,
    c.field_meta, c.schema_version, c.actor, c.origin, c.space_id, c.visibility, c.at
  FROM sync_changes AS c
  LEFT JOIN sync_records AS h ON h.stream = c.stream AND h.app_id = c.app_id AND h.table_name = c.table_name
    AND h.record_id = c.record_id
  WHERE c.stream = ?1 AND c.pos > ?2 AND c.pos <= ?3
    AND c.app_id || '/' || c.table_name IN (SELECT value FROM json_each(?4))
    AND CASE WHEN c.op = 'withdraw' THEN c.user_id <> ?5
      WHEN h.record_id IS NULL THEN c.visibility IS NOT 'private' OR c.user_id = ?5
      ELSE h.visibility IS NOT 'private' OR h.author IS ?5 END
  ORDER BY ",
            $order
        )
    };
}

const ROWS: &str = rows!("c.pos LIMIT ?6");
const BY_RECORD: &str = rows!("c.app_id, c.table_name, c.record_id, c.pos");

/// Where streams stand, as this connection sees them.
pub(super) async fn states(
    connection: &mut SqliteConnection,
    streams: &BTreeSet<StreamId>,
) -> Result<BTreeMap<StreamId, StreamState>, LogError> {
    let rows = sqlx::query(STREAMS).bind(json!(streams).to_string()).fetch_all(connection).await?;
    rows.iter().map(sql::state).collect()
}

/// The tags at positions, as this connection sees them.
pub(super) async fn tags(
    connection: &mut SqliteConnection,
    positions: &BTreeMap<StreamId, u64>,
) -> Result<BTreeMap<StreamId, Tag>, LogError> {
    let rows = sqlx::query(TAGS).bind(json!(positions).to_string()).fetch_all(connection).await?;
    rows.iter().map(sql::tag_of).collect()
}

impl Extent for SqliteSnapshot {
    async fn streams(&mut self, streams: &BTreeSet<StreamId>) -> Result<BTreeMap<StreamId, StreamState>, LogError> {
        states(&mut self.transaction, streams).await
    }

    async fn tags(&mut self, positions: &BTreeMap<StreamId, u64>) -> Result<BTreeMap<StreamId, Tag>, LogError> {
        tags(&mut self.transaction, positions).await
    }
}

impl Snapshot for SqliteSnapshot {
    async fn rows(&mut self, span: &Span<'_>) -> Result<Rows, LogError> {
        let mut rows = sqlx::query(ROWS)
            .bind(span.stream.to_string())
            .bind(sql::position(span.after)?)
            .bind(sql::position(span.through)?)
            .bind(json!(span.collections).to_string())
            .bind(span.reader.as_str())
            .bind(sql::limit(span.limit).saturating_add(1))
            .fetch(&mut *self.transaction);
        let mut found = Rows::whole();
        while let Some(row) = rows.try_next().await? {
            if !found.take(&row, span)? {
                break;
            }
        }
        Ok(found)
    }

    async fn by_record(&mut self, span: &Span<'_>, take: &mut (dyn FnMut(Change) + Send)) -> Result<(), LogError> {
        let rows = sqlx::query(BY_RECORD)
            .bind(span.stream.to_string())
            .bind(sql::position(span.after)?)
            .bind(sql::position(span.through)?)
            .bind(json!(span.collections).to_string())
            .bind(span.reader.as_str())
            .fetch(&mut *self.transaction);
        sql::each_change(rows, take).await
    }
}

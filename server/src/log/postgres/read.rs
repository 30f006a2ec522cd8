//! Reading the log in PostgreSQL: one repeatable-read transaction is one moment.

use super::identity::{Purpose, begin};
use super::{PostgresLog, sql};
use crate::log::{Caller, Extent, LogError, Rows, Snapshot, Span, StreamId, StreamState, Tag};
use futures_util::TryStreamExt as _;
use mana_sync_engine::model::Change;
use sqlx::{PgConnection, Postgres};
use std::collections::{BTreeMap, BTreeSet};

/// A view of one moment of the log in PostgreSQL.
pub struct PostgresSnapshot {
    statements: Statements,
    transaction: sqlx::Transaction<'static, Postgres>,
}

impl PostgresSnapshot {
    pub(super) async fn begin(log: &PostgresLog, caller: &Caller) -> Result<Self, LogError> {
        let transaction = begin(&log.pool, caller, Purpose::Read).await?;
        Ok(Self { statements: log.statements, transaction })
    }
}

/// The statements that differ where row security is tried alone.
#[derive(Debug, Clone, Copy)]
pub(super) struct Statements {
    rows: &'static str,
    by_record: &'static str,
}

/// A row's large columns are left out from where the page is full: the rows after that only say that there are more.
macro_rules! rows {
    ($guard:expr) => {
        concat!(
            "SELECT pos, tag, id, app_id, table_name, record_id, user_id, op,
    CASE WHEN fits THEN data END, CASE WHEN fits THEN field_meta END, schema_version,
    CASE WHEN fits THEN actor END, origin, space_id, visibility, at
  FROM (
    SELECT c.*, coalesce(sum(octet_length(c.data) + octet_length(c.field_meta) + coalesce(octet_length(c.actor), 0))
      OVER (ORDER BY c.pos ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) < $7, true) AS fits
    FROM sync_changes AS c
    WHERE c.stream = $1 AND c.pos > $2 AND c.pos <= $3 AND c.app_id || '/' || c.table_name = ANY ($4) AND ",
            $guard,
            "
    ORDER BY c.pos LIMIT $6
  ) AS page
  ORDER BY pos"
        )
    };
}

/// The same rows, whole and of one record after another.
macro_rules! by_record {
    ($guard:expr) => {
        concat!(
            "SELECT c.pos, c.tag, c.id, c.app_id, c.table_name, c.record_id, c.user_id, c.op, c.data, c.field_meta, c.schema_version,
    c.actor, c.origin, c.space_id, c.visibility, c.at
  FROM sync_changes AS c
  WHERE c.stream = $1 AND c.pos > $2 AND c.pos <= $3 AND c.app_id || '/' || c.table_name = ANY ($4) AND ",
            $guard,
            "
  ORDER BY c.app_id COLLATE \"C\", c.table_name COLLATE \"C\", c.record_id COLLATE \"C\", c.pos"
        )
    };
}

/// Reading a whole log in the order of its records ends with the patience of who asks for it.
const LIMIT_TIME: &str = "SET LOCAL statement_timeout = '30s'";

/// Who may see a row, as far as its record's head says.
macro_rules! guard {
    () => {
        "CASE c.op WHEN 'withdraw' THEN c.user_id <> $5
      ELSE coalesce((SELECT h.visibility = 'private' AND h.author IS DISTINCT FROM $5 FROM sync_records AS h
        WHERE h.stream = c.stream AND h.app_id = c.app_id AND h.table_name = c.table_name
          AND h.record_id = c.record_id), c.visibility = 'private' AND c.user_id <> $5) IS NOT TRUE END"
    };
}

impl Statements {
    /// The guard of visibility stands here as well as in `is_visible` and in row security: what a reader may not see is never
    /// loaded.
    pub(super) const fn guarded() -> Self {
        Self { rows: rows!(guard!()), by_record: by_record!(guard!()) }
    }

    pub(super) const fn unguarded() -> Self {
        Self { rows: rows!("$5::text IS NOT NULL"), by_record: by_record!("$5::text IS NOT NULL") }
    }
}

/// The tag is a scalar query, here and below: one look for each stream, where a join may read all rows of all of them.
const STREAMS: &str = "SELECT s.stream, s.pos, s.horizon, s.folded_through,
    (SELECT t.tag FROM sync_tags AS t WHERE t.stream = s.stream AND t.pos = s.pos)
  FROM streams AS s
  WHERE s.stream = ANY ($1) AND (s.pos > 0 OR s.horizon > 0)";

const TAGS: &str = "SELECT stream, tag FROM (
    SELECT asked.stream, (SELECT t.tag FROM sync_tags AS t WHERE t.stream = asked.stream AND t.pos = asked.pos) AS tag
    FROM unnest($1::text[], $2::bigint[]) AS asked (stream, pos)
  ) AS found
  WHERE tag IS NOT NULL";

/// Where streams stand, as this connection sees them.
pub(super) async fn states(
    connection: &mut PgConnection,
    streams: &BTreeSet<StreamId>,
) -> Result<BTreeMap<StreamId, StreamState>, LogError> {
    let streams: Vec<String> = streams.iter().map(ToString::to_string).collect();
    let rows = sqlx::query(STREAMS).bind(streams).fetch_all(connection).await?;
    rows.iter().map(sql::state).collect()
}

/// The tags at positions, as this connection sees them.
pub(super) async fn tags(
    connection: &mut PgConnection,
    positions: &BTreeMap<StreamId, u64>,
) -> Result<BTreeMap<StreamId, Tag>, LogError> {
    let streams: Vec<String> = positions.keys().map(ToString::to_string).collect();
    let positions = positions.values().map(|pos| sql::position(*pos)).collect::<Result<Vec<i64>, LogError>>()?;
    let rows = sqlx::query(TAGS).bind(streams).bind(positions).fetch_all(connection).await?;
    rows.iter().map(sql::tag_of).collect()
}

impl Extent for PostgresSnapshot {
    async fn streams(&mut self, streams: &BTreeSet<StreamId>) -> Result<BTreeMap<StreamId, StreamState>, LogError> {
        states(&mut self.transaction, streams).await
    }

    async fn tags(&mut self, positions: &BTreeMap<StreamId, u64>) -> Result<BTreeMap<StreamId, Tag>, LogError> {
        tags(&mut self.transaction, positions).await
    }
}

impl Snapshot for PostgresSnapshot {
    async fn rows(&mut self, span: &Span<'_>) -> Result<Rows, LogError> {
        let collections: Vec<String> = span.collections.iter().map(ToString::to_string).collect();
        let mut rows = sqlx::query(self.statements.rows)
            .bind(span.stream.to_string())
            .bind(sql::position(span.after)?)
            .bind(sql::position(span.through)?)
            .bind(collections)
            .bind(span.reader.as_str())
            .bind(sql::limit(span.limit).saturating_add(1))
            .bind(sql::limit(span.max_bytes))
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
        let collections: Vec<String> = span.collections.iter().map(ToString::to_string).collect();
        sqlx::query(LIMIT_TIME).execute(&mut *self.transaction).await?;
        let rows = sqlx::query(self.statements.by_record)
            .bind(span.stream.to_string())
            .bind(sql::position(span.after)?)
            .bind(sql::position(span.through)?)
            .bind(collections)
            .bind(span.reader.as_str())
            .fetch(&mut *self.transaction);
        sql::each_change(rows, take).await
    }
}

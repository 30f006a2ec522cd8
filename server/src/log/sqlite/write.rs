//! Writing the log in SQLite: one immediate transaction at a time.

use super::by_time::next_time;
use super::{Turn, Writer, read};
use crate::log::columns::Columns;
use crate::log::types::{follow, newest};
use crate::log::{
    Caller, Extent, Head, KnownEvents, LogError, LogRow, RecordKey, StreamId, StreamState, Tag, Transaction, sql,
};
use mana_sync_engine::model::{EventId, Stamp, UserId};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// A transaction that writes the log in SQLite.
pub struct SqliteTransaction {
    turn: Turn,
    user: UserId,
    unsure: BTreeSet<StreamId>,
    /// Where the locked streams stand, with the rows appended so far.
    positions: BTreeMap<StreamId, u64>,
}

impl SqliteTransaction {
    pub(super) async fn begin(writer: &Writer, caller: &Caller) -> Result<Self, LogError> {
        let turn = writer.turn().await?;
        Ok(Self { turn, user: caller.user.clone(), unsure: caller.unsure(), positions: BTreeMap::new() })
    }
}

const TURNED_OWN: &str = "SELECT EXISTS (SELECT 1 FROM own_spaces
  WHERE user_id = ? AND 'space:' || space_id IN (SELECT value FROM json_each(?)))";

const POSITIONS: &str = "SELECT stream, pos FROM streams WHERE stream IN (SELECT value FROM json_each(?))";

const KNOWN: &str = "SELECT id, content_hash FROM sync_changes
  WHERE user_id = ? AND id IN (SELECT value FROM json_each(?))";

const HEADS: &str = "SELECT r.stream, r.app_id, r.table_name, r.record_id, r.author, r.author_at,
    r.visibility, r.visibility_at, r.deleted, r.deleted_at
  FROM json_each(?) AS asked
  JOIN sync_records AS r ON r.stream = asked.value ->> 0 AND r.app_id = asked.value ->> 1
    AND r.table_name = asked.value ->> 2 AND r.record_id = asked.value ->> 3";

/// All rows by one statement: each statement is a way to the connection's thread and back.
const APPEND: &str = "INSERT INTO sync_changes (id, app_id, table_name, record_id, user_id, op, data, field_meta,
    client_id, created_at, schema_version, actor, origin, space_id, stream, pos, tag, visibility, at, content_hash)
  SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5, value ->> 6, value ->> 7,
    value ->> 8, value ->> 9, value ->> 10, value ->> 11, value ->> 12, value ->> 13, value ->> 14, value ->> 15,
    unhex(value ->> 16), value ->> 17, value ->> 18, unhex(value ->> 19)
  FROM json_each(?)";

const ADVANCE: &str = "INSERT INTO streams (stream, pos) SELECT value ->> 0, value ->> 1 FROM json_each(?) WHERE true
  ON CONFLICT (stream) DO UPDATE SET pos = excluded.pos";

const PUT_HEADS: &str = "INSERT OR REPLACE INTO sync_records
    (stream, app_id, table_name, record_id, author, author_at, visibility, visibility_at, deleted, deleted_at)
  SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5, value ->> 6, value ->> 7,
    value ->> 8, value ->> 9
  FROM json_each(?)";

pub(super) const CHARGE: &str = "INSERT INTO sync_usage (user_id, bytes) VALUES (?1, ?2)
  ON CONFLICT (user_id) DO UPDATE SET bytes = bytes + ?2 RETURNING bytes";

const SET_HORIZON: &str = "INSERT INTO streams (stream, horizon) VALUES (?1, ?2)
  ON CONFLICT (stream) DO UPDATE SET horizon = ?2";

impl Extent for SqliteTransaction {
    async fn streams(&mut self, streams: &BTreeSet<StreamId>) -> Result<BTreeMap<StreamId, StreamState>, LogError> {
        read::states(&mut self.turn, streams).await
    }

    async fn tags(&mut self, positions: &BTreeMap<StreamId, u64>) -> Result<BTreeMap<StreamId, Tag>, LogError> {
        read::tags(&mut self.turn, positions).await
    }
}

impl Transaction for SqliteTransaction {
    async fn lock(&mut self, streams: &BTreeSet<StreamId>) -> Result<BTreeMap<StreamId, u64>, LogError> {
        let unsure: Vec<&StreamId> = streams.intersection(&self.unsure).collect();
        let own = sqlx::query_scalar(TURNED_OWN).bind(self.user.as_str()).bind(json!(unsure).to_string());
        if !unsure.is_empty() && own.fetch_one(&mut *self.turn).await? {
            return Err(LogError::turned_own());
        }
        let rows = sqlx::query(POSITIONS).bind(json!(streams).to_string()).fetch_all(&mut *self.turn).await?;
        self.positions = streams.iter().map(|stream| (stream.clone(), 0)).collect();
        for row in rows {
            self.positions.extend([sql::position_of(&row)?]);
        }
        Ok(self.positions.clone())
    }

    async fn known(&mut self, user: &UserId, events: &BTreeSet<EventId>) -> Result<KnownEvents, LogError> {
        let query = sqlx::query(KNOWN).bind(user.as_str()).bind(json!(events).to_string());
        let rows = query.fetch_all(&mut *self.turn).await?;
        rows.iter().map(sql::known).collect()
    }

    async fn heads(&mut self, keys: &BTreeSet<RecordKey>) -> Result<BTreeMap<RecordKey, Head>, LogError> {
        let asked: Vec<_> =
            keys.iter().map(|k| json!([k.stream, k.collection.app, k.collection.table, k.id])).collect();
        let rows = sqlx::query(HEADS).bind(json!(asked).to_string()).fetch_all(&mut *self.turn).await?;
        rows.iter().map(sql::head).collect()
    }

    async fn charge(&mut self, user: &UserId, rows: &[LogRow]) -> Result<u64, LogError> {
        let bytes: i64 = rows.iter().map(Columns::charge).sum();
        let query = sqlx::query_scalar::<_, i64>(CHARGE).bind(user.as_str()).bind(bytes);
        Ok(query.fetch_one(&mut *self.turn).await?.unsigned_abs())
    }

    async fn append(&mut self, rows: &[LogRow]) -> Result<(), LogError> {
        follow(&mut self.positions, rows)?;
        let Some(first) = rows.first() else { return Ok(()) };
        let mut at = next_time(&mut self.turn, first.created_at).await?;
        let mut cells = Vec::new();
        for row in rows {
            cells.push(row_cells(row, at)?);
            at = at.next();
        }
        sqlx::query(APPEND).bind(Value::from(cells).to_string()).execute(&mut *self.turn).await?;
        let newest: Vec<_> = newest(rows).into_iter().map(|(stream, pos)| json!([stream, pos])).collect();
        sqlx::query(ADVANCE).bind(Value::from(newest).to_string()).execute(&mut *self.turn).await?;
        Ok(())
    }

    async fn put_heads(&mut self, heads: &BTreeMap<RecordKey, Head>) -> Result<(), LogError> {
        let cells: Vec<Value> = heads.iter().map(head_cells).collect();
        sqlx::query(PUT_HEADS).bind(Value::from(cells).to_string()).execute(&mut *self.turn).await?;
        Ok(())
    }

    async fn set_horizon(&mut self, stream: &StreamId, horizon: u64) -> Result<(), LogError> {
        let query = sqlx::query(SET_HORIZON).bind(stream.to_string()).bind(sql::position(horizon)?);
        query.execute(&mut *self.turn).await?;
        Ok(())
    }

    async fn commit(self) -> Result<(), LogError> {
        self.turn.commit().await
    }
}

fn row_cells(row: &LogRow, at: Stamp) -> Result<Value, LogError> {
    let columns = Columns::of(row);
    Ok(json!([
        columns.id,
        columns.app_id,
        columns.table_name,
        columns.record_id,
        columns.user_id,
        columns.op,
        columns.data,
        columns.field_meta,
        row.client_id,
        at,
        columns.schema_version,
        columns.actor,
        columns.origin,
        columns.space_id,
        row.stream,
        sql::position(row.pos)?,
        row.tag,
        columns.visibility,
        columns.at,
        row.hash
    ]))
}

fn head_cells((key, head): (&RecordKey, &Head)) -> Value {
    json!([
        key.stream,
        key.collection.app,
        key.collection.table,
        key.id,
        head.author,
        head.author_at,
        head.visibility,
        head.visibility_at,
        head.deletion.map(|deletion| deletion.deleted),
        head.deletion.map(|deletion| deletion.at)
    ])
}

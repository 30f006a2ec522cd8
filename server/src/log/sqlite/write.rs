//! Writing the log in SQLite: one immediate transaction at a time.

use super::by_time::next_time;
use super::{Turn, Writer};
use crate::log::columns::Columns;
use crate::log::types::follow;
use crate::log::{Caller, Head, KnownEvents, LogError, LogRow, RecordKey, StreamId, Transaction, sql};
use mana_sync_engine::model::{EventId, Stamp, UserId};
use serde_json::json;
use sqlx::Sqlite;
use sqlx::query::Query;
use sqlx::sqlite::SqliteArguments;
use std::collections::{BTreeMap, BTreeSet};

/// A transaction that writes the log in SQLite.
pub struct SqliteTransaction {
    pub(super) turn: Turn,
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

const APPEND: &str = "INSERT INTO sync_changes (id, app_id, table_name, record_id, user_id, op, data, field_meta,
    client_id, created_at, schema_version, actor, origin, space_id, stream, pos, tag, visibility, at, content_hash)
  VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";

const ADVANCE: &str = "INSERT INTO streams (stream, pos) VALUES (?1, ?2)
  ON CONFLICT (stream) DO UPDATE SET pos = ?2";

const PUT_HEAD: &str = "INSERT OR REPLACE INTO sync_records
    (stream, app_id, table_name, record_id, author, author_at, visibility, visibility_at, deleted, deleted_at)
  VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";

pub(super) const CHARGE: &str = "INSERT INTO sync_usage (user_id, bytes) VALUES (?1, ?2)
  ON CONFLICT (user_id) DO UPDATE SET bytes = bytes + ?2 RETURNING bytes";

const SET_HORIZON: &str = "INSERT INTO streams (stream, horizon) VALUES (?1, ?2)
  ON CONFLICT (stream) DO UPDATE SET horizon = ?2";

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
        for row in rows {
            insert(row, at)?.execute(&mut *self.turn).await?;
            at = at.next();
        }
        let newest: BTreeMap<&StreamId, u64> = rows.iter().map(|row| (&row.stream, row.pos)).collect();
        for (stream, pos) in newest {
            let advance = sqlx::query(ADVANCE).bind(stream.to_string()).bind(sql::position(pos)?);
            advance.execute(&mut *self.turn).await?;
        }
        Ok(())
    }

    async fn put_heads(&mut self, heads: &BTreeMap<RecordKey, Head>) -> Result<(), LogError> {
        for (key, head) in heads {
            sqlx::query(PUT_HEAD)
                .bind(key.stream.to_string())
                .bind(key.collection.app.as_str())
                .bind(key.collection.table.as_str())
                .bind(key.id.as_str())
                .bind(head.author.as_ref().map(UserId::as_str))
                .bind(head.author_at.map(|at| at.to_string()))
                .bind(head.visibility.as_str())
                .bind(head.visibility_at.map(|at| at.to_string()))
                .bind(head.deletion.map(|deletion| deletion.deleted))
                .bind(head.deletion.map(|deletion| deletion.at.to_string()))
                .execute(&mut *self.turn)
                .await?;
        }
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

fn insert(row: &LogRow, at: Stamp) -> Result<Query<'static, Sqlite, SqliteArguments>, LogError> {
    let columns = Columns::of(row);
    Ok(sqlx::query(APPEND)
        .bind(columns.id)
        .bind(columns.app_id)
        .bind(columns.table_name)
        .bind(columns.record_id)
        .bind(columns.user_id)
        .bind(columns.op)
        .bind(columns.data)
        .bind(columns.field_meta)
        .bind(row.client_id.to_string())
        .bind(at.to_string())
        .bind(columns.schema_version)
        .bind(columns.actor)
        .bind(columns.origin)
        .bind(columns.space_id)
        .bind(row.stream.to_string())
        .bind(sql::position(row.pos)?)
        .bind(row.tag.0.to_vec())
        .bind(columns.visibility)
        .bind(columns.at)
        .bind(row.hash.0.to_vec()))
}

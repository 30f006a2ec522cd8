//! Writing the log in SQLite: one immediate transaction at a time.

use super::read::position;
use crate::log::columns::Columns;
use crate::log::{
    Collection, ContentHash, Deletion, Head, KnownEvents, LogError, LogRow, RecordKey, StreamId, Transaction,
};
use mana_sync_engine::model::{AppId, EventId, RecordId, Stamp, TableName, UserId, Visibility};
use serde_json::json;
use sqlx::sqlite::SqliteRow;
use sqlx::{Row, Sqlite, SqlitePool};
use std::collections::{BTreeMap, BTreeSet};

/// A transaction that writes the log in SQLite.
pub struct SqliteTransaction(sqlx::Transaction<'static, Sqlite>);

impl SqliteTransaction {
    pub(super) async fn begin(writer: &SqlitePool) -> Result<Self, LogError> {
        // Immediate: a deferred one could find at its first write that its moment has passed.
        Ok(Self(writer.begin_with("BEGIN IMMEDIATE").await?))
    }
}

const POSITIONS: &str = "SELECT stream, pos FROM streams WHERE stream IN (SELECT value FROM json_each(?))";

const KNOWN: &str = "SELECT id, content_hash FROM sync_changes
  WHERE user_id = ? AND id IN (SELECT value FROM json_each(?))";

const HEADS: &str = "SELECT r.stream, r.app_id, r.table_name, r.record_id, r.author, r.visibility, r.deleted,
    r.deleted_at
  FROM json_each(?) AS asked
  JOIN sync_records AS r ON r.stream = asked.value ->> 0 AND r.app_id = asked.value ->> 1
    AND r.table_name = asked.value ->> 2 AND r.record_id = asked.value ->> 3";

const APPEND: &str = "INSERT INTO sync_changes (id, app_id, table_name, record_id, user_id, op, data, field_meta,
    client_id, created_at, schema_version, actor, origin, space_id, stream, pos, tag, visibility, at, content_hash)
  VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";

/// Moves a stream on by one; nothing is changed when the position does not follow.
const ADVANCE: &str = "INSERT INTO streams (stream, pos) VALUES (?1, ?2)
  ON CONFLICT (stream) DO UPDATE SET pos = ?2 WHERE pos = ?2 - 1";

const PUT_HEAD: &str = "INSERT OR REPLACE INTO sync_records
    (stream, app_id, table_name, record_id, author, visibility, deleted, deleted_at)
  VALUES (?, ?, ?, ?, ?, ?, ?, ?)";

const SET_HORIZON: &str = "INSERT INTO streams (stream, horizon) VALUES (?1, ?2)
  ON CONFLICT (stream) DO UPDATE SET horizon = ?2";

impl Transaction for SqliteTransaction {
    async fn lock(&mut self, streams: &BTreeSet<StreamId>) -> Result<BTreeMap<StreamId, u64>, LogError> {
        let rows = sqlx::query(POSITIONS).bind(json!(streams).to_string()).fetch_all(&mut *self.0).await?;
        let mut positions: BTreeMap<StreamId, u64> = streams.iter().map(|stream| (stream.clone(), 0)).collect();
        for row in rows {
            let pos = u64::try_from(row.try_get::<i64, _>(1)?).unwrap_or(0);
            positions.insert(StreamId::try_from(row.try_get::<String, _>(0)?)?, pos);
        }
        Ok(positions)
    }

    async fn known(&mut self, user: &UserId, events: &BTreeSet<EventId>) -> Result<KnownEvents, LogError> {
        let query = sqlx::query(KNOWN).bind(user.as_str()).bind(json!(events).to_string());
        let rows = query.fetch_all(&mut *self.0).await?;
        let known = |row: SqliteRow| {
            let hash = <[u8; 32]>::try_from(row.try_get::<Vec<u8>, _>(1)?);
            let hash = hash.map_err(|_| LogError::Failed("a hash of another length".into()))?;
            Ok((EventId::parse(row.try_get::<String, _>(0)?)?, ContentHash(hash)))
        };
        rows.into_iter().map(known).collect()
    }

    async fn heads(&mut self, keys: &BTreeSet<RecordKey>) -> Result<BTreeMap<RecordKey, Head>, LogError> {
        let asked: Vec<_> =
            keys.iter().map(|k| json!([k.stream, k.collection.app, k.collection.table, k.id])).collect();
        let rows = sqlx::query(HEADS).bind(json!(asked).to_string()).fetch_all(&mut *self.0).await?;
        rows.into_iter().map(|row| head(&row)).collect()
    }

    async fn append(&mut self, rows: &[LogRow]) -> Result<(), LogError> {
        for row in rows {
            let advance = sqlx::query(ADVANCE).bind(row.stream.to_string()).bind(position(row.pos)?);
            if advance.execute(&mut *self.0).await?.rows_affected() != 1 {
                return Err(LogError::Failed(format!("position {} does not follow", row.pos)));
            }
            let columns = Columns::of(row);
            sqlx::query(APPEND)
                .bind(columns.id)
                .bind(columns.app_id)
                .bind(columns.table_name)
                .bind(columns.record_id)
                .bind(columns.user_id)
                .bind(columns.op)
                .bind(columns.data)
                .bind(columns.field_meta)
                .bind(row.client_id.as_str())
                .bind(row.created_at.to_string())
                .bind(columns.schema_version)
                .bind(columns.actor)
                .bind(columns.origin)
                .bind(columns.space_id)
                .bind(row.stream.to_string())
                .bind(position(row.pos)?)
                .bind(row.tag.0.as_slice())
                .bind(columns.visibility)
                .bind(columns.at)
                .bind(row.hash.0.as_slice())
                .execute(&mut *self.0)
                .await?;
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
                .bind(head.visibility.as_str())
                .bind(head.deletion.map(|deletion| deletion.deleted))
                .bind(head.deletion.map(|deletion| deletion.at.to_string()))
                .execute(&mut *self.0)
                .await?;
        }
        Ok(())
    }

    async fn set_horizon(&mut self, stream: &StreamId, horizon: u64) -> Result<(), LogError> {
        let query = sqlx::query(SET_HORIZON).bind(stream.to_string()).bind(position(horizon)?);
        query.execute(&mut *self.0).await?;
        Ok(())
    }

    async fn commit(self) -> Result<(), LogError> {
        Ok(self.0.commit().await?)
    }
}

fn head(row: &SqliteRow) -> Result<(RecordKey, Head), LogError> {
    let collection = Collection {
        app: AppId::parse(row.try_get::<String, _>(1)?)?,
        table: TableName::parse(row.try_get::<String, _>(2)?)?,
    };
    let key = RecordKey {
        stream: StreamId::try_from(row.try_get::<String, _>(0)?)?,
        collection,
        id: RecordId::parse(row.try_get::<String, _>(3)?)?,
    };
    let deleted = row.try_get::<Option<bool>, _>(6)?;
    let deletion = match (deleted, row.try_get::<Option<String>, _>(7)?) {
        (Some(deleted), Some(at)) => Some(Deletion { at: Stamp::parse(&at)?, deleted }),
        _ => None,
    };
    let author = row.try_get::<Option<String>, _>(4)?.map(UserId::parse).transpose()?;
    Ok((key, Head { author, visibility: Visibility::from(row.try_get::<String, _>(5)?), deletion }))
}

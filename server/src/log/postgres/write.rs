//! Writing the log in PostgreSQL: a transaction that holds the rows of its streams.

use super::by_time::{time, times};
use super::identity::{Purpose, begin};
use super::{read, sql};
use crate::log::columns::Columns;
use crate::log::types::{follow, newest};
use crate::log::{
    Caller, Extent, Head, KnownEvents, LogError, LogRow, RecordKey, StreamId, StreamState, Tag, Transaction,
};
use mana_sync_engine::model::{EventId, Stamp, UserId};
use sqlx::{PgPool, Postgres, Row as _};
use std::collections::{BTreeMap, BTreeSet};

/// A transaction that writes the log in PostgreSQL.
pub struct PostgresTransaction {
    pub(super) transaction: sqlx::Transaction<'static, Postgres>,
    /// Streams of spaces that may turn out to be the writer's own.
    unsure: BTreeSet<StreamId>,
    /// Where the locked streams stand, with the rows appended so far.
    positions: BTreeMap<StreamId, u64>,
    /// The database's clock when they were locked.
    time: Stamp,
}

impl PostgresTransaction {
    pub(super) async fn begin(pool: &PgPool, caller: &Caller) -> Result<Self, LogError> {
        // Read committed: what is read after the lock is what the last holder of the stream left.
        let transaction = begin(pool, caller, Purpose::Write).await?;
        Ok(Self { unsure: caller.unsure(), ..Self::over(transaction) })
    }

    /// The same over a transaction that is nobody's in particular.
    pub(super) fn over(transaction: sqlx::Transaction<'static, Postgres>) -> Self {
        Self { transaction, unsure: BTreeSet::new(), positions: BTreeMap::new(), time: Stamp::EPOCH }
    }

    /// Moves the streams on to the last of these rows.
    pub(super) async fn advance(&mut self, rows: &[LogRow]) -> Result<(), LogError> {
        let newest = newest(rows);
        let streams: Vec<String> = newest.keys().map(ToString::to_string).collect();
        let positions = newest.values().map(|pos| sql::position(*pos)).collect::<Result<Vec<i64>, LogError>>()?;
        let advance = sqlx::query(ADVANCE).bind(streams).bind(positions).execute(&mut *self.transaction).await?;
        if advance.rows_affected() == u64::try_from(newest.len()).unwrap_or(u64::MAX) {
            return Ok(());
        }
        Err(LogError::Failed("a stream's row is missing although it was locked".into()))
    }
}

/// Takes each stream's row, new or old, in the order given: all servers give one order, so no two wait for each other.
/// With the time that the rows are dated by.
const LOCK: &str = concat!(
    "INSERT INTO streams AS s (stream)
  SELECT asked.stream FROM unnest($1::text[]) WITH ORDINALITY AS asked (stream, place) ORDER BY asked.place
  ON CONFLICT (stream) DO UPDATE SET pos = s.pos
  RETURNING s.stream, s.pos, ",
    time!()
);

/// Asked when the streams are locked: what made a space its owner's is through then, or waits.
const TURNED_OWN: &str = "SELECT EXISTS (SELECT FROM own_spaces WHERE 'space:' || space_id = ANY ($1))";

const KNOWN: &str = "SELECT id, content_hash FROM sync_events WHERE user_id = $1 AND id = ANY ($2)";

const HEADS: &str = "SELECT r.stream, r.app_id, r.table_name, r.record_id, r.author, r.author_at,
    r.visibility, r.visibility_at, r.deleted, r.deleted_at
  FROM unnest($1::text[], $2::text[], $3::text[], $4::text[]) AS asked (stream, app_id, table_name, record_id)
  JOIN sync_records AS r USING (stream, app_id, table_name, record_id)";

const APPEND: &str = "INSERT INTO sync_changes (id, app_id, table_name, record_id, user_id, op, data, field_meta,
    client_id, created_at, schema_version, actor, origin, space_id, stream, pos, tag, visibility, at, content_hash)
  SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[],
    $9::text[], $10::text[], $11::bigint[], $12::text[], $13::text[], $14::text[], $15::text[], $16::bigint[],
    $17::bytea[], $18::text[], $19::text[], $20::bytea[])";

const ADVANCE: &str = "UPDATE streams AS s SET pos = newest.pos
  FROM unnest($1::text[], $2::bigint[]) AS newest (stream, pos) WHERE s.stream = newest.stream";

const PUT_HEADS: &str = "INSERT INTO sync_records
    (stream, app_id, table_name, record_id, author, author_at, visibility, visibility_at, deleted, deleted_at)
  SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[],
    $9::boolean[], $10::text[])
  ON CONFLICT (stream, app_id, table_name, record_id) DO UPDATE SET
    author = excluded.author, author_at = excluded.author_at, visibility = excluded.visibility,
    visibility_at = excluded.visibility_at, deleted = excluded.deleted, deleted_at = excluded.deleted_at";

pub(super) const CHARGE: &str = "INSERT INTO sync_usage AS u (user_id, bytes) VALUES ($1, $2)
  ON CONFLICT (user_id) DO UPDATE SET bytes = u.bytes + excluded.bytes RETURNING u.bytes";

const SET_HORIZON: &str = "INSERT INTO streams (stream, horizon) VALUES ($1, $2)
  ON CONFLICT (stream) DO UPDATE SET horizon = excluded.horizon";

impl Extent for PostgresTransaction {
    async fn streams(&mut self, streams: &BTreeSet<StreamId>) -> Result<BTreeMap<StreamId, StreamState>, LogError> {
        read::states(&mut self.transaction, streams).await
    }

    async fn tags(&mut self, positions: &BTreeMap<StreamId, u64>) -> Result<BTreeMap<StreamId, Tag>, LogError> {
        read::tags(&mut self.transaction, positions).await
    }
}

impl Transaction for PostgresTransaction {
    async fn lock(&mut self, streams: &BTreeSet<StreamId>) -> Result<BTreeMap<StreamId, u64>, LogError> {
        let asked: Vec<String> = streams.iter().map(ToString::to_string).collect();
        let rows = sqlx::query(LOCK).bind(asked).fetch_all(&mut *self.transaction).await?;
        let unsure: Vec<String> = streams.intersection(&self.unsure).map(ToString::to_string).collect();
        if !unsure.is_empty() && sqlx::query_scalar(TURNED_OWN).bind(unsure).fetch_one(&mut *self.transaction).await? {
            return Err(LogError::turned_own());
        }
        self.positions = rows.iter().map(sql::position_of).collect::<Result<_, LogError>>()?;
        for row in &rows {
            self.time = self.time.max(Stamp::parse(row.try_get(2)?)?);
        }
        Ok(self.positions.clone())
    }

    async fn known(&mut self, user: &UserId, events: &BTreeSet<EventId>) -> Result<KnownEvents, LogError> {
        let events: Vec<&str> = events.iter().map(EventId::as_str).collect();
        let query = sqlx::query(KNOWN).bind(user.as_str()).bind(events);
        query.fetch_all(&mut *self.transaction).await?.iter().map(sql::known).collect()
    }

    async fn heads(&mut self, keys: &BTreeSet<RecordKey>) -> Result<BTreeMap<RecordKey, Head>, LogError> {
        let query = sqlx::query(HEADS)
            .bind(all(keys, |key| key.stream.to_string()))
            .bind(all(keys, |key| key.collection.app.to_string()))
            .bind(all(keys, |key| key.collection.table.to_string()))
            .bind(all(keys, |key| key.id.to_string()));
        query.fetch_all(&mut *self.transaction).await?.iter().map(sql::head).collect()
    }

    async fn charge(&mut self, user: &UserId, rows: &[LogRow]) -> Result<u64, LogError> {
        let bytes: i64 = rows.iter().map(Columns::charge).sum();
        let query = sqlx::query_scalar::<_, i64>(CHARGE).bind(user.as_str()).bind(bytes);
        Ok(query.fetch_one(&mut *self.transaction).await?.unsigned_abs())
    }

    async fn append(&mut self, rows: &[LogRow]) -> Result<(), LogError> {
        follow(&mut self.positions, rows)?;
        insert(rows, times(self.time, rows.len()))?.execute(&mut *self.transaction).await?;
        self.advance(rows).await
    }

    async fn put_heads(&mut self, heads: &BTreeMap<RecordKey, Head>) -> Result<(), LogError> {
        sqlx::query(PUT_HEADS)
            .bind(all(heads.keys(), |key| key.stream.to_string()))
            .bind(all(heads.keys(), |key| key.collection.app.to_string()))
            .bind(all(heads.keys(), |key| key.collection.table.to_string()))
            .bind(all(heads.keys(), |key| key.id.to_string()))
            .bind(all(heads.values(), |head| head.author.as_ref().map(ToString::to_string)))
            .bind(all(heads.values(), |head| head.author_at.map(|at| at.to_string())))
            .bind(all(heads.values(), |head| head.visibility.as_str()))
            .bind(all(heads.values(), |head| head.visibility_at.map(|at| at.to_string())))
            .bind(all(heads.values(), |head| head.deletion.map(|deletion| deletion.deleted)))
            .bind(all(heads.values(), |head| head.deletion.map(|deletion| deletion.at.to_string())))
            .execute(&mut *self.transaction)
            .await?;
        Ok(())
    }

    async fn set_horizon(&mut self, stream: &StreamId, horizon: u64) -> Result<(), LogError> {
        let query = sqlx::query(SET_HORIZON).bind(stream.to_string()).bind(sql::position(horizon)?);
        query.execute(&mut *self.transaction).await?;
        Ok(())
    }

    async fn commit(self) -> Result<(), LogError> {
        Ok(self.transaction.commit().await?)
    }
}

/// One array of a statement's: this part of everything.
fn all<T, U>(items: impl IntoIterator<Item = T>, part: impl FnMut(T) -> U) -> Vec<U> {
    items.into_iter().map(part).collect()
}

/// All rows in one statement, each with its time.
pub(super) fn insert(
    rows: &[LogRow],
    times: Vec<String>,
) -> Result<sqlx::query::Query<'static, Postgres, sqlx::postgres::PgArguments>, LogError> {
    let positions = rows.iter().map(|row| sql::position(row.pos)).collect::<Result<Vec<i64>, LogError>>()?;
    let columns: Vec<Columns> = rows.iter().map(Columns::of).collect();
    Ok(sqlx::query(APPEND)
        .bind(all(&columns, |c| c.id.clone()))
        .bind(all(&columns, |c| c.app_id.clone()))
        .bind(all(&columns, |c| c.table_name.clone()))
        .bind(all(&columns, |c| c.record_id.clone()))
        .bind(all(&columns, |c| c.user_id.clone()))
        .bind(all(&columns, |c| c.op.clone()))
        .bind(all(&columns, |c| c.data.clone()))
        .bind(all(&columns, |c| c.field_meta.clone()))
        .bind(all(rows, |row| row.client_id.to_string()))
        .bind(times)
        .bind(all(&columns, |c| c.schema_version))
        .bind(all(&columns, |c| c.actor.clone()))
        .bind(all(&columns, |c| c.origin.clone()))
        .bind(all(&columns, |c| c.space_id.clone()))
        .bind(all(rows, |row| row.stream.to_string()))
        .bind(positions)
        .bind(all(rows, |row| row.tag.0.to_vec()))
        .bind(all(&columns, |c| c.visibility.clone()))
        .bind(all(&columns, |c| c.at.clone()))
        .bind(all(rows, |row| row.hash.0.to_vec())))
}

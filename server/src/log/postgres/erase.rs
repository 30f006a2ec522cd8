//! Erasing in PostgreSQL, as the compactor: it sees the rows of all streams, and holds the one it works on.

use super::{TURN, options, sql};
use crate::log::erase::{
    DELETE, DELETE_HEADS, DISCHARGE, Erase, Erasure, FORGET_SPACE, FORGET_USAGE, FORGET_USER, STREAMS, TABLES, UNNAME,
};
use crate::log::{Collection, LogError, StreamId};
use mana_sync_engine::model::UserId;
use sqlx::PgPool;
use sqlx::postgres::PgPoolOptions;
use std::collections::BTreeSet;

/// Connections for erasing; none is held in between.
const CONNECTIONS: u32 = 2;

const HOLD: &str = "SELECT pos FROM streams WHERE stream = $1 FOR UPDATE";

/// What is left moves behind all that was, in its order.
const MOVE_ON: &str = "UPDATE sync_changes AS c SET pos = left_over.place + $2 + 1
  FROM (SELECT pos AS at, row_number() OVER (ORDER BY pos) AS place FROM sync_changes WHERE stream = $1) AS left_over
  WHERE c.stream = $1 AND c.pos = left_over.at";

const SET_HORIZON: &str = "UPDATE streams SET horizon = pos + 1, pos = pos + 1 + $2 WHERE stream = $1";

const FORGET_UNREAD_OF_USER: &str = "DELETE FROM sync_unread WHERE user_id = $1";

const FORGET_UNREAD_IN_SPACE: &str = "DELETE FROM sync_unread
  WHERE coalesce(nullif(content::jsonb ->> 'space_id', ''), content::jsonb #>> '{data,spaceId}') = $1";

/// The log as the compactor has it.
#[derive(Clone)]
pub struct PostgresEraser(PgPool);

impl PostgresEraser {
    /// Opens the log in the database at `url`, which names a member of `mana_sync_compactor`.
    pub async fn open(url: &str) -> Result<Self, LogError> {
        let pool = PgPoolOptions::new().max_connections(CONNECTIONS).min_connections(0).acquire_timeout(TURN);
        let pool = pool.connect_with(options(url)?).await?;
        let is_compactor: bool = sqlx::query_scalar(
            "SELECT coalesce(bool_or(pg_has_role(current_user, oid, 'USAGE')), false) FROM pg_roles
             WHERE rolname = 'mana_sync_compactor'",
        )
        .fetch_one(&pool)
        .await?;
        if is_compactor {
            return Ok(Self(pool));
        }
        Err(LogError::Failed("the role to erase with is no member of mana_sync_compactor".into()))
    }

    /// Closes all connections.
    pub async fn close(&self) {
        self.0.close().await;
    }
}

impl Erase for PostgresEraser {
    async fn written_by(&self, user: &UserId) -> Result<Vec<String>, LogError> {
        Ok(sqlx::query_scalar(STREAMS).bind(user.as_str()).fetch_all(&self.0).await?)
    }

    async fn erase_in(&self, stream: &StreamId, only: Option<&UserId>) -> Result<BTreeSet<Collection>, LogError> {
        let (stream, only) = (stream.to_string(), only.map(UserId::as_str));
        let mut transaction = self.0.begin().await?;
        sqlx::query("SET LOCAL lock_timeout = '10s'").execute(&mut *transaction).await?;
        let held = sqlx::query_scalar::<_, i64>(HOLD).bind(&stream).fetch_optional(&mut *transaction).await?;
        let Some(pos) = held else { return Ok(BTreeSet::new()) };
        let rows = sqlx::query(TABLES).bind(&stream).bind(only).fetch_all(&mut *transaction).await?;
        let tables = rows.iter().map(sql::collection).collect::<Result<BTreeSet<_>, _>>()?;
        if tables.is_empty() {
            return Ok(tables);
        }
        for statement in [DISCHARGE, DELETE] {
            sqlx::query(statement).bind(&stream).bind(only).execute(&mut *transaction).await?;
        }
        sqlx::query(DELETE_HEADS).bind(&stream).execute(&mut *transaction).await?;
        sqlx::query(UNNAME).bind(&stream).bind(only).execute(&mut *transaction).await?;
        let left = sqlx::query(MOVE_ON).bind(&stream).bind(pos).execute(&mut *transaction).await?.rows_affected();
        let left = i64::try_from(left).unwrap_or(i64::MAX);
        sqlx::query(SET_HORIZON).bind(&stream).bind(left).execute(&mut *transaction).await?;
        sqlx::query(FORGET_USAGE).execute(&mut *transaction).await?;
        transaction.commit().await?;
        Ok(tables)
    }

    async fn forget(&self, whose: &Erasure) -> Result<(), LogError> {
        let (id, statements, unread): (_, &[&'static str], _) = match whose {
            Erasure::User(user) => (user.as_str(), &FORGET_USER, FORGET_UNREAD_OF_USER),
            Erasure::Space(space) => (space.as_str(), &FORGET_SPACE, FORGET_UNREAD_IN_SPACE),
        };
        let mut transaction = self.0.begin().await?;
        for statement in statements.iter().chain([&unread]) {
            sqlx::query(*statement).bind(id).execute(&mut *transaction).await?;
        }
        Ok(transaction.commit().await?)
    }
}

//! Erasing in SQLite: the one writer holds every stream.

use super::SqliteLog;
use crate::log::erase::{
    DELETE, DELETE_HEADS, DISCHARGE, Erase, Erasure, FORGET_SPACE, FORGET_USAGE, FORGET_USER, STREAMS, TABLES, UNNAME,
};
use crate::log::{Collection, LogError, StreamId, sql};
use mana_sync_engine::model::UserId;
use std::collections::BTreeSet;

/// What is left moves behind all that was, in its order.
const MOVE_ON: &str =
    "UPDATE sync_changes SET pos = left_over.place + (SELECT s.pos + 1 FROM streams AS s WHERE s.stream = $1)
  FROM (SELECT pos AS at, row_number() OVER (ORDER BY pos) AS place FROM sync_changes WHERE stream = $1) AS left_over
  WHERE sync_changes.stream = $1 AND sync_changes.pos = left_over.at";

const SET_HORIZON: &str = "UPDATE streams SET horizon = pos + 1,
    pos = pos + 1 + (SELECT count(*) FROM sync_changes AS c WHERE c.stream = $1)
  WHERE stream = $1";

impl Erase for SqliteLog {
    async fn written_by(&self, user: &UserId) -> Result<Vec<String>, LogError> {
        Ok(sqlx::query_scalar(STREAMS).bind(user.as_str()).fetch_all(&self.database.readers).await?)
    }

    async fn erase_in(&self, stream: &StreamId, only: Option<&UserId>) -> Result<BTreeSet<Collection>, LogError> {
        let mut turn = self.database.writer.turn().await?;
        let (stream, only) = (stream.to_string(), only.map(UserId::as_str));
        let rows = sqlx::query(TABLES).bind(&stream).bind(only).fetch_all(&mut *turn).await?;
        let tables = rows.iter().map(sql::collection).collect::<Result<BTreeSet<_>, _>>()?;
        if tables.is_empty() {
            // What was read may be another's that is not kept yet.
            turn.commit().await?;
            return Ok(tables);
        }
        for statement in [DISCHARGE, DELETE, FORGET_USAGE, DELETE_HEADS, UNNAME, MOVE_ON, SET_HORIZON] {
            // Those that name one of them only leave the other alone.
            let query = sqlx::query(statement);
            let query = if statement.contains("$1") { query.bind(&stream) } else { query };
            let query = if statement.contains("$2") { query.bind(only) } else { query };
            query.execute(&mut *turn).await?;
        }
        turn.commit().await?;
        Ok(tables)
    }

    async fn forget(&self, whose: &Erasure) -> Result<(), LogError> {
        let (id, statements): (_, &[&'static str]) = match whose {
            Erasure::User(user) => (user.as_str(), &FORGET_USER),
            Erasure::Space(space) => (space.as_str(), &FORGET_SPACE),
        };
        let mut turn = self.database.writer.turn().await?;
        for statement in statements {
            sqlx::query(*statement).bind(id).execute(&mut *turn).await?;
        }
        turn.commit().await?;
        // The file beside the database has it all still, until it is begun anew.
        self.database.writer.checkpoint().await
    }
}

//! Reading SQLite by time. One transaction writes at a time and gives its rows times after all there are, so that everything up
//! to the newest one is there.

use super::write::CHARGE;
use super::{SqliteLog, SqliteSnapshot};
use crate::clock;
use crate::log::{ByTime, Caller, ChangeLog as _, DatedPage, LogError, Since, Withheld, check_quota, sql};
use mana_sync_engine::model::{ClientId, Stamp};
use serde_json::json;
use sqlx::{Sqlite, SqliteConnection};

/// The newest time in the log; null while it is empty.
const NEWEST: &str = "SELECT max((SELECT coalesce(max(created_at), '') FROM sync_changes),
    (SELECT coalesce(max(created_at), '') FROM sync_withheld))";

/// The guard of visibility is that of reading by position.
const ROWS: &str = "SELECT c.pos AS pos, c.tag, c.id, c.app_id, c.table_name, c.record_id, c.user_id, c.op, c.data,
    c.field_meta, c.schema_version, c.actor, c.origin, c.space_id, c.visibility, c.at,
    c.created_at AS created_at, c.stream AS stream, 0 AS withheld
  FROM sync_changes AS c
  LEFT JOIN sync_records AS h ON h.stream = c.stream AND h.app_id = c.app_id AND h.table_name = c.table_name
    AND h.record_id = c.record_id
  WHERE c.stream IN (SELECT value FROM json_each(?1)) AND c.app_id = ?2
    AND (?3 IS NULL OR c.table_name IN (SELECT value FROM json_each(?3)))
    AND c.created_at > ?4 AND (?5 IS NULL OR c.client_id <> ?5 OR c.user_id <> ?6)
    AND CASE WHEN c.op = 'withdraw' THEN c.user_id <> ?6
      WHEN h.record_id IS NULL THEN c.visibility IS NOT 'private' OR c.user_id = ?6
      ELSE h.visibility IS NOT 'private' OR h.author IS ?6 END
  UNION ALL
  SELECT 0, x'', w.id, w.app_id, w.table_name, '', w.user_id, '', w.change, '', 1, NULL, '', NULL, '', '', w.created_at, '', 1
  FROM sync_withheld AS w
  WHERE w.user_id = ?6 AND w.app_id = ?2 AND (?3 IS NULL OR w.table_name IN (SELECT value FROM json_each(?3)))
    AND w.created_at > ?4 AND (?5 IS NULL OR w.client_id <> ?5)
  ORDER BY created_at, stream, pos";

const WITHHOLD: &str =
    "INSERT INTO sync_withheld (user_id, id, app_id, table_name, client_id, created_at, code, change, space_id)
  VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)";

/// The time after all that are in the log, and not before `now`. Asked for inside a transaction that writes.
pub(super) async fn next_time(connection: &mut SqliteConnection, now: Stamp) -> Result<Stamp, LogError> {
    Ok(newest(connection).await?.map_or(now, |newest| newest.next().max(now)))
}

async fn newest(connection: &mut SqliteConnection) -> Result<Option<Stamp>, LogError> {
    let newest: String = sqlx::query_scalar(NEWEST).fetch_one(connection).await?;
    if newest.is_empty() { Ok(None) } else { Ok(Some(Stamp::parse(&newest)?)) }
}

impl ByTime for SqliteLog {
    async fn since(&self, caller: &Caller, asked: &Since) -> Result<DatedPage, LogError> {
        let mut snapshot: SqliteSnapshot = self.snapshot(caller).await?;
        let connection = snapshot.connection();
        let settled = newest(connection).await?.unwrap_or(Stamp::EPOCH);
        let rows = sqlx::query::<Sqlite>(ROWS)
            .bind(json!(caller.readable()).to_string())
            .bind(asked.app.as_str())
            .bind(asked.tables.as_ref().map(|tables| json!(tables).to_string()))
            .bind(asked.since.to_string())
            .bind(asked.but.as_ref().map(ClientId::as_str))
            .bind(caller.user.as_str())
            .fetch(connection);
        sql::dated_page(rows, asked.limit, settled).await
    }

    async fn withhold(&self, caller: &Caller, changes: &[Withheld], quota: Option<u64>) -> Result<(), LogError> {
        let mut turn = self.database.writer.turn().await?;
        let bytes: i64 = changes.iter().map(Withheld::charge).sum();
        let used = sqlx::query_scalar::<_, i64>(CHARGE).bind(caller.user.as_str()).bind(bytes);
        check_quota(used.fetch_one(&mut *turn).await?.unsigned_abs(), quota)?;
        let mut at = next_time(&mut turn, clock::now()).await?;
        for change in changes {
            sqlx::query(WITHHOLD)
                .bind(caller.user.as_str())
                .bind(change.event_id.as_str())
                .bind(change.app.as_str())
                .bind(&change.table)
                .bind(change.client_id.as_str())
                .bind(at.to_string())
                .bind(change.code)
                .bind(change.change.to_string())
                .bind(change.space().map(|space| space.to_string()))
                .execute(&mut *turn)
                .await?;
            at = at.next();
        }
        turn.commit().await
    }
}

//! Own spaces in SQLite.

use super::SqliteLog;
use crate::log::{Caller, LogError, OwnSpaces, Standing, StreamId, sql};
use mana_sync_engine::model::{SpaceId, personal_alias};
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};

const OWN: &str = "SELECT space_id FROM own_spaces WHERE user_id = ?";

/// Changes nothing where the person is noted already, alone or among others.
const NOTE: &str = "INSERT INTO sync_members AS m (space_id, user_id) SELECT value, ?1 FROM json_each(?2) WHERE true
  ON CONFLICT (space_id) DO UPDATE SET user_id = NULL WHERE m.user_id <> excluded.user_id";

/// One's own is never shared, whoever was seen in it: everybody else is asked about each time.
const STANDINGS: &str = "SELECT m.space_id, m.user_id IS NULL
      AND NOT EXISTS (SELECT 1 FROM own_spaces AS o WHERE o.space_id = m.space_id AND o.user_id = ?1),
    EXISTS (SELECT 1 FROM own_spaces AS o WHERE o.space_id = m.space_id AND o.user_id <> ?1)
  FROM sync_members AS m WHERE m.space_id IN (SELECT value FROM json_each(?2))";

/// Nothing is added where the space or the person has an entry, or somebody else a row or a note.
const KEEP: &str = "INSERT INTO own_spaces (space_id, user_id)
  SELECT ?1, ?2 WHERE NOT EXISTS (SELECT 1 FROM sync_changes WHERE stream = ?3 AND user_id <> ?2)
    AND NOT EXISTS (SELECT 1 FROM sync_members WHERE space_id = ?1 AND user_id IS NOT ?2)
  ON CONFLICT DO NOTHING";

const MOVE_ROWS: &str = "UPDATE sync_changes AS c SET stream = ?2, space_id = ?3,
    pos = moved.place + coalesce((SELECT pos FROM streams WHERE stream = ?2), 0),
    data = CASE json_type(c.data, '$.spaceId') WHEN 'text' THEN json_set(c.data, '$.spaceId', ?3) ELSE c.data END
  FROM (SELECT id, user_id, row_number() OVER (ORDER BY pos) AS place FROM sync_changes WHERE stream = ?1) AS moved
  WHERE c.user_id = moved.user_id AND c.id = moved.id";

/// What rows take: taken off before they are written anew, and added afterwards.
const COUNT: &str = "UPDATE sync_usage SET bytes = bytes + ?4 * coalesce(
    (SELECT sum(octet_length(data)) FROM sync_changes WHERE stream IN (?1, ?2)), 0)
  WHERE user_id = ?3";

const ADVANCE: &str =
    "INSERT INTO streams (stream, pos) SELECT ?1, max(pos) FROM sync_changes WHERE stream = ?1 HAVING max(pos) > 0
  ON CONFLICT (stream) DO UPDATE SET pos = max(streams.pos, excluded.pos)";

/// As `Head::joined`.
const MOVE_HEADS: &str = "INSERT INTO sync_records AS r
    (stream, app_id, table_name, record_id, author, author_at, visibility, visibility_at, deleted, deleted_at)
  SELECT ?2, app_id, table_name, record_id, author, author_at, visibility, visibility_at, deleted, deleted_at
  FROM sync_records WHERE stream = ?1
  ON CONFLICT (stream, app_id, table_name, record_id) DO UPDATE SET
    author = coalesce(r.author, excluded.author), author_at = coalesce(r.author_at, excluded.author_at),
    visibility = CASE WHEN coalesce(excluded.visibility_at, '') >= coalesce(r.visibility_at, '')
      THEN excluded.visibility ELSE r.visibility END,
    visibility_at = nullif(max(coalesce(excluded.visibility_at, ''), coalesce(r.visibility_at, '')), ''),
    deleted = CASE WHEN (coalesce(excluded.deleted_at, ''), NOT coalesce(excluded.deleted, 1))
        >= (coalesce(r.deleted_at, ''), NOT coalesce(r.deleted, 1)) THEN excluded.deleted ELSE r.deleted END,
    deleted_at = nullif(max(coalesce(excluded.deleted_at, ''), coalesce(r.deleted_at, '')), '')";

const DROP_HEADS: &str = "DELETE FROM sync_records WHERE stream = ?";

impl OwnSpaces for SqliteLog {
    async fn own_space(&self, caller: &Caller) -> Result<Option<SpaceId>, LogError> {
        let own = sqlx::query_scalar(OWN).bind(caller.user.as_str()).fetch_optional(self.readers()).await?;
        Ok(own.map(|space: String| SpaceId::parse(space)).transpose()?)
    }

    async fn note_member(
        &self,
        caller: &Caller,
        spaces: &BTreeSet<SpaceId>,
    ) -> Result<BTreeMap<SpaceId, Standing>, LogError> {
        let (user, spaces) = (caller.user.as_str(), json!(spaces).to_string());
        let mut turn = self.database.writer.turn().await?;
        sqlx::query(NOTE).bind(user).bind(&spaces).execute(&mut *turn).await?;
        let rows = sqlx::query(STANDINGS).bind(user).bind(&spaces).fetch_all(&mut *turn).await?;
        let standings = rows.iter().map(sql::standing).collect::<Result<_, LogError>>()?;
        turn.commit().await?;
        Ok(standings)
    }

    async fn make_own(&self, caller: &Caller, space: &SpaceId) -> Result<bool, LogError> {
        let (from, own) = (StreamId::Space(space.clone()).to_string(), caller.own_stream().to_string());
        let mut turn = self.database.writer.turn().await?;
        let keep = sqlx::query(KEEP).bind(space.as_str()).bind(caller.user.as_str()).bind(&from);
        if keep.execute(&mut *turn).await?.rows_affected() == 0 {
            return Ok(false);
        }
        let count = |sign: i64| sqlx::query(COUNT).bind(&from).bind(&own).bind(caller.user.as_str()).bind(sign);
        count(-1).execute(&mut *turn).await?;
        let rows = sqlx::query(MOVE_ROWS).bind(&from).bind(&own).bind(personal_alias(&caller.user));
        rows.execute(&mut *turn).await?;
        count(1).execute(&mut *turn).await?;
        sqlx::query(ADVANCE).bind(&own).execute(&mut *turn).await?;
        sqlx::query(MOVE_HEADS).bind(&from).bind(&own).execute(&mut *turn).await?;
        sqlx::query(DROP_HEADS).bind(&from).execute(&mut *turn).await?;
        turn.commit().await?;
        Ok(true)
    }
}

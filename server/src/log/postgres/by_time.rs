//! Reading PostgreSQL by time. Transactions overlap, and one may commit after younger ones were read; so each that writes holds
//! a lock that says when it began, and what is younger than the oldest such lock counts as not settled.
//!
//! The locks are advisory, shared and of the transaction: nobody waits for them, and they go when it ends, however it ends. A
//! transaction takes its lock before it takes the time of its rows, which so are never older than its lock.

use super::identity::{Purpose, begin};
use super::write::CHARGE;
use super::{PostgresLog, sql};
use crate::log::{ByTime, Caller, DatedPage, LogError, Since, Withheld, check_quota};
use mana_sync_engine::model::{ClientId, Stamp};
use sqlx::{PgConnection, PgPool, Postgres};
use std::iter::successors;

/// The database's clock, by which rows are dated, as the log writes times.
macro_rules! time {
    () => {
        "to_char(clock_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"')"
    };
}
pub(super) use time;

const NOW: &str = concat!("SELECT ", time!());

/// When the oldest transaction that writes began, in milliseconds. The first 16 bits of a lock's number, 19822, tell these from
/// others. Who does not write the log may hold such a lock for no reason, and nobody waits for that.
const OLDEST: &str = "SELECT min((l.classid::bigint << 32 | l.objid::bigint) & 281474976710655)
  FROM pg_locks AS l JOIN pg_stat_activity AS a USING (pid)
  WHERE l.locktype = 'advisory' AND l.objsubid = 1 AND l.classid::bigint >> 16 = 19822
    AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
    AND EXISTS (SELECT FROM pg_roles AS r WHERE r.rolname IN ('mana_sync_server', 'mana_sync_service')
      AND pg_has_role(a.usesysid, r.oid, 'MEMBER'))";

/// Takes the lock (`policies.sql`).
pub(super) const BEGIN_WRITING: &str = "SELECT sync_begin_writing()";

/// Of each stream as many rows as a page has, found by its index; then those of all. The guard of visibility is that of reading
/// by position; row security has it besides.
const ROWS: &str = r#"SELECT page.* FROM (
    SELECT found.* FROM unnest($1::text[]) AS readable (stream) CROSS JOIN LATERAL (
      SELECT c.pos, c.tag, c.id, c.app_id, c.table_name, c.record_id, c.user_id, c.op, c.data, c.field_meta,
        c.schema_version, c.actor, c.origin, c.space_id, c.visibility, c.at, c.created_at, c.stream, 0::bigint AS withheld
      FROM sync_changes AS c
      WHERE c.stream = readable.stream AND c.app_id = $2 AND ($3::text[] IS NULL OR c.table_name = ANY ($3))
        AND c.created_at COLLATE "C" > $4 AND ($5::text IS NULL OR c.client_id <> $5 OR c.user_id <> $6)
        AND CASE c.op WHEN 'withdraw' THEN c.user_id <> $6
          ELSE coalesce((SELECT h.visibility = 'private' AND h.author IS DISTINCT FROM $6 FROM sync_records AS h
            WHERE h.stream = c.stream AND h.app_id = c.app_id AND h.table_name = c.table_name
              AND h.record_id = c.record_id), c.visibility = 'private' AND c.user_id <> $6) IS NOT TRUE END
      ORDER BY c.created_at COLLATE "C" FETCH FIRST $7 ROWS WITH TIES
    ) AS found
    UNION ALL
    SELECT 0, ''::bytea, w.id, w.app_id, w.table_name, '', w.user_id, '', w.change, '', 1, NULL, '', NULL, '', '',
      w.created_at, '', 1
    FROM sync_withheld AS w
    WHERE w.user_id = $6 AND w.app_id = $2 AND ($3::text[] IS NULL OR w.table_name = ANY ($3))
      AND w.created_at COLLATE "C" > $4 AND ($5::text IS NULL OR w.client_id <> $5)
  ) AS page
  ORDER BY page.created_at COLLATE "C", page.stream, page.pos"#;

const WITHHOLD: &str =
    "INSERT INTO sync_withheld (user_id, id, app_id, table_name, client_id, created_at, code, change, space_id)
  SELECT $1, * FROM unnest($2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[], $9::text[])";

/// A time that nothing will be added before: below the oldest open transaction. Asked for before the rows are read.
async fn settled(pool: &PgPool) -> Result<Stamp, LogError> {
    let mut connection = pool.acquire().await?;
    // In this order: who takes a lock after it was looked for writes rows that are younger than this.
    let now = now(&mut connection).await?;
    let oldest: Option<i64> = sqlx::query_scalar(OLDEST).fetch_one(&mut *connection).await?;
    let oldest = oldest.and_then(|ms| u64::try_from(ms).ok()).map_or(now, |ms| Stamp::at_ms(ms).min(now));
    // A lock says its millisecond; the time before that one is below all its rows.
    Ok(Stamp::at_ms(oldest.ms().saturating_sub(1)))
}

/// Times for so many rows, each its own: pages of what is read by time end between them.
pub(super) fn times(first: Stamp, rows: usize) -> Vec<String> {
    successors(Some(first), |at| Some(at.next())).take(rows).map(|at| at.to_string()).collect()
}

pub(super) async fn now(connection: &mut PgConnection) -> Result<Stamp, LogError> {
    let now: String = sqlx::query_scalar(NOW).fetch_one(connection).await?;
    Ok(Stamp::parse(&now)?)
}

impl ByTime for PostgresLog {
    async fn since(&self, caller: &Caller, asked: &Since) -> Result<DatedPage, LogError> {
        let settled = settled(&self.pool).await?;
        let mut transaction = begin(&self.pool, caller, Purpose::Read).await?;
        let streams: Vec<String> = caller.readable().iter().map(ToString::to_string).collect();
        let tables = asked.tables.as_ref();
        let rows = sqlx::query::<Postgres>(ROWS)
            .bind(streams)
            .bind(asked.app.as_str())
            .bind(tables.map(|tables| tables.iter().map(ToString::to_string).collect::<Vec<_>>()))
            .bind(asked.since.to_string())
            .bind(asked.but.as_ref().map(ClientId::as_str))
            .bind(caller.user.as_str())
            .bind(sql::limit(asked.limit).saturating_add(1))
            .fetch(&mut *transaction);
        sql::dated_page(rows, asked.limit, settled).await
    }

    async fn withhold(&self, caller: &Caller, changes: &[Withheld], quota: Option<u64>) -> Result<(), LogError> {
        let mut transaction = begin(&self.pool, caller, Purpose::Write).await?;
        let bytes: i64 = changes.iter().map(Withheld::charge).sum();
        let used = sqlx::query_scalar::<_, i64>(CHARGE).bind(caller.user.as_str()).bind(bytes);
        check_quota(used.fetch_one(&mut *transaction).await?.unsigned_abs(), quota)?;
        let times = times(now(&mut transaction).await?, changes.len());
        let column = |part: fn(&Withheld) -> String| changes.iter().map(part).collect::<Vec<String>>();
        sqlx::query(WITHHOLD)
            .bind(caller.user.as_str())
            .bind(column(|change| change.event_id.to_string()))
            .bind(column(|change| change.app.to_string()))
            .bind(column(|change| change.table.clone()))
            .bind(column(|change| change.client_id.to_string()))
            .bind(times)
            .bind(column(|change| change.code.to_owned()))
            .bind(column(|change| change.change.to_string()))
            .bind(changes.iter().map(|change| change.space().map(|space| space.to_string())).collect::<Vec<_>>())
            .execute(&mut *transaction)
            .await?;
        Ok(transaction.commit().await?)
    }
}

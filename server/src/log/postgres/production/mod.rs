//! Taking over the table of the production server, which has the name of this server's and fewer columns.
//!
//! All of it happens in the transaction of the migration: whatever ends it, the old table is there as it was. Rows are read in
//! the order of (`created_at`, `id`), which their positions follow; heads are kept as pushes would. What cannot be served is
//! kept as it was in `sync_unread`, with the reason.

mod row;

use super::PostgresTransaction;
use super::write::insert;
use crate::log::admit::Admitted;
use crate::log::head::next_head;
use crate::log::{
    Collection, ContentHash, Head, LogError, LogRow, Randomness, RecordKey, StreamId, Tag, Transaction as _,
};
use mana_sync_engine::model::{Op, SpaceId, UserId};
use row::{Carried, Row, Unread};
use sqlx::{Postgres, Row as _, Transaction};
use std::collections::{BTreeMap, BTreeSet};

/// Rows that are read, turned and written at once.
const BATCH: usize = 2_000;

/// What a migration found to carry over.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct CarriedOver {
    /// Rows of the production table that lie in the log now.
    pub rows: u64,
    /// Rows that lie in `sync_unread`.
    pub unread: u64,
}

/// The personal spaces of these people, each with whose it is; or why it is not known.
pub type Owners = BTreeMap<SpaceId, UserId>;

/// The columns without which the table is no production table.
const NEEDED: &str = "SELECT asked.name FROM unnest(ARRAY['id', 'app_id', 'table_name', 'record_id', 'user_id', 'op', 'data',
    'client_id', 'created_at']) AS asked (name)
  WHERE NOT EXISTS (SELECT FROM pg_attribute WHERE attrelid = to_regclass('sync_changes') AND attname = asked.name) LIMIT 1";

const IS_THERE: &str = "SELECT to_regclass('sync_changes') IS NOT NULL AND NOT EXISTS (
    SELECT FROM pg_attribute WHERE attrelid = to_regclass('sync_changes') AND attname = 'stream' AND NOT attisdropped)";

/// Nobody reads or writes the table from here on; where somebody holds it for long, the migration gives up.
const SET_ASIDE: &str = "SET LOCAL lock_timeout = '10s';
  LOCK TABLE sync_changes IN ACCESS EXCLUSIVE MODE;
  ALTER TABLE sync_changes NO FORCE ROW LEVEL SECURITY, DISABLE ROW LEVEL SECURITY;
  ALTER TABLE sync_changes RENAME TO production_changes";

/// Renames the production table, where there is one, so that this server's can be made.
pub(super) async fn set_aside(transaction: &mut Transaction<'_, Postgres>) -> Result<bool, LogError> {
    if !sqlx::query_scalar::<_, bool>(IS_THERE).fetch_one(&mut **transaction).await? {
        return Ok(false);
    }
    if let Some(column) = sqlx::query_scalar::<_, String>(NEEDED).fetch_optional(&mut **transaction).await? {
        let message =
            format!("the table sync_changes has no column {column}: it is neither this server's nor production's");
        return Err(LogError::Failed(message));
    }
    sqlx::raw_sql(SET_ASIDE).execute(&mut **transaction).await?;
    Ok(true)
}

/// Whose rows lie in the table that was set aside, and whether any of them lies in a space other than by its alias.
pub(super) async fn people(transaction: &mut Transaction<'_, Postgres>) -> Result<(Vec<UserId>, bool), LogError> {
    let people = "SELECT DISTINCT user_id FROM production_changes";
    let people: Vec<String> = sqlx::query_scalar(people).fetch_all(&mut **transaction).await?;
    let spaces = "SELECT EXISTS (SELECT FROM production_changes AS p
      WHERE coalesce(nullif(to_jsonb(p) ->> 'space_id', ''), p.data ->> 'spaceId', '_personal:') !~ '^_personal:')";
    let in_spaces = sqlx::query_scalar(spaces).fetch_one(&mut **transaction).await?;
    Ok((people.into_iter().filter_map(|user| UserId::parse(user).ok()).collect(), in_spaces))
}

/// Carries all rows over and drops the old table.
pub(super) async fn carry_over(
    mut transaction: Transaction<'static, Postgres>,
    owners: &Owners,
    random: &Randomness,
) -> Result<(Transaction<'static, Postgres>, CarriedOver), LogError> {
    // For rows that services add: servers hear from memberships which spaces are personal.
    sqlx::query("INSERT INTO own_spaces (space_id, user_id) SELECT * FROM unnest($1::text[], $2::text[]) ON CONFLICT DO NOTHING")
        .bind(owners.keys().map(ToString::to_string).collect::<Vec<_>>())
        .bind(owners.values().map(ToString::to_string).collect::<Vec<_>>())
        .execute(&mut *transaction)
        .await?;
    let mut carrier =
        Carrier { transaction: PostgresTransaction::over(transaction), owners, random, done: CarriedOver::default() };
    sqlx::raw_sql(include_str!("read.sql")).execute(&mut *carrier.transaction.transaction).await?;
    loop {
        let fetch = sqlx::query(sqlx::AssertSqlSafe(format!("FETCH {BATCH} FROM production")));
        let rows = fetch.fetch_all(&mut *carrier.transaction.transaction).await?;
        if rows.is_empty() {
            break;
        }
        let read = |row: &sqlx::postgres::PgRow| {
            Ok(Row { id: row.try_get(0)?, content: row.try_get(1)?, next_edit: row.try_get(2)? })
        };
        carrier.carry(rows.iter().map(read).collect::<Result<_, sqlx::Error>>()?).await?;
    }
    let Carrier { transaction: PostgresTransaction { mut transaction, .. }, done, .. } = carrier;
    // Without CASCADE: where something else depends on it, that is somebody's to decide about.
    let end = "CLOSE production; DROP TABLE production_changes; ANALYZE streams, sync_changes, sync_records";
    sqlx::raw_sql(end).execute(&mut *transaction).await?;
    Ok((transaction, done))
}

struct Carrier<'a> {
    transaction: PostgresTransaction,
    owners: &'a Owners,
    random: &'a Randomness,
    done: CarriedOver,
}

impl Carrier<'_> {
    async fn carry(&mut self, rows: Vec<Row>) -> Result<(), LogError> {
        let (mut carried, mut unread) = (Vec::new(), Vec::new());
        for row in rows {
            match row.read(self.owners) {
                Ok(change) => carried.push(change),
                Err(reason) => unread.push((row, reason)),
            }
        }
        self.done.rows += u64::try_from(carried.len()).unwrap_or(0);
        self.done.unread += u64::try_from(unread.len()).unwrap_or(0);
        self.append(carried).await?;
        self.keep(&unread).await
    }

    async fn append(&mut self, carried: Vec<Carried>) -> Result<(), LogError> {
        if carried.is_empty() {
            return Ok(());
        }
        let streams: BTreeSet<StreamId> = carried.iter().map(|row| row.stream.clone()).collect();
        let mut positions = self.transaction.lock(&streams).await?;
        let mut heads = self.transaction.heads(&carried.iter().map(key_of).collect()).await?;
        let mut rows = Vec::with_capacity(carried.len());
        for mut row in carried {
            let key = key_of(&row);
            row.change.visibility = row.visibility.or(heads.get(&key).map(|head| head.visibility)).unwrap_or_default();
            let hash = ContentHash::of(&row.change);
            heads.insert(key.clone(), head_after(heads.get(&key), &row, hash)?);
            let pos = positions.entry(row.stream.clone()).or_default();
            *pos += 1;
            let mut tag = Tag([0; 8]);
            (self.random)(&mut tag.0);
            let Carried { stream, user, client_id, created_at, change, .. } = row;
            rows.push(LogRow { stream, pos: *pos, tag, hash, user, client_id, created_at, change });
        }
        // Under the times that production gave them.
        insert(&rows, rows.iter().map(|row| row.created_at.to_string()).collect())?
            .execute(&mut *self.transaction.transaction)
            .await?;
        self.transaction.advance(&rows).await?;
        self.transaction.put_heads(&heads).await
    }

    async fn keep(&mut self, unread: &[(Row, Unread)]) -> Result<(), LogError> {
        let insert = "INSERT INTO sync_unread (id, user_id, reason, content)
          SELECT kept.id, kept.content::jsonb ->> 'user_id', kept.reason, kept.content
          FROM unnest($1::text[], $2::text[], $3::text[]) AS kept (id, reason, content)";
        let query = sqlx::query(insert)
            .bind(unread.iter().map(|(row, _)| row.id.clone()).collect::<Vec<_>>())
            .bind(unread.iter().map(|(_, reason)| reason.to_string()).collect::<Vec<_>>())
            .bind(unread.iter().map(|(row, _)| row.content.clone()).collect::<Vec<_>>());
        query.execute(&mut *self.transaction.transaction).await?;
        Ok(())
    }
}

fn key_of(row: &Carried) -> RecordKey {
    let collection = Collection { app: row.change.app.clone(), table: row.change.table.clone() };
    RecordKey { stream: row.stream.clone(), collection, id: row.change.id.clone() }
}

/// The head after a row, by the rule of pushes. Production let everybody write everything, so what that rule refuses is in the
/// log all the same, and has no say about who sees the record. An author's own word has, in whatever kind of change.
fn head_after(head: Option<&Head>, row: &Carried, hash: ContentHash) -> Result<Head, LogError> {
    let mut change = row.change.clone();
    if row.visibility.is_some() && head.is_some_and(|head| head.author.as_ref() == Some(&row.user)) {
        change.op = Op::Insert;
    }
    let admitted = Admitted { change, stream: row.stream.clone(), hash };
    match (next_head(head, &admitted, &row.user), head) {
        (Ok((head, _)), _) => Ok(head),
        (Err(_), Some(head)) => Ok(head.clone()),
        (Err(refusal), None) => Err(LogError::Failed(refusal.message)),
    }
}

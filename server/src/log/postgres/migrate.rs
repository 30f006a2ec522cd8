//! Making and upgrading the tables of the log, with the grants and the row security over them.

use super::production::{carry_over, people, set_aside};
use super::{CarriedOver, LAYOUT, Owners, options};
use crate::log::{Epoch, LogError, Randomness};
use mana_sync_engine::model::UserId;
use sqlx::postgres::PgPoolOptions;
use sqlx::{ConnectOptions as _, PgConnection, Postgres, Transaction};
use std::future::Ready;

/// The roles that the server and the compactor act as; the roles they sign in with are members of these.
const ROLES: [&str; 2] = ["mana_sync_server", "mana_sync_compactor"];

/// Who says which spaces of the production table are personal.
pub enum Spaces<F> {
    /// Nobody: all of them are shared.
    AllShared,
    /// Asked for the personal spaces of these people.
    Known(F),
    /// Nobody knows: a production table with rows in spaces is left alone.
    Unknown,
}

/// Brings the database at `url` to the layout of this version, in one transaction: tables, views, functions, grants and
/// policies. The role of the URL owns them from then on. Run again it changes nothing but what somebody else changed.
///
/// A production table without spaces is carried over; for one with spaces see [`migrate_with`].
pub async fn migrate(url: &str, random: &Randomness) -> Result<CarriedOver, LogError> {
    migrate_with(url, random, Spaces::<fn(Vec<UserId>) -> Ready<Result<Owners, String>>>::Unknown).await
}

/// The same; `spaces` says which spaces of a production table are personal.
pub async fn migrate_with<F: AsyncFn(Vec<UserId>) -> Result<Owners, String>>(
    url: &str,
    random: &Randomness,
    spaces: Spaces<F>,
) -> Result<CarriedOver, LogError> {
    // Statements over a whole table take their time, which is nothing to warn of.
    let options = options(url)?.disable_statement_logging();
    let pool = PgPoolOptions::new().max_connections(1).connect_with(options).await?;
    let mut transaction = pool.begin().await?;
    // One migration at a time, and no notices of what is there already. Functions that run with their owner's rights remember
    // the path: nobody's temporary table is taken for one of the log's.
    sqlx::raw_sql(
        "SET LOCAL client_min_messages = warning; SELECT pg_advisory_xact_lock(4961638157);
         SELECT set_config('search_path', format('%I, pg_temp', current_schema()), true)",
    )
    .execute(&mut *transaction)
    .await?;
    check(&mut transaction).await?;
    let to_carry = set_aside(&mut transaction).await?;
    sqlx::raw_sql(include_str!("schema.sql")).execute(&mut *transaction).await?;
    // In the order in which the server reads and writes them, so that neither waits for the other for ever; where somebody
    // holds them for long, it is the migration that gives up, and not everybody behind it that waits.
    let lock = "SET LOCAL lock_timeout = '10s';
      LOCK TABLE streams, sync_changes, sync_records, sync_withheld, log_epoch, sync_members, own_spaces IN ACCESS EXCLUSIVE MODE";
    sqlx::raw_sql(lock).execute(&mut *transaction).await?;
    let mut carried = CarriedOver::default();
    if to_carry {
        let owners = owners(&mut transaction, spaces).await?;
        (transaction, carried) = carry_over(transaction, &owners, random).await?;
    }
    sqlx::raw_sql(include_str!("policies.sql")).execute(&mut *transaction).await?;
    sqlx::raw_sql(include_str!("own_spaces.sql")).execute(&mut *transaction).await?;
    sqlx::raw_sql(include_str!("rules.sql")).execute(&mut *transaction).await?;
    sqlx::raw_sql(include_str!("services.sql")).execute(&mut *transaction).await?;
    sqlx::raw_sql(include_str!("usage.sql")).execute(&mut *transaction).await?;
    sqlx::raw_sql(include_str!("rights.sql")).execute(&mut *transaction).await?;
    name_epoch(&mut transaction, random).await?;
    transaction.commit().await?;
    pool.close().await;
    Ok(carried)
}

async fn owners<F: AsyncFn(Vec<UserId>) -> Result<Owners, String>>(
    transaction: &mut Transaction<'_, Postgres>,
    spaces: Spaces<F>,
) -> Result<Owners, LogError> {
    let (people, in_spaces) = people(transaction).await?;
    match spaces {
        Spaces::Known(ask) => ask(people).await.map_err(LogError::Failed),
        Spaces::Unknown if in_spaces => Err(LogError::Failed(
            "rows of production lie in spaces, and which of them are personal is not known: set MANA_AUTH_URL and \
             MANA_SERVICE_KEY, or say --all-spaces-shared"
                .into(),
        )),
        Spaces::Unknown | Spaces::AllShared => Ok(Owners::new()),
    }
}

/// Nobody else may add functions where those of the log are looked up: they would be run with their owner's rights.
pub(super) async fn check_schema(connection: &mut PgConnection) -> Result<(), LogError> {
    let query = "SELECT current_schema()::text,
        has_schema_privilege('public', current_schema()::text, 'CREATE') OR EXISTS (
          SELECT FROM pg_roles WHERE rolname IN ('mana_sync_server', 'mana_sync_service', 'mana_sync_compactor')
            AND has_schema_privilege(oid, current_schema()::text, 'CREATE'))";
    let (schema, is_open): (String, bool) = sqlx::query_as(query).fetch_one(connection).await?;
    if !is_open {
        return Ok(());
    }
    Err(LogError::Failed(format!(
        "others may create functions in the schema {schema}, which would be run with the rights of the tables' owner: as an \
         administrator run REVOKE CREATE ON SCHEMA {schema} FROM PUBLIC, mana_sync_server, mana_sync_service, mana_sync_compactor"
    )))
}

/// What has to be so before anything is changed.
async fn check(transaction: &mut Transaction<'_, Postgres>) -> Result<(), LogError> {
    let encoding: String = sqlx::query_scalar("SHOW server_encoding").fetch_one(&mut **transaction).await?;
    if encoding != "UTF8" {
        return Err(LogError::Failed(format!("the database's encoding is {encoding}: make one with ENCODING 'UTF8'")));
    }
    let there: Vec<String> = sqlx::query_scalar("SELECT rolname::text FROM pg_roles WHERE rolname = ANY ($1)")
        .bind(ROLES.map(str::to_owned).to_vec())
        .fetch_all(&mut **transaction)
        .await?;
    if let Some(missing) = ROLES.iter().find(|role| !there.iter().any(|name| name == *role)) {
        let message = format!("the role {missing} is missing: as an administrator run CREATE ROLE {missing} NOLOGIN");
        return Err(LogError::Failed(message));
    }
    check_owner(transaction).await?;
    check_schema(transaction).await?;
    let known: bool =
        sqlx::query_scalar("SELECT to_regclass('log_epoch') IS NOT NULL").fetch_one(&mut **transaction).await?;
    if known {
        let newest: Option<i32> =
            sqlx::query_scalar("SELECT max(layout) FROM log_epoch").fetch_one(&mut **transaction).await?;
        if newest.is_some_and(|layout| layout > LAYOUT) {
            return Err(LogError::Failed("the database was written by a newer version of mana-sync".into()));
        }
    }
    Ok(())
}

/// What is there belongs to the role that migrates. The views read with their owner's rights, which the owner's policy
/// limits: with two owners they would read nothing.
async fn check_owner(transaction: &mut Transaction<'_, Postgres>) -> Result<(), LogError> {
    let other: Option<(String, String)> = sqlx::query_as(concat!(
        "SELECT c.relname::text, c.relowner::regrole::text
         FROM unnest(ARRAY[",
        tables!(),
        ", 'sync_tags', 'sync_events']) AS asked (name)
         JOIN pg_class AS c ON c.oid = to_regclass(asked.name)
         WHERE c.relowner <> current_user::regrole LIMIT 1",
    ))
    .fetch_optional(&mut **transaction)
    .await?;
    other.map_or(Ok(()), |(name, owner)| {
        Err(LogError::Failed(format!(
            "{name} belongs to {owner}: migrate as that role, or give all tables and views of the log to the one that migrates \
             (ALTER TABLE {name} OWNER TO …)"
        )))
    })
}

/// A new log gets a random epoch, an old one keeps its own.
async fn name_epoch(transaction: &mut Transaction<'_, Postgres>, random: &Randomness) -> Result<(), LogError> {
    let mut fresh = Epoch([0; 16]);
    random(&mut fresh.0);
    let insert = "INSERT INTO log_epoch (one, epoch, layout) VALUES (1, $1, $2)
      ON CONFLICT (one) DO UPDATE SET layout = excluded.layout";
    sqlx::query(insert).bind(fresh.to_string()).bind(LAYOUT).execute(&mut **transaction).await?;
    Ok(())
}

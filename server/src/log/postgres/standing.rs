//! Whether row security holds the role that the server signed in as. It is asked before anything is served.

use super::LAYOUT;
use super::migrate::check_schema;
use crate::log::LogError;
use sqlx::{PgPool, Row};

/// Roles that are above row security, or could make themselves so. Who is a member of one may become it.
const ABOVE: &str = "SELECT r.rolname::text FROM pg_roles AS r
  WHERE (r.rolsuper OR r.rolbypassrls OR r.rolcreaterole OR r.rolreplication
      OR r.rolname IN ('pg_execute_server_program', 'pg_read_server_files', 'pg_write_server_files'))
    AND (pg_has_role(session_user, r.oid, 'MEMBER') OR pg_has_role(current_user, r.oid, 'MEMBER'))
  ORDER BY r.rolname LIMIT 1";

/// Policies that let somebody see or write more than this version's do.
const FOREIGN: &str = concat!(
    "SELECT p.polname::text, p.polrelid::regclass::text FROM pg_policy AS p
  WHERE p.polpermissive AND p.polrelid IN (
      SELECT to_regclass(name) FROM unnest(ARRAY[",
    tables!(),
    "]) AS asked (name))
    AND p.polname NOT IN ('server_reads', 'server_writes', 'server_advances', 'server_changes', 'server_counts', 'owner_looks',
      'owner_counts', 'owner_keeps', 'owner_moves', 'epoch_is_known', 'owner_names_it', 'compactor_works')
  ORDER BY 2, 1 LIMIT 1"
);

/// Functions that anybody could run with the rights of the tables' owner, say as a trigger of their own.
const OPEN_TO_ALL: &str = "SELECT p.oid::regprocedure::text FROM pg_proc AS p
  WHERE p.prosecdef AND p.proowner = (SELECT relowner FROM pg_class WHERE oid = 'sync_changes'::regclass)
    AND has_function_privilege('public', p.oid, 'EXECUTE') LIMIT 1";

/// The compactor's policies show it everything.
const COMPACTOR: &str = "SELECT coalesce(bool_or(pg_has_role(current_user, oid, 'MEMBER')
    OR pg_has_role(session_user, oid, 'MEMBER')), false) FROM pg_roles
  WHERE rolname = 'mana_sync_compactor'";

/// Each table: whether it is there, forces row security, and belongs to the role. An owner could lift it.
const TABLES: &str = concat!(
    "SELECT asked.name, c.oid IS NOT NULL, coalesce(c.relrowsecurity AND c.relforcerowsecurity, false),
    coalesce(pg_has_role(current_user, c.relowner, 'MEMBER') OR pg_has_role(session_user, c.relowner, 'MEMBER'), false)
  FROM unnest(ARRAY[",
    tables!(),
    "])
    WITH ORDINALITY AS asked (name, place)
  LEFT JOIN pg_class AS c ON c.oid = to_regclass(asked.name) ORDER BY asked.place"
);

/// Fails with what is wrong and what to do.
pub(super) async fn check(pool: &PgPool) -> Result<(), LogError> {
    if let Some(role) = sqlx::query_scalar::<_, String>(ABOVE).fetch_optional(pool).await? {
        return Err(LogError::Failed(format!(
            "row security does not hold the role '{role}', which is a superuser, has BYPASSRLS, CREATEROLE or REPLICATION, or \
             reaches the machine: sign in as a member of mana_sync_server that is and has none of that"
        )));
    }
    for row in sqlx::query(TABLES).fetch_all(pool).await? {
        check_table(row.try_get(0)?, (row.try_get(1)?, row.try_get(2)?, row.try_get(3)?))?;
    }
    if let Some(row) = sqlx::query(FOREIGN).fetch_optional(pool).await? {
        let (policy, table): (String, String) = (row.try_get(0)?, row.try_get(1)?);
        let message =
            format!("the table {table} has a policy {policy} that is not of this version: run mana-sync migrate");
        return Err(LogError::Failed(message));
    }
    check_schema(&mut *pool.acquire().await?).await?;
    if let Some(function) = sqlx::query_scalar::<_, String>(OPEN_TO_ALL).fetch_optional(pool).await? {
        let message = format!("everybody may run {function} with its owner's rights: run mana-sync migrate");
        return Err(LogError::Failed(message));
    }
    if sqlx::query_scalar(COMPACTOR).fetch_one(pool).await? {
        let message = "the server's role is a member of mana_sync_compactor and would see everything: revoke that";
        return Err(LogError::Failed(message.into()));
    }
    let layout: i32 = sqlx::query_scalar("SELECT layout FROM log_epoch").fetch_one(pool).await?;
    if layout == LAYOUT {
        return Ok(());
    }
    let message = format!("the tables have layout {layout}, this version knows {LAYOUT}: run its mana-sync migrate");
    Err(LogError::Failed(message))
}

fn check_table(table: &str, (is_there, is_forced, is_owned): (bool, bool, bool)) -> Result<(), LogError> {
    let problem = if !is_there {
        "is missing: run mana-sync migrate with the owner's URL"
    } else if is_owned {
        "is owned by the server's role, which could lift row security: sign in as another one"
    } else if !is_forced {
        "does not force row security: run mana-sync migrate with the owner's URL"
    } else {
        return Ok(());
    };
    Err(LogError::Failed(format!("the table {table} {problem}")))
}

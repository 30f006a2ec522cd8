//! A small world that attacks are tried in, and statements as the server's role runs them.

use crate::postgres::Database;
use mana_sync::log::SyncLog;
use mana_sync::log::contract::fixtures::{accept, edited, insert, own, person, sync_log, update, with};
use mana_sync::log::postgres::PostgresLog;
use serde_json::{Value, json};
use sqlx::error::DatabaseError;
use sqlx::{PgPool, Postgres, Row as _, Transaction};
use std::borrow::Cow;

/// Spaces as a setting has them.
pub const FAMILY: &str = r#"["family"]"#;
pub const NOTHING: &str = "[]";

/// Ada and bob in the family, ada and carl in the club; shared, private, hidden and own records.
pub async fn world() -> (Database, SyncLog<PostgresLog>) {
    let database = Database::migrated().await;
    let log = sync_log(database.log().await, 1);
    let private = |change: Value| with(change, &[("visibility", json!("private"))]);
    let in_club = |n: u64| with(insert(n, "club"), &[("spaceId", json!("club")), ("data", json!({ "n": n }))]);
    let ada = person("ada", &["family:family:member", "club:club:member"]);
    let bob = person("bob", &["family:family:member"]);
    accept(&log, &ada, &[insert(1, "shared"), private(insert(2, "secret")), insert(3, "turned"), own(4, "own")]).await;
    accept(&log, &ada, &[edited(private(insert(5, "turned")), "visibility", "private", 1), in_club(6)]).await;
    accept(&log, &bob, &[update(7, "shared"), private(insert(8, "bobs")), own(9, "own"), private(own(10, "diary"))])
        .await;
    accept(&log, &person("carl", &["club:club:member"]), &[with(in_club(11), &[("id", json!("carls"))])]).await;
    (database, log)
}

/// A transaction of the server's own pool, with these settings.
pub async fn acting(pool: &PgPool, (user, readable, writable): (&str, &str, &str)) -> Transaction<'static, Postgres> {
    let mut transaction = pool.begin().await.expect("a transaction");
    sqlx::query(
        "SELECT set_config('app.current_user_id', $1, true), set_config('app.current_user_space_ids', $2, true),
           set_config('app.current_user_writable_space_ids', $3, true)",
    )
    .bind(user)
    .bind(readable)
    .bind(writable)
    .execute(&mut *transaction)
    .await
    .expect("settings");
    transaction
}

/// What a statement gives, each row as its columns of text; or the code of the error.
pub async fn ask(transaction: &mut Transaction<'_, Postgres>, statement: &'static str) -> Result<Vec<String>, String> {
    let rows = sqlx::query(statement).fetch_all(&mut **transaction).await.map_err(|error| code(&error))?;
    let columns = |row: &sqlx::postgres::PgRow| {
        let texts: Vec<String> =
            (0..row.len()).map(|at| row.get::<Option<String>, _>(at).unwrap_or_default()).collect();
        texts.join(" ")
    };
    Ok(rows.iter().map(columns).collect())
}

/// The code that PostgreSQL gives an error.
pub fn code(error: &sqlx::Error) -> String {
    error.as_database_error().and_then(DatabaseError::code).map_or_else(|| error.to_string(), Cow::into_owned)
}

//! A server that row security would not hold does not start.

use crate::postgres::{Database, MIGRATOR, SERVER, SUPERUSER};
use mana_sync::log::postgres::PostgresLog;

async fn refusal(database: &Database, role: &str) -> String {
    match PostgresLog::open(&database.url(role).await).await {
        Ok(_) => format!("{role} is let in"),
        Err(error) => error.to_string(),
    }
}

#[tokio::test]
async fn superusers_and_roles_that_bypass_row_security_are_refused() {
    let database = Database::migrated().await;
    database
        .run(
            "CREATE ROLE bypasses LOGIN BYPASSRLS IN ROLE mana_sync_server;
             CREATE ROLE becomes LOGIN IN ROLE mana_sync_server, bypasses;
             CREATE ROLE becomes_admin LOGIN NOINHERIT IN ROLE mana_sync_server, admin;",
        )
        .await;
    for role in [SUPERUSER, "bypasses", "becomes", "becomes_admin"] {
        let refused = refusal(&database, role).await;
        assert!(refused.contains("is a superuser or has BYPASSRLS"), "{role}: {refused}");
    }
    assert!(PostgresLog::open(&database.url(SERVER).await).await.is_ok());
}

#[tokio::test]
async fn owners_and_compactors_are_refused() {
    let database = Database::migrated().await;
    database.run("CREATE ROLE compacts LOGIN IN ROLE mana_sync_server, mana_sync_compactor").await;
    let refused = refusal(&database, MIGRATOR).await;
    assert!(refused.contains("sync_changes is owned by"), "{refused}");
    let refused = refusal(&database, "compacts").await;
    assert!(refused.contains("mana_sync_compactor"), "{refused}");
    for table in ["sync_changes", "streams", "sync_records", "log_epoch"] {
        let database = Database::migrated().await;
        database.run(&format!("ALTER TABLE {table} OWNER TO server")).await;
        let refused = refusal(&database, SERVER).await;
        assert!(refused.contains(&format!("{table} is owned by")), "{refused}");
    }
}

#[tokio::test]
async fn an_owner_that_begins_as_the_server_is_refused() {
    let database = Database::migrated().await;
    database
        .run(
            "CREATE ROLE keeps LOGIN IN ROLE mana_sync_server;
             ALTER ROLE keeps SET role = 'mana_sync_server';
             ALTER TABLE streams OWNER TO keeps;",
        )
        .await;
    let refused = refusal(&database, "keeps").await;
    assert!(refused.contains("streams is owned by"), "it can become itself again: {refused}");
}

#[tokio::test]
async fn a_table_without_forced_row_security_is_refused_whoever_owns_it() {
    for table in ["sync_changes", "streams", "sync_records", "log_epoch"] {
        for lifted in ["NO FORCE", "DISABLE"] {
            let database = Database::migrated().await;
            database.run(&format!("ALTER TABLE {table} {lifted} ROW LEVEL SECURITY")).await;
            let refused = refusal(&database, SERVER).await;
            assert!(refused.contains(&format!("{table} does not force row security")), "{lifted}: {refused}");
            database.run(&format!("ALTER TABLE {table} OWNER TO server")).await;
            assert!(refusal(&database, SERVER).await.contains("row security"), "nor as its owner");
        }
    }
}

#[tokio::test]
async fn tables_that_are_missing_or_of_another_version_are_refused() {
    let empty = Database::empty().await;
    assert!(refusal(&empty, SERVER).await.contains("run mana-sync migrate"));
    let database = Database::migrated().await;
    database.run("UPDATE log_epoch SET layout = 99").await;
    assert!(refusal(&database, SERVER).await.contains("layout 99"));
}

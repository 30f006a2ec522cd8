//! A server that row security would not hold does not start.

use crate::postgres::{Database, MIGRATOR, SERVER, SUPERUSER, randomness};
use mana_sync::log::contract::fixtures::{accept, own, person, sync_log};
use mana_sync::log::postgres::{PostgresLog, migrate};

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
             CREATE ROLE appoints LOGIN CREATEROLE IN ROLE mana_sync_server;
             CREATE ROLE copies LOGIN REPLICATION IN ROLE mana_sync_server;
             CREATE ROLE runs LOGIN IN ROLE mana_sync_server, pg_execute_server_program;
             CREATE ROLE becomes_admin LOGIN NOINHERIT IN ROLE mana_sync_server, admin;",
        )
        .await;
    for role in [SUPERUSER, "bypasses", "becomes", "becomes_admin", "appoints", "copies", "runs"] {
        let refused = refusal(&database, role).await;
        assert!(refused.contains("row security does not hold the role"), "{role}: {refused}");
    }
    assert!(PostgresLog::open(&database.url(SERVER).await).await.is_ok());
}

#[tokio::test]
async fn a_policy_that_somebody_added_is_refused_until_it_is_taken_back() {
    for table in ["sync_changes", "streams", "sync_records", "log_epoch", "sync_usage"] {
        let database = Database::migrated().await;
        database.run(&format!("CREATE POLICY everybody ON {table} USING (true)")).await;
        let refused = refusal(&database, SERVER).await;
        assert!(refused.contains(&format!("{table} has a policy everybody")), "{refused}");
        migrate(&database.url(MIGRATOR).await, &randomness()).await.expect("a migration");
        assert!(PostgresLog::open(&database.url(SERVER).await).await.is_ok());
    }
}

#[tokio::test]
async fn what_is_acknowledged_waits_for_the_disk_whatever_the_database_is_set_to() {
    let database = Database::migrated().await;
    database
        .run(
            "CREATE TABLE noted (setting text);
             CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS
               $$ BEGIN INSERT INTO noted VALUES (current_setting('synchronous_commit')); RETURN NEW; END $$;
             CREATE TRIGGER note AFTER INSERT ON sync_changes FOR EACH ROW EXECUTE FUNCTION note();",
        )
        .await;
    let name = database.name();
    for (n, set, wanted) in [(1, "off", "on"), (2, "local", "local"), (3, "remote_apply", "remote_apply")] {
        database.run(&format!("ALTER DATABASE {name} SET synchronous_commit = {set}; DELETE FROM noted")).await;
        let log = sync_log(database.log().await, 1);
        accept(&log, &person("ada", &[]), &[own(n, set)]).await;
        assert_eq!(database.text("SELECT string_agg(setting, ',') FROM noted").await, wanted);
    }
}

#[tokio::test]
async fn owners_and_compactors_are_refused() {
    let database = Database::migrated().await;
    database.run("CREATE ROLE compacts LOGIN IN ROLE mana_sync_server, mana_sync_compactor").await;
    let refused = refusal(&database, MIGRATOR).await;
    assert!(refused.contains("sync_changes is owned by"), "{refused}");
    let refused = refusal(&database, "compacts").await;
    assert!(refused.contains("mana_sync_compactor"), "{refused}");
    for table in ["sync_changes", "streams", "sync_records", "log_epoch", "sync_usage"] {
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
    for table in ["sync_changes", "streams", "sync_records", "log_epoch", "sync_usage"] {
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

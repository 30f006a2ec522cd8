//! A server that row security would not hold does not start.

use crate::postgres::{Database, MIGRATOR, SERVER, SERVICE, SUPERUSER, randomness};
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
async fn where_others_may_add_functions_nothing_is_served_or_migrated() {
    let database = Database::migrated().await;
    database.run("GRANT CREATE ON SCHEMA public TO mana_sync_server").await;
    let refused = refusal(&database, SERVER).await;
    assert!(refused.contains("REVOKE CREATE ON SCHEMA public"), "{refused}");
    database.run("REVOKE CREATE ON SCHEMA public FROM mana_sync_server; GRANT CREATE ON SCHEMA public TO PUBLIC").await;
    let refused = migrate(&database.url(MIGRATOR).await, &randomness()).await.expect_err("refused").to_string();
    assert!(refused.contains("REVOKE CREATE ON SCHEMA public"), "{refused}");
}

#[tokio::test]
async fn nobody_runs_what_has_its_owners_rights() {
    let database = Database::migrated().await;
    let open = "SELECT coalesce(string_agg(oid::regprocedure::text, ' '), '') FROM pg_proc
      WHERE starts_with(proname, 'sync_') AND has_function_privilege('public', oid, 'EXECUTE')";
    assert_eq!(database.text(open).await, "");
    // As the trigger of a table of somebody's own it would run their types' code with these rights.
    let make = "CREATE TEMP TABLE t (LIKE sync_changes); ALTER TABLE t ALTER stream DROP NOT NULL;
      CREATE TRIGGER x BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION sync_complete()";
    for role in [SERVER, SERVICE] {
        let pool = sqlx::PgPool::connect(&database.url(role).await).await.expect("a connection");
        let refused = sqlx::raw_sql(make).execute(&pool).await.expect_err("refused").to_string();
        assert!(refused.contains("permission denied for function sync_complete"), "{refused}");
    }
    database.run("GRANT EXECUTE ON FUNCTION sync_complete() TO PUBLIC").await;
    let refused = refusal(&database, SERVER).await;
    assert!(refused.contains("sync_complete"), "{refused}");
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

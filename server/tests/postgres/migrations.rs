//! `mana-sync migrate`: makes, repairs, and leaves newer things alone.

use crate::postgres::{Database, MIGRATOR, SERVER, SUPERUSER, randomness};
use mana_sync::log::ChangeLog as _;
use mana_sync::log::contract::fixtures::{accept, ids, insert, member, read_all, sync_log};
use mana_sync::log::postgres::{PostgresLog, migrate};
use std::process::Command;

async fn again(database: &Database) {
    migrate(&database.url(MIGRATOR).await, &randomness()).await.expect("a migration");
}

#[tokio::test]
async fn a_second_migration_keeps_the_log_and_its_epoch() {
    let database = Database::migrated().await;
    let log = sync_log(database.log().await, 1);
    accept(&log, &member("ada"), &[insert(1, "t1")]).await;
    let epoch = log.store().epoch();
    again(&database).await;
    again(&database).await;
    let log = sync_log(database.log().await, 2);
    assert_eq!(log.store().epoch(), epoch);
    assert_eq!(ids(&read_all(&log, &member("bob")).await), ["t1"]);
}

#[tokio::test]
async fn two_migrations_at_once_make_one_database() {
    let database = Database::empty().await;
    let url = database.url(MIGRATOR).await;
    let random = randomness();
    let (first, second) = tokio::join!(migrate(&url, &random), migrate(&url, &random));
    assert!(first.is_ok() && second.is_ok(), "{first:?} {second:?}");
    assert!(PostgresLog::open(&database.url(SERVER).await).await.is_ok());
}

#[tokio::test]
async fn a_migration_takes_back_what_somebody_loosened() {
    let database = Database::migrated().await;
    database
        .run(
            "CREATE POLICY all_see ON sync_changes TO PUBLIC USING (true);
             GRANT ALL ON sync_changes TO PUBLIC, mana_sync_server;
             ALTER TABLE streams NO FORCE ROW LEVEL SECURITY;",
        )
        .await;
    again(&database).await;
    let log = sync_log(database.log().await, 1);
    accept(&log, &member("ada"), &[insert(1, "t1")]).await;
    let pool = log.store().pool();
    let seen: i64 = sqlx::query_scalar("SELECT count(*) FROM sync_changes").fetch_one(pool).await.unwrap();
    assert_eq!(seen, 0);
    assert!(sqlx::query("DELETE FROM sync_changes").execute(pool).await.is_err());
}

#[tokio::test]
async fn a_database_of_a_newer_version_is_left_alone() {
    let database = Database::migrated().await;
    database.run("UPDATE log_epoch SET layout = 99; DROP POLICY server_reads ON sync_changes").await;
    let refused = migrate(&database.url(MIGRATOR).await, &randomness()).await.unwrap_err().to_string();
    assert!(refused.contains("newer version"), "{refused}");
    let log = "DO $$ BEGIN ASSERT (SELECT count(*) = 0 FROM pg_policies WHERE tablename = 'sync_changes'
        AND policyname = 'server_reads'); ASSERT (SELECT layout = 99 FROM log_epoch); END $$";
    database.run(log).await;
}

#[tokio::test]
async fn a_migration_that_fails_leaves_nothing() {
    let database = Database::empty().await;
    database.run("CREATE VIEW sync_events AS SELECT 1 AS other").await;
    assert!(migrate(&database.url(MIGRATOR).await, &randomness()).await.is_err());
    database.run("DO $$ BEGIN ASSERT to_regclass('sync_changes') IS NULL; END $$").await;
}

/// Runs a command of the program on a database; whether it succeeded and what it said.
fn command(name: &str, url: &str) -> (bool, String) {
    let mana_sync = Command::new(env!("CARGO_BIN_EXE_mana-sync")).arg(name).env("DATABASE_URL", url).output();
    let output = mana_sync.expect("the command runs");
    (output.status.success(), String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned())
}

#[tokio::test]
async fn the_commands_migrate_and_check_and_say_what_is_wrong_without_the_password() {
    let database = Database::empty().await;
    let (server, migrator) = (database.url(SERVER).await, database.url(MIGRATOR).await);
    let (checked, said) = command("check-rls", &server);
    assert!(!checked && said.contains("run mana-sync migrate"), "{said}");
    let (done, said) = command("migrate", &migrator);
    assert!(done, "{said}");
    assert!(PostgresLog::open(&server).await.is_ok());
    let (checked, said) = command("check-rls", &server);
    assert!(checked, "{said}");
    let (checked, said) = command("check-rls", &migrator);
    assert!(!checked && said.contains("row security"), "{said}");
    for url in ["sqlite://x.db", "postgres://ada:se-cret@127.0.0.1:1/nowhere", "postgres://ada:se-cret@[/x"] {
        for name in ["migrate", "check-rls"] {
            let (done, said) = command(name, url);
            assert!(!done && said.contains("mana-sync: ") && !said.contains("se-cret"), "{said}");
        }
    }
}

#[tokio::test]
async fn another_role_than_the_owner_does_not_migrate() {
    let database = Database::migrated().await;
    let refused = migrate(&database.url(SUPERUSER).await, &randomness()).await.unwrap_err().to_string();
    assert!(refused.contains("belongs to"), "{refused}");
    let log = sync_log(database.log().await, 1);
    accept(&log, &member("ada"), &[insert(1, "t1")]).await;
    assert_eq!(ids(&read_all(&log, &member("bob")).await), ["t1"], "and nothing was changed");
}

#[tokio::test]
async fn what_an_older_version_stored_is_counted_for_whoever_wrote_it() {
    let database = Database::migrated().await;
    let log = sync_log(database.log().await, 1);
    accept(&log, &member("ada"), &[insert(1, "t1"), insert(2, "t2")]).await;
    accept(&log, &member("bob"), &[insert(3, "t3")]).await;
    let counted = "SELECT string_agg(user_id || ' ' || bytes, ', ' ORDER BY user_id) FROM sync_usage";
    let before = database.text(counted).await;
    assert!(before.starts_with("ada ") && before.contains(", bob "), "{before}");
    database.run("DROP TABLE sync_usage; UPDATE log_epoch SET layout = 1").await;
    assert!(PostgresLog::open(&database.url(SERVER).await).await.is_err(), "it has to be migrated first");
    again(&database).await;
    assert_eq!(database.text(counted).await, before);
    accept(&sync_log(database.log().await, 2), &member("ada"), &[insert(4, "t4")]).await;
    let forced = "SELECT bool_and(relforcerowsecurity)::text FROM pg_class
      WHERE relname IN ('sync_changes', 'streams', 'sync_records', 'log_epoch', 'sync_usage')";
    assert_eq!(database.text(forced).await, "true");
}

//! Every store of the change log passes the contract.

#[path = "support/postgres.rs"]
mod postgres;

use mana_sync::log::contract::fixtures::randomness;
use mana_sync::log::memory::MemoryLog;
use mana_sync::log::sqlite::{Database, SqliteLog};
use mana_sync::log::{Epoch, LogError};
use mana_sync::{by_time_contract, change_log_contract};

mod in_memory {
    use super::{Epoch, MemoryLog, change_log_contract};

    #[expect(clippy::unused_async, reason = "stores are opened by an async function")]
    async fn open() -> ((), MemoryLog) {
        ((), MemoryLog::new(Epoch([1; 16])))
    }

    change_log_contract!(open);
}

mod in_sqlite {
    use super::{Database, SqliteLog, by_time_contract, change_log_contract, randomness};

    async fn open() -> (tempfile::TempDir, SqliteLog) {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let url = format!("sqlite://{}", folder.path().join("log.db").display());
        let database = Database::open(&url).await.expect("a database");
        let log = SqliteLog::open(database, &randomness(1)).await.expect("a log");
        (folder, log)
    }

    change_log_contract!(open);
    by_time_contract!(open);
}

mod in_postgres {
    use super::{by_time_contract, change_log_contract, postgres::Database};
    use mana_sync::log::postgres::PostgresLog;

    /// As the server's role, which here may set horizons, too: of the roles only the compactor does so.
    async fn open() -> (Database, PostgresLog) {
        let database = Database::migrated().await;
        database.run("GRANT UPDATE (horizon) ON streams TO mana_sync_server").await;
        let log = database.log().await;
        (database, log)
    }

    change_log_contract!(open);
    by_time_contract!(open);
}

#[tokio::test]
async fn a_database_of_a_newer_version_is_left_alone() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let url = format!("sqlite://{}", folder.path().join("log.db").display());
    let database = Database::open(&url).await.expect("a database");
    run(&database, "PRAGMA user_version = 99").await;
    database.close().await;
    assert!(matches!(Database::open(&url).await, Err(LogError::Failed(_))));
}

#[tokio::test]
async fn what_an_older_version_stored_in_sqlite_is_counted() {
    use mana_sync::log::contract::fixtures::{accept, insert, member, sync_log};
    let folder = tempfile::tempdir().expect("a temporary folder");
    let url = format!("sqlite://{}", folder.path().join("log.db").display());
    let database = Database::open(&url).await.expect("a database");
    let log = SqliteLog::open(database.clone(), &randomness(1)).await.expect("a log");
    accept(&sync_log(log, 1), &member("ada"), &[insert(1, "t1"), insert(2, "t2")]).await;
    let counted = async |database: &Database| {
        let query = sqlx::query_as::<_, (String, i64)>("SELECT user_id, bytes FROM sync_usage");
        query.fetch_all(&database.readers).await.expect("the counts")
    };
    let before = counted(&database).await;
    assert_eq!(before.len(), 1);
    run(&database, "DROP TABLE sync_usage; PRAGMA user_version = 1").await;
    database.close().await;
    for _ in 0..2 {
        let database = Database::open(&url).await.expect("a database");
        assert_eq!(counted(&database).await, before);
        database.close().await;
    }
}

/// Changes a database beside its server.
async fn run(database: &Database, script: &'static str) {
    let mut turn = database.writer.turn().await.expect("a turn");
    sqlx::raw_sql(script).execute(&mut *turn).await.expect("it runs");
    turn.commit().await.expect("it is kept");
}

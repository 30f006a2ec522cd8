//! The change log in an SQLite file: one writer, many readers, durable at commit.
//!
//! Write-ahead logging lets readers keep their moment while the writer goes on; `synchronous = FULL` makes a commit
//! survive a power cut. One connection writes, so a turn at it holds every stream by itself.

mod by_time;
mod erase;
mod own_space;
mod read;
mod write;
mod writer;

use super::columns::bytes;
use super::{Caller, ChangeLog, Epoch, LogError, Randomness, sql};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{ConnectOptions as _, SqlitePool};
use std::str::FromStr;
use std::time::Duration;

pub use read::SqliteSnapshot;
pub use write::SqliteTransaction;
pub use writer::{Turn, Writer};

/// The newest layout this version knows, kept in `PRAGMA user_version`.
const LAYOUT: i64 = 2;
const READERS: u32 = 4;
/// How long a request waits for its turn, or a connection, before the server says that it is busy.
const PATIENCE: Duration = Duration::from_secs(10);

/// Brings an older file to this layout, or a new one: what is there is counted. One transaction.
const UPGRADE: &str = concat!(
    "BEGIN IMMEDIATE; DELETE FROM sync_usage; INSERT INTO sync_usage SELECT user_id, sum(",
    bytes!(),
    ") FROM sync_changes GROUP BY user_id; PRAGMA user_version = 2; COMMIT"
);

/// An open SQLite file, shared by everything that keeps data in it.
#[derive(Clone)]
pub struct Database {
    /// The one connection that writes.
    pub writer: Writer,
    /// Connections that only read.
    pub readers: SqlitePool,
}

impl Database {
    /// Opens `url` (`sqlite://path`), makes the file and its tables where they are missing.
    pub async fn open(url: &str) -> Result<Self, LogError> {
        let options = SqliteConnectOptions::from_str(url)
            .map_err(|e| LogError::Failed(format!("'{url}' is no SQLite URL: {e}")))?
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .busy_timeout(PATIENCE)
            // What is erased is written over.
            .pragma("secure_delete", "ON")
            // What a turn may have to undo is set aside: in memory, not in a file somewhere else.
            .pragma("temp_store", "MEMORY");
        let mut first = options.connect().await?;
        let layout: i64 = sqlx::query_scalar("PRAGMA user_version").fetch_one(&mut first).await?;
        if layout > LAYOUT {
            return Err(LogError::Failed(format!("{url} was written by a newer version of mana-sync")));
        }
        sqlx::raw_sql(include_str!("schema.sql")).execute(&mut first).await?;
        sqlx::raw_sql(if layout < LAYOUT { UPGRADE } else { "" }).execute(&mut first).await?;
        let readers = SqlitePoolOptions::new().max_connections(READERS).acquire_timeout(PATIENCE);
        let readers = readers.connect_with(options.clone().pragma("query_only", "ON")).await?;
        Ok(Self { writer: Writer::over(first, options), readers })
    }

    /// Closes all connections; the file is whole and may be copied afterwards.
    pub async fn close(&self) {
        self.readers.close().await;
        self.writer.close().await;
    }
}

/// The change log in a [`Database`].
#[derive(Clone)]
pub struct SqliteLog {
    database: Database,
    epoch: Epoch,
}

impl SqliteLog {
    /// The log in this database; a new one gets a random epoch.
    pub async fn open(database: Database, random: &Randomness) -> Result<Self, LogError> {
        let mut fresh = Epoch([0; 16]);
        random(&mut fresh.0);
        let insert = "INSERT INTO log_epoch (one, epoch) VALUES (1, ?) ON CONFLICT DO NOTHING";
        let mut turn = database.writer.turn().await?;
        sqlx::query(insert).bind(fresh.to_string()).execute(&mut *turn).await?;
        turn.commit().await?;
        let row = sqlx::query("SELECT epoch FROM log_epoch").fetch_one(&database.readers).await?;
        Ok(Self { database, epoch: sql::epoch(&row)? })
    }
}

impl SqliteLog {
    /// The connections that only read, for what is no part of the log.
    #[must_use]
    pub fn readers(&self) -> &SqlitePool {
        &self.database.readers
    }
}

impl ChangeLog for SqliteLog {
    type Snapshot = SqliteSnapshot;
    type Transaction = SqliteTransaction;

    fn epoch(&self) -> Epoch {
        self.epoch
    }

    async fn snapshot(&self, _: &Caller) -> Result<SqliteSnapshot, LogError> {
        SqliteSnapshot::begin(&self.database.readers).await
    }

    async fn transaction(&self, caller: &Caller) -> Result<SqliteTransaction, LogError> {
        SqliteTransaction::begin(&self.database.writer, caller).await
    }
}

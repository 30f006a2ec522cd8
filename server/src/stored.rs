//! The change log behind the server, in whichever database it was started with.

use crate::clock;
use crate::log::postgres::PostgresLog;
use crate::log::sqlite::{Database, SqliteLog};
use crate::log::{
    ByTime, Caller, DatedPage, LogError, News, Pull, PullError, PullPage, Push, PushOutcome, Since, SyncLog, Withheld,
};
use mana_sync_engine::model::AppId;
use std::collections::BTreeMap;

/// The rules over one of the stores that last.
pub enum StoredLog {
    /// In a file, for one server.
    Sqlite(SyncLog<SqliteLog>),
    /// In a database that several servers share.
    Postgres(SyncLog<PostgresLog>),
}

impl StoredLog {
    /// The log in this SQLite database.
    pub async fn in_sqlite(database: Database, max_schema: BTreeMap<AppId, u32>) -> Result<Self, LogError> {
        let log = SqliteLog::open(database, &clock::randomness()).await?;
        Ok(Self::Sqlite(SyncLog::new(log, clock::randomness(), max_schema)))
    }

    /// The log in the PostgreSQL database at `url`.
    pub async fn in_postgres(url: &str, max_schema: BTreeMap<AppId, u32>) -> Result<Self, LogError> {
        let log = PostgresLog::open(url).await?;
        Ok(Self::Postgres(SyncLog::new(log, clock::randomness(), max_schema)))
    }

    /// Takes a push into the log ([`SyncLog::push_and_tell`]).
    pub async fn push_and_tell(&self, push: Push, tell: impl FnOnce(&News)) -> Result<PushOutcome, LogError> {
        match self {
            Self::Sqlite(log) => log.push_and_tell(push, tell).await,
            Self::Postgres(log) => log.push_and_tell(push, tell).await,
        }
    }

    /// Reads one page ([`SyncLog::pull`]).
    pub async fn pull(&self, pull: &Pull) -> Result<PullPage, PullError> {
        match self {
            Self::Sqlite(log) => log.pull(pull).await,
            Self::Postgres(log) => log.pull(pull).await,
        }
    }

    /// Reads one page by time ([`ByTime::since`]).
    pub async fn since(&self, caller: &Caller, asked: &Since) -> Result<DatedPage, LogError> {
        match self {
            Self::Sqlite(log) => log.store().since(caller, asked).await,
            Self::Postgres(log) => log.store().since(caller, asked).await,
        }
    }

    /// Keeps changes that protocol 2 refuses ([`ByTime::withhold`]).
    pub async fn withhold(&self, caller: &Caller, changes: &[Withheld]) -> Result<(), LogError> {
        match self {
            Self::Sqlite(log) => log.store().withhold(caller, changes).await,
            Self::Postgres(log) => log.store().withhold(caller, changes).await,
        }
    }

    /// The newest schema version taken of an app, where there is a limit.
    #[must_use]
    pub fn newest_schema(&self, app: &AppId) -> Option<u32> {
        match self {
            Self::Sqlite(log) => log.newest_schema(app),
            Self::Postgres(log) => log.newest_schema(app),
        }
    }

    /// Asks the database for nothing.
    pub async fn ping(&self) -> Result<(), LogError> {
        match self {
            Self::Sqlite(log) => sqlx::query("SELECT 1").execute(log.store().readers()).await.map(drop)?,
            Self::Postgres(log) => sqlx::query("SELECT 1").execute(log.store().pool()).await.map(drop)?,
        }
        Ok(())
    }

    /// Closes the connections that are the log's own; an SQLite database belongs to whoever opened it.
    pub async fn close(&self) {
        match self {
            Self::Sqlite(_) => {}
            Self::Postgres(log) => log.store().close().await,
        }
    }
}

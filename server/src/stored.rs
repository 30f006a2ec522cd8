//! The change log behind the server, in whichever database it was started with.

use crate::clock;
use crate::log::erase::{self, Erasure};
use crate::log::postgres::{PostgresEraser, PostgresLog};
use crate::log::sqlite::{Database, SqliteLog};
use crate::log::{
    ByTime, Caller, ChangeLog, Check, Checked, DatedPage, LogError, News, Pull, PullError, PullPage, Push, PushOutcome,
    Since, SyncLog, Withheld,
};
use mana_sync_engine::model::{AppId, SpaceId};
use std::collections::BTreeMap;

/// What the log does not take.
#[derive(Debug, Clone)]
pub struct Limits {
    /// The newest schema version of an app; an app that is not named has no limit.
    pub max_schema: BTreeMap<AppId, u32>,
    /// The most bytes of one person's.
    pub quota: Option<u64>,
}

impl Limits {
    fn over<L: ChangeLog>(self, log: L) -> SyncLog<L> {
        SyncLog::new(log, clock::randomness(), self.max_schema).with_quota(self.quota)
    }
}

/// The rules over one of the stores that last.
pub enum StoredLog {
    /// In a file, for one server.
    Sqlite(SyncLog<SqliteLog>),
    /// In a database that several servers share.
    Postgres(SyncLog<PostgresLog>),
}

impl StoredLog {
    /// The log in this SQLite database.
    pub async fn in_sqlite(database: Database, limits: Limits) -> Result<Self, LogError> {
        let log = SqliteLog::open(database, &clock::randomness()).await?;
        Ok(Self::Sqlite(limits.over(log)))
    }

    /// The log in the PostgreSQL database at `url`.
    pub async fn in_postgres(url: &str, limits: Limits) -> Result<Self, LogError> {
        Ok(Self::Postgres(limits.over(PostgresLog::open(url).await?)))
    }

    /// Hears that the app calls a space the caller's own ([`SyncLog::hear_of_own_space`]).
    pub async fn hear_of_own_space(&self, caller: &Caller, named: &SpaceId) -> Result<(), LogError> {
        match self {
            Self::Sqlite(log) => log.hear_of_own_space(caller, named).await,
            Self::Postgres(log) => log.hear_of_own_space(caller, named).await,
        }
    }

    /// The caller, with the space that is kept as their own ([`SyncLog::knowing_own_space`]).
    async fn knowing_own_space(&self, caller: Caller) -> Result<Caller, LogError> {
        match self {
            Self::Sqlite(log) => log.knowing_own_space(caller).await,
            Self::Postgres(log) => log.knowing_own_space(caller).await,
        }
    }

    /// Takes a push into the log ([`SyncLog::push`]).
    pub async fn push(&self, mut push: Push) -> Result<PushOutcome, LogError> {
        push.caller = self.knowing_own_space(push.caller).await?;
        match self {
            Self::Sqlite(log) => log.push(push).await,
            Self::Postgres(log) => log.push(push).await,
        }
    }

    /// Reads one page ([`SyncLog::pull`]).
    pub async fn pull(&self, mut pull: Pull) -> Result<PullPage, PullError> {
        pull.caller = self.knowing_own_space(pull.caller).await?;
        match self {
            Self::Sqlite(log) => log.pull(&pull).await,
            Self::Postgres(log) => log.pull(&pull).await,
        }
    }

    /// Merges what somebody may read ([`SyncLog::check`]).
    pub async fn check(&self, mut check: Check) -> Result<Checked, PullError> {
        check.caller = self.knowing_own_space(check.caller).await?;
        match self {
            Self::Sqlite(log) => log.check(&check).await,
            Self::Postgres(log) => log.check(&check).await,
        }
    }

    /// Reads one page by time ([`ByTime::since`]).
    pub async fn since(&self, caller: Caller, asked: &Since) -> Result<DatedPage, LogError> {
        let caller = self.knowing_own_space(caller).await?;
        match self {
            Self::Sqlite(log) => log.store().since(&caller, asked).await,
            Self::Postgres(log) => log.store().since(&caller, asked).await,
        }
    }

    /// Keeps changes that protocol 2 refuses ([`ByTime::withhold`]).
    pub async fn withhold(&self, caller: &Caller, changes: &[Withheld]) -> Result<(), LogError> {
        match self {
            Self::Sqlite(log) => log.store().withhold(caller, changes, log.quota()).await,
            Self::Postgres(log) => log.store().withhold(caller, changes, log.quota()).await,
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

    /// Erases a person or a space ([`erase::erase`]); on PostgreSQL by `eraser`, without which nothing is done.
    pub async fn erase(
        &self,
        eraser: Option<&PostgresEraser>,
        whose: &Erasure,
        tell: impl Fn(&News) + Send,
    ) -> Result<bool, LogError> {
        match (self, eraser) {
            (Self::Sqlite(log), _) => erase::erase(log.store(), whose, tell).await?,
            (Self::Postgres(_), Some(eraser)) => erase::erase(eraser, whose, tell).await?,
            (Self::Postgres(_), None) => return Ok(false),
        }
        Ok(true)
    }

    /// Closes the connections that are the log's own; an SQLite database belongs to whoever opened it.
    pub async fn close(&self) {
        match self {
            Self::Sqlite(_) => {}
            Self::Postgres(log) => log.store().close().await,
        }
    }
}

//! The change log in PostgreSQL: many servers, each with a pool of connections, over one database.
//!
//! Writers of a stream take its row of `streams` in turn, so its positions have no gaps and become visible in their order. Row
//! security (`policies.sql`) holds every transaction to what its person may see and write, besides the statements' own
//! conditions; [`migrate()`] puts it in place, and [`PostgresLog::open`] refuses to work where it would not hold.

/// The tables of the log, each under row security.
macro_rules! tables {
    () => {
        "'sync_changes', 'streams', 'sync_records', 'sync_withheld', 'own_spaces', 'sync_members', 'log_epoch', 'sync_unread',
    'sync_usage'"
    };
}

mod by_time;
mod erase;
mod identity;
mod migrate;
mod own_space;
mod production;
mod read;
mod standing;
mod write;

use super::{Caller, ChangeLog, Epoch, LogError, sql};
use sqlx::PgPool;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use std::str::FromStr;
use std::time::Duration;

pub use erase::PostgresEraser;
pub use migrate::{Spaces, migrate, migrate_with};
pub use production::{CarriedOver, Owners};
pub use read::PostgresSnapshot;
pub use write::PostgresTransaction;

/// The layout of the tables that this version knows, kept in `log_epoch`.
const LAYOUT: i32 = 2;
/// Connections of one server. A request holds one at a time.
const CONNECTIONS: u32 = 16;
/// How long a request waits for a connection before the server says that it is busy.
const TURN: Duration = Duration::from_secs(10);

/// Every statement of the log finds its rows through an index, in order. A plan that was made and kept when a table had a few
/// rows would read the whole table for each row of a page, and row security look at all of it, until the database counts again.
const BY_INDEX: [(&str, &str); 2] = [("enable_seqscan", "off"), ("enable_bitmapscan", "off")];

/// The change log in a PostgreSQL database.
#[derive(Clone)]
pub struct PostgresLog {
    pool: PgPool,
    epoch: Epoch,
    statements: read::Statements,
}

impl PostgresLog {
    /// Opens the log in the database at `url` (`postgres://…`), where [`migrate()`] has made its tables.
    ///
    /// Fails when the role of the URL could get round row security: a superuser, one with `BYPASSRLS`, the tables' owner, the
    /// compactor, or anybody where a table does not force it.
    pub async fn open(url: &str) -> Result<Self, LogError> {
        let pool = PgPoolOptions::new().max_connections(CONNECTIONS).acquire_timeout(TURN);
        let pool = pool.connect_with(options(url)?.options(BY_INDEX)).await?;
        standing::check(&pool).await?;
        let row = sqlx::query("SELECT epoch FROM log_epoch").fetch_one(&pool).await?;
        Ok(Self { pool, epoch: sql::epoch(&row)?, statements: read::Statements::guarded() })
    }

    /// The same log without the statements' own guard over private records, so that row security alone decides: for tests of
    /// just that.
    #[must_use]
    pub fn with_row_security_alone(self) -> Self {
        Self { statements: read::Statements::unguarded(), ..self }
    }

    /// The connections, for what is no part of the log.
    #[must_use]
    pub fn pool(&self) -> &PgPool {
        &self.pool
    }

    /// Closes all connections.
    pub async fn close(&self) {
        self.pool.close().await;
    }
}

/// How to connect to the database at `url`.
pub(crate) fn options(url: &str) -> Result<PgConnectOptions, LogError> {
    // The URL holds a password: it stands in no message.
    PgConnectOptions::from_str(url)
        .map_err(|error| LogError::Failed(format!("the database's address is no PostgreSQL URL: {error}")))
}

impl ChangeLog for PostgresLog {
    type Snapshot = PostgresSnapshot;
    type Transaction = PostgresTransaction;

    fn epoch(&self) -> Epoch {
        self.epoch
    }

    async fn snapshot(&self, caller: &Caller) -> Result<PostgresSnapshot, LogError> {
        PostgresSnapshot::begin(self, caller).await
    }

    async fn transaction(&self, caller: &Caller) -> Result<PostgresTransaction, LogError> {
        PostgresTransaction::begin(&self.pool, caller).await
    }
}

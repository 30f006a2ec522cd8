//! Starting and stopping the server, in a process of its own or inside a test.

mod app;
mod serve;
mod settings;

pub use app::{App, AppState};
pub use settings::{Identities, LiveTimes, Patience, Services, Settings};

use crate::http::router;
use crate::hub::Hub;
use crate::log::LogError;
use crate::log::sqlite::Database;
use crate::stored::{Limits, StoredLog};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

/// How long running requests may take to finish once the server stops.
const FINISHING: Duration = Duration::from_secs(10);

/// Why a server did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The address cannot be listened on.
    #[error("cannot listen on {0}: {1}")]
    Listen(SocketAddr, std::io::Error),
    /// The identity service of `--dev` would stand before PostgreSQL for other machines.
    #[error("who signs in here is anybody: with PostgreSQL listen on 127.0.0.1 or ::1 only, not on {0}")]
    Open(SocketAddr),
    /// The settings contradict each other.
    #[error("{0}")]
    Settings(String),
    /// The database cannot be used.
    #[error(transparent)]
    Log(#[from] LogError),
}

/// A running server. Dropping it stops it at once; [`Server::stop`] lets requests finish.
pub struct Server {
    address: SocketAddr,
    log: Arc<StoredLog>,
    database: Option<Database>,
    hub: Hub,
    stop: watch::Sender<bool>,
    in_use: mpsc::Receiver<()>,
    task: JoinHandle<()>,
}

impl Server {
    /// Starts a server; it answers when this returns.
    pub async fn start(settings: Settings) -> Result<Self, StartError> {
        if settings.is_open_to_anybody() {
            return Err(StartError::Open(settings.listen));
        }
        let database = if settings.needs_sqlite() { Some(Database::open(&settings.database_url).await?) } else { None };
        let limits = Limits { max_schema: settings.max_schema.clone(), quota: settings.storage_quota };
        let log = match (&settings.postgres_url, &database) {
            (Some(url), _) => StoredLog::in_postgres(url, limits).await?,
            (None, Some(database)) => StoredLog::in_sqlite(database.clone(), limits).await?,
            (None, None) => return Err(StartError::Settings("there is no database".to_owned())),
        };
        let (log, hub) = (Arc::new(log), Hub::with_most(settings.connection_limit));
        let (stop, stopping) = watch::channel(false);
        let (held, in_use) = mpsc::channel(1);
        let running = app::Running { log: log.clone(), hub: hub.clone(), stopping: stopping.clone(), held };
        let app = Arc::new(App::new(&settings, database.as_ref(), running).await?);
        let listen = |error| StartError::Listen(settings.listen, error);
        let listener = TcpListener::bind(settings.listen).await.map_err(listen)?;
        let address = listener.local_addr().map_err(listen)?;
        let task = tokio::spawn(serve::serve(listener, router(app), settings.patience, stopping));
        Ok(Self { address, log, database, hub, stop, in_use, task })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// How many sockets and streams are open and signed in.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.hub.len()
    }

    /// Takes no more requests, tells sockets to go, lets running requests finish (10 s at most), closes the database.
    pub async fn stop(mut self) {
        self.stop.send_replace(true);
        let finished = async {
            let _ = (&mut self.task).await;
            self.in_use.recv().await
        };
        if tokio::time::timeout(FINISHING, finished).await.is_err() {
            tracing::warn!("some requests did not finish in time");
            self.task.abort();
        }
        // A database that is gone gives no connection back.
        if tokio::time::timeout(FINISHING, self.log.close()).await.is_err() {
            tracing::warn!("the database did not take its leave in time");
        }
        if let Some(database) = self.database.take() {
            database.close().await;
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop.send_replace(true);
        self.task.abort();
    }
}

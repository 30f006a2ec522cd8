//! Starting and stopping the server, in a process of its own or inside a test.

use crate::auth::TokenVerifier;
use crate::dev::{DevIdentity, DevStore, ISSUER};
use crate::http::{Origins, router};
use crate::hub::Hub;
use crate::log::LogError;
use crate::log::sqlite::Database;
use crate::members::Memberships;
use crate::stored::StoredLog;
use axum::serve::ListenerExt as _;
use mana_sync_engine::model::AppId;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

/// How long running requests may take to finish once the server stops.
const FINISHING: Duration = Duration::from_secs(10);

/// What a server needs to know before it starts.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Where to listen; port 0 takes a free one.
    pub listen: SocketAddr,
    /// The database of the identity service and, unless the next one is given, of the change log: `sqlite://path`.
    pub database_url: String,
    /// The database of the change log, `postgres://…`; it was migrated ([`crate::log::postgres::migrate()`]).
    pub postgres_url: Option<String>,
    /// Which pages may use it.
    pub origins: Origins,
    /// The newest schema version taken of an app; an app not named has no limit.
    pub max_schema: BTreeMap<AppId, u32>,
    /// Opens the identity service's membership endpoint to other services.
    pub service_key: Option<String>,
    /// How long a socket may take to say who it is.
    pub socket_auth: Duration,
}

impl Settings {
    /// Settings for development: a free port of this machine, pages of this machine.
    #[must_use]
    pub fn dev(database_url: impl Into<String>) -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            database_url: database_url.into(),
            postgres_url: None,
            origins: Origins::ThisMachine,
            max_schema: BTreeMap::new(),
            service_key: None,
            socket_auth: Duration::from_secs(10),
        }
    }
}

/// Why a server did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The address cannot be listened on.
    #[error("cannot listen on {0}: {1}")]
    Listen(SocketAddr, std::io::Error),
    /// The identity service of `--dev` would stand before PostgreSQL for other machines.
    #[error("who signs in here is anybody: with PostgreSQL listen on 127.0.0.1 or ::1 only, not on {0}")]
    Open(SocketAddr),
    /// The database cannot be used.
    #[error(transparent)]
    Log(#[from] LogError),
}

/// What all requests share.
pub struct App {
    pub(crate) log: Arc<StoredLog>,
    pub(crate) memberships: Arc<dyn Memberships>,
    pub(crate) tokens: TokenVerifier,
    pub(crate) hub: Hub,
    pub(crate) origins: Origins,
    pub(crate) socket_auth: Duration,
    pub(crate) stopping: watch::Receiver<bool>,
    pub(crate) dev: Option<DevIdentity>,
    /// Closed when the last request and the last socket have let go of this.
    pub(crate) _in_use: mpsc::Sender<()>,
}

/// [`App`] as handlers get it.
pub type AppState = Arc<App>;

/// A running server. Dropping it stops it at once; [`Server::stop`] lets requests finish.
pub struct Server {
    address: SocketAddr,
    log: Arc<StoredLog>,
    database: Database,
    hub: Hub,
    stop: watch::Sender<bool>,
    in_use: mpsc::Receiver<()>,
    task: JoinHandle<()>,
}

impl Server {
    /// Starts a server; it answers when this returns.
    pub async fn start(settings: Settings) -> Result<Self, StartError> {
        if settings.postgres_url.is_some() && !settings.listen.ip().is_loopback() {
            return Err(StartError::Open(settings.listen));
        }
        let database = Database::open(&settings.database_url).await?;
        let log = match &settings.postgres_url {
            Some(url) => StoredLog::in_postgres(url, settings.max_schema).await?,
            None => StoredLog::in_sqlite(database.clone(), settings.max_schema).await?,
        };
        let log = Arc::new(log);
        let store = DevStore::open(database.clone()).await.map_err(LogError::from)?;
        let key = store.key().await.map_err(LogError::from)?;
        let (stop, stopping) = watch::channel(false);
        let (held, in_use) = mpsc::channel(1);
        let hub = Hub::default();
        let app = Arc::new(App {
            log: log.clone(),
            memberships: Arc::new(store.clone()),
            tokens: TokenVerifier::new(ISSUER, &[key.public()]),
            hub: hub.clone(),
            origins: settings.origins,
            socket_auth: settings.socket_auth,
            stopping: stopping.clone(),
            dev: Some(DevIdentity { store, key, service_key: settings.service_key }),
            _in_use: held,
        });
        let listen = |error| StartError::Listen(settings.listen, error);
        let listener = TcpListener::bind(settings.listen).await.map_err(listen)?;
        let address = listener.local_addr().map_err(listen)?;
        let task = tokio::spawn(serve(listener, app, stopping));
        Ok(Self { address, log, database, hub, stop, in_use, task })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// How many sockets are open and signed in.
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
        self.log.close().await;
        self.database.close().await;
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop.send_replace(true);
        self.task.abort();
    }
}

async fn serve(listener: TcpListener, app: AppState, mut stopping: watch::Receiver<bool>) {
    // Nudges are small and should not wait for company.
    let listener = listener.tap_io(|stream| drop(stream.set_nodelay(true)));
    let stopped = async move {
        // An error means that the server was dropped, which is the same.
        let _ = stopping.wait_for(|stop| *stop).await;
    };
    if let Err(error) = axum::serve(listener, router(app)).with_graceful_shutdown(stopped).await {
        tracing::error!(%error, "the server ended");
    }
}

//! What the handlers of all requests share.

use super::StartError;
use super::serve::stopped;
use super::settings::{Identities, LiveTimes, Patience, Services, Settings};
use crate::auth::{PublishedKeys, ServiceKey, TokenVerifier};
use crate::checks::Checks;
use crate::clock;
use crate::dev::{DevIdentity, DevStore, ISSUER};
use crate::error::ApiError;
use crate::http::Origins;
use crate::hub::Hub;
use crate::log::postgres::PostgresEraser;
use crate::log::sqlite::Database;
use crate::log::{LogError, News};
use crate::members::{MembershipService, Memberships, Recent};
use crate::metrics::Metrics;
use crate::nodes::{Message, Nodes};
use crate::rate::RateLimit;
use crate::stored::StoredLog;
use crate::subscriptions::Subscriptions;
use crate::turns::Turns;
use crate::upstream::Upstream;
use axum::http::HeaderMap;
use mana_sync_engine::model::UserId;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

/// What all requests share.
pub struct App {
    pub(crate) log: Arc<StoredLog>,
    pub(crate) memberships: Arc<dyn Memberships>,
    pub(crate) tokens: TokenVerifier,
    pub(crate) hub: Hub,
    pub(crate) nodes: Option<Nodes>,
    pub(crate) eraser: Option<PostgresEraser>,
    pub(crate) turns: Turns,
    pub(crate) checks: Checks,
    rate: Option<RateLimit>,
    subscriptions: Option<Subscriptions>,
    pub(crate) metrics: Metrics,
    pub(crate) origins: Origins,
    pub(crate) socket_auth: Duration,
    pub(crate) patience: Patience,
    pub(crate) live: LiveTimes,
    pub(crate) stopping: watch::Receiver<bool>,
    pub(crate) service_key: Option<ServiceKey>,
    pub(crate) dev: Option<DevIdentity>,
    /// Closed when the last request and the last socket have let go of this.
    pub(crate) _in_use: mpsc::Sender<()>,
}

/// [`App`] as handlers get it.
pub type AppState = Arc<App>;

/// What there is before anybody can be served.
pub(super) struct Running {
    pub log: Arc<StoredLog>,
    pub hub: Hub,
    pub stopping: watch::Receiver<bool>,
    pub held: mpsc::Sender<()>,
}

/// Who says who people are, as the settings name them.
struct Identity {
    tokens: TokenVerifier,
    memberships: Arc<dyn Memberships>,
    dev: Option<DevIdentity>,
}

impl App {
    pub(super) async fn new(
        settings: &Settings,
        database: Option<&Database>,
        running: Running,
    ) -> Result<Self, StartError> {
        let identity = match (&settings.identities, database) {
            (Identities::Dev, Some(database)) => of_this_server(database).await?,
            (Identities::Dev, None) => return Err(StartError::Settings("--dev needs its SQLite database".to_owned())),
            (Identities::Services(services), _) => {
                of_services(services, settings.service_key.as_ref()).map_err(StartError::Settings)?
            }
        };
        let nodes = match &settings.postgres_url {
            Some(url) => Some(join(url, running.hub.clone(), Arc::clone(&identity.memberships)).await?),
            None => None,
        };
        let eraser = match &settings.compactor_url {
            Some(url) => Some(PostgresEraser::open(url).await?),
            None => None,
        };
        Ok(Self {
            log: running.log,
            eraser,
            memberships: identity.memberships,
            nodes,
            turns: Turns::default(),
            checks: Checks::default(),
            rate: settings.rate_limit.map(RateLimit::per_minute),
            subscriptions: subscriptions(settings).map_err(StartError::Settings)?,
            metrics: Metrics::default(),
            tokens: identity.tokens,
            hub: running.hub,
            origins: settings.origins.clone(),
            socket_auth: settings.socket_auth,
            patience: settings.patience,
            live: settings.live,
            stopping: running.stopping,
            service_key: settings.service_key.clone(),
            dev: identity.dev,
            _in_use: running.held,
        })
    }

    /// Lets a person's request through, whose token was verified: not too often, and not without an active subscription.
    pub(crate) async fn admit(&self, user: &UserId) -> Result<(), ApiError> {
        if let Some(rate) = &self.rate {
            rate.take(user)?;
        }
        match &self.subscriptions {
            Some(subscriptions) if !subscriptions.let_through(user).await => Err(ApiError::payment_required()),
            _ => Ok(()),
        }
    }

    /// Lets only other services of the same operator through; nobody where no key is set.
    pub(crate) fn check_service_key(&self, headers: &HeaderMap) -> Result<(), ApiError> {
        match &self.service_key {
            Some(key) if key.is_sent(headers) => Ok(()),
            _ => Err(ApiError::no_service()),
        }
    }

    /// Tells everybody who may read these streams, wherever they are connected, that there is something to pull.
    pub(crate) fn publish(&self, news: &News) {
        self.hub.publish(news, Instant::now());
        if let Some(nodes) = self.nodes.as_ref().filter(|_| !news.is_empty()) {
            nodes.tell(Message { news: news.clone(), ..Message::at(clock::now()) });
        }
    }

    /// Waits until the server stops.
    pub(crate) async fn stopped(&self) {
        stopped(&mut self.stopping.clone()).await;
    }

    /// These people's memberships changed.
    pub(crate) fn spaces_changed(&self, users: &[UserId]) {
        self.memberships.forget(users);
        self.hub.spaces_changed(users);
        if let Some(nodes) = &self.nodes {
            nodes.tell(Message { moved: users.to_vec(), ..Message::at(clock::now()) });
        }
    }
}

/// Joins the other servers; what they tell is told on to who is connected here.
async fn join(url: &str, hub: Hub, memberships: Arc<dyn Memberships>) -> Result<Nodes, LogError> {
    let hear = move |message: Message| {
        memberships.forget(&message.moved);
        hub.spaces_changed(&message.moved);
        hub.publish(&message.news, clock::moment_of(message.at));
    };
    Nodes::join(url, hear).await
}

fn subscriptions(settings: &Settings) -> Result<Option<Subscriptions>, String> {
    let Some(address) = settings.subscriptions.clone() else { return Ok(None) };
    let key = settings.service_key.as_ref().map(ServiceKey::header);
    Ok(Some(Subscriptions::new(Upstream::new()?, address, key)))
}

async fn of_this_server(database: &Database) -> Result<Identity, StartError> {
    let store = DevStore::open(database.clone()).await?;
    let key = store.key().await?;
    let (tokens, memberships) = (TokenVerifier::new(ISSUER, &[key.public()]), Arc::new(store.clone()));
    Ok(Identity { tokens, memberships, dev: Some(DevIdentity { store, key }) })
}

fn of_services(services: &Services, key: Option<&ServiceKey>) -> Result<Identity, String> {
    let key = key.ok_or("the membership service asks for a service key")?;
    let upstream = Upstream::new()?;
    let keys = PublishedKeys::new(upstream.clone(), services.jwks.clone());
    let memberships = MembershipService::new(upstream, services.memberships.clone(), key.header());
    Ok(Identity {
        tokens: TokenVerifier::published(keys, services.issuer.as_deref(), services.audience.as_deref()),
        memberships: Arc::new(Recent::new(memberships, services.lasting)),
        dev: None,
    })
}

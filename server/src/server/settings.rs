//! What a server needs to know before it starts.

use crate::auth::ServiceKey;
use crate::http::Origins;
use mana_sync_engine::model::AppId;
use reqwest::Url;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::time::Duration;

/// Who says who people are and which spaces they are in.
#[derive(Debug, Clone)]
pub enum Identities {
    /// The identity service of `--dev`, which is part of the server.
    Dev,
    /// Other services.
    Services(Box<Services>),
}

/// The services that a server asks about people.
#[derive(Debug, Clone)]
pub struct Services {
    /// Where the identity provider publishes its keys.
    pub jwks: Url,
    /// The `iss` claim that tokens must have, where one is given.
    pub issuer: Option<String>,
    /// The `aud` claim that tokens must have, where one is given.
    pub audience: Option<String>,
    /// The service that knows the memberships.
    pub memberships: Url,
    /// How long its answers are used to let somebody do something; what refuses is always asked for anew.
    pub lasting: Duration,
}

/// What a server needs to know before it starts.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Where to listen; port 0 takes a free one.
    pub listen: SocketAddr,
    /// The database of the identity service of `--dev` and, unless the next one is given, of the change log:
    /// `sqlite://path`.
    pub database_url: String,
    /// The database of the change log, `postgres://…`; it was migrated ([`crate::log::postgres::migrate()`]).
    pub postgres_url: Option<String>,
    /// Which pages may use it.
    pub origins: Origins,
    /// The newest schema version taken of an app; an app not named has no limit.
    pub max_schema: BTreeMap<AppId, u32>,
    /// Who says who people are and which spaces they are in.
    pub identities: Identities,
    /// The key by which this server and other services know each other.
    pub service_key: Option<ServiceKey>,
    /// How long a socket may take to say who it is.
    pub socket_auth: Duration,
    /// How long connections are waited for.
    pub patience: Patience,
    /// The times of connections that stay open.
    pub live: LiveTimes,
    /// How many requests a minute one person may make; without it as many as they like.
    pub rate_limit: Option<NonZeroU32>,
    /// How many sockets and streams one person may have open; without it as many as they like.
    pub connection_limit: Option<NonZeroU32>,
    /// How many bytes of changes one person may have in the log; without it as many as there is room for.
    pub storage_quota: Option<u64>,
    /// The service that knows whose subscription is active; without it everybody's is.
    pub subscriptions: Option<Url>,
    /// The PostgreSQL database with the compactor's role, to erase people and spaces by; SQLite needs none.
    pub compactor_url: Option<String>,
}

/// How long connections are waited for before they are ended.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    /// For the head of a request, the first or the next one.
    pub silence: Duration,
    /// For the whole body of a request.
    pub body: Duration,
    /// For any byte of an answer to be taken.
    pub deafness: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        let half_a_minute = Duration::from_secs(30);
        Self { silence: half_a_minute, body: half_a_minute, deafness: half_a_minute }
    }
}

/// The times of connections that stay open.
#[derive(Debug, Clone, Copy)]
pub struct LiveTimes {
    /// How often a stream says that it is still there.
    pub heartbeat: Duration,
    /// How often a stream looks by itself for changes, and asks whether its person is still in their spaces.
    pub recheck: Duration,
}

impl Default for LiveTimes {
    fn default() -> Self {
        Self { heartbeat: Duration::from_secs(20), recheck: Duration::from_secs(30) }
    }
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
            identities: Identities::Dev,
            service_key: None,
            socket_auth: Duration::from_secs(10),
            patience: Patience::default(),
            live: LiveTimes::default(),
            rate_limit: None,
            connection_limit: None,
            storage_quota: None,
            subscriptions: None,
            compactor_url: None,
        }
    }

    /// Whether anybody on the network could sign in as anybody, to a database that others rely on.
    pub(super) fn is_open_to_anybody(&self) -> bool {
        let dev = matches!(self.identities, Identities::Dev);
        dev && self.postgres_url.is_some() && !self.listen.ip().is_loopback()
    }

    /// Whether anything is kept in SQLite.
    pub(super) fn needs_sqlite(&self) -> bool {
        self.postgres_url.is_none() || matches!(self.identities, Identities::Dev)
    }
}

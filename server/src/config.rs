//! The command line and the environment.

use crate::auth::ServiceKey;
use crate::http::Origins;
use crate::server::{Identities, LiveTimes, Patience, Services, Settings};
use crate::upstream::address;
use clap::{ArgAction, Parser, Subcommand};
use mana_sync_engine::model::AppId;
use reqwest::Url;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::num::NonZeroU32;
use std::time::Duration;

/// Sync server for mana-sync-engine: a change log with positions per stream, over HTTP and WebSocket.
///
/// Prints one line with its address when it is ready. SIGTERM and SIGINT end it after running requests.
#[expect(clippy::doc_markdown, reason = "these comments are the help text, which is not Markdown")]
#[derive(Debug, Parser)]
#[command(
    name = "mana-sync",
    version,
    after_help = "The log level is taken from RUST_LOG, such as RUST_LOG=mana_sync=debug."
)]
pub struct Args {
    #[command(subcommand)]
    command: Option<Command>,

    /// Run on this machine only, with an identity service that signs anybody in by name (POST /dev/login) and keeps
    /// spaces and their members (/dev/spaces).
    #[arg(long, action = ArgAction::SetTrue)]
    dev: bool,

    /// Address to listen on: 127.0.0.1 with --dev, else 0.0.0.0 unless it is given.
    #[arg(long, env = "HOST")]
    host: Option<IpAddr>,

    /// Port to listen on; 0 takes a free one.
    #[arg(long, env = "PORT", default_value_t = 3050)]
    port: u16,

    /// Database of the change log: sqlite://path (sqlite:///path for an absolute one), or postgres://… with the server's
    /// role. For migrate: postgres://… with the role that owns the tables.
    #[arg(long, env = "DATABASE_URL", default_value = "sqlite://mana-sync.db", hide_env_values = true, global = true)]
    database_url: String,

    /// Web origins that may use the server, comma-separated and exact, such as `https://app.example`. Unset, --dev allows
    /// http://localhost and http://127.0.0.1 on every port; without --dev it has to be set.
    #[arg(long, env = "CORS_ORIGINS")]
    cors_origins: Option<String>,

    /// Newest schema version to take of an app; may be repeated or comma-separated. Newer changes are rejected with
    /// schema_too_new. An app not named here has no limit.
    #[arg(long, env = "MAX_SCHEMA", value_name = "APP=N", value_delimiter = ',', value_parser = parse_limit)]
    max_schema: Vec<(AppId, u32)>,

    /// Where the identity provider publishes its keys (EdDSA, a JSON Web Key Set).
    #[arg(long, env = "JWKS_URL", value_parser = address)]
    jwks_url: Option<Url>,

    /// The issuer that tokens must name (`iss`). Unset, it is not looked at.
    #[arg(long, env = "TOKEN_ISSUER")]
    token_issuer: Option<String>,

    /// The audience that tokens must name (`aud`). Unset, it is not looked at.
    #[arg(long, env = "TOKEN_AUDIENCE")]
    token_audience: Option<String>,

    /// The service that knows memberships: GET {url}/api/v1/internal/users/{id}/memberships.
    #[arg(long, env = "MANA_AUTH_URL", value_parser = address)]
    auth_url: Option<Url>,

    /// Key by which this server and other services know each other, as X-Service-Key: sent to the membership service, and
    /// asked of who calls /internal and, with --dev, reads memberships. Without it nobody may.
    #[arg(long, env = "MANA_SERVICE_KEY", hide_env_values = true)]
    service_key: Option<String>,

    /// The service that knows whose subscription is active: GET {url}/api/v1/internal/sync/status/{id}, which answers
    /// { active }. Unset, nobody is asked.
    #[arg(long, env = "MANA_CREDITS_URL", value_parser = address)]
    credits_url: Option<Url>,

    /// How many requests a minute one person may make, and as many in a row; 0 for as many as they like.
    #[arg(long, env = "RATE_LIMIT", value_name = "N", default_value_t = 3000)]
    rate_limit: u32,

    /// How many sockets and streams one person may have open on this server; 0 for as many as they like.
    #[arg(long, env = "CONNECTION_LIMIT", value_name = "N", default_value_t = 64)]
    connection_limit: u32,

    /// How many MB (of 1,000,000 bytes) of changes one person may have in the log. Unset, nobody has a limit.
    #[arg(long, env = "STORAGE_QUOTA_MB", value_name = "N")]
    storage_quota_mb: Option<u32>,

    /// The same PostgreSQL database with a role in mana_sync_compactor: what DELETE /internal/users and /internal/spaces erase
    /// with. Unset, they are refused on PostgreSQL.
    #[arg(long, env = "COMPACTOR_DATABASE_URL", hide_env_values = true)]
    compactor_url: Option<String>,
}

/// What to do instead of serving.
#[expect(clippy::doc_markdown, reason = "these comments are the help text, which is not Markdown")]
#[derive(Debug, Clone, Copy, Subcommand)]
enum Command {
    /// Make or upgrade the tables, grants and row security of a PostgreSQL database, in one transaction; then end. The table
    /// of the production server is carried over. MANA_AUTH_URL and MANA_SERVICE_KEY say which spaces are personal there.
    Migrate {
        /// All spaces in the production server's table are shared.
        #[arg(long)]
        all_spaces_shared: bool,
    },
    /// Say whether row security holds the role of DATABASE_URL, as a server asks before it starts; status 1 where it does
    /// not.
    CheckRls,
}

/// What a command line asks for.
#[derive(Debug)]
pub enum Task {
    /// Run a server.
    Serve(Box<Settings>),
    /// Migrate the PostgreSQL database at this URL.
    Migrate(Migration),
    /// Say whether a server could start on the PostgreSQL database at this URL.
    CheckRls(String),
}

/// What to migrate.
#[derive(Debug)]
pub struct Migration {
    /// The database, with the role that owns its tables.
    pub url: String,
    /// Whether all spaces in the production server's table are shared.
    pub all_spaces_shared: bool,
    /// Who knows which of them are personal, and the key they know this server by.
    pub memberships: Option<(Url, ServiceKey)>,
}

/// How long a socket may take to authenticate.
const SOCKET_AUTH: Duration = Duration::from_secs(10);
/// How long memberships that were looked up let somebody do something.
const MEMBERSHIPS: Duration = Duration::from_secs(30);

impl Args {
    /// What to do, or a sentence that says why it cannot be done.
    pub fn task(self) -> Result<Task, String> {
        match self.command {
            None => self.settings().map(|settings| Task::Serve(Box::new(settings))),
            Some(_) if !is_postgres(&self.database_url) => {
                Err("DATABASE_URL must be postgres://…: SQLite needs no migration and has no row security".to_owned())
            }
            Some(Command::Migrate { all_spaces_shared }) => self.migration(all_spaces_shared).map(Task::Migrate),
            Some(Command::CheckRls) => Ok(Task::CheckRls(self.database_url)),
        }
    }

    fn migration(self, all_spaces_shared: bool) -> Result<Migration, String> {
        let key = self.service_key.as_deref().filter(|key| !key.is_empty()).and_then(ServiceKey::new);
        let memberships = match (self.auth_url, key) {
            (Some(url), Some(key)) => Some((url, key)),
            (Some(_), None) => {
                return Err("MANA_SERVICE_KEY is missing, by which MANA_AUTH_URL knows this server".to_owned());
            }
            (None, _) => None,
        };
        Ok(Migration { url: self.database_url, all_spaces_shared, memberships })
    }

    fn settings(self) -> Result<Settings, String> {
        let identities = if self.dev { Identities::Dev } else { self.services()? };
        let postgres = is_postgres(&self.database_url);
        if self.dev && postgres {
            return Err("DATABASE_URL must be sqlite://path: --dev never runs on another database".to_owned());
        }
        if !postgres && !self.database_url.starts_with("sqlite:") {
            return Err("DATABASE_URL must be sqlite://path or postgres://…".to_owned());
        }
        let host = if self.dev { Ipv4Addr::LOCALHOST } else { Ipv4Addr::UNSPECIFIED };
        if self.dev && self.host.is_some_and(|host| !host.is_loopback()) {
            return Err("HOST must be 127.0.0.1 or ::1: with --dev anybody may sign in as anybody".to_owned());
        }
        let origins = match self.cors_origins.as_deref() {
            Some(list) => Origins::parse(list),
            None if self.dev => Origins::ThisMachine,
            None => return Err("CORS_ORIGINS is missing: the web origins that may use the server".to_owned()),
        };
        let key = self.service_key.as_deref().filter(|key| !key.is_empty());
        let service_key = key.map(|key| ServiceKey::new(key).ok_or("MANA_SERVICE_KEY cannot be sent as a header"));
        Ok(Settings {
            listen: SocketAddr::from((self.host.unwrap_or(IpAddr::V4(host)), self.port)),
            postgres_url: postgres.then(|| self.database_url.clone()),
            database_url: self.database_url,
            origins,
            max_schema: self.max_schema.into_iter().collect(),
            identities,
            service_key: service_key.transpose()?,
            socket_auth: SOCKET_AUTH,
            patience: Patience::default(),
            live: LiveTimes::default(),
            rate_limit: NonZeroU32::new(self.rate_limit),
            connection_limit: NonZeroU32::new(self.connection_limit),
            storage_quota: self.storage_quota_mb.map(|mb| u64::from(mb) * 1_000_000),
            subscriptions: self.credits_url,
            compactor_url: self.compactor_url.filter(|_| postgres),
        })
    }

    fn services(&self) -> Result<Identities, String> {
        let missing = |name| format!("{name} is missing: set it, or start with --dev on your own machine");
        if self.service_key.as_deref().unwrap_or_default().is_empty() {
            return Err(missing("MANA_SERVICE_KEY"));
        }
        Ok(Identities::Services(Box::new(Services {
            jwks: self.jwks_url.clone().ok_or_else(|| missing("JWKS_URL"))?,
            issuer: self.token_issuer.clone(),
            audience: self.token_audience.clone(),
            memberships: self.auth_url.clone().ok_or_else(|| missing("MANA_AUTH_URL"))?,
            lasting: MEMBERSHIPS,
        })))
    }
}

fn is_postgres(url: &str) -> bool {
    url.starts_with("postgres://") || url.starts_with("postgresql://")
}

fn parse_limit(text: &str) -> Result<(AppId, u32), String> {
    let (app, version) = text.split_once('=').ok_or("must be written APP=N")?;
    let app = AppId::parse(app).map_err(|e| e.to_string())?;
    Ok((app, version.parse().map_err(|_| "N must be a whole number")?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(args: &[&str]) -> Result<Settings, String> {
        let args = Args::try_parse_from([&["mana-sync"], args].concat()).map_err(|e| e.to_string())?;
        args.settings()
    }

    #[test]
    fn only_postgres_is_migrated_and_checked() {
        let task = |args: &[&str]| Args::try_parse_from(args).unwrap().task();
        let url = "postgres://owner@localhost/mana";
        assert!(
            matches!(task(&["mana-sync", "migrate", "--database-url", url]), Ok(Task::Migrate(of)) if of.url == url)
        );
        assert!(
            matches!(task(&["mana-sync", "--database-url", url, "migrate"]), Ok(Task::Migrate(of)) if of.url == url)
        );
        assert!(task(&["mana-sync", "migrate", "--database-url", "sqlite://log.db"]).is_err());
        assert!(
            matches!(task(&["mana-sync", "check-rls", "--database-url", url]), Ok(Task::CheckRls(of)) if of == url)
        );
        assert!(task(&["mana-sync", "check-rls", "--database-url", "sqlite://log.db"]).is_err());
        assert!(matches!(task(&["mana-sync", "--dev", "--database-url", "sqlite://log.db"]), Ok(Task::Serve(_))));
    }

    #[test]
    fn the_server_refuses_what_it_cannot_do() {
        assert!(settings(&[]).is_err());
        assert!(settings(&["--dev", "--database-url", "postgres://localhost/mana"]).is_err());
        assert!(settings(&["--dev", "--max-schema", "todo"]).is_err());
        assert!(settings(&["--dev", "--max-schema", "to do=1"]).is_err());
        assert!(settings(&["--dev", "--port", "99999"]).is_err());
        assert!(settings(&["--dev", "--host", "0.0.0.0"]).is_err());
    }

    const SERVICES: [&str; 8] = [
        "--jwks-url",
        "https://id.example/jwks",
        "--auth-url",
        "https://auth.example",
        "--service-key",
        "key",
        "--cors-origins",
        "https://app.example",
    ];

    #[test]
    fn with_other_services_every_one_of_them_is_named() {
        let served = settings(&SERVICES).unwrap();
        assert!(matches!(served.identities, Identities::Services(_)) && served.listen.ip().is_unspecified());
        for missing in (0..SERVICES.len()).step_by(2) {
            let mut args = SERVICES.to_vec();
            args.drain(missing..missing + 2);
            assert!(settings(&args).is_err(), "{}", SERVICES[missing]);
        }
        for bad in ["file:///etc/passwd", "id.example", ""] {
            let mut args = SERVICES.to_vec();
            args[1] = bad;
            assert!(settings(&args).is_err(), "{bad}");
        }
    }

    #[test]
    fn with_other_services_the_log_is_in_either_database() {
        let of = |url| settings(&[&SERVICES[..], &["--database-url", url]].concat());
        let postgres = "postgres://server@db/mana";
        assert_eq!(of(postgres).unwrap().postgres_url.as_deref(), Some(postgres));
        assert_eq!(of("sqlite://log.db").unwrap().postgres_url, None);
        assert!(of("mysql://db/mana").is_err());
    }

    #[test]
    fn what_one_person_may_take_is_limited_or_not() {
        let unless = settings(&["--dev"]).unwrap();
        assert_eq!((unless.rate_limit.map(u32::from), unless.storage_quota), (Some(3000), None));
        assert!(unless.subscriptions.is_none());
        assert_eq!(unless.connection_limit.map(u32::from), Some(64));
        assert_eq!(settings(&["--dev", "--connection-limit", "0"]).unwrap().connection_limit, None);
        let set = ["--dev", "--rate-limit", "0", "--storage-quota-mb", "5", "--credits-url", "http://credits:1"];
        let set = settings(&set).unwrap();
        assert_eq!((set.rate_limit, set.storage_quota), (None, Some(5_000_000)));
        assert!(set.subscriptions.is_some());
        for bad in [["--rate-limit", "many"], ["--storage-quota-mb", "-1"], ["--credits-url", "file:///etc/passwd"]] {
            assert!(settings(&[&["--dev"][..], &bad].concat()).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn limits_and_origins_are_read_from_lists() {
        let settings =
            settings(&["--dev", "--max-schema", "todo=3,notes=1", "--cors-origins", "https://a.example"]).unwrap();
        assert_eq!(settings.max_schema.len(), 2);
        assert!(settings.origins.allow(&axum::http::HeaderValue::from_static("https://a.example")));
        assert!(!settings.origins.allow(&axum::http::HeaderValue::from_static("http://localhost:5173")));
        assert!(settings.listen.ip().is_loopback());
    }
}

//! The command line and the environment.

use crate::http::Origins;
use crate::server::Settings;
use clap::{ArgAction, Parser, Subcommand};
use mana_sync_engine::model::AppId;
use std::net::{Ipv4Addr, SocketAddr};
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

    /// Port to listen on; 0 takes a free one.
    #[arg(long, env = "PORT", default_value_t = 3050)]
    port: u16,

    /// Database of the change log: sqlite://path (sqlite:///path for an absolute one). For migrate: postgres://…, with the
    /// role that owns the tables.
    #[arg(long, env = "DATABASE_URL", default_value = "sqlite://mana-sync.db", hide_env_values = true, global = true)]
    database_url: String,

    /// Web origins that may use the server, comma-separated and exact, such as `https://app.example`. Unset, --dev allows
    /// http://localhost and http://127.0.0.1 on every port.
    #[arg(long, env = "CORS_ORIGINS")]
    cors_origins: Option<String>,

    /// Newest schema version to take of an app; may be repeated or comma-separated. Newer changes are rejected with
    /// schema_too_new. An app not named here has no limit.
    #[arg(long, env = "MAX_SCHEMA", value_name = "APP=N", value_delimiter = ',', value_parser = parse_limit)]
    max_schema: Vec<(AppId, u32)>,

    /// Key that other services send as X-Service-Key to read memberships from the identity service of --dev; without it
    /// that endpoint is shut.
    #[arg(long, env = "MANA_SERVICE_KEY", hide_env_values = true)]
    service_key: Option<String>,
}

/// What to do instead of serving.
#[derive(Debug, Clone, Copy, Subcommand)]
enum Command {
    /// Make or upgrade the tables, grants and row security of a PostgreSQL database, in one transaction; then end.
    Migrate,
}

/// What a command line asks for.
#[derive(Debug)]
pub enum Task {
    /// Run a server.
    Serve(Settings),
    /// Migrate the PostgreSQL database at this URL.
    Migrate(String),
}

/// How long a socket may take to authenticate.
const SOCKET_AUTH: Duration = Duration::from_secs(10);

impl Args {
    /// What to do, or a sentence that says why it cannot be done.
    pub fn task(self) -> Result<Task, String> {
        match self.command {
            None => self.settings().map(Task::Serve),
            Some(Command::Migrate) if is_postgres(&self.database_url) => Ok(Task::Migrate(self.database_url)),
            Some(Command::Migrate) => {
                Err("DATABASE_URL must be postgres://… with the owner's role: SQLite needs no migration".to_owned())
            }
        }
    }

    fn settings(self) -> Result<Settings, String> {
        if !self.dev {
            return Err("this version knows one identity service, its own: start it with --dev".to_owned());
        }
        if !self.database_url.starts_with("sqlite:") {
            return Err("DATABASE_URL must be sqlite://path: --dev never runs on another database".to_owned());
        }
        let origins = self.cors_origins.as_deref().map_or(Origins::ThisMachine, Origins::parse);
        Ok(Settings {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, self.port)),
            database_url: self.database_url,
            postgres_url: None,
            origins,
            max_schema: self.max_schema.into_iter().collect(),
            service_key: self.service_key.filter(|key| !key.is_empty()),
            socket_auth: SOCKET_AUTH,
        })
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
    fn only_postgres_is_migrated() {
        let task = |args: &[&str]| Args::try_parse_from(args).unwrap().task();
        let url = "postgres://owner@localhost/mana";
        assert!(matches!(task(&["mana-sync", "migrate", "--database-url", url]), Ok(Task::Migrate(of)) if of == url));
        assert!(matches!(task(&["mana-sync", "--database-url", url, "migrate"]), Ok(Task::Migrate(of)) if of == url));
        assert!(task(&["mana-sync", "migrate", "--database-url", "sqlite://log.db"]).is_err());
        assert!(matches!(task(&["mana-sync", "--dev", "--database-url", "sqlite://log.db"]), Ok(Task::Serve(_))));
    }

    #[test]
    fn the_server_refuses_what_it_cannot_do() {
        assert!(settings(&[]).is_err());
        assert!(settings(&["--dev", "--database-url", "postgres://localhost/mana"]).is_err());
        assert!(settings(&["--dev", "--max-schema", "todo"]).is_err());
        assert!(settings(&["--dev", "--max-schema", "to do=1"]).is_err());
        assert!(settings(&["--dev", "--port", "99999"]).is_err());
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

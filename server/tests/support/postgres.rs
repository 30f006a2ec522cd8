//! A PostgreSQL of the tests' own: one cluster for each test binary, one database for each test.
//!
//! The cluster lies in a temporary folder, listens on a socket there and nowhere else, and does not wait for the disk, unless it is
//! to be measured ([`DURABLE`]). It is watched over by a shell that holds the other end of a pipe: however this process ends, the pipe closes, and the shell
//! ends the database by its pid and removes the folder.

#![allow(dead_code, reason = "each test binary uses a part of it")]

use mana_sync::log::Randomness;
use mana_sync::log::postgres::{PostgresLog, migrate};
use sqlx::{Connection as _, PgConnection};
use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::{MetadataExt as _, chown};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::sync::{Mutex, OnceCell};

/// The superuser that `initdb` makes.
pub const SUPERUSER: &str = "admin";
/// Who owns the tables.
pub const MIGRATOR: &str = "migrator";
/// Who the server signs in as.
pub const SERVER: &str = "server";
/// Who removes rows.
pub const COMPACTOR: &str = "compactor";
/// The role of another service, that adds rows itself.
pub const SERVICE: &str = "service";

const TEMPLATE: &str = "migrated";

/// Where this environment variable is set, the database waits for the disk as one that is served from.
pub const DURABLE: &str = "DURABLE_POSTGRES";

const HASTY: &str = "-c fsync=off -c synchronous_commit=off -c full_page_writes=off";

/// Starts the database, says so, waits for its standard input to close, then ends it and removes its folder. A signal to the
/// whole group of processes does not keep it from that.
const WATCH: &str = r#"
trap '' HUP INT TERM
"$1/postgres" -D "$2/data" -k "$2" -c listen_addresses= $3 \
  -c max_connections=400 -c shared_buffers=64MB -c max_wal_size=256MB -c log_min_messages=fatal >"$2/log" 2>&1 </dev/null &
pid=$!
until "$1/pg_isready" -q -h "$2"; do
  kill -0 "$pid" 2>/dev/null || { cat "$2/log" >&2; exit 1; }
  sleep 0.1
done
echo ready
cat >/dev/null
kill -QUIT "$pid"
wait "$pid"
rm -rf "$2"
"#;

/// A running PostgreSQL.
pub struct Cluster {
    folder: PathBuf,
    databases: AtomicU64,
    turn: Mutex<()>,
    /// Its standard input is the pipe that the shell waits for.
    _watch: Child,
}

/// The cluster of this process, started by the first test that asks.
pub async fn cluster() -> &'static Cluster {
    static CLUSTER: OnceCell<Cluster> = OnceCell::const_new();
    CLUSTER.get_or_init(Cluster::start).await
}

impl Cluster {
    async fn start() -> Self {
        let programs = programs();
        let folder = tempfile::Builder::new().prefix("mana-pg-").tempdir().expect("a temporary folder").keep();
        let owner = owner();
        if let Some((user, group)) = owner {
            chown(&folder, Some(user), Some(group)).expect("the folder goes to postgres");
        }
        let as_owner = |mut command: Command| {
            if let Some((user, group)) = owner {
                command.uid(user).gid(group);
            }
            command.current_dir(&folder).env("LC_ALL", "C");
            command
        };
        let mut initdb = as_owner(Command::new(programs.join("initdb")));
        initdb.args(["--no-sync", "--auth=trust", "--encoding=UTF8", "--locale=C", "--username", SUPERUSER, "-D"]);
        let made = initdb.arg(folder.join("data")).output().expect("initdb runs");
        assert!(made.status.success(), "initdb: {}", String::from_utf8_lossy(&made.stderr));
        let mut watch = as_owner(Command::new("sh"));
        watch.args(["-c", WATCH, "watch"]).arg(&programs).arg(&folder);
        watch.arg(if std::env::var_os(DURABLE).is_some() { "" } else { HASTY });
        let mut watch = watch.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("a shell");
        let mut line = String::new();
        BufReader::new(watch.stdout.take().expect("a pipe")).read_line(&mut line).expect("a line");
        assert_eq!(line, "ready\n", "PostgreSQL starts");
        let cluster = Self { folder, databases: AtomicU64::new(0), turn: Mutex::new(()), _watch: watch };
        cluster.prepare().await;
        cluster
    }

    /// Roles as an administrator makes them, and a migrated database that the tests' are copies of.
    async fn prepare(&self) {
        self.run(
            "postgres",
            "CREATE ROLE mana_sync_server NOLOGIN; CREATE ROLE mana_sync_compactor NOLOGIN;
             CREATE ROLE mana_sync_service NOLOGIN;
             CREATE ROLE migrator LOGIN; CREATE ROLE server LOGIN IN ROLE mana_sync_server;
             CREATE ROLE compactor LOGIN IN ROLE mana_sync_compactor; CREATE ROLE service LOGIN IN ROLE mana_sync_service;",
        )
        .await;
        self.run("postgres", &format!("CREATE DATABASE {TEMPLATE} OWNER {MIGRATOR}")).await;
        migrate(&self.url(MIGRATOR, TEMPLATE), &randomness()).await.expect("a migration");
    }

    /// Runs statements as the superuser.
    pub async fn run(&self, database: &str, statements: &str) {
        let mut connection = PgConnection::connect(&self.url(SUPERUSER, database)).await.expect("a connection");
        let statements = sqlx::AssertSqlSafe(statements.to_owned());
        sqlx::raw_sql(statements).execute(&mut connection).await.expect("the statements run");
        connection.close().await.expect("closed");
    }

    /// The address of a database for a role.
    pub fn url(&self, role: &str, database: &str) -> String {
        format!("postgres://{role}@localhost/{database}?host={}", self.folder.display())
    }

    async fn create(&self, from: &str) -> Database {
        // One at a time: a template may not be in use.
        let _turn = self.turn.lock().await;
        let name = format!("test_{}", self.databases.fetch_add(1, Ordering::Relaxed));
        self.run("postgres", &format!("CREATE DATABASE {name} OWNER {MIGRATOR} TEMPLATE {from}")).await;
        Database { name }
    }
}

/// A database of one test's own. It stays until the cluster goes.
pub struct Database {
    name: String,
}

impl Database {
    /// One that is migrated.
    pub async fn migrated() -> Self {
        cluster().await.create(TEMPLATE).await
    }

    /// One without any tables.
    pub async fn empty() -> Self {
        cluster().await.create("template1").await
    }

    /// Its address for a role.
    pub async fn url(&self, role: &str) -> String {
        cluster().await.url(role, &self.name)
    }

    /// What it is called.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The one text that a query as the superuser gives.
    pub async fn text(&self, query: &str) -> String {
        let url = self.url(SUPERUSER).await;
        let mut connection = PgConnection::connect(&url).await.expect("a connection");
        let query = sqlx::query_scalar(sqlx::AssertSqlSafe(query.to_owned()));
        let text = query.fetch_one(&mut connection).await.expect("a text");
        connection.close().await.expect("closed");
        text
    }

    /// A transaction of the superuser's that has run a statement and keeps what it locked.
    pub async fn hold(&self, statement: &str) -> sqlx::Transaction<'static, sqlx::Postgres> {
        let pool = sqlx::PgPool::connect(&self.url(SUPERUSER).await).await.expect("a connection");
        let mut transaction = pool.begin().await.expect("begins");
        let statement = sqlx::raw_sql(sqlx::AssertSqlSafe(statement.to_owned()));
        statement.execute(&mut *transaction).await.expect("the statement runs");
        transaction
    }

    /// Comes back once a server waits for what somebody else has locked.
    pub async fn waits_for_a_lock(&self) {
        let waiting = format!(
            "SELECT count(*)::text FROM pg_stat_activity
             WHERE datname = current_database() AND usename = '{SERVER}' AND wait_event_type = 'Lock'"
        );
        while self.text(&waiting).await == "0" {
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
    }

    /// Runs statements in it as the superuser.
    pub async fn run(&self, statements: &str) {
        cluster().await.run(&self.name, statements).await;
    }

    /// Ends all connections of a role.
    pub async fn cut_off(&self, role: &str) {
        let mine = "datname = current_database()";
        self.run(&format!(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE {mine} AND usename = '{role}'"
        ))
        .await;
    }

    /// The log in it, as the server opens it.
    pub async fn log(&self) -> PostgresLog {
        PostgresLog::open(&self.url(SERVER).await).await.expect("a log")
    }
}

/// Random bytes for what only has to differ.
pub fn randomness() -> Randomness {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    Arc::new(|bytes: &mut [u8]| {
        for chunk in bytes.chunks_mut(8) {
            let next = NEXT.fetch_add(0x9e37_79b9_7f4a_7c15, Ordering::Relaxed).to_be_bytes();
            chunk.copy_from_slice(&next[..chunk.len()]);
        }
    })
}

/// Where PostgreSQL's programs are: on the path, or where Debian puts them.
fn programs() -> PathBuf {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let on_path = std::env::split_paths(&path).find_map(|folder| folder.join("initdb").canonicalize().ok());
    let debian = || {
        let versions = std::fs::read_dir("/usr/lib/postgresql").ok()?;
        let programs = versions.filter_map(|version| Some(version.ok()?.path().join("bin/initdb")));
        programs.filter(|path| path.exists()).max()
    };
    let initdb = on_path.or_else(debian).expect("PostgreSQL is missing: run make setup");
    initdb.parent().expect("a folder").to_owned()
}

/// The user and group that the database runs as when this process is root's, whom PostgreSQL refuses.
fn owner() -> Option<(u32, u32)> {
    let is_root = Path::new("/proc/self").metadata().is_ok_and(|own| own.uid() == 0);
    let id = |kind| {
        let asked = Command::new("id").args([kind, "postgres"]).output().expect("id runs");
        String::from_utf8_lossy(&asked.stdout).trim().parse().expect("a user called postgres")
    };
    is_root.then(|| (id("-u"), id("-g")))
}

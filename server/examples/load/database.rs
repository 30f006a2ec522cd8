//! The database alone: the same rows without server, rules or people.

use crate::people::{data, fresh};
use crate::postgres::{Cluster, DURABLE, Database as OwnDatabase, SERVER, SUPERUSER, cluster};
use crate::sizes::Store;
use mana_sync::log::sqlite::Database;
use sqlx::PgPool;
use sqlx::postgres::PgPoolOptions;
use std::time::Duration;
use tempfile::TempDir;
use tokio::time::Instant;

/// As many connections as a server has.
const CONNECTIONS: u32 = 16;

/// The columns of a row, the same values in all of them but for its id, position and data.
const COLUMNS: &str = "id, app_id, table_name, record_id, user_id, op, data, field_meta, client_id, created_at,
    schema_version, actor, origin, space_id, stream, pos, tag, visibility, at, content_hash";

/// The server's databases, and one beside them to write directly.
pub struct Direct {
    folder: TempDir,
    beside: Beside,
    /// What the server reads.
    served: Served,
}

enum Beside {
    Sqlite(Database),
    Postgres(PgPool),
}

enum Served {
    Sqlite(String),
    Postgres { url: String, admin: PgPool },
}

impl Direct {
    pub async fn open(store: Store) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let url = |name: &str| format!("sqlite://{}", folder.path().join(name).display());
        let (beside, served) = match store {
            Store::Sqlite => (
                Beside::Sqlite(Database::open(&url("beside.db")).await.expect("a database")),
                Served::Sqlite(url("log.db")),
            ),
            Store::Postgres => {
                assert!(
                    std::env::var_os(DURABLE).is_some(),
                    "set {DURABLE}=1: else PostgreSQL does not wait for the disk"
                );
                let (log, beside) = (OwnDatabase::migrated().await, OwnDatabase::migrated().await);
                let cluster: &Cluster = cluster().await;
                let pool = async |name: &str| {
                    let pool =
                        PgPoolOptions::new().max_connections(CONNECTIONS).acquire_timeout(Duration::from_mins(1));
                    pool.connect(&cluster.url(SUPERUSER, name)).await.expect("a pool")
                };
                let served = Served::Postgres { url: log.url(SERVER).await, admin: pool(log.name()).await };
                (Beside::Postgres(pool(beside.name()).await), served)
            }
        };
        Self { folder, beside, served }
    }

    /// What the server is started with.
    pub fn server_urls(&self) -> Vec<String> {
        match &self.served {
            Served::Sqlite(url) => vec![url.clone()],
            Served::Postgres { url, .. } => {
                vec![format!("sqlite://{}", self.folder.path().join("people.db").display()), url.clone()]
            }
        }
    }

    /// Writes so many rows in one transaction; the rows are made before the clock runs.
    pub async fn insert(&self, count: usize) -> Duration {
        let stream = format!("user:{}", fresh());
        let rows: Vec<(String, i64, String)> = (1..)
            .take(count)
            .map(|pos| {
                let n = fresh();
                (format!("event-{n}"), pos, data(&n.to_string(), n).to_string())
            })
            .collect();
        let began = Instant::now();
        match &self.beside {
            Beside::Sqlite(database) => insert_in_sqlite(database, &stream, rows).await,
            Beside::Postgres(pool) => insert_in_postgres(pool, &stream, rows).await,
        }
        began.elapsed()
    }

    /// Reads all rows of a stream that the server has.
    pub async fn read(&self, stream: &str) -> usize {
        let query = "SELECT id, record_id, data, field_meta, pos FROM sync_changes WHERE stream = $1 ORDER BY pos";
        match &self.served {
            Served::Sqlite(url) => {
                let pool = sqlx::SqlitePool::connect(url).await.expect("a pool");
                let rows = sqlx::query(query).bind(stream).fetch_all(&pool).await.expect("rows").len();
                pool.close().await;
                rows
            }
            Served::Postgres { admin, .. } => {
                sqlx::query(query).bind(stream).fetch_all(admin).await.expect("rows").len()
            }
        }
    }

    pub async fn close(&self) {
        match &self.beside {
            Beside::Sqlite(database) => database.close().await,
            Beside::Postgres(pool) => pool.close().await,
        }
        if let Served::Postgres { admin, .. } = &self.served {
            admin.close().await;
        }
    }
}

async fn insert_in_sqlite(database: &Database, stream: &str, rows: Vec<(String, i64, String)>) {
    let insert = format!(
        "INSERT INTO sync_changes ({COLUMNS}) VALUES (?1, 'todo', 'tasks', ?1, 'ada', 'insert', ?3, '{{}}', 'a.b', '',
          1, NULL, 'user', NULL, ?4, ?2, x'0102030405060708', 'space', '', zeroblob(32))"
    );
    let mut transaction = database.writer.turn().await.expect("a turn");
    for (id, pos, data) in rows {
        let query =
            sqlx::query(sqlx::AssertSqlSafe(insert.clone())).bind(id).bind(pos).bind(data).bind(stream.to_owned());
        query.execute(&mut *transaction).await.expect("inserted");
    }
    transaction.commit().await.expect("committed");
}

async fn insert_in_postgres(pool: &PgPool, stream: &str, rows: Vec<(String, i64, String)>) {
    let insert = format!(
        "INSERT INTO sync_changes ({COLUMNS}) SELECT id, 'todo', 'tasks', id, 'ada', 'insert', data, '{{}}', 'a.b', '', 1,
          NULL, 'user', NULL, $4, pos, '\\x0102030405060708', 'space', '', decode(repeat('00', 32), 'hex')
        FROM unnest($1::text[], $2::bigint[], $3::text[]) AS rows (id, pos, data)"
    );
    let (ids, rest): (Vec<String>, Vec<(i64, String)>) =
        rows.into_iter().map(|(id, pos, data)| (id, (pos, data))).unzip();
    let (positions, data): (Vec<i64>, Vec<String>) = rest.into_iter().unzip();
    let query = sqlx::query(sqlx::AssertSqlSafe(insert)).bind(ids).bind(positions).bind(data).bind(stream.to_owned());
    query.execute(pool).await.expect("inserted");
}

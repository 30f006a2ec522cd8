//! What the checks share: changes, logs.

use mana_sync::log::contract::fixtures::{event, randomness, with};
use mana_sync::log::sqlite::{Database, SqliteLog};
use serde_json::{Value, json};
use tempfile::TempDir;

/// An insert into `todo/tasks`, number `n` of all, of a shared space or of one's own.
pub fn insert(n: u64, record: &str, space: Option<&str>) -> Value {
    let change = json!({ "eventId": event(n), "app": "todo", "table": "tasks", "id": record, "op": "insert",
        "at": "2026-01-01T11:00:00.000000Z", "data": { "n": n } });
    space.map_or(change.clone(), |space| with(change, &[("spaceId", json!(space))]))
}

/// An empty log in a file, in a folder that goes with it.
pub async fn sqlite(seed: u64) -> (TempDir, Database, SqliteLog) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let url = format!("sqlite://{}", folder.path().join("log.db").display());
    let database = Database::open(&url).await.expect("a database");
    let log = SqliteLog::open(database.clone(), &randomness(seed)).await.expect("a log");
    (folder, database, log)
}

//! What the checks share: figures from the environment, changes, logs.

use mana_sync::log::contract::fixtures::{event, randomness, with};
use mana_sync::log::sqlite::{Database, SqliteLog};
use serde_json::{Value, json};
use std::time::Instant;
use tempfile::TempDir;

/// A figure from the environment, else the default.
pub fn figure(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |text| text.parse().unwrap_or_else(|_| panic!("{name} must be a number")))
}

/// The seed of this run, printed so that a failure can be repeated.
pub fn seed() -> u64 {
    let seed = figure("SEED", 20_260_101);
    println!("SEED={seed}");
    seed
}

/// The seconds since now, for the figures a run prints.
#[expect(clippy::disallowed_methods, reason = "no result depends on it")]
pub fn stopwatch() -> impl Fn() -> f64 {
    let began = Instant::now();
    move || began.elapsed().as_secs_f64()
}

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

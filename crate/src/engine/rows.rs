//! The engine's own rows in `_engine`, each under `[kind + key]`.

use super::error::Result;
use crate::model::FromJson;
use crate::store::{ENGINE, Key, KeyRange, Row, Scan, Transaction};
use serde_json::{Map, Value};

/// `{ id, replaces? }`: this database's identity, made with it; see `install.rs`.
pub const INSTALL: &str = "install";
/// `{ userId }`: whose database this is.
pub const OWNER: &str = "owner";
/// The clock's epoch and its offset to the server; see `epoch.rs`.
pub const CLOCK: &str = "clock";
/// `{ generation }`: how often a tab took the lead for a user; see `lead.rs`.
pub const LEAD: &str = "lead";
/// How far a user has pulled; see `progress.rs`.
pub const CURSOR: &str = "cursor";
/// Incoming changes that could not be applied, by event id.
pub const QUARANTINE: &str = "quarantine";
/// How much had to leave quarantine for want of room, by user; see `apply/aside.rs`.
pub const DROPPED: &str = "dropped";
/// Changes of records whose insert has not come, by table and id.
pub const PARKED: &str = "parked";
/// Outgoing changes the server refused for good, by event id.
pub const LETTER: &str = "letter";
/// Outgoing changes that wait behind a dead letter, by the event id of the first; see `letters/`.
pub const WAITING: &str = "waiting";
/// The spaces a user is a member of, and the types they were seen with; see `spaces.rs`.
pub const SPACES: &str = "spaces";
/// Moved records that something came of, by table and id; see `whole/follow.rs`.
pub const MOVED: &str = "moved";
/// Records with a shadow that nobody with the key has looked at, by table and id; see `shadow/arrivals.rs`.
pub const UNSEEN: &str = "unseen";
/// The apps that were asked for; see `apps.rs`.
pub const APPS: &str = "apps";
/// A full pull under way.
pub const REBASE: &str = "rebase";

/// Reads one row.
pub async fn read<Tx: Transaction, T: FromJson>(tx: &Tx, kind: &str, key: &str) -> Result<Option<T>> {
    Ok(json(tx, kind, key).await?.and_then(T::from_json))
}

/// Reads all rows of a kind, with their keys.
pub async fn read_all<Tx: Transaction, T: FromJson>(tx: &Tx, kind: &str) -> Result<Vec<(String, T)>> {
    let mut found = Vec::new();
    for (key, json) in all_json(tx, kind).await? {
        if let Some(row) = T::from_json(json) {
            found.push((key, row));
        }
    }
    Ok(found)
}

/// What does the reading, once for all types.
async fn json<Tx: Transaction>(tx: &Tx, kind: &str, key: &str) -> Result<Option<Value>> {
    let row = tx.get(ENGINE, &Key::pair(kind, key)).await?;
    Ok(row.and_then(|row| row.to_json().ok()))
}

async fn all_json<Tx: Transaction>(tx: &Tx, kind: &str) -> Result<Vec<(String, Value)>> {
    let range =
        KeyRange { lower: Some((Key::pair(kind, ""), false)), upper: Some((Key::pair(kind, "\u{FFFF}"), false)) };
    let scan = Scan { range: Some(range), ..Scan::default() };
    let rows = tx.scan(ENGINE, &scan, &|_| true).await?;
    Ok(rows.iter().filter_map(|row| Some((row.text("key")?, row.to_json().ok()?))).collect())
}

/// Writes one row.
pub fn write<Tx: Transaction>(tx: &Tx, kind: &str, key: &str, value: impl Into<Value>) -> Result<()> {
    put(tx, kind, key, value.into())
}

fn put<Tx: Transaction>(tx: &Tx, kind: &str, key: &str, value: Value) -> Result<()> {
    let mut map = Map::from_json(value).unwrap_or_default();
    map.insert("kind".into(), kind.into());
    map.insert("key".into(), key.into());
    // The map was just made, so the row is an object.
    if let Some(row) = Tx::Row::from_json(&Value::Object(map)) {
        tx.put(ENGINE, &row, None)?;
    }
    Ok(())
}

/// Removes one row.
pub fn remove<Tx: Transaction>(tx: &Tx, kind: &str, key: &str) -> Result<()> {
    Ok(tx.delete(ENGINE, &Key::pair(kind, key))?)
}

//! What was said already of records in an adopted database: it lies in the log, was set aside, or waits behind that.

use crate::engine::error::Result;
use crate::engine::outbox::{LogRow, LoggedChange};
use crate::engine::{letters, rows};
use crate::model::{FromJson, OrderedMap, Stamp};
use crate::store::{CHANGE_LOG, Scan, Transaction};
use serde_json::Value;

/// By app, table on the wire, and record.
pub type Held = OrderedMap<(String, String, String), HeldRecord>;

/// What was said of a record.
#[derive(Debug, Default)]
pub struct HeldRecord {
    /// The newest stamp said of each field.
    pub fields: OrderedMap<String, Stamp>,
    /// Whether its insert was.
    pub inserted: bool,
}

/// Reads the log and the dead letters of a user.
pub async fn read<Tx: Transaction>(tx: &Tx, user: &str) -> Result<Held> {
    let mut held = Held::new();
    for row in tx.scan(CHANGE_LOG, &Scan::default(), &|_| true).await?.iter().filter_map(LogRow::parse) {
        for change in row.changes.iter().filter(|_| row.user_id == user) {
            note(&mut held, &row, change);
        }
    }
    for (_, mut letter) in rows::read_all::<_, Value>(tx, rows::LETTER).await? {
        let row = LogRow::from_json(letter["row"].take()).filter(|row| row.user_id == user);
        let change = LoggedChange::from_json(letter["change"].take());
        if let (Some(row), Some(change)) = (row, change) {
            note(&mut held, &row, &change);
        }
    }
    for waiting in letters::read_waiting(tx, user).await? {
        for change in &waiting.row.changes {
            note(&mut held, &waiting.row, change);
        }
    }
    Ok(held)
}

fn note(held: &mut Held, row: &LogRow, change: &LoggedChange) {
    let name = (row.app_id.clone(), change.table().to_owned(), change.id().to_owned());
    let record = held.entry(name).or_default();
    record.inserted |= change.op() == "insert";
    for stamp in change.stamps(row) {
        let known = record.fields.entry(stamp.field).or_insert(stamp.at);
        *known = (*known).max(stamp.at);
    }
}

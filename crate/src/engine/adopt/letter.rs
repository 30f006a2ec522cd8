//! Dead letters of adoption: what cannot travel, with the reason.

use super::take_over::EPOCH;
use crate::engine::error::Result;
use crate::engine::outbox::{LogRow, LoggedChange};
use crate::model::{FromJson, Op, Stamp, TableSync};
use crate::store::Transaction;
use serde_json::{Map, Value, json};

/// A value that JSON does not carry, or a change that is none.
pub const NOT_SYNCABLE: &str = "value_not_syncable";
/// A change of a table that this app does not sync.
pub const UNKNOWN_TABLE: &str = "unknown_table";
/// A queued row that is not a change.
pub const MALFORMED: &str = "malformed";

/// A dead letter.
#[derive(Debug, Clone, PartialEq)]
pub struct Letter {
    /// Why.
    pub code: &'static str,
    /// Why, in words, with the path of what cannot travel.
    pub message: String,
    /// The app.
    pub app: String,
    /// What of the change JSON can carry, with its `eventId`.
    pub change: Map<String, Value>,
}

impl Letter {
    /// Of fields whose values cannot travel: they stay in their record.
    pub fn of_field(sync: &TableSync, id: &str, fields: &[(String, Stamp)], message: String, event_id: &str) -> Self {
        let stamps = fields.iter().map(|(field, at)| (field.clone(), json!({ "at": at })));
        let at = fields.iter().map(|(_, at)| *at).max().unwrap_or(Stamp::EPOCH);
        let change = json!({ "eventId": event_id, "table": sync.sync_name, "id": id, "op": Op::Update, "at": at,
            "fields": stamps.collect::<Map<_, _>>() });
        let change = Map::from_json(change).unwrap_or_default();
        Self { code: NOT_SYNCABLE, message, app: sync.app.to_string(), change }
    }

    /// Of a record whose `id` is no text: it stays on this device.
    pub fn of_nameless(sync: &TableSync, table: &str, event_id: &str) -> Self {
        let change =
            json!({ "eventId": event_id, "table": sync.sync_name, "id": "", "op": Op::Insert, "at": Stamp::EPOCH });
        let message = format!("a record of {table} has an id that is no text: it stays on this device");
        Self {
            code: NOT_SYNCABLE,
            message,
            app: sync.app.to_string(),
            change: Map::from_json(change).unwrap_or_default(),
        }
    }

    /// Stores it under its event id, as the outbox stores what a server refused.
    pub fn write<Tx: Transaction>(self, tx: &Tx, user: &str, at: Stamp) -> Result<()> {
        let change = LoggedChange(self.change);
        let row = LogRow { app_id: self.app, ..LogRow::unmoved(user, EPOCH, at) };
        row.put_letter(tx, &change, (self.code, &self.message), (at, 0))
    }
}

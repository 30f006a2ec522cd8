//! Reading rows of the change log: which fields of which records a row writes, with which values and stamps.

use super::Write;
use crate::place::{Place, Record};
use crate::sealed::opened;
use mana_sync_engine::model::Stamp;
use mana_sync_engine::store::{JsonRow, JsonValue};
use serde_json::Value;

/// One field a logged change writes.
pub struct LoggedField {
    /// The change, as its place in the row.
    pub change: usize,
    /// The field.
    pub place: Place,
    /// The value.
    pub value: Value,
    /// The value as it stands there, sealed where it is.
    pub raw: Value,
    /// When.
    pub at: Stamp,
}

impl LoggedField {
    /// It as a write.
    pub fn written(&self) -> Write {
        Write { place: self.place, value: self.value.clone(), raw: self.raw.clone(), at: self.at }
    }
}

/// Parses a stamp of the engine's.
#[must_use]
pub fn stamp(text: &str) -> Stamp {
    Stamp::parse(text).expect("a stamp")
}

/// The fields a row of the change log writes, in its order.
#[must_use]
pub fn fields_of(row: &JsonRow) -> Vec<LoggedField> {
    use mana_sync_engine::store::Row as _;
    let shared = row.str("at");
    let mut fields = Vec::new();
    if let Some(JsonValue::List(changes)) = row.get("changes") {
        for (number, change) in changes.iter().enumerate() {
            if let JsonValue::Object(change) = change {
                of_change(number, change, shared, &mut fields);
            }
        }
    }
    fields
}

fn of_change(number: usize, change: &JsonRow, shared: Option<&str>, fields: &mut Vec<LoggedField>) {
    let text = |name: &str| change.str(name).unwrap_or_default().to_owned();
    let Some(record) = Record::of(&text("table"), &text("id")) else { return };
    let at = stamp(change.str("at").or(shared).expect("a change says when"));
    let mut add = |name: &str, raw: Value, at: Stamp| {
        if let Some(place) = record.field(name) {
            fields.push(LoggedField { change: number, place, value: opened(place, at, &raw), raw, at });
        }
    };
    if text("op") == "delete" {
        add("deletedAt", Value::from(text("deletedAt")), at);
    }
    for (name, value) in change.object("data").into_iter().flat_map(JsonRow::fields) {
        add(name, value.to_value(), at);
    }
    for (name, edit) in change.object("fields").into_iter().flat_map(JsonRow::fields) {
        let JsonValue::Object(edit) = edit else { continue };
        let value = edit.fields().find(|(name, _)| *name == "value").map(|(_, value)| value.to_value());
        add(name, value.unwrap_or_default(), edit.str("at").map_or(at, stamp));
    }
}

//! One change from the wire: what can be read can be written, and reads the same again.

use mana_sync_engine::merge::{Outcome, RecordView, merge};
use mana_sync_engine::model::{Change, Op, canonical_bytes, is_hidden, same_json};
use serde_json::Value;

/// Reads a change, or whatever else the value is.
///
/// # Panics
/// When a promise is broken.
pub fn read(value: Value) {
    let canonical = serde_json::from_slice(&canonical_bytes(&value)).expect("canonical JSON is JSON");
    assert!(same_json(&value, &canonical), "canonical JSON is the same JSON");
    if let Ok(change) = Change::parse(value) {
        there_and_back(&change);
        on_no_record(&change);
    }
}

/// A change goes through text and comes back as it was.
///
/// # Panics
/// When it does not.
pub fn there_and_back(change: &Change) {
    let text = change.to_json().to_string();
    let json = serde_json::from_str(&text).expect("a change is written as JSON");
    let again = Change::parse(json).expect("a change that was read can be read again");
    assert_eq!(&again, change, "a change comes back as it was");
    assert!(!change.fields.keys().any(|field| is_hidden(field.as_str())), "hidden fields stay where they are");
}

/// No record at all.
struct Nothing;

impl RecordView for Nothing {
    fn stamp(&self, _: &str) -> Option<mana_sync_engine::model::Stamp> {
        None
    }

    fn value(&self, _: &str) -> Value {
        Value::Null
    }

    fn space(&self) -> Option<String> {
        None
    }
}

fn on_no_record(change: &Change) {
    let creates = merge(change, None::<&Nothing>) == Outcome::Create;
    assert_eq!(creates, change.op == Op::Insert, "only an insert creates a record");
}

//! What a record's changes come to, as far as fingerprints go: its stamps, and the few values that merging decides by.

use super::Fingerprint;
use crate::merge::{Outcome, RecordView, merge};
use crate::model::{AUTHOR_ID, Change, DELETED_AT, FieldName, ID, OrderedMap, SPACE_ID, Stamp, USER_ID, VISIBILITY};
use serde_json::Value;

/// One record of one stream while its changes are read, in the order of the stream, as `reader` is served them.
///
/// It takes them by the clients' own merge rule, with what a device does around it: an update waits for the insert, and a
/// withdrawal takes the record away.
#[derive(Debug)]
pub struct Fold {
    reader: String,
    record: Option<Folded>,
    waiting: Vec<Change>,
}

#[derive(Debug)]
struct Folded {
    space: Option<String>,
    stamps: OrderedMap<String, Stamp>,
    /// Of the fields that decide something. Whichever of two values under one stamp is kept of another, the stamp is the same.
    values: OrderedMap<String, Value>,
}

impl RecordView for Folded {
    fn stamp(&self, field: &str) -> Option<Stamp> {
        self.stamps.get(field).copied()
    }
    fn value(&self, field: &str) -> Value {
        self.values.get(field).cloned().unwrap_or_default()
    }
    fn space(&self) -> Option<String> {
        self.space.clone()
    }
}

impl Folded {
    fn of(change: &Change) -> Self {
        let space = change.space_id.as_ref().map(ToString::to_string);
        let mut record = Self { space, stamps: OrderedMap::new(), values: OrderedMap::new() };
        let fields = change.fields.keys().filter(|name| !matches!(name.as_str(), ID | SPACE_ID | USER_ID));
        record.take(change, fields);
        record
    }

    fn take<'a>(&mut self, change: &Change, fields: impl Iterator<Item = &'a FieldName>) {
        for name in fields {
            let Some(edit) = change.fields.get(name) else { continue };
            if matches!(name.as_str(), AUTHOR_ID | VISIBILITY | DELETED_AT) {
                self.values.insert(name.to_string(), edit.value.clone());
            }
            self.stamps.insert(name.to_string(), edit.at);
        }
    }
}

impl Fold {
    /// A record of which nothing was read.
    #[must_use]
    pub fn new(reader: &str) -> Self {
        Self { reader: reader.to_owned(), record: None, waiting: Vec::new() }
    }

    /// Takes the next change.
    pub fn take(&mut self, change: Change) {
        let was_there = self.record.is_some();
        self.merge(change);
        if !was_there && self.record.is_some() {
            for change in std::mem::take(&mut self.waiting) {
                self.merge(change);
            }
        }
    }

    fn merge(&mut self, change: Change) {
        match (merge(&change, self.record.as_ref()), &mut self.record) {
            (Outcome::Create, _) => self.record = Some(Folded::of(&change)),
            (Outcome::Take(fields), Some(record)) => record.take(&change, fields.iter()),
            (Outcome::Park, _) => self.waiting.push(change),
            (Outcome::Remove, Some(record)) if record.value(AUTHOR_ID) != self.reader.as_str() => self.record = None,
            (Outcome::Remove | Outcome::Take(_) | Outcome::SpaceMismatch, _) => {}
        }
    }

    /// Adds the record, if it is there and live.
    pub fn add_to(&self, fingerprint: &mut Fingerprint, id: &str) {
        let Some(record) = self.record.as_ref().filter(|record| record.value(DELETED_AT).is_null()) else { return };
        fingerprint.add(id, record.stamps.iter().map(|(field, at)| (field.as_str(), *at)));
    }
}

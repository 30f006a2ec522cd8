//! What a person's call does to a record, by the documented rules alone: which fields change, and to what.

use super::place::{DELETED, EDITABLE, FIELDS, Place, Record};
use super::sealed::opened;
use mana_sync_engine::engine::Write;
use mana_sync_engine::model::Stamp;
use mana_sync_engine::store::{JsonRow, Key};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::collections::BTreeSet;

/// A write on one record. Values are texts, by field.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Act {
    /// Changes fields.
    Update(Vec<(u8, String)>),
    /// Puts a whole record.
    Put(Vec<(u8, String)>),
    /// Deletes it.
    Delete,
    /// Brings it back.
    Restore,
}

impl Act {
    /// The call; `private`: a record it makes is seen by its author only.
    #[must_use]
    pub fn write(&self, record: Record, private: bool) -> Write<JsonRow> {
        let key = Key::text(record.id());
        let map = |fields: &[(u8, String)]| -> Map<String, Value> {
            fields
                .iter()
                .map(|(field, text)| (FIELDS[usize::from(*field)].to_owned(), Value::from(text.as_str())))
                .collect()
        };
        match self {
            Self::Update(fields) => Write::Update(vec![(key, JsonRow::from(map(fields)))]),
            Self::Put(fields) => {
                let mut row = map(fields);
                row.insert("id".into(), record.id().into());
                if private {
                    row.insert("visibility".into(), "private".into());
                }
                Write::Put(vec![JsonRow::from(row)])
            }
            Self::Delete => Write::Delete(vec![key]),
            Self::Restore => Write::Restore(vec![key]),
        }
    }
}

/// What a record must look like after a call.
#[derive(Debug, Clone, PartialEq)]
pub struct Expected {
    /// Whether there is one.
    pub exists: bool,
    /// The values of the editable fields; `null` where there is none.
    pub values: [Value; EDITABLE],
    /// Whether it is deleted.
    pub deleted: bool,
    /// The fields that got a new stamp.
    pub stamped: BTreeSet<u8>,
}

const DELETED_AT: u8 = 3;

impl Expected {
    /// A record as stored, with nothing stamped yet.
    #[must_use]
    pub fn of(record: Record, row: Option<&JsonRow>) -> Self {
        let place = |field: u8| Place { record, field };
        let value = |field: u8| row.map_or(Value::Null, |row| held(place(field), row));
        Self {
            exists: row.is_some(),
            values: [value(0), value(1), value(2)],
            deleted: row.is_some_and(|row| value_in(row, DELETED) != Value::Null),
            stamped: BTreeSet::new(),
        }
    }

    /// Performs an act; `known`: the fields the stored record has stamps of.
    pub fn perform(&mut self, act: &Act, known: &BTreeSet<u8>) {
        let is_live = self.exists && !self.deleted;
        match act {
            Act::Update(fields) if is_live => {
                for (field, text) in fields {
                    self.set(*field, Value::from(text.as_str()));
                }
            }
            Act::Put(fields) if is_live => {
                for field in 0..3 {
                    self.set(field, given(fields, field));
                }
            }
            Act::Put(fields) => self.insert(fields, known),
            Act::Delete if is_live => {
                self.deleted = true;
                self.stamped.insert(DELETED_AT);
            }
            Act::Restore if self.exists && self.deleted => {
                self.deleted = false;
                self.stamped.insert(DELETED_AT);
            }
            Act::Update(_) | Act::Delete | Act::Restore => {}
        }
    }

    /// An insert says something of every field it brings and of every field there was.
    fn insert(&mut self, fields: &[(u8, String)], known: &BTreeSet<u8>) {
        let earlier: BTreeSet<u8> = known.iter().chain(&self.stamped).copied().collect();
        for field in 0..3 {
            self.values[usize::from(field)] = given(fields, field);
        }
        self.stamped.extend(fields.iter().map(|(field, _)| *field));
        self.stamped.extend(earlier);
        self.stamped.insert(DELETED_AT);
        self.exists = true;
        self.deleted = false;
    }

    fn set(&mut self, field: u8, value: Value) {
        let stored = &mut self.values[usize::from(field)];
        if *stored != value {
            *stored = value;
            self.stamped.insert(field);
        }
    }
}

/// The value of a field in its stored row, opened; `null` where there is none.
#[must_use]
pub fn held(place: Place, row: &JsonRow) -> Value {
    let at = place.stamp(row).and_then(|at| Stamp::parse(at).ok()).unwrap_or(Stamp::EPOCH);
    opened(place, at, &value_in(row, place.name()))
}

/// What a device that lacks the key of a field's value shows in its place: what was there before, of the same stamp.
#[must_use]
pub fn held_before(place: Place, row: &JsonRow) -> Option<Value> {
    let before = row.object("__shadow")?.object(place.name())?;
    let at = before.object("mark")?.str("at").filter(|at| place.stamp(row) == Some(*at))?.to_owned();
    Some(opened(place, Stamp::parse(&at).ok()?, &value_in(before, "value")))
}

/// A field's value in a stored row; `null` where there is none.
#[must_use]
pub fn value_in(row: &JsonRow, field: &str) -> Value {
    use mana_sync_engine::store::Row as _;
    row.get(field).map_or(Value::Null, |value| value.to_value())
}

fn given(fields: &[(u8, String)], field: u8) -> Value {
    fields.iter().find(|(name, _)| *name == field).map_or(Value::Null, |(_, text)| Value::from(text.as_str()))
}

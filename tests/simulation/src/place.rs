//! What schedules write to: a few records with a few fields, so that devices meet.

use mana_sync_engine::store::{JsonRow, Key};
use serde::{Deserialize, Serialize};
use std::fmt;

/// The tables that sync; the last one came with the app's second version.
pub const TABLES: [&str; 3] = ["tasks", "settings", NEWER];
/// The table of the app's second version.
pub const NEWER: &str = "labels";
/// The table that is an app of its own in some schedules.
pub const LAZY: &str = "settings";
/// The records of each table.
pub const RECORDS: [&str; 5] = ["r0", "r1", "r2", "r3", "r4"];
/// The fields people edit, and the one that says whether a record is deleted.
pub const FIELDS: [&str; 4] = ["title", "note", "due", DELETED];
/// The field that says whether a record is deleted.
pub const DELETED: &str = "deletedAt";
/// How many of [`FIELDS`] people edit.
pub const EDITABLE: usize = 3;

/// A record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Record {
    /// Its table, as a place in [`TABLES`].
    pub table: u8,
    /// Its id, as a place in [`RECORDS`].
    pub id: u8,
}

/// A field of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    /// The record.
    pub record: Record,
    /// The field, as a place in [`FIELDS`].
    pub field: u8,
}

impl Record {
    /// The record a store's key names; `None` for other stores' rows.
    #[must_use]
    pub fn of_key(store: &str, key: &Key) -> Option<Self> {
        if let Key::Text(id) = key { Self::of(store, id) } else { None }
    }

    /// The record of these names.
    #[must_use]
    pub fn of(table: &str, id: &str) -> Option<Self> {
        Some(Self { table: position(&TABLES, table)?, id: position(&RECORDS, id)? })
    }

    /// Its table's name.
    #[must_use]
    pub fn table(self) -> &'static str {
        TABLES[usize::from(self.table)]
    }

    /// Its id.
    #[must_use]
    pub fn id(self) -> &'static str {
        RECORDS[usize::from(self.id)]
    }

    /// A field of it; `None` for fields schedules do not write.
    #[must_use]
    pub fn field(self, name: &str) -> Option<Place> {
        Some(Place { record: self, field: position(&FIELDS, name)? })
    }

    /// All fields of it that schedules write.
    pub fn places(self) -> impl Iterator<Item = Place> {
        (0..4).map(move |field| Place { record: self, field })
    }

    /// All records.
    pub fn all() -> impl Iterator<Item = Self> {
        (0..3).flat_map(|table| (0..5).map(move |id| Self { table, id }))
    }
}

impl Place {
    /// The field's name.
    #[must_use]
    pub fn name(self) -> &'static str {
        FIELDS[usize::from(self.field)]
    }

    /// The stamp of this field in a stored row, as its text.
    #[must_use]
    pub fn stamp(self, row: &JsonRow) -> Option<&str> {
        row.object("__fieldMeta")?.object(self.name())?.str("at")
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}.{}", self.record.table(), self.record.id(), self.name())
    }
}

fn position(names: &[&str], name: &str) -> Option<u8> {
    names.iter().position(|known| *known == name).and_then(|at| u8::try_from(at).ok())
}

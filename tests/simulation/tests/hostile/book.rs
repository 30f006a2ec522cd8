//! What people wrote in which sealed field, and what has been shown of it.

use super::Spot;
use mana_sync_engine::crypto::{self, Envelope, Format, Keyring, MasterKey};
use mana_sync_engine::model::{AppId, Change, FieldName, RecordId, Stamp, TableName};
use serde_json::Value;
use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};

/// What all words of people contain.
pub const SECRET: &str = "unheard-of marmalade";

/// Table, record, and a sealed field of it.
pub type Place = (&'static str, &'static str, &'static str);

pub const TABLES: [&str; 2] = ["tasks", "settings"];
pub const PLACES: [Place; 7] = [
    ("tasks", "a", "title"),
    ("tasks", "a", "note"),
    ("tasks", "b", "title"),
    ("tasks", "b", "note"),
    ("settings", "a", "value"),
    ("settings", "b", "value"),
    // What a guest may have written before.
    ("tasks", "g", "title"),
];

/// The sealed fields, with their tables.
pub fn sealed() -> Vec<(&'static str, &'static str)> {
    vec![("tasks", "title"), ("tasks", "note"), ("settings", "value")]
}

/// What the keys that are here are good for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Vault {
    Open,
    /// They read, and tell nothing of what came.
    Outdated,
    Locked,
}

#[derive(Default)]
pub struct Book {
    seed: Cell<u64>,
    last: Cell<u64>,
    /// What was written, with its stamp once that is known.
    written: RefCell<BTreeMap<Place, BTreeMap<String, Option<Stamp>>>>,
    /// What the server made up: where, when, and as text.
    made_up: RefCell<BTreeSet<(String, Stamp, String)>>,
    /// When people last wrote that there is nothing in a place.
    emptied: RefCell<BTreeMap<Place, Stamp>>,
    /// The stamp of the newest words that a device has shown.
    shown: RefCell<BTreeMap<Spot, Stamp>>,
}

impl Book {
    /// Says which schedule this is, for people who read what went wrong.
    pub fn begin(&self, seed: u64) {
        self.seed.set(seed);
    }

    /// Nobody wrote that after all.
    pub fn unwrite(&self, place: Place, words: &str) {
        self.written.borrow_mut().get_mut(&place).and_then(|all| all.remove(words));
    }

    /// Words that nobody else writes.
    pub fn words(&self) -> String {
        self.last.set(self.last.get() + 1);
        format!("{SECRET} {}", self.last.get())
    }

    pub fn write(&self, place: Place, words: &str) {
        self.written.borrow_mut().entry(place).or_default().insert(words.to_owned(), None);
    }

    /// A whole record was put that has nothing in its other fields, at that time.
    pub fn write_nothing_beside(&self, place: Place, at: &str) {
        let at = Stamp::parse(at).expect("a stamp");
        let beside = PLACES.iter().filter(|other| (other.0, other.1) == (place.0, place.1) && **other != place);
        self.emptied.borrow_mut().extend(beside.map(|place| (*place, at)));
    }

    pub fn stamp(&self, place: Place, words: &str, at: &str) {
        let at = Stamp::parse(at).expect("a stamp");
        self.written.borrow_mut().entry(place).or_default().insert(words.to_owned(), Some(at));
    }

    pub fn make_up(&self, change: &Change) {
        let record = format!("{}/{}", change.table, change.id);
        let said =
            change.fields.iter().map(|(name, edit)| (format!("{record}/{name}"), edit.at, edit.value.to_string()));
        self.made_up.borrow_mut().extend(said);
    }

    fn is_written(&self, place: Place, words: &str) -> bool {
        self.written.borrow().get(&place).is_some_and(|all| all.contains_key(words))
    }

    /// Whether what stands in a place is a lie of the server's.
    pub fn is_made_up(&self, (table, id, field): Place, at: Stamp, value: &Value) -> bool {
        self.made_up.borrow().contains(&(format!("{table}/{id}/{field}"), at, value.to_string()))
    }

    /// What a device sends of a sealed field opens in its place, at its time, to what a person wrote there, or is, letter
    /// for letter, what the server said before it went back to an older copy.
    pub fn check_pushed(&self, json: &Value) {
        let change = Change::parse(json.clone()).expect("devices push changes");
        for (name, edit) in &change.fields {
            let is_here = |place: &&Place| {
                (place.0, place.1, place.2) == (change.table.as_str(), change.id.as_str(), name.as_str())
            };
            let Some(place) = PLACES.iter().find(is_here) else { continue };
            if edit.value.is_null() || self.is_made_up(*place, edit.at, &edit.value) {
                continue;
            }
            let text = edit.value.as_str().unwrap_or_else(|| panic!("{place:?} is sent as {}", edit.value));
            match open(*place, edit.at, text) {
                Some(Value::Null) if self.emptied.borrow().contains_key(place) => {}
                Some(Value::String(words)) if self.is_written(*place, &words) => {}
                other => panic!("SEED={}: {place:?} is sent as {text}, which is {other:?}", self.seed.get()),
            }
        }
    }

    /// What a device shows of a sealed field, with what it stores.
    pub fn check_shown(&self, at: Spot, shown: &Value, stored: &Value, vault: Vault) -> Result<(), String> {
        let place = at.1;
        let last = self.shown.borrow().get(&at).copied();
        let text = shown.as_str().unwrap_or_default();
        if text.contains(SECRET) {
            if vault == Vault::Locked {
                return Err("the vault is locked".into());
            }
            if !self.is_written(place, text) {
                return Err(format!("nobody wrote it in {place:?}"));
            }
            let Some(written) = self.written.borrow()[&place][text] else { return Ok(()) };
            if last.is_some_and(|last| written < last) {
                return Err(format!("of {written}, and it has shown what is of {last:?}"));
            }
            self.shown.borrow_mut().insert(at, written);
            return Ok(());
        }
        let is_sealed = shown["__sealed"] == true;
        let may_be = if is_sealed {
            // A key that is not here says nothing until it comes.
            vault != Vault::Open || last.is_none() || !is_under_the_key(stored)
        } else {
            let emptied = self.emptied.borrow().get(&place).copied();
            last.is_none_or(|last| shown.is_null() && emptied > Some(last))
        };
        if may_be { Ok(()) } else { Err(format!("in {place:?}, where the user's words have been shown")) }
    }
}

/// Whether these words are what is sealed in a place.
pub fn holds(place: Place, stored: &Value, words: &str) -> bool {
    let at = stored["__fieldMeta"][place.2]["at"].as_str().and_then(|at| Stamp::parse(at).ok());
    let opened = at.and_then(|at| open(place, at, stored[place.2].as_str()?));
    opened.is_some_and(|opened| opened == words)
}

fn ring() -> Keyring {
    let mut ring = Keyring::new();
    ring.insert(1, key());
    ring
}

fn key() -> MasterKey {
    MasterKey::from_bytes(&[super::KEY; 32]).expect("a key has 32 bytes")
}

fn is_under_the_key(stored: &Value) -> bool {
    let name = stored.as_str().and_then(Envelope::parse).and_then(|envelope| envelope.key());
    name.is_none_or(|name| name.id == key().id())
}

/// What the user's key sealed in format 1, which is bound to no place and to no time.
pub fn sealed_in_format_one(words: &str) -> String {
    let (app, table) = (AppId::parse("todo").expect("an app"), TableName::parse("tasks").expect("a table"));
    let (id, field) = (RecordId::parse("a").expect("an id"), FieldName::parse("title").expect("a field"));
    let place = crypto::Place::new(&app, &table, &id, &field);
    let random = |bytes: &mut [u8]| bytes.fill(9);
    ring().seal(Format::One, &place, Stamp::EPOCH, &words.into(), &random).expect("sealed")
}

fn open((table, id, field): Place, at: Stamp, text: &str) -> Option<Value> {
    let (app, table) = (AppId::parse("todo").ok()?, TableName::parse(table).ok()?);
    let (id, field) = (RecordId::parse(id).ok()?, FieldName::parse(field).ok()?);
    ring().open(&crypto::Place::new(&app, &table, &id, &field), at, text).ok()
}

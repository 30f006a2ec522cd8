//! What sealed fields hold, for those who watch: whatever is stored, logged or sent of one opens in its place with the
//! user's key, or there is no value.

use super::place::Place;
use mana_sync_engine::crypto::{self, Envelope, Keyring, MasterKey};
use mana_sync_engine::model::{AppId, FieldName, RecordId, Stamp, TableName};
use serde_json::Value;
use std::cell::{Cell, RefCell};
use std::collections::HashMap;

/// The sealed field of every table, as a place in [`super::place::FIELDS`].
const FIELD: u8 = 0;
/// Every byte of the user's key.
pub const KEY: u8 = 7;
/// The generation of a first key.
const GENERATION: u16 = 1;

thread_local! {
    static SEALS: Cell<bool> = const { Cell::new(false) };
    static OPENED: RefCell<HashMap<(Place, Stamp, String), Value>> = RefCell::default();
}

/// Whether this thread's schedule seals, from now on.
pub fn begin(seals: bool) {
    SEALS.set(seals);
    OPENED.take();
}

/// What a field holds that was written at that time. Plaintext where it must not be, and what does not open there, stop
/// the schedule.
#[must_use]
pub fn opened(place: Place, at: Stamp, stored: &Value) -> Value {
    if !SEALS.get() || place.field != FIELD || stored.is_null() {
        return stored.clone();
    }
    let text = stored.as_str().unwrap_or_else(|| panic!("{place} is sealed and holds {stored}"));
    OPENED.with_borrow_mut(|known| {
        known.entry((place, at, text.to_owned())).or_insert_with(|| open(place, at, text)).clone()
    })
}

fn open(place: Place, at: Stamp, text: &str) -> Value {
    assert!(Envelope::parse(text).is_some(), "{place} is sealed and holds the plaintext {text:?}");
    let (app, table) =
        (AppId::parse("todo").expect("an app"), TableName::parse(place.record.table()).expect("a table"));
    let (id, name) =
        (RecordId::parse(place.record.id()).expect("an id"), FieldName::parse(place.name()).expect("a field"));
    let mut ring = Keyring::default();
    ring.insert(GENERATION, MasterKey::from_bytes(&[KEY; 32]).expect("a key has 32 bytes"));
    let opened = ring.open(&crypto::Place::new(&app, &table, &id, &name), at, text);
    opened.unwrap_or_else(|error| panic!("{place} of {at} does not open: {error:?}: {text}"))
}

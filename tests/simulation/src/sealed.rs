//! What sealed fields hold, for those who watch: whatever is stored, logged or sent of one opens in its place with the
//! user's key, or there is no value.

use super::place::Place;
use super::setup::Setup;
use mana_sync_engine::crypto::{self, Envelope, Keyring, KeyringRecord, MasterKey, SealedKey};
use mana_sync_engine::model::{AppId, FieldName, RecordId, Stamp, TableName, UserId};
use serde_json::Value;
use std::cell::{Cell, RefCell};
use std::collections::HashMap;

/// The sealed field of every table, as a place in [`super::place::FIELDS`].
const FIELD: u8 = 0;
/// Every byte of the user's first key.
const FIRST_KEY: u8 = 7;

thread_local! {
    static SEALS: Cell<bool> = const { Cell::new(false) };
    /// What the schedule's devices open their engines with.
    static SETUP: RefCell<Setup> = RefCell::new(Setup::of("ada"));
    /// Every key that the app ever kept for its user, by the byte it consists of; the last one was kept last.
    static KEYS: RefCell<Vec<u8>> = RefCell::default();
    /// The last one of which the app was told that it is the newest.
    static IN_FORCE: Cell<u8> = const { Cell::new(FIRST_KEY) };
    static OPENED: RefCell<HashMap<(Place, Stamp, String), Value>> = RefCell::default();
}

/// Whether this thread's schedule seals, from now on, and what its devices open their engines with.
pub fn begin(seals: bool, setup: &Setup) {
    SEALS.set(seals);
    SETUP.set(setup.clone());
    KEYS.set(vec![FIRST_KEY]);
    IN_FORCE.set(FIRST_KEY);
    OPENED.take();
}

/// Keeps a new key of the user's.
pub fn keep_key(byte: u8) {
    KEYS.with_borrow_mut(|keys| keys.push(byte));
}

/// Notes that the app was told that a key is the newest.
pub fn enforce(byte: u8) {
    IN_FORCE.set(byte);
}

/// The key that the app takes for the newest.
#[must_use]
pub fn key() -> u8 {
    IN_FORCE.get()
}

/// The key that was kept so many keys ago; the last one is `number` 0.
#[must_use]
pub fn kept_key(number: usize) -> u8 {
    KEYS.with_borrow(|keys| keys[keys.len() - 1 - number % keys.len()])
}

/// A key that nobody has.
#[must_use]
pub fn fresh_key(number: u64) -> u8 {
    FIRST_KEY + 1 + u8::try_from(number % 200).unwrap_or(0)
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
    let envelope = Envelope::parse(text);
    let envelope = envelope.unwrap_or_else(|| panic!("{place} is sealed and holds the plaintext {text:?}"));
    let mut ring = Keyring::default();
    let generation = envelope.key().map_or(1, |name| name.generation);
    for byte in KEYS.with_borrow(Vec::clone) {
        ring.insert(generation, MasterKey::from_bytes(&[byte; 32]).expect("a key has 32 bytes"));
    }
    let opened = in_place(place, |place| ring.open(place, at, text));
    opened.unwrap_or_else(|error| panic!("{place} of {at} does not open: {error:?}: {text}"))
}

/// Whether a device has the keys to what a field holds: the one that its person unlocked the vault with, of which every byte
/// is `byte`, and those that it leads to by the `facts` of the keyring that are stored there.
#[must_use]
pub fn opens_with(byte: u8, facts: &[Value], place: Place, at: Stamp, stored: &Value) -> bool {
    let envelope = stored.as_str().filter(|_| SEALS.get() && place.field == FIELD).and_then(Envelope::parse);
    let Some(envelope) = envelope else { return true };
    let fact = |fact: &Value| {
        let text = |name: &str| Some(fact[name].as_str()?.to_owned());
        Some((FieldName::parse(text("name")?).ok()?, Stamp::parse(&text("at")?).ok()?, text("value")?))
    };
    let facts: Vec<(FieldName, Stamp, String)> = facts.iter().filter_map(fact).collect();
    let sealing = facts.iter().filter_map(|(_, _, text)| Envelope::parse(text)?.key());
    let mut ring = Keyring::default();
    for name in sealing.chain(envelope.key()) {
        ring.insert(name.generation, MasterKey::from_bytes(&[byte; 32]).expect("a key has 32 bytes"));
    }
    let keys: Vec<SealedKey<'_>> =
        facts.iter().map(|(field, at, text)| SealedKey { field, at: *at, text: text.as_str() }).collect();
    let user = UserId::parse("ada").expect("a user");
    ring.open_keys(&KeyringRecord::of(&user).expect("a record"), &keys);
    in_place(place, |place| ring.open(place, at, stored.as_str().unwrap_or_default()).is_ok())
}

fn in_place<T>(place: Place, run: impl FnOnce(&crypto::Place<'_>) -> T) -> T {
    let table = place.record.table();
    let app = SETUP.with_borrow(|setup| AppId::parse(setup.app_of(table)).expect("an app"));
    let table = TableName::parse(table).expect("a table");
    let (id, name) =
        (RecordId::parse(place.record.id()).expect("an id"), FieldName::parse(place.name()).expect("a field"));
    run(&crypto::Place::new(&app, &table, &id, &name))
}

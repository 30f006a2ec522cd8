//! Ten thousand values with everything they are sealed by. They follow from their numbers, so every build makes the same
//! ones, and has to seal them to the same texts: what one build sealed, the other one opens.

use mana_sync_engine::crypto::{Format, Keyring, MasterKey, Place};
use mana_sync_engine::model::{AppId, FieldName, RecordId, Stamp, TableName, same_json};
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};
use std::cell::Cell;

/// How many there are.
pub const COUNT: u64 = 10_000;
/// SHA-256 of all their envelopes, one after the other.
const DIGEST: &str = "a5daeb2166e39235a8c65e5f8584c45d91e8fa42f3be5f339ee4dc81b62a9217";

/// Random bytes that follow from a number (`SplitMix64`).
pub fn random(seed: u64) -> impl Fn(&mut [u8]) {
    let state = Cell::new(seed);
    move |bytes| bytes.chunks_mut(8).for_each(|part| part.copy_from_slice(&next(&state).to_le_bytes()[..part.len()]))
}

fn next(state: &Cell<u64>) -> u64 {
    state.set(state.get().wrapping_add(0x9E37_79B9_7F4A_7C15));
    let mixed = (state.get() ^ state.get() >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
    mixed ^ mixed >> 31
}

/// A value, where and when it is sealed, and how.
pub struct Sample {
    pub format: Format,
    pub value: Value,
    pub app: AppId,
    pub table: TableName,
    pub record: RecordId,
    pub field: FieldName,
    pub at: Stamp,
    number: u64,
}

impl Sample {
    /// The one of a number.
    pub fn of(number: u64) -> Self {
        let state = Cell::new(number << 32);
        let pick = |words: &[&'static str]| words[usize::try_from(below(&state, words.len() as u64)).unwrap()];
        let format = if number.is_multiple_of(3) { Format::One } else { Format::Two };
        let app = AppId::parse(pick(&["todo", "notes", "a"])).unwrap();
        let table = TableName::parse(pick(&["tasks", "entries", "t"])).unwrap();
        let field = FieldName::parse(pick(&["title", "body", "größe", "深さ"])).unwrap();
        let record = RecordId::parse(format!("r{}{}", pick(&["", "ü", "🚀", "-"]), next(&state))).unwrap();
        let at = Stamp::at_ms(below(&state, 4_102_444_800_000));
        let at = if below(&state, 2) == 0 { at } else { at.next() };
        Self { format, value: value(&state, 3), app, table, record, field, at, number }
    }

    pub fn place(&self) -> Place<'_> {
        Place::new(&self.app, &self.table, &self.record, &self.field)
    }

    /// Sealed; what it says of its IV follows from its number, too.
    pub fn seal(&self, ring: &Keyring) -> String {
        ring.seal(self.format, &self.place(), self.at, &self.value, &random(self.number)).unwrap()
    }
}

/// The key of all of them.
pub fn key() -> MasterKey {
    MasterKey::generate(&random(u64::MAX)).unwrap()
}

pub fn ring() -> Keyring {
    let mut ring = Keyring::new();
    ring.insert(1, key());
    ring
}

fn below(state: &Cell<u64>, end: u64) -> u64 {
    next(state) % end
}

fn value(state: &Cell<u64>, depth: u64) -> Value {
    match below(state, if depth == 0 { 6 } else { 8 }) {
        0 => Value::Null,
        1 => json!(below(state, 2) == 0),
        2 => json!(below(state, 1 << 53).cast_signed() - (1 << 52)),
        3 => json!(f64::from_bits(next(state) & 0xbfff_ffff_ffff_ffff)),
        4 | 5 => text(state).into(),
        6 => (0..below(state, 5)).map(|_| value(state, depth - 1)).collect(),
        _ => (0..below(state, 5)).map(|_| (text(state), value(state, depth - 1))).collect::<Map<_, _>>().into(),
    }
}

fn text(state: &Cell<u64>) -> String {
    const PARTS: [&str; 12] = ["a", "Zug", " ", "ß", "\"", "\\", "\n", "\u{1f}", "e\u{301}", "深", "🚀", "enc:1:"];
    let most = if below(state, 100) == 0 { 2_000 } else { 20 };
    let part = |_| PARTS[usize::try_from(below(state, 12)).unwrap()];
    (0..below(state, most)).map(part).collect()
}

/// Seals and opens all of them; gives how many, once they are the same texts as in every other build.
pub fn sealed_alike() -> u64 {
    let ring = ring();
    let mut digest = Sha256::new();
    for sample in (0..COUNT).map(Sample::of) {
        let text = sample.seal(&ring);
        let opened = ring.open(&sample.place(), sample.at, &text).unwrap();
        assert!(same_json(&opened, &sample.value), "{text}");
        digest.update(&text);
    }
    assert_eq!(digest.finalize().to_vec(), super::unhex(DIGEST), "another build seals other texts");
    COUNT
}

//! Keys, places and randomness of the tests; all of it follows from numbers.

pub use crate::vectors::generated::random;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use mana_sync_engine::crypto::{Envelope, Format, Keyring, MasterKey, Place};
use mana_sync_engine::model::{AppId, FieldName, RecordId, Stamp, TableName};
use serde_json::Value;

pub fn key(seed: u64) -> MasterKey {
    MasterKey::generate(&random(seed)).unwrap()
}

/// A ring with one key of the first generation.
pub fn ring(seed: u64) -> Keyring {
    let mut ring = Keyring::new();
    ring.insert(1, key(seed));
    ring
}

pub fn at() -> Stamp {
    Stamp::parse("2026-03-01T12:00:00.000007Z").unwrap()
}

/// A place that owns its names.
#[derive(Debug)]
pub struct Spot {
    app: AppId,
    table: TableName,
    record: RecordId,
    field: FieldName,
}

impl Spot {
    pub fn new(app: &str, table: &str, record: &str, field: &str) -> Self {
        Self {
            app: AppId::parse(app).unwrap(),
            table: TableName::parse(table).unwrap(),
            record: RecordId::parse(record).unwrap(),
            field: FieldName::parse(field).unwrap(),
        }
    }

    pub fn place(&self) -> Place<'_> {
        Place::new(&self.app, &self.table, &self.record, &self.field)
    }
}

/// Where most tests seal.
pub fn spot() -> Spot {
    Spot::new("todo", "tasks", "0198c0de-0000-7000-8000-000000000001", "title")
}

/// Seals there and then.
pub fn sealed(ring: &Keyring, format: Format, value: &Value, seed: u64) -> String {
    ring.seal(format, &spot().place(), at(), value, &random(seed)).unwrap()
}

/// The envelope with these parts, as text.
pub fn spelt(head: &str, iv: &[u8], ciphertext: &[u8]) -> String {
    format!("{head}{}.{}", STANDARD.encode(iv), STANDARD.encode(ciphertext))
}

/// What stands before an envelope's IV.
pub fn head(text: &str) -> &str {
    match Envelope::parse(text).unwrap().format() {
        Format::One => "enc:1:",
        Format::Two => &text[.."enc:2:0001deadbeef.".len()],
    }
}

//! The engine's ciphers by themselves: a value's JSON to its envelope and back, as a write and a read do it, without a
//! database. The package does not offer them, so the benchmark builds this beside it, in the same profile.

#![forbid(unsafe_code)]
#![cfg(target_arch = "wasm32")]

use mana_sync_engine::crypto::{Format, Keyring, MasterKey, Place};
use mana_sync_engine::engine::ports::Host;
use mana_sync_engine::model::{AppId, FieldName, RecordId, Stamp, TableName};
use mana_sync_engine::web::BrowserHost;
use wasm_bindgen::JsError;
use wasm_bindgen::prelude::wasm_bindgen;

/// One key, and one field of one record.
#[wasm_bindgen]
pub struct Ciphers {
    ring: Keyring,
    app: AppId,
    table: TableName,
    record: RecordId,
    field: FieldName,
}

#[wasm_bindgen]
impl Ciphers {
    /// With a key of 32 bytes.
    #[wasm_bindgen(constructor)]
    pub fn new(key: &[u8]) -> Result<Self, JsError> {
        let mut ring = Keyring::new();
        ring.insert(1, MasterKey::from_bytes(key)?);
        let name = "0198c0de-0000-7000-8000-000000000001";
        Ok(Self {
            ring,
            app: AppId::parse("bench")?,
            table: TableName::parse("records")?,
            record: RecordId::parse(name)?,
            field: FieldName::parse("notes")?,
        })
    }

    /// The envelope of a value's JSON.
    pub fn seal(&self, json: String) -> Result<String, JsError> {
        let random = |bytes: &mut [u8]| BrowserHost.random(bytes);
        Ok(self.ring.seal_json(Format::Two, &self.place(), Stamp::EPOCH, json.into_bytes(), &random)?)
    }

    /// The JSON in an envelope.
    pub fn open(&self, envelope: &str) -> Result<String, JsError> {
        let json = self.ring.open_json(&self.place(), Stamp::EPOCH, envelope)?;
        Ok(std::str::from_utf8(&json)?.to_owned())
    }

    fn place(&self) -> Place<'_> {
        Place::new(&self.app, &self.table, &self.record, &self.field)
    }
}

//! What JavaScript sees of archives: thin wrappers that convert arguments, results and errors. No rule lives here.
//!
//! What fails throws an `Error` with `code` and `details`. The TypeScript shim is the only caller; its `archive-raw.ts` mirrors
//! these signatures.

#![cfg(target_arch = "wasm32")]

mod blob;
mod error;
mod reading;
mod writing;

pub use reading::ArchiveReader;
pub use writing::ArchiveWriter;

use mana_archive::{Error, SealKey};
use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::wasm_bindgen;

/// The key that a passphrase in the form NFKC makes, where the platform has no PBKDF2 of its own. Takes as long as the iterations do.
#[wasm_bindgen(js_name = deriveKey)]
#[must_use]
pub fn derive_key(normalized: &str, salt: &[u8], iterations: u32) -> Vec<u8> {
    SealKey::derive_exactly(normalized, salt, iterations).to_bytes().to_vec()
}

fn key_of(bytes: &[u8]) -> mana_archive::Result<SealKey> {
    bytes.try_into().map(SealKey::from_bytes).map_err(|_| Error::WrongPassphrase)
}

fn busy() -> JsValue {
    js_sys::Error::new("the archive is not in a state for this call").into()
}

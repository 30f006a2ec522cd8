//! Writing an archive in the pieces that JavaScript gives.

use crate::error::thrown;
use mana_archive::{Error, Manifest, SealKey, SealRandom, SealedWriter, Writer};
use std::cell::RefCell;
use std::io::Write;
use std::rc::Rc;
use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::wasm_bindgen;

/// Bytes that wait until they are taken.
#[derive(Clone, Default)]
struct Parts(Rc<RefCell<Vec<u8>>>);

impl Write for Parts {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.borrow_mut().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

enum Target {
    Plain(Writer<Parts>),
    Sealed(SealedWriter),
}

macro_rules! either {
    ($target:expr, $writer:ident => $what:expr) => {
        match $target {
            Target::Plain($writer) => $what,
            Target::Sealed(sealed) => {
                let $writer = sealed.body();
                $what
            }
        }
    };
}

/// An archive that is written.
#[wasm_bindgen]
pub struct ArchiveWriter {
    target: Option<Target>,
    parts: Parts,
}

#[wasm_bindgen]
impl ArchiveWriter {
    /// Begins one. `key`: seals it with 32 bytes that PBKDF2 made of the passphrase's NFKC form, the first 16 of `random`, and 600,000
    /// iterations. `random`: 44 bytes that are used for nothing else.
    #[wasm_bindgen(constructor)]
    pub fn new(manifest: &str, key: Option<Vec<u8>>, random: &[u8]) -> Result<ArchiveWriter, JsValue> {
        let parts = Parts::default();
        let begin = || {
            let manifest = Manifest::parse(manifest.as_bytes())?;
            let Some(key) = key else { return Ok(Target::Plain(Writer::new(parts.clone(), &manifest)?)) };
            let key: [u8; 32] = key.try_into().map_err(|_| Error::WrongPassphrase)?;
            let random: [u8; 44] = random.try_into().map_err(|_| Error::ManifestInvalid("passphrase.kdfSaltBase64"))?;
            Ok(Target::Sealed(SealedWriter::with_key(&manifest, SealKey::from_bytes(key), SealRandom::from(random))?))
        };
        let target = begin().map_err(|error| thrown(&error))?;
        Ok(Self { target: Some(target), parts })
    }

    /// Begins a table.
    pub fn table(&mut self, name: &str) -> Result<(), JsValue> {
        either!(self.target()?, writer => writer.table(name)).map_err(|error| thrown(&error))
    }

    /// Writes rows, one per line.
    pub fn rows(&mut self, lines: &str) -> Result<(), JsValue> {
        let target = self.target()?;
        for line in lines.lines() {
            either!(target, writer => writer.row(line)).map_err(|error| thrown(&error))?;
        }
        Ok(())
    }

    /// Says what could not be read: a JSON list of `{ table, id, field }`.
    pub fn missing(&mut self, fields: &str) -> Result<(), JsValue> {
        let fields: Vec<serde_json::Value> = serde_json::from_str(fields).unwrap_or_default();
        either!(self.target()?, writer => writer.missing(&fields)).map_err(|error| thrown(&error))
    }

    /// The bytes that were written since it was asked last. Of a sealed archive there are none before it ends.
    pub fn take(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.parts.0.borrow_mut())
    }

    /// Ends it; gives the last bytes.
    pub fn finish(&mut self) -> Result<Vec<u8>, JsValue> {
        let ended = match self.target.take() {
            Some(Target::Plain(writer)) => writer.finish().map(drop),
            Some(Target::Sealed(writer)) => writer.finish(self.parts.clone()).map(drop),
            None => return Err(ended()),
        };
        ended.map_err(|error| thrown(&error))?;
        Ok(self.take())
    }

    fn target(&mut self) -> Result<&mut Target, JsValue> {
        self.target.as_mut().ok_or_else(ended)
    }
}

fn ended() -> JsValue {
    js_sys::Error::new("the archive has ended").into()
}

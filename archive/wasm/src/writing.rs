//! Writing an archive in the pieces that JavaScript gives.

use crate::error::thrown;
use crate::{busy, key_of};
use js_sys::Uint8Array;
use mana_archive::{Envelope, Error, Manifest, SealRandom, SealedWriter, Writer};
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
    Sealed(Box<SealedWriter<Parts>>),
    /// Of a sealed one the body has ended.
    Envelope(Envelope),
    Ended,
}

/// An archive that is written.
#[wasm_bindgen]
pub struct ArchiveWriter {
    target: Target,
    parts: Parts,
}

#[wasm_bindgen]
impl ArchiveWriter {
    /// Begins one. `key`: it will be sealed with these 32 bytes, which PBKDF2 made of the passphrase's NFKC form, the first 16 of
    /// `random`, and 600,000 iterations. `random`: 44 bytes that are used for nothing else.
    #[wasm_bindgen(constructor)]
    pub fn new(manifest: &str, key: Option<Vec<u8>>, random: &[u8]) -> Result<ArchiveWriter, JsValue> {
        let parts = Parts::default();
        let begin = || {
            let manifest = Manifest::parse(manifest.as_bytes())?;
            let Some(key) = key else { return Ok(Target::Plain(Writer::new(parts.clone(), &manifest)?)) };
            let random: [u8; 44] = random.try_into().map_err(|_| Error::ManifestInvalid("passphrase.kdfSaltBase64"))?;
            let random = SealRandom::from(random);
            Ok(Target::Sealed(Box::new(SealedWriter::with_key(parts.clone(), &manifest, key_of(&key)?, random)?)))
        };
        let target = begin().map_err(|error| thrown(&error))?;
        Ok(Self { target, parts })
    }

    /// Begins a table.
    pub fn table(&mut self, name: &str) -> Result<(), JsValue> {
        self.writer()?.table(name).map_err(|error| thrown(&error))
    }

    /// Writes rows, one per line, in UTF-8: `TextEncoder` is faster than the way of a text into this module.
    pub fn rows(&mut self, lines: &[u8]) -> Result<(), JsValue> {
        let lines = std::str::from_utf8(lines).map_err(|_| busy())?;
        self.writer()?.rows(lines).map_err(|error| thrown(&error))
    }

    /// Says what could not be read: a JSON list of `{ table, id, field }`.
    pub fn missing(&mut self, fields: &str) -> Result<(), JsValue> {
        let fields: Vec<serde_json::Value> = serde_json::from_str(fields).unwrap_or_default();
        self.writer()?.missing(&fields).map_err(|error| thrown(&error))
    }

    /// The bytes that were written since it was asked last: of the archive, or of the body that will be sealed.
    pub fn take(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.parts.0.borrow_mut())
    }

    /// Ends the archive, or the body; gives the last bytes of it.
    pub fn finish(&mut self) -> Result<Vec<u8>, JsValue> {
        let ended = match std::mem::replace(&mut self.target, Target::Ended) {
            Target::Plain(writer) => writer.finish().map(drop),
            Target::Sealed(writer) => writer.end_body().map(|(_, envelope)| self.target = Target::Envelope(envelope)),
            Target::Envelope(_) | Target::Ended => return Err(busy()),
        };
        ended.map_err(|error| thrown(&error))?;
        Ok(self.take())
    }

    /// Seals the whole body, where the platform has no AES-GCM of its own, or did not seal it.
    pub fn encrypt(&self, mut body: Vec<u8>) -> Result<Vec<u8>, JsValue> {
        let Target::Envelope(envelope) = &self.target else { return Err(busy()) };
        envelope.seal(&mut body).map_err(|error| thrown(&error))?;
        Ok(body)
    }

    /// Takes note of the next piece of the sealed body.
    pub fn sealed(&mut self, piece: &[u8]) -> Result<(), JsValue> {
        let Target::Envelope(envelope) = &mut self.target else { return Err(busy()) };
        envelope.add(piece);
        Ok(())
    }

    /// Ends a sealed archive; gives what comes before the sealed body, and after it.
    pub fn around(&mut self) -> Result<js_sys::Array, JsValue> {
        let Target::Envelope(envelope) = std::mem::replace(&mut self.target, Target::Ended) else {
            return Err(busy());
        };
        let (head, tail) = envelope.around().map_err(|error| thrown(&error))?;
        Ok(js_sys::Array::of2(&Uint8Array::from(&head[..]), &Uint8Array::from(&tail[..])))
    }
}

impl ArchiveWriter {
    fn writer(&mut self) -> Result<&mut Writer<Parts>, JsValue> {
        match &mut self.target {
            Target::Plain(writer) => Ok(writer),
            Target::Sealed(sealed) => Ok(sealed.body()),
            Target::Envelope(_) | Target::Ended => Err(busy()),
        }
    }
}

//! Reading an archive in the pieces that JavaScript asks for.

use crate::blob::Blob;
use crate::error::thrown;
use js_sys::Function;
use mana_archive::{Archive, Error, Limits, Lines, SealKey};
use self_cell::{MutBorrow, self_cell};
use serde_json::{Value, json};
use std::io::Cursor;
use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::wasm_bindgen;

type Plain = Archive<Blob>;
type Opened = Archive<Cursor<Vec<u8>>>;

/// An archive as it lies in its file, or as it lay sealed in it.
enum Source {
    Plain(Plain),
    Opened(Opened),
}

macro_rules! either {
    ($source:expr, $archive:ident => $what:expr) => {
        match $source {
            Source::Plain($archive) => $what,
            Source::Opened($archive) => $what,
        }
    };
}

self_cell!(
    /// A table that is being read, and the archive that it lies in.
    struct OpenTable {
        owner: MutBorrow<Box<Source>>,
        #[not_covariant]
        dependent: Rows,
    }
);

type Rows<'a> = mana_archive::Result<Lines<'a>>;

enum State {
    Idle(Box<Source>),
    Reading(OpenTable),
    /// What an error left.
    Gone,
}

/// An archive that is read: checked when it is made, then table after table.
#[wasm_bindgen]
pub struct ArchiveReader(State);

#[wasm_bindgen]
impl ArchiveReader {
    /// Checks the structure of a file of `size` bytes, of which `read(from, to)` gives any, and reads its manifest.
    #[wasm_bindgen(constructor)]
    pub fn new(size: f64, read: Function) -> Result<ArchiveReader, JsValue> {
        let archive = Archive::open(Blob::new(size, read), Limits::default()).map_err(|error| thrown(&error))?;
        Ok(Self(State::Idle(Box::new(Source::Plain(archive)))))
    }

    /// What it is, as JSON: `{ manifest, isSealed, tables, unknown, seal }`, the last `{ iterations, salt }` or `null`.
    pub fn describe(&self) -> Result<String, JsValue> {
        let State::Idle(source) = &self.0 else { return Err(busy()) };
        let json = either!(&**source, archive => {
            let tables: Vec<Value> =
                archive.tables().iter().map(|table| json!({ "name": table.name, "bytes": table.bytes })).collect();
            let manifest = archive.manifest();
            let seal = manifest.seal.as_ref().map(|seal| json!({ "iterations": seal.iterations, "salt": seal.salt }));
            json!({ "manifest": manifest.to_json(), "isSealed": archive.is_sealed(), "tables": tables,
                "unknown": archive.unknown_entries(), "seal": seal })
        });
        Ok(json.to_string())
    }

    /// Opens the sealed body with a key of 32 bytes.
    pub fn unseal(&mut self, key: &[u8]) -> Result<(), JsValue> {
        let key: [u8; 32] = key.try_into().map_err(|_| thrown(&Error::WrongPassphrase))?;
        let State::Idle(source) = std::mem::replace(&mut self.0, State::Gone) else { return Err(busy()) };
        let Source::Plain(archive) = *source else { return Err(busy()) };
        let opened = archive.sealed().and_then(|sealed| sealed.open_with(&SealKey::from_bytes(key)));
        self.0 = State::Idle(Box::new(Source::Opened(opened.map_err(|error| thrown(&error))?)));
        Ok(())
    }

    /// What could not be read when it was written, as JSON.
    pub fn missing(&mut self) -> Result<String, JsValue> {
        let State::Idle(source) = &mut self.0 else { return Err(busy()) };
        let missing = either!(&mut **source, archive => archive.missing());
        missing.map(|list| Value::from(list).to_string()).map_err(|error| thrown(&error))
    }

    /// Begins to read a table.
    pub fn table(&mut self, name: &str) -> Result<(), JsValue> {
        let source = match std::mem::replace(&mut self.0, State::Gone) {
            State::Idle(source) => source,
            State::Reading(table) => table.into_owner().into_inner(),
            State::Gone => return Err(busy()),
        };
        let table = OpenTable::new(
            MutBorrow::new(source),
            |source| either!(&mut **source.borrow_mut(), archive => archive.rows(name)),
        );
        self.0 = State::Reading(table);
        Ok(())
    }

    /// The next rows of the table, of some `bytes` together, as a JSON list, and the numbers of their lines; `null` at its end.
    pub fn next(&mut self, bytes: usize) -> Result<JsValue, JsValue> {
        let State::Reading(table) = &mut self.0 else { return Err(busy()) };
        let read = table.with_dependent_mut(|_, rows| match rows {
            Ok(lines) => page(lines, bytes),
            Err(error) => Err(std::mem::replace(error, Error::PassphraseRequired)),
        });
        let (text, numbers) = read.map_err(|error| thrown(&error))?;
        if numbers.is_empty() {
            return Ok(JsValue::NULL);
        }
        let page = js_sys::Array::of2(&text.into(), &js_sys::Float64Array::from(numbers.as_slice()));
        Ok(page.into())
    }
}

fn page(lines: &mut Lines<'_>, bytes: usize) -> mana_archive::Result<(String, Vec<f64>)> {
    let (mut text, mut numbers) = (String::from("["), Vec::new());
    while text.len() < bytes {
        let Some(line) = lines.next().transpose()? else { break };
        // What is not JSON would spoil its whole page.
        line.object()?;
        if !numbers.is_empty() {
            text.push(',');
        }
        text.push_str(&line.text);
        #[expect(clippy::cast_precision_loss, reason = "no table has 2^53 lines")]
        numbers.push(line.number as f64);
    }
    text.push(']');
    Ok((text, numbers))
}

fn busy() -> JsValue {
    js_sys::Error::new("the archive is not in a state for this call").into()
}

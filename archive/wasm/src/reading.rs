//! Reading an archive in the pieces that JavaScript asks for.

use crate::blob::Blob;
use crate::error::thrown;
use crate::{busy, key_of};
use js_sys::{Float64Array, Function};
use mana_archive::{Archive, Error, Limits, Line, Lines, Lock, References};
use self_cell::{MutBorrow, self_cell};
use serde_json::{Value, json};
use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::wasm_bindgen;

type Source = Archive<Blob>;

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
pub struct ArchiveReader {
    state: State,
    references: References,
}

#[wasm_bindgen]
impl ArchiveReader {
    /// Checks the structure of a file of `size` bytes, of which `read(from, to)` gives any, and reads its manifest.
    #[wasm_bindgen(constructor)]
    pub fn new(size: f64, read: Function) -> Result<ArchiveReader, JsValue> {
        let archive = Archive::open(Blob::new(size, read), Limits::default()).map_err(|error| thrown(&error))?;
        Ok(Self { state: State::Idle(Box::new(archive)), references: References::default() })
    }

    /// What it is, as JSON: `{ manifest, isSealed, tables, seal }`, the last `{ iterations, salt, iv }` or `null`.
    pub fn describe(&self) -> Result<String, JsValue> {
        let archive = self.idle()?;
        let tables: Vec<String> = archive.tables().into_iter().map(|table| table.name).collect();
        let manifest = archive.manifest();
        let seal = manifest
            .seal
            .as_ref()
            .map(|seal| json!({ "iterations": seal.iterations, "salt": seal.salt, "iv": seal.iv }));
        let json = json!({ "manifest": manifest.to_json(), "isSealed": archive.is_sealed(), "tables": tables,
            "seal": seal });
        Ok(json.to_string())
    }

    /// Where the sealed body begins and ends in the file, when its checksum is right and the archive's key check takes the key.
    #[wasm_bindgen(js_name = sealedPlace)]
    pub fn sealed_place(&mut self, key: &[u8]) -> Result<Float64Array, JsValue> {
        let State::Idle(archive) = &mut self.state else { return Err(busy()) };
        let place = archive.sealed_place().map_err(|error| thrown(&error))?;
        let checked = key_of(key).and_then(|key| archive.lock()?.check(&key));
        checked.map_err(|error| thrown(&error))?;
        #[expect(clippy::cast_precision_loss, reason = "no files of 2^53 bytes")]
        Ok(Float64Array::from(&[place.start as f64, place.end as f64][..]))
    }

    /// Opens the bytes of that place, where the platform has no AES-GCM of its own, or did not open them: what this says is the
    /// reason.
    pub fn decrypt(&self, key: &[u8], mut sealed: Vec<u8>) -> Result<Vec<u8>, JsValue> {
        let lock = self.idle()?.lock();
        let opened = lock.and_then(|lock| lock.decrypt(&key_of(key)?, &mut sealed));
        opened.map_err(|error| thrown(&error))?;
        Ok(sealed)
    }

    /// Goes on with the opened body of `size` bytes, of which `read(from, to)` gives any.
    pub fn opened(&mut self, size: f64, read: Function) -> Result<(), JsValue> {
        let opened = self.idle()?.lock().and_then(|lock: Lock| lock.opened(Blob::new(size, read)));
        self.state = State::Idle(Box::new(opened.map_err(|error| thrown(&error))?));
        Ok(())
    }

    /// What could not be read when it was written, as JSON: as many as are listed.
    pub fn missing(&mut self) -> Result<String, JsValue> {
        let State::Idle(archive) = &mut self.state else { return Err(busy()) };
        let mut list = archive.missing().map_err(|error| thrown(&error))?;
        list.retain(|one| one["more"].is_null());
        Ok(Value::from(list).to_string())
    }

    /// Reads all of it, and says what is wrong with it before anything of it was used.
    pub fn check(&mut self) -> Result<(), JsValue> {
        let State::Idle(archive) = &mut self.state else { return Err(busy()) };
        archive.verify().map(drop).map_err(|error| thrown(&error))
    }

    /// Begins to read a table.
    pub fn table(&mut self, name: &str) -> Result<(), JsValue> {
        let source = match std::mem::replace(&mut self.state, State::Gone) {
            State::Idle(source) => source,
            State::Reading(table) => table.into_owner().into_inner(),
            State::Gone => return Err(busy()),
        };
        let table = OpenTable::new(MutBorrow::new(source), |archive| archive.borrow_mut().rows(name));
        self.state = State::Reading(table);
        Ok(())
    }

    /// The next rows of the table, of some `bytes` together, as a JSON list, the numbers of their lines, and how many values in them
    /// are the new names of records; `null` at its end.
    pub fn next(&mut self, bytes: usize) -> Result<JsValue, JsValue> {
        let (mut count, references) = (0, &self.references);
        let page = page_of(&mut self.state, (bytes, usize::MAX), &mut |line| {
            // What is not JSON would spoil its whole page.
            line.check()?;
            let mut text = line.text;
            count += references.rewrite(&mut text);
            Ok(text)
        })?;
        let Some((text, numbers)) = page else { return Ok(JsValue::NULL) };
        #[expect(clippy::cast_precision_loss, reason = "no page has 2^53 values")]
        let page = js_sys::Array::of3(&text.into(), &Float64Array::from(numbers.as_slice()), &(count as f64).into());
        Ok(page.into())
    }

    /// The same of what says which rows they are, and where, of so many `rows` at most: a JSON list alone. Users and spaces that it
    /// names keep their ids.
    pub fn identities(&mut self, bytes: usize, rows: usize) -> Result<JsValue, JsValue> {
        let references = &mut self.references;
        let page = page_of(&mut self.state, (bytes, rows), &mut |line| {
            let identity = line.identity();
            references.keep_around(&identity);
            Ok(identity)
        })?;
        Ok(page.map_or(JsValue::NULL, |(text, _)| text.into()))
    }

    /// Notes what a record of the archive is called here.
    pub fn rename(&mut self, from: &str, to: &str) {
        self.references.add(from, to);
    }

    /// Notes that an id stays as it is.
    pub fn keep(&mut self, id: &str) {
        self.references.keep(id);
    }

    /// Has ids stay as they are that rows of a table have, too, which keep them.
    pub fn settle(&mut self, table: &str) -> Result<(), JsValue> {
        if self.references.is_empty() {
            return Ok(());
        }
        self.table(table)?;
        let references = &mut self.references;
        let mut settle = |line: Line| {
            references.settle(&line.identity());
            Ok(String::new())
        };
        while page_of(&mut self.state, (SETTLED_ROWS, usize::MAX), &mut settle)?.is_some() {}
        Ok(())
    }
}

impl ArchiveReader {
    fn idle(&self) -> Result<&Source, JsValue> {
        match &self.state {
            State::Idle(archive) => Ok(archive),
            _ => Err(busy()),
        }
    }
}

/// Rows that are looked at at once of which nothing is given.
const SETTLED_ROWS: usize = 4096;

type Page = (String, Vec<f64>);

fn page_of(
    state: &mut State,
    most: (usize, usize),
    text_of: &mut dyn FnMut(Line) -> mana_archive::Result<String>,
) -> Result<Option<Page>, JsValue> {
    let State::Reading(table) = state else { return Err(busy()) };
    let read = table.with_dependent_mut(|_, rows| match rows {
        Ok(lines) => page(lines, most, text_of),
        Err(error) => Err(std::mem::replace(error, Error::PassphraseRequired)),
    });
    let page = read.map_err(|error| thrown(&error))?;
    Ok(if page.1.is_empty() { None } else { Some(page) })
}

/// Lines until they have so many bytes, or are so many.
fn page(
    lines: &mut Lines<'_>,
    (bytes, rows): (usize, usize),
    text_of: &mut dyn FnMut(Line) -> mana_archive::Result<String>,
) -> mana_archive::Result<Page> {
    let (mut text, mut numbers) = (String::with_capacity(bytes + bytes / 4), Vec::new());
    text.push('[');
    while text.len() < bytes && numbers.len() < rows {
        let Some(line) = lines.next().transpose()? else { break };
        if !numbers.is_empty() {
            text.push(',');
        }
        #[expect(clippy::cast_precision_loss, reason = "no table has 2^53 lines")]
        numbers.push(line.number as f64);
        text.push_str(&text_of(line)?);
    }
    text.push(']');
    Ok((text, numbers))
}

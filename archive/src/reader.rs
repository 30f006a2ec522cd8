//! Reading an archive.

use crate::content::Content;
use crate::envelope::is_as_written;
use crate::limits::at_most;
use crate::lines::unreadable;
use crate::manifest::BLIND;
use crate::structure::{self, Entry};
use crate::{Error, Limits, Lines, Lock, Manifest, Result, Sealed};
use serde_json::Value;
use std::io::{Read, Seek};
use std::ops::Range;

pub(crate) const MANIFEST: &str = "manifest.json";
pub(crate) const README: &str = "README.md";
pub(crate) const SEALED: &str = "data.sealed";
pub(crate) const INCOMPLETE: &str = "incomplete.json";
/// No manifest is longer; what is longer is none.
pub(crate) const MANIFEST_BYTES: u64 = 1024 * 1024;
/// No writer has more to say to whoever opens the file by hand.
const WORDS_BYTES: u64 = 64 * 1024;

/// A table of an archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table {
    /// Its name.
    pub name: String,
    /// Bytes of its rows.
    pub bytes: u64,
}

/// An archive whose structure was checked and whose manifest was read.
#[derive(Debug)]
pub struct Archive<R> {
    source: R,
    entries: Vec<Entry>,
    manifest: Manifest,
    limits: Limits,
    /// The words outside the sealed body, where all around it is as it was written.
    words: Option<Vec<u8>>,
}

impl<R: Read + Seek> Archive<R> {
    /// Checks the zip and reads the manifest; what is sealed is not opened.
    pub fn open(mut source: R, limits: Limits) -> Result<Self> {
        let entries = structure::entries(&mut source, &limits)?;
        let text = read_entry(&mut source, &entries, MANIFEST, MANIFEST_BYTES)?;
        let text = text.ok_or_else(|| Error::NotAnArchive("it has no manifest.json".to_owned()))?;
        let words = words_around(&mut source, &entries, limits, &text)?;
        let archive = Self { source, entries, manifest: Manifest::parse(&text)?, limits, words };
        if archive.entries.iter().any(|entry| entry.name == SEALED && entry.is_deflated()) {
            return Err(Error::damaged("its sealed body does not lie as it is"));
        }
        match (archive.is_sealed(), archive.manifest.seal.is_some()) {
            (true, false) => Err(Error::ManifestInvalid("passphrase")),
            (false, true) => Err(Error::damaged("its sealed body is missing")),
            (true, true) if !archive.tables().is_empty() => Err(Error::damaged("tables lie beside its sealed body")),
            _ => Ok(archive),
        }
    }

    /// What it is and where it comes from. Of a sealed archive anybody may have edited it, until the body is open.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// Whether a passphrase is needed for its rows.
    pub fn is_sealed(&self) -> bool {
        self.entries.iter().any(|entry| entry.name == SEALED)
    }

    /// Its tables, in its order. Empty while it is sealed.
    pub fn tables(&self) -> Vec<Table> {
        let table = |entry: &Entry| Some(Table { name: table_of(&entry.name)?.to_owned(), bytes: entry.bytes });
        self.entries.iter().filter_map(table).collect()
    }

    /// Entries that this version does not know, which it passes over.
    pub fn unknown_entries(&self) -> Vec<&str> {
        let names = self.entries.iter().map(|entry| entry.name.as_str());
        names
            .filter(|name| !matches!(*name, MANIFEST | README | SEALED | INCOMPLETE) && table_of(name).is_none())
            .collect()
    }

    /// What could not be read when it was written, and is not in it: a list of `{ table, id, field }`, and last, where there were more,
    /// `{ more }`, how many. Empty: it is complete.
    pub fn missing(&mut self) -> Result<Vec<Value>> {
        let most = u64::try_from(self.limits.line_bytes).unwrap_or(u64::MAX);
        let text = read_entry(&mut self.source, &self.entries, INCOMPLETE, most)?;
        let list = text.map_or(Ok(Vec::new()), |text| serde_json::from_slice(&text));
        list.map_err(|_| Error::damaged("incomplete.json is no list"))
    }

    /// The rows of a table; none when it has no such table. [`Error::PassphraseRequired`] while it is sealed.
    pub fn rows(&mut self, table: &str) -> Result<Lines<'_>> {
        if self.is_sealed() {
            return Err(Error::PassphraseRequired);
        }
        let name = format!("data/{table}.jsonl");
        let source: Box<dyn Read> = match self.entries.iter().find(|entry| entry.name == name) {
            None => Box::new(std::io::empty()),
            Some(entry) => Box::new(Content::of(&mut self.source, entry)?),
        };
        Ok(Lines::new(source, table, &self.limits))
    }

    /// Reads all of it, in little memory: every row, and every checksum, also of entries that are passed over. Gives how many rows
    /// each table has. What is sealed is not opened.
    pub fn verify(&mut self) -> Result<Vec<(String, u64)>> {
        let mut counts = Vec::new();
        for at in 0..self.entries.len() {
            let entry = &self.entries[at];
            let Some(table) = table_of(&entry.name).map(str::to_owned) else {
                read_through(&mut self.source, entry)?;
                continue;
            };
            let rows = self.count_rows(&table);
            if let Err(Error::RowInvalid { .. }) = rows {
                // What is damaged is no row of anybody's.
                read_through(&mut self.source, &self.entries[at])?;
            }
            counts.push((table, rows?));
        }
        Ok(counts)
    }

    fn count_rows(&mut self, table: &str) -> Result<u64> {
        self.rows(table)?.try_fold(0, |rows, line| line?.check().map(|()| rows + 1))
    }

    /// The sealed body; [`Error::NotAnArchive`] when there is none.
    pub fn sealed(mut self) -> Result<Sealed> {
        let lock = self.lock()?;
        self.read_around()?;
        let body = read_entry(&mut self.source, &self.entries, SEALED, self.limits.entry_bytes)?;
        Ok(Sealed::new(lock, body.unwrap_or_default()))
    }

    /// What opens the sealed body; [`Error::NotAnArchive`] when there is none.
    pub fn lock(&self) -> Result<Lock> {
        match self.manifest.seal.clone().filter(|_| self.is_sealed()) {
            Some(parameters) => Ok(Lock::new(self.manifest.clone(), parameters, self.limits, self.words.clone())),
            None => Err(Error::NotAnArchive("nothing in it is sealed".to_owned())),
        }
    }

    /// Where in the file the sealed body lies, for a program that reads it by other means: it lies there as it is, and was read
    /// through once, since its checksum says whether it is the one that was written.
    pub fn sealed_place(&mut self) -> Result<Range<u64>> {
        let none = || Error::NotAnArchive("nothing in it is sealed".to_owned());
        self.read_around()?;
        let entry = self.entries.iter().find(|entry| entry.name == SEALED).ok_or_else(none)?;
        read_through(&mut self.source, entry)?;
        Ok(entry.data..entry.data + entry.packed)
    }

    /// Whether all beside the sealed body has the checksums that it says.
    fn read_around(&mut self) -> Result<()> {
        let mut beside = self.entries.iter().filter(|entry| entry.name != SEALED);
        beside.try_for_each(|entry| read_through(&mut self.source, entry))
    }
}

impl<R: Read + Seek> Archive<R> {
    /// The archive that lay in a sealed body. Where a copy of the manifest lies beside its tables, it must say what the one
    /// outside does; where words do, too, all around the body must be as it was written, with these words.
    pub(crate) fn inside(mut source: R, manifest: Manifest, limits: Limits, words: Option<&[u8]>) -> Result<Self> {
        let entries = structure::entries(&mut source, &limits)?;
        if let Some(copy) = read_entry(&mut source, &entries, MANIFEST, MANIFEST_BYTES)? {
            let mut copy: Value = serde_json::from_slice(&copy).unwrap_or_default();
            copy.as_object_mut().and_then(|copy| copy.remove(BLIND));
            let has_check = manifest.seal.as_ref().is_some_and(|seal| seal.key_check.is_some());
            if copy != manifest.sealed_copy() || !has_check {
                return Err(Error::damaged("its manifest was changed after it was sealed"));
            }
            let sealed_words = read_entry(&mut source, &entries, README, WORDS_BYTES)?;
            if sealed_words.is_some() && sealed_words.as_deref() != words {
                return Err(Error::damaged("what lies around its sealed body was changed after it was sealed"));
            }
        }
        if entries.iter().any(|entry| entry.name == SEALED) {
            return Err(Error::damaged("a sealed body lies in its sealed body"));
        }
        Ok(Self { source, entries, manifest, limits, words: None })
    }
}

/// How many values a list of missing ones stands for.
#[must_use]
pub fn how_many_missing(list: &[Value]) -> u64 {
    list.iter().map(|value| value["more"].as_u64().unwrap_or(1)).sum()
}

/// The words beside a sealed body, where all around it is as it was written.
fn words_around<R: Read + Seek>(
    source: &mut R,
    entries: &[Entry],
    limits: Limits,
    manifest: &[u8],
) -> Result<Option<Vec<u8>>> {
    let find = |name: &str| entries.iter().find(|entry| entry.name == name);
    let (Some(body), Some(readme)) = (find(SEALED), find(README)) else { return Ok(None) };
    if readme.bytes > WORDS_BYTES {
        return Ok(None);
    }
    let words = read_entry(source, entries, README, WORDS_BYTES)?.unwrap_or_default();
    Ok(is_as_written(source, limits, body, manifest, &words)?.then_some(words))
}

fn table_of(name: &str) -> Option<&str> {
    name.strip_prefix("data/")?.strip_suffix(".jsonl")
}

/// Whether an entry is as it was written.
#[inline(never)]
fn read_through<R: Read + Seek>(source: &mut R, entry: &Entry) -> Result<()> {
    std::io::copy(&mut Content::of(source, entry)?, &mut std::io::sink()).map_err(unreadable)?;
    Ok(())
}

fn read_entry<R: Read + Seek>(source: &mut R, entries: &[Entry], name: &str, most: u64) -> Result<Option<Vec<u8>>> {
    let Some(entry) = entries.iter().find(|entry| entry.name == name) else { return Ok(None) };
    at_most(entry.bytes, "bytes", name, most)?;
    let mut read = Vec::new();
    Content::of(source, entry)?.read_to_end(&mut read).map_err(unreadable)?;
    Ok(Some(read))
}

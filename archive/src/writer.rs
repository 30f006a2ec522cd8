//! Writing an archive.

use crate::manifest::{BLIND, Manifest, SealParameters};
use crate::reader::{INCOMPLETE, MANIFEST, README, SEALED};
use crate::seal::{ITERATIONS, SealKey, SealRandom};
use crate::{Error, Result};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::collections::BTreeSet;
use std::io::Write;
use zip::write::{SimpleFileOptions, StreamWriter};
use zip::{CompressionMethod, DateTime, ZipWriter};

/// A sealed body must be whole before it is sealed.
const MOST_SEALED: u64 = 1024 * 1024 * 1024;
/// Without zip64, which not every reader knows, a zip holds no more.
const MOST_BYTES: u64 = u32::MAX as u64 - 1;
const MOST_ENTRIES: usize = 65_534;

const PLAIN_README: &str = "A backup of your data. Each file in data/ is a table: one record per line, as JSON.\n\
Any program that opens zip files opens this one. To bring it back, choose it under Import in the app.\n";
const SEALED_README: &str = "A backup of your data, sealed with your passphrase: AES-256-GCM under a key that PBKDF2-HMAC-SHA256 makes\n\
of it, with the numbers that manifest.json names. The app opens it under Import, and so does the program mana-archive.\n";

/// Writes an archive in pieces: the manifest, then table after table.
pub struct Writer<W: Write> {
    zip: ZipWriter<StreamWriter<Counted<W>>>,
    tables: BTreeSet<String>,
    /// Bytes of the entry that is written, unpacked.
    entry_bytes: u64,
}

impl<W: Write> std::fmt::Debug for Writer<W> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Writer").field("tables", &self.tables).finish_non_exhaustive()
    }
}

impl<W: Write> Writer<W> {
    /// Begins an archive that is not sealed.
    pub fn new(to: W, manifest: &Manifest) -> Result<Self> {
        Self::begin(to, MOST_BYTES, &Manifest { seal: None, ..manifest.clone() }.to_json())
    }

    fn begin(to: W, most: u64, manifest: &Value) -> Result<Self> {
        let zip = ZipWriter::new_stream(Counted { to, bytes: 0, most });
        let mut writer = Self { zip, tables: BTreeSet::new(), entry_bytes: 0 };
        let text = serde_json::to_vec_pretty(manifest).map_err(std::io::Error::other)?;
        writer.entry(MANIFEST, CompressionMethod::Deflated)?;
        writer.put(&text)?;
        Ok(writer)
    }

    /// Begins a table, whose name is one of letters, digits, `_` and `-`. Each comes once.
    pub fn table(&mut self, name: &str) -> Result<()> {
        let is_name = !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-'));
        if !is_name || !self.tables.insert(name.to_owned()) {
            return Err(Error::Io(std::io::Error::other(format!("{name:?} is no table that can begin here"))));
        }
        if self.tables.len() + 2 > MOST_ENTRIES {
            return Err(Error::TooLarge(format!("a zip holds no more than {MOST_ENTRIES} entries")));
        }
        self.entry(&format!("data/{name}.jsonl"), CompressionMethod::Deflated)
    }

    /// Writes a row of the table that was begun last: a JSON object without line breaks, as `JSON.stringify` writes it.
    pub fn row(&mut self, json: &str) -> Result<()> {
        if json.contains(['\n', '\r']) {
            return Err(Error::Io(std::io::Error::other("a row has a line break")));
        }
        self.put(json.as_bytes())?;
        self.put(b"\n")
    }

    /// Says what could not be read, and so is not in it: a list of `{ table, id, field }`. Once, after the last table.
    pub fn missing(&mut self, fields: &[Value]) -> Result<()> {
        self.entry(INCOMPLETE, CompressionMethod::Deflated)?;
        self.put(&serde_json::to_vec(fields).map_err(std::io::Error::other)?)
    }

    /// Ends it; gives what was written to.
    pub fn finish(mut self) -> Result<W> {
        self.readme(PLAIN_README)?;
        self.end()
    }

    fn readme(&mut self, text: &str) -> Result<()> {
        self.entry(README, CompressionMethod::Deflated)?;
        self.put(text.as_bytes())
    }

    fn end(self) -> Result<W> {
        let stream = self.zip.finish().map_err(zip_error)?;
        Ok(stream.into_inner().to)
    }

    fn entry(&mut self, name: &str, method: CompressionMethod) -> Result<()> {
        self.entry_bytes = 0;
        // Without times: the manifest says when it was written, and equal content gives equal bytes.
        let options = SimpleFileOptions::default().compression_method(method).last_modified_time(DateTime::default());
        self.zip.start_file(name, options).map_err(zip_error)
    }

    fn put(&mut self, bytes: &[u8]) -> Result<()> {
        self.entry_bytes += bytes.len() as u64;
        if self.entry_bytes > MOST_BYTES {
            return Err(Error::TooLarge("a table of more than 4 GiB".to_owned()));
        }
        self.zip.write_all(bytes).map_err(write_error)
    }
}

/// Writes a sealed archive. The body is held until it ends: AES-GCM seals it as a whole.
#[derive(Debug)]
pub struct SealedWriter {
    body: Writer<Vec<u8>>,
    manifest: Manifest,
    key: SealKey,
}

impl SealedWriter {
    /// Begins an archive sealed with a passphrase. Takes as long as [`ITERATIONS`] do.
    pub fn new(manifest: &Manifest, passphrase: &str, random: SealRandom) -> Result<Self> {
        Self::with_key(manifest, SealKey::derive(passphrase, &random.salt, ITERATIONS), random)
    }

    /// The same with a key that was derived elsewhere, of the passphrase's NFKC form, the salt and [`ITERATIONS`].
    pub fn with_key(manifest: &Manifest, key: SealKey, SealRandom { salt, iv, blind }: SealRandom) -> Result<Self> {
        let check = Some(key.check());
        let seal = SealParameters { iterations: ITERATIONS, salt, iv, plaintext_sha256: None, key_check: check };
        let manifest = Manifest { seal: Some(seal), ..manifest.clone() };
        let mut copy = manifest.sealed_copy();
        copy[BLIND] = URL_SAFE_NO_PAD.encode(blind).into();
        Ok(Self { body: Writer::begin(Vec::new(), MOST_SEALED, &copy)?, manifest, key })
    }

    /// What is sealed at the end: tables and rows are written to it.
    pub fn body(&mut self) -> &mut Writer<Vec<u8>> {
        &mut self.body
    }

    /// Seals it and writes it.
    pub fn finish<W: Write>(self, to: W) -> Result<W> {
        let Self { body, mut manifest, key } = self;
        let mut body = body.end()?;
        if let Some(seal) = &mut manifest.seal {
            // Older readers want it.
            seal.plaintext_sha256 = Some(Sha256::digest(&body).into());
            key.seal(seal.iv, &mut body)?;
        }
        let mut outside = Writer::begin(to, MOST_BYTES, &manifest.to_json())?;
        outside.entry(SEALED, CompressionMethod::Stored)?;
        outside.put(&body)?;
        drop(body);
        outside.readme(SEALED_README)?;
        outside.end()
    }
}

/// Counts what passes, and refuses what is more than it may be.
struct Counted<W> {
    to: W,
    bytes: u64,
    most: u64,
}

impl<W: Write> Write for Counted<W> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let written = self.to.write(bytes)?;
        self.bytes += written as u64;
        if self.bytes > self.most {
            let what = format!("it would have more than {} bytes", self.most);
            return Err(std::io::Error::new(std::io::ErrorKind::FileTooLarge, what));
        }
        Ok(written)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.to.flush()
    }
}

fn write_error(error: std::io::Error) -> Error {
    match error.kind() {
        std::io::ErrorKind::FileTooLarge => Error::TooLarge(error.to_string()),
        _ => Error::Io(error),
    }
}

fn zip_error(error: zip::result::ZipError) -> Error {
    match error {
        zip::result::ZipError::Io(error) => write_error(error),
        other => Error::Io(std::io::Error::other(other)),
    }
}

//! Writing an archive.

use crate::envelope::Envelope;
use crate::limits::at_most;
use crate::manifest::{BLIND, Manifest, SealParameters};
use crate::reader::{INCOMPLETE, MANIFEST, MANIFEST_BYTES, README, how_many_missing};
use crate::seal::{ITERATIONS, SealKey, SealRandom};
use crate::zip::{MOST_BYTES, ZipWriter};
use crate::{Error, Limits, Result};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::collections::BTreeSet;
use std::io::Write;

/// Of a sealed body, behind it.
const TAG_BYTES: u64 = 16;
/// Room for saying how many more are missing than are listed.
const MORE_BYTES: usize = 64;
/// Packed bytes that wait until they are written.
const PIECE: usize = 64 * 1024;

const PLAIN_README: &str = "A backup of your data. Each file in data/ is a table: one record per line, as JSON.\n\
Any program that opens zip files opens this one. To bring it back, choose it under Import in the app.\n";
pub(crate) const SEALED_README: &str = "A backup of your data, sealed with your passphrase: AES-256-GCM under a key that PBKDF2-HMAC-SHA256 makes\n\
of it, with the numbers that manifest.json names. The app opens it under Import, and so does the program mana-archive.\n";

/// Writes an archive in pieces: the manifest, then table after table. What [`Limits`] let nobody read is refused as soon as it is
/// written ([`Error::TooLarge`]).
pub struct Writer<W: Write> {
    to: W,
    zip: ZipWriter,
    tables: BTreeSet<String>,
    /// Of all that was written, where it will be sealed.
    hash: Option<Sha256>,
}

impl<W: Write> std::fmt::Debug for Writer<W> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Writer").field("tables", &self.tables).finish_non_exhaustive()
    }
}

impl<W: Write> Writer<W> {
    /// Begins an archive that is not sealed.
    pub fn new(to: W, manifest: &Manifest) -> Result<Self> {
        let manifest = Manifest { seal: None, ..manifest.clone() };
        Self::begin(to, None, &manifest.to_json())
    }

    /// For readers of other limits than the usual ones.
    #[must_use]
    pub fn within(self, limits: Limits) -> Self {
        Self { zip: self.zip.within(limits, MOST_BYTES), ..self }
    }

    fn begin(to: W, hash: Option<Sha256>, manifest: &Value) -> Result<Self> {
        let mut writer = Self { to, zip: ZipWriter::new(Limits::default()), tables: BTreeSet::new(), hash };
        put_manifest(&mut writer.zip, manifest)?;
        Ok(writer)
    }

    /// Begins a table, whose name is one of letters, digits, `_` and `-`. Each comes once.
    pub fn table(&mut self, name: &str) -> Result<()> {
        let is_name = !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-'));
        if !is_name || !self.tables.insert(name.to_owned()) {
            return Err(Error::Io(std::io::Error::other(format!("{name:?} is no table that can begin here"))));
        }
        self.zip.begin(&format!("data/{name}.jsonl"))
    }

    /// Writes a row of the table that was begun last: a JSON object without line breaks, as `JSON.stringify` writes it.
    pub fn row(&mut self, json: &str) -> Result<()> {
        if json.contains(['\n', '\r']) {
            return Err(Error::Io(std::io::Error::other("a row has a line break")));
        }
        self.rows(json)
    }

    /// Writes rows, with a line break between each and the next.
    pub fn rows(&mut self, lines: &str) -> Result<()> {
        let most = self.zip.limits().line_bytes;
        let longest = lines.as_bytes().split(|byte| *byte == b'\n').map(<[u8]>::len).max();
        at_most(longest.unwrap_or_default() as u64, "bytes", "a row", most as u64)?;
        self.zip.write(lines.as_bytes())?;
        if !lines.is_empty() && !lines.ends_with('\n') {
            self.zip.write(b"\n")?;
        }
        if self.zip.ready().len() < PIECE { Ok(()) } else { self.flush() }
    }

    /// Says what could not be read, and so is not in it: a list of `{ table, id, field }`. Once, after the last table. Where the list
    /// would be longer than is read, `{ more }` says how many do not stand in it.
    pub fn missing(&mut self, fields: &[Value]) -> Result<()> {
        self.zip.begin(INCOMPLETE)?;
        self.zip.write(b"[")?;
        let mut room = self.zip.limits().line_bytes.saturating_sub(MORE_BYTES);
        for (at, field) in fields.iter().enumerate() {
            let comma = if at == 0 { "" } else { "," };
            let mut text = format!("{comma}{field}");
            let is_full = text.len() > room;
            if is_full {
                text = format!("{comma}{{\"more\":{}}}", how_many_missing(&fields[at..]));
            }
            self.zip.write(text.as_bytes())?;
            if is_full {
                break;
            }
            room -= text.len();
        }
        self.zip.write(b"]")
    }

    /// Ends it; gives what was written to.
    pub fn finish(mut self) -> Result<W> {
        self.zip.begin(README)?;
        self.zip.write(PLAIN_README.as_bytes())?;
        Ok(self.end()?.0)
    }

    fn end(mut self) -> Result<(W, Option<Sha256>)> {
        self.zip.end()?;
        self.flush()?;
        Ok((self.to, self.hash))
    }

    fn flush(&mut self) -> Result<()> {
        let piece = self.zip.ready();
        if let Some(hash) = &mut self.hash {
            hash.update(piece);
        }
        self.to.write_all(piece)?;
        self.zip.clear();
        Ok(())
    }
}

fn put_manifest(zip: &mut ZipWriter, manifest: &Value) -> Result<()> {
    let text = manifest_text(manifest)?;
    zip.begin(MANIFEST)?;
    zip.write(text.as_bytes())
}

pub(crate) fn manifest_text(manifest: &Value) -> Result<String> {
    let text = format!("{manifest:#}");
    at_most(text.len() as u64, "bytes", MANIFEST, MANIFEST_BYTES)?;
    Ok(text)
}

/// Writes a sealed archive: first the body that will be sealed, which AES-GCM does as a whole; then what lies around it.
#[derive(Debug)]
pub struct SealedWriter<W: Write = Vec<u8>> {
    body: Writer<W>,
    manifest: Manifest,
    key: SealKey,
    limits: Limits,
}

impl SealedWriter {
    /// Begins an archive sealed with a passphrase. Takes as long as [`ITERATIONS`] do.
    pub fn new(manifest: &Manifest, passphrase: &str, random: SealRandom) -> Result<Self> {
        Self::with_key(Vec::new(), manifest, SealKey::derive(passphrase, &random.salt, ITERATIONS), random)
    }

    /// Seals it and writes it.
    pub fn finish<T: Write>(self, mut to: T) -> Result<T> {
        let (mut body, mut envelope) = self.end_body()?;
        envelope.seal(&mut body)?;
        envelope.add(&body);
        let (head, tail) = envelope.around()?;
        for part in [head, body, tail] {
            to.write_all(&part)?;
        }
        Ok(to)
    }
}

impl<W: Write> SealedWriter<W> {
    /// The same with a key that was derived elsewhere, of the passphrase's NFKC form, the salt and [`ITERATIONS`]. The body, which is
    /// in the clear, is written to `body`.
    pub fn with_key(body: W, manifest: &Manifest, key: SealKey, random: SealRandom) -> Result<Self> {
        let SealRandom { salt, iv, blind } = random;
        let check = Some(key.check());
        let seal = SealParameters { iterations: ITERATIONS, salt, iv, plaintext_sha256: None, key_check: check };
        let manifest = Manifest { seal: Some(seal), ..manifest.clone() };
        let mut copy = manifest.sealed_copy();
        copy[BLIND] = URL_SAFE_NO_PAD.encode(blind).into();
        let body = Writer::begin(body, Some(Sha256::new()), &copy)?;
        Ok(Self { body, manifest, key, limits: Limits::default() }.within(Limits::default()))
    }

    /// For readers of other limits than the usual ones. The sealed body is one entry for them.
    #[must_use]
    pub fn within(self, limits: Limits) -> Self {
        let most = limits.entry_bytes.min(MOST_BYTES).saturating_sub(TAG_BYTES);
        let body = Writer { zip: self.body.zip.within(limits, most), ..self.body };
        Self { body, limits, ..self }
    }

    /// What is sealed at the end: tables and rows are written to it.
    pub fn body(&mut self) -> &mut Writer<W> {
        &mut self.body
    }

    /// Ends the body, which can then be sealed by whatever does AES-GCM.
    pub fn end_body(self) -> Result<(W, Envelope)> {
        let Self { mut body, mut manifest, key, limits } = self;
        body.zip.begin(README)?;
        body.zip.write(SEALED_README.as_bytes())?;
        let (body, hash) = body.end()?;
        if let Some(seal) = &mut manifest.seal {
            // Older readers want it.
            seal.plaintext_sha256 = hash.map(|hash| hash.finalize().into());
        }
        Ok((body, Envelope::new(manifest, key, limits)))
    }
}

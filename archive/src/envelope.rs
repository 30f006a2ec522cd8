//! What lies around a sealed body: the manifest and a few words, both as they are.
//!
//! Nothing of it is left to choose, so a reader makes it again and compares: what lies outside the seal can be changed no more than
//! what lies inside it, down to a time that nobody reads.

use crate::reader::{MANIFEST, README, SEALED};
use crate::structure::Entry;
use crate::writer::{SEALED_README, manifest_text};
use crate::zip::ZipWriter;
use crate::{Limits, Manifest, Result, SealKey, structure};
use flate2::Crc;
use std::io::{Read, Seek, SeekFrom};

/// What lies around a sealed body in its archive.
#[derive(Debug)]
pub struct Envelope {
    manifest: Manifest,
    key: SealKey,
    limits: Limits,
    crc: Crc,
    bytes: u64,
}

impl Envelope {
    pub(crate) fn new(manifest: Manifest, key: SealKey, limits: Limits) -> Self {
        Self { manifest, key, limits, crc: Crc::new(), bytes: 0 }
    }

    /// Seals a body in place, with its tag behind it, as AES-256-GCM under the archive's key and initialization vector does anywhere.
    pub fn seal(&self, body: &mut Vec<u8>) -> Result<()> {
        let iv = self.manifest.seal.as_ref().map(|seal| seal.iv).unwrap_or_default();
        self.key.seal(iv, body)
    }

    /// Takes note of the next piece of the sealed body, which is not kept.
    pub fn add(&mut self, sealed: &[u8]) {
        self.crc.update(sealed);
        self.bytes += sealed.len() as u64;
    }

    /// What comes before the sealed body, and after it.
    pub fn around(self) -> Result<(Vec<u8>, Vec<u8>)> {
        let manifest = manifest_text(&self.manifest.to_json())?;
        around(self.limits, manifest.as_bytes(), (self.crc.sum(), self.bytes), SEALED_README.as_bytes())
    }
}

/// What comes before a sealed body of this checksum and size, and after it.
fn around(limits: Limits, manifest: &[u8], (crc, bytes): (u32, u64), readme: &[u8]) -> Result<(Vec<u8>, Vec<u8>)> {
    let mut zip = ZipWriter::new(limits);
    zip.put(MANIFEST, manifest)?;
    zip.stored(SEALED, crc, bytes)?;
    let head = zip.take();
    zip.pass(bytes)?;
    zip.put(README, readme)?;
    zip.end()?;
    Ok((head, zip.take()))
}

/// Whether all around the sealed body is as a writer makes it of this manifest and these words.
pub(crate) fn is_as_written<R: Read + Seek>(
    source: &mut R,
    limits: Limits,
    body: &Entry,
    manifest: &[u8],
    readme: &[u8],
) -> Result<bool> {
    let (head, tail) = around(limits, manifest, (body.crc, body.packed), readme)?;
    let (length, after) = (source.seek(SeekFrom::End(0))?, body.data + body.packed);
    // The lengths first: what else lies there may be more than there is room for.
    let fits = body.data == head.len() as u64 && length - after == tail.len() as u64;
    Ok(fits
        && structure::read(source, 0, body.data)? == head
        && structure::read(source, after, length - after)? == tail)
}

//! Whether a zip can be read in one way only.
//!
//! Zip readers differ in which of several end records, headers and names they believe. So before anything is read, the whole
//! structure is checked here: one end record at the very end, entries that follow each other without gap or overlap up to the
//! directory, and headers that agree. What passes, every reader reads alike. (PKWARE's APPNOTE.TXT 6.3.10, sections 4.3 and 4.4.)

use crate::reader::SEALED;
use crate::{Error, Limits, Result, local};
use std::collections::BTreeSet;
use std::io::{Read, Seek, SeekFrom};

pub(crate) const END: u32 = 0x0605_4b50;
pub(crate) const ENTRY: u32 = 0x0201_4b50;
pub(crate) const LOCAL: u32 = 0x0403_4b50;
pub(crate) const DESCRIPTOR: u32 = 0x0807_4b50;
const END_BYTES: u64 = 22;
/// The longest a comment of an end record can be.
const COMMENT_BYTES: u64 = 0xffff;
/// Sizes follow the data, in a descriptor.
pub(crate) const HAS_DESCRIPTOR: u16 = 1 << 3;
const IS_UTF8: u16 = 1 << 11;
/// The version of the format that DEFLATE needs: 2.0.
pub(crate) const VERSION: u16 = 20;
/// How well it was packed, which no reader needs.
const EFFORT: u16 = 0b110;
/// The only one of the internal attributes that says nothing of how an entry is read.
const IS_TEXT: u16 = 1;
/// The external attributes, as DOS has them, of a folder and of the name of a disk.
const DOS_FOLDER: u32 = 0x18;
pub(crate) const STORED: u16 = 0;
pub(crate) const DEFLATED: u16 = 8;
/// Extra fields that say when and by whom a file was changed, and nothing that a reader could take differently.
const HARMLESS: [u16; 4] = [0x5455, 0x000a, 0x7875, 0x5855];

/// One entry of the directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its name.
    pub name: String,
    /// Bytes, unpacked.
    pub bytes: u64,
    /// Bytes, packed.
    pub packed: u64,
    /// The checksum of its content.
    pub crc: u32,
    /// Where its packed content begins.
    pub data: u64,
    /// What its local header repeats first: the version that it needs, flags, method and time.
    pub(crate) repeated: [u8; 10],
    pub(crate) offset: u64,
}

impl Entry {
    /// Whether it is packed with DEFLATE; else it is stored as it is.
    pub fn is_deflated(&self) -> bool {
        self.method() == DEFLATED
    }

    /// Whether its sizes follow its data.
    pub(crate) fn has_descriptor(&self) -> bool {
        self.flags() & HAS_DESCRIPTOR != 0
    }

    fn version(&self) -> u16 {
        Bytes(&self.repeated).u16(0)
    }

    fn flags(&self) -> u16 {
        Bytes(&self.repeated).u16(2)
    }

    fn method(&self) -> u16 {
        Bytes(&self.repeated).u16(4)
    }
}

/// The entries of a zip that can be read in one way only, in the directory's order.
pub fn entries<R: Read + Seek>(source: &mut R, limits: &Limits) -> Result<Vec<Entry>> {
    let length = source.seek(SeekFrom::End(0))?;
    let (count, start) = end_record(source, length)?;
    limits.check_count(count)?;
    let directory = read(source, start, length - END_BYTES - start)?;
    let mut entries = directory_entries(&directory, count)?;
    names_differ(&entries)?;
    are_not_too_large(&entries, limits)?;
    local::follow_each_other(source, &mut entries, start)?;
    Ok(entries)
}

/// How many entries there are, and where the directory starts.
fn end_record<R: Read + Seek>(source: &mut R, length: u64) -> Result<(usize, u64)> {
    let none = || Error::NotAnArchive("no zip ends here".to_owned());
    let at = length.checked_sub(END_BYTES).ok_or_else(none)?;
    let tail_start = at.saturating_sub(COMMENT_BYTES);
    let tail = read(source, tail_start, length - tail_start)?;
    let (ends, is_cut) = (ends(&tail), || tail.windows(4).any(|word| word == END.to_le_bytes()));
    match ends[..] {
        [last] if last + 22 == tail.len() => {}
        [] if !is_cut() => return Err(none()),
        [] | [_] => return Err(Error::damaged("something follows its end")),
        _ => return Err(Error::damaged("it has two ends")),
    }
    let end = Bytes(&tail[tail.len() - 22..]);
    let (disk, start_disk) = (end.u16(4), end.u16(6));
    let (here, count) = (end.u16(8), end.u16(10));
    let (bytes, start) = (u64::from(end.u32(12)), u64::from(end.u32(16)));
    if here == 0xffff || end.u32(12) == u32::MAX || end.u32(16) == u32::MAX {
        return Err(Error::TooLarge("it needs zip64, which is not read".to_owned()));
    }
    if disk != 0 || start_disk != 0 || here != count {
        return Err(Error::damaged("it is one part of several"));
    }
    if start + bytes != at {
        return Err(Error::damaged("its directory does not lie before its end"));
    }
    Ok((usize::from(count), start))
}

/// Where what could be taken for an end record stands: one whose comment fills the rest.
fn ends(tail: &[u8]) -> Vec<usize> {
    let is_end = |at: &usize| {
        let there = Bytes(&tail[*at..]);
        there.u32(0) == END && at + 22 + usize::from(there.u16(20)) == tail.len()
    };
    (0..tail.len().saturating_sub(21)).filter(is_end).collect()
}

fn directory_entries(directory: &[u8], count: usize) -> Result<Vec<Entry>> {
    let mut entries = Vec::new();
    let mut rest = directory;
    for _ in 0..count {
        let (entry, after) = directory_entry(rest)?;
        entries.push(entry);
        rest = after;
    }
    if rest.is_empty() { Ok(entries) } else { Err(Error::damaged("its directory says more than it counts")) }
}

fn directory_entry(directory: &[u8]) -> Result<(Entry, &[u8])> {
    let cut = || Error::damaged("its directory is cut short");
    let fixed = Bytes(directory.get(..46).ok_or_else(cut)?);
    if fixed.u32(0) != ENTRY {
        return Err(Error::damaged("its directory holds something else"));
    }
    let (name, extra, comment) = (usize::from(fixed.u16(28)), usize::from(fixed.u16(30)), usize::from(fixed.u16(32)));
    let whole = directory.get(46..46 + name + extra + comment).ok_or_else(cut)?;
    let name_text = name_of(&whole[..name])?;
    let odd = |what: &str| Error::damaged(format!("{name_text}: {what}"));
    if !is_harmless(&whole[name..name + extra]) || comment > 0 {
        return Err(odd("says more than readers agree on"));
    }
    let (is_file, is_folder) = (matches!(fixed.u32(38) >> 28, 0 | 8), fixed.u32(38) & DOS_FOLDER != 0);
    if fixed.u16(34) != 0 || !is_file || is_folder || fixed.u16(36) & !IS_TEXT != 0 {
        return Err(odd("is no plain file"));
    }
    let entry = Entry {
        bytes: u64::from(fixed.u32(24)),
        packed: u64::from(fixed.u32(20)),
        repeated: std::array::from_fn(|at| fixed.0[6 + at]),
        crc: fixed.u32(16),
        data: 0,
        offset: u64::from(fixed.u32(42)),
        name: name_text.clone(),
    };
    if entry.version() > VERSION || entry.flags() & !(HAS_DESCRIPTOR | IS_UTF8 | EFFORT) != 0 {
        return Err(odd("is encrypted, or packed in a way that is not read"));
    }
    // Who reads from the beginning cannot know where such an entry ends. The sealed body is last but for a few words.
    if entry.has_descriptor() && entry.method() == STORED && entry.name != SEALED {
        return Err(odd("is stored, and its size only follows it"));
    }
    match entry.method() {
        STORED if entry.packed == entry.bytes => {}
        DEFLATED => {}
        STORED => return Err(odd("is stored in another size than its own")),
        _ => return Err(odd("is packed in a way that is not read")),
    }
    Ok((entry, &directory[46 + name + extra + comment..]))
}

/// Names are ASCII, so that no reader takes them for another encoding.
fn name_of(bytes: &[u8]) -> Result<String> {
    let text = std::str::from_utf8(bytes).ok().filter(|name| name.is_ascii());
    let name = text.ok_or_else(|| Error::damaged("an entry's name is not ASCII"))?;
    let is_plain = |part: &str| {
        !part.is_empty() && part.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-'))
    };
    let is_known = match name.split_once('/') {
        Some(("data", file)) => {
            let table = file.strip_suffix(".jsonl").unwrap_or_default();
            !table.is_empty() && table.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-'))
        }
        Some(_) => false,
        None => is_plain(name) && !name.starts_with('.'),
    };
    if is_known { Ok(name.to_owned()) } else { Err(Error::damaged(format!("{name:?} is no name of an entry"))) }
}

pub(crate) fn is_harmless(mut extra: &[u8]) -> bool {
    while let Some(head) = extra.get(..4) {
        let (id, bytes) = (Bytes(head).u16(0), usize::from(Bytes(head).u16(2)));
        let Some(after) = extra.get(4 + bytes..) else { return false };
        if !HARMLESS.contains(&id) {
            return false;
        }
        extra = after;
    }
    extra.is_empty()
}

fn names_differ(entries: &[Entry]) -> Result<()> {
    let mut seen = BTreeSet::new();
    match entries.iter().find(|entry| !seen.insert(&entry.name)) {
        Some(twice) => Err(Error::damaged(format!("{} is there twice", twice.name))),
        None => Ok(()),
    }
}

fn are_not_too_large(entries: &[Entry], limits: &Limits) -> Result<()> {
    for Entry { name, bytes, packed, .. } in entries {
        limits.check_entry(name, *bytes)?;
        limits.check_ratio(name, *bytes, *packed)?;
    }
    limits.check_total(entries.iter().map(|entry| entry.bytes).sum())
}

pub(crate) fn read<R: Read + Seek>(source: &mut R, from: u64, bytes: u64) -> Result<Vec<u8>> {
    source.seek(SeekFrom::Start(from))?;
    let mut read = Vec::new();
    source.take(bytes).read_to_end(&mut read)?;
    Ok(read)
}

/// Little-endian numbers at places that are known to be there.
pub(crate) struct Bytes<'a>(pub(crate) &'a [u8]);

impl Bytes<'_> {
    pub(crate) fn u16(&self, at: usize) -> u16 {
        u16::from_le_bytes([self.0[at], self.0[at + 1]])
    }

    pub(crate) fn u32(&self, at: usize) -> u32 {
        u32::from_le_bytes([self.0[at], self.0[at + 1], self.0[at + 2], self.0[at + 3]])
    }
}

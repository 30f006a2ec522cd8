//! Writing a zip, forwards only: entries packed with DEFLATE as they come, then the directory. (PKWARE's APPNOTE.TXT 6.3.10,
//! sections 4.3 and 4.4.)

use crate::limits::at_most;
use crate::structure::{DEFLATED, DESCRIPTOR, END, ENTRY, HAS_DESCRIPTOR, LOCAL, STORED, VERSION};
use crate::{Error, Limits, Result};
use flate2::{Compress, Compression, Crc, FlushCompress, Status};

/// Without zip64, which not every reader knows, a zip holds no more.
pub const MOST_BYTES: u64 = u32::MAX as u64 - 1;
const MOST_ENTRIES: usize = 65_534;
/// Room that is made for packed bytes at once.
const ROOM: usize = 32 * 1024;
/// As other programs understand it on Unix: a file that its owner changes and everybody reads.
const ATTRIBUTES: u32 = 0o100_644 << 16;
const UNIX: u16 = 3 << 8;
/// The earliest there is. The manifest says when it was written, and equal content gives equal bytes.
const FIRST_DAY: u16 = 1 << 5 | 1;

/// Writes a zip into a buffer, from which its bytes are taken whenever that is wanted.
pub struct ZipWriter {
    ready: Vec<u8>,
    /// Bytes that were taken, or lie elsewhere.
    gone: u64,
    most: u64,
    limits: Limits,
    /// Bytes of all entries, unpacked.
    content: u64,
    directory: Vec<u8>,
    entries: usize,
    open: Option<(Entry, Crc)>,
    /// Made for the first entry that is packed: it is large.
    packer: Option<Compress>,
}

struct Entry {
    name: String,
    offset: u64,
    flags: u16,
    method: u16,
    crc: u32,
    packed: u64,
    bytes: u64,
}

impl ZipWriter {
    /// Begins one that no reader with the same limits refuses.
    pub fn new(limits: Limits) -> Self {
        let (ready, directory, limits) = (Vec::new(), Vec::new(), without_zip64(limits));
        Self { ready, gone: 0, most: MOST_BYTES, limits, content: 0, directory, entries: 0, open: None, packer: None }
    }

    /// Lets it have other limits, and so many bytes.
    pub fn within(self, limits: Limits, most: u64) -> Self {
        Self { limits: without_zip64(limits), most, ..self }
    }

    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Begins an entry that is packed. Its sizes follow it.
    pub fn begin(&mut self, name: &str) -> Result<()> {
        let entry = Entry { flags: HAS_DESCRIPTOR, method: DEFLATED, ..self.entry(name, 0, 0)? };
        entry.put_local(&mut self.ready);
        self.packer.get_or_insert_with(new_packer).reset();
        self.open = Some((entry, Crc::new()));
        Ok(())
    }

    /// Begins an entry that lies as it is, of which all is known: its header says so, for readers that go from the beginning and
    /// cannot know where else it ends. Its content is to follow by other ways.
    pub fn stored(&mut self, name: &str, crc: u32, bytes: u64) -> Result<()> {
        let entry = self.entry(name, crc, bytes)?;
        self.limits.check_entry(name, bytes)?;
        self.content += bytes;
        entry.put_local(&mut self.ready);
        entry.put_directory(&mut self.directory);
        Ok(())
    }

    /// An entry that lies as it is, with its content.
    pub fn put(&mut self, name: &str, content: &[u8]) -> Result<()> {
        let mut crc = Crc::new();
        crc.update(content);
        self.stored(name, crc.sum(), content.len() as u64)?;
        self.ready.extend(content);
        self.check()
    }

    /// Counts bytes that go to the zip by other ways.
    pub fn pass(&mut self, bytes: u64) -> Result<()> {
        self.gone += bytes;
        self.check()
    }

    /// Writes to the entry that was begun.
    pub fn write(&mut self, bytes: &[u8]) -> Result<()> {
        let Some((entry, crc)) = &mut self.open else { return Err(odd("no entry was begun")) };
        entry.bytes += bytes.len() as u64;
        self.limits.check_entry(&entry.name, entry.bytes)?;
        self.content += bytes.len() as u64;
        self.limits.check_total(self.content)?;
        crc.update(bytes);
        self.pack(bytes, FlushCompress::None)?;
        self.check()
    }

    /// The bytes that were written and not taken yet.
    pub fn ready(&self) -> &[u8] {
        &self.ready
    }

    /// Takes them.
    pub fn take(&mut self) -> Vec<u8> {
        self.gone += self.ready.len() as u64;
        std::mem::take(&mut self.ready)
    }

    /// Forgets them, and keeps their room.
    pub fn clear(&mut self) {
        self.gone += self.ready.len() as u64;
        self.ready.clear();
    }

    /// Ends the zip; the last bytes are ready.
    pub fn end(&mut self) -> Result<()> {
        self.close()?;
        let directory = std::mem::take(&mut self.directory);
        let start = self.at();
        self.ready.extend(&directory);
        put32(&mut self.ready, END);
        put32(&mut self.ready, 0);
        let count = u16::try_from(self.entries).unwrap_or_default();
        put16(&mut self.ready, count);
        put16(&mut self.ready, count);
        put_size(&mut self.ready, directory.len() as u64);
        put_size(&mut self.ready, start);
        put16(&mut self.ready, 0);
        self.check()
    }

    fn at(&self) -> u64 {
        self.gone + self.ready.len() as u64
    }

    fn check(&self) -> Result<()> {
        at_most(self.at() + self.directory.len() as u64, "bytes", "the archive", self.most)
    }

    /// Ends the entry before, and makes one that is stored.
    fn entry(&mut self, name: &str, crc: u32, bytes: u64) -> Result<Entry> {
        self.close()?;
        self.entries += 1;
        self.limits.check_count(self.entries)?;
        Ok(Entry { name: name.to_owned(), offset: self.at(), flags: 0, method: STORED, crc, packed: bytes, bytes })
    }

    /// Ends the entry that is open, if one is.
    fn close(&mut self) -> Result<()> {
        let Some((mut entry, crc)) = self.open.take() else { return Ok(()) };
        self.pack(&[], FlushCompress::Finish)?;
        entry.crc = crc.sum();
        entry.packed = self.packer.as_ref().map_or(0, Compress::total_out);
        self.limits.check_ratio(&entry.name, entry.bytes, entry.packed)?;
        put32(&mut self.ready, DESCRIPTOR);
        entry.put_sizes(&mut self.ready);
        entry.put_directory(&mut self.directory);
        self.check()
    }

    fn pack(&mut self, mut bytes: &[u8], flush: FlushCompress) -> Result<()> {
        let is_last = matches!(flush, FlushCompress::Finish);
        loop {
            self.ready.reserve(ROOM);
            let packer = self.packer.get_or_insert_with(new_packer);
            let before = packer.total_in();
            let status = packer.compress_vec(bytes, &mut self.ready, flush).map_err(odd)?;
            let taken = usize::try_from(packer.total_in() - before).map_err(odd)?;
            bytes = &bytes[taken..];
            let is_done = if is_last { status == Status::StreamEnd } else { bytes.is_empty() };
            if is_done {
                return Ok(());
            }
        }
    }
}

fn new_packer() -> Compress {
    Compress::new(Compression::new(6), false)
}

fn without_zip64(limits: Limits) -> Limits {
    let (entries, entry_bytes) = (limits.entries.min(MOST_ENTRIES), limits.entry_bytes.min(MOST_BYTES));
    Limits { entries, entry_bytes, ..limits }
}

impl Entry {
    /// What local header and directory say alike.
    fn put_common(&self, to: &mut Vec<u8>) {
        for number in [VERSION, self.flags, self.method, 0, FIRST_DAY] {
            put16(to, number);
        }
        self.put_sizes(to);
        put16(to, u16::try_from(self.name.len()).unwrap_or_default());
        put16(to, 0);
    }

    fn put_sizes(&self, to: &mut Vec<u8>) {
        put32(to, self.crc);
        put_size(to, self.packed);
        put_size(to, self.bytes);
    }

    fn put_local(&self, to: &mut Vec<u8>) {
        put32(to, LOCAL);
        self.put_common(to);
        to.extend(self.name.as_bytes());
    }

    fn put_directory(&self, to: &mut Vec<u8>) {
        put32(to, ENTRY);
        put16(to, UNIX | VERSION);
        self.put_common(to);
        // No comment, on the only disk, not known to be text.
        to.extend([0; 6]);
        put32(to, ATTRIBUTES);
        put_size(to, self.offset);
        to.extend(self.name.as_bytes());
    }
}

fn put16(to: &mut Vec<u8>, number: u16) {
    to.extend(number.to_le_bytes());
}

fn put32(to: &mut Vec<u8>, number: u32) {
    to.extend(number.to_le_bytes());
}

/// A size or a place, which [`MOST_BYTES`] keeps within 32 bits.
fn put_size(to: &mut Vec<u8>, number: u64) {
    put32(to, u32::try_from(number).unwrap_or(u32::MAX));
}

fn odd(what: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
    Error::Io(std::io::Error::other(what))
}

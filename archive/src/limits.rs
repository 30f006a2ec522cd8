//! How much of an archive is read at most: a file from outside may be made to cost memory or time. No more is written.

use crate::{Error, Result};

const MIB: u64 = 1024 * 1024;
const GIB: u64 = 1024 * MIB;

/// What is refused as too large, before or while it is read or written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Entries of the zip.
    pub entries: usize,
    /// Bytes of one entry, unpacked.
    pub entry_bytes: u64,
    /// Bytes of all entries, unpacked.
    pub total_bytes: u64,
    /// How many times larger than packed an entry of more than [`Self::free_bytes`] may be. DEFLATE comes to 1032 at most.
    pub ratio: u64,
    /// Bytes up to which an entry may be packed however well.
    pub free_bytes: u64,
    /// Bytes of one line of a table, and of the list of what is missing.
    pub line_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            entries: 10_000,
            entry_bytes: GIB,
            total_bytes: 4 * GIB,
            ratio: 1000,
            free_bytes: MIB,
            line_bytes: 16 * 1024 * 1024,
        }
    }
}

impl Limits {
    pub(crate) fn check_count(&self, entries: usize) -> Result<()> {
        at_most(entries as u64, "entries", "it", self.entries as u64)
    }

    pub(crate) fn check_entry(&self, name: &str, bytes: u64) -> Result<()> {
        at_most(bytes, "bytes", name, self.entry_bytes)
    }

    #[inline(never)]
    pub(crate) fn check_ratio(&self, name: &str, bytes: u64, packed: u64) -> Result<()> {
        if bytes <= self.free_bytes || bytes / self.ratio <= packed {
            return Ok(());
        }
        Err(Error::TooLarge(format!("{name} unpacks to more than {} times its size", self.ratio)))
    }

    pub(crate) fn check_total(&self, bytes: u64) -> Result<()> {
        at_most(bytes, "bytes", "it", self.total_bytes)
    }
}

/// Refuses what has more than is read.
#[inline(never)]
pub(crate) fn at_most(count: u64, of_what: &str, whose: &str, most: u64) -> Result<()> {
    if count <= most {
        return Ok(());
    }
    Err(Error::TooLarge(format!("{whose} has {count} {of_what}, at most {most} are read")))
}

//! How much of an archive is read at most: a file from outside may be made to cost memory or time.

const MIB: u64 = 1024 * 1024;
const GIB: u64 = 1024 * MIB;

/// What is refused as too large, before or while it is read.
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
    /// Bytes of one line of a table.
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

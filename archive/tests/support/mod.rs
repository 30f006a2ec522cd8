//! What several tests make archives of.

#![allow(dead_code, reason = "each test uses some of it")]

pub mod corpus;
pub mod faults;
pub mod manifest_faults;
pub mod raw_zip;
mod tables;

use mana_archive::{Archive, Limits, Manifest, Scope, SealKey, SealRandom, SealedWriter, Writer};
use serde_json::Map;
use std::collections::BTreeMap;
use std::io::{Cursor, Write};
use std::time::Duration;
pub use tables::{Tables, tables};

pub fn manifest() -> Manifest {
    Manifest {
        schema_version: 55,
        produced_by: "test".to_owned(),
        exported_at: "2026-04-22T12:34:56.789Z".to_owned(),
        user_id: "ada".to_owned(),
        scope: Scope::Full,
        row_counts: BTreeMap::new(),
        fields_plaintext: true,
        seal: None,
        others: Map::new(),
    }
}

pub fn key() -> SealKey {
    SealKey::from_bytes([7; 32])
}

pub fn random() -> SealRandom {
    SealRandom::from([9; 44])
}

/// Writes tables.
pub fn fill<W: Write>(writer: &mut Writer<W>, tables: &Tables) {
    for (table, rows) in tables {
        writer.table(table).unwrap();
        for row in rows {
            writer.row(&row.to_string()).unwrap();
        }
    }
}

pub fn plain(tables: &Tables) -> Vec<u8> {
    let mut writer = Writer::new(Vec::new(), &manifest()).unwrap();
    fill(&mut writer, tables);
    writer.finish().unwrap()
}

pub fn sealed(tables: &Tables) -> Vec<u8> {
    let mut writer = SealedWriter::with_key(Vec::new(), &manifest(), key(), random()).unwrap();
    fill(writer.body(), tables);
    writer.finish(Vec::new()).unwrap()
}

pub fn open(bytes: &[u8]) -> mana_archive::Result<Archive<Cursor<&[u8]>>> {
    Archive::open(Cursor::new(bytes), Limits::default())
}

pub fn unseal(bytes: &[u8], key: &SealKey) -> mana_archive::Result<Archive<Cursor<Vec<u8>>>> {
    open(bytes)?.sealed()?.open_with(key)
}

/// The code of what an archive is refused with when all of it is read.
pub fn refused(bytes: &[u8]) -> &'static str {
    match open(bytes).and_then(tables) {
        Ok(tables) => panic!("it was read: {tables:?}"),
        Err(error) => error.code(),
    }
}

/// Reads everything without keeping it.
pub fn verified(bytes: &[u8]) -> mana_archive::Result<Vec<(String, u64)>> {
    open(bytes)?.verify()
}

/// The error that something ends with, which takes this thread no longer than that.
pub fn refused_within<T: std::fmt::Debug>(
    most: Duration,
    what: &str,
    read: impl FnOnce() -> mana_archive::Result<T>,
) -> mana_archive::Error {
    let begun = cpu_time();
    let read = read();
    let took = cpu_time().saturating_sub(begun);
    assert!(took <= most, "{what} took {took:?}");
    read.expect_err(what)
}

/// So many equal pieces, packed.
pub fn deflated(pieces: usize, piece: &[u8]) -> Vec<u8> {
    let mut packer = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::default());
    (0..pieces).for_each(|_| packer.write_all(piece).unwrap());
    packer.finish().unwrap()
}

pub fn fixture(name: &str) -> Vec<u8> {
    std::fs::read(std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name)).unwrap()
}

/// Whether a bit of a zip may say something that no reader goes by: in the directory by whom an entry was made, whether it is text and
/// who may open it; and in the last byte of packed data what its last code leaves over.
pub fn is_idle(bytes: &[u8], bit: usize) -> bool {
    let at = bit / 8;
    let word = |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap());
    let in_directory = |entry: usize| match at.checked_sub(entry) {
        Some(4 | 5 | 38..42) => true,
        Some(36) => bit.is_multiple_of(8),
        _ => false,
    };
    let starts = |signature: u32| (0..bytes.len() - 3).filter(move |at| word(*at) == signature);
    let ends_data = starts(0x0807_4b50).any(|descriptor| at + 1 == descriptor)
        || starts(0x0403_4b50).chain(starts(0x0201_4b50)).any(|header| at + 1 == header);
    starts(0x0201_4b50).any(in_directory) || ends_data
}

/// Numbers that look random, the same for the same seed (G. Marsaglia, Xorshift RNGs, 2003).
pub fn numbers(seed: u64) -> impl FnMut() -> u64 {
    let mut state = seed;
    move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    }
}

/// Mutants of an archive: bytes changed, taken out, put in and moved, at places that a seed chooses.
pub fn mutants(bytes: &[u8], count: usize) -> Vec<Vec<u8>> {
    let mut next = numbers(0x2545_f491_4f6c_dd1d);
    let mut random = move |below: usize| usize::try_from(next() % below as u64).unwrap();
    let mutant = |_| {
        let mut mutant = bytes.to_vec();
        for _ in 0..=random(3) {
            let (at, other) = (random(mutant.len()), random(mutant.len()));
            match random(5) {
                0 => mutant[at] ^= 1 << random(8),
                1 => mutant[at] = [0, 1, 0x50, 0xff][random(4)],
                2 => mutant.truncate(at.max(1)),
                3 => mutant.insert(at, 0),
                _ => {
                    let piece = mutant[at..(at + 30).min(mutant.len())].to_vec();
                    mutant.splice(other..other, piece);
                }
            }
        }
        mutant
    };
    (0..count).map(mutant).collect()
}

/// The most memory that this process has had.
pub fn peak_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

/// How long this thread has computed: what other programs take of the machine does not count.
pub fn cpu_time() -> Duration {
    let said = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    Duration::from_nanos(said.split_whitespace().next().unwrap().parse().unwrap())
}

/// A number of the environment, such as `make test-all` gives larger ones.
pub fn figure(name: &str, usual: usize) -> usize {
    std::env::var(name).map_or(usual, |text| text.parse().unwrap())
}

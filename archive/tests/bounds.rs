//! What reading may cost: whatever a file says of itself, it is refused soon and in little memory. Alone in its process, which it
//! measures.

mod support;

use mana_archive::{Archive, Limits};
use std::io::{Cursor, Write};
use std::path::Path;
use std::time::Duration;
use support::raw_zip::{Entry, Zip};
use support::{cpu_time, manifest, mutants, peak_kib};

/// What all of them together may take, beyond the files themselves.
const MOST_KIB: u64 = 64 * 1024;
const MIB: usize = 1 << 20;

#[test]
fn no_file_takes_long_or_much_memory() {
    let files = broken_files();
    let bombs = bombs();
    let before = peak_kib();
    for (at, bytes) in files.iter().enumerate() {
        let code = refused_within(bytes, Duration::from_millis(100), &format!("file {at}"));
        assert!(["not_an_archive", "archive_damaged", "archive_too_large"].contains(&code), "file {at}: {code}");
    }
    for (what, code, bytes) in &bombs {
        assert_eq!(refused_within(bytes, Duration::from_secs(1), what), *code, "{what}");
    }
    let after = peak_kib();
    assert!(after < before + MOST_KIB, "{before} KiB before, {after} KiB after");
    assert!(files.len() > 1051 && bombs.len() == 8, "{} files, {} bombs", files.len(), bombs.len());
}

/// Reads everything; gives the code it is refused with.
fn refused_within(bytes: &[u8], most: Duration, what: &str) -> &'static str {
    let begun = cpu_time();
    let error =
        Archive::open(Cursor::new(bytes), Limits::default()).and_then(|mut archive| archive.verify()).unwrap_err();
    let took = cpu_time().saturating_sub(begun);
    assert!(took <= most, "{what} took {took:?}");
    error.code()
}

/// What broke other readers, and ten mutants of each. None has a manifest.
fn broken_files() -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors");
    let paths = ["zip2", "libarchive"].iter().flat_map(|name| std::fs::read_dir(folder.join(name)).unwrap());
    let mut paths: Vec<_> = paths.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    let with_mutants = |path: &std::path::PathBuf| {
        let bytes = std::fs::read(path).unwrap();
        let changed = if bytes.is_empty() { Vec::new() } else { mutants(&bytes, 10) };
        [vec![bytes], changed].concat()
    };
    paths.iter().flat_map(with_mutants).collect()
}

fn deflated(pieces: usize, piece: &[u8]) -> Vec<u8> {
    let mut packer = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::default());
    (0..pieces).for_each(|_| packer.write_all(piece).unwrap());
    packer.finish().unwrap()
}

fn table(name: &str, says: usize, content: Vec<u8>) -> Entry {
    let says_bytes = Some(u32::try_from(says).unwrap());
    Entry { method: 8, says_bytes, crc: Some(1), content, ..Entry::of(&format!("data/{name}.jsonl"), "") }
}

fn bombs() -> Vec<(&'static str, &'static str, Vec<u8>)> {
    let with = |entries: Vec<Entry>| {
        let first = Entry::of("manifest.json", &manifest().to_json().to_string());
        Zip::of([vec![first], entries].concat()).bytes()
    };
    let zeros = deflated(64, &vec![0; MIB]);
    let line = deflated(32, &[b'x'; 997].repeat(1000));
    let deep = format!("{}{}\n", "[".repeat(4 * MIB), "]".repeat(4 * MIB));
    let nested = Zip::of(vec![table("inner", 64 * MIB, zeros.clone())]).bytes();
    let overlapping = (0..9000).map(|n| Entry { offset: Some(0), ..table(&format!("t{n}"), 100, vec![]) }).collect();
    let huge = (0..5).map(|n| table(&format!("t{n}"), 1000 * MIB, vec![0; 2 * MIB])).collect();
    let large = "archive_too_large";
    vec![
        ("zeros", large, with(vec![table("a", 64 * MIB, zeros.clone())])),
        ("zeros that say they are few", "archive_damaged", with(vec![table("a", MIB, zeros)])),
        ("thousands that are one", "archive_damaged", with(overlapping)),
        ("five that say they have a gigabyte", large, with(huge)),
        ("a line without end", large, with(vec![table("a", 32 * 997_000, line)])),
        ("eight million levels", "row_invalid", with(vec![Entry::of("data/a.jsonl", &deep)])),
        ("a zip in a zip", "row_invalid", with(vec![Entry { content: nested, ..Entry::of("data/a.jsonl", "") }])),
        ("a manifest of two megabytes", large, Zip::of(vec![Entry::of("manifest.json", &" ".repeat(2 * MIB))]).bytes()),
    ]
}

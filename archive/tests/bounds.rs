//! What reading may cost: whatever a file says of itself, it is refused soon and in little memory. Alone in its process, which it
//! measures.

mod support;

use std::time::Duration;
use support::raw_zip::{Entry, Zip};
use support::{corpus, deflated, faults, manifest, mutants, peak_kib, refused_within, verified};

/// What all of them together may take, beyond the files themselves.
const MOST_KIB: u64 = 64 * 1024;
const MIB: usize = 1 << 20;

/// What one of them may take, of this thread.
const MOST_TIME: Duration = Duration::from_millis(100);

#[test]
fn no_file_takes_long_or_much_memory() {
    let (files, faults, bombs) = (broken_files(), faults::all(), bombs());
    let before = peak_kib();
    for (at, bytes) in files.iter().enumerate() {
        let code = refused_within(MOST_TIME, &format!("file {at}"), || verified(bytes)).code();
        assert!(["not_an_archive", "archive_damaged", "archive_too_large"].contains(&code), "file {at}: {code}");
    }
    for faults::Fault { what, code, bytes, .. } in &faults {
        assert_eq!(refused_within(MOST_TIME, what, || verified(bytes)).code(), *code, "{what}");
    }
    for (what, code, bytes) in &bombs {
        assert_eq!(refused_within(Duration::from_secs(1), what, || verified(bytes)).code(), *code, "{what}");
    }
    let after = peak_kib();
    assert!(after < before + MOST_KIB, "{before} KiB before, {after} KiB after");
    assert!(files.len() > 2000 && bombs.len() == 8, "{} files, {} bombs", files.len(), bombs.len());
    assert!(faults.len() > 100, "{} faults", faults.len());
}

/// What broke other readers, ten mutants of each, and the inputs of another reader's fuzzer. None has a manifest.
fn broken_files() -> Vec<Vec<u8>> {
    let with_mutants = |bytes: Vec<u8>| {
        let changed = if bytes.is_empty() { Vec::new() } else { mutants(&bytes, 10) };
        [vec![bytes], changed].concat()
    };
    corpus::broke_others().into_iter().flat_map(with_mutants).chain(corpus::fuzzed()).collect()
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

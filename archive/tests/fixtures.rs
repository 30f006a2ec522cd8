//! Archives of the app before this engine are read as they were written.

mod support;

use mana_archive::{Archive, Limits, Scope};
use sha2::{Digest, Sha256};
use std::io::Cursor;
use support::{fixture, open, refused, tables};

const PASSPHRASE: &str = "correct horse battery staple";

/// Each table of the fixtures: rows, and the SHA-256 of its file as another program unpacks it.
const TABLES: [(&str, usize, &str); 4] = [
    ("emptyTable", 0, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
    ("projects", 12, "d98adb30d060e82596dac55f9703cf0d643fca69b9782857f9af9e28c96f2d9e"),
    ("tasks", 250, "72c7dee847b69a307d01e332cd44dc37cd24160a77134f9764c4299f82e49497"),
    ("userSettings", 1, "69dc71ae2f2880ed78e926c94053fc6299e1190c7d5f05697d6a72a925f588f5"),
];

fn assert_whole<R: std::io::Read + std::io::Seek>(mut archive: Archive<R>) {
    let mut names: Vec<String> = archive.tables().into_iter().map(|table| table.name).collect();
    names.sort();
    assert_eq!(names, TABLES.map(|(name, ..)| name));
    for (name, rows, hash) in TABLES {
        let lines: Vec<String> = archive.rows(name).unwrap().map(|line| line.unwrap().text).collect();
        assert_eq!(lines.len(), rows, "{name}");
        let file: String = lines.iter().flat_map(|line| [line.as_str(), "\n"]).collect();
        let said = Sha256::digest(file).iter().fold(String::new(), |text, byte| format!("{text}{byte:02x}"));
        assert_eq!(said, hash, "{name}");
    }
    let read = tables(archive).unwrap();
    assert_eq!(read["tasks"][0]["title"], "Grüße aus Zürich 🚀 0");
    assert!(read["tasks"][0]["nested"]["deep"]["s"].as_str().unwrap().contains('\u{2028}'));
    assert_eq!(read["tasks"][1]["due"], serde_json::Value::Null);
}

#[test]
fn a_plain_one_is_read_byte_for_byte() {
    let bytes = fixture("plain.mana");
    let archive = open(&bytes).unwrap();
    let manifest = archive.manifest();
    assert_eq!((manifest.schema_version, &*manifest.produced_by, &*manifest.user_id), (55, "mana-web", "user-1"));
    assert_eq!((&manifest.scope, manifest.row_counts["tasks"], archive.is_sealed()), (&Scope::Full, 250, false));
    assert_whole(archive);
}

#[test]
fn a_sealed_one_opens_with_its_passphrase_alone() {
    let bytes = fixture("sealed.mana");
    let archive = open(&bytes).unwrap();
    assert!(archive.is_sealed() && archive.tables().is_empty());
    assert_eq!(archive.manifest().scope, Scope::Filtered(vec!["todo".to_owned()]));
    assert_eq!(open(&bytes).unwrap().rows("tasks").unwrap_err().code(), "passphrase_required");
    assert_whole(open(&bytes).unwrap().sealed().unwrap().open(PASSPHRASE).unwrap());
    let other = open(&bytes).unwrap().sealed().unwrap().open("correct horse battery staples");
    assert_eq!(other.unwrap_err().code(), "wrong_passphrase_or_damaged");
}

#[test]
fn damaged_ones_and_another_version_are_refused() {
    let opened = |name: &str| {
        let archive = Archive::open(Cursor::new(fixture(name)), Limits::default()).unwrap();
        archive.sealed().unwrap().open(PASSPHRASE).unwrap_err().code()
    };
    assert_eq!(opened("sealed-tampered.mana"), "wrong_passphrase_or_damaged");
    assert_eq!(opened("sealed-badsha.mana"), "archive_damaged");
    assert_eq!(refused(&fixture("v1-refused.mana")), "unsupported_version");
}

/// Made by Info-ZIP's `zip` 3.0 (`-D`), Python's `zipfile` 3.11, fflate 0.8 and `JSZip` 3.10, in files and as streams: headers that
/// have to agree here agree in what they write.
#[test]
fn what_common_programs_pack_is_read() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/programs");
    let mut names: Vec<String> = Vec::new();
    for file in std::fs::read_dir(folder).unwrap() {
        let path = file.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        let bytes = std::fs::read(path).unwrap();
        let read = open(&bytes).and_then(|mut archive| archive.verify());
        assert_eq!(read.unwrap_or_else(|error| panic!("{name}: {error}")), [("tasks".to_owned(), 20)], "{name}");
        names.push(name);
    }
    for program in ["zip", "python", "fflate", "jszip"] {
        assert!(names.iter().any(|name| name == &format!("{program}-streamed.mana")), "{program}: {names:?}");
    }
}

//! Files that claim to be archives, and bodies that claim to have been sealed ones.

#[path = "../../archive/tests/support/tables.rs"]
mod whole;

use super::limit;
use mana_archive::{Archive, Limits, Manifest, Scope, SealParameters, Writer};
use serde_json::Map;
use std::collections::BTreeMap;
use std::io::{Cursor, Write};
use std::sync::OnceLock;
use whole::{Tables, tables};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

/// So little that an input cannot take long.
const LIMITS: Limits = Limits {
    entries: 100,
    entry_bytes: 1 << 20,
    total_bytes: 4 << 20,
    ratio: 1000,
    free_bytes: 1 << 16,
    line_bytes: 1 << 16,
};

/// Takes an input as a file, as what lay sealed in one, as a manifest, and as the rows of a table.
///
/// # Panics
/// When something is read that is not the same once it was written again.
pub fn run(input: &[u8]) {
    limit::within_a_second(|| {
        // In a file as a whole the checksum of what was changed is wrong, so that nothing in it is looked at.
        if let Ok(read) = Manifest::parse(input) {
            let again = Manifest::parse(read.to_json().to_string().as_bytes()).expect("what was written is read");
            assert_eq!(again, read);
        }
        if let Ok(tables) = Archive::open(Cursor::new(with_rows(input)), LIMITS).and_then(tables) {
            comes_back(&tables);
        }
        if let Ok(tables) = Archive::open(Cursor::new(input), LIMITS).and_then(tables) {
            comes_back(&tables);
        }
        let sealed =
            Archive::open(Cursor::new(around().clone()), LIMITS).and_then(Archive::sealed).expect("a sealed archive");
        if let Ok(tables) = sealed.into_parts().0.opened(Cursor::new(input)).and_then(tables) {
            comes_back(&tables);
        }
    });
}

fn comes_back(read: &Tables) {
    let mut writer = Writer::new(Vec::new(), &manifest(None)).expect("it begins");
    for (table, rows) in read {
        writer.table(table).expect("a name that was read can be written");
        for row in rows {
            writer.row(&row.to_string()).expect("a row that was read can be written");
        }
    }
    let bytes = writer.finish().expect("it ends");
    let again =
        Archive::open(Cursor::new(bytes), Limits::default()).and_then(tables).expect("what was written is read");
    assert_eq!(&again, read);
}

fn manifest(seal: Option<SealParameters>) -> Manifest {
    Manifest {
        schema_version: 1,
        produced_by: "fuzz".to_owned(),
        exported_at: "2026-04-22T12:34:56.789Z".to_owned(),
        user_id: "ada".to_owned(),
        scope: Scope::Full,
        row_counts: BTreeMap::new(),
        fields_plaintext: true,
        seal,
        others: Map::new(),
    }
}

/// An archive around a sealed body of which its manifest says nothing that could tell bodies apart.
fn around() -> &'static Vec<u8> {
    static MADE: OnceLock<Vec<u8>> = OnceLock::new();
    MADE.get_or_init(|| {
        let seal =
            SealParameters { iterations: 600_000, salt: [0; 16], iv: [0; 12], plaintext_sha256: None, key_check: None };
        stored(&manifest(Some(seal)), "data.sealed", &[b'x'; 16])
    })
}

/// An archive of one table.
fn with_rows(rows: &[u8]) -> Vec<u8> {
    stored(&manifest(None), "data/t.jsonl", rows)
}

fn stored(manifest: &Manifest, name: &str, content: &[u8]) -> Vec<u8> {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    let stored = SimpleFileOptions::default().compression_method(CompressionMethod::Stored);
    for (name, content) in [("manifest.json", manifest.to_json().to_string().as_bytes()), (name, content)] {
        zip.start_file(name, stored).expect("it begins");
        zip.write_all(content).expect("it is written");
    }
    zip.finish().expect("it ends").into_inner()
}

//! What several tests make archives of.

#![allow(dead_code, reason = "each test uses some of it")]

pub mod raw_zip;

use mana_archive::{Archive, Limits, Manifest, Scope, SealKey, SealRandom, SealedWriter, Writer};
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::io::{Cursor, Read, Seek, Write};

/// Tables by name, each with its rows.
pub type Tables = BTreeMap<String, Vec<Value>>;

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

/// Everything that is in it.
pub fn tables<R: Read + Seek>(mut archive: Archive<R>) -> mana_archive::Result<Tables> {
    let names: Vec<String> = archive.tables().into_iter().map(|table| table.name).collect();
    let mut tables = Tables::new();
    for name in names {
        let rows =
            archive.rows(&name)?.map(|line| Ok(Value::Object(line?.object()?))).collect::<mana_archive::Result<_>>()?;
        tables.insert(name, rows);
    }
    Ok(tables)
}

/// The code of what an archive is refused with when all of it is read.
pub fn refused(bytes: &[u8]) -> &'static str {
    match open(bytes).and_then(tables) {
        Ok(tables) => panic!("it was read: {tables:?}"),
        Err(error) => error.code(),
    }
}

pub fn fixture(name: &str) -> Vec<u8> {
    std::fs::read(std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name)).unwrap()
}

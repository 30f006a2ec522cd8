//! Archives as files: what the package makes of rows and an archive's module, over the same calls.

use super::device::Device;
use mana_archive::{Archive, Limits, Manifest, References, Scope, SealKey, SealRandom, SealedWriter, Writer};
use mana_sync_engine::engine::{Import, ImportPage, Result};
use mana_sync_engine::model::Stamp;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io::{Cursor, Read, Seek, Write};

/// Rows of a page.
const PAGE: usize = 3;

/// What became of an archive.
#[derive(Debug, Default, PartialEq)]
pub struct Taken {
    /// Of each table.
    pub tables: BTreeMap<String, ImportPage>,
    /// Values that named a record, and are what it is called here.
    pub references: usize,
    /// What was missing when it was written.
    pub missing: Vec<Value>,
}

impl Taken {
    /// New, changed, unchanged and deleted records, and those that were left, of all tables.
    #[must_use]
    pub fn counts(&self) -> [usize; 5] {
        self.tables.values().fold([0; 5], |[new, changed, unchanged, deleted, left], page| {
            [
                new + page.new,
                changed + page.changed,
                unchanged + page.unchanged,
                deleted + page.deleted,
                left + page.left.len(),
            ]
        })
    }
}

impl Device {
    /// An archive of tables, with the shared spaces that are named, sealed where there is a key; written at `exported_at`.
    pub fn save(
        &self,
        tables: &[&str],
        spaces: &[&str],
        key: Option<[u8; 32]>,
        exported_at: &str,
    ) -> Result<(Vec<u8>, Vec<Value>)> {
        let manifest = manifest(exported_at);
        let Some(key) = key else {
            let mut writer = Writer::new(Vec::new(), &manifest).expect("it begins");
            let missing = self.fill(&mut writer, tables, spaces)?;
            return Ok((writer.finish().expect("it ends"), missing));
        };
        let (key, random) = (SealKey::from_bytes(key), SealRandom::from([5; 44]));
        let mut writer = SealedWriter::with_key(Vec::new(), &manifest, key, random).expect("it begins");
        let missing = self.fill(writer.body(), tables, spaces)?;
        Ok((writer.finish(Vec::new()).expect("it ends"), missing))
    }

    fn fill<W: Write>(&self, writer: &mut Writer<W>, tables: &[&str], spaces: &[&str]) -> Result<Vec<Value>> {
        let mut missing = Vec::new();
        for table in tables {
            let (rows, unreadable) = self.export_named(table, spaces)?;
            missing.extend(unreadable.iter().map(|one| json!({ "table": table, "id": one.id, "field": one.field })));
            writer.table(table).expect("it begins");
            for row in rows {
                writer.row(&row.to_string()).expect("written");
            }
        }
        if !missing.is_empty() {
            writer.missing(&missing).expect("written");
        }
        Ok(missing)
    }

    /// Takes an archive in: what its records are called here is asked first, so that they are called so wherever they are named.
    pub fn take(&self, file: &[u8], key: Option<[u8; 32]>, how: &Import) -> Result<Taken> {
        let opened = Archive::open(Cursor::new(file), Limits::default()).expect("an archive");
        match key {
            None => self.take_tables(opened, how),
            Some(key) => {
                let sealed = opened.sealed().expect("it is sealed");
                self.take_tables(sealed.open_with(&SealKey::from_bytes(key)).expect("the key fits"), how)
            }
        }
    }

    fn take_tables<R: Read + Seek>(&self, mut archive: Archive<R>, how: &Import) -> Result<Taken> {
        archive.verify().expect("it is whole");
        let exported_at = Stamp::parse(&archive.manifest().exported_at).ok();
        let how = Import { exported_at, ..how.clone() };
        let mut taken = Taken { missing: archive.missing().expect("a list"), ..Taken::default() };
        let tables: Vec<String> = archive.tables().into_iter().map(|table| table.name).collect();
        let references = self.references(&mut archive, &tables, &how)?;
        for table in tables {
            let mut whole = ImportPage::default();
            let rewritten = |line: &mana_archive::Line| {
                let mut text = line.text.clone();
                taken.references += references.rewrite(&mut text);
                text
            };
            for rows in pages(&mut archive, &table, rewritten) {
                add(&mut whole, self.import(&table, &rows, how.clone())?);
            }
            taken.tables.insert(table, whole);
        }
        Ok(taken)
    }

    fn references<R: Read + Seek>(
        &self,
        archive: &mut Archive<R>,
        tables: &[String],
        how: &Import,
    ) -> Result<References> {
        let mut references = References::default();
        references.keep(&archive.manifest().user_id);
        self.ids_around().iter().for_each(|id| references.keep(id));
        let ask = Import { dry_run: true, schema_version: None, ..how.clone() };
        for table in tables {
            let identity = |line: &mana_archive::Line| {
                references.keep_around(&line.identity());
                line.identity()
            };
            for rows in pages(archive, table, identity) {
                for (from, to) in &self.import(table, &rows, ask.clone())?.renamed {
                    references.add(from, to);
                }
            }
        }
        for table in tables {
            for line in archive.rows(table).expect("a table") {
                references.settle(&line.expect("a line").identity());
            }
        }
        Ok(references)
    }
}

fn pages<R: Read + Seek>(
    archive: &mut Archive<R>,
    table: &str,
    mut text_of: impl FnMut(&mana_archive::Line) -> String,
) -> Vec<Vec<Value>> {
    let lines = archive.rows(table).expect("a table");
    let rows: Vec<Value> =
        lines.map(|line| serde_json::from_str(&text_of(&line.expect("a line"))).expect("a row")).collect();
    rows.chunks(PAGE).map(<[Value]>::to_vec).collect()
}

fn add(whole: &mut ImportPage, page: ImportPage) {
    whole.new += page.new;
    whole.changed += page.changed;
    whole.unchanged += page.unchanged;
    whole.deleted += page.deleted;
    whole.renamed.extend(page.renamed);
    whole.left.extend(page.left);
}

/// An archive of rows as they are, written by ada at the end of 2026.
#[must_use]
pub fn file_of(tables: &[(&str, Vec<Value>)]) -> Vec<u8> {
    let mut writer = Writer::new(Vec::new(), &manifest("2027-01-01T00:00:00.000Z")).expect("it begins");
    for (table, rows) in tables {
        writer.table(table).expect("it begins");
        for row in rows {
            writer.row(&row.to_string()).expect("written");
        }
    }
    writer.finish().expect("it ends")
}

fn manifest(exported_at: &str) -> Manifest {
    Manifest {
        schema_version: 1,
        produced_by: "simulation".to_owned(),
        exported_at: exported_at.to_owned(),
        user_id: "ada".to_owned(),
        scope: Scope::Full,
        row_counts: BTreeMap::new(),
        fields_plaintext: true,
        seal: None,
        others: serde_json::Map::new(),
    }
}

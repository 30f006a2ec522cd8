//! Nothing is written that is not read: the writer refuses what the reader would, by the same limits.

mod support;

use mana_archive::{Archive, Limits, SealedWriter, Writer, how_many_missing};
use serde_json::{Value, json};
use std::io::Cursor;
use support::{key, manifest, open, random, unseal};

/// Which need no large tables to be reached. Manifest and the words for people are entries, too.
const SMALL: Limits =
    Limits { entries: 5, entry_bytes: 4000, total_bytes: 8000, ratio: 20, free_bytes: 1000, line_bytes: 600 };

/// A row of so many bytes that pack badly.
fn row(n: u64, bytes: usize) -> String {
    let mut next = support::numbers(n + 1);
    let text: String = std::iter::repeat_with(|| format!("{:016x}", next())).take(bytes / 16 + 1).collect();
    format!("{{\"v\":\"{}\"}}", &text[..bytes - 8])
}

/// Writes tables of rows; gives the archive, or the code of what it is refused with.
fn written(limits: Limits, tables: &[&[String]]) -> Result<Vec<u8>, &'static str> {
    let mut writer = Writer::new(Vec::new(), &manifest()).unwrap().within(limits);
    let mut write = || {
        for (at, rows) in tables.iter().enumerate() {
            writer.table(&format!("t{at}"))?;
            rows.iter().try_for_each(|row| writer.row(row))?;
        }
        Ok(())
    };
    write().and_then(|()| writer.finish()).map_err(|error: mana_archive::Error| error.code())
}

/// The code that all of an archive is refused with.
fn read(limits: Limits, bytes: &[u8]) -> Result<(), &'static str> {
    let verified = Archive::open(Cursor::new(bytes), limits).and_then(|mut archive| archive.verify());
    verified.map(drop).map_err(|error| error.code())
}

#[test]
fn what_the_reader_refuses_the_writer_refuses() {
    let rows = |count: u64, bytes: usize| -> Vec<String> { (0..count).map(|n| row(n, bytes)).collect() };
    let (few, many, long) = (rows(7, 500), rows(9, 500), rows(1, 601));
    let (fits, alike) = (rows(1, 600), vec!["{\"v\":\"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\"}".to_owned(); 40]);
    let whole: &[(&str, &[&[String]])] =
        &[("three tables", &[&few, &[], &few]), ("a line", &[&fits]), ("alike, and small", &[&alike[..18]])];
    for (what, tables) in whole {
        assert_eq!(written(SMALL, tables).and_then(|bytes| read(SMALL, &bytes)), Ok(()), "{what}");
    }
    let over: &[(&str, &[&[String]])] = &[
        ("four tables", &[&[], &[], &[], &[]]),
        ("a large table", &[&many]),
        ("three that are too much together", &[&few, &few, &few]),
        ("a long line", &[&long]),
        ("a table that packs too well", &[&alike]),
    ];
    for (what, tables) in over {
        assert_eq!(written(SMALL, tables), Err("archive_too_large"), "{what}");
        let bytes = written(Limits::default(), tables).unwrap();
        assert_eq!(read(SMALL, &bytes), Err("archive_too_large"), "{what}");
    }
}

#[test]
fn it_is_refused_as_soon_as_it_is_written() {
    let mut writer = Writer::new(Vec::new(), &manifest()).unwrap().within(SMALL);
    writer.table("tasks").unwrap();
    let at = (0..20).position(|n| writer.row(&row(n, 500)).is_err());
    assert_eq!(at, Some(7), "eight of 501 bytes are more than 4000");
}

#[test]
fn a_sealed_body_is_one_entry_with_its_tag() {
    // Of tables that are far smaller than it.
    let seal = |entry_bytes: u64| {
        let limits = Limits { entry_bytes, ..Limits::default() };
        let writer = SealedWriter::with_key(Vec::new(), &manifest(), key(), random()).unwrap();
        let mut writer = writer.within(limits);
        for n in 0..4 {
            writer.body().table(&format!("t{n}"))?;
            writer.body().row(&row(n, 2000))?;
        }
        let bytes = writer.finish(Vec::new())?;
        Archive::open(Cursor::new(bytes), limits)?.sealed_place()
    };
    let place = seal(u64::MAX).unwrap();
    let bytes = place.end - place.start;
    assert!(bytes > 4000);
    assert!(seal(bytes).is_ok());
    assert_eq!(seal(bytes - 1).unwrap_err().code(), "archive_too_large");
}

#[test]
fn a_manifest_that_is_not_read_is_not_written() {
    let mut large = manifest();
    large.row_counts = (0..60_000).map(|n| (format!("a_table_of_many_{n}"), n)).collect();
    assert_eq!(Writer::new(Vec::new(), &large).unwrap_err().code(), "archive_too_large");
}

#[test]
fn a_zip_holds_65_534_entries_and_no_more() {
    let limits = Limits { entries: usize::MAX, ..Limits::default() };
    let with = |count: usize, limits: Limits| {
        let mut writer = Writer::new(Vec::new(), &manifest()).unwrap().within(limits);
        (0..count).try_for_each(|n| writer.table(&format!("t{n}")))?;
        writer.finish()
    };
    // The manifest and a few words for people are entries, too.
    let full = with(65_532, limits).unwrap();
    assert_eq!(zip::ZipArchive::new(Cursor::new(&full)).unwrap().len(), 65_534);
    assert_eq!(open(&full).unwrap_err().code(), "archive_too_large", "and nobody here reads so many");
    assert_eq!(with(9_999, Limits::default()).unwrap_err().code(), "archive_too_large");
    assert!(open(&with(9_998, Limits::default()).unwrap()).is_ok());
    for count in [65_533, 65_534, 70_000] {
        assert_eq!(with(count, limits).unwrap_err().code(), "archive_too_large", "{count} tables");
    }
}

fn missing(count: usize) -> Vec<Value> {
    (0..count)
        .map(|n| json!({ "table": "tasks", "id": format!("018f3a2e-7c1d-7000-8000-{n:012}"), "field": "title" }))
        .collect()
}

#[test]
fn a_list_of_what_is_missing_is_read_however_long() {
    let list = missing(20_000);
    let mut writer = Writer::new(Vec::new(), &manifest()).unwrap();
    writer.missing(&list).unwrap();
    assert_eq!(open(&writer.finish().unwrap()).unwrap().missing().unwrap(), list);
    let mut writer = SealedWriter::with_key(Vec::new(), &manifest(), key(), random()).unwrap();
    writer.body().missing(&list).unwrap();
    assert_eq!(unseal(&writer.finish(Vec::new()).unwrap(), &key()).unwrap().missing().unwrap(), list);
}

#[test]
fn a_list_of_what_is_missing_ends_where_it_is_read_and_says_that_there_is_more() {
    let limits = Limits { line_bytes: 4000, ..Limits::default() };
    let reread = |list: &[Value]| {
        let mut writer = Writer::new(Vec::new(), &manifest()).unwrap().within(limits);
        writer.missing(list).unwrap();
        let bytes = writer.finish().unwrap();
        Archive::open(Cursor::new(bytes), limits).unwrap().missing().unwrap()
    };
    let list = missing(1000);
    let read = reread(&list);
    let listed = read.len() - 1;
    assert!(listed > 40 && read[..listed] == list[..listed], "{listed}");
    assert_eq!(read[listed], json!({ "more": 1000 - listed }));
    assert_eq!(how_many_missing(&read), 1000);
    assert_eq!(reread(&read), read, "copied, it says the same");
    assert_eq!(reread(&list[..30]), list[..30]);
}

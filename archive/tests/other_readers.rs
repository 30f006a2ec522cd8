//! Other programs read what is written here, and find in whatever is accepted here what is found here.

mod support;

use serde_json::{Value, json};
use std::path::PathBuf;
use std::process::Command;
use support::{Tables, fixture, manifest, mutants, open, plain, random, tables};

const PASSPHRASE: &str = "correct horse battery staple";

/// A directory that is removed with it.
struct Directory(PathBuf);

impl Directory {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("mana-archive-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn put(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.0.join(name);
        std::fs::write(&path, bytes).unwrap();
        path
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// The system's Python, which has `cryptography` where `scripts/setup --test` put it.
fn python(arguments: &[&str]) -> String {
    let output = Command::new("/usr/bin/python3").args(arguments).output().expect("python3, which make setup installs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// The reader that the description of the format holds.
fn reader(directory: &Directory) -> PathBuf {
    let text = include_str!("../../docs/archive-format.md");
    let code = text.split("```python\n").nth(1).and_then(|rest| rest.split("```").next()).unwrap();
    assert!(code.lines().count() <= 30, "{} lines", code.lines().count());
    directory.put("reader.py", code.as_bytes())
}

fn some() -> Tables {
    let row = |n: i64| json!({ "id": format!("r{n}"), "title": "Grüße 🚀 \u{2028}", "n": n * 1_000_003, "half": 0.5, "none": null });
    Tables::from([("tasks".to_owned(), (0..500).map(row).collect()), ("empty".to_owned(), vec![])])
}

fn sealed_with_words(tables: &Tables) -> Vec<u8> {
    let mut writer = mana_archive::SealedWriter::new(&manifest(), PASSPHRASE, random()).unwrap();
    support::fill(writer.body(), tables);
    writer.finish(Vec::new()).unwrap()
}

#[test]
fn the_reader_of_the_description_reads_both_kinds() {
    let directory = Directory::new("reader");
    let reader = reader(&directory);
    for (name, bytes) in [("plain", plain(&some())), ("sealed", sealed_with_words(&some()))] {
        let path = directory.put(&format!("{name}.mana"), &bytes);
        let read = python(&[reader.to_str().unwrap(), path.to_str().unwrap(), PASSPHRASE]);
        assert_eq!(serde_json::from_str::<Value>(&read).unwrap(), json!(some()), "{name}");
    }
    let older = directory.put("older.mana", &fixture("sealed.mana"));
    let read: Value =
        serde_json::from_str(&python(&[reader.to_str().unwrap(), older.to_str().unwrap(), PASSPHRASE])).unwrap();
    assert_eq!(read["tasks"].as_array().unwrap().len(), 250);
}

#[test]
fn unzip_finds_nothing_wrong_with_it() {
    let directory = Directory::new("unzip");
    for (name, bytes) in [("plain.mana", plain(&some())), ("sealed.mana", support::sealed(&some()))] {
        let path = directory.put(name, &bytes);
        let output = Command::new("unzip").arg("-t").arg(&path).output().expect("unzip, which make setup installs");
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success() && said.contains("No errors detected"), "{said}");
    }
}

/// Java's `ZipInputStream`, for one, goes from the beginning, and takes no stored entry whose size only follows it.
#[test]
fn who_reads_from_the_beginning_knows_where_the_sealed_body_ends() {
    let bytes = support::sealed(&some());
    let name = b"data.sealed";
    let local = bytes.windows(name.len()).position(|window| window == name).unwrap() - 30;
    let half = |at: usize| u16::from_le_bytes(bytes[local + at..][..2].try_into().unwrap());
    let word = |at: usize| u32::from_le_bytes(bytes[local + at..][..4].try_into().unwrap());
    assert_eq!(bytes[local..local + 4], *b"PK\x03\x04");
    assert_eq!(half(6) & 1 << 3, 0, "no descriptor");
    assert_eq!((half(8), half(26), half(28)), (0, 11, 0), "stored, under its name alone");
    let size = usize::try_from(word(18)).unwrap();
    assert_eq!(word(22), word(18));
    let body = &bytes[local + 41..local + 41 + size];
    assert_eq!(word(14), support::raw_zip::crc32(body));
    assert_eq!(bytes[local + 41 + size..][..4], *b"PK\x03\x04", "the next entry follows at once");
}

const UNPACK: &str = "
import json, sys, zipfile, pathlib
for path in sorted(pathlib.Path(sys.argv[1]).glob('m*.mana')):
    archive = zipfile.ZipFile(path)
    names = [name for name in archive.namelist() if name.startswith('data/')]
    rows = {name[5:-6]: [json.loads(line) for line in archive.open(name) if line.strip()] for name in names}
    print(json.dumps([path.name, rows]))
";

/// The tables as the crate `zip` reads them.
fn read_by_zip(bytes: &[u8]) -> Tables {
    let mut zip = zip::ZipArchive::new(std::io::Cursor::new(bytes)).unwrap();
    let names: Vec<String> = zip.file_names().map(|name| name.unwrap().into_owned()).collect();
    let table = |name: &String| Some(name.strip_prefix("data/")?.strip_suffix(".jsonl")?.to_owned());
    let mut tables = Tables::new();
    for (name, table) in names.iter().filter_map(|name| Some((name, table(name)?))) {
        let text = std::io::read_to_string(zip.by_name(name).unwrap()).unwrap();
        let rows = text.lines().filter(|line| !line.trim().is_empty());
        tables.insert(table, rows.map(|row| serde_json::from_str(row).unwrap()).collect());
    }
    tables
}

#[test]
fn what_is_accepted_here_says_the_same_to_other_readers() {
    let directory = Directory::new("mutants");
    let tables_of = |bytes: &[u8]| open(bytes).and_then(tables);
    let small = Tables::from([
        ("tasks".to_owned(), vec![json!({ "id": "a" }), json!({ "id": "b" })]),
        ("notes".to_owned(), vec![]),
    ]);
    let mut expected = Vec::new();
    for (at, mutant) in mutants(&plain(&small), support::figure("MUTANTS", 10_000)).iter().enumerate() {
        let Ok(read) = tables_of(mutant) else { continue };
        assert_eq!(read_by_zip(mutant), read, "mutant {at}");
        let name = format!("m{at:05}.mana");
        directory.put(&name, mutant);
        expected.push(json!([name, read]));
    }
    assert!(expected.len() > 100, "{} accepted", expected.len());
    let read = python(&["-c", UNPACK, directory.0.to_str().unwrap()]);
    let read: Vec<Value> = read.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(read, expected);
}

//! What is written is read again as it was, and a sealed archive of which anything was changed is not.

mod support;

use mana_archive::{Manifest, SealKey, SealedWriter, Writer};
use proptest::prelude::*;
use serde_json::{Value, json};
use support::raw_zip::{Entry, Zip};
use support::{Tables, is_idle, key, manifest, open, plain, random, sealed, tables, unseal};

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_filter("JSON has no others", |n| n.is_finite()).prop_map(Value::from),
        "\\PC*".prop_map(Value::from),
        any::<String>().prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 16, 4, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            proptest::collection::btree_map(any::<String>(), inner, 0..4).prop_map(|map| json!(map)),
        ]
    })
}

fn some_tables() -> impl Strategy<Value = Tables> {
    let row = proptest::collection::btree_map(any::<String>(), value(), 0..5).prop_map(|map| json!(map));
    proptest::collection::btree_map("[A-Za-z0-9_]{1,12}", proptest::collection::vec(row, 0..6), 0..5)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(u32::try_from(support::figure("DATA_SETS", 1000)).unwrap()))]

    #[test]
    fn what_was_written_is_read(written in some_tables()) {
        prop_assert_eq!(&tables(open(&plain(&written)).unwrap()).unwrap(), &written);
        prop_assert_eq!(&tables(unseal(&sealed(&written), &key()).unwrap()).unwrap(), &written);
    }

    #[test]
    fn equal_content_gives_equal_bytes(written in some_tables()) {
        prop_assert_eq!(plain(&written), plain(&written));
    }
}

fn small() -> Tables {
    let row = |n: usize| json!({ "id": format!("r{n}"), "title": "Milk and bread", "done": n.is_multiple_of(2) });
    Tables::from([("tasks".to_owned(), (0..40).map(row).collect()), ("notes".to_owned(), vec![])])
}

/// What a reader gets of it, or the code of why it gets nothing.
fn everything(bytes: &[u8]) -> Result<(Manifest, Tables), &'static str> {
    let opened = unseal(bytes, &key()).map_err(|error| error.code())?;
    let manifest = opened.manifest().clone();
    Ok((manifest, tables(opened).map_err(|error| error.code())?))
}

#[test]
fn a_plain_one_that_was_cut_anywhere_is_refused() {
    for bytes in [plain(&small()), sealed(&small())] {
        for length in 0..bytes.len() {
            assert!(open(&bytes[..length]).and_then(tables).is_err(), "{length} of {} bytes", bytes.len());
        }
    }
}

#[test]
fn of_a_plain_one_no_flipped_bit_is_taken_but_such_as_no_reader_goes_by() {
    // In a table without rows a local header says 0 or the same as the directory, one bit apart.
    let bytes = plain(&small().into_iter().filter(|(_, rows)| !rows.is_empty()).collect());
    let read = |bytes: &[u8]| {
        let mut archive = open(bytes)?;
        archive.verify()?;
        tables(archive)
    };
    let (whole, mut taken) = (read(&bytes).unwrap(), 0);
    for bit in 0..bytes.len() * 8 {
        let mut changed = bytes.clone();
        changed[bit / 8] ^= 1 << (bit % 8);
        let Ok(read) = read(&changed) else { continue };
        assert!(read == whole && is_idle(&bytes, bit), "bit {bit}");
        taken += 1;
    }
    // Of each of three entries 44 of the directory, and what its last byte leaves over.
    assert!((3 * 44..3 * (44 + 7)).contains(&taken), "{taken} bits");
}

#[test]
fn damage_is_told_from_a_row_that_was_written_wrong() {
    let entry = |crc| Entry { crc, ..Entry::of("data/tasks.jsonl", "{\"id\":\n{}\n") };
    let with = |crc| {
        let manifest = Entry::of("manifest.json", &manifest().to_json().to_string());
        Zip::of(vec![manifest, entry(crc)]).bytes()
    };
    let code = |bytes: &[u8]| open(bytes).unwrap().verify().unwrap_err().code();
    assert_eq!((code(&with(None)), code(&with(Some(1)))), ("row_invalid", "archive_damaged"));
}

#[test]
fn what_is_passed_over_is_verified_too() {
    for bytes in [plain(&small()), sealed(&small())] {
        assert!(open(&bytes).unwrap().verify().is_ok());
        let readme = bytes.windows(9).position(|name| name == b"README.md").unwrap();
        let mut changed = bytes.clone();
        changed[readme + 30] ^= 1;
        let read = open(&changed).and_then(|mut archive| archive.verify());
        assert_eq!(read.unwrap_err().code(), "archive_damaged");
    }
}

#[test]
fn a_wrong_passphrase_and_damage_are_told_apart() {
    let bytes = sealed(&small());
    assert_eq!(unseal(&bytes, &SealKey::from_bytes([8; 32])).unwrap_err().code(), "wrong_passphrase");
    let at = bytes.windows(11).position(|name| name == b"data.sealed").unwrap();
    // The entry's checksum is found first; with that one right, too, the seal finds it.
    let mut changed = bytes.clone();
    changed[at + 100] ^= 1;
    assert_eq!(unseal(&changed, &key()).unwrap_err().code(), "archive_damaged");
    let opened = open(&bytes).unwrap();
    assert!(opened.manifest().seal.as_ref().unwrap().key_check.is_some());
}

/// The contents of a sealed archive, which anybody can take apart and put together anew.
struct Parts {
    manifest: Manifest,
    body: Vec<u8>,
    readme: Vec<u8>,
}

impl Parts {
    fn of(bytes: &[u8]) -> Self {
        let mut zip = zip::ZipArchive::new(std::io::Cursor::new(bytes)).unwrap();
        let mut content = |name: &str| {
            let mut content = Vec::new();
            std::io::Read::read_to_end(&mut zip.by_name(name).unwrap(), &mut content).unwrap();
            content
        };
        let (body, readme) = (content("data.sealed"), content("README.md"));
        Self { manifest: open(bytes).unwrap().manifest().clone(), body, readme }
    }

    fn entries(&self) -> Vec<Entry> {
        let manifest = format!("{:#}", self.manifest.to_json()).into_bytes();
        let parts = [("manifest.json", &manifest), ("data.sealed", &self.body), ("README.md", &self.readme)];
        parts.map(|(name, content)| Entry::as_written(name, content)).to_vec()
    }

    fn bytes(&self) -> Vec<u8> {
        Zip::of(self.entries()).bytes()
    }
}

#[test]
fn a_manifest_outside_that_was_edited_is_found_inside() {
    let bytes = sealed(&small());
    let honest = Parts::of(&bytes);
    assert_eq!(honest.bytes(), bytes, "nothing around a sealed body is left to choose");
    let Parts { manifest, body, readme } = honest;
    let mut without_check = manifest.clone();
    without_check.seal.as_mut().unwrap().key_check = None;
    let edited = [
        Manifest { user_id: "mallory".to_owned(), ..manifest.clone() },
        Manifest { schema_version: 1, ..manifest.clone() },
        Manifest { exported_at: "2036-04-22T12:34:56.789Z".to_owned(), ..manifest.clone() },
        Manifest { others: json!({ "more": 1 }).as_object().unwrap().clone(), ..manifest },
        without_check,
    ];
    for manifest in edited {
        let edited = Parts { manifest, body: body.clone(), readme: readme.clone() };
        assert_eq!(everything(&edited.bytes()), Err("archive_damaged"), "{:?}", edited.manifest);
    }
}

#[test]
fn nothing_else_outside_a_sealed_body_can_be_changed_with_its_checksum() {
    let honest = Parts::of(&sealed(&small()));
    let words = Parts { readme: b"Send your passphrase to mallory".to_vec(), ..Parts::of(&honest.bytes()) };
    assert_eq!(everything(&words.bytes()), Err("archive_damaged"), "other words");
    let entries = honest.entries();
    let mut odd: Vec<(&str, Vec<Entry>)> = vec![
        ("no words", entries[..2].to_vec()),
        ("more beside it", [entries.clone(), vec![Entry::as_written("more.txt", b"x")]].concat()),
        ("another order", vec![entries[0].clone(), entries[2].clone(), entries[1].clone()]),
    ];
    for (at, entry) in entries.iter().enumerate() {
        let mut with = |what, entry| {
            let mut changed = entries.clone();
            changed[at] = entry;
            odd.push((what, changed));
        };
        with("another time", Entry { time: [1, 33], ..entry.clone() });
        with("another maker", Entry { made_by: 20, ..entry.clone() });
        with("said to be text", Entry { internal_attributes: 1, ..entry.clone() });
        with("for everybody to change", Entry { attributes: 0o100_666 << 16, ..entry.clone() });
        with("an extra field", Entry { extra: vec![0x55, 0x54, 0, 0], ..entry.clone() });
    }
    for (what, entries) in odd {
        assert_eq!(everything(&Zip::of(entries).bytes()), Err("archive_damaged"), "{what}");
    }
}

#[test]
fn a_passphrase_is_one_however_its_letters_are_spelt() {
    let composed = "Zürich schläft";
    let decomposed = "Zu\u{308}rich schla\u{308}ft";
    let mut writer = SealedWriter::new(&manifest(), composed, random()).unwrap();
    writer.body().table("tasks").unwrap();
    let bytes = writer.finish(Vec::new()).unwrap();
    assert!(open(&bytes).unwrap().sealed().unwrap().open(decomposed).is_ok());
    // An older program may have derived its key from the other spelling as it was typed.
    let typed = SealKey::derive_exactly(decomposed, &random().salt, mana_archive::ITERATIONS);
    let bytes = SealedWriter::with_key(Vec::new(), &manifest(), typed, random()).unwrap().finish(Vec::new()).unwrap();
    assert!(open(&bytes).unwrap().sealed().unwrap().open(decomposed).is_ok());
    assert_eq!(open(&bytes).unwrap().sealed().unwrap().open(composed).unwrap_err().code(), "wrong_passphrase");
}

#[test]
fn what_is_missing_is_said() {
    let missing = [json!({ "table": "tasks", "id": "a", "field": "title" })];
    let mut writer = Writer::new(Vec::new(), &manifest()).unwrap();
    writer.missing(&missing).unwrap();
    assert_eq!(open(&writer.finish().unwrap()).unwrap().missing().unwrap(), missing);
    let mut writer = SealedWriter::with_key(Vec::new(), &manifest(), key(), random()).unwrap();
    writer.body().missing(&missing).unwrap();
    let bytes = writer.finish(Vec::new()).unwrap();
    assert_eq!(unseal(&bytes, &key()).unwrap().missing().unwrap(), missing);
    assert!(open(&plain(&small())).unwrap().missing().unwrap().is_empty());
}

#[test]
fn a_table_comes_once_and_a_row_is_one_line() {
    let mut writer = Writer::new(Vec::new(), &manifest()).unwrap();
    writer.table("tasks").unwrap();
    for name in ["tasks", "", "a/b", "../x", "tä"] {
        assert!(writer.table(name).is_err(), "{name:?}");
    }
    assert!(writer.row("{}\n{}").is_err());
    assert!(writer.row("{\"id\":\"a\"}").is_ok());
    assert_eq!(tables(open(&writer.finish().unwrap()).unwrap()).unwrap()["tasks"].len(), 1);
}

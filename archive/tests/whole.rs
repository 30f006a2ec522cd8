//! What is written is read again as it was, and a sealed archive of which anything was changed is not.

mod support;

use mana_archive::{Manifest, SealKey, SealedWriter, Writer};
use proptest::prelude::*;
use serde_json::{Value, json};
use support::{Tables, key, manifest, open, plain, random, sealed, tables, unseal};

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
fn of_a_plain_one_no_flipped_bit_of_a_table_is_taken() {
    let bytes = plain(&small());
    let whole = tables(open(&bytes).unwrap()).unwrap();
    for bit in 0..bytes.len() * 8 {
        let mut changed = bytes.clone();
        changed[bit / 8] ^= 1 << (bit % 8);
        let Ok(read) = open(&changed).and_then(tables) else { continue };
        assert_eq!(read, whole, "bit {bit}");
    }
}

#[test]
fn damage_is_told_from_a_row_that_was_written_wrong() {
    let entry =
        |crc| support::raw_zip::Entry { crc, ..support::raw_zip::Entry::of("data/tasks.jsonl", "{\"id\":\n{}\n") };
    let with = |crc| {
        let manifest = support::raw_zip::Entry::of("manifest.json", &manifest().to_json().to_string());
        support::raw_zip::Zip::of(vec![manifest, entry(crc)]).bytes()
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
        assert_eq!(open(&changed).unwrap().verify().unwrap_err().code(), "archive_damaged");
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

#[test]
fn a_manifest_outside_that_was_edited_is_found_inside() {
    let seal = |outside: &Manifest| {
        // As an attacker would: the sealed body of one archive under the manifest of another.
        let bytes = sealed(&small());
        let mut zip = zip::ZipArchive::new(std::io::Cursor::new(bytes)).unwrap();
        let mut body = Vec::new();
        std::io::Read::read_to_end(&mut zip.by_name("data.sealed").unwrap(), &mut body).unwrap();
        let entries = [("manifest.json", outside.to_json().to_string().into_bytes()), ("data.sealed", body)];
        let entry = |(name, content): (&str, Vec<u8>)| support::raw_zip::Entry {
            content,
            ..support::raw_zip::Entry::of(name, "")
        };
        support::raw_zip::Zip::of(entries.map(entry).to_vec()).bytes()
    };
    let bytes = sealed(&small());
    let honest = open(&bytes).unwrap().manifest().clone();
    assert!(everything(&seal(&honest)).is_ok());
    let mut without_check = honest.clone();
    without_check.seal.as_mut().unwrap().key_check = None;
    let edited = [
        Manifest { user_id: "mallory".to_owned(), ..honest.clone() },
        Manifest { schema_version: 1, ..honest.clone() },
        Manifest { exported_at: "2036-04-22T12:34:56.789Z".to_owned(), ..honest.clone() },
        Manifest { others: json!({ "more": 1 }).as_object().unwrap().clone(), ..honest },
        without_check,
    ];
    for manifest in edited {
        assert_eq!(everything(&seal(&manifest)), Err("archive_damaged"), "{manifest:?}");
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

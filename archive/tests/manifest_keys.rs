//! What stands in a manifest. A key may be added to these lists and never taken out of them, renamed, or given another meaning:
//! backups outlive the programs that wrote them, and the programs that read them (docs/archive-format.md).

mod support;

use mana_archive::{Manifest, Scope, SealedWriter, Writer};
use serde_json::{Value, json};
use std::io::Read;
use support::{key, manifest, open, random};

const KEYS: [&str; 9] = [
    "appSchemaVersions",
    "exportedAt",
    "fieldsPlaintext",
    "formatVersion",
    "producedBy",
    "rowCounts",
    "schemaVersion",
    "scope",
    "userId",
];
/// What a sealed one has besides.
const SEAL: &str = "passphrase";
const SEAL_KEYS: [&str; 7] =
    ["cipher", "ivBase64", "kdf", "kdfIterations", "kdfSaltBase64", "keyCheckBase64", "plaintextSha256"];
/// What its copy in the sealed body has instead.
const COPY_KEYS: [&str; 2] = ["keyCheck", "random"];

/// With a key that the app adds (js-shim/src/archive.ts).
fn full() -> Manifest {
    let others = json!({ "appSchemaVersions": { "todo": 3 } }).as_object().unwrap().clone();
    Manifest { others, scope: Scope::Filtered(vec!["todo".to_owned()]), ..manifest() }
}

fn keys_of(object: &Value) -> Vec<&str> {
    let mut keys: Vec<&str> = object.as_object().unwrap().keys().map(String::as_str).collect();
    keys.sort_unstable();
    keys
}

/// The first entry of a zip, which is the manifest.
fn manifest_of(bytes: &[u8]) -> Value {
    let mut zip = zip::ZipArchive::new(std::io::Cursor::new(bytes)).unwrap();
    let mut text = String::new();
    zip.by_name("manifest.json").unwrap().read_to_string(&mut text).unwrap();
    serde_json::from_str(&text).unwrap()
}

fn with(keys: &[&'static str]) -> Vec<&'static str> {
    let mut all = [&KEYS, keys].concat();
    all.sort_unstable();
    all
}

#[test]
fn one_that_is_not_sealed_has_these_keys() {
    let json = manifest_of(&Writer::new(Vec::new(), &full()).unwrap().finish().unwrap());
    assert_eq!(keys_of(&json), KEYS);
    assert_eq!(keys_of(&json["scope"]), ["appIds", "type"]);
    let whole = manifest_of(&support::plain(&support::Tables::new()));
    assert_eq!(keys_of(&whole["scope"]), ["type"]);
}

#[test]
fn a_sealed_one_has_these_keys_and_its_copy_those() {
    let writer = SealedWriter::with_key(Vec::new(), &full(), key(), random()).unwrap();
    let bytes = writer.finish(Vec::new()).unwrap();
    let json = manifest_of(&bytes);
    assert_eq!(keys_of(&json), with(&[SEAL]));
    assert_eq!(keys_of(&json[SEAL]), SEAL_KEYS);
    let (lock, mut body) = open(&bytes).unwrap().sealed().unwrap().into_parts();
    lock.decrypt(&key(), &mut body).unwrap();
    assert_eq!(keys_of(&manifest_of(&body)), with(&COPY_KEYS));
}

#[test]
fn a_later_key_is_passed_on_and_the_description_names_all() {
    let mut later = full();
    later.others.insert("aLaterKey".to_owned(), json!({ "a": [1] }));
    let parsed = Manifest::parse(later.to_json().to_string().as_bytes()).unwrap();
    assert_eq!(parsed.to_json()["aLaterKey"], json!({ "a": [1] }));
    let words = include_str!("../../docs/archive-format.md");
    let named = |key: &&str| words.contains(&format!("`{key}`")) || words.contains(&format!("`\"{key}\""));
    for key in [&KEYS[..], &SEAL_KEYS, &COPY_KEYS].concat() {
        assert!(named(&key), "{key}");
    }
}

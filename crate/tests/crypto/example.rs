//! The worked example of docs/encryption.md, byte by byte.

use crate::vectors::unhex;
use mana_sync_engine::crypto::{
    Format, Keyring, KeyringRecord, MasterKey, Passphrase, PassphraseWrapped, Place, RecoveryCode, SealedKey, WrapKey,
    WrappedKey, pbkdf2_sha256,
};
use mana_sync_engine::model::{AppId, FieldName, RecordId, Stamp, TableName, UserId};
use serde_json::{Value, json};

const PAGE: &str = include_str!("../../../docs/encryption.md");

/// The example's object.
fn example() -> Value {
    let rest = PAGE.split_once("## Worked example\n").unwrap().1;
    let block = rest.split_once("```json\n").unwrap().1.split_once("```").unwrap().0;
    serde_json::from_str(block).unwrap()
}

fn text<'a>(object: &'a Value, name: &str) -> &'a str {
    object[name].as_str().unwrap()
}

fn master_key(example: &Value) -> MasterKey {
    MasterKey::from_bytes(&unhex(text(example, "key"))).unwrap()
}

/// The example's random source.
fn iv(bytes: &mut [u8]) {
    bytes.copy_from_slice(&unhex("a0a1a2a3a4a5a6a7a8a9aaab"));
}

#[test]
fn the_worked_example_is_what_sealing_gives_and_opens_again() {
    let example = example();
    let place = &example["place"];
    let (app, table) = (AppId::parse(text(place, "app")).unwrap(), TableName::parse(text(place, "table")).unwrap());
    let (record, field) =
        (RecordId::parse(text(place, "record")).unwrap(), FieldName::parse(text(place, "field")).unwrap());
    let at = Stamp::parse(text(place, "at")).unwrap();
    let place = Place::new(&app, &table, &record, &field);
    let mut ring = Keyring::new();
    let name = ring.insert(1, master_key(&example));
    assert_eq!(
        (json!(name.generation), name.id.to_string().as_str()),
        (example["generation"].clone(), text(&example, "keyId"))
    );
    assert_eq!(place.associated_data(at), unhex(text(&example, "associatedData")));
    for (format, envelope) in [(Format::One, "enc1"), (Format::Two, "enc2")] {
        let envelope = text(&example, envelope);
        assert_eq!(ring.seal(format, &place, at, &example["value"], &iv).unwrap(), envelope);
        assert_eq!(ring.open(&place, at, envelope).as_ref(), Ok(&example["value"]));
    }
}

#[test]
fn the_worked_examples_recovery_code_opens_its_key() {
    let example = example();
    let recovery = &example["recovery"];
    let code = RecoveryCode::parse(text(recovery, "code")).unwrap();
    let wrapped = WrappedKey::parse(text(recovery, "iv"), text(recovery, "ciphertext")).unwrap();
    assert_eq!(code.unwrap(&wrapped), Ok(master_key(&example)));
    assert_eq!(code.wrap(&master_key(&example), &iv), Ok(wrapped));
}

#[test]
fn the_worked_examples_passphrase_opens_its_key() {
    let example = example();
    let words = text(&example["passphrase"], "passphrase");
    let wrapped = PassphraseWrapped::parse(example["passphrase"]["wrapped"].clone()).unwrap();
    assert_eq!(wrapped.unwrap(Passphrase { nfkc: words, typed: words }), Ok(master_key(&example)));
    let mut derived = [0; 32];
    pbkdf2_sha256(words.as_bytes(), wrapped.salt(), wrapped.iterations(), &mut derived);
    let derived = WrapKey::from_bytes(&derived).unwrap();
    let (salt, key) = (wrapped.salt().to_vec(), master_key(&example));
    assert_eq!(PassphraseWrapped::wrap_with(&derived, salt, wrapped.iterations(), &key, &iv).as_ref(), Ok(&wrapped));
    assert_eq!(wrapped.to_json(), example["passphrase"]["wrapped"]);
}

#[test]
fn the_worked_examples_newer_key_opens_the_older_one() {
    let example = example();
    let rotated = &example["rotated"];
    let record = KeyringRecord::of(&UserId::parse(text(&rotated["place"], "record")).unwrap()).unwrap();
    assert_eq!(
        (record.app().as_str(), record.table().as_str()),
        (text(&rotated["place"], "app"), text(&rotated["place"], "table"))
    );
    let newer = || MasterKey::from_bytes(&unhex(text(rotated, "newerKey"))).unwrap();
    let at = Stamp::parse(text(&rotated["place"], "at")).unwrap();
    let mut ring = Keyring::new();
    ring.insert(2, newer());
    let field = FieldName::parse(text(&rotated["place"], "field")).unwrap();
    let older = ring.open_key(&record, SealedKey { field: &field, at, text: text(rotated, "sealedKey") }).unwrap();
    assert_eq!(ring.key(older), Some(&master_key(&example)));
    assert_eq!(KeyringRecord::field_of(older), Ok(field));
    assert_eq!(ring.seal_key(&record, (older, &master_key(&example)), at, &iv).unwrap(), text(rotated, "sealedKey"));
}

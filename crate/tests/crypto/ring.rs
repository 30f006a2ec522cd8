//! Several keys: which one seals, which ones are tried, how often one may, and older keys under newer ones.

use crate::support::{at, key, random, ring, sealed, spot};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use mana_sync_engine::crypto::{
    Envelope, Error, Format, KeyName, Keyring, KeyringRecord, MAX_USES, ROTATE_AT_USES, SealedKey, Unopened,
};
use mana_sync_engine::model::{FieldName, Stamp, UserId};
use serde_json::{Value, json};

fn open(ring: &Keyring, text: &str) -> Result<Value, Unopened> {
    ring.open(&spot().place(), at(), text)
}

#[test]
fn the_newest_key_seals_and_every_key_opens() {
    let mut ring = ring(1);
    let first = [sealed(&ring, Format::One, &json!(1), 1), sealed(&ring, Format::Two, &json!(2), 2)];
    let (second, third) = (ring.insert(2, key(2)), ring.insert(9, key(3)));
    ring.insert(3, key(4));
    assert_eq!(ring.newest(), Some(third));
    assert_eq!(ring.names().nth(1), Some(second));
    let text = sealed(&ring, Format::Two, &json!(3), 3);
    assert_eq!(Envelope::parse(&text).unwrap().key(), Some(third));
    for (text, value) in [(&first[0], 1), (&first[1], 2), (&text, 3)] {
        assert_eq!(open(&ring, text), Ok(json!(value)));
    }
}

#[test]
fn of_two_keys_of_one_generation_the_one_with_the_greater_id_seals() {
    for order in [[1, 2], [2, 1]] {
        let mut ring = Keyring::new();
        let names = order.map(|seed| ring.insert(5, key(seed)));
        assert_eq!(ring.newest(), names.into_iter().max());
    }
}

#[test]
fn without_its_key_a_value_stays_closed_and_says_why() {
    let (one, two) = (sealed(&ring(1), Format::One, &json!("a"), 1), sealed(&ring(1), Format::Two, &json!("a"), 2));
    let (other, empty) = (ring(7), Keyring::new());
    assert_eq!(open(&other, &one), Err(Unopened::DoesNotOpen));
    assert_eq!(open(&other, &two), Err(Unopened::UnknownKey));
    assert_eq!([open(&empty, &one), open(&empty, &two)], [Err(Unopened::UnknownKey), Err(Unopened::UnknownKey)]);
    for text in ["", "hello", "enc:", "enc:9:abc", "enc:1:looks-encrypted-but-is-not"] {
        assert_eq!(open(&ring(1), text), Err(Unopened::NotAnEnvelope));
    }
    let nothing = empty.seal(Format::Two, &spot().place(), at(), &json!(1), &random(1));
    assert_eq!(nothing, Err(Error::NoKey));
}

#[test]
fn null_is_sealed_like_any_value() {
    let ring = ring(1);
    for format in [Format::One, Format::Two] {
        assert_eq!(open(&ring, &sealed(&ring, format, &Value::Null, 1)), Ok(Value::Null));
    }
}

#[test]
fn what_holds_no_json_is_told_apart_from_what_does_not_open() {
    let ring = ring(1);
    for json in ["", "nul", "\"a", "{\"a\":1}}", "\"\\ud800\"", "\u{fe}"] {
        let text = ring.seal_json(Format::Two, &spot().place(), at(), json.into(), &random(1)).unwrap();
        assert_eq!(open(&ring, &text), Err(Unopened::NotJson), "{json}");
        assert_eq!(ring.open_json(&spot().place(), at(), &text).unwrap().as_slice(), json.as_bytes());
    }
}

#[test]
fn an_envelope_that_an_older_client_sealed_again_is_unwrapped_twice() {
    let mut ring = ring(1);
    let inner = sealed(&ring, Format::Two, &json!({ "a": 1 }), 1);
    ring.insert(2, key(2));
    let again = sealed(&ring, Format::One, &json!(inner), 2);
    assert_eq!(open(&ring, &again), Ok(json!({ "a": 1 })));
    let thrice = sealed(&ring, Format::One, &json!(again), 3);
    assert_eq!(open(&ring, &thrice), Ok(json!(again)), "once more is a text of the user's own");
}

#[test]
fn a_text_of_the_users_own_that_looks_like_an_envelope_stays_one() {
    let ring = ring(1);
    let elsewhere = ring.seal(Format::Two, &spot().place(), Stamp::EPOCH, &json!("a"), &random(1)).unwrap();
    let here = sealed(&ring, Format::Two, &json!("a"), 2);
    let unknown = sealed(&self::ring(9), Format::Two, &json!("a"), 3);
    for text in ["enc:1:a", "enc:2:b", "enc:", &elsewhere, &unknown, &sealed(&ring, Format::One, &json!(1), 4)] {
        for format in [Format::One, Format::Two] {
            assert_eq!(open(&ring, &sealed(&ring, format, &json!(text), 5)), Ok(json!(text)));
        }
    }
    assert_eq!(
        open(&ring, &sealed(&ring, Format::Two, &json!(here), 6)),
        Ok(json!(here)),
        "format 2 is never unwrapped"
    );
}

#[test]
fn values_are_counted_and_the_last_one_allowed_is_the_last_one_sealed() {
    let mut ring = ring(1);
    let name = ring.newest().unwrap();
    sealed(&ring, Format::One, &json!(1), 1);
    sealed(&ring, Format::Two, &json!(1), 2);
    assert_eq!(ring.uses(name), 2);
    ring.insert(1, key(1));
    assert_eq!(ring.uses(name), 2, "the same key again changes nothing");
    ring.add_uses(name, ROTATE_AT_USES - 3);
    assert!(!ring.rotation_due());
    sealed(&ring, Format::Two, &json!(1), 3);
    assert!(ring.rotation_due());
    ring.add_uses(name, MAX_USES - ROTATE_AT_USES - 1);
    sealed(&ring, Format::Two, &json!(1), 4);
    let refused = ring.seal(Format::Two, &spot().place(), at(), &json!(1), &random(5));
    assert_eq!(refused, Err(Error::KeyExhausted(name)));
    ring.insert(2, key(2));
    assert!(!ring.rotation_due(), "a new key begins at zero");
    sealed(&ring, Format::Two, &json!(1), 6);
}

#[test]
fn a_random_source_that_does_nothing_seals_nothing() {
    let nothing = ring(1).seal(Format::Two, &spot().place(), at(), &json!(1), &|_| ());
    assert_eq!(nothing, Err(Error::RandomnessFailed));
}

#[test]
fn a_cleared_ring_opens_nothing() {
    let mut ring = ring(1);
    let text = sealed(&ring, Format::Two, &json!(1), 1);
    ring.clear();
    assert_eq!((ring.is_empty(), open(&ring, &text)), (true, Err(Unopened::UnknownKey)));
}

/// Five keys, the fourth and fifth of one generation, each older one sealed under its successor.
struct Chain {
    record: KeyringRecord,
    fields: Vec<(FieldName, String)>,
    newest: u64,
}

impl Chain {
    fn new() -> Self {
        let record = KeyringRecord::of(&UserId::parse("ada").unwrap()).unwrap();
        let mut keys = [(1, 1), (2, 2), (3, 3), (4, 4), (4, 5)];
        keys.sort_by_key(|(generation, seed)| ring_name(*generation, *seed));
        let seal = |pair: &[(u16, u64)]| {
            let (mut ring, older) = (Keyring::new(), ring_name(pair[0].0, pair[0].1));
            ring.insert(pair[1].0, key(pair[1].1));
            let text = ring.seal_key(&record, (older, &key(pair[0].1)), at(), &random(9)).unwrap();
            (KeyringRecord::field_of(older).unwrap(), text)
        };
        let fields = keys.windows(2).map(seal).collect();
        let newest = if key(4).id() > key(5).id() { 4 } else { 5 };
        Self { record, fields, newest }
    }

    fn sealed(&self) -> Vec<SealedKey<'_>> {
        self.fields.iter().map(|(field, text)| SealedKey { field, at: at(), text }).collect()
    }

    fn unlocked(&self) -> Keyring {
        let mut ring = Keyring::new();
        ring.insert(4, key(self.newest));
        ring
    }
}

#[test]
fn the_newest_key_opens_every_older_one_in_whatever_order_they_come() {
    let chain = Chain::new();
    let mut sealed = chain.sealed();
    for _ in 0..sealed.len() {
        sealed.rotate_left(1);
        let mut ring = chain.unlocked();
        assert_eq!(ring.open_keys(&chain.record, &sealed), []);
        assert_eq!(ring.names().count(), 5);
        for seed in 1..=5 {
            assert!(ring.names().any(|name| ring.key(name) == Some(&key(seed))));
        }
    }
}

#[test]
fn a_missing_key_leaves_those_closed_that_only_it_opens() {
    let chain = Chain::new();
    let mut sealed = chain.sealed();
    sealed.remove(2);
    let closed = chain.unlocked().open_keys(&chain.record, &sealed);
    assert_eq!(closed.iter().map(|name| name.generation).collect::<Vec<_>>(), [1, 2]);
}

#[test]
fn a_sealed_key_opens_in_its_own_field_of_its_own_users_keyring_only() {
    let chain = Chain::new();
    let (first, last) = (chain.sealed()[0], chain.sealed()[3]);
    let stranger = KeyringRecord::of(&UserId::parse("bob").unwrap()).unwrap();
    let later = SealedKey { at: at().next(), ..last };
    let elsewhere = SealedKey { field: first.field, ..last };
    let no_field = FieldName::parse("used:0001deadbeef").unwrap();
    let mut ring = chain.unlocked();
    assert_eq!(ring.open_key(&stranger, last), Err(Unopened::DoesNotOpen));
    assert_eq!(ring.open_key(&chain.record, later), Err(Unopened::DoesNotOpen));
    assert_eq!(ring.open_key(&chain.record, elsewhere), Err(Unopened::DoesNotOpen));
    assert_eq!(ring.open_key(&chain.record, SealedKey { field: &no_field, ..last }), Err(Unopened::NotAnEnvelope));
    assert_eq!(ring.open_key(&chain.record, first), Err(Unopened::UnknownKey));
    assert!(ring.open_key(&chain.record, last).is_ok());
}

#[test]
fn a_key_that_is_not_the_one_its_field_names_is_refused() {
    let chain = Chain::new();
    let ring = chain.unlocked();
    let field = KeyringRecord::field_of(ring_name(1, 77)).unwrap();
    let place = chain.record.place(&field);
    let contents =
        [json!("not base64"), json!("AAAA"), json!(1), json!("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=")];
    for value in contents {
        let text = ring.seal(Format::Two, &place, at(), &value, &random(1)).unwrap();
        let sealed = SealedKey { field: &field, at: at(), text: &text };
        assert_eq!(chain.unlocked().open_key(&chain.record, sealed), Err(Unopened::DoesNotOpen), "{value}");
    }
    let named = json!(STANDARD.encode(key(77).expose()));
    for (format, opened) in [(Format::Two, Ok(ring_name(1, 77))), (Format::One, Err(Unopened::DoesNotOpen))] {
        let text = ring.seal(format, &place, at(), &named, &random(1)).unwrap();
        let sealed = SealedKey { field: &field, at: at(), text: &text };
        assert_eq!(chain.unlocked().open_key(&chain.record, sealed), opened, "only what is bound to its place counts");
    }
}

fn ring_name(generation: u16, seed: u64) -> KeyName {
    Keyring::new().insert(generation, key(seed))
}

#[test]
fn a_key_is_sealed_under_a_newer_one_only() {
    let record = KeyringRecord::of(&UserId::parse("ada").unwrap()).unwrap();
    let mut ring = ring(1);
    let (older, newer) = (ring.newest().unwrap(), ring.insert(2, key(2)));
    assert!(ring.seal_key(&record, (older, &key(1)), at(), &random(1)).is_ok());
    assert_eq!(ring.uses(newer), 1);
    for (name, seed) in [(newer, 2), (ring_name(3, 3), 3)] {
        assert_eq!(ring.seal_key(&record, (name, &key(seed)), at(), &random(1)), Err(Error::NoKey));
    }
    assert_eq!(Keyring::new().seal_key(&record, (older, &key(1)), at(), &random(1)), Err(Error::NoKey));
}

#[test]
fn a_key_that_another_one_opened_never_seals_whatever_generation_is_told_of_it() {
    let (record, older, mut ring) =
        (KeyringRecord::of(&UserId::parse("ada").unwrap()).unwrap(), ring_name(1, 1), ring(2));
    let newest = ring.newest().map(|name| KeyName { generation: 2, ..name }).unwrap();
    assert!(ring.name_newest(newest) && ring.newest() == Some(newest));
    let text = ring.seal_key(&record, (older, &key(1)), at(), &random(1)).unwrap();
    // The server calls the older one a newer one.
    let (lie, named) = (KeyName { generation: 6, ..older }, text.replace("enc:2:0002", "enc:2:0009"));
    let field = KeyringRecord::field_of(older).unwrap();
    assert_eq!(ring.open_key(&record, SealedKey { field: &field, at: at(), text: &named }), Ok(older));
    assert!(!ring.name_newest(lie) && ring.holds(&key(1)));
    assert_eq!((ring.newest(), ring.newest_key()), (Some(newest), Some(&key(2))));
    assert_eq!(Envelope::parse(&sealed(&ring, Format::Two, &json!(1), 1)).unwrap().key(), Some(newest));
    ring.insert(lie.generation, key(1));
    assert_eq!(ring.newest(), Some(lie), "until it is given as one that may");
}

#[test]
fn what_a_key_sealed_it_opens_whatever_generation_it_is_called() {
    let mut ring = ring(1);
    let text = sealed(&ring, Format::Two, &json!("a"), 1);
    assert_eq!(open(&ring, &text.replace("enc:2:0001", "enc:2:0006")), Ok(json!("a")));
    let uses = ring.newest().map(|name| ring.uses(name));
    assert!(ring.name_newest(KeyName { generation: 6, ..ring.newest().unwrap() }));
    assert_eq!(ring.newest().map(|name| ring.uses(name)), uses, "it is the same key");
    assert_eq!(open(&ring, &text), Ok(json!("a")));
}

#[test]
fn a_sealed_key_is_sealed_for_another_time_only_where_it_is_what_it_says_it_is() {
    let (record, later) = (KeyringRecord::of(&UserId::parse("ada").unwrap()).unwrap(), at().shifted(60_000));
    let mut ring = ring(1);
    let leaked = ring.newest().unwrap();
    let newest = ring.insert(2, key(2));
    let text = ring.seal_key(&record, (leaked, &key(1)), at(), &random(1)).unwrap();
    let field = KeyringRecord::field_of(leaked).unwrap();
    let uses = ring.uses(newest);
    let reseal = |ring: &Keyring, field, at, text: &str| {
        ring.reseal_key(&record, SealedKey { field, at, text }, later, &random(2))
    };
    let again = reseal(&ring, &field, at(), &text).unwrap();
    assert_eq!(ring.uses(newest), uses + 1);
    let mut fresh = Keyring::new();
    fresh.insert(2, key(2));
    assert_eq!(fresh.open_key(&record, SealedKey { field: &field, at: later, text: &again }), Ok(leaked));
    // Both keys are here, and yet the newest does not come under the older one.
    let mut older = Keyring::new();
    older.insert(6, key(1));
    let lie = older.seal_key(&record, (leaked, &key(1)), at(), &random(3));
    let lie = lie.unwrap();
    let field_of_newest = KeyringRecord::field_of(newest).unwrap();
    assert_eq!(reseal(&ring, &field_of_newest, at(), &lie), Err(Error::NoKey), "what it holds is another key");
    assert_eq!(reseal(&older, &field, at(), &text), Err(Error::NoKey), "a key that is not here");
    assert_eq!(reseal(&ring, &field, at(), &again), Err(Error::NoKey), "sealed for another time");
}

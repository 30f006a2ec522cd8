//! What is sealed opens to the same value.

use crate::support::{Spot, random, ring};
use mana_sync_engine::crypto::{Envelope, Format};
use mana_sync_engine::model::{Stamp, same_json};
use proptest::prelude::*;
use serde_json::Value;

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(|bits| Value::from(f64::from_bits(bits))),
        any::<String>().prop_map(Value::from),
        "enc:[129]:[0-9a-f.+/=]{0,40}".prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 20, 5, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            prop::collection::vec((any::<String>(), inner), 0..5).prop_map(|all| all.into_iter().collect()),
        ]
    })
}

fn any_format() -> impl Strategy<Value = Format> {
    prop_oneof![Just(Format::One), Just(Format::Two)]
}

fn any_spot() -> impl Strategy<Value = Spot> {
    let names = ("[a-z][a-zA-Z0-9_-]{0,20}", "[a-z][a-zA-Z0-9_-]{0,20}", "\\PC{1,40}", "\\PC{1,40}");
    let kept = names.prop_filter("names that may be", |(_, _, record, field)| {
        !record.contains('\u{FFFD}') && record.len() <= 255 && field.len() <= 255
    });
    kept.prop_map(|(app, table, record, field)| Spot::new(&app, &table, &record, &field))
}

proptest! {
    #[test]
    fn any_value_comes_back_from_any_place(
        value in any_json(), format in any_format(), spot in any_spot(), ms in 0..253_370_764_800_000_u64, seed in any::<u64>(),
    ) {
        let (ring, at) = (ring(seed), Stamp::at_ms(ms));
        let text = ring.seal(format, &spot.place(), at, &value, &random(seed ^ 1)).unwrap();
        let envelope = Envelope::parse(&text).unwrap();
        prop_assert_eq!(envelope.to_text(), text.clone());
        prop_assert_eq!(envelope.format(), format);
        prop_assert_eq!(envelope.key(), ring.newest().filter(|_| format == Format::Two));
        prop_assert!(same_json(&ring.open(&spot.place(), at, &text).unwrap(), &value));
    }

    #[test]
    fn the_text_of_a_value_comes_back_as_it_was(json in "\\PC{0,60}", seed in any::<u64>()) {
        let (ring, spot) = (ring(seed), Spot::new("todo", "tasks", "r", "f"));
        let text = ring.seal_json(Format::Two, &spot.place(), Stamp::EPOCH, json.clone().into_bytes(), &random(seed)).unwrap();
        let opened = ring.open_json(&spot.place(), Stamp::EPOCH, &text).unwrap();
        prop_assert_eq!(opened.as_slice(), json.as_bytes());
    }

    #[test]
    fn any_text_that_reads_as_an_envelope_is_its_one_spelling(text in "(enc:[12]:)?([0-9a-f]{12}\\.)?[A-Za-z0-9+/=]{0,24}\\.?[A-Za-z0-9+/=]{0,40}") {
        if let Some(envelope) = Envelope::parse(&text) {
            prop_assert_eq!(envelope.to_text(), text);
        }
    }
}

//! A sealed value opens nowhere but where it was sealed.

use crate::support::{Spot, at, head, key, random, ring, spot};
use mana_sync_engine::crypto::{Format, Keyring, Unopened};
use mana_sync_engine::model::Stamp;
use serde_json::{Value, json};

#[test]
fn a_value_opens_in_no_other_field_record_table_or_app_and_under_no_other_stamp() {
    let ring = ring(1);
    let here = Spot::new("todo", "tasks", "r1", "title");
    let text = ring.seal(Format::Two, &here.place(), at(), &json!("secret"), &random(2)).unwrap();
    assert_eq!(ring.open(&here.place(), at(), &text), Ok(json!("secret")));
    for there in [
        Spot::new("todo", "tasks", "r1", "notes"),
        Spot::new("todo", "tasks", "r2", "title"),
        Spot::new("todo", "projects", "r1", "title"),
        Spot::new("memo", "tasks", "r1", "title"),
        // The same letters, divided in another way.
        Spot::new("todotasks", "r1", "r1", "title"),
        Spot::new("todo", "tasksr1", "t", "itle"),
    ] {
        assert_eq!(ring.open(&there.place(), at(), &text), Err(Unopened::DoesNotOpen));
    }
    for then in ["2026-03-01T12:00:00.000008Z", "2026-03-01T12:00:00.000Z", "2026-03-01T12:00:00.000006Z"] {
        assert_eq!(ring.open(&here.place(), Stamp::parse(then).unwrap(), &text), Err(Unopened::DoesNotOpen));
    }
    let respelt = Stamp::parse("2026-03-01 13:00:00.000007+01:00").unwrap();
    assert_eq!(ring.open(&here.place(), respelt, &text), Ok(json!("secret")), "a stamp is a time, not its spelling");
}

/// A value with everything it was sealed by.
struct Blob {
    spot: Spot,
    owner: usize,
    generation: u16,
    text: String,
}

#[test]
fn none_of_147_072_moves_between_owners_generations_tables_records_and_fields_is_accepted() {
    let owners: Vec<Keyring> = (0..2)
        .map(|owner| {
            let mut ring = Keyring::new();
            ring.insert(1, key(10 + owner));
            ring.insert(2, key(20 + owner));
            ring
        })
        .collect();
    let blobs = blobs();
    assert_eq!(blobs.len(), 384);
    let mut moves = 0;
    for (from, blob) in blobs.iter().enumerate() {
        for (to, there) in blobs.iter().enumerate() {
            // As it is, and under the name of the key that belongs there.
            let relabelled = format!("{}{}", head(&there.text), &blob.text[head(&blob.text).len()..]);
            for text in [&blob.text, &relabelled] {
                let opened = owners[there.owner].open(&there.spot.place(), at(), text);
                let same_place = from % 96 == to % 96 && blob.owner == there.owner;
                let own = same_place && (from == to || (text == &blob.text && blob.generation != there.generation));
                assert_eq!(opened.is_ok(), own, "{from} at {to}");
            }
            moves += usize::from(from != to);
        }
    }
    assert_eq!(moves, 147_072);
}

/// 2 owners × 2 generations × 2 tables × 8 records × 6 fields.
fn blobs() -> Vec<Blob> {
    let mut blobs = Vec::new();
    for (owner, generation) in [(0, 1), (0, 2), (1, 1), (1, 2)] {
        let mut ring = Keyring::new();
        ring.insert(generation, key(u64::from(generation) * 10 + owner as u64));
        for n in 0..96_usize {
            let table = ["tasks", "notes"][n / 48];
            let spot = Spot::new("todo", table, &format!("r{}", n / 6 % 8), &format!("f{}", n % 6));
            let random = random(u64::from(generation) * 1000 + owner as u64 * 100 + n as u64);
            let text = ring.seal(Format::Two, &spot.place(), at(), &json!(n), &random).unwrap();
            blobs.push(Blob { spot, owner, generation, text });
        }
    }
    blobs
}

#[test]
fn a_value_under_another_key_id_does_not_open_and_under_another_generation_it_does() {
    let mut ring = ring(1);
    let text = ring.seal(Format::Two, &spot().place(), at(), &json!("secret"), &random(2)).unwrap();
    ring.insert(2, key(3));
    let newest = ring.newest().unwrap();
    let (name, body) = (&text[6..18], &text[18..]);
    for n in 0..48 {
        let bits = u64::from_str_radix(name, 16).unwrap() ^ 1 << n;
        let opened = if n < 32 { Err(Unopened::UnknownKey) } else { Ok(json!("secret")) };
        assert_eq!(ring.open(&spot().place(), at(), &format!("enc:2:{bits:012x}{body}")), opened);
    }
    let relabelled = format!("enc:2:{newest}{body}");
    assert_eq!(ring.open(&spot().place(), at(), &relabelled), Err(Unopened::DoesNotOpen));
    assert_eq!(ring.open(&spot().place(), at(), &format!("enc:1:{}", &body[1..])), Err(Unopened::DoesNotOpen));
    assert_eq!(ring.open(&spot().place(), at(), &text), Ok(json!("secret")));
}

#[test]
fn a_value_of_format_1_does_not_open_as_format_2() {
    let ring = ring(1);
    let text = ring.seal(Format::One, &spot().place(), at(), &Value::Null, &random(2)).unwrap();
    let claimed = format!("enc:2:{}.{}", ring.newest().unwrap(), &text[6..]);
    assert_eq!(ring.open(&spot().place(), at(), &claimed), Err(Unopened::DoesNotOpen));
}

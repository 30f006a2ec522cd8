use super::*;
use serde_json::json;

fn stamp(text: &str) -> Stamp {
    Stamp::parse(text).unwrap()
}

fn of(id: &str, stamps: &[(&str, &str)]) -> Fingerprint {
    let mut fingerprint = Fingerprint::default();
    fingerprint.add(id, stamps.iter().map(|(field, at)| (*field, stamp(at))));
    fingerprint
}

const TITLE: (&str, &str) = ("title", "2026-01-01T11:00:00.000000Z");
const DONE: (&str, &str) = ("done", "2026-01-01T11:00:00.001Z");

/// The vector of docs/protocol.md, whose bytes are written out here once more by hand.
#[test]
fn the_documented_record_has_the_documented_hash() {
    let bytes = b"mana check v1\n\0\0\0\x02t1\0\0\0\x04done\0\0\0\x182026-01-01T11:00:00.001Z\
        \0\0\0\x05title\0\0\0\x1b2026-01-01T11:00:00.000000Z";
    let documented = include_str!("../../../docs/protocol.md");
    let hash = Value::from(Hash(Sha256::digest(bytes).into()));
    assert_eq!(Value::from(of("t1", &[TITLE, DONE]).hash), hash);
    assert!(documented.contains(hash.as_str().unwrap()), "docs/protocol.md names {hash}");
}

#[test]
fn records_and_fields_come_in_any_order_and_none_passes_for_another() {
    let mut both = of("t1", &[TITLE, DONE]);
    both.add("t2", [].into_iter());
    let mut turned = of("t2", &[]);
    turned.add("t1", [DONE, TITLE].into_iter().map(|(field, at)| (field, stamp(at))));
    assert_eq!(both, turned);
    assert_eq!(both.records, 2);
    let one = of("t1", &[TITLE]);
    let others = [
        of("t2", &[TITLE]),
        of("t1", &[DONE]),
        of("t1", &[]),
        of("t1t", &[("itle", TITLE.1)]),
        of("t1", &[("title", "2026-01-01T11:00:00.000001Z")]),
        of("t1", &[("title", "2026-01-01T11:00:00.000Z")]),
    ];
    assert!(others.iter().all(|other| other.hash != one.hash));
}

#[test]
fn what_each_device_makes_for_itself_plays_no_part() {
    let own = ["id", "spaceId", "userId", "__fieldMeta", "__own", "_updatedAtIndex"].map(|field| (field, DONE.1));
    assert_eq!(of("t1", &[&own[..], &[TITLE]].concat()), of("t1", &[TITLE]));
}

#[test]
fn a_hash_is_read_as_it_is_written() {
    let hash = of("t1", &[TITLE]).hash;
    assert_eq!(Hash::from_json(hash.into()), Some(hash));
    let upper = Value::from(hash).as_str().unwrap().to_uppercase();
    for wrong in [json!(upper), json!("0f"), json!("g".repeat(64)), json!("é".repeat(32)), json!(null)] {
        assert_eq!(Hash::from_json(wrong), None);
    }
}

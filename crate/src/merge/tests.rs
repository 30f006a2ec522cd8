//! The order of values, and records that come to the same whatever the order of their changes.

use super::*;
use crate::model::{EventId, OrderedMap, same_json};
use proptest::prelude::*;
use serde_json::json;
use std::cell::RefCell;

#[test]
fn resealing_wins_over_what_it_resealed() {
    let plain = json!("zzz");
    let first = json!("enc:1:aaaa.bbbb");
    let second = json!("enc:2:0001deadbeef.aaaa.bbbb");
    let newer = json!("enc:2:000adeadbeef.aaaa.bbbb");
    for pair in [[&plain, &first], [&first, &second], [&second, &newer]] {
        assert_eq!(tie_order(pair[1], pair[0]), Ordering::Greater);
    }
}

#[test]
fn a_text_that_only_looks_like_an_envelope_is_plaintext() {
    assert_eq!(kind(&json!("enc:2:zz")), (0, 0));
    assert_eq!(kind(&json!("enc:9:0001")), (0, 0));
}

/// A record as merging sees it: fields with stamps. Notes which values it was asked for.
#[derive(Debug, Clone, Default)]
struct Record {
    fields: OrderedMap<String, (Stamp, Value)>,
    asked: RefCell<Vec<String>>,
}

impl RecordView for Record {
    fn stamp(&self, field: &str) -> Option<Stamp> {
        self.fields.get(field).map(|(at, _)| *at)
    }

    fn value(&self, field: &str) -> Value {
        self.asked.borrow_mut().push(field.to_owned());
        self.fields.get(field).map(|(_, value)| value.clone()).unwrap_or_default()
    }

    fn space(&self) -> Option<String> {
        Some("club".to_owned())
    }
}

impl Record {
    /// A record that an insert made.
    fn after(insert: &Change) -> Self {
        assert_eq!(merge(insert, None::<&Self>), Outcome::Create);
        let fields = insert.fields.iter().map(|(name, edit)| (name.to_string(), (edit.at, edit.value.clone())));
        Self { fields: fields.collect(), ..Self::default() }
    }

    /// Takes what the rule says, and gives how many fields that were.
    fn take(&mut self, change: &Change) -> usize {
        let Outcome::Take(taken) = merge(change, Some(&*self)) else { panic!("{change:?} is no edit of this record") };
        for name in &taken {
            let edit = change.fields.get(name).unwrap();
            self.fields.insert(name.to_string(), (edit.at, edit.value.clone()));
        }
        taken.len()
    }

    fn take_all(&self, changes: &[Change]) -> OrderedMap<String, (Stamp, Vec<u8>)> {
        let mut record = self.clone();
        for change in changes {
            record.take(change);
        }
        record.fields.into_iter().map(|(name, (at, value))| (name, (at, canonical_bytes(&value)))).collect()
    }
}

/// Few ticks, so that ties are common; the last of each millisecond is as older clients write it.
fn stamps() -> impl Strategy<Value = Stamp> {
    let spelt = ["00.000000Z", "00.000001Z", "00.000Z", "00.001000Z", "00.001Z"];
    prop::sample::select(spelt.map(|s| Stamp::parse(&format!("2026-01-01T00:00:{s}")).unwrap()).to_vec())
}

/// Plain values, envelopes of both formats, and texts that only begin like one.
fn values() -> impl Strategy<Value = Value> {
    let some = [json!(null), json!("a"), json!("b"), json!(1), json!(1.0), json!({ "b": [], "a": 2 }), json!([true])];
    prop_oneof![
        prop::sample::select(some.to_vec()),
        "enc:1:[ab]{0,2}".prop_map(Value::from),
        "enc:2:00[01][0aF][ab]?".prop_map(Value::from),
        "enc:[129]?:?[0-9a-zé+]{0,5}".prop_map(Value::from),
        "\\PC{0,6}".prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
    ]
}

fn of_one_record(op: &str, at: Stamp, members: &Value) -> Change {
    let mut wire = json!({ "eventId": EventId::from_parts(1, &[0; 10]), "app": "todo", "table": "tasks", "id": "t",
        "op": op, "at": at, "spaceId": "club", "userId": "ann" });
    for (name, member) in members.as_object().into_iter().flatten() {
        wire[name] = member.clone();
    }
    Change::parse(wire).unwrap()
}

/// Inserts, updates and deletes of one record.
fn changes() -> impl Strategy<Value = Change> {
    let field = prop::sample::select(vec!["title", "done", "deletedAt"]);
    let author = prop::sample::select(vec!["ann", "bob", "cyd"]);
    (0..6, field, values(), values(), stamps(), stamps(), author).prop_map(
        |(op, field, value, other, at, then, author)| {
            let edits = json!({ field: { "value": value, "at": at }, "extra": { "value": other, "at": then } });
            match op {
                0 => of_one_record("insert", at, &json!({ "data": { "authorId": author, field: value } })),
                1 => of_one_record("insert", at, &json!({ "data": { "authorId": author }, "fields": edits })),
                2 => of_one_record("delete", at, &json!({ "deletedAt": at })),
                _ => of_one_record("update", at.max(then), &json!({ "fields": edits })),
            }
        },
    )
}

fn insert_of_ann() -> Change {
    of_one_record("insert", Stamp::EPOCH, &json!({ "data": { "title": "", "done": false } }))
}

/// The winner of two edits of one field, the second merged into the first.
fn joined(first: &(Stamp, Value), second: &(Stamp, Value)) -> (Stamp, Value) {
    let record = Record { fields: OrderedMap::from([("title".to_owned(), first.clone())]), ..Record::default() };
    let edit = Edit { value: second.1.clone(), at: second.0, prev: None };
    if wins(&edit, &record, "title") { second.clone() } else { first.clone() }
}

fn spelt((at, value): (Stamp, Value)) -> (Stamp, Vec<u8>) {
    (at, canonical_bytes(&value))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, ..ProptestConfig::default() })]

    #[test]
    fn joining_edits_of_a_field_is_commutative_associative_and_idempotent(
        a in (stamps(), values()), b in (stamps(), values()), c in (stamps(), values())
    ) {
        prop_assert_eq!(spelt(joined(&a, &b)), spelt(joined(&b, &a)));
        prop_assert_eq!(spelt(joined(&joined(&a, &b), &c)), spelt(joined(&a, &joined(&b, &c))));
        prop_assert_eq!(joined(&a, &a), a.clone());
        prop_assert_eq!(spelt(joined(&joined(&a, &b), &b)), spelt(joined(&a, &b)));
        prop_assert!(joined(&a, &b).0 == a.0.max(b.0), "an older edit never wins");
    }

    #[test]
    fn ties_are_decided_by_a_total_order_in_which_only_the_same_values_are_equal(a in values(), b in values(), c in values()) {
        prop_assert_eq!(tie_order(&a, &b), tie_order(&b, &a).reverse());
        prop_assert_eq!(tie_order(&a, &b) == Ordering::Equal, same_json(&a, &b));
        if tie_order(&a, &b).is_le() && tie_order(&b, &c).is_le() {
            prop_assert!(tie_order(&a, &c).is_le());
        }
    }

    #[test]
    fn among_equal_stamps_the_newer_envelope_wins_whatever_it_holds(
        generations in (any::<u16>(), any::<u16>()), capitals in any::<bool>(), bodies in (".{0,8}", ".{0,8}"), plain in "[^e].{0,8}"
    ) {
        // Capital digits sort before small ones as text: it is the number that counts.
        let digits = if capitals { format!("{:04X}", generations.0) } else { format!("{:04x}", generations.0) };
        let one = json!(format!("enc:2:{digits}{}", bodies.0));
        let other = json!(format!("enc:2:{:04x}{}", generations.1, bodies.1));
        if generations.0 != generations.1 {
            prop_assert_eq!(tie_order(&one, &other), generations.0.cmp(&generations.1));
        }
        let first_format = json!(format!("enc:1:{}", bodies.1));
        prop_assert_eq!(tie_order(&one, &first_format), Ordering::Greater);
        prop_assert_eq!(tie_order(&first_format, &json!(plain)), Ordering::Greater);
    }

    #[test]
    fn changes_in_any_order_and_repeated_give_one_record(
        (first, second) in prop::collection::vec(changes(), 1..8).prop_flat_map(|all| {
            let repeated = prop::collection::vec(prop::sample::select(all.clone()), 0..4);
            let first = all.clone();
            (Just(first), repeated.prop_flat_map(move |more| Just([all.clone(), more].concat()).prop_shuffle()))
        })
    ) {
        let record = Record::after(&insert_of_ann());
        prop_assert_eq!(record.take_all(&first), record.take_all(&second));
    }

    #[test]
    fn a_change_that_was_merged_brings_nothing_new(all in prop::collection::vec(changes(), 1..8)) {
        let mut record = Record::after(&insert_of_ann());
        for change in &all {
            record.take(change);
            prop_assert_eq!(record.take(change), 0);
        }
    }

    #[test]
    fn the_earliest_insert_gives_the_author(all in prop::collection::vec(changes(), 1..8)) {
        let mut record = Record::after(&insert_of_ann());
        for change in &all {
            record.take(change);
        }
        let fields = all.iter().filter(|change| change.op == Op::Insert).flat_map(|insert| &insert.fields);
        let authors = fields.filter(|(name, _)| name.as_str() == AUTHOR_ID);
        let earliest = authors.map(|(_, edit)| (edit.at, author_bytes(&edit.value))).min();
        prop_assert_eq!(record.fields.get(AUTHOR_ID).map(|(at, author)| (*at, author_bytes(author))), earliest);
    }

    #[test]
    fn values_are_asked_for_on_ties_only(all in prop::collection::vec(changes(), 1..8)) {
        let mut record = Record::after(&insert_of_ann());
        for change in &all {
            let before = record.fields.clone();
            record.asked.take();
            record.take(change);
            for (name, edit) in change.fields.iter().filter(|(name, _)| name.as_str() != AUTHOR_ID) {
                let tie = before.get(name.as_str()).is_some_and(|(at, _)| *at == edit.at);
                prop_assert!(tie || !record.asked.borrow().iter().any(|asked| asked == name.as_str()), "{name}");
            }
        }
    }

    #[test]
    fn without_its_record_an_insert_creates_and_all_else_waits(change in changes()) {
        let expected = if change.op == Op::Insert { Outcome::Create } else { Outcome::Park };
        prop_assert_eq!(merge(&change, None::<&Record>), expected);
    }

    #[test]
    fn a_change_of_another_space_takes_nothing(change in changes(), space in prop::option::of("[a-b]lub")) {
        let space_id = space.map(|space| crate::model::SpaceId::parse(space).unwrap());
        let elsewhere = Change { space_id, ..change };
        prop_assert_eq!(merge(&elsewhere, Some(&Record::after(&insert_of_ann()))), Outcome::SpaceMismatch);
    }
}

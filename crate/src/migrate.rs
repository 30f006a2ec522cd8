//! Bringing a change to a later version of the app's data: the rule by which devices of different versions come to the
//! same records (docs/schema-versions.md).
//!
//! A step maps names of fields to names, or to nothing, and merging takes the greatest edit of each name. So it is the
//! same whether changes are brought to a version and merged then, or merged first and their record is brought to it.

use crate::merge::tie_order;
use crate::model::{Change, Edit, Op, Place, Stamp, Step, steps_from};
use serde_json::Value;
use std::cmp::Ordering;

/// Brings a change to `version`; says whether anything is left of it.
#[must_use]
pub fn bring(change: &mut Change, steps: &[Step], version: u32) -> bool {
    for step in steps_from(steps, change.schema_version) {
        take(change, step);
    }
    change.schema_version = change.schema_version.max(version);
    change.op != Op::Update || !change.fields.is_empty()
}

/// Which of two edits of fields that become one is the later: as merging decides.
#[must_use]
pub fn later((at, value): (Stamp, &Value), (other_at, other): (Stamp, &Value)) -> Ordering {
    at.cmp(&other_at).then_with(|| tie_order(value, other))
}

fn take(change: &mut Change, step: &Step) {
    for (name, edit) in std::mem::take(&mut change.fields) {
        let name = match step.place_of(name.as_str()) {
            Place::Stays => name,
            Place::Moves(to) => to.clone(),
            Place::Goes => continue,
        };
        let there = change.fields.get(&name);
        if there.is_none_or(|there| later((edit.at, &edit.value), (there.at, &there.value)) == Ordering::Greater) {
            change.fields.insert(name, edit);
        }
    }
    let defaults = step.defaults.iter().filter(|_| change.op == Op::Insert);
    for (name, value) in defaults {
        if !change.fields.contains_key(name) {
            change.fields.insert(name.clone(), Edit { value: value.clone(), at: Stamp::EPOCH, prev: None });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{FieldName, OrderedMap};
    use serde_json::json;

    const AT: &str = "2026-11-27T10:00:00.000000Z";
    const LATER: &str = "2026-11-27T10:00:00.000001Z";

    fn name(text: &str) -> FieldName {
        FieldName::parse(text).expect("a name")
    }

    fn steps() -> Vec<Step> {
        let rename: OrderedMap<FieldName, FieldName> = [(name("title"), name("name"))].into_iter().collect();
        let defaults: OrderedMap<FieldName, Value> = [(name("priority"), json!(3))].into_iter().collect();
        vec![
            Step { to: 2, rename, drop: [name("color")].into_iter().collect(), ..Step::default() },
            Step { to: 3, defaults, ..Step::default() },
        ]
    }

    fn change(version: u32, op: &str, fields: &Value) -> Change {
        let json = json!({ "eventId": "01a20350-9a75-7fb5-b364-84f6881af588", "app": "todo", "schemaVersion": version,
            "table": "tasks", "id": "t", "op": op, "at": AT, "fields": fields, "spaceId": "s", "visibility": "space" });
        Change::parse(json).expect("a change")
    }

    fn fields(change: &Change) -> Value {
        change.to_json().as_object_mut().expect("an object").remove("fields").unwrap_or_default()
    }

    #[test]
    fn a_renamed_edit_keeps_its_stamps_and_a_dropped_one_goes() {
        let edit = json!({ "value": "Milk", "at": LATER, "prev": AT });
        let mut update = change(1, "update", &json!({ "title": edit, "color": { "value": "red", "at": AT } }));
        assert!(bring(&mut update, &steps(), 3));
        assert_eq!((update.schema_version, fields(&update)), (3, json!({ "name": edit })));
        let again = update.clone();
        assert!(bring(&mut update, &steps(), 3));
        assert_eq!(update, again, "once");
    }

    #[test]
    fn what_a_newer_app_writes_under_an_old_name_is_another_field() {
        let mut update = change(2, "update", &json!({ "title": { "value": "Dr", "at": AT } }));
        assert!(bring(&mut update, &steps(), 3));
        assert_eq!(fields(&update), json!({ "title": { "value": "Dr", "at": AT } }));
    }

    #[test]
    fn an_update_of_dropped_fields_alone_says_nothing() {
        let mut update = change(1, "update", &json!({ "color": { "value": "red", "at": AT } }));
        assert!(!bring(&mut update, &steps(), 3));
    }

    #[test]
    fn an_insert_gets_defaults_that_every_edit_wins_over() {
        let mut insert = change(1, "insert", &json!({ "title": { "value": "Milk", "at": LATER } }));
        assert!(bring(&mut insert, &steps(), 3));
        assert_eq!(insert.fields.get("priority").map(|edit| (edit.at, &edit.value)), Some((Stamp::EPOCH, &json!(3))));
        let mut said = change(1, "insert", &json!({ "priority": { "value": null, "at": LATER } }));
        assert!(bring(&mut said, &steps(), 3));
        assert_eq!(said.fields.get("priority").map(|edit| &edit.value), Some(&Value::Null));
        let mut newer = change(3, "insert", &json!({ "name": { "value": "Milk", "at": LATER } }));
        assert!(bring(&mut newer, &steps(), 3));
        assert!(!newer.fields.contains_key("priority"));
    }

    #[test]
    fn of_two_edits_under_one_name_the_later_stays() {
        for (title, other, wins) in [(LATER, AT, "old"), (AT, LATER, "new"), (AT, AT, "old")] {
            let both = json!({ "name": { "value": "new", "at": other }, "title": { "value": "old", "at": title } });
            let mut update = change(1, "update", &both);
            assert!(bring(&mut update, &steps(), 3));
            assert_eq!(update.fields.get("name").map(|edit| &edit.value), Some(&json!(wins)));
        }
    }
}

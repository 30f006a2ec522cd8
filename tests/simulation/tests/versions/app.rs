//! Three versions of an app, and what becomes of a field between them, said once more by hand.
//!
//! `title` is renamed twice, and a later `title` is another; what version 1 calls `name` becomes the same field. `x` and `y`
//! change their names with each other, `fresh` takes the name of an `old` that goes, and `color` is no more.

use mana_simulation::oracle::Replica;
use mana_simulation::{Setup, World};
use mana_sync_engine::merge::tie_order;
use mana_sync_engine::model::{BoundNames, Change, Edit, FieldName, Op, Space, SpaceId, Stamp};
use serde_json::{Value, json};
use std::cell::RefCell;
use std::cmp::Ordering;
use std::collections::BTreeMap;

/// The last version.
pub const LAST: usize = 3;

/// The texts that a version of the app writes.
pub const FIELDS: [&[&str]; LAST] = [
    &["title", "name", "note", "color", "x", "y", "old", "fresh", "priority"],
    &["name", "note", "title", "x", "y", "old", "fresh", "priority", "stage"],
    &["label", "memo", "title", "x", "y", "old", "priority", "stage"],
];

/// Defaults: the version that they come with, the field, the value.
const DEFAULTS: [(u32, &str, i32); 2] = [(2, "priority", 3), (3, "stage", 7)];

/// What the app opens with at that version. Where it `seals`, `title` and what becomes of it is sealed in records that are
/// the user's alone.
pub fn setup(version: usize, seals: bool) -> Setup {
    let steps = [
        json!({}),
        json!({ "tasks": { "rename": { "title": "name" }, "drop": ["color"], "defaults": { "priority": 3 } } }),
        json!({ "tasks": { "rename": { "name": "label", "note": "memo", "x": "y", "y": "x", "fresh": "old" },
            "drop": ["old"], "defaults": { "stage": 7 } } }),
    ];
    let migrations = (2..=version).map(|to| (to.to_string(), steps[to - 1].clone())).collect();
    let sealed = seals.then(|| ("tasks", ["title", "name", "label"][version - 1]));
    let bound = |(_, field): (&str, &'static str)| (field.to_owned(), FieldName::parse("title").expect("a name"));
    let aad = BoundNames { table: None, fields: sealed.filter(|_| version > 1).map(bound).into_iter().collect() };
    Setup {
        schema_version: u32::try_from(version).expect("small"),
        migrations: Value::Object(migrations),
        spaces: vec![space("home", "personal"), space("club", "family")],
        sealed: sealed.into_iter().collect(),
        aad,
        ..Setup::of("ada")
    }
}

fn space(id: &str, kind: &str) -> Space {
    Space { id: SpaceId::parse(id).expect("an id"), kind: Some(kind.to_owned()), role: Some("owner".to_owned()) }
}

/// The name that a field of a version has in the next one.
fn next_name(version: usize, field: &str) -> Option<&str> {
    match (version, field) {
        (1, "color") | (2, "old") => None,
        (1, "title") => Some("name"),
        (2, "name") => Some("label"),
        (2, "note") => Some("memo"),
        (2, "x") => Some("y"),
        (2, "y") => Some("x"),
        (2, "fresh") => Some("old"),
        (_, other) => Some(other),
    }
}

/// The name that a field of a version has in another one.
pub fn name_in(to: usize, version: usize, field: &str) -> Option<String> {
    (version..to).try_fold(field.to_owned(), |name, at| next_name(at, &name).map(str::to_owned))
}

/// Which of two writes of a field is the later.
pub fn later((at, value): (Stamp, &Value), (other_at, other): (Stamp, &Value)) -> Ordering {
    at.cmp(&other_at).then_with(|| tie_order(value, other))
}

/// A change as the last version says it.
pub fn brought(mut change: Change) -> Change {
    let version = usize::try_from(change.schema_version).expect("small");
    for (name, edit) in std::mem::take(&mut change.fields) {
        let Some(name) = name_in(LAST, version, name.as_str()) else { continue };
        let name = FieldName::parse(name).expect("a name");
        let wins = |there: &Edit| later((edit.at, &edit.value), (there.at, &there.value)) == Ordering::Greater;
        if change.fields.get(&name).is_none_or(wins) {
            change.fields.insert(name, edit);
        }
    }
    for (since, name, value) in DEFAULTS.into_iter().filter(|_| change.op == Op::Insert) {
        let name = FieldName::parse(name).expect("a name");
        if change.schema_version < since && !change.fields.contains_key(&name) {
            change.fields.insert(name, Edit { value: json!(value), at: Stamp::EPOCH, prev: None });
        }
    }
    change
}

/// What a device of one version holds, as another version has it.
pub fn updated(replica: &Replica, from: usize, to: usize) -> Replica {
    let is_tasks = |table: &str| table == "tasks";
    let record = |fields: &BTreeMap<String, (Value, Stamp)>| {
        let mut brought: BTreeMap<String, (Value, Stamp)> = BTreeMap::new();
        for (name, (value, at)) in fields {
            let Some(name) = name_in(to, from, name) else { continue };
            let wins = |(there, there_at): &(Value, Stamp)| later((*at, value), (*there_at, there)).is_gt();
            if brought.get(&name).is_none_or(wins) {
                brought.insert(name, (value.clone(), *at));
            }
        }
        for (since, name, value) in DEFAULTS {
            if (from..to).contains(&(since as usize - 1)) {
                brought.entry(name.to_owned()).or_insert((json!(value), Stamp::EPOCH));
            }
        }
        brought
    };
    let of = |((table, id), fields): (&(String, String), _)| {
        ((table.clone(), id.clone()), if is_tasks(table) { record(fields) } else { fields.clone() })
    };
    replica.iter().map(of).collect()
}

/// Every event id that is pushed brings the same content.
pub fn watch_ids(world: &World) {
    let known = RefCell::new(BTreeMap::new());
    world.server.on_push(move |changes, _| {
        for change in changes {
            let id = change["eventId"].as_str().expect("an id").to_owned();
            let before = known.borrow_mut().insert(id, change.clone());
            assert!(before.as_ref().is_none_or(|before| before == change), "{before:?} and {change} have one id");
        }
    });
}

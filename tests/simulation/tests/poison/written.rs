//! What an app writes: refused with a code and nothing written, or identical on the server and on another device.

use crate::values::{DEPTHS, NAMES, NULS, NUMBERS, differences, nested};
use mana_simulation::calls::code;
use mana_simulation::{Device, Setup, World};
use mana_sync_engine::engine::{Result, Written};
use mana_sync_engine::model::{Scope, TableName};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// What became of a value.
#[derive(Debug, PartialEq)]
enum Fate {
    /// No JSON value: there is nothing to hand over.
    Unwritable,
    /// Refused with this code.
    Refused(&'static str),
    /// Written.
    Kept,
}

/// Fields as JSON texts, so that `-0` and `0` differ, by table and record. A value that is `null` is one that is not
/// there.
type Contents = BTreeMap<(String, String), BTreeMap<String, String>>;

fn stored(world: &World, device: usize) -> Contents {
    let device = &world.devices[device];
    let of_table = |table: &'static str| {
        device.store_rows(table).into_iter().map(move |row| {
            let fields = row.as_object().cloned().unwrap_or_default().into_iter();
            let fields =
                fields.filter(|(name, value)| name != "_updatedAtIndex" && !name.starts_with("__") && !value.is_null());
            let key = (table.to_owned(), row["id"].as_str().unwrap_or_default().to_owned());
            (key, fields.map(|(name, value)| (name, value.to_string())).collect())
        })
    };
    device.synced_tables().into_iter().flat_map(of_table).collect()
}

/// What the server's rows say; ids and spaces stand beside the fields there.
fn served(world: &World) -> Contents {
    let mut contents = Contents::new();
    for change in world.server.changes("ada", &world.devices[0].synced_tables()) {
        let record = contents.entry((change.table.to_string(), change.id.to_string())).or_default();
        for (name, edit) in change.fields {
            if edit.value.is_null() {
                record.remove(name.as_str());
            } else {
                record.insert(name.to_string(), edit.value.to_string());
            }
        }
    }
    contents
}

/// Nothing waits, nothing was refused late, and everybody has the same.
fn check(world: &World) {
    let writer = &world.devices[0];
    assert!(writer.logged().is_empty(), "nothing waits");
    assert_eq!(writer.engine_rows("letter"), Vec::<Value>::new(), "nothing was refused after it was written");
    assert_eq!(world.devices[1].engine_rows("quarantine"), Vec::<Value>::new(), "nothing was put aside");
    let mine = stored(world, 0);
    assert!(mine == stored(world, 1), "the other device has the same");
    let strip = |contents: Contents| -> Contents {
        let strip = |(key, mut fields): (_, BTreeMap<String, String>)| {
            fields.retain(|name, _| !matches!(name.as_str(), "id" | "spaceId" | "userId"));
            (key, fields)
        };
        contents.into_iter().map(strip).collect()
    };
    assert!(strip(mine) == strip(served(world)), "the server has the same");
}

/// A record id that was not used yet.
fn fresh(world: &World) -> String {
    format!("r{}", world.random.next())
}

/// Performs a write on a table, and another one after it, which must reach the other device.
fn attempt(world: &World, table: &str, write: impl Fn(&Device) -> Result<Written>) -> Fate {
    let [writer, reader] = &world.devices[..] else { panic!("two devices") };
    let before = (writer.store_rows(table), writer.store_rows("_changeLog"));
    let result = write(writer);
    let fate = if result.is_ok() { Fate::Kept } else { Fate::Refused(code(result)) };
    if fate != Fate::Kept {
        assert!((writer.store_rows(table), writer.store_rows("_changeLog")) == before, "nothing was written");
    }
    let after = fresh(world);
    writer.add(table, json!({ "id": after, "title": "after it" })).expect("a good record is taken");
    writer.sync().expect("what was written is pushed");
    reader.sync().expect("and pulled");
    assert_eq!(reader.stored(table, &after)["title"], "after it", "the record after it has come");
    fate
}

fn add(world: &World, table: &str, record: &Value) -> Fate {
    attempt(world, table, |writer| writer.add(table, record.clone()))
}

/// Writes the value into a new record and into one that is there.
fn write_value(world: &World, json: &str) -> Fate {
    let Ok(value) = serde_json::from_str::<Value>(json) else { return Fate::Unwritable };
    let by_add = add(world, "tasks", &json!({ "value": value }));
    let id = fresh(world);
    world.devices[0].add("tasks", json!({ "id": id, "value": "before it" })).expect("added");
    let by_update = attempt(world, "tasks", |writer| writer.update("tasks", &id, json!({ "value": value })));
    assert_eq!(by_update, by_add, "an update is checked as a whole record is");
    by_add
}

#[test]
fn every_odd_value_is_refused_or_the_same_everywhere() {
    let world = World::of_ada(2);
    for (what, may_travel, json) in differences() {
        let fate = write_value(&world, &json);
        assert_eq!(fate == Fate::Kept, may_travel, "{what}: {fate:?}");
        assert!(!matches!(fate, Fate::Refused(code) if code != "value_not_syncable"), "{what}: {fate:?}");
    }
    check(&world);
}

#[test]
fn every_number_is_refused_or_the_same_everywhere() {
    let world = World::of_ada(2);
    let mut kept = 0;
    for json in NUMBERS {
        let fate = write_value(&world, json);
        let is_number = serde_json::from_str::<Value>(json).is_ok();
        assert_eq!(fate, if is_number { Fate::Kept } else { Fate::Unwritable }, "{json}");
        kept += usize::from(is_number);
    }
    assert!((30..40).contains(&kept), "{kept} of them are numbers");
    check(&world);
}

#[test]
fn nul_and_deep_nesting_are_refused_by_their_path() {
    let world = World::of_ada(2);
    for json in NULS {
        assert_eq!(write_value(&world, json), Fate::Refused("value_not_syncable"), "{json}");
    }
    for depth in DEPTHS {
        for objects in [false, true] {
            let fate = write_value(&world, &nested(depth, objects));
            assert_eq!(fate == Fate::Kept, depth <= 64, "{depth} levels: {fate:?}");
        }
        // No parser gives values of more than 127 levels, but an app can make them. Of 10,000 not even the parser's own
        // type can be dropped on a test's stack.
        let value = (0..depth.min(1_000)).fold(json!(1), |inner, _| json!([inner]));
        let fate = add(&world, "tasks", &json!({ "value": value }));
        assert_eq!(fate == Fate::Kept, depth <= 64, "{depth} levels: {fate:?}");
    }
    check(&world);
}

#[test]
fn every_odd_name_of_a_field_or_record_is_refused_or_the_same_everywhere() {
    let world = World::of_ada(2);
    let mut refused = Vec::new();
    for name in NAMES {
        if add(&world, "tasks", &json!({ name: "a value" })) != Fate::Kept {
            refused.push(format!("field {name:?}"));
        }
        if add(&world, "tasks", &json!({ "id": name, "title": "a value" })) != Fate::Kept {
            refused.push(format!("record {name:?}"));
        }
    }
    let wanted = [
        "record \"__proto__\"",
        "field \"constructor\"",
        "record \"constructor\"",
        "field \"prototype\"",
        "record \"prototype\"",
        "field \"\"",
        "record \"\"",
    ];
    assert_eq!(refused, wanted);
    check(&world);
}

#[test]
fn every_odd_name_of_a_table_is_refused_or_syncs() {
    let mut refused = Vec::new();
    for name in NAMES {
        if TableName::parse(name).is_err() {
            refused.push(name);
            continue;
        }
        let setup = Setup { tables: vec![("tasks", Scope::Space), (name, Scope::Space)], ..Setup::of("ada") };
        let world = World::with(1, vec![setup; 2]);
        assert_eq!(add(&world, name, &json!({ "title": "a value" })), Fate::Kept, "{name}");
        check(&world);
    }
    let wanted =
        ["__proto__", "constructor", "prototype", "__fieldMeta", "_updatedAtIndex", "a.b", "a b", "", "\u{feff}\u{e9}"];
    assert_eq!(refused, wanted);
}

#[test]
fn odd_values_of_the_engines_own_fields_are_refused_or_the_same_everywhere() {
    let world = World::of_ada(2);
    let odd = [json!(7), json!({}), json!([]), json!(true), json!("x"), json!(""), json!(null)];
    for table in ["tasks", "settings"] {
        for field in ["id", "spaceId", "authorId", "userId", "visibility", "deletedAt", "updatedAt", "__fieldMeta"] {
            for value in &odd {
                add(&world, table, &json!({ field: value, "title": format!("{field} {value}") }));
                assert_eq!(world.devices[0].engine_rows("letter"), Vec::<Value>::new(), "{table} {field} {value}");
            }
        }
    }
    check(&world);
}

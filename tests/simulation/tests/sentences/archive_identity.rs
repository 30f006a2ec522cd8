//! Whatever an app writes comes out of an archive as it went in.

use super::archive_files::EXPORTED_AT;
use super::sealed;
use super::visibility::settle;
use mana_simulation::{Device, Random, World};
use mana_sync_engine::engine::Import;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

const WORLDS: u64 = 6;
const RECORDS: usize = 40;
const TABLES: [&str; 2] = ["tasks", "settings"];

/// How often each kind of case was met.
type Met = BTreeMap<&'static str, usize>;

/// All kinds of values, by what is odd of them.
fn values() -> Vec<(&'static str, Value)> {
    vec![
        ("null", Value::Null),
        ("true", json!(true)),
        ("false", json!(false)),
        ("zero", json!(0)),
        ("the largest safe number", json!(9_007_199_254_740_991_i64)),
        ("the smallest safe number", json!(-9_007_199_254_740_991_i64)),
        ("a fraction", json!(0.1)),
        ("the smallest number", json!(5e-324)),
        ("the largest number", json!(f64::MAX)),
        ("an empty text", json!("")),
        ("a long text", json!("Grüße 🚀 ".repeat(8_000))),
        ("letters beyond the first plane", json!("👩‍👩‍👧‍👦 𝒜 \u{10ffff}")),
        ("letters that join", json!("e\u{301} \u{200d} \u{202e}abc\u{2028}\u{2029}")),
        ("letters that JSON escapes", json!("\" \\ / \u{1} \u{8} \t \r \n \u{7f}")),
        ("a date", json!("2026-02-29T25:61:61.000Z")),
        ("a text like a sealed one", json!("enc:2:0001b856b0b4.oKGio6Slpqeoqaqr.AAAAAAAAAAAAAAAAAAAAAA==")),
        ("an id", json!("019b76da-bb88-7000-8000-000000000001")),
        ("an empty list", json!([])),
        ("an empty object", json!({})),
        ("a list of all", json!([null, true, 1.5, "x", [], {}, [[["deep"]]]])),
        (
            "odd names",
            json!({ "": 1, "é.b": { "id": "x", "__stamps": {}, "deletedAt": null, "0": [] }, "\u{2028}": 2 }),
        ),
        (
            "depth",
            (0..50).fold(
                json!("bottom"),
                |inside, at| if at % 2 == 0 { json!([inside]) } else { json!({ "in": inside }) },
            ),
        ),
    ]
}

struct Filling<'a> {
    device: &'a Device,
    random: Random,
    met: &'a mut Met,
}

impl Filling<'_> {
    fn note(&mut self, what: &'static str) {
        *self.met.entry(what).or_default() += 1;
    }

    fn fields(&mut self, names: &[&str]) -> Map<String, Value> {
        let (mut fields, all) = (Map::new(), values());
        for name in names {
            if !self.random.chance(600) {
                continue;
            }
            let (what, value) = self.random.pick(&all).clone();
            self.note(what);
            fields.insert((*name).to_owned(), value);
        }
        fields
    }

    fn record(&mut self, at: usize) {
        let (device, is_setting) = (self.device, self.random.chance(250));
        let table = if is_setting { "settings" } else { "tasks" };
        let names: &[&str] = if is_setting { &["value", "plain"] } else { &["title", "note", "due", "äöü", "a b"] };
        let id = if self.random.chance(500) { format!("ключ {at} 🔑") } else { format!("record-{at}") };
        let mut row = self.fields(names);
        row.insert("id".to_owned(), id.clone().into());
        if !is_setting && self.random.chance(300) {
            row.insert("spaceId".to_owned(), "club".into());
            self.note("of a shared space");
            if self.random.chance(500) {
                row.insert("visibility".to_owned(), "private".into());
                self.note("kept to oneself in a shared space");
            }
        }
        device.add(table, Value::Object(row)).expect("added");
        if self.random.chance(400) {
            let edits = self.fields(names);
            device.update(table, &id, Value::Object(edits)).expect("updated");
            self.note("edited");
        }
        if self.random.chance(150) {
            device.delete(table, &id).expect("deleted");
            self.note("deleted");
            if self.random.chance(300) {
                device.restore(table, &id).expect("brought back");
                self.note("brought back");
            }
        }
    }
}

/// What an app sees of a table in all spaces, and what an archive holds of it but for times.
fn content(device: &Device, table: &str) -> (Vec<Value>, Vec<Value>) {
    let (mut rows, unreadable) = device.export(table, &["club"]).expect("exported");
    assert_eq!(unreadable, 0);
    for row in &mut rows {
        let fields = row.as_object_mut().expect("a row");
        fields.retain(|name, _| !matches!(name.as_str(), "updatedAt" | "__stamps"));
    }
    let mut seen = device.rows(table);
    for row in &mut seen {
        let fields = row.as_object_mut().expect("a row");
        fields.retain(|name, _| !name.starts_with("__") && !matches!(name.as_str(), "updatedAt" | "_updatedAtIndex"));
    }
    (rows, seen)
}

/// Names the fields that differ, of which a row may have long ones.
fn assert_same(found: &(Vec<Value>, Vec<Value>), expected: &(Vec<Value>, Vec<Value>), what: &str) {
    let ids = |rows: &[Value]| rows.iter().map(|row| row["id"].clone()).collect::<Vec<_>>();
    for (found, expected) in [(&found.0, &expected.0), (&found.1, &expected.1)] {
        assert_eq!(ids(found), ids(expected), "{what}");
        for (found, expected) in found.iter().zip(expected) {
            let fields = |row: &Value| row.as_object().expect("a row").clone();
            let names: std::collections::BTreeSet<String> =
                fields(found).into_iter().chain(fields(expected)).map(|(name, _)| name).collect();
            for name in names {
                let said = |row: &Value| format!("{:.200?}", row.get(&name));
                assert!(found.get(&name) == expected.get(&name), "{what}, {name}: {} {}", said(found), said(expected));
            }
        }
    }
}

fn fill(seed: u64, met: &mut Met) -> World {
    let world = sealed::world();
    let device = &world.devices[0];
    let mut filling = Filling { device, random: Random::new(seed), met };
    for at in 0..RECORDS {
        filling.record(at);
        world.pass(1_000);
    }
    settle(&world);
    // A field that no app has lies in every row, and in no archive.
    assert!(device.store_rows("tasks").iter().all(|row| row.get("__fieldMeta").is_some()));
    world
}

#[test]
fn what_goes_out_comes_in_field_by_field_and_twice_is_once() {
    let mut met = Met::new();
    for seed in 0..WORLDS {
        let world = fill(seed, &mut met);
        let from = &world.devices[usize::try_from(seed % 2).expect("one of two")];
        let key = (seed % 3 > 0).then_some([9; 32]);
        let (file, missing) = from.save(&TABLES, &["club"], key, EXPORTED_AT).expect("saved");
        assert!(missing.is_empty());
        let fresh = sealed::world();
        // It is as late there.
        fresh.pass(3_600_000);
        let to = &fresh.devices[0];
        let taken = to.take(&file, key, &Import::default()).expect("taken");
        let expected = TABLES.map(|table| content(from, table));
        let live: usize = expected.iter().map(|(rows, _)| rows.len()).sum();
        assert_eq!(taken.counts(), [live, 0, 0, 0, 0], "seed {seed}");
        settle(&fresh);
        for device in &fresh.devices {
            for (table, expected) in TABLES.iter().zip(&expected) {
                assert_same(&content(device, table), expected, &format!("{table}, seed {seed}"));
            }
        }
        let stores = || TABLES.map(|table| to.store_rows(table));
        let before = stores();
        let again = to.take(&file, key, &Import::default()).expect("taken");
        assert_eq!(again.counts(), [0, 0, live, 0, 0], "seed {seed}");
        assert_eq!((stores(), to.logged()), (before, Vec::new()), "nothing was written, and nothing is to be sent");
        fresh.converge("ada");
    }
    let more = ["of a shared space", "kept to oneself in a shared space", "edited", "deleted", "brought back"];
    for what in values().into_iter().map(|(what, _)| what).chain(more) {
        assert!(met.get(what).is_some_and(|count| *count >= 3), "{what}: {:?}", met.get(what));
    }
}

//! What a server sends: a page with one such change among good ones is applied but for that change, once.

use crate::values::{DEPTHS, NAMES, NULS, NUMBERS, differences, nested};
use mana_simulation::{Setup, World};
use mana_sync_engine::engine::State;
use mana_sync_engine::model::{EventId, Scope, Stamp};
use serde_json::{Value, json};

const HOLE: &str = "\"@@\"";

fn insert(n: u64, table: &str, id: &str, data: &Value) -> Value {
    json!({ "eventId": EventId::from_parts(n, &[9; 10]), "app": "todo", "table": table, "id": id, "op": "insert",
        "at": Stamp::EPOCH, "data": data, "spaceId": "_personal:ada" })
}

/// What became of the change.
#[derive(Debug, PartialEq, Eq)]
enum Fate {
    Applied,
    PutAside,
    /// A field that is never stored was left out.
    LeftOut,
}

/// Serves `odd` between two good changes, `hole` in it replaced by `json`; then one more.
fn receive(odd: Value, hole: &'static str, json: &str) -> (World, Fate) {
    let tables = vec![("tasks", Scope::Space), ("hole", Scope::Space)];
    let world = World::with(1, vec![Setup { tables, ..Setup::of("ada") }]);
    let device = &world.devices[0];
    let json = json.to_owned();
    device.line.forge(move |body| body.replace(hole, &json));
    world.server.push_as("ada", &[insert(1, "tasks", "a", &json!({})), odd, insert(3, "tasks", "c", &json!({}))]);
    world.pass(120_000);
    let cursor = device.engine_rows("cursor");
    let has = |id: &str| !device.stored("tasks", id).is_null();
    assert!(has("a") && has("c"), "the good ones are applied: {:?}", device.session().status());
    assert_eq!(device.session().status().state, State::Synced);
    world.server.push_as("ada", &[insert(4, "tasks", "d", &json!({}))]);
    let pulls = device.line.requests_to("/v2/pull");
    world.pass(300_000);
    assert!(has("d"), "what follows is applied, too");
    assert_ne!(device.engine_rows("cursor"), cursor, "the cursor moves");
    assert!(device.line.requests_to("/v2/pull") - pulls < 15, "nothing is asked again and again");
    let aside = device.engine_rows("quarantine").len();
    assert!(aside <= 1, "it is put aside once");
    let records = device.store_rows("tasks").len() + device.store_rows("hole").len();
    assert_eq!(records + aside, 4, "it is applied or put aside");
    (world, if aside == 1 { Fate::PutAside } else { Fate::Applied })
}

fn receive_value(json: &str) -> Fate {
    let (world, fate) = receive(insert(2, "tasks", "b", &json!({ "value": "@@" })), HOLE, json);
    if fate == Fate::Applied {
        let sent: Value = serde_json::from_str(json).expect("only JSON is applied");
        assert_eq!(world.devices[0].stored("tasks", "b")["value"].to_string(), sent.to_string());
    }
    fate
}

#[test]
fn every_odd_value_is_applied_as_it_is_or_put_aside() {
    for (what, may_travel, json) in differences() {
        let fate = receive_value(&json);
        // What is only too large for a request has arrived in an answer.
        let applied = may_travel || what.starts_with("a text of");
        assert_eq!(fate == Fate::Applied, applied, "{what}");
    }
}

#[test]
fn every_number_is_applied_as_it_is_or_put_aside() {
    for json in NUMBERS.iter().filter(|json| serde_json::from_str::<Value>(json).is_ok() || json.contains("e400")) {
        let is_number = serde_json::from_str::<Value>(json).is_ok();
        assert_eq!(receive_value(json) == Fate::Applied, is_number, "{json}");
    }
}

#[test]
fn nul_and_deep_nesting_are_put_aside() {
    for json in NULS {
        assert_eq!(receive_value(json), Fate::PutAside, "{json}");
    }
    for depth in DEPTHS {
        for objects in [false, true] {
            assert_eq!(receive_value(&nested(depth, objects)) == Fate::Applied, depth <= 64, "{depth} levels");
        }
    }
}

#[test]
fn every_odd_name_is_applied_left_out_or_put_aside() {
    for name in NAMES {
        let json = json!(name).to_string();
        let (world, fate) = receive(insert(2, "tasks", "b", &json!({ "@@": 1 })), HOLE, &json);
        let is_hidden = name.starts_with("__") || name == "_updatedAtIndex";
        let stored = world.devices[0].stored("tasks", "b");
        let fate = if fate == Fate::Applied && is_hidden && stored[name] != json!(1) { Fate::LeftOut } else { fate };
        let refused = ["constructor", "prototype", ""].contains(&name);
        let wanted = if is_hidden {
            Fate::LeftOut
        } else if refused {
            Fate::PutAside
        } else {
            Fate::Applied
        };
        assert_eq!(fate, wanted, "field {name:?}");
        let (_, fate) = receive(insert(2, "tasks", "@@", &json!({})), HOLE, &json);
        assert_eq!(fate == Fate::PutAside, refused || name == "__proto__", "record {name:?}");
        let (_, fate) = receive(insert(2, "hole", "b", &json!({})), "\"hole\"", &json);
        assert_eq!(fate, Fate::PutAside, "no such table: {name:?}");
    }
}

//! Writes of several records, writes that make what is missing, and records that leave.

use mana_simulation::calls::{code, row};
use mana_simulation::device::Device;
use mana_simulation::{Setup, World};
use mana_sync_engine::engine::{Error, Event, Kind, Result, Write, Writer, Written};
use mana_sync_engine::model::{Space, SpaceId};
use mana_sync_engine::protocol::limits::MAX_LOG_ROW_BYTES;
use mana_sync_engine::store::{JsonRow, Key};
use serde_json::{Value, json};

/// One write whose refused records are told and whose others are kept, as a call outside a transaction does it.
fn write(world: &World, device: &Device, table: &'static str, write: Write<JsonRow>) -> Result<Written> {
    let engine = device.engine();
    let call = async move {
        let writer = Writer::begin(&engine, &[table], None)?;
        let result = writer.write_bulk(table, write).await;
        if result.as_ref().err().is_none_or(|error| error.kind() == Kind::BulkFailed) {
            writer.commit().await?;
        }
        result
    };
    world.executor.block_on(99, 60_000, call).expect("an answer comes")
}

fn refused(error: &Error) -> Vec<(u64, String)> {
    let failures = error.details()["failures"].as_array().cloned().unwrap_or_default();
    failures.iter().map(|one| (one["position"].as_u64().unwrap(), one["code"].as_str().unwrap().to_owned())).collect()
}

#[test]
fn what_can_be_written_is_and_the_rest_is_named_by_position() {
    let world = World::of_ada(2);
    let device = &world.devices[0];
    device.add("tasks", json!({ "id": "there", "title": "old" })).expect("added");
    let rows = [
        json!({ "id": "a", "title": "A" }),
        json!({ "id": "there", "title": "new" }),
        json!({ "id": 7 }),
        json!({ "id": "b", "title": "x\u{0}" }),
        json!({ "id": "c", "spaceId": "elsewhere" }),
        json!({ "id": "a", "title": "twice" }),
        json!({ "id": "d" }),
    ];
    let error = write(&world, device, "tasks", Write::Add(rows.into_iter().map(row).collect())).unwrap_err();
    let codes = ["already_exists", "invalid_record", "value_not_syncable", "unknown_space", "already_exists"];
    let expected: Vec<_> = (1..).zip(codes.map(str::to_owned)).collect();
    assert_eq!((error.kind(), refused(&error)), (Kind::BulkFailed, expected));
    assert_eq!(error.details()["successCount"], 2);
    world.converge("ada");
    let titles: Vec<_> =
        world.devices[1].rows("tasks").iter().map(|row| (row["id"].clone(), row["title"].clone())).collect();
    let expected = [("a", json!("A")), ("d", Value::Null), ("there", json!("old"))];
    assert_eq!(titles, expected.map(|(id, title)| (json!(id), title)));
}

#[test]
fn a_single_record_in_a_bulk_call_is_named_too() {
    let world = World::of_ada(1);
    let device = &world.devices[0];
    let alone = write(&world, device, "tasks", Write::Add(vec![row(json!({ "id": "" }))])).unwrap_err();
    assert_eq!((alone.kind(), refused(&alone)), (Kind::BulkFailed, vec![(0, "invalid_record".to_owned())]));
    assert_eq!(code(device.add("tasks", json!({ "id": "" }))), "invalid_record");
}

#[test]
fn an_upsert_changes_what_is_there_and_makes_what_is_not() {
    let world = World::of_ada(2);
    let device = &world.devices[0];
    let upsert = |id: &str, changes: Value| Write::Upsert(vec![(Key::text(id), row(changes))]);
    assert_eq!(write(&world, device, "tasks", upsert("t", json!({ "title": "Milk", "a.b": 1 }))).unwrap().created, 1);
    assert_eq!(write(&world, device, "tasks", upsert("t", json!({ "title": "Oat milk" }))).unwrap().created, 0);
    assert_eq!(device.stored("tasks", "t")["a"], json!({ "b": 1 }));
    device.delete("tasks", "t").expect("deleted");
    assert_eq!(write(&world, device, "tasks", upsert("t", json!({ "done": true }))).unwrap().created, 1);
    for (id, changes) in [("", json!({})), ("u", json!({ "id": "v" })), ("u", json!({ "deletedAt": "now" }))] {
        assert!(write(&world, device, "tasks", upsert(id, changes)).is_err());
    }
    assert_eq!(write(&world, device, "notes", upsert_at(5.0, json!({ "text.deep": 1 }))).unwrap().created, 1);
    assert_eq!(write(&world, device, "notes", upsert_at(5.0, json!({ "text.other": 2 }))).unwrap().created, 0);
    assert_eq!(device.rows("notes"), [json!({ "id": 5, "text": { "deep": 1, "other": 2 } })]);
    world.converge("ada");
    let seen = &world.devices[1].rows("tasks")[0];
    assert_eq!((&seen["title"], &seen["done"]), (&Value::Null, &json!(true)), "what was made anew has the new fields");
}

fn upsert_at(key: f64, changes: Value) -> Write<JsonRow> {
    Write::Upsert(vec![(Key::Number(key), row(changes))])
}

#[test]
fn what_was_purged_stays_away_from_this_device_and_nowhere_else() {
    let world = World::of_ada(2);
    let [here, there] = [&world.devices[0], &world.devices[1]];
    here.add("tasks", json!({ "id": "t", "title": "Milk", "done": true, "tags": { "a": 1 } })).expect("added");
    world.converge("ada");
    assert_eq!(write(&world, here, "tasks", Write::Purge(vec![Key::text("t")])).unwrap().count, 1);
    assert!(here.logged().is_empty(), "nothing is said of it");
    there.update("tasks", "t", json!({ "title": "Oat milk", "more": [1] })).expect("updated");
    there.delete("tasks", "t").expect("deleted");
    there.restore("tasks", "t").expect("restored");
    here.sync().expect("pulled");
    there.sync().expect("pushed");
    here.sync().expect("pulled");
    let stored = here.stored("tasks", "t");
    let values = ["title", "done", "tags", "more"].map(|field| stored[field].clone());
    assert_eq!(values, [Value::Null, Value::Null, Value::Null, Value::Null], "{stored}");
    assert!(here.rows("tasks").is_empty() && there.rows("tasks")[0]["title"] == "Oat milk");
    assert_eq!(here.restore("tasks", "t").expect("taken").count, 0);
    assert_eq!(here.update("tasks", "t", json!({ "title": "x" })).expect("taken").count, 0);
    here.add("tasks", json!({ "id": "t", "title": "anew" })).expect("added");
    here.sync().expect("pushed");
    there.sync().expect("pulled");
    assert_eq!((&here.rows("tasks")[0]["title"], &there.rows("tasks")[0]["title"]), (&json!("anew"), &json!("anew")));
}

#[test]
fn what_was_purged_before_it_was_sent_still_reaches_the_server() {
    let world = World::of_ada(2);
    let [here, there] = [&world.devices[0], &world.devices[1]];
    here.line.set_online(false);
    here.add("tasks", json!({ "id": "t", "title": "Milk" })).expect("added");
    write(&world, here, "tasks", Write::Purge(vec![Key::text("t")])).expect("purged");
    here.line.set_online(true);
    here.sync().expect("pushed");
    there.sync().expect("pulled");
    assert_eq!(there.rows("tasks")[0]["title"], "Milk");
    assert!(here.rows("tasks").is_empty());
}

#[test]
fn a_table_that_syncs_is_cleared_as_far_as_it_is_seen() {
    let space = |id: &str, role: &str| Space {
        id: SpaceId::parse(id).expect("a space"),
        kind: Some(if id == "home" { "personal" } else { "club" }.into()),
        role: Some(role.into()),
    };
    let spaces = vec![space("home", "owner"), space("club", "member")];
    let world = World::with(1, vec![Setup { spaces, ..Setup::of("ada") }]);
    let device = &world.devices[0];
    for (id, of) in [("a", "home"), ("b", "home"), ("c", "club")] {
        device.add("tasks", json!({ "id": id, "spaceId": of })).expect("added");
    }
    let clear = |tombstones| Write::Clear { tombstones };
    assert_eq!(code(write(&world, device, "tasks", clear(false))), "invalid_argument");
    assert_eq!(write(&world, device, "tasks", clear(true)).expect("cleared").count, 2);
    assert_eq!(device.rows("tasks").iter().map(|row| &row["id"]).collect::<Vec<_>>(), ["c"]);
    assert!(device.stored("tasks", "a")["deletedAt"].is_string());
    device.add("notes", json!({ "text": "x" })).expect("added");
    assert_eq!(write(&world, device, "notes", clear(false)).expect("cleared").count, 1);
    assert!(device.rows("notes").is_empty());
}

#[test]
fn a_commit_is_told_with_what_happened_to_which_fields() {
    let world = World::of_ada(2);
    let [here, there] = [&world.devices[0], &world.devices[1]];
    here.add("tasks", json!({ "id": "t", "title": "Milk" })).expect("added");
    world.converge("ada");
    let _ = (here.take_events(), there.take_events());
    here.update("tasks", "t", json!({ "title": "Oat milk", "done": true })).expect("updated");
    here.delete("tasks", "t").expect("deleted");
    here.restore("tasks", "t").expect("restored");
    assert_eq!(told(here), ["update user done,title", "delete user ", "restore user deletedAt"]);
    world.converge("ada");
    let heard = told(there);
    assert!(heard.iter().all(|change| change.contains("server-replay")), "{heard:?}");
    assert!(heard.iter().any(|change| change.contains("title")), "{heard:?}");
}

fn told(device: &Device) -> Vec<String> {
    let events = device.take_events().into_iter();
    let changes =
        events.filter_map(|event| if let Event::Change { changes, .. } = event { Some(changes) } else { None });
    let words = changes.flatten().filter(|change| change.table == "tasks");
    words
        .map(|change| format!("{} {} {}", change.op.as_str(), change.origin.as_str(), change.fields.join(",")))
        .collect()
}

#[test]
fn a_row_of_the_log_is_full_at_its_limit_whatever_the_texts() {
    let world = World::of_ada(1);
    let device = &world.devices[0];
    device.line.set_online(false);
    let texts = ["plain", "Grüße", "日本語", "\u{1F600}", "\"quoted\" \\", "line\nline\u{1}"];
    let records = |round: usize| -> Vec<JsonRow> {
        let record = |number: usize| {
            let text = texts[(number + round) % texts.len()].repeat(300);
            row(json!({ "id": format!("r{number}"), "title": text, "list": [text, number], "ü\"": round, "n": 0.1 }))
        };
        (0..400).map(record).collect()
    };
    let keys = || (0..400).map(|number| Key::text(&format!("r{number}"))).collect();
    for written in [Write::Add(records(0)), Write::Put(records(1)), Write::Delete(keys()), Write::Add(records(2))] {
        write(&world, device, "tasks", written).expect("written");
    }
    let sizes: Vec<usize> =
        device.store_rows("_changeLog").iter().map(|row| row["changes"].to_string().len()).collect();
    assert!(sizes.iter().all(|size| *size <= MAX_LOG_ROW_BYTES), "{sizes:?}");
    let fullest = sizes.iter().max().expect("rows");
    assert!(fullest * 10 > MAX_LOG_ROW_BYTES * 9, "{fullest} bytes are far from the limit");
}

//! An app's data come to a new version: on the device without an edit, and from devices of another version as they come.

use super::sealed::space;
use mana_simulation::calls::code;
use mana_simulation::{Device, Fault, Setup, World};
use mana_sync_engine::engine::Event;
use mana_sync_engine::model::{BoundNames, EventId, FieldName, Stamp, Visibility};
use serde_json::{Value, json};

/// The app of ada's at that version: at 2 `title` is `name`, `color` is no more, and there is a priority.
pub fn app(version: u32) -> Setup {
    let step = json!({ "tasks": { "rename": { "title": "name" }, "drop": ["color"], "defaults": { "priority": 3 } } });
    let migrations = if version == 2 { json!({ "2": step }) } else { json!({}) };
    let spaces = vec![space("home", "personal"), space("club", "family")];
    Setup { schema_version: version, migrations, spaces, ..Setup::of("ada") }
}

pub fn two() -> World {
    World::with(1, vec![app(1), app(1)])
}

pub fn cake(id: &str) -> Value {
    json!({ "id": id, "title": "Cake", "color": "red", "spaceId": "club" })
}

/// A field with its stamp.
pub fn field(device: &Device, id: &str, field: &str) -> (Value, Value) {
    let row = device.stored("tasks", id);
    (row[field].clone(), row["__fieldMeta"][field]["at"].clone())
}

/// Both devices hold the same.
pub fn agree(world: &World) {
    world.quiesce();
    assert_eq!(mana_simulation::oracle::difference(&world.devices[0], &world.devices[1]), None);
}

pub fn waiting(events: &[Event]) -> Vec<usize> {
    let waiting = |event: &Event| match event {
        Event::UpdateRequired { waiting } => Some(*waiting),
        _ => None,
    };
    events.iter().filter_map(waiting).collect()
}

/// A change of the version 2, as a server sends it.
pub fn newer(n: u64, id: &str, ms: u64, name: &str) -> Value {
    let at = Stamp::at_ms(ms);
    json!({ "eventId": EventId::from_parts(n, &[9; 10]), "app": "todo", "schemaVersion": 2, "table": "tasks", "id": id,
        "op": "insert", "at": at, "data": { "name": name, "authorId": "ada" }, "spaceId": "_personal:ada",
        "visibility": "space", "origin": "user" })
}

#[test]
fn a_stored_record_gets_its_new_names_and_nobody_made_an_edit() {
    let world = two();
    let device = &world.devices[0];
    device.add("tasks", cake("t")).expect("added");
    device.delete("tasks", "t").expect("deleted");
    world.converge("ada");
    let (before, marks) = (field(device, "t", "title"), device.stored("tasks", "t")["_updatedAtIndex"].clone());
    drop(device.take_events());
    device.line.set_online(false);
    device.update_app(app(2));
    let row = device.stored("tasks", "t");
    assert_eq!(field(device, "t", "name"), before, "the value with its stamp, also of what is deleted");
    assert_eq!(field(device, "t", "priority"), (json!(3), json!(Stamp::EPOCH)));
    for gone in ["title", "color"] {
        assert!(row.get(gone).is_none() && row["__fieldMeta"].get(gone).is_none(), "{row}");
    }
    assert_eq!(row["_updatedAtIndex"], marks);
    assert_eq!((device.logged().len(), device.engine().pending()), (0, 0));
    let told = device.take_events();
    assert!(!told.iter().any(|event| matches!(event, Event::Change { .. } | Event::Conflict(_))), "{told:?}");
    device.line.set_online(true);
    world.devices[1].update_app(app(2));
    agree(&world);
}

#[test]
fn what_was_written_before_the_update_and_not_sent_reaches_the_others_under_its_new_names() {
    let world = two();
    let [one, other] = [&world.devices[0], &world.devices[1]];
    one.add("tasks", cake("t")).expect("added");
    world.converge("ada");
    one.line.set_online(false);
    one.update("tasks", "t", json!({ "title": "Tart" })).expect("updated");
    one.update("tasks", "t", json!({ "color": "blue" })).expect("updated");
    one.add("tasks", cake("u")).expect("added");
    let at = field(one, "t", "title").1;
    one.update_app(app(2));
    let logged: Vec<Value> = one.logged().into_iter().map(|(_, change)| change).collect();
    assert_eq!(logged.len(), 2, "the edit of what is no more went: {logged:?}");
    assert_eq!(logged[0]["fields"]["name"]["before"]["value"], "Cake");
    assert!(one.logged().iter().all(|(row, _)| row["schemaVersion"] == 2));
    other.update_app(app(2));
    one.line.set_online(true);
    agree(&world);
    assert_eq!(field(other, "t", "name"), (json!("Tart"), at));
    assert_eq!(field(other, "u", "priority").0, 3);
}

#[test]
fn what_was_sent_and_not_answered_is_said_again_under_another_id_and_counts_once() {
    let world = two();
    let [one, other] = [&world.devices[0], &world.devices[1]];
    one.add("tasks", cake("t")).expect("added");
    world.converge("ada");
    one.line.set_mix("/v2/push", &[(Fault::LoseAnswer, 1000)]);
    one.update("tasks", "t", json!({ "title": "Tart" })).expect("updated");
    world.pass(10_000);
    let sent = one.logged()[0].1["eventId"].clone();
    assert!(!one.logged()[0].0["sentAt"].is_null(), "it is on its way");
    one.update_app(app(2));
    assert_ne!(one.logged()[0].1["eventId"], sent, "an id stands for one content");
    one.line.set_mix("/v2/push", &[]);
    other.update_app(app(2));
    agree(&world);
    assert_eq!(field(other, "t", "name").0, "Tart");
    assert!(one.dead_letters().is_empty());
}

#[test]
fn an_edit_of_an_older_device_is_merged_under_its_new_name_by_its_stamp() {
    let world = two();
    let [old, new] = [&world.devices[0], &world.devices[1]];
    old.add("tasks", cake("t")).expect("added");
    world.converge("ada");
    new.update_app(app(2));
    world.pass(5_000);
    new.update("tasks", "t", json!({ "name": "Tart" })).expect("updated");
    world.pass(40_000);
    assert_eq!(field(old, "t", "title").0, "Cake", "what is newer waits");
    old.update("tasks", "t", json!({ "title": "Pie" })).expect("updated");
    old.update("tasks", "t", json!({ "color": "blue" })).expect("updated");
    world.pass(40_000);
    let shown = new.stored("tasks", "t");
    assert_eq!((&shown["name"], shown.get("color")), (&json!("Pie"), None), "the later edit wins");
    old.update_app(app(2));
    agree(&world);
    assert_eq!(field(old, "t", "name").0, "Pie");
}

#[test]
fn the_app_is_told_that_newer_changes_wait_and_they_are_merged_after_the_update() {
    let world = two();
    let [old, new] = [&world.devices[0], &world.devices[1]];
    new.update_app(app(2));
    drop(old.take_events());
    new.add("tasks", json!({ "id": "t", "name": "Tart", "spaceId": "club" })).expect("added");
    new.update("tasks", "t", json!({ "priority": 1 })).expect("updated");
    world.pass(40_000);
    assert_eq!(waiting(&old.take_events()).last(), Some(&2));
    world.pass(120_000);
    assert!(waiting(&old.take_events()).is_empty(), "told once");
    old.restart();
    world.pass(40_000);
    assert_eq!(waiting(&old.take_events()), [2], "once more after a start");
    assert_eq!(old.session().status().state.as_str(), "synced", "the rest goes on");
    old.add("tasks", cake("u")).expect("added");
    old.update_app(app(2));
    agree(&world);
    assert!(old.engine_rows("quarantine").is_empty() && waiting(&old.take_events()).is_empty());
    assert_eq!((field(old, "t", "name").0, field(old, "t", "priority").0), (json!("Tart"), json!(1)));
    assert_eq!(field(new, "u", "name").0, "Cake");
}

#[test]
fn newer_changes_that_found_no_room_are_pulled_anew_after_the_update() {
    let world = two();
    let [old, new] = [&world.devices[0], &world.devices[1]];
    new.update_app(app(2));
    let now = world.executor.now();
    let all: Vec<Value> = (1..=1_010).map(|n| newer(n, &format!("t{n}"), now, "Tart")).collect();
    for some in all.chunks(200) {
        world.server.push_as("ada", some);
    }
    world.pass(40_000);
    assert_eq!(old.engine_rows("quarantine").len(), 1_000);
    assert_eq!(old.engine_rows("dropped")[0]["versions"], json!({ "todo": 2 }));
    old.update_app(app(2));
    agree(&world);
    assert_eq!(old.rows("tasks").len(), 1_010);
    assert!(old.engine_rows("dropped").is_empty() && old.quarantine().is_empty(), "once");
}

#[test]
fn a_parked_change_comes_to_the_version_that_its_insert_finds() {
    let world = two();
    let device = &world.devices[0];
    let now = world.executor.now();
    let older = |n: u64, op: &str, title: &str| {
        let mut change = newer(n, "t", now + n, title);
        change["data"] = Value::Null;
        change["fields"] = json!({ "title": { "value": title, "at": Stamp::at_ms(now + n) } });
        (change["op"], change["schemaVersion"]) = (json!(op), json!(1));
        change
    };
    world.server.push_as("ada", &[older(2, "update", "Tart")]);
    world.pass(40_000);
    assert_eq!(device.engine_rows("parked").len(), 1);
    device.update_app(app(2));
    world.server.push_as("ada", &[older(1, "insert", "Cake")]);
    world.pass(40_000);
    let row = device.stored("tasks", "t");
    assert_eq!((&row["name"], row.get("title"), &row["priority"]), (&json!("Tart"), None, &json!(3)));
}

#[test]
fn an_update_that_is_interrupted_anywhere_has_happened_or_has_not() {
    let (mut done, mut undone) = (0, 0);
    for operations in 0..60 {
        let world = two();
        let device = &world.devices[0];
        device.add("tasks", cake("t")).expect("added");
        world.converge("ada");
        device.line.set_online(false);
        device.update("tasks", "t", json!({ "title": "Tart" })).expect("updated");
        device.install_app(app(2));
        device.open_doomed(operations);
        device.close_all();
        let row = &device.store_rows("tasks")[0];
        let log = &device.store_rows("_changeLog")[0];
        let is_new = row.get("name").is_some();
        assert_eq!(is_new, log["changes"][0]["fields"].get("name").is_some(), "records and log together");
        assert_eq!(is_new, row.get("title").is_none());
        *if is_new { &mut done } else { &mut undone } += 1;
        device.open();
        device.line.set_online(true);
        world.devices[1].update_app(app(2));
        agree(&world);
        assert_eq!(field(&world.devices[1], "t", "name").0, "Tart");
    }
    assert!(done > 3 && undone > 3, "{done} had happened, {undone} had not");
}

#[test]
fn an_older_app_does_not_open_a_database_whose_fields_have_other_names_now() {
    let world = two();
    let device = &world.devices[0];
    device.add("tasks", cake("t")).expect("added");
    world.converge("ada");
    device.update_app(app(2));
    device.install_app(app(1));
    assert_eq!(code(device.try_open()), "schema_too_new");
    device.update_app(app(2));
    assert_eq!(device.rows("tasks")[0]["name"], "Cake");
    // Back to a version below, but not below a step.
    let three = Setup { schema_version: 3, migrations: json!({ "2": app(2).migrations["2"], "3": {} }), ..app(2) };
    device.update_app(three);
    device.update_app(app(2));
}

#[test]
fn a_step_needs_a_version_of_the_database_that_closes_older_tabs() {
    let world = two();
    let device = &world.devices[0];
    device.add("tasks", cake("t")).expect("added");
    device.install_app(Setup { data_version: Some(7), ..app(2) });
    device.store_put("_engine", json!({ "kind": "dataVersion", "key": "", "version": 7 }));
    assert_eq!(code(device.try_open()), "invalid_schema");
    assert_eq!(device.store_rows("tasks")[0]["title"], "Cake");
    device.install_app(Setup { data_version: Some(8), ..app(2) });
    device.try_open().expect("raised");
    assert_eq!(device.store_rows("tasks")[0]["name"], "Cake");
}

#[test]
fn a_sealed_field_is_renamed_without_being_opened_and_opens_on_every_device() {
    let sealed = |version: u32, field: &'static str| {
        let names = [("name".to_owned(), FieldName::parse("title").expect("a name"))];
        let aad = BoundNames { table: None, fields: names.into_iter().filter(|_| version == 2).collect() };
        Setup { sealed: vec![("tasks", field)], aad, ..app(version) }
    };
    let world = World::with(1, vec![sealed(1, "title"), sealed(1, "title")]);
    world.devices.iter().for_each(|device| device.keep_key(7));
    let [one, other] = [&world.devices[0], &world.devices[1]];
    one.add("tasks", json!({ "id": "t", "title": "Cake" })).expect("added");
    world.converge("ada");
    let envelope = field(one, "t", "title");
    one.line.set_online(false);
    one.add("tasks", json!({ "id": "u", "title": "Tart" })).expect("added");
    one.forget_key();
    one.update_app(sealed(2, "name"));
    assert_eq!(field(one, "t", "name"), envelope, "without the key");
    one.keep_key(7);
    one.line.set_online(true);
    one.update("tasks", "t", json!({ "name": "Pie" })).expect("updated");
    other.update("tasks", "t", json!({ "color": "blue" })).expect("updated");
    other.add("tasks", json!({ "id": "v", "title": "Bread" })).expect("added");
    world.pass(40_000);
    other.update_app(sealed(2, "name"));
    agree(&world);
    for device in &world.devices {
        let names: Vec<Value> = device.rows("tasks").iter().map(|row| row["name"].clone()).collect();
        assert_eq!(names, ["Pie", "Tart", "Bread"]);
        assert!(!super::sealed::traces(device).contains("Bread"), "no trace of it");
        assert!(!device.take_events().iter().any(|event| matches!(event, Event::Integrity { .. })));
    }
}

#[test]
fn what_is_taken_away_from_a_reader_is_not_kept_for_a_later_version_of_the_app() {
    let of_bob = |version: u32| Setup {
        spaces: vec![space("club", "family")],
        ..Setup { user: Some("bob".to_owned()), ..app(version) }
    };
    let mut world = World::with(1, vec![app(2)]);
    world.add(of_bob(1)).open();
    let [ada, bob] = &world.devices[..] else { panic!("two devices") };
    // Her clock is ahead, so that what she wrote first has the latest name.
    ada.clock.jump(4 * 60_000);
    let cake = json!({ "id": "t", "name": "Cake", "spaceId": "club" });
    ada.add("tasks", cake).expect("added");
    world.pass(2 * 60_000);
    assert_eq!(bob.engine_rows("quarantine").len(), 1, "it waits for a newer version of his app");
    ada.set_visibility("tasks", "t", Visibility::Private).expect("hidden");
    world.pass(2 * 60_000);
    assert_eq!(bob.engine_rows("quarantine"), Vec::<Value>::new());
    bob.update_app(of_bob(2));
    world.pass(2 * 60_000);
    assert_eq!(bob.store_rows("tasks"), Vec::<Value>::new(), "it is hers alone");
    ada.set_visibility("tasks", "t", Visibility::Space).expect("shown");
    world.pass(2 * 60_000);
    assert_eq!(bob.rows("tasks")[0]["name"], "Cake");
}

#[test]
fn what_somebody_wrote_at_no_known_time_wins_over_a_default() {
    let world = two();
    let insert = |n: u64, data: Value| {
        json!({ "eventId": EventId::from_parts(n, &[9; 10]), "app": "todo", "schemaVersion": 1, "table": "tasks", "id": "t",
            "op": "insert", "at": Stamp::UNKNOWN, "data": data, "spaceId": "_personal:ada", "visibility": "space",
            "origin": "user" })
    };
    world.devices.iter().for_each(|device| device.update_app(app(2)));
    world.server.push_as("ada", &[insert(1, json!({ "title": "Cake" }))]);
    world.pass(60_000);
    assert_eq!(field(&world.devices[0], "t", "priority").0, 3);
    world.server.push_as("ada", &[insert(2, json!({ "title": "Cake", "priority": 1 }))]);
    world.pass(60_000);
    assert_eq!(field(&world.devices[0], "t", "priority").0, 1);
    agree(&world);
}

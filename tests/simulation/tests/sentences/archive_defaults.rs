//! What an archive of an older version is brought forward with, which nobody wrote: it wins over nothing.

use super::sealed::{SECRET, setup, shown};
use super::visibility::settle;
use mana_simulation::{Device, Setup, World};
use mana_sync_engine::engine::{Import, Write};
use mana_sync_engine::store::Key;
use serde_json::{Value, json};

/// A row of an older version, as one of this one, which it gets a default for.
fn with_a_default(id: &str) -> (Setup, Value) {
    let migrations = json!({ "2": { "tasks": { "defaults": { "priority": 0 } } } });
    let row = json!({ "id": id, "title": SECRET, "updatedAt": "2026-01-01T00:10:00.000000Z" });
    (Setup { schema_version: 2, migrations, ..setup() }, row)
}

fn of_version_two(setup: &Setup) -> World {
    let world = World::with(1, vec![setup.clone(); 2]);
    world.server.set_spaces("ada", setup.spaces.clone());
    world.devices.iter().for_each(|device| device.unlock(7).expect("unlocked"));
    world
}

#[test]
fn a_default_that_an_archive_is_brought_forward_with_loses_against_every_edit() {
    let migrations = json!({ "2": { "tasks": { "defaults": { "priority": 0, "state": "open" } } } });
    let two = Setup { schema_version: 2, migrations, ..setup() };
    let row = |id: &str| json!({ "id": id, "title": SECRET, "updatedAt": "2026-01-01T00:10:00.000000Z" });
    for overwrite in [false, true] {
        let world = World::with(1, vec![two.clone(); 2]);
        world.server.set_spaces("ada", two.spaces.clone());
        world.devices.iter().for_each(|device| device.unlock(7).expect("unlocked"));
        let [one, other] = &world.devices[..] else { panic!("two devices") };
        other.line.set_online(false);
        // Before the archive says that the record was written.
        other.add("tasks", json!({ "id": "a", "priority": 5, "state": null })).expect("added");
        world.pass(3_600_000);
        let how = Import { schema_version: Some(1), overwrite, ..super::archive::merge() };
        assert_eq!(one.import("tasks", &[row("a"), row("b")], how.clone()).expect("taken").new, 2);
        let seen = |device: &Device, id: &str| {
            let row = shown(device, "tasks", id);
            ["title", "priority", "state"].map(|name| row[name].clone())
        };
        assert_eq!(seen(one, "a"), [json!(SECRET), json!(0), json!("open")], "a record that is new has them");
        let updated = |device: &Device| device.export("tasks", &[]).expect("exported").0[0]["updatedAt"].clone();
        assert_ne!(updated(one).as_str().map(|at| &at[..4]), Some("1970"), "it was written when it was");
        other.line.set_online(true);
        settle(&world);
        for device in [one, other] {
            assert_eq!(seen(device, "a"), [json!(SECRET), json!(5), Value::Null], "overwrite: {overwrite}");
            assert_eq!(seen(device, "b"), [json!(SECRET), json!(0), json!("open")], "overwrite: {overwrite}");
        }
        let again = one.import("tasks", &[row("a"), row("b")], Import { overwrite: false, ..how }).expect("taken");
        assert_eq!((again.new, again.changed), (0, 0), "twice is once");
        world.converge("ada");
    }
}

#[test]
fn a_default_over_what_was_purged_is_the_same_on_every_device() {
    let (two, row) = with_a_default("a");
    let world = of_version_two(&two);
    let [one, other] = &world.devices[..] else { panic!("two devices") };
    one.add("tasks", json!({ "id": "a", "title": "before", "priority": 5 })).expect("added");
    settle(&world);
    one.transact(vec![("tasks", Write::Purge(vec![Key::text("a")]))]).expect("purged");
    world.pass(3_600_000);
    let how = Import { schema_version: Some(1), overwrite: true, ..super::archive::merge() };
    assert_eq!(one.import("tasks", &[row], how).expect("taken").new, 1);
    settle(&world);
    for device in [one, other] {
        let row = shown(device, "tasks", "a");
        assert_eq!((&row["title"], &row["priority"]), (&json!(SECRET), &json!(0)));
    }
    world.converge("ada");
}

#[test]
fn a_default_that_went_out_again_makes_its_record_no_older() {
    let (two, row) = with_a_default("a");
    let first = of_version_two(&two);
    let how = Import { schema_version: Some(1), ..super::archive::merge() };
    first.pass(3_600_000);
    first.devices[0].import("tasks", &[row], how).expect("taken");
    let rows = super::archive::export(&first.devices[0], "tasks");
    assert!(rows[0]["__stamps"]["priority"].as_str().is_some_and(|at| at.starts_with("1970")), "{rows:?}");
    // Elsewhere it was deleted before it was written.
    let world = of_version_two(&two);
    let [one, other] = &world.devices[..] else { panic!("two devices") };
    other.line.set_online(false);
    other.add("tasks", json!({ "id": "a", "title": "before" })).expect("added");
    other.delete("tasks", "a").expect("deleted");
    world.pass(3_600_000);
    assert_eq!(one.import("tasks", &rows, super::archive::merge()).expect("taken").new, 1);
    other.line.set_online(true);
    settle(&world);
    for device in [one, other] {
        let row = shown(device, "tasks", "a");
        assert_eq!((&row["title"], &row["priority"]), (&json!(SECRET), &json!(0)));
    }
    world.converge("ada");
}

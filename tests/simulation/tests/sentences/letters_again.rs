//! Discarding what nobody kept the past of: the server is asked for everything again, and nothing is lost over it.

use super::letters::{letter, may_write};
use super::visibility::{family, is_sealed, settle};
use mana_simulation::{Device, World};
use mana_sync_engine::model::Stamp;
use mana_sync_engine::model::Visibility::Private;
use serde_json::{Value, json};

const RECORDS: [&str; 6] = ["r0", "r1", "r2", "r3", "r4", "r5"];

/// Records of ada's in the club, one change to a page. She made two of them private, which a restored server has forgotten,
/// and now refuses: the two are dead letters that say them whole, beside what the server has of them.
fn forgotten() -> World {
    let world = family();
    let device = &world.devices[0];
    for id in RECORDS {
        device.add("tasks", json!({ "id": id, "title": id, "spaceId": "club" })).expect("added");
    }
    settle(&world);
    world.devices[1..].iter().for_each(|other| other.line.set_online(false));
    let backup = world.server.backup();
    for id in ["r1", "r2"] {
        device.set_visibility("tasks", id, Private).expect("set");
    }
    world.pass(60_000);
    world.server.restore(&backup);
    may_write(&world, false);
    device.session().hurry();
    world.pass(60_000);
    assert_eq!(refused(device), ["r1", "r2"]);
    world.server.set_page(1);
    world
}

/// A setting of ada's that comes from elsewhere.
fn later() -> Value {
    let at = Stamp::at_ms(1_767_225_700_000);
    json!({ "eventId": "00000000-0000-7000-8000-000000000001", "app": "todo", "schemaVersion": 1, "table": "settings",
        "id": "s", "op": "insert", "at": at, "origin": "user", "visibility": "space", "data": { "note": "later" } })
}

fn refused(device: &Device) -> Vec<String> {
    let mut records: Vec<_> = device.dead_letters().iter().map(|letter| letter.changes[0].id.clone()).collect();
    records.sort();
    records
}

fn discard(device: &Device, record: &str) {
    let letters = device.dead_letters();
    let letter = letters.iter().find(|letter| letter.changes[0].id == record).expect("a letter");
    device.discard_letter(&letter.id).expect("discarded");
}

/// Every record is as the server has it, on all devices.
fn has_everything(world: &World, when: &str) {
    may_write(world, true);
    settle(world);
    for device in &world.devices {
        let titles: Vec<_> = device.rows("tasks").iter().map(|row| row["title"].clone()).collect();
        assert_eq!(titles, RECORDS, "{when}");
        assert!(RECORDS.iter().all(|id| device.stored("tasks", id)["visibility"] == "space"), "{when}");
    }
}

#[test]
fn a_discarded_record_of_which_the_server_has_something_is_what_the_server_has() {
    let world = forgotten();
    discard(&world.devices[0], "r1");
    discard(&world.devices[0], "r2");
    has_everything(&world, "discarded");
}

#[test]
fn a_discard_amid_a_full_pull_begins_it_anew_wherever_it_stands() {
    for ms in (0..1_200).step_by(20) {
        let world = forgotten();
        let device = &world.devices[0];
        discard(device, "r1");
        device.session().hurry();
        world.pass(ms);
        discard(device, "r2");
        has_everything(&world, &format!("the second one discarded {ms} ms later"));
    }
}

#[test]
fn a_discard_amid_the_pull_from_a_restored_server_has_nothing_said_again_that_is_there() {
    for ms in (0..1_200).step_by(20) {
        let world = forgotten();
        let device = &world.devices[0];
        let backup = world.server.backup();
        world.server.push_as("ada", &[later()]);
        device.session().hurry();
        world.pass(10_000);
        world.server.restore(&backup);
        device.session().hurry();
        world.pass(ms);
        discard(device, "r1");
        discard(device, "r2");
        world.pass(60_000);
        // Said again after the pull, once: what the server has of them by now is in their place.
        let again = refused(device);
        assert!(again.iter().all(|id| id == "r1" || id == "r2"), "discarded {ms} ms later: {again:?}");
        for id in &again {
            discard(device, id);
        }
        world.pass(60_000);
        assert!(device.dead_letters().is_empty(), "discarded {ms} ms later, and said again");
        has_everything(&world, &format!("discarded {ms} ms later"));
    }
}

#[test]
fn what_the_server_took_of_a_record_whose_insert_it_refused_is_not_shown_as_a_record() {
    let world = family();
    let [device, other] = [&world.devices[0], &world.devices[1]];
    device.add("tasks", json!({ "id": "t", "title": "Cake", "spaceId": "club" })).expect("added");
    settle(&world);
    device.line.set_online(false);
    let there = device.move_to_space("tasks", "t", "home").expect("moved");
    other.update("tasks", "t", json!({ "title": "Tart" })).expect("updated");
    world.pass(10_000);
    may_write(&world, false);
    device.line.set_online(true);
    device.session().hurry();
    world.pass(60_000);
    // The other's edit follows the move, and goes out beside it: the server takes the edit alone.
    device.retry_letter(&letter(device)).expect("retried");
    world.pass(60_000);
    let taken = world.server.changes("ada", &["tasks"]);
    assert!(taken.iter().any(|change| change.id.as_str() == there), "{taken:?}");
    device.discard_letter(&letter(device)).expect("discarded");
    may_write(&world, true);
    settle(&world);
    world.converge("ada");
    assert!(device.stored("tasks", &there).is_null());
    assert_eq!(device.stored("tasks", "t")["title"], "Tart");
}

#[test]
fn what_was_written_over_it_stays_when_a_record_said_again_is_discarded() {
    let world = forgotten();
    let device = &world.devices[0];
    device.update("tasks", "r1", json!({ "title": "written later" })).expect("updated");
    world.pass(10_000);
    discard(device, "r1");
    discard(device, "r2");
    may_write(&world, true);
    settle(&world);
    // It was written where it was for her alone, so nobody else can read it.
    for device in &world.devices {
        assert!(is_sealed(&device.stored("tasks", "r1")["title"]));
    }
}

/// A record `t` of ada's in the club, and a server that has forgotten what `then` did to it and refuses all of it now; ada's
/// other devices are away.
fn said_again(before: impl Fn(&Device), backup_first: bool, then: impl Fn(&World)) -> World {
    let world = family();
    let device = &world.devices[0];
    let empty = world.server.backup();
    device.add("tasks", json!({ "id": "t", "title": "Cake", "spaceId": "club" })).expect("added");
    settle(&world);
    world.devices[1..].iter().for_each(|other| other.line.set_online(false));
    let backup = if backup_first { empty } else { world.server.backup() };
    before(device);
    world.pass(60_000);
    then(&world);
    world.server.restore(&backup);
    device.session().hurry();
    world.pass(60_000);
    world
}

#[test]
fn a_record_that_only_this_device_has_outlives_a_discarded_change_of_who_sees_it() {
    let world = said_again(
        |_| {},
        true,
        |world| {
            may_write(world, false);
            world.devices[0].set_visibility("tasks", "t", Private).expect("set");
            world.pass(10_000);
        },
    );
    let device = &world.devices[0];
    device.discard_letter(&letter(device)).expect("discarded");
    assert_eq!(
        (&device.stored("tasks", "t")["title"], &device.stored("tasks", "t")["visibility"]),
        (&json!("Cake"), &json!("space"))
    );
    may_write(&world, true);
    settle(&world);
    for device in &world.devices {
        let row = device.stored("tasks", "t");
        assert_eq!((&row["title"], &row["visibility"]), (&json!("Cake"), &json!("space")));
    }
}

#[test]
fn a_deletion_that_the_server_forgot_and_refuses_is_undone_when_it_is_discarded() {
    let delete = |device: &Device| device.delete("tasks", "t").map(|_| ()).expect("deleted");
    let world = said_again(delete, false, |world| may_write(world, false));
    let device = &world.devices[0];
    device.discard_letter(&letter(device)).expect("discarded");
    may_write(&world, true);
    settle(&world);
    for device in &world.devices {
        let row = device.stored("tasks", "t");
        assert_eq!((&row["title"], row["deletedAt"].is_null()), (&json!("Cake"), true));
    }
}

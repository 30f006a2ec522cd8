//! What waits on a device when its app's data come to a new version: dead letters, guests' records, what an older app left,
//! and full pulls.

use super::schema_versions::{agree, app, cake, field, two};
use mana_simulation::{Setup, World};
use mana_sync_engine::engine::Event;
use mana_sync_engine::model::{BoundNames, EventId, FieldName, Stamp};
use serde_json::{Value, json};

/// A record that both have, and an edit of it by the first device that the server refused.
fn refused(edit: Value) -> World {
    let world = two();
    let device = &world.devices[0];
    device.add("tasks", cake("t")).expect("added");
    world.converge("ada");
    world.server.refuse_in("club", true);
    device.update("tasks", "t", edit).expect("updated");
    world.pass(10_000);
    assert_eq!(device.dead_letters().len(), 1);
    world
}

#[test]
fn a_refused_edit_is_tried_again_or_discarded_under_its_new_name() {
    for discard in [true, false] {
        let world = refused(json!({ "title": "Tart" }));
        let [one, other] = [&world.devices[0], &world.devices[1]];
        one.update("tasks", "t", json!({ "title": "Pie" })).expect("updated");
        world.pass(10_000);
        one.update_app(app(2));
        other.update_app(app(2));
        world.server.refuse_in("club", false);
        let letter = one.dead_letters().remove(0).id;
        if discard { one.discard_letter(&letter) } else { one.retry_letter(&letter) }.expect("settled");
        agree(&world);
        assert_eq!(field(other, "t", "name").0, "Pie", "what waited goes out");
        assert!(one.dead_letters().is_empty() && one.stored("tasks", "t").get("title").is_none());
    }
    let world = refused(json!({ "title": "Tart" }));
    world.devices.iter().for_each(|device| device.update_app(app(2)));
    world.devices[0].discard_letter(&world.devices[0].dead_letters()[0].id).expect("discarded");
    agree(&world);
    assert_eq!(field(&world.devices[0], "t", "name").0, "Cake", "as if it had never been written");
}

#[test]
fn a_refused_edit_of_what_is_no_more_lets_go_what_waits_behind_it() {
    for discard in [true, false] {
        let world = refused(json!({ "color": "blue" }));
        let [one, other] = [&world.devices[0], &world.devices[1]];
        one.update("tasks", "t", json!({ "title": "Pie" })).expect("updated");
        world.pass(10_000);
        world.devices.iter().for_each(|device| device.update_app(app(2)));
        world.server.refuse_in("club", false);
        let letter = one.dead_letters().remove(0).id;
        if discard { one.discard_letter(&letter) } else { one.retry_letter(&letter) }.expect("settled");
        agree(&world);
        assert_eq!(field(other, "t", "name").0, "Pie");
        assert!(one.dead_letters().is_empty() && one.stored("tasks", "t").get("color").is_none());
    }
}

#[test]
fn what_others_wrote_meanwhile_stands_where_an_edit_is_discarded_after_the_update() {
    let world = refused(json!({ "title": "Tart" }));
    let [one, other] = [&world.devices[0], &world.devices[1]];
    one.update_app(app(2));
    let now = world.executor.now() - 15_000;
    let at = Stamp::at_ms(now);
    world.server.refuse_in("club", false);
    world.server.push_as(
        "ada",
        &[json!({ "eventId": "00000000-0000-7000-8000-000000000001", "app": "todo", "schemaVersion": 1,
        "table": "tasks", "id": "t", "op": "update", "at": at, "fields": { "title": { "value": "Theirs", "at": at } },
        "spaceId": "club", "visibility": "space", "origin": "user" })],
    );
    world.pass(40_000);
    let letters = one.dead_letters();
    one.discard_letter(&letters[0].id).expect("discarded");
    other.update_app(app(2));
    agree(&world);
    let shown = field(one, "t", "name").0;
    assert_eq!(shown, field(other, "t", "name").0);
}

#[test]
fn a_guests_records_come_to_the_version_and_are_taken_over_under_their_new_names() {
    let guest = |version: u32| Setup { user: None, spaces: Vec::new(), ..app(version) };
    let mut world = World::with(1, vec![app(2)]);
    world.add(app(1));
    let [other, one] = [&world.devices[0], &world.devices[1]];
    one.install_app(guest(1));
    one.try_open().expect("it opens, and syncs with nobody");
    one.add("tasks", json!({ "id": "g", "title": "Mine", "color": "red" })).expect("added");
    one.install_app(guest(2));
    one.try_open().expect("it opens");
    assert_eq!(one.stored("tasks", "g")["name"], "Mine");
    one.sign_in("ada").expect("signed in");
    one.set_spaces(app(2).spaces).expect("set");
    one.session().sync_start();
    world.pass(10_000);
    assert_eq!(one.adopt_guest_data().expect("taken over").adopted, 1);
    world.pass(40_000);
    let row = other.stored("tasks", "g");
    assert_eq!((&row["name"], row.get("color"), &row["priority"]), (&json!("Mine"), None, &json!(3)));
}

#[test]
fn an_older_apps_records_and_queue_are_of_the_first_version() {
    let mut world = World::with(1, vec![app(2)]);
    world.add(app(2));
    let device = &world.devices[1];
    let (at, later) = ("2025-06-01T10:00:00.000Z", "2025-06-02T10:00:00.000Z");
    let row = |id: &str| {
        json!({ "id": id, "title": "Old", "color": "red", "userId": "ada", "createdAt": at, "updatedAt": later,
            "__fieldTimestamps": { "title": at, "color": at } })
    };
    let queued = json!({ "id": 1, "appId": "todo", "collection": "tasks", "recordId": "q", "op": "update", "createdAt": later,
        "eventId": "0190b0a0-0000-7000-8000-000000000001",
        "fields": { "title": { "value": "Queued", "at": later }, "color": { "value": "blue", "at": later } } });
    let insert = json!({ "id": 2, "appId": "todo", "collection": "tasks", "recordId": "n", "op": "insert", "createdAt": later,
        "eventId": "0190b0a0-0000-7000-8000-000000000002", "data": { "title": "New", "color": "blue" } });
    let old = [("tasks", row("o")), ("tasks", row("q")), ("tasks", row("n"))];
    device.fill_as_older_app(&[&old[..], &[("_pendingChanges", queued), ("_pendingChanges", insert)]].concat());
    device.open();
    agree(&world);
    for device in &world.devices {
        for id in ["o", "n"] {
            let row = device.stored("tasks", id);
            assert!(row.get("title").is_none() && row.get("color").is_none() && row["priority"] == 3, "{row}");
        }
        assert_eq!(field(device, "o", "name").0, "Old");
    }
    let told = device.take_events();
    assert!(!told.iter().any(|event| matches!(event, Event::DeadLetter { .. })), "{told:?}");
}

#[test]
fn a_full_pull_brings_old_changes_under_their_new_names_and_takes_nothing_away() {
    let world = two();
    let [one, other] = [&world.devices[0], &world.devices[1]];
    one.add("tasks", cake("kept")).expect("added");
    one.add("tasks", cake("retired")).expect("added");
    world.converge("ada");
    let backup = world.server.backup();
    one.update("tasks", "kept", json!({ "title": "Tart" })).expect("updated");
    one.add("tasks", cake("later")).expect("added");
    world.converge("ada");
    world.devices.iter().for_each(|device| device.update_app(app(2)));
    world.pass(40_000);
    one.resync_in(0).expect("pulled anew");
    assert_eq!(one.rows("tasks").len(), 3);
    world.server.restore(&backup);
    agree(&world);
    for device in [one, other] {
        assert_eq!(field(device, "kept", "name").0, "Tart", "what the restored server lacks is said again");
        assert_eq!(field(device, "later", "name").0, "Cake");
        assert_eq!(device.rows("tasks").len(), 3);
    }
    assert_eq!(one.logged().len() + other.logged().len(), 0);
}

#[test]
fn a_full_pull_that_was_under_way_goes_on_under_the_new_names() {
    let world = two();
    let device = &world.devices[0];
    world.server.set_page(2);
    for n in 0..9 {
        device.add("tasks", cake(&format!("t{n}"))).expect("added");
    }
    world.converge("ada");
    let backup = world.server.backup();
    device.add("tasks", cake("later")).expect("added");
    world.converge("ada");
    device.close();
    world.server.restore(&backup);
    let brought = || device.store_rows("_engine").iter().filter(|row| row["kind"] == "rebaseSeen").count();
    for operations in 20..200 {
        device.open_doomed(operations);
        world.pass(5_000);
        device.close_all();
        if brought() > 1 {
            break;
        }
    }
    assert!(brought() > 1, "it is under way");
    device.update_app(app(2));
    world.devices[1].update_app(app(2));
    agree(&world);
    let said = world.server.changes("ada", &["tasks"]);
    let again: Vec<&str> = said[9..].iter().map(|change| change.id.as_str()).collect();
    assert!(!again.is_empty() && again.iter().all(|id| *id == "later"), "what came is not said again: {again:?}");
}

#[test]
fn what_is_shown_in_place_of_what_a_server_made_up_is_shown_under_its_new_name() {
    let sealed = |version: u32, field: &'static str| {
        let names = [("name".to_owned(), FieldName::parse("title").expect("a name"))];
        let aad = BoundNames { table: None, fields: names.into_iter().filter(|_| version == 2).collect() };
        Setup { sealed: vec![("tasks", field)], aad, ..app(version) }
    };
    let world = World::with(1, vec![sealed(1, "title")]);
    let device = &world.devices[0];
    device.keep_key(7);
    device.add("tasks", json!({ "id": "t", "title": "Cake" })).expect("added");
    world.converge("ada");
    world.pass(60_000);
    let at = Stamp::at_ms(world.executor.now());
    let made_up = json!({ "eventId": EventId::from_parts(7, &[9; 10]), "app": "todo", "schemaVersion": 1, "table": "tasks",
        "id": "t", "op": "update", "at": at, "spaceId": "_personal:ada", "visibility": "space", "origin": "user",
        "fields": { "title": { "value": "made up", "at": at } } });
    world.server.push_as("ada", &[made_up]);
    world.pass(70_000);
    assert_eq!(field(device, "t", "title").0, "made up", "it is merged as ever");
    assert_eq!(device.rows("tasks")[0]["title"], "Cake");
    device.line.set_online(false);
    device.update_app(sealed(2, "name"));
    assert_eq!(field(device, "t", "name").0, "made up");
    assert_eq!(device.rows("tasks")[0]["name"], "Cake");
}

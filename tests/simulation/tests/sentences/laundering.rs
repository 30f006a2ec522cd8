//! Plaintext that a server puts into a sealed field does not become the user's own on any way through the engine; and
//! what its author shared, or a device of theirs wrote, is not taken for such.

use super::forged_visibility::apply;
use super::sealed::{SECRET, setup, shown};
use super::visibility::{bobs, family, is_sealed, settle};
use mana_simulation::{Device, Setup, World};
use mana_sync_engine::model::Visibility;
use serde_json::{Value, json};

/// What the server has of the titles of a record.
fn titles(world: &World, id: &str) -> Vec<Value> {
    let changes = world.server.changes("ada", &["tasks"]);
    let of_id = changes.iter().filter(|change| change.id.as_str() == id);
    let title = |change: &mana_sync_engine::model::Change| {
        change.fields.iter().find(|(name, _)| name.as_str() == "title").map(|(_, edit)| edit.value.clone())
    };
    of_id.filter_map(title).collect()
}

/// A private record of ada's in the club.
fn add_private(device: &Device) {
    let private = json!({ "id": "p", "title": SECRET, "spaceId": "club", "visibility": "private" });
    device.add("tasks", private).expect("added");
}

/// The server puts plaintext into a sealed field of that record, and devices hear of it.
fn put_made_up_note(world: &World) {
    let at = "2026-01-01T00:07:00.000000Z";
    world.server.push_as(
        "ada",
        &[json!({ "eventId": "00000000-0000-7000-8000-000000000077", "app": "todo", "schemaVersion": 1,
            "table": "tasks", "id": "p", "op": "update", "at": at, "origin": "user", "spaceId": "club",
            "visibility": "private", "fields": { "note": { "value": "made up", "at": at } } })],
    );
    settle(world);
}

#[test]
fn what_its_author_shared_is_told_again_to_a_server_that_lost_it() {
    let world = family();
    let one = &world.devices[0];
    add_private(one);
    settle(&world);
    let backup = world.server.backup();
    one.set_visibility("tasks", "p", Visibility::Space).expect("shared");
    settle(&world);
    one.update("tasks", "p", json!({ "title": "for all" })).expect("updated");
    settle(&world);
    world.server.restore(&backup);
    settle(&world);
    assert_eq!(titles(&world, "p").last(), Some(&json!("for all")));
    let mut world = world;
    let fresh = world.add(bobs());
    fresh.open();
    world.pass(60_000);
    assert_eq!(shown(&world.devices[3], "tasks", "p")["title"], "for all");
}

#[test]
fn what_its_author_shared_stays_plaintext_when_everything_is_sealed_anew() {
    let plain = Setup { sealed: Vec::new(), ..setup() };
    let mut world = World::with(1, vec![plain]);
    world.server.set_spaces("ada", setup().spaces);
    world.add(bobs()).open();
    world.devices[1].unlock(9).expect("unlocked");
    let (one, bob) = (&world.devices[0], &world.devices[1]);
    add_private(one);
    settle(&world);
    one.update_app(setup());
    one.unlock(7).expect("unlocked");
    settle(&world);
    assert!(is_sealed(&one.stored("tasks", "p")["title"]));
    one.set_visibility("tasks", "p", Visibility::Space).expect("shared");
    settle(&world);
    one.rotate(8).expect("rotated");
    settle(&world);
    for device in [one, bob] {
        assert_eq!(device.stored("tasks", "p")["title"], SECRET);
    }
}

#[test]
fn what_an_older_app_wrote_here_is_sealed_and_told_again_to_a_server_that_lost_it() {
    let plain = Setup { sealed: Vec::new(), ..setup() };
    let world = World::with(1, vec![setup(), plain]);
    let [one, older] = [&world.devices[0], &world.devices[1]];
    one.unlock(7).expect("unlocked");
    settle(&world);
    let backup = world.server.backup();
    older.add("tasks", json!({ "id": "w", "title": SECRET })).expect("added");
    settle(&world);
    older.update_app(setup());
    older.unlock(7).expect("unlocked");
    world.server.restore(&backup);
    settle(&world);
    assert!(titles(&world, "w").iter().any(is_sealed), "{:?}", titles(&world, "w"));
    for device in [one, older] {
        assert_eq!(shown(device, "tasks", "w")["title"], SECRET);
    }
}

#[test]
fn what_a_server_says_of_a_record_that_has_moved_is_not_sealed_where_it_is_now() {
    let world = family();
    let one = &world.devices[0];
    add_private(one);
    settle(&world);
    let id = one.move_to_space("tasks", "p", "home").expect("moved");
    settle(&world);
    put_made_up_note(&world);
    for device in &world.devices[..2] {
        assert_eq!(device.stored("tasks", "p")["note"], "made up", "it came");
        assert_eq!(shown(device, "tasks", &id)["title"], SECRET);
        assert_ne!(shown(device, "tasks", &id)["note"], "made up");
        assert!(!is_sealed(&device.stored("tasks", &id)["note"]), "and is nobody's");
    }
}

#[test]
fn what_a_server_puts_into_an_empty_field_is_not_sealed_where_the_record_is_moved_to() {
    let world = family();
    let one = &world.devices[0];
    add_private(one);
    settle(&world);
    world.pass(600_000);
    put_made_up_note(&world);
    assert_eq!(one.stored("tasks", "p")["note"], "made up", "it came");
    let id = one.move_to_space("tasks", "p", "home").expect("moved");
    settle(&world);
    for device in &world.devices[..2] {
        assert_eq!(shown(device, "tasks", &id)["title"], SECRET);
        assert!(!is_sealed(&device.stored("tasks", &id)["note"]), "{}", device.stored("tasks", &id));
        assert_eq!(device.stored("tasks", "p")["note"], "made up", "it stays where it was");
    }
}

#[test]
fn what_a_server_puts_into_an_empty_field_is_not_sealed_when_its_lie_about_who_sees_the_record_is_undone() {
    let world = family();
    let one = &world.devices[0];
    add_private(one);
    settle(&world);
    world.pass(600_000);
    put_made_up_note(&world);
    apply(&world, 1, "update");
    assert_eq!(one.stored("tasks", "p")["note"], "made up", "it came");
    assert_eq!(one.stored("tasks", "p")["visibility"], "space", "and the device stores what is said");
    one.set_visibility("tasks", "p", Visibility::Private).expect("set");
    settle(&world);
    for device in &world.devices[..2] {
        let stored = device.stored("tasks", "p");
        assert_eq!((&stored["visibility"], &stored["note"]), (&json!("private"), &json!("made up")), "{stored}");
        assert_eq!(shown(device, "tasks", "p")["title"], SECRET);
    }
}

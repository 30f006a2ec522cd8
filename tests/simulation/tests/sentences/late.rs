//! What a device says late of who sees a record, or of who made it, counts on the server as on the other devices: by when
//! it was said, and not by when it came.

use super::sealed::{SECRET, setup, shown, space, traces};
use super::visibility::{bobs, family, is_sealed, settle};
use mana_simulation::calls::code;
use mana_simulation::{Device, World};
use mana_sync_engine::model::Op;
use mana_sync_engine::model::Visibility::{Private, Space as Everybody};
use serde_json::{Value, json};

fn of(device: &Device, id: &str) -> Value {
    shown(device, "tasks", id)
}

/// What the server serves bob of a record, without its withdrawals.
fn served_to_bob(world: &World, id: &str) -> usize {
    let changes = world.server.changes("bob", &["tasks"]);
    changes.iter().filter(|change| change.id.as_str() == id && change.op != Op::Withdraw).count()
}

#[test]
fn a_move_that_arrives_after_the_record_was_made_private_shows_it_to_nobody() {
    let world = family();
    let [one, other, bob] = [&world.devices[0], &world.devices[1], &world.devices[2]];
    one.add("tasks", json!({ "id": "t", "title": "Cake", "due": "today", "spaceId": "home" })).expect("added");
    settle(&world);
    other.line.set_online(false);
    let id = other.move_to_space("tasks", "t", "club").expect("moved");
    other.update("tasks", &id, json!({ "due": "tomorrow" })).expect("updated");
    assert_eq!(one.move_to_space("tasks", "t", "club").expect("moved"), id);
    one.set_visibility("tasks", &id, Private).expect("set");
    one.update("tasks", &id, json!({ "title": SECRET })).expect("updated");
    world.pass(60_000);
    assert!(one.logged().is_empty(), "everything of it is on the server before the late move");
    settle(&world);
    assert_eq!((served_to_bob(&world, &id), bob.stored("tasks", &id)), (0, Value::Null));
    for device in [one, other] {
        let row = of(device, &id);
        assert_eq!((&row["visibility"], &row["title"]), (&json!("private"), &json!(SECRET)));
        assert_eq!(row["due"], "tomorrow", "what was written with the late move is there");
        assert!(is_sealed(&device.stored("tasks", &id)["title"]));
        assert!(device.engine_rows("letter").is_empty());
    }
    assert!(world.devices.iter().all(|device| !traces(device).contains("marmalade")));
}

#[test]
fn a_record_that_was_shared_again_is_not_withdrawn_by_what_made_it_private_before() {
    let world = family();
    let [one, other, bob] = [&world.devices[0], &world.devices[1], &world.devices[2]];
    one.add("tasks", json!({ "id": "t", "title": "Cake", "spaceId": "club" })).expect("added");
    settle(&world);
    other.line.set_online(false);
    other.set_visibility("tasks", "t", Private).expect("set");
    one.set_visibility("tasks", "t", Private).expect("set");
    world.pass(60_000);
    one.set_visibility("tasks", "t", Everybody).expect("set");
    world.pass(60_000);
    assert!(one.logged().is_empty());
    settle(&world);
    for device in [one, other, bob] {
        let row = of(device, "t");
        assert_eq!((&row["visibility"], &row["title"]), (&json!("space"), &json!("Cake")));
        assert!(device.engine_rows("letter").is_empty());
    }
    bob.update("tasks", "t", json!({ "title": "Tart" })).expect("updated");
    settle(&world);
    assert_eq!((&of(one, "t")["title"], &of(other, "t")["title"]), (&json!("Tart"), &json!("Tart")));
}

#[test]
fn after_two_members_moved_one_record_the_server_has_the_author_that_all_devices_have() {
    for late in [0, 2] {
        let world = family();
        for (device, setup) in world.devices.iter().zip([setup(), setup(), bobs()]) {
            let all = [setup.spaces, vec![space("team", "team")]].concat();
            world.server.set_spaces(setup.user.as_deref().expect("a user"), all.clone());
            device.set_spaces(all).expect("set");
        }
        let [one, bob] = [&world.devices[0], &world.devices[2]];
        bob.add("tasks", json!({ "id": "t", "title": "Cake", "spaceId": "club" })).expect("added");
        settle(&world);
        world.devices[late].line.set_online(false);
        let id = bob.move_to_space("tasks", "t", "team").expect("moved");
        assert_eq!(one.move_to_space("tasks", "t", "team").expect("moved"), id);
        world.pass(60_000);
        settle(&world);
        assert!(world.devices.iter().all(|device| device.stored("tasks", &id)["authorId"] == "ada"));
        assert_eq!(code(bob.set_visibility("tasks", &id, Private)), "not_the_author");
        one.set_visibility("tasks", &id, Private).expect("set");
        settle(&world);
        assert!(world.devices.iter().all(|device| device.engine_rows("letter").is_empty()), "the server agrees");
        assert_eq!((served_to_bob(&world, &id), bob.stored("tasks", &id)), (0, Value::Null));
    }
}

#[test]
fn what_somebody_else_hid_for_a_while_is_written_for_all_again() {
    let world = family();
    let [one, _, bob] = [&world.devices[0], &world.devices[1], &world.devices[2]];
    one.add("tasks", json!({ "id": "t", "title": "Cake", "spaceId": "club" })).expect("added");
    settle(&world);
    bob.line.set_online(false);
    for to in [Private, Everybody] {
        one.set_visibility("tasks", "t", to).expect("set");
        world.pass(60_000);
    }
    bob.line.set_online(true);
    settle(&world);
    bob.update("tasks", "t", json!({ "title": "Tart" })).expect("updated");
    settle(&world);
    assert_eq!(of(one, "t")["title"], "Tart");
    assert_eq!(bob.stored("tasks", "t")["title"], "Tart");
}

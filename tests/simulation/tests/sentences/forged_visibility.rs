//! A server that says of a private record that everybody sees it is believed by no way through the engine: what is made
//! anew over its deletion, moved elsewhere, or stamped anew stays sealed.

use super::sealed::{SECRET, setup, shown, space, traces};
use super::visibility::is_sealed;
use mana_simulation::{Device, Setup, World};
use mana_sync_engine::engine::Page;
use mana_sync_engine::model::Visibility;
use serde_json::{Value, json};

/// Has the first device take up what only a dishonest server would send.
pub fn apply(world: &World, number: u64, op: &str) {
    let at = format!("2026-01-01T00:10:{number:02}.000000Z");
    let mut change = json!({ "eventId": format!("00000000-0000-7000-8000-{number:012}"), "app": "todo",
        "schemaVersion": 1, "table": "tasks", "id": "p", "op": op, "at": at, "origin": "user", "spaceId": "club",
        "visibility": "space" });
    match op {
        "delete" => change["deletedAt"] = json!(at),
        _ => change["fields"] = json!({ "visibility": { "value": "space", "at": at } }),
    }
    let (engine, page) = (world.devices[0].engine(), Page { changes: vec![change], ..Page::default() });
    let applied = world.executor.block_on(99, 10, async move { engine.apply(page).await });
    applied.expect("no wait").expect("applied").expect("the clock is known");
}

/// A private record in the club that is said to be everybody's, on the first of two devices of ada's, who is in a team, too.
fn flipped() -> World {
    let spaces = vec![space("home", "personal"), space("club", "family"), space("team", "family")];
    let setup = Setup { spaces: spaces.clone(), ..setup() };
    let world = World::with(1, vec![setup; 2]);
    world.server.set_spaces("ada", spaces);
    world.devices.iter().for_each(|device| device.unlock(7).expect("unlocked"));
    let private = json!({ "id": "p", "title": SECRET, "spaceId": "club", "visibility": "private" });
    world.devices[0].add("tasks", private).expect("added");
    world.converge("ada");
    world.pass(700_000);
    apply(&world, 1, "update");
    assert_eq!(world.devices[0].stored("tasks", "p")["visibility"], "space", "the device stores it");
    world
}

/// What the app would write of the record it reads.
fn as_read(device: &Device) -> Value {
    let row = shown(device, "tasks", "p");
    json!({ "id": "p", "title": row["title"], "note": SECRET, "spaceId": row["spaceId"], "visibility": row["visibility"] })
}

fn assert_private(device: &Device, id: &str) {
    let row = device.stored("tasks", id);
    assert_eq!(row["visibility"], "private", "{row}");
    assert!(is_sealed(&row["title"]), "{row}");
    assert!(!traces(device).contains("marmalade"));
}

#[test]
fn a_record_said_to_be_everybodys_is_shown_as_its_authors_alone() {
    let world = flipped();
    let device = &world.devices[0];
    let told = || shown(device, "tasks", "p")["visibility"].clone();
    assert_eq!(told(), "private");
    device.lock();
    assert_eq!(told(), "private", "nor is it without the key");
    device.unlock(7).expect("unlocked");
    // Its author may say so.
    device.set_visibility("tasks", "p", Visibility::Space).expect("set");
    assert_eq!(told(), "space");
    device.lock();
    assert_eq!(told(), "space", "what was said is not taken back by locking");
}

#[test]
fn a_record_said_to_be_everybodys_and_deleted_by_the_server_is_put_back_sealed() {
    let world = flipped();
    let device = &world.devices[0];
    let mut row = as_read(device);
    apply(&world, 2, "delete");
    assert_eq!(shown(device, "tasks", "p"), Value::Null);
    // An app may have kept the word that it was told, too.
    row["visibility"] = json!("space");
    device.put("tasks", row).expect("put");
    assert_private(device, "p");
}

#[test]
fn a_record_said_to_be_everybodys_is_put_back_as_it_was_read() {
    for word in [None, Some("space")] {
        let world = flipped();
        let device = &world.devices[0];
        let mut row = as_read(device);
        device.delete("tasks", "p").expect("deleted");
        if let Some(word) = word {
            row["visibility"] = json!(word);
        }
        device.put("tasks", row).expect("put");
        assert_private(device, "p");
    }
}

#[test]
fn a_record_said_to_be_everybodys_arrives_sealed_in_another_shared_space() {
    let world = flipped();
    let device = &world.devices[0];
    let id = device.move_to_space("tasks", "p", "team").expect("moved");
    assert_eq!(device.stored("tasks", &id)["spaceId"], "team");
    assert_private(device, &id);
}

#[test]
fn an_edit_of_a_record_said_to_be_everybodys_is_stamped_anew_once_the_key_is_here() {
    for offset in [-86_400_000, 86_400_000] {
        let world = flipped();
        let device = &world.devices[0];
        device.line.set_online(false);
        device.clock.jump(offset);
        device.update("tasks", "p", json!({ "title": format!("{SECRET} again") })).expect("updated");
        device.lock();
        device.line.set_online(true);
        world.pass(60_000);
        device.unlock(7).expect("unlocked");
        assert_eq!(shown(device, "tasks", "p")["title"], format!("{SECRET} again"), "off by {offset} ms");
        world.pass(60_000);
        assert_eq!(shown(device, "tasks", "p")["title"], format!("{SECRET} again"), "off by {offset} ms");
        assert!(device.logged().is_empty() && !traces(device).contains("marmalade"));
    }
}

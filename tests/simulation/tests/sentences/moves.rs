//! A record that moves to another space is one record there, whoever moves it and however often, sealed as that space
//! says; nothing of it is lost on the way, and nothing private gets there without being sent.

use super::sealed::{SECRET, setup, shown, space, traces};
use super::visibility::{family, is_sealed, offline_off_by, settle};
use mana_simulation::calls::code;
use mana_simulation::{Device, World};
use mana_sync_engine::engine::{Event, Page};
use serde_json::{Value, json};

/// A record of ada's own, that both her devices have.
fn own() -> World {
    let world = family();
    let record = json!({ "id": "t", "title": "Cake", "note": { "deep": 1 }, "due": "today", "spaceId": "home" });
    world.devices[0].add("tasks", record).expect("added");
    settle(&world);
    world
}

/// A record in the club that everybody has.
fn clubs() -> World {
    let world = family();
    world.devices[2]
        .add("tasks", json!({ "id": "t", "title": "Cake", "due": "today", "spaceId": "club" }))
        .expect("added");
    settle(&world);
    world
}

fn of(device: &Device, id: &str) -> Value {
    shown(device, "tasks", id)
}

fn stamps(device: &Device, id: &str) -> Vec<Value> {
    let meta = device.stored("tasks", id)["__fieldMeta"].clone();
    ["title", "note", "due"].iter().map(|field| meta[field]["at"].clone()).collect()
}

#[test]
fn what_moves_to_a_shared_space_is_plaintext_there_and_keeps_its_stamps() {
    let world = own();
    let [one, other, bob] = [&world.devices[0], &world.devices[1], &world.devices[2]];
    let before = stamps(one, "t");
    let id = one.move_to_space("tasks", "t", "club").expect("moved");
    assert_eq!(one.store_rows("_changeLog").len(), 1, "one row of the log");
    let logged = one.logged();
    assert_eq!(logged.len(), 2);
    assert!(logged[0].1["group"].is_string() && logged[0].1["group"] == logged[1].1["group"]);
    settle(&world);
    for device in [one, other, bob] {
        let row = device.stored("tasks", &id);
        assert_eq!((&row["title"], &row["note"]), (&json!("Cake"), &json!({ "deep": 1 })));
        assert_eq!((&row["spaceId"], &row["authorId"]), (&json!("club"), &json!("ada")));
        assert_eq!(stamps(device, &id), before);
    }
    for device in [one, other] {
        assert_eq!(of(device, "t"), Value::Null);
        assert_eq!(device.stored("tasks", "t")["movedTo"], json!(id));
        assert!(is_sealed(&device.stored("tasks", "t")["title"]), "what was sealed stays so where it was");
    }
    // On every device it is the club's now.
    other.update("tasks", &id, json!({ "title": "Tart" })).expect("updated");
    settle(&world);
    assert_eq!(bob.stored("tasks", &id)["title"], "Tart");
}

#[test]
fn what_moves_to_ones_own_space_is_sealed_there() {
    let world = clubs();
    let [one, other, bob] = [&world.devices[0], &world.devices[1], &world.devices[2]];
    let id = one.move_to_space("tasks", "t", "home").expect("moved");
    settle(&world);
    for device in [one, other] {
        assert!(is_sealed(&device.stored("tasks", &id)["title"]));
        assert_eq!((&of(device, &id)["title"], &of(device, &id)["authorId"]), (&json!("Cake"), &json!("ada")));
    }
    assert_eq!((of(bob, "t"), bob.stored("tasks", &id)), (Value::Null, Value::Null));
}

#[test]
fn a_move_made_twice_or_on_two_devices_gives_one_record() {
    let world = own();
    let [one, other] = [&world.devices[0], &world.devices[1]];
    other.line.set_online(false);
    let id = one.move_to_space("tasks", "t", "club").expect("moved");
    assert_eq!(one.move_to_space("tasks", "t", "club").expect("moved already"), id);
    assert_eq!(one.logged().len(), 2, "nothing was written again");
    world.pass(10_000);
    assert_eq!(other.move_to_space("tasks", "t", "club").expect("moved"), id);
    settle(&world);
    let rows = |device: &Device| device.rows("tasks").into_iter().filter(|row| row["title"] == "Cake").count();
    assert!(world.devices.iter().all(|device| rows(device) == 1));
    assert_eq!(one.move_to_space("tasks", &id, "club").expect("it is there"), id);
    // Brought back and moved again it is the same record, and live.
    one.delete("tasks", &id).expect("deleted");
    one.restore("tasks", "t").expect("restored");
    one.update("tasks", "t", json!({ "title": "Cake again" })).expect("updated");
    assert_eq!(one.move_to_space("tasks", "t", "club").expect("moved"), id);
    settle(&world);
    for device in &world.devices {
        assert_eq!(of(device, &id)["title"], "Cake again");
    }
}

#[test]
fn an_edit_the_mover_had_not_seen_is_made_where_the_record_is_now() {
    // Bob edits what ada moves to her own space; there it is sealed.
    let world = clubs();
    let [one, other, bob] = [&world.devices[0], &world.devices[1], &world.devices[2]];
    bob.line.set_online(false);
    world.pass(1_000);
    bob.update("tasks", "t", json!({ "title": format!("{SECRET} of bob's") })).expect("updated");
    let at = bob.stored("tasks", "t")["__fieldMeta"]["title"]["at"].clone();
    world.pass(1_000);
    let id = one.move_to_space("tasks", "t", "home").expect("moved");
    other.lock();
    one.lock();
    world.pass(10_000);
    settle(&world);
    assert!(!of(one, &id).to_string().contains("marmalade"), "it takes the key");
    one.unlock(7).expect("unlocked");
    other.unlock(7).expect("unlocked");
    settle(&world);
    for device in [one, other] {
        assert_eq!(of(device, &id)["title"], format!("{SECRET} of bob's"));
        let row = device.stored("tasks", &id);
        assert!(is_sealed(&row["title"]));
        assert_eq!(row["__fieldMeta"]["title"]["at"], at, "under the stamp it had");
    }
    // Ada's other device edits what she moves from one shared space to another.
    let world = clubs();
    let all = [setup().spaces, vec![space("team", "team")]].concat();
    world.server.set_spaces("ada", all.clone());
    let [one, other] = [&world.devices[0], &world.devices[1]];
    for device in [one, other] {
        device.set_spaces(all.clone()).expect("set");
    }
    other.line.set_online(false);
    other.update("tasks", "t", json!({ "title": "edited" })).expect("updated");
    let id = one.move_to_space("tasks", "t", "team").expect("moved");
    world.pass(10_000);
    settle(&world);
    assert_eq!((&of(one, &id)["title"], &of(other, &id)["title"]), (&json!("edited"), &json!("edited")));
}

#[test]
fn an_edit_of_what_was_sealed_is_not_made_where_all_can_read_it_but_told() {
    let world = own();
    let [one, other, bob] = [&world.devices[0], &world.devices[1], &world.devices[2]];
    other.line.set_online(false);
    other.update("tasks", "t", json!({ "title": SECRET, "due": "tomorrow" })).expect("updated");
    let id = one.move_to_space("tasks", "t", "club").expect("moved");
    world.pass(10_000);
    let _ = one.take_events();
    settle(&world);
    for device in &world.devices {
        assert!(!traces(device).contains("marmalade"));
        assert_eq!((&of(device, &id)["title"], &of(device, &id)["due"]), (&json!("Cake"), &json!("tomorrow")));
    }
    assert!(is_sealed(&one.stored("tasks", "t")["title"]), "it is not lost");
    let told = one.take_events().into_iter().find_map(|event| match event {
        Event::Conflict(conflict) => Some(conflict),
        _ => None,
    });
    let told = told.expect("the person is told");
    assert_eq!((told.id, told.local.value, told.incoming.value), (id, json!(SECRET), json!("Cake")));
    assert!(bob.stored("tasks", "t").is_null());
}

#[test]
fn deleting_restoring_and_putting_on_another_device_brings_nothing_private_there() {
    let acts: [fn(&Device); 4] = [
        |device| {
            device.delete("tasks", "t").expect("deleted");
        },
        |device| {
            device.delete("tasks", "t").expect("deleted");
            device.put("tasks", json!({ "id": "t", "title": SECRET, "spaceId": "home" })).expect("put");
        },
        |device| {
            device.put("tasks", json!({ "id": "t", "title": SECRET })).expect("put");
            device.delete("tasks", "t").expect("deleted");
            device.restore("tasks", "t").expect("restored");
        },
        |device| {
            device.update("tasks", "t", json!({ "title": SECRET })).expect("updated");
            device.set_visibility("tasks", "t", mana_sync_engine::model::Visibility::Private).expect("set");
        },
    ];
    for act in acts {
        for first in [0, 1] {
            let world = own();
            let [mover, other] = [&world.devices[first], &world.devices[1 - first]];
            world.devices[1].line.set_online(false);
            act(other);
            world.pass(2_000);
            let id = mover.move_to_space("tasks", "t", "club").expect("moved");
            world.pass(10_000);
            settle(&world);
            for device in &world.devices {
                assert!(!traces(device).contains("marmalade"), "{}", device.stored("tasks", &id));
            }
            let rows: Vec<Value> = world.devices[..2].iter().map(|device| of(device, "t")).collect();
            assert_eq!(rows[0], rows[1], "both devices agree");
        }
    }
}

#[test]
fn a_move_that_cannot_be_made_is_refused_at_once() {
    let world = own();
    let device = &world.devices[0];
    let before = device.stored("tasks", "t");
    assert_eq!(code(device.move_to_space("tasks", "t", "nowhere")), "unknown_space");
    let mut club = space("club", "family");
    club.role = Some("viewer".to_owned());
    device.set_spaces(vec![space("home", "personal"), club]).expect("set");
    assert_eq!(code(device.move_to_space("tasks", "t", "club")), "read_only_space");
    device.set_spaces(setup().spaces).expect("set");
    assert_eq!(code(device.move_to_space("tasks", "none", "club")), "not_found");
    assert_eq!(code(device.move_to_space("settings", "t", "club")), "invalid_argument");
    device.lock();
    assert_eq!(code(device.move_to_space("tasks", "t", "club")), "vault_locked");
    assert_eq!((device.stored("tasks", "t"), device.logged().len()), (before, 0));
}

#[test]
fn a_refused_move_is_a_dead_letter_as_a_whole() {
    let world = own();
    let device = &world.devices[0];
    // The server knows of no club any more, and the app does not know yet.
    world.server.set_spaces("ada", vec![space("home", "personal")]);
    let id = device.move_to_space("tasks", "t", "club").expect("moved");
    world.pass(60_000);
    assert!(device.logged().is_empty());
    let letters = device.engine_rows("letter");
    assert_eq!(letters.len(), 2);
    assert!(letters.iter().all(|letter| letter["code"] == "not_a_member"));
    assert_eq!(letters[0]["change"]["group"], letters[1]["change"]["group"]);
    assert!(device.stored("tasks", &id).is_object() && device.stored("tasks", "t").is_object(), "nothing is lost");
    let of_server = world.server.changes("ada", &["tasks"]);
    assert_eq!(of_server.iter().filter(|change| change.id.as_str() == "t").count(), 1, "it took none of it");
}

#[test]
fn nobody_sends_edits_elsewhere_by_saying_that_a_record_was_moved() {
    let world = own();
    let device = &world.devices[0];
    device.add("tasks", json!({ "id": "club-1", "title": "for all", "spaceId": "club" })).expect("added");
    settle(&world);
    world.pass(700_000);
    let at = "2026-01-01T00:15:00.000000Z";
    let mut change = json!({ "eventId": "00000000-0000-7000-8000-000000000001", "app": "todo", "schemaVersion": 1,
        "table": "tasks", "id": "t", "op": "delete", "at": at, "origin": "user", "spaceId": "_personal:ada",
        "visibility": "space", "deletedAt": at, "fields": { "movedTo": { "value": "club-1", "at": at } } });
    let newer = json!({ "value": "made up", "at": at });
    let mut update = change.clone();
    (update["op"], update["deletedAt"]) = (json!("update"), Value::Null);
    update["fields"] = json!({ "due": newer, "title": newer });
    change["eventId"] = json!("00000000-0000-7000-8000-000000000002");
    let (engine, page) = (device.engine(), Page { changes: vec![change, update], ..Page::default() });
    let applied = world.executor.block_on(99, 10, async move { engine.apply(page).await });
    applied.expect("no wait").expect("applied").expect("the clock is known");
    settle(&world);
    assert_eq!((&of(device, "club-1")["title"], &of(device, "club-1")["due"]), (&json!("for all"), &Value::Null));
}

#[test]
fn a_move_made_under_a_wrong_clock_is_one_under_the_right_one() {
    for offset in [86_400_000, -86_400_000, 0] {
        let mut world = family();
        let late = offline_off_by(&mut world, offset);
        late.add("tasks", json!({ "id": "t", "title": SECRET, "due": "a", "spaceId": "home" })).expect("added");
        late.update("tasks", "t", json!({ "due": "b" })).expect("updated");
        let shared = late.move_to_space("tasks", "t", "club").expect("moved");
        let own = late.move_to_space("tasks", &shared, "home").expect("and back");
        settle(&world);
        world.pass(120_000);
        for device in [&world.devices[0], &world.devices[3]] {
            let row = of(device, &own);
            assert_eq!((&row["title"], &row["due"]), (&json!(SECRET), &json!("b")), "off by {offset} ms");
            assert_eq!((of(device, "t"), of(device, &shared)), (Value::Null, Value::Null));
        }
    }
}

#[test]
fn a_private_record_does_not_move_into_one_that_others_see() {
    let world = family();
    let all = [setup().spaces, vec![space("team", "team")]].concat();
    world.server.set_spaces("ada", all.clone());
    let device = &world.devices[0];
    device.set_spaces(all).expect("set");
    let private = json!({ "id": "t", "title": SECRET, "spaceId": "club", "visibility": "private" });
    device.add("tasks", private).expect("added");
    let planted = mana_sync_engine::model::RecordId::parse("t").expect("an id").in_space("team");
    device.add("tasks", json!({ "id": planted.as_str(), "title": "planted", "spaceId": "team" })).expect("added");
    assert_eq!(code(device.move_to_space("tasks", "t", "team")), "already_exists");
    device.delete("tasks", planted.as_str()).expect("deleted");
    let id = device.move_to_space("tasks", "t", "team").expect("moved");
    assert_eq!((device.stored("tasks", &id)["visibility"].clone(), id.as_str()), (json!("private"), planted.as_str()));
    settle(&world);
    assert!(!traces(device).contains("marmalade"));
    assert_eq!(of(&world.devices[1], &id), Value::Null, "the other device's app has not named the space");
    world.devices[1].set_spaces([setup().spaces, vec![space("team", "team")]].concat()).expect("set");
    assert_eq!(of(&world.devices[1], &id)["title"], SECRET);
}

#[test]
fn an_edit_follows_a_record_that_was_moved_twice() {
    let world = clubs();
    let [one, other, bob] = [&world.devices[0], &world.devices[1], &world.devices[2]];
    other.line.set_online(false);
    other.update("tasks", "t", json!({ "due": "tomorrow" })).expect("updated");
    let club = one.move_to_space("tasks", "t", "home").expect("moved");
    world.pass(10_000);
    let back = one.move_to_space("tasks", &club, "club").expect("moved");
    world.pass(10_000);
    other.line.set_online(true);
    settle(&world);
    for device in [one, other, bob] {
        assert_eq!(of(device, &back)["due"], json!("tomorrow"));
    }
}

#[test]
fn a_record_that_is_too_large_to_be_said_at_once_stays_where_it_is() {
    let world = own();
    let one = &world.devices[0];
    for field in ["one", "two"] {
        one.update("tasks", "t", json!({ field: "x".repeat(5 << 20) })).expect("updated");
    }
    settle(&world);
    let before = one.stored("tasks", "t");
    assert_eq!(code(one.move_to_space("tasks", "t", "club")), "value_not_syncable");
    assert_eq!((one.stored("tasks", "t"), one.logged().len()), (before, 0));
    one.add("tasks", json!({ "id": "other", "title": "goes on" })).expect("added");
    settle(&world);
}

//! What servers, other members and mistakes try against sealed fields. None of it makes the engine write in plaintext what
//! was the user's alone, show one user's values to another, or stop.

use super::sealed::{self, SECRET, setup, space, traces, world};
use mana_simulation::calls::code;
use mana_simulation::setup::user_named;
use mana_simulation::{Device, Setup, World};
use mana_sync_engine::engine::{Branch, Event, Page, Query, User};
use mana_sync_engine::store::Key;
use serde_json::{Value, json};

const LATER: &str = "2026-01-01T00:10:00.000000Z";
/// A text with an envelope's form that no key opens.
const LOOKS_SEALED: &str = "enc:2:0001b856b0b4.oKGio6Slpqeoqaqr.xF8O7vkIndpAcu7/WZmst2jeZdwYGxyqSA==";

fn shown(device: &Device, id: &str) -> Value {
    sealed::shown(device, "tasks", id)
}

fn assert_no_trace(device: &Device) {
    let all = traces(device);
    assert!(!all.contains("marmalade"), "{}", all.split("marmalade").next().unwrap_or_default());
}

/// Applies what only a dishonest server would send.
fn apply(world: &World, changes: Vec<Value>) {
    let (engine, page) = (world.devices[0].engine(), Page { changes, ..Page::default() });
    let applied = world.executor.block_on(99, 10, async move { engine.apply(page).await });
    applied.expect("no wait").expect("applied").expect("the clock is known");
}

fn change(number: u64, id: &str, op: &str, more: &Value) -> Value {
    let mut change = json!({ "eventId": format!("00000000-0000-7000-8000-{number:012}"), "app": "todo",
        "schemaVersion": 1, "table": "tasks", "id": id, "op": op, "at": LATER, "origin": "user", "spaceId": "club",
        "visibility": "space" });
    for (name, value) in more.as_object().into_iter().flatten() {
        change[name] = value.clone();
    }
    change
}

/// A world in which a private record of a shared space is said to be everybody's, with these fields besides.
fn flipped(fields: &Value) -> World {
    let world = world();
    let private = json!({ "id": "p", "title": SECRET, "spaceId": "club", "visibility": "private" });
    world.devices[0].add("tasks", private).expect("added");
    world.converge("ada");
    world.pass(700_000);
    let mut all = json!({ "visibility": { "value": "space", "at": LATER } });
    for (name, value) in fields.as_object().into_iter().flatten() {
        all[name] = json!({ "value": value, "at": LATER });
    }
    apply(&world, vec![change(1, "p", "update", &json!({ "fields": all }))]);
    world
}

fn set_user(world: &World, user: Option<User>) {
    let engine = world.devices[0].engine();
    let set = world.executor.block_on(99, 1000, async move { engine.set_user(user).await });
    set.expect("no wait").expect("set");
}

#[test]
fn a_record_said_to_be_everybodys_takes_no_plaintext_in_any_registered_field() {
    for (field, fields) in [("title", json!({})), ("note", json!({})), ("title", json!({ "title": "" }))] {
        let world = flipped(&fields);
        let device = &world.devices[0];
        device.update("tasks", "p", json!({ field: SECRET })).expect("updated");
        assert_no_trace(device);
        assert_eq!(shown(device, "p")[field], SECRET);
        device.lock();
        assert_eq!(code(device.update("tasks", "p", json!({ field: format!("{SECRET} again") }))), "vault_locked");
    }
}

#[test]
fn a_private_record_made_anew_after_its_deletion_stays_private() {
    let world = flipped(&json!({}));
    let device = &world.devices[0];
    device
        .add("tasks", json!({ "id": "q", "title": SECRET, "spaceId": "club", "visibility": "private" }))
        .expect("added");
    device.delete("tasks", "q").expect("deleted");
    device.put("tasks", json!({ "id": "q", "title": SECRET, "note": SECRET })).expect("put");
    assert_eq!(device.stored("tasks", "q")["visibility"], "private");
    assert_no_trace(device);
    // Unless the app says otherwise.
    device.delete("tasks", "q").expect("deleted");
    let for_all = json!({ "id": "q", "title": "for all", "spaceId": "club", "visibility": "space" });
    device.add("tasks", for_all).expect("added");
    assert_eq!(device.stored("tasks", "q")["title"], "for all");
}

#[test]
fn a_tombstone_in_a_shared_space_does_not_draw_a_record_of_ones_own_there() {
    let world = world();
    world.pass(700_000);
    let data = json!({ "data": { "title": "x", "authorId": "bob", "visibility": "space", "deletedAt": null } });
    let at = "2026-01-01T00:10:01.000000Z";
    let deleted = change(2, "journal-1", "delete", &json!({ "deletedAt": at, "at": at }));
    apply(&world, vec![change(1, "journal-1", "insert", &data), deleted]);
    let device = &world.devices[0];
    for record in [
        json!({ "id": "journal-1", "title": SECRET, "spaceId": "home" }),
        json!({ "id": "journal-1", "title": SECRET }),
    ] {
        assert_eq!(code(device.add("tasks", record)), "immutable_field");
    }
    assert_no_trace(device);
    // Nor does it draw one of another shared space there.
    let spaces = vec![space("home", "personal"), space("club", "family"), space("team", "family")];
    world.server.set_spaces("ada", spaces.clone());
    device.set_spaces(spaces).expect("set");
    let of_team = json!({ "id": "journal-1", "title": SECRET, "spaceId": "team" });
    assert_eq!(code(device.add("tasks", of_team)), "immutable_field");
    assert_no_trace(device);
}

#[test]
fn nobody_signed_in_writes_over_what_is_sealed() {
    let world = world();
    let device = &world.devices[0];
    device.add("tasks", json!({ "id": "t", "title": SECRET, "spaceId": "home" })).expect("added");
    world.converge("ada");
    set_user(&world, None);
    assert!(device.update("tasks", "t", json!({ "title": format!("{SECRET} as guest") })).is_err());
    assert_no_trace(device);
}

#[test]
fn a_list_set_while_nobody_was_signed_in_shares_nothing() {
    let world = world();
    let device = &world.devices[0];
    set_user(&world, None);
    device.set_spaces(vec![space("home", "family"), space("club", "family")]).expect("a guest's own list");
    set_user(&world, Some(user_named("ada")));
    device.unlock(7).expect("unlocked");
    device.add("tasks", json!({ "id": "t", "title": SECRET, "spaceId": "home" })).expect("added");
    assert_no_trace(device);
}

#[test]
fn a_text_that_looks_sealed_is_a_text_in_a_shared_record() {
    let mut world = world();
    let late = world.add(setup());
    late.clock.jump(3_000);
    late.line.set_online(false);
    late.open();
    late.unlock(7).expect("unlocked");
    late.add("tasks", json!({ "id": "s", "title": LOOKS_SEALED, "spaceId": "club" })).expect("added");
    late.line.set_online(true);
    world.converge("ada");
    assert_eq!(shown(&world.devices[0], "s")["title"], LOOKS_SEALED, "sync did not stop over it");
    let [one, other] = [&world.devices[0], &world.devices[1]];
    one.line.set_online(false);
    one.update("tasks", "s", json!({ "title": format!("{LOOKS_SEALED}") })).expect("no edit");
    one.update("tasks", "s", json!({ "title": LOOKS_SEALED.replace("oKG", "oKH") })).expect("updated");
    world.pass(5);
    other.update("tasks", "s", json!({ "title": "theirs" })).expect("updated");
    world.pass(5_000);
    let _ = one.take_events();
    one.line.set_online(true);
    world.converge("ada");
    let lost = one.take_events().into_iter().find_map(|event| match event {
        Event::Conflict(conflict) => Some(conflict.local.value),
        _ => None,
    });
    assert_eq!(lost, Some(json!(LOOKS_SEALED.replace("oKG", "oKH"))));
}

#[test]
fn two_equal_edits_are_no_conflict_though_they_were_sealed_apart() {
    let world = world();
    let [one, other] = [&world.devices[0], &world.devices[1]];
    one.add("tasks", json!({ "id": "t", "title": "first" })).expect("added");
    world.converge("ada");
    one.line.set_online(false);
    one.update("tasks", "t", json!({ "title": "same" })).expect("updated");
    world.pass(5);
    other.update("tasks", "t", json!({ "title": "same" })).expect("updated");
    world.pass(5_000);
    let _ = one.take_events();
    one.line.set_online(true);
    world.converge("ada");
    assert!(!one.take_events().iter().any(|event| matches!(event, Event::Conflict(_))));
}

#[test]
fn edits_that_are_sealed_anew_still_say_what_they_replaced() {
    for field in ["due", "title"] {
        let mut world = world();
        world.devices[0].add("tasks", json!({ "id": "t", "title": "v0", "due": "v0" })).expect("added");
        world.add(setup()).open();
        world.devices[2].unlock(7).expect("unlocked");
        world.converge("ada");
        let late = &world.devices[2];
        late.close();
        late.line.set_online(false);
        late.clock.jump(3_000);
        late.open();
        late.unlock(7).expect("unlocked");
        let base = late.stored("tasks", "t")["__fieldMeta"][field]["at"].clone();
        for value in ["v1", "v2"] {
            late.update("tasks", "t", json!({ field: value })).expect("updated");
            world.pass(2_000);
        }
        late.line.set_online(true);
        world.pass(60_000);
        let bodies = late.line.sent_to("/v2/push").into_iter();
        let changes = bodies.flat_map(|body| {
            let body: Value = serde_json::from_str(&body).expect("JSON");
            body["changes"].as_array().cloned().unwrap_or_default()
        });
        let of_records = changes.filter(|change| change["table"] == "tasks");
        let prevs: Vec<Value> = of_records.map(|change| change["fields"][field]["prev"].clone()).collect();
        assert_eq!(prevs, [base], "{field}: one change, over what was there before");
    }
}

#[test]
fn a_key_stays_with_its_user_and_with_the_last_word() {
    let world = world();
    let device = &world.devices[0];
    let bob = Setup { spaces: vec![space("bobs", "personal")], user: Some("bob".to_owned()), ..setup() };
    device.hand_over(bob).expect("opened");
    world.pass(100);
    assert!(device.session_at(1).expect("open").engine().is_locked(), "bob has none of ada's keys");
    let device = &world.devices[1];
    device.open_second().expect("opened");
    // It has asked for the key, and nobody has heard it yet.
    device.session_at(1).expect("open").engine().lock();
    world.pass(1_000);
    assert!(device.engine().is_locked() && device.session_at(1).expect("open").engine().is_locked());
}

#[test]
fn a_wrong_key_that_was_tried_first_seals_nothing() {
    for (wrong, right) in [(7, 8), (8, 7)] {
        let world = world();
        let [one, other] = [&world.devices[0], &world.devices[1]];
        one.unlock(wrong).expect("a mistake");
        one.unlock(right).expect("the right one");
        other.unlock(right).expect("the right one");
        one.add("tasks", json!({ "id": "t", "title": SECRET })).expect("added");
        world.converge("ada");
        assert_eq!(shown(other, "t")["title"], SECRET);
    }
}

#[test]
fn what_is_sealed_cannot_be_looked_for_ordered_by_or_reached_into_while_it_is_locked() {
    let world = world();
    let device = &world.devices[0];
    device.add("tasks", json!({ "id": "t", "title": "C", "note": { "a": 1 } })).expect("added");
    let branch = Branch::equal([("title".to_owned(), Key::text("C"))]);
    let ordered = Query { order: Some("title".to_owned()), ..Query::of("tasks", Branch::default()) };
    for query in [Query::of("tasks", branch), ordered] {
        let engine = device.engine();
        let read = world.executor.block_on(99, 1000, async move { engine.read(&query).await });
        assert_eq!(code(read.expect("no wait")), "unknown_index");
    }
    device.lock();
    assert_eq!(code(device.update("tasks", "t", json!({ "note.b": 2 }))), "vault_locked");
    device.unlock(7).expect("unlocked");
    let large = "x".repeat(6_800_000);
    assert_eq!(code(device.add("tasks", json!({ "id": "l", "title": large }))), "value_not_syncable");
}

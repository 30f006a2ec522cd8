//! Who sees a record is its author's to say, and nobody else's: what is private is sealed and leaves the others, what is
//! shared comes back to them whole, and on the author's other devices it is what it was said to be.

use super::sealed::{SECRET, setup, shown, space, traces, world};
use mana_simulation::calls::code;
use mana_simulation::{Device, Setup, World};
use mana_sync_engine::crypto::Envelope;
use mana_sync_engine::engine::{Kind, Page};
use mana_sync_engine::model::Visibility::{Private, Space as Everybody};
use serde_json::{Value, json};

pub fn bobs() -> Setup {
    let spaces = vec![space("bobs", "personal"), space("club", "family")];
    Setup { spaces, user: Some("bob".to_owned()), ..setup() }
}

/// Two devices of ada's with her key and one of bob's with his, who are in a club together.
pub fn family() -> World {
    let mut world = world();
    world.add(bobs()).open();
    world.devices[2].unlock(9).expect("unlocked");
    world.pass(5_000);
    world
}

pub fn settle(world: &World) {
    world.devices.iter().for_each(|device| device.line.set_online(true));
    world.pass(180_000);
    for device in &world.devices {
        assert!(
            device.logged().is_empty(),
            "everything was sent: {:?} {:?}",
            device.session().status(),
            device.logged()
        );
    }
}

pub fn is_sealed(value: &Value) -> bool {
    value.as_str().is_some_and(|text| Envelope::parse(text).is_some())
}

/// One more device of ada's, opened offline with a clock that is so many milliseconds off.
pub fn offline_off_by(world: &mut World, offset: i64) -> &Device {
    let device = world.add(setup());
    device.clock.jump(offset);
    device.line.set_online(false);
    device.open();
    device.unlock(7).expect("unlocked");
    device
}

/// A record of ada's in the club that everybody has.
fn shared() -> World {
    let world = family();
    let record = json!({ "id": "t", "title": "Cake", "note": null, "due": "today", "spaceId": "club" });
    world.devices[0].add("tasks", record).expect("added");
    settle(&world);
    world
}

/// A private record of ada's in the club.
fn private() -> World {
    let world = family();
    let record = json!({ "id": "t", "title": SECRET, "due": "today", "spaceId": "club", "visibility": "private" });
    world.devices[0].add("tasks", record).expect("added");
    settle(&world);
    world
}

fn title(device: &Device) -> Value {
    shown(device, "tasks", "t")["title"].clone()
}

#[test]
fn what_becomes_private_is_sealed_and_leaves_the_others_and_comes_back_whole() {
    let world = shared();
    let [one, other, bob] = [&world.devices[0], &world.devices[1], &world.devices[2]];
    assert_eq!(title(bob), "Cake");
    one.set_visibility("tasks", "t", Private).expect("set");
    assert!(is_sealed(&one.stored("tasks", "t")["title"]) && one.stored("tasks", "t")["note"].is_null());
    settle(&world);
    assert_eq!(bob.stored("tasks", "t"), Value::Null, "not even a marker is left");
    assert_eq!((title(one), title(other)), (json!("Cake"), json!("Cake")));
    other.update("tasks", "t", json!({ "title": SECRET, "note": SECRET })).expect("updated");
    settle(&world);
    for device in &world.devices {
        assert!(!traces(device).contains("marmalade"));
    }
    one.set_visibility("tasks", "t", Everybody).expect("set");
    settle(&world);
    for device in &world.devices {
        let row = device.stored("tasks", "t");
        assert_eq!((&row["title"], &row["note"], &row["due"]), (&json!(SECRET), &json!(SECRET), &json!("today")));
        assert_eq!((&row["visibility"], &row["authorId"]), (&json!("space"), &json!("ada")));
    }
}

#[test]
fn each_field_is_a_tick_above_what_it_was_so_that_edits_made_meanwhile_win() {
    let world = shared();
    let [one, other] = [&world.devices[0], &world.devices[1]];
    let before = one.stored("tasks", "t")["__fieldMeta"].clone();
    other.line.set_online(false);
    world.pass(1_000);
    other.update("tasks", "t", json!({ "due": "tomorrow" })).expect("updated");
    world.pass(1_000);
    let written = one.set_visibility("tasks", "t", Private).expect("set");
    assert_eq!((written.count, one.logged().len()), (1, 1), "one change");
    let logged = one.logged()[0].1.clone();
    for field in ["title", "due", "visibility", "note"] {
        let (was, is) = (before[field]["at"].as_str(), logged["fields"][field]["at"].as_str());
        let [was, is] = [was, is].map(|at| mana_sync_engine::model::Stamp::parse(at.expect("a stamp")).expect("one"));
        assert_eq!(was.next(), is, "{field}");
    }
    assert_eq!(logged["op"], "insert");
    settle(&world);
    assert_eq!(shown(one, "tasks", "t")["due"], "tomorrow");
    assert_eq!(shown(other, "tasks", "t")["visibility"], "private");
    assert_eq!(one.set_visibility("tasks", "t", Private).expect("set already").count, 0);
    assert!(one.logged().is_empty());
}

#[test]
fn on_the_authors_other_devices_a_shared_record_is_written_for_all() {
    let world = private();
    let [one, other, bob] = [&world.devices[0], &world.devices[1], &world.devices[2]];
    other.lock();
    one.set_visibility("tasks", "t", Everybody).expect("set");
    settle(&world);
    // Nothing but the key can tell.
    assert_eq!(code(other.update("tasks", "t", json!({ "title": "Jam" }))), "vault_locked");
    other.unlock(7).expect("unlocked");
    other.update("tasks", "t", json!({ "title": "Jam", "note": "n" })).expect("updated");
    settle(&world);
    for device in [one, other, bob] {
        let row = device.stored("tasks", "t");
        assert_eq!((&row["title"], &row["note"]), (&json!("Jam"), &json!("n")));
    }
    bob.update("tasks", "t", json!({ "title": "Bob's jam" })).expect("updated");
    settle(&world);
    assert_eq!(title(other), "Bob's jam");
    // Private again, it is sealed again on all of them.
    other.set_visibility("tasks", "t", Private).expect("set");
    settle(&world);
    one.update("tasks", "t", json!({ "title": SECRET })).expect("updated");
    assert!(is_sealed(&one.stored("tasks", "t")["title"]));
}

#[test]
fn a_server_that_says_a_record_is_everybodys_is_not_believed_without_the_key() {
    let world = private();
    let [one, other] = [&world.devices[0], &world.devices[1]];
    // Once it was really shared, and made private again.
    one.set_visibility("tasks", "t", Everybody).expect("set");
    settle(&world);
    let released = world
        .server
        .changes("ada", &["tasks"])
        .into_iter()
        .find(|change| change.fields.keys().any(|field| field.as_str() == "shareProof"));
    let mut released = released.expect("it says so by the key").to_json();
    one.set_visibility("tasks", "t", Private).expect("set");
    settle(&world);
    other
        .add("tasks", json!({ "id": "u", "title": SECRET, "spaceId": "club", "visibility": "private" }))
        .expect("added");
    settle(&world);
    world.pass(900_000);
    let at = "2026-01-01T00:15:00.000000Z";
    for field in ["visibility", "shareProof"] {
        released["fields"][field]["at"] = json!(at);
    }
    released["at"] = json!(at);
    let mut of_another = released.clone();
    of_another["id"] = json!("u");
    for (number, change) in [&mut released, &mut of_another].into_iter().enumerate() {
        change["eventId"] = json!(format!("00000000-0000-7000-8000-00000000000{number}"));
    }
    let (engine, page) = (other.engine(), Page { changes: vec![released, of_another], ..Page::default() });
    let applied = world.executor.block_on(99, 10, async move { engine.apply(page).await });
    applied.expect("no wait").expect("applied").expect("the clock is known");
    for id in ["t", "u"] {
        assert_eq!(other.stored("tasks", id)["visibility"], "space", "the device believes it");
        other.update("tasks", id, json!({ "title": format!("{SECRET} new"), "note": SECRET })).expect("updated");
        let row = other.stored("tasks", id);
        assert!(is_sealed(&row["title"]) && is_sealed(&row["note"]), "{row}");
    }
}

#[test]
fn an_edit_made_while_the_record_was_private_stays_sealed_when_it_was_shared_meanwhile() {
    let world = private();
    let [one, other, bob] = [&world.devices[0], &world.devices[1], &world.devices[2]];
    other.line.set_online(false);
    world.pass(1_000);
    other
        .update("tasks", "t", json!({ "title": format!("{SECRET}, still private"), "note": SECRET }))
        .expect("updated");
    one.set_visibility("tasks", "t", Everybody).expect("set");
    world.pass(10_000);
    settle(&world);
    let sent = format!("{:?}", world.server.changes("bob", &["tasks"]));
    assert!(!sent.contains("still private") && !traces(bob).contains("still private"), "{sent}");
    for device in [one, other] {
        assert_eq!(title(device), format!("{SECRET}, still private"), "its author reads it");
        assert!(is_sealed(&device.stored("tasks", "t")["note"]));
    }
    // Said again, it is shared.
    one.set_visibility("tasks", "t", Everybody).expect("set");
    settle(&world);
    assert_eq!(title(bob), format!("{SECRET}, still private"));
}

#[test]
fn an_edit_made_while_the_record_was_shared_is_sealed_before_it_is_sent_to_a_private_one() {
    let world = shared();
    let [one, other, bob] = [&world.devices[0], &world.devices[1], &world.devices[2]];
    other.line.set_online(false);
    bob.line.set_online(false);
    world.pass(1_000);
    bob.update("tasks", "t", json!({ "title": "Bob's" })).expect("updated");
    other.update("tasks", "t", json!({ "note": "n" })).expect("updated");
    one.set_visibility("tasks", "t", Private).expect("set");
    world.pass(10_000);
    settle(&world);
    assert_eq!(bob.stored("tasks", "t"), Value::Null);
    assert_eq!(bob.engine_rows("letter").len(), 1, "what bob wrote is not lost");
    for device in [one, other] {
        assert_eq!(shown(device, "tasks", "t")["note"], "n");
        assert!(is_sealed(&device.stored("tasks", "t")["note"]), "{}", device.stored("tasks", "t"));
    }
}

#[test]
fn without_the_key_nothing_is_shared_or_hidden_and_nothing_written() {
    for (world, to) in [(private(), Everybody), (shared(), Private)] {
        let device = &world.devices[0];
        let before = device.stored("tasks", "t");
        device.lock();
        assert_eq!(code(device.set_visibility("tasks", "t", to)), "vault_locked");
        assert!(device.logged().is_empty());
        assert_eq!(device.stored("tasks", "t"), before);
        device.unlock(8).expect("a wrong one");
        if to == Everybody {
            assert_eq!(code(device.set_visibility("tasks", "t", to)), "key_outdated");
            assert_eq!((device.stored("tasks", "t"), device.logged().len()), (before, 0));
        }
    }
}

#[test]
fn only_the_author_decides_and_only_where_they_may_write() {
    let world = shared();
    let [one, bob] = [&world.devices[0], &world.devices[2]];
    assert_eq!(code(bob.set_visibility("tasks", "t", Private)), "not_the_author");
    assert_eq!(code(one.set_visibility("tasks", "none", Private)), "not_found");
    one.put("settings", json!({ "id": "s", "value": 1 })).expect("put");
    assert_eq!(code(one.set_visibility("settings", "s", Private)), "invalid_argument");
    assert_eq!(code(one.set_visibility("no table", "s", Private)), "unknown_table");
    let mut club = space("club", "family");
    club.role = Some("viewer".to_owned());
    one.set_spaces(vec![space("home", "personal"), club]).expect("set");
    assert_eq!(code(one.set_visibility("tasks", "t", Private)), "read_only_space");
    assert_eq!(one.set_visibility("tasks", "t", Everybody).map_err(|error| error.kind()), Err(Kind::ReadOnlySpace));
    one.delete("settings", "s").expect("deleted");
    one.set_spaces(setup().spaces).expect("set");
    one.delete("tasks", "t").expect("deleted");
    assert_eq!(code(one.set_visibility("tasks", "t", Private)), "not_found");
}

#[test]
fn what_was_never_sent_says_who_sees_it_under_corrected_stamps() {
    for offset in [86_400_000, -86_400_000, 0] {
        let mut world = family();
        let late = offline_off_by(&mut world, offset);
        late.add("tasks", json!({ "id": "t", "title": SECRET, "spaceId": "club", "visibility": "private" }))
            .expect("added");
        late.set_visibility("tasks", "t", Everybody).expect("set");
        late.update("tasks", "t", json!({ "due": "now" })).expect("updated");
        settle(&world);
        world.pass(120_000);
        for device in &world.devices {
            let row = device.stored("tasks", "t");
            assert_eq!((&row["title"], &row["due"]), (&json!(SECRET), &json!("now")), "off by {offset} ms");
        }
        let [_, other, bob, _] = [&world.devices[0], &world.devices[1], &world.devices[2], &world.devices[3]];
        other.update("tasks", "t", json!({ "title": "Jam" })).expect("updated");
        settle(&world);
        assert_eq!(title(bob), "Jam", "off by {offset} ms");
    }
}

#[test]
fn a_private_record_made_anew_for_all_is_so_on_the_authors_other_devices() {
    let world = private();
    let [one, other, bob] = [&world.devices[0], &world.devices[1], &world.devices[2]];
    one.delete("tasks", "t").expect("deleted");
    let for_all = json!({ "id": "t", "title": "for all", "spaceId": "club", "visibility": "space" });
    one.lock();
    assert_eq!(code(one.add("tasks", for_all.clone())), "vault_locked");
    one.unlock(7).expect("unlocked");
    one.add("tasks", for_all).expect("added");
    settle(&world);
    other.update("tasks", "t", json!({ "title": "for all, again" })).expect("updated");
    settle(&world);
    assert_eq!(title(bob), "for all, again");
}

#[test]
fn a_server_that_says_a_record_is_everybodys_does_not_share_what_is_made_anew_in_its_place() {
    let world = private();
    let device = &world.devices[0];
    world.pass(700_000);
    let at = "2026-01-01T00:15:00.000000Z";
    let flip = json!({ "eventId": "00000000-0000-7000-8000-000000000001", "app": "todo", "schemaVersion": 1,
        "table": "tasks", "id": "t", "op": "update", "at": at, "origin": "user", "spaceId": "club",
        "visibility": "space", "fields": { "visibility": { "value": "space", "at": at } } });
    let (engine, page) = (device.engine(), Page { changes: vec![flip], ..Page::default() });
    let applied = world.executor.block_on(99, 10, async move { engine.apply(page).await });
    applied.expect("no wait").expect("applied").expect("the clock is known");
    device.delete("tasks", "t").expect("deleted");
    device.put("tasks", json!({ "id": "t", "title": SECRET, "note": SECRET })).expect("put");
    let row = device.stored("tasks", "t");
    assert_eq!(row["visibility"], "private");
    assert!(is_sealed(&row["title"]) && is_sealed(&row["note"]), "{row}");
}

#[test]
fn a_record_of_the_time_before_spaces_is_its_authors_own_whatever_is_said_of_it() {
    let world = family();
    let device = &world.devices[0];
    let at = "2026-01-01T00:00:01.000000Z";
    let old = json!({ "eventId": "00000000-0000-7000-8000-000000000002", "app": "todo", "schemaVersion": 1,
        "table": "tasks", "id": "old", "op": "insert", "at": at, "origin": "user", "visibility": "space",
        "data": { "title": "Cake", "authorId": "ada", "deletedAt": null, "visibility": "space" } });
    world.server.push_as("ada", &[old]);
    settle(&world);
    device.engine().set_active_space(Some(mana_sync_engine::model::SpaceId::parse("club").expect("an id")));
    device.set_visibility("tasks", "old", Private).expect("set");
    assert!(is_sealed(&device.stored("tasks", "old")["title"]), "{}", device.stored("tasks", "old"));
    settle(&world);
    assert_eq!(shown(&world.devices[1], "tasks", "old")["title"], "Cake");
    device.set_visibility("tasks", "old", Everybody).expect("set");
    assert!(is_sealed(&device.stored("tasks", "old")["title"]));
}

#[test]
fn nothing_takes_a_record_from_its_author() {
    let world = private();
    let device = &world.devices[0];
    let before = device.stored("tasks", "t");
    let withdrawal = json!({ "eventId": "00000000-0000-7000-8000-000000000001", "app": "todo", "table": "tasks", "id": "t",
        "op": "withdraw", "at": "2026-01-01T00:00:01.000000Z", "schemaVersion": 1, "spaceId": "club",
        "visibility": "space", "origin": "user" });
    let (engine, page) = (device.engine(), Page { changes: vec![withdrawal], ..Page::default() });
    let applied = world.executor.block_on(99, 10, async move { engine.apply(page).await });
    applied.expect("no wait").expect("applied").expect("the clock is known");
    assert_eq!(device.stored("tasks", "t"), before);
}

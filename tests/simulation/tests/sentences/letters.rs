//! What the server refuses for good: nothing is sent past it, and a person sends it again or discards it.

use super::sealed::{setup, space};
use mana_simulation::calls::{code, row};
use mana_simulation::{Device, World};
use mana_sync_engine::engine::{Branch, ChangeOp, Event, Query, Want, Write};
use mana_sync_engine::store::Key;
use serde_json::{Value, json};
use std::cell::RefCell;
use std::rc::Rc;

/// Two devices of ada's, who is in a club, without keys: the club's records are plaintext.
pub fn club() -> World {
    let world = World::with(1, vec![setup(), setup()]);
    world.server.set_spaces("ada", setup().spaces);
    world.pass(5_000);
    world
}

/// Has the server take ada for somebody who may only read in the club, or for a member of it.
pub fn may_write(world: &World, may: bool) {
    let mut club = space("club", "family");
    club.role = Some(if may { "member" } else { "viewer" }.to_owned());
    world.server.set_spaces("ada", vec![space("home", "personal"), club]);
}

pub fn cake(id: &str) -> Value {
    json!({ "id": id, "title": "Cake", "note": "n", "spaceId": "club" })
}

/// A club with the record `t`, which both devices have.
fn with_cake() -> World {
    let world = club();
    world.devices[0].add("tasks", cake("t")).expect("added");
    world.converge("ada");
    world
}

/// The same, with an edit of it that the server refused.
pub fn refused() -> World {
    let world = with_cake();
    may_write(&world, false);
    world.devices[0].update("tasks", "t", json!({ "title": "Tart" })).expect("updated");
    world.pass(10_000);
    world
}

pub fn letter(device: &Device) -> String {
    let letters = device.dead_letters();
    assert_eq!(letters.len(), 1, "{letters:?}");
    letters[0].id.clone()
}

pub fn title(device: &Device, id: &str) -> Value {
    device.stored("tasks", id)["title"].clone()
}

/// What devices and server hold is one thing, and nothing waits any more.
pub fn agreed(world: &World) {
    world.converge("ada");
    for device in &world.devices {
        assert!(device.engine_rows("letter").is_empty() && device.engine_rows("waiting").is_empty());
    }
}

/// What was sent of a record by a device, in order: operation and title.
fn sent(device: &Device, id: &str) -> Vec<(String, String)> {
    let bodies = device.line.sent_to("/v2/push");
    let pushes = bodies.iter().map(|body| serde_json::from_str::<Value>(body).expect("JSON"));
    let changes: Vec<Value> = pushes.flat_map(|push| push["changes"].as_array().cloned().expect("changes")).collect();
    let said = |change: &Value| {
        let title = [&change["fields"]["title"]["value"], &change["data"]["title"]].into_iter().find_map(Value::as_str);
        (change["op"].as_str().expect("an op").to_owned(), title.unwrap_or("-").to_owned())
    };
    changes.iter().filter(|change| change["id"] == id).map(said).collect()
}

fn pairs(all: &[(&str, &str)]) -> Vec<(String, String)> {
    all.iter().map(|(op, title)| ((*op).to_owned(), (*title).to_owned())).collect()
}

#[test]
fn nothing_of_a_record_is_sent_past_a_dead_letter_of_it_and_other_records_go_on() {
    let world = refused();
    let device = &world.devices[0];
    may_write(&world, true);
    let ticket = device.update("tasks", "t", json!({ "note": "later" })).expect("updated").ticket.expect("logged");
    device.add("tasks", cake("u")).expect("added");
    let engine = device.engine();
    let synced = world.executor.block_on(99, 60_000, async move { engine.when_synced(ticket).await });
    let error = synced.expect("an answer comes").expect_err("it waits");
    assert_eq!((error.kind().code(), &error.details()["code"]), ("rejected", &json!("read_only")));
    world.pass(60_000);
    assert_eq!(sent(device, "t"), pairs(&[("insert", "Cake"), ("update", "Tart")]), "and not the note");
    assert_eq!(sent(device, "u").len(), 1);
    assert_eq!((device.session().status().pending, device.unsent_count()), (0, 2));
    device.restart();
    device.update("tasks", "t", json!({ "note": "later still" })).expect("updated");
    world.pass(60_000);
    assert!(sent(device, "t").len() == 2 && device.logged().is_empty());
    let letters = device.dead_letters();
    let about = &letters[0].changes[0];
    assert_eq!((letters.len(), &*letters[0].code, letters[0].waiting, letters[0].retryable), (1, "read_only", 2, true));
    assert_eq!(
        (&*about.table, &*about.id, &*about.op, &about.fields),
        ("tasks", "t", "update", &vec!["title".to_owned()])
    );
    assert_eq!(device.stored("tasks", "t")["note"], "later still");
}

#[test]
fn what_is_retried_goes_out_in_order_with_what_waited_under_new_ids() {
    let world = refused();
    let device = &world.devices[0];
    device.delete("tasks", "t").expect("deleted");
    world.pass(10_000);
    device.restore("tasks", "t").expect("restored");
    may_write(&world, true);
    let id = letter(device);
    device.retry_letter(&id).expect("retried");
    assert!(device.dead_letters().is_empty() && device.session().status().pending >= 2);
    device.update("tasks", "t", json!({ "title": "Pie" })).expect("updated");
    world.pass(10_000);
    let all = sent(device, "t");
    assert_eq!(all[2..5], pairs(&[("update", "Tart"), ("delete", "-"), ("update", "Pie")]));
    agreed(&world);
    assert_eq!(title(&world.devices[1], "t"), "Pie");
    assert_eq!(code(device.retry_letter(&id)), "not_found");
    assert_eq!(code(device.discard_letter(&id)), "not_found");
}

#[test]
fn what_is_refused_again_is_a_letter_again_and_nothing_is_lost() {
    let world = refused();
    let device = &world.devices[0];
    device.update("tasks", "t", json!({ "note": "later" })).expect("updated");
    for _ in 0..3 {
        device.retry_letter(&letter(device)).expect("retried");
        world.pass(40_000);
        assert_eq!((device.dead_letters().len(), device.logged().len()), (1, 0));
    }
    may_write(&world, true);
    device.retry_letter(&letter(device)).expect("retried");
    agreed(&world);
    let row = world.devices[1].stored("tasks", "t");
    assert_eq!((&row["title"], &row["note"]), (&json!("Tart"), &json!("later")));
}

#[test]
fn discarding_an_edit_puts_value_and_stamp_back_and_releases_what_waited() {
    let world = refused();
    let [device, other] = [&world.devices[0], &world.devices[1]];
    let seen: Rc<RefCell<Vec<Value>>> = Rc::default();
    let told = Rc::clone(&seen);
    let query = Query { across_spaces: true, ..Query::of("tasks", Branch::equal([("id".to_owned(), Key::text("t"))])) };
    let subscribed = device.engine().subscribe(query, Want::ROWS, move |found| {
        let rows = found.expect("found").into_iter().filter_map(|one| one.row);
        told.borrow_mut().extend(rows.map(|row| row.to_map()["title"].clone()));
    });
    subscribed.expect("subscribed");
    device.update("tasks", "t", json!({ "note": "later" })).expect("updated");
    world.pass(10_000);
    let _ = device.take_events();
    device.discard_letter(&letter(device)).expect("discarded");
    assert_eq!(
        device.stored("tasks", "t")["__fieldMeta"]["title"]["at"],
        other.stored("tasks", "t")["__fieldMeta"]["title"]["at"]
    );
    let changes = device.take_events().into_iter().filter_map(|event| match event {
        Event::Change { changes, .. } => Some(changes),
        _ => None,
    });
    let changes: Vec<_> = changes.flatten().collect();
    assert_eq!((changes.len(), changes[0].op, &changes[0].fields), (1, ChangeOp::Update, &vec!["title".to_owned()]));
    may_write(&world, true);
    agreed(&world);
    assert_eq!(*seen.borrow().last().expect("called back"), "Cake");
    let row = other.stored("tasks", "t");
    assert_eq!((&row["title"], &row["note"]), (&json!("Cake"), &json!("later")), "the note was nobody's to discard");
}

#[test]
fn discarding_never_takes_away_what_is_newer_here_or_came_meanwhile() {
    // The other device's edit is older than the refused one, and newer: either way it is what stands in the end.
    for is_newer in [false, true] {
        let world = with_cake();
        let [device, other] = [&world.devices[0], &world.devices[1]];
        let edit = || other.update("tasks", "t", json!({ "title": "Other" })).expect("updated");
        other.line.set_online(false);
        if !is_newer {
            edit();
            world.pass(10);
        }
        may_write(&world, false);
        device.update("tasks", "t", json!({ "title": "Tart" })).expect("updated");
        world.pass(10_000);
        if is_newer {
            edit();
        }
        may_write(&world, true);
        other.line.set_online(true);
        world.pass(60_000);
        assert_eq!(title(device, "t"), if is_newer { "Other" } else { "Tart" });
        device.discard_letter(&letter(device)).expect("discarded");
        assert_eq!(title(device, "t"), "Other", "newer: {is_newer}");
        agreed(&world);
    }
}

#[test]
fn what_was_written_over_a_discarded_value_falls_back_past_it() {
    let world = refused();
    let device = &world.devices[0];
    device.update("tasks", "t", json!({ "title": "Pie" })).expect("updated");
    world.pass(10_000);
    device.discard_letter(&letter(device)).expect("discarded");
    assert_eq!(title(device, "t"), "Pie", "it is newer, and was not discarded");
    world.pass(10_000);
    device.discard_letter(&letter(device)).expect("discarded");
    assert_eq!(title(device, "t"), "Cake", "and not what was discarded before");
    agreed(&world);
}

#[test]
fn the_record_of_a_discarded_insert_is_gone_without_a_trace_and_what_waited_with_it() {
    let world = club();
    let device = &world.devices[0];
    may_write(&world, false);
    device.add("tasks", cake("t")).expect("added");
    device.update("tasks", "t", json!({ "title": "Tart" })).expect("updated");
    world.pass(10_000);
    device.update("tasks", "t", json!({ "note": "later" })).expect("updated");
    world.pass(10_000);
    device.update("tasks", "t", json!({ "note": "in the log" })).expect("updated");
    assert!(device.dead_letters()[0].waiting >= 1);
    device.discard_letter(&letter(device)).expect("discarded");
    assert_eq!((device.stored("tasks", "t"), device.unsent_count()), (Value::Null, 0));
    assert_eq!(device.session().status().pending, 0);
    may_write(&world, true);
    agreed(&world);
    device.add("tasks", cake("t")).expect("its id is free");
    agreed(&world);
}

#[test]
fn an_insert_over_a_tombstone_that_is_discarded_leaves_the_tombstone_as_it_was() {
    let world = with_cake();
    let device = &world.devices[0];
    device.delete("tasks", "t").expect("deleted");
    world.converge("ada");
    may_write(&world, false);
    device.add("tasks", json!({ "id": "t", "title": "New", "due": "today", "spaceId": "club" })).expect("added");
    world.pass(10_000);
    device.update("tasks", "t", json!({ "due": "tomorrow" })).expect("updated");
    device.discard_letter(&letter(device)).expect("discarded");
    agreed(&world);
    assert!(device.rows("tasks").is_empty() && title(device, "t") == "Cake");
}

#[test]
fn a_record_that_others_made_too_stays_theirs_when_the_users_own_insert_is_discarded() {
    for is_newer in [false, true] {
        let world = club();
        let [device, other] = [&world.devices[0], &world.devices[1]];
        let add = || other.add("tasks", json!({ "id": "t", "title": "Other", "spaceId": "club" })).expect("added");
        other.line.set_online(false);
        if !is_newer {
            add();
            world.pass(10);
        }
        may_write(&world, false);
        device.add("tasks", cake("t")).expect("added");
        world.pass(10_000);
        device.update("tasks", "t", json!({ "due": "today" })).expect("updated");
        if is_newer {
            add();
        }
        may_write(&world, true);
        other.line.set_online(true);
        world.pass(60_000);
        device.discard_letter(&letter(device)).expect("discarded");
        assert_eq!(title(device, "t"), "Other", "newer: {is_newer}");
        agreed(&world);
        assert_eq!(other.stored("tasks", "t")["due"], "today", "an edit of theirs, which was not discarded");
    }
}

#[test]
fn a_discarded_deletion_brings_the_record_back() {
    let world = with_cake();
    let device = &world.devices[0];
    may_write(&world, false);
    device.delete("tasks", "t").expect("deleted");
    world.pass(10_000);
    device.discard_letter(&letter(device)).expect("discarded");
    assert_eq!(device.rows("tasks").len(), 1);
    may_write(&world, true);
    agreed(&world);
}

#[test]
fn a_discarded_deletion_falls_back_to_what_others_did_to_the_record_meanwhile() {
    let world = with_cake();
    let [device, other] = [&world.devices[0], &world.devices[1]];
    device.line.set_online(false);
    other.delete("tasks", "t").expect("deleted");
    other.restore("tasks", "t").expect("restored");
    world.pass(10_000);
    device.delete("tasks", "t").expect("deleted");
    may_write(&world, false);
    device.line.set_online(true);
    world.pass(60_000);
    device.discard_letter(&letter(device)).expect("discarded");
    may_write(&world, true);
    agreed(&world);
    assert_eq!(device.rows("tasks").len(), 1);
}

#[test]
fn letters_of_a_space_are_tried_again_when_an_answer_names_it_and_not_for_ever() {
    let world = club();
    let device = &world.devices[0];
    world.server.set_spaces("ada", vec![space("home", "personal")]);
    device.add("tasks", cake("t")).expect("added");
    device.update("tasks", "t", json!({ "note": "later" })).expect("updated");
    world.pass(5_000);
    assert_eq!(device.dead_letters()[0].code, "not_a_member");
    world.pass(20_000);
    may_write(&world, true);
    agreed(&world);
    assert_eq!(world.devices[1].stored("tasks", "t")["note"], "later");
    // A server that names the space in its answers and refuses what is written there.
    world.server.refuse_in("club", true);
    let before = device.line.sent_to("/v2/push").len();
    device.update("tasks", "t", json!({ "note": "refused" })).expect("updated");
    world.pass(600_000);
    let pushes = device.line.sent_to("/v2/push").len() - before;
    assert_eq!((pushes, device.dead_letters().len()), (2, 1), "once more by itself");
    world.server.refuse_in("club", false);
    device.retry_letter(&letter(device)).expect("retried");
    agreed(&world);
}

#[test]
fn deciding_on_one_letter_releases_nothing_that_waits_for_another() {
    for retries in [true, false] {
        let world = refused();
        let device = &world.devices[0];
        device.add("tasks", cake("u")).expect("added");
        world.pass(10_000);
        for id in ["t", "u"] {
            device.update("tasks", id, json!({ "note": "later" })).expect("updated");
        }
        world.pass(10_000);
        may_write(&world, true);
        let of = |id: &str| {
            let letters = device.dead_letters();
            letters.into_iter().find(|letter| letter.changes[0].id == id).expect("a letter")
        };
        let id = of("t").id;
        if retries { device.retry_letter(&id) } else { device.discard_letter(&id) }.expect("decided");
        assert_eq!(of("u").waiting, 1, "at once");
        world.pass(30_000);
        assert_eq!((of("u").waiting, sent(device, "u").len()), (1, 1), "refused once, and not sent past that");
        device.retry_letter(&of("u").id).expect("retried");
        agreed(&world);
        assert_eq!(world.devices[1].stored("tasks", "u")["note"], "later");
    }
}

#[test]
fn letters_of_many_records_are_retried_and_discarded_one_by_one() {
    let world = with_cake();
    let device = &world.devices[0];
    may_write(&world, false);
    let adds = (0..5).map(|n| row(cake(&format!("n{n}")))).collect();
    device
        .transact(vec![
            ("tasks", Write::Add(adds)),
            ("tasks", Write::Update(vec![(Key::text("t"), row(json!({ "title": "Tart" })))])),
        ])
        .expect("written");
    device.add("tasks", json!({ "id": "own", "title": null })).expect("added");
    world.pass(10_000);
    let of = |id: &str| {
        let letters = device.dead_letters();
        letters.iter().find(|letter| letter.changes[0].id == id).map(|letter| letter.id.clone()).expect("a letter")
    };
    assert_eq!(device.dead_letters().len(), 6);
    for id in ["n1", "n3"] {
        device.discard_letter(&of(id)).expect("discarded");
    }
    may_write(&world, true);
    for id in ["t", "n4", "n0", "n2"] {
        device.retry_letter(&of(id)).expect("retried");
    }
    agreed(&world);
    let ids: Vec<Value> = world.devices[1].rows("tasks").iter().map(|row| row["id"].clone()).collect();
    assert_eq!(ids, ["n0", "n2", "n4", "own", "t"]);
    assert_eq!(title(&world.devices[1], "t"), "Tart");
}

#[test]
fn an_hour_of_typing_behind_a_letter_waits_as_one_change() {
    let world = refused();
    let device = &world.devices[0];
    let mut tickets = Vec::new();
    for word in 0..50 {
        tickets.push(device.update("tasks", "t", json!({ "note": format!("word {word}") })).expect("updated").ticket);
        world.pass(1_000);
    }
    assert_eq!(
        (device.engine_rows("waiting").len(), device.dead_letters()[0].waiting, device.unsent_count()),
        (1, 1, 2)
    );
    let (engine, ticket) = (device.engine(), tickets[25].expect("logged"));
    let synced = world.executor.block_on(99, 60_000, async move { engine.when_synced(ticket).await });
    assert_eq!(synced.expect("an answer comes").expect_err("it waits").kind().code(), "rejected");
    may_write(&world, true);
    device.retry_letter(&letter(device)).expect("retried");
    agreed(&world);
    assert_eq!(world.devices[1].stored("tasks", "t")["note"], "word 49");
}

//! Dead letters of what says a whole record anew, of sealed values, and of what cannot travel at all.

use super::forged_visibility::apply;
use super::letters::{letter, may_write};
use super::sealed::{SECRET, shown, space};
use super::visibility::{family, is_sealed, settle};
use mana_simulation::World;
use mana_simulation::calls::code;
use mana_sync_engine::model::Visibility::{Private, Space as Everybody};
use serde_json::{Value, json};

/// Ada's record `t` in her own space, and a club that the server does not know her in any more.
fn outside() -> World {
    let world = family();
    world.devices[0].add("tasks", json!({ "id": "t", "title": SECRET, "note": "n" })).expect("added");
    settle(&world);
    world.server.refuse_in("club", true);
    world
}

#[test]
fn a_discarded_move_leaves_the_record_where_it_was() {
    let world = outside();
    let device = &world.devices[0];
    let before = shown(device, "tasks", "t");
    let there = device.move_to_space("tasks", "t", "club").expect("moved");
    world.pass(5_000);
    device.update("tasks", &there, json!({ "note": "later" })).expect("updated");
    world.pass(5_000);
    let letters = device.dead_letters();
    assert_eq!((letters.len(), letters[0].changes.len(), letters[0].waiting), (1, 2, 1), "{letters:?}");
    device.discard_letter(&letters[0].id).expect("discarded");
    assert_eq!((device.stored("tasks", &there), device.unsent_count()), (Value::Null, 0));
    let after = shown(device, "tasks", "t");
    assert_eq!((&after["title"], &after["note"]), (&before["title"], &before["note"]));
    world.server.refuse_in("club", false);
    settle(&world);
    assert_eq!(world.devices[1].stored("tasks", "t")["title"], device.stored("tasks", "t")["title"]);
}

#[test]
fn a_refused_move_into_a_space_that_was_left_stays_whole_when_the_space_is_forgotten() {
    let world = outside();
    let device = &world.devices[0];
    let before = shown(device, "tasks", "t");
    device.move_to_space("tasks", "t", "club").expect("moved");
    world.pass(5_000);
    world.server.set_spaces("ada", vec![space("home", "personal")]);
    for _ in 0..2 {
        world.pass(300_000);
        world.executor.skip(31 * 86_400_000, true);
    }
    world.pass(300_000);
    let letters = device.dead_letters();
    assert_eq!((letters.len(), letters[0].changes.len()), (1, 2), "{letters:?}");
    device.retry_letter(&letters[0].id).expect("retried");
    world.pass(300_000);
    assert_eq!(shown(&world.devices[1], "tasks", "t")["title"], before["title"], "half of it was not sent");
    device.discard_letter(&letter(device)).expect("discarded");
    settle(&world);
    for device in &world.devices[..2] {
        assert_eq!(shown(device, "tasks", "t")["title"], before["title"]);
    }
}

#[test]
fn what_was_written_after_a_discarded_change_of_visibility_is_sealed_as_the_record_is() {
    let world = family();
    let device = &world.devices[0];
    device
        .add("tasks", json!({ "id": "t", "title": "first", "spaceId": "club", "visibility": "private" }))
        .expect("added");
    settle(&world);
    world.server.refuse_in("club", true);
    device.set_visibility("tasks", "t", Everybody).expect("set");
    world.pass(5_000);
    device.update("tasks", "t", json!({ "title": SECRET })).expect("updated");
    world.pass(5_000);
    world.server.refuse_in("club", false);
    world.server.on_push(|_, answer| assert!(answer.rejected.is_empty(), "nothing is refused over it"));
    device.discard_letter(&letter(device)).expect("discarded");
    settle(&world);
    assert_eq!(shown(&world.devices[1], "tasks", "t")["title"], SECRET);
    assert!(device.line.sent_to("/v2/push").iter().all(|body| !body.contains(SECRET)));
}

#[test]
fn what_was_written_while_it_seemed_to_be_for_all_is_sealed_when_that_is_discarded_after_it_was_taken_back() {
    let world = family();
    let device = &world.devices[0];
    let record = json!({ "id": "t", "title": "first", "spaceId": "club", "visibility": "private" });
    device.add("tasks", record).expect("added");
    settle(&world);
    world.server.refuse_in("club", true);
    device.set_visibility("tasks", "t", Everybody).expect("set");
    world.pass(5_000);
    device.update("tasks", "t", json!({ "title": SECRET })).expect("updated");
    device.set_visibility("tasks", "t", Private).expect("set");
    world.pass(5_000);
    world.server.refuse_in("club", false);
    device.discard_letter(&letter(device)).expect("discarded");
    settle(&world);
    assert_eq!(shown(&world.devices[1], "tasks", "t")["title"], SECRET);
    assert!(device.line.sent_to("/v2/push").iter().all(|body| !body.contains(SECRET)));
}

#[test]
fn what_another_device_showed_to_all_stays_so_for_what_was_written_after_it() {
    let world = family();
    let [device, other] = [&world.devices[0], &world.devices[1]];
    let record = json!({ "id": "t", "title": "first", "spaceId": "club", "visibility": "private" });
    device.add("tasks", record).expect("added");
    settle(&world);
    may_write(&world, false);
    device.set_visibility("tasks", "t", Everybody).expect("set");
    world.pass(5_000);
    may_write(&world, true);
    other.set_visibility("tasks", "t", Everybody).expect("set");
    world.pass(60_000);
    device.update("tasks", "t", json!({ "title": "for all" })).expect("updated");
    world.pass(5_000);
    device.discard_letter(&letter(device)).expect("discarded");
    settle(&world);
    for device in &world.devices {
        assert_eq!(device.stored("tasks", "t")["title"], "for all");
    }
}

#[test]
fn a_server_that_says_for_itself_that_all_may_see_it_is_not_believed_when_a_share_is_discarded() {
    let world = family();
    let device = &world.devices[0];
    let record = json!({ "id": "p", "title": "first", "spaceId": "club", "visibility": "private" });
    device.add("tasks", record).expect("added");
    settle(&world);
    world.pass(700_000);
    world.server.refuse_in("club", true);
    device.set_visibility("tasks", "p", Everybody).expect("set");
    world.pass(5_000);
    device.update("tasks", "p", json!({ "title": SECRET })).expect("updated");
    world.pass(5_000);
    apply(&world, 1, "update");
    device.discard_letter(&letter(device)).expect("discarded");
    world.server.refuse_in("club", false);
    settle(&world);
    assert!(device.line.sent_to("/v2/push").iter().all(|body| !body.contains(SECRET)));
    assert_eq!(shown(device, "tasks", "p")["title"], SECRET);
}

#[test]
fn a_group_of_which_one_change_is_refused_for_good_is_refused_as_a_whole() {
    let world = outside();
    let device = &world.devices[0];
    device.line.forge(|body| {
        let Ok(mut answer) = serde_json::from_str::<Value>(body) else { return body.to_owned() };
        if answer["rejected"].as_array().is_some_and(|rejected| rejected.len() == 2) {
            answer["rejected"][0]["code"] = json!("clock_ahead");
        }
        answer.to_string()
    });
    device.move_to_space("tasks", "t", "club").expect("moved");
    world.pass(10_000);
    let letters = device.dead_letters();
    assert_eq!((letters.len(), letters[0].changes.len(), device.logged().len()), (1, 2, 0), "{letters:?}");
    let moved = device.line.sent_to("/v2/push").into_iter().filter(|body| body.contains("\"group\""));
    assert!(moved.into_iter().all(|body| body.matches("\"group\"").count() == 2), "never by halves");
}

#[test]
fn a_retried_move_goes_as_a_whole_with_what_waited_for_it() {
    let world = outside();
    let device = &world.devices[0];
    let there = device.move_to_space("tasks", "t", "club").expect("moved");
    world.pass(5_000);
    device.update("tasks", &there, json!({ "note": "later" })).expect("updated");
    world.pass(5_000);
    world.server.refuse_in("club", false);
    device.retry_letter(&letter(device)).expect("retried");
    settle(&world);
    assert!(device.dead_letters().is_empty());
    for device in &world.devices {
        let row = device.stored("tasks", &there);
        assert_eq!((&row["title"], &row["note"]), (&json!(SECRET), &json!("later")));
    }
    assert!(shown(&world.devices[1], "tasks", "t").is_null(), "it is not here any more");
}

#[test]
fn a_group_waits_for_the_letter_of_each_of_its_records_and_what_follows_waits_for_the_group() {
    let world = family();
    let device = &world.devices[0];
    device.add("tasks", json!({ "id": "t", "title": "Cake", "spaceId": "club" })).expect("added");
    settle(&world);
    world.server.refuse_in("club", true);
    device.update("tasks", "t", json!({ "title": "Tart" })).expect("updated");
    world.pass(5_000);
    let there = device.move_to_space("tasks", "t", "home").expect("moved");
    world.pass(5_000);
    device.update("tasks", &there, json!({ "note": SECRET })).expect("updated");
    world.pass(5_000);
    let letters = device.dead_letters();
    assert_eq!((letters.len(), letters[0].waiting), (1, 3), "a move, and an edit where it went");
    world.server.refuse_in("club", false);
    device.discard_letter(&letter(device)).expect("discarded");
    settle(&world);
    let row = shown(&world.devices[1], "tasks", &there);
    assert_eq!((&row["note"], device.unsent_count()), (&json!(SECRET), 0));
    assert!(shown(&world.devices[1], "tasks", "t").is_null());
}

#[test]
fn a_discarded_change_of_visibility_leaves_the_record_sealed_or_plain_as_it_was() {
    for (from, to) in [(Private, Everybody), (Everybody, Private)] {
        let world = family();
        let device = &world.devices[0];
        let record = json!({ "id": "t", "title": SECRET, "spaceId": "club", "visibility": from.as_str() });
        device.add("tasks", record).expect("added");
        settle(&world);
        let before = device.stored("tasks", "t");
        world.server.refuse_in("club", true);
        device.set_visibility("tasks", "t", to).expect("set");
        world.pass(5_000);
        device.discard_letter(&letter(device)).expect("discarded");
        let after = device.stored("tasks", "t");
        for field in ["title", "visibility"] {
            assert_eq!(after[field], before[field], "{field}");
            assert_eq!(after["__fieldMeta"][field]["at"], before["__fieldMeta"][field]["at"], "{field}");
        }
        world.server.refuse_in("club", false);
        settle(&world);
        assert_eq!(shown(device, "tasks", "t")["title"], SECRET);
        assert_eq!(is_sealed(&world.devices[1].stored("tasks", "t")["title"]), from == Private);
    }
}

#[test]
fn a_sealed_value_is_put_back_as_it_was_without_the_key() {
    let world = family();
    let device = &world.devices[0];
    let record = json!({ "id": "t", "title": SECRET, "spaceId": "club", "visibility": "private" });
    device.add("tasks", record).expect("added");
    settle(&world);
    let before = device.stored("tasks", "t")["title"].clone();
    world.server.refuse_in("club", true);
    device.update("tasks", "t", json!({ "title": "refused" })).expect("updated");
    world.pass(5_000);
    device.restart();
    device.discard_letter(&letter(device)).expect("discarded without a key");
    assert_eq!(device.stored("tasks", "t")["title"], before);
    world.server.refuse_in("club", false);
    device.unlock(7).expect("unlocked");
    settle(&world);
    assert_eq!(shown(device, "tasks", "t")["title"], SECRET);
    assert!(device.stored("tasks", "t")["__shadow"].is_null());
}

#[test]
fn what_came_for_a_sealed_field_and_was_not_looked_at_is_so_again_when_an_edit_over_it_is_discarded() {
    let world = family();
    let [device, other] = [&world.devices[0], &world.devices[1]];
    let record = json!({ "id": "t", "title": SECRET, "spaceId": "club", "visibility": "private" });
    device.add("tasks", record).expect("added");
    settle(&world);
    // A server shows this device the other's edit with another text than it has.
    other.update("tasks", "t", json!({ "title": "said on the other" })).expect("updated");
    world.server.on_pull(|changes| {
        for change in changes.iter_mut().filter(|change| change["id"] == "t" && change["op"] == "update") {
            let text =
                change["fields"]["title"]["value"].as_str().map(|text| format!("{}AAAA", &text[..text.len() - 4]));
            change["fields"]["title"]["value"] = text.into();
        }
    });
    world.pass(60_000);
    assert_eq!(shown(device, "tasks", "t")["title"], SECRET, "what was there before is shown");
    let before = device.stored("tasks", "t");
    assert!(before["__shadow"].is_object());
    world.server.refuse_in("club", true);
    device.update("tasks", "t", json!({ "title": "written over it" })).expect("updated");
    world.pass(5_000);
    assert!(device.stored("tasks", "t")["__shadow"].is_null());
    device.discard_letter(&letter(device)).expect("discarded");
    let after = device.stored("tasks", "t");
    assert_eq!((&after["__shadow"], &after["title"]), (&before["__shadow"], &before["title"]));
    world.server.refuse_in("club", false);
    world.pass(60_000);
    assert_eq!(shown(device, "tasks", "t")["title"], SECRET);
}

#[test]
fn a_letter_of_what_cannot_travel_holds_nothing_up_and_is_only_to_be_thrown_away() {
    let mut world = World::with(1, Vec::new());
    let device = world.add(mana_simulation::Setup::of("ada"));
    device.fill_as_older_app(&[(
        "tasks",
        json!({ "id": "t", "title": "old", "bad": "\u{0}", "spaceId": "_personal:ada" }),
    )]);
    device.open();
    world.pass(60_000);
    let device = &world.devices[0];
    let letters = device.dead_letters();
    assert_eq!(
        (letters.len(), &*letters[0].code, letters[0].retryable),
        (1, "value_not_syncable", false),
        "{letters:?}"
    );
    device.update("tasks", "t", json!({ "title": "new" })).expect("updated");
    world.pass(10_000);
    assert_eq!(device.session().status().pending, 0);
    assert!(
        world.server.changes("ada", &["tasks"]).iter().any(|change| change.fields.values().any(|e| e.value == "new"))
    );
    assert_eq!(code(device.retry_letter(&letters[0].id)), "invalid_argument");
    device.discard_letter(&letters[0].id).expect("thrown away");
    assert_eq!(device.stored("tasks", "t")["bad"], "\u{0}", "the value stays on this device");
    assert!(device.dead_letters().is_empty());
}

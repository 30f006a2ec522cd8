//! Databases of an older app on Dexie are taken over: nothing of them is lost, nothing is sent twice, and being killed
//! on the way changes neither.

use mana_simulation::older_app::{LATER, OLD, check_sent_once, prepared, queued, rows, stamped, values};
use mana_simulation::{Setup, World};
use mana_sync_engine::engine::{Event, Write};
use mana_sync_engine::model::Scope;
use serde_json::json;

#[test]
fn everything_an_older_app_left_reaches_the_others_under_its_own_stamps() {
    let world = prepared();
    let device = &world.devices[1];
    device.open();
    world.converge("ada");
    check_sent_once(&world);
    assert!(device.store_rows("_pendingChanges").is_empty());
    for device in &world.devices {
        let title = |id: &str| device.stored("tasks", id)["title"].clone();
        assert_eq!(title("orphan"), "never queued");
        assert_eq!(title("before"), "the generation before");
        assert_eq!(title("bare"), "no stamps at all");
        assert_eq!(title("made"), "made offline");
        assert_eq!(device.stored("tasks", "renamed")["address"], json!({ "city": "Zug", "zip": 1 }));
        assert_eq!(device.stored("tasks", "clock")["note"], "edited twice");
        assert_eq!(device.stored("settings", "prefs")["dark"], true);
        let at = |id: &str, field: &str| device.stored("tasks", id)["__fieldMeta"][field]["at"].clone();
        assert_eq!(at("before", "title"), LATER);
        assert_eq!(at("before", "note"), OLD);
        assert_eq!(at("bare", "title"), OLD);
        assert!(at("clock", "note").as_str() < Some("2026-01-02"), "a stamp in the future counts as now");
    }
    assert_eq!(device.stored("tasks", "before")["__fieldMeta"]["title"]["actor"]["kind"], "ai");
    assert_eq!(device.store_rows("notes").len(), 1);
}

#[test]
fn an_edit_from_before_beats_what_comes_only_where_its_stamp_is_later() {
    let world = prepared();
    world.devices[1].open();
    world.converge("ada");
    // The server's values are of 2026, the older app's of 2025.
    assert_eq!(world.devices[1].stored("tasks", "shared")["note"], "theirs, latest");
    assert_eq!(world.devices[1].stored("tasks", "renamed")["title"], "on the server");
    assert_eq!(world.devices[0].stored("tasks", "clock")["title"], "from a wrong clock");
}

#[test]
fn what_cannot_travel_becomes_a_dead_letter_that_says_why() {
    let world = prepared();
    let device = &world.devices[1];
    device.open();
    world.converge("ada");
    let mut letters: Vec<_> = device.engine_rows("letter").iter().map(|letter| letter["code"].clone()).collect();
    letters.sort_by_key(ToString::to_string);
    assert_eq!(letters, ["unknown_table", "value_not_syncable"]);
    let mut named: Vec<_> = device.dead_letters().into_iter().flat_map(|letter| letter.changes).collect();
    named.retain(|change| change.table == "elsewhere");
    assert_eq!((named.len(), &*named[0].id), (1, "x"), "named as the older app did");
    let done = device.take_events().into_iter().find_map(|event| match event {
        Event::Adoption(adoption) => Some(adoption),
        _ => None,
    });
    let done = done.expect("the end is told");
    assert_eq!((done.phase.as_str(), done.letters), ("done", 2));
}

#[test]
fn an_adoption_killed_anywhere_comes_to_the_same_end() {
    let whole = prepared();
    whole.devices[1].open();
    whole.converge("ada");
    let (expected, letters) = (values(&whole.devices[1]), whole.devices[1].engine_rows("letter").len());
    let all = whole.devices[1].power().operations();
    assert!(all > 100, "{all} operations");
    for kill in 0..all {
        let world = prepared();
        let device = &world.devices[1];
        if device.open_doomed(kill) {
            world.pass(5_000);
        }
        device.restart();
        world.converge("ada");
        assert_eq!(values(device), expected, "killed after {kill} operations");
        assert_eq!(device.engine_rows("letter").len(), letters, "killed after {kill} operations");
        assert_eq!(device.engine_rows("adoption")[0]["phase"], "done");
        check_sent_once(&world);
    }
}

#[test]
fn an_adoption_waits_for_somebody_to_sign_in() {
    let mut world = prepared();
    let guest = Setup { user: None, ..Setup::of("ada") };
    world.add(guest);
    let device = &world.devices[2];
    device.fill_as_older_app(&rows());
    device.open();
    assert_eq!(device.engine_rows("adoption")[0]["phase"], "found");
    assert!(!device.store_rows("_pendingChanges").is_empty() && device.logged().is_empty());
    let engine = device.engine();
    let signing_in = async move { engine.set_user(Some(mana_simulation::setup::user_named("ada"))).await };
    world.executor.block_on(99, 1000, signing_in).expect("no wait").expect("signed in");
    assert!(device.store_rows("_pendingChanges").is_empty() && !device.logged().is_empty());
    assert_eq!(device.engine_rows("adoption")[0]["phase"], "pulling");
}

#[test]
fn an_app_that_went_back_for_a_while_is_taken_over_again() {
    let world = prepared();
    let device = &world.devices[1];
    device.open();
    world.converge("ada");
    let row = stamped("again", "2025-07-01T00:00:00.000Z", &json!({ "title": "written by the older app" }));
    let forgotten = stamped("forgotten", "2025-07-01T00:00:00.000Z", &json!({ "title": "and never queued" }));
    let data = json!({ "data": row.clone() });
    device.write_as_older_app(&[
        ("tasks", row),
        ("tasks", forgotten),
        queued("tasks", "again", "insert", "2025-07-01T00:00:00.000Z", &data),
    ]);
    device.open();
    world.converge("ada");
    check_sent_once(&world);
    for device in &world.devices {
        assert_eq!(device.stored("tasks", "again")["title"], "written by the older app");
        assert_eq!(device.stored("tasks", "forgotten")["title"], "and never queued");
    }
}

#[test]
fn edits_made_after_a_record_became_private_are_not_shown_on_the_way() {
    let mut world = prepared();
    let mut row = stamped("clock", LATER, &json!({ "title": "secret" }));
    row["visibility"] = "private".into();
    let device = world.add(Setup::of("ada"));
    device.fill_as_older_app(&[
        ("tasks", row),
        queued(
            "tasks",
            "clock",
            "update",
            LATER,
            &json!({ "fields": { "visibility": { "value": "private", "at": LATER } } }),
        ),
        queued(
            "tasks",
            "clock",
            "update",
            LATER,
            &json!({ "fields": { "title": { "value": "secret", "at": LATER } } }),
        ),
    ]);
    device.try_open().expect("it opens");
    assert!(device.logged().is_empty(), "who may see a record is told with the whole record");
}

#[test]
fn another_user_cannot_adopt() {
    let mut world = prepared();
    world.devices[1].open();
    world.converge("ada");
    let bob = world.add(Setup::of("bob"));
    bob.fill_as_older_app(&rows());
    bob.try_open().expect("the first who signs in owns it");
    assert_eq!(bob.engine_rows("owner")[0]["userId"], "bob");
}

#[test]
fn what_an_old_unique_index_refuses_waits_until_its_value_is_free() {
    let mut world = World::of_ada(1);
    world.devices[0].add("tasks", json!({ "id": "theirs", "slug": "home", "title": "first" })).expect("added");
    world.devices[0].update("tasks", "theirs", json!({ "title": "second" })).expect("written");
    world.devices[0].add("tasks", json!({ "id": "other", "slug": "work" })).expect("added");
    world.pass(60_000);
    world.add(Setup::of("ada")).fill_as_older_app(&[("tasks", stamped("ours", OLD, &json!({ "slug": "home" })))]);
    let device = &world.devices[1];
    device.open();
    world.pass(120_000);
    assert!(device.stored("tasks", "theirs").is_null(), "the record it clashes with was here first");
    assert_eq!(device.stored("tasks", "other")["slug"], "work", "the rest of the page is applied");
    assert!(device.engine_rows("quarantine").iter().all(|row| row["reason"] == "not_unique"));
    assert!(!device.engine_rows("quarantine").is_empty());
    device.update("tasks", "ours", json!({ "slug": "our home" })).expect("written");
    world.converge("ada");
    assert_eq!(device.stored("tasks", "theirs")["title"], "second");
    assert!(device.engine_rows("quarantine").is_empty());
}

#[test]
fn a_table_that_syncs_only_later_is_taken_over_then() {
    let setup = Setup { tables: vec![("settings", Scope::User)], local: vec!["tasks"], ..Setup::of("ada") };
    let mut world = World::with(1, vec![setup]);
    let device = &world.devices[0];
    device.put("tasks", json!({ "id": "old", "title": "of before" })).expect("put");
    device.update_app(Setup::of("ada"));
    world.converge("ada");
    let device = &world.devices[0];
    assert!(device.take_events().iter().any(|event| matches!(event, Event::Adoption(_))), "the app is told");
    assert_eq!(device.stored("tasks", "old")["spaceId"], json!("_personal:ada"));
    world.add(Setup::of("ada")).open();
    world.converge("ada");
    assert_eq!(world.devices[1].stored("tasks", "old")["title"], json!("of before"), "another device has it");
    let inserts = world.server.changes("ada", &["tasks"]);
    world.devices[0].restart();
    world.converge("ada");
    assert_eq!(world.server.changes("ada", &["tasks"]).len(), inserts.len(), "it is taken over once");
}

#[test]
fn a_record_whose_id_is_no_text_stays_here_with_a_letter_that_says_so() {
    let mut world = World::new(1);
    let device = world.add(Setup::of("ada"));
    device.fill_as_older_app(&[("tasks", json!({ "id": 7, "title": "numbered" })), ("tasks", json!({ "id": "a" }))]);
    device.open();
    world.pass(60_000);
    let device = &world.devices[0];
    let letters = device.engine_rows("letter");
    assert_eq!(letters.iter().map(|letter| letter["code"].clone()).collect::<Vec<_>>(), ["value_not_syncable"]);
    let cleared = device.transact(vec![("tasks", Write::Clear { tombstones: true })]).expect("cleared");
    assert_eq!(cleared.count, 2);
    world.pass(60_000);
    assert!(world.server.changes("ada", &["tasks"]).iter().all(|change| change.id.as_str() == "a"), "it never left");
    assert!(world.devices[0].stored("tasks", "a")["deletedAt"].is_string());
    assert_eq!(world.devices[0].store_rows("tasks").len(), 1);
}

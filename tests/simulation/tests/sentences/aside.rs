//! Changes that cannot be applied now: put aside, counted, and applied when their time has come; the rest of their page
//! is applied at once.

use super::protocol1;
use mana_simulation::{Setup, World};
use mana_sync_engine::engine::{Applied, Event, Page, Reason};
use mana_sync_engine::model::{EventId, Scope, Stamp};
use serde_json::{Value, json};

const DAY_MS: u64 = 86_400_000;

fn event(n: u64) -> EventId {
    EventId::from_parts(n, &[9; 10])
}

/// An insert or update of a task at `ms` since 1970, as a server sends it.
fn change(n: u64, op: &str, id: &str, ms: u64, title: &str) -> Value {
    let at = Stamp::at_ms(ms);
    let edit = json!({ "title": { "value": title, "at": at } });
    json!({ "eventId": event(n), "app": "todo", "schemaVersion": 1, "table": "tasks", "id": id, "op": op, "at": at,
        "fields": edit, "spaceId": "_personal:ada", "visibility": "space", "origin": "user", "userId": "ada" })
}

fn with(mut change: Value, name: &str, value: Value) -> Value {
    change[name] = value;
    change
}

fn apply(world: &World, changes: Vec<Value>) -> Applied {
    let engine = world.devices[0].engine();
    let page = Page { changes, ..Page::default() };
    let applied = world.executor.block_on(99, 10, async move { engine.apply(page).await });
    applied.expect("no wait").expect("the store works").expect("the clock is known")
}

fn quarantined(events: &[Event]) -> Vec<(&'static str, usize)> {
    let counted = |event: &Event| match event {
        Event::Quarantine { code, count } => Some((*code, *count)),
        _ => None,
    };
    events.iter().filter_map(counted).collect()
}

#[test]
fn malformed_changes_are_counted_and_the_rest_of_the_page_is_applied() {
    let world = World::of_ada(1);
    let device = &world.devices[0];
    let now = world.executor.now();
    drop(device.take_events());
    let applied = apply(
        &world,
        vec![
            change(1, "insert", "a", now, "A"),
            with(change(2, "insert", "b", now, "B"), "op", json!("upsert")),
            json!("no change at all"),
            with(change(3, "delete", "a", now, ""), "deletedAt", json!("soon")),
            with(change(4, "insert", "d", now, "D"), "table", json!("attic")),
            with(change(5, "insert", "e", now, "E"), "schemaVersion", json!(7)),
            with(change(6, "insert", "f", now, "F"), "at", json!("yesterday")),
            change(7, "insert", "g", now, "G"),
        ],
    );
    assert_eq!(applied.records, 2);
    let counts = [(Reason::Malformed, 4), (Reason::UnknownTable, 1), (Reason::SchemaTooNew, 1)];
    assert_eq!(applied.aside.into_iter().collect::<Vec<_>>(), counts);
    assert_eq!(quarantined(&device.take_events()), [("malformed", 4), ("unknown_table", 1), ("schema_too_new", 1)]);
    assert_eq!(device.engine_rows("quarantine").len(), 6);
    assert_eq!(device.rows("tasks").len(), 2);
}

#[test]
fn quarantine_keeps_the_newest_of_too_much_and_says_how_much_it_let_go() {
    let world = World::of_ada(1);
    let device = &world.devices[0];
    let now = world.executor.now();
    let unknown = |n: u64, title: &str| with(change(n, "insert", "a", now + n, title), "table", json!("attic"));
    apply(&world, (1..=1_003).map(|n| unknown(n, "x")).collect());
    let kept = device.engine_rows("quarantine");
    assert_eq!((kept.len(), &kept[0]["key"]), (1_000, &json!(event(4))));
    assert_eq!(device.engine_rows("dropped")[0]["reasons"], json!({ "unknown_table": 3 }));
    let large = "y".repeat(3 * 1024 * 1024);
    apply(&world, (2_001..=2_004).map(|n| unknown(n, &large)).collect());
    let kept: Vec<Value> = device.engine_rows("quarantine").iter().map(|row| row["key"].clone()).collect();
    assert_eq!(kept, [2_002, 2_003, 2_004].map(|n| json!(event(n))), "10 MB");
    let dropped = &device.engine_rows("dropped")[0];
    assert_eq!(dropped["reasons"], json!({ "unknown_table": 1_004 }));
    assert_eq!(dropped["newest"], json!(Stamp::at_ms(now + 2_001)));
    apply(&world, vec![unknown(3_000, &"z".repeat(11 * 1024 * 1024))]);
    assert_eq!(device.engine_rows("quarantine").len(), 1, "the newest stays");
}

#[test]
fn what_waits_in_quarantine_and_what_made_room_is_counted_by_reason() {
    let world = World::of_ada(1);
    let device = &world.devices[0];
    assert_eq!(device.quarantine(), []);
    let now = world.executor.now();
    let newer = |n: u64| with(change(n, "insert", &format!("t{n}"), now + n, "x"), "schemaVersion", json!(7));
    let changes: Vec<Value> = (1..=1_003).map(newer).collect();
    for some in changes.chunks(200) {
        world.server.push_as("ada", some);
    }
    world.pass(40_000);
    apply(&world, vec![change(1_004, "insert", "f", now + 90_000_000, "From the future")]);
    let counted = [(Reason::SchemaTooNew, 999, 4), (Reason::ClockAhead, 1, 0)];
    assert_eq!(device.quarantine(), counted);
    device.resync_in(0).expect("everything was pulled");
    assert_eq!(device.quarantine(), counted, "what comes again is not counted twice");
}

#[test]
fn a_change_from_the_future_waits_until_its_time_has_come() {
    let world = World::of_ada(1);
    let now = world.executor.now();
    let day = 86_400_000;
    apply(
        &world,
        vec![
            change(1, "insert", "t", now + day - 1000, "Nearly a day ahead"),
            change(2, "insert", "u", now + day + 600_000, "More than a day ahead"),
            change(3, "update", "u", now, "In time, of a record that waits"),
        ],
    );
    let device = &world.devices[0];
    assert_eq!(device.rows("tasks").len(), 1);
    assert_eq!((device.engine_rows("quarantine").len(), device.engine_rows("parked").len()), (1, 1));
    world.pass(500_000);
    assert_eq!(device.rows("tasks").len(), 1, "still too early");
    drop(device.take_events());
    world.pass(200_000);
    assert_eq!(device.rows("tasks").len(), 2);
    assert_eq!(device.stored("tasks", "u")["title"], "More than a day ahead");
    assert_eq!((device.engine_rows("quarantine").len(), device.engine_rows("parked").len()), (0, 0));
    assert_eq!(quarantined(&device.take_events()), [], "nothing was put aside again");
}

#[test]
fn changes_from_the_future_that_made_room_come_once_their_time_has_come() {
    let world = protocol1::world(vec![Setup::of("ada")], true);
    let device = &world.devices[0];
    world.pass(60_000);
    let at = |n: u64| Stamp::at_ms(world.executor.now() + 2 * DAY_MS + n).to_string();
    let insert = |n: u64| {
        json!({ "table": "tasks", "id": format!("t{n}"), "op": "insert", "spaceId": "_personal:ada",
            "data": { "title": "From a clock two days ahead", "updatedAt": at(n) } })
    };
    super::ahead::push(&world, &(0..1_020).map(insert).collect::<Vec<_>>());
    world.pass(5 * 60_000);
    let quarantine = device.quarantine();
    assert!(matches!(quarantine[..], [(Reason::ClockAhead, 1_000, 20..)]), "{quarantine:?}");
    assert_eq!(device.rows("tasks").len(), 0);
    let before = device.line.requests_to("/sync") + device.line.requests_to("/sync/pull");
    world.pass(3 * DAY_MS);
    assert_eq!(device.rows("tasks").len(), 1_020, "also those for which there was no room");
    let asked = device.line.requests_to("/sync") + device.line.requests_to("/sync/pull") - before;
    assert!(asked < 3 * 24 * 125, "asked {asked} times in three days");
}

#[test]
fn what_an_older_app_does_not_know_is_applied_by_a_newer_one() {
    let world = World::of_ada(2);
    let newer = Setup {
        schema_version: 2,
        tables: vec![("tasks", Scope::Space), ("settings", Scope::User), ("tags", Scope::Space)],
        ..Setup::of("ada")
    };
    world.devices[0].update_app(newer.clone());
    world.devices[0].add("tasks", json!({ "id": "t", "title": "Milk" })).expect("added");
    world.pass(5000);
    let now = world.executor.now();
    world.server.push_as(
        "ada",
        &[with(with(change(1, "insert", "x", now, "Tag"), "table", json!("tags")), "schemaVersion", json!(2))],
    );
    world.pass(60_000);
    assert!(world.devices[1].rows("tasks").is_empty());
    assert_eq!(world.devices[1].engine_rows("quarantine").len(), 1);
    world.devices[1].update_app(newer);
    world.converge("ada");
    assert_eq!(world.devices[1].rows("tasks")[0]["title"], "Milk");
    assert_eq!(world.devices[1].rows("tags")[0]["title"], "Tag", "a table added later comes from its beginning");
    assert_eq!(world.devices[1].engine_rows("quarantine").len(), 0);
}

#[test]
fn an_update_before_its_insert_is_parked_hidden_and_then_applied() {
    let world = World::of_ada(1);
    let device = &world.devices[0];
    let now = world.executor.now();
    apply(&world, vec![change(2, "update", "t", now + 2, "Newer"), change(2, "update", "t", now + 2, "Newer")]);
    assert!(device.rows("tasks").is_empty());
    assert_eq!(device.engine_rows("parked")[0]["changes"].as_array().map(Vec::len), Some(1), "once");
    apply(&world, vec![change(1, "insert", "t", now, "Older")]);
    assert_eq!(device.rows("tasks")[0]["title"], "Newer");
    assert!(device.engine_rows("parked").is_empty());
}

#[test]
fn a_parked_update_reaches_a_record_that_was_made_here_meanwhile() {
    let world = World::of_ada(1);
    let device = &world.devices[0];
    let now = world.executor.now();
    apply(&world, vec![change(2, "update", "t", now + 3_600_000, "Newer")]);
    device.add("tasks", json!({ "id": "t", "title": "Made here" })).expect("added");
    world.pass(5000);
    assert_eq!(device.rows("tasks")[0]["title"], "Newer");
    assert!(device.engine_rows("parked").is_empty());
}

#[test]
fn a_delete_before_its_insert_leaves_a_tombstone() {
    let world = World::of_ada(1);
    let now = world.executor.now();
    let deleted = Stamp::at_ms(now + 5);
    let mut delete = with(with(change(2, "delete", "t", now, ""), "deletedAt", json!(deleted)), "at", json!(deleted));
    delete.as_object_mut().map(|change| change.remove("fields"));
    apply(&world, vec![delete, change(1, "insert", "t", now, "Gone")]);
    assert!(world.devices[0].rows("tasks").is_empty());
    assert_eq!(world.devices[0].stored("tasks", "t")["deletedAt"], json!(deleted));
}

#[test]
fn of_two_claims_to_one_record_the_own_space_is_shown_and_the_other_waits() {
    let world = World::of_ada(1);
    let now = world.executor.now();
    let shared = with(change(1, "insert", "t", now, "Shared"), "spaceId", json!("club"));
    let shared_update = with(change(2, "update", "t", now + 9, "Shared later"), "spaceId", json!("club"));
    apply(&world, vec![shared, change(3, "insert", "t", now, "Own")]);
    let applied = apply(&world, vec![shared_update]);
    assert_eq!(applied.aside.into_iter().collect::<Vec<_>>(), [(Reason::SpaceMismatch, 1)]);
    assert_eq!(world.devices[0].rows("tasks")[0]["title"], "Own");
    assert_eq!(world.devices[0].engine_rows("quarantine").len(), 2);
}

#[test]
fn the_first_pull_of_a_database_reports_no_conflicts_on_any_of_its_pages() {
    let mut world = World::of_ada(1);
    world.server.set_page(2);
    for n in 0..6 {
        let at = world.executor.now();
        world.server.push_as("ada", &[change(n, "insert", &format!("t{n}"), at + 60_000, "Theirs")]);
    }
    let device = world.add(Setup::of("ada"));
    device.line.set_online(false);
    device.open();
    for n in 0..6 {
        device.add("tasks", json!({ "id": format!("t{n}"), "title": "Mine" })).expect("added");
    }
    device.line.set_online(true);
    world.converge("ada");
    let events = world.devices[1].take_events();
    assert!(!events.iter().any(|event| matches!(event, Event::Conflict(_))));
    assert_eq!(world.devices[1].rows("tasks")[0]["title"], "Theirs");
}

/// Has the device get everything but inserts, with the cursor behind them.
fn leave_inserts_out(world: &World) {
    world.server.on_pull(|changes| changes.retain(|change| change["op"] != "insert"));
    world.devices[0].session().hurry();
    world.pass(10_000);
    world.server.on_pull(|_| {});
}

#[test]
fn what_made_room_among_parked_changes_of_a_record_is_read_again_when_its_insert_comes() {
    let world = World::of_ada(1);
    let device = &world.devices[0];
    let now = world.executor.now();
    let insert = change(1, "insert", "t", now, "First");
    let update = |n: u64, field: &str| {
        let at = Stamp::at_ms(now + n);
        with(change(n, "update", "t", now + n, ""), "fields", json!({ field: { "value": n.to_string(), "at": at } }))
    };
    let mut changes = vec![insert.clone(), update(2, "title")];
    changes.extend((3..=210).map(|n| update(n, "notes")));
    world.server.push_as("ada", &changes);
    leave_inserts_out(&world);
    let parked = &device.engine_rows("parked")[0];
    assert_eq!((parked["changes"].as_array().map(Vec::len), &parked["missed"]), (Some(200), &json!(9)));
    apply(&world, vec![insert]);
    assert_eq!(device.rows("tasks")[0]["notes"], "210", "what is parked follows the insert");
    world.converge("ada");
    assert_eq!(device.rows("tasks")[0]["title"], "2", "and so does what made room");
    assert!(device.engine_rows("parked").is_empty());
}

#[test]
fn what_made_room_while_everything_was_pulled_is_read_again_after_that() {
    let world = World::of_ada(1);
    let device = &world.devices[0];
    world.server.set_page(40);
    world.converge("ada");
    device.line.set_online(false);
    let now = world.executor.now();
    let update = |n: u64, field: &str| {
        let at = Stamp::at_ms(now + n);
        with(change(n, "update", "t", now + n, ""), "fields", json!({ field: { "value": n.to_string(), "at": at } }))
    };
    let mut changes = vec![update(2, "title")];
    changes.extend((3..=210).map(|n| update(n, "notes")));
    changes.push(change(1, "insert", "t", now, "First"));
    world.server.push_as("ada", &changes);
    // Its log is another one now, which is pulled from the beginning.
    let copy = world.server.backup();
    world.server.restore(&copy);
    device.line.set_online(true);
    world.converge("ada");
    let row = &device.rows("tasks")[0];
    assert_eq!((&row["title"], &row["notes"]), (&json!("2"), &json!("210")));
    assert!(device.engine_rows("parked").is_empty());
    let pulls = device.line.requests_to("/v2/pull");
    world.pass(3_600_000);
    assert!(device.line.requests_to("/v2/pull") - pulls < 200, "once more is enough");
}

#[test]
fn of_too_many_records_the_oldest_make_room_among_parked_changes_and_are_read_again() {
    let world = World::of_ada(1);
    let device = &world.devices[0];
    let now = world.executor.now();
    let id = |n: u64| format!("t{n}");
    let insert = |n: u64| change(n, "insert", &id(n), now, "First");
    let update = |n: u64| change(10_000 + n, "update", &id(n), now + n, "Edited");
    for n in 1..=1_003 {
        world.server.push_as("ada", &[insert(n), update(n)]);
    }
    leave_inserts_out(&world);
    let parked = device.engine_rows("parked");
    let emptied = parked.iter().filter(|one| one["changes"] == json!([]) && one["missed"] == json!(1)).count();
    assert_eq!((parked.len(), emptied), (1_003, 3));
    apply(&world, (1..=1_003).map(insert).collect());
    assert_eq!(device.rows("tasks").iter().filter(|row| row["title"] == "First").count(), 3);
    world.converge("ada");
    assert_eq!(device.rows("tasks").iter().filter(|row| row["title"] == "Edited").count(), 1_003);
}

#[test]
fn what_waits_for_inserts_has_no_more_than_ten_megabytes() {
    let world = World::of_ada(1);
    let device = &world.devices[0];
    let now = world.executor.now();
    let long = "x".repeat(200_000);
    for n in 1..=60 {
        apply(&world, vec![change(n, "update", &format!("t{n}"), now + n, &long)]);
    }
    let parked = device.engine_rows("parked");
    let waiting: Vec<_> = parked.iter().filter(|one| one["changes"] != json!([])).collect();
    assert_eq!((parked.len(), waiting.len()), (60, 52), "52 of some 200 KB are below 10 MiB");
    assert!(waiting.iter().all(|one| one["missed"] == json!(0)));
}

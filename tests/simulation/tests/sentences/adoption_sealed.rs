//! What an older app left in plaintext in fields that are to be sealed never reaches the server like that.

use super::sealed::{SECRET, setup, shown};
use mana_simulation::older_app::{LATER, OLD, queued, stamped};
use mana_simulation::{Device, World};
use mana_sync_engine::crypto::Envelope;
use serde_json::{Value, json};

const NAMED: &str = "01a20350-9a75-7fb5-b364-84f6881af588";

/// Records and a queue, with and without ids of their own, in the user's own space and in a shared one.
fn older_app() -> Vec<(&'static str, Value)> {
    let mut shared = stamped("shared", OLD, &json!({ "title": "for all" }));
    shared["spaceId"] = "club".into();
    let edit = |value: Value| json!({ "fields": { "title": { "value": value, "at": LATER } } });
    let mut named = edit(format!("{SECRET} named").into());
    named["eventId"] = NAMED.into();
    let mut renamed = stamped("named", OLD, &json!({ "title": format!("{SECRET} named") }));
    renamed["__fieldMeta"]["title"]["at"] = LATER.into();
    vec![
        ("tasks", stamped("orphan", OLD, &json!({ "title": format!("{SECRET} orphan"), "due": "plain" }))),
        ("tasks", stamped("made", OLD, &json!({ "title": format!("{SECRET} made"), "note": [SECRET] }))),
        ("tasks", renamed),
        ("tasks", shared),
        ("settings", json!({ "id": "prefs", "value": format!("{SECRET} prefs"), "userId": "ada", "updatedAt": OLD })),
        queued("tasks", "shared", "update", LATER, &edit("for all".into())),
        queued(
            "tasks",
            "made",
            "insert",
            OLD,
            &json!({ "data": { "id": "made", "title": format!("{SECRET} made"),
            "note": [SECRET], "userId": "ada", "spaceId": "_personal:ada", "authorId": "ada", "updatedAt": OLD } }),
        ),
        queued("tasks", "named", "update", LATER, &named),
    ]
}

/// Another device of ada's, and one with the older app's database.
fn prepared() -> World {
    let mut world = World::with(1, vec![setup()]);
    world.server.set_spaces("ada", setup().spaces);
    world.devices[0].unlock(7).expect("unlocked");
    world.devices[0].add("tasks", json!({ "id": "named", "title": "on the server" })).expect("added");
    world.converge("ada");
    world.add(setup()).fill_as_older_app(&older_app());
    world
}

fn check_told_sealed(device: &Device) {
    let sent = device.line.sent_to("/v2/push").join("");
    assert!(!sent.contains("marmalade"), "the server is told nothing in plaintext");
}

fn check_arrived(world: &World) {
    world.converge("ada");
    for device in &world.devices {
        check_told_sealed(device);
        let title = |id: &str| shown(device, "tasks", id)["title"].clone();
        for id in ["orphan", "made"] {
            assert_eq!(title(id), format!("{SECRET} {id}"));
        }
        assert_eq!(title("named"), "on the server", "that is later than the older app's");
        assert_eq!(shown(device, "tasks", "made")["note"], json!([SECRET]));
        assert_eq!(shown(device, "settings", "prefs")["value"], format!("{SECRET} prefs"));
        assert_eq!(device.stored("tasks", "shared")["title"], "for all");
        let stored = format!("{:?}", ["tasks", "settings", "_changeLog"].map(|store| device.store_rows(store)));
        assert!(!stored.contains("marmalade"), "and nothing is left on the device: {stored}");
    }
}

#[test]
fn with_the_key_at_hand_the_queue_is_sealed_before_it_is_sent() {
    let world = prepared();
    let device = &world.devices[1];
    device.open();
    device.unlock(7).expect("unlocked");
    check_arrived(&world);
    let said = world.server.changes("ada", &["tasks"]);
    let made = said.iter().find(|change| change.id.as_str() == "made").expect("it arrived");
    let title = made.fields.iter().find(|(name, _)| name.as_str() == "title").expect("its title").1;
    assert!(title.value.as_str().is_some_and(|text| Envelope::parse(text).is_some()));
    assert_eq!(title.at.to_string(), OLD, "under its own stamp");
    assert!(said.iter().all(|change| change.event_id.as_str() != NAMED), "that id stood for the plaintext");
}

#[test]
fn without_the_key_it_waits_and_everything_comes_that_others_wrote() {
    let world = prepared();
    let device = &world.devices[1];
    device.open();
    world.devices[0].add("tasks", json!({ "id": "new", "title": "theirs", "due": "today" })).expect("added");
    world.pass(200_000);
    check_told_sealed(device);
    assert_eq!(device.stored("tasks", "new")["due"], "today");
    assert!(device.engine().pending() > 0);
    assert!(device.sync().is_ok(), "to wait for the key is no failure");
    device.update("tasks", "orphan", json!({ "due": "tomorrow" })).expect("needs no key");
    device.restart();
    world.pass(200_000);
    check_told_sealed(device);
    device.unlock(7).expect("unlocked");
    check_arrived(&world);
    assert_eq!(shown(&world.devices[0], "tasks", "orphan")["due"], "tomorrow");
}

#[test]
fn sealing_a_queue_that_is_killed_anywhere_tells_nothing_and_loses_nothing() {
    let whole = prepared();
    whole.devices[1].open();
    whole.pass(100_000);
    let before = whole.devices[1].power().operations();
    whole.devices[1].unlock(7).expect("unlocked");
    whole.pass(5_000);
    let all = whole.devices[1].power().operations() - before;
    assert!(all > 30, "{all} operations");
    let step = std::env::var("EVERY_OPERATION").map_or(4, |_| 1);
    for kill in (0..all).step_by(step) {
        let world = prepared();
        let device = &world.devices[1];
        device.open();
        world.pass(100_000);
        device.power().fail_after(kill);
        device.unlock(7).expect("unlocked");
        world.pass(70_000);
        device.restart();
        check_told_sealed(device);
        device.unlock(7).expect("unlocked");
        check_arrived(&world);
    }
}

#[test]
fn what_is_too_large_to_be_sealed_stays_on_the_device_and_is_named() {
    let world = prepared();
    let device = &world.devices[1];
    let large = format!("{SECRET} {}", "x".repeat(6 * 1024 * 1024));
    let data = json!({ "id": "large", "title": large, "due": "plain", "updatedAt": OLD });
    let row = stamped("large", OLD, &json!({ "title": large, "due": "plain" }));
    device.fill_as_older_app(&[("tasks", row), queued("tasks", "large", "insert", OLD, &json!({ "data": data }))]);
    device.open();
    device.unlock(7).expect("unlocked");
    world.pass(200_000);
    check_told_sealed(device);
    assert_eq!(world.devices[0].stored("tasks", "large")["due"], "plain");
    assert_eq!(device.stored("tasks", "large")["title"], large.as_str());
    let letters = device.engine_rows("letter");
    assert_eq!((letters.len(), &letters[0]["code"]), (1, &json!("value_not_syncable")));
    assert!(!letters[0].to_string().contains("marmalade"));
}

#[test]
fn what_a_server_said_in_plaintext_to_the_older_app_is_not_logged_as_the_users_own() {
    let mut world = World::with(1, vec![setup()]);
    world.server.set_spaces("ada", setup().spaces);
    world.devices[0].unlock(7).expect("unlocked");
    world.devices[0].add("tasks", json!({ "id": "t", "title": "on the server" })).expect("added");
    world.converge("ada");
    // By then the field is sealed, on all of ada's devices.
    world.pass(700_000);
    let at = "2026-01-01T00:11:00.000000Z";
    let mut row = stamped("said", OLD, &json!({ "title": "made up", "due": "today" }));
    for field in ["title", "due"] {
        row["__fieldMeta"][field] = json!({ "at": at, "origin": "server-replay",
            "actor": { "kind": "user", "principalId": "ada" } });
    }
    world.add(setup()).fill_as_older_app(&[("tasks", row)]);
    let device = &world.devices[1];
    device.open();
    device.unlock(7).expect("unlocked");
    world.pass(400_000);
    let said = world.server.changes("ada", &["tasks"]);
    let of_it: Vec<_> = said.iter().filter(|change| change.id.as_str() == "said").collect();
    let names = |name: &str| of_it.iter().any(|change| change.fields.keys().any(|field| field.as_str() == name));
    assert!(names("due"), "what is plain is told to a server that lost it");
    assert!(!names("title"), "what is to be sealed is not, neither in plaintext nor as the user's: {of_it:?}");
    assert_eq!(device.stored("tasks", "said")["title"], "made up");
}

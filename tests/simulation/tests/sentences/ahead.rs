//! Values from the future, which a server of protocol 1 took of somebody whose clock was wrong: what is written over them waits for
//! its time, nothing else does, and nobody is asked in a storm.

use mana_simulation::{Device, Setup, World};
use mana_sync_engine::engine::State;
use mana_sync_engine::engine::ports::{Method, Request};
use mana_sync_engine::model::Stamp;
use serde_json::{Value, json};

const HOUR_MS: u64 = 3_600_000;
const AHEAD_MS: u64 = 20 * HOUR_MS;

/// Two devices of a person, with the task `t`, whose title an older client wrote 20 hours from now.
fn world() -> World {
    let world = world_with(AHEAD_MS);
    for device in &world.devices {
        assert_eq!(device.rows("tasks")[0]["title"], "From tomorrow");
    }
    world
}

/// The same, from so many milliseconds ahead.
fn world_with(ahead_ms: u64) -> World {
    let mut world = World::new(7);
    world.server.keep_times();
    world.server.set_protocol_1(true);
    for _ in 0..2 {
        world.add(Setup::of("ada")).open();
    }
    world.devices[0].add("tasks", json!({ "id": "t", "title": "Milk", "done": false })).expect("added");
    world.pass(2 * 60_000);
    let at = Stamp::at_ms(world.executor.now() + ahead_ms).to_string();
    let change = json!({ "table": "tasks", "id": "t", "op": "update", "spaceId": "_personal:ada",
        "fields": { "title": { "value": "From tomorrow", "at": at } } });
    push(&world, &[change]);
    world.pass(2 * 60_000);
    world
}

/// What an older client pushes.
pub fn push(world: &World, changes: &[Value]) {
    let body = json!({ "clientId": "older", "since": "", "schemaVersion": 1, "changes": changes }).to_string();
    let (path, token, client) = ("/sync/todo".into(), Some("ada#1".into()), Some("older".into()));
    let answer = world.server.answer(&Request { method: Method::Post, path, body: Some(body), token, client });
    assert_eq!(answer.status, 200);
}

fn asked(device: &Device) -> usize {
    ["/health", "/v2/push", "/v2/pull", "/sync", "/sync/pull"].iter().map(|path| device.line.requests_to(path)).sum()
}

#[test]
fn an_edit_of_a_value_from_the_future_waits_for_its_time_and_holds_up_no_other() {
    for by_time in [true, false] {
        let world = world();
        let [device, other] = [&world.devices[0], &world.devices[1]];
        world.server.set_protocol_1(by_time);
        world.pass(HOUR_MS);
        device.update("tasks", "t", json!({ "title": "Mine" })).expect("written");
        device.update("tasks", "t", json!({ "done": true })).expect("written");
        for number in 0..250 {
            device.add("tasks", json!({ "id": format!("u{number}"), "title": "Eggs" })).expect("added");
        }
        world.pass(HOUR_MS);
        assert_eq!(other.rows("tasks").len(), 251, "{by_time}: all others went out");
        let before = asked(device);
        world.pass(HOUR_MS);
        assert!(asked(device) - before <= 700, "{by_time}: asked {} times in an hour", asked(device) - before);
        let waits: Vec<Value> = device.logged().into_iter().map(|(_, change)| change["id"].clone()).collect();
        assert!(!waits.is_empty() && waits.iter().all(|id| id == "t"), "{by_time}: {waits:?}");
        let status = device.session().status();
        let trouble = status.trouble.expect("it is said");
        assert_eq!((status.state, trouble.code.as_str()), (State::Error, "clock_ahead"), "{by_time}");
        let due = trouble.retry_at.expect("when").abs_diff(world.executor.now() + AHEAD_MS - 3 * HOUR_MS);
        assert!(due < 10 * 60_000, "{by_time}: {due} ms off");
        assert_eq!(device.rows("tasks").iter().find(|row| row["id"] == "t").expect("it is there")["title"], "Mine");
        assert!(device.dead_letters().is_empty());
        device.restart();
        world.pass(AHEAD_MS - 3 * HOUR_MS);
        assert_eq!((device.logged().len(), device.session().status().state), (0, State::Synced), "{by_time}");
        let seen = other.stored("tasks", "t");
        assert_eq!((&seen["title"], &seen["done"]), (&json!("Mine"), &json!(true)), "{by_time}");
    }
}

#[test]
fn what_goes_out_again_after_a_roll_forward_waits_for_its_time_too() {
    let world = world();
    let [device, other] = [&world.devices[0], &world.devices[1]];
    world.server.set_protocol_1(false);
    device.add("tasks", json!({ "id": "u", "title": "Eggs" })).expect("added");
    world.pass(HOUR_MS);
    assert_eq!(other.rows("tasks").len(), 2);
    let before = asked(device);
    world.pass(HOUR_MS);
    assert!(asked(device) - before <= 700, "asked {} times in an hour", asked(device) - before);
    let waits: Vec<Value> = device.logged().into_iter().map(|(_, change)| change["id"].clone()).collect();
    assert_eq!(waits, ["t"], "what the server held at its own time is said anew as it was");
    let trouble = device.session().status().trouble.expect("it is said");
    assert_eq!((trouble.code.as_str(), trouble.retry_at.is_some()), ("clock_ahead", true));
    world.pass(AHEAD_MS);
    assert_eq!((device.logged().len(), device.session().status().state), (0, State::Synced));
    world.converge("ada");
    assert_eq!(other.stored("tasks", "t")["title"], "From tomorrow");
}

#[test]
fn four_hundred_edits_of_it_hold_up_no_other() {
    let world = world();
    let [device, other] = [&world.devices[0], &world.devices[1]];
    device.line.set_online(false);
    for number in 0..400 {
        device.update("tasks", "t", json!({ "title": format!("{number}") })).expect("written");
        // Each is read before the next one, as a person does it.
        world.pass(20);
    }
    device.add("tasks", json!({ "id": "u", "title": "Eggs" })).expect("added");
    device.line.set_online(true);
    world.pass(HOUR_MS / 2);
    assert_eq!(other.rows("tasks").len(), 2);
    world.pass(AHEAD_MS);
    assert_eq!((other.stored("tasks", "t")["title"].clone(), device.logged().len()), (json!("399"), 0));
}

#[test]
fn what_was_kept_for_another_day_comes_at_the_time_that_a_server_of_protocol_2_holds_it_at() {
    let world = world_with(60 * HOUR_MS);
    let [device, other] = [&world.devices[0], &world.devices[1]];
    assert_eq!((device.rows("tasks")[0]["title"].clone(), device.engine_rows("quarantine").len()), (json!("Milk"), 1));
    world.server.set_protocol_1(false);
    world.pass(HOUR_MS);
    assert_eq!(device.rows("tasks")[0]["title"], "From tomorrow");
    assert!(device.engine_rows("quarantine").is_empty());
    device.update("tasks", "t", json!({ "title": "Mine" })).expect("written");
    world.pass(100 * HOUR_MS);
    world.converge("ada");
    assert_eq!(other.rows("tasks")[0]["title"], "Mine");
}

//! Of two keys of one generation the lesser comes to lie under the newest, whenever a device had both: before it heard of one
//! of them, or by a clock that was ahead and not compared with the server's yet.

use super::rotation::{filled, generations, settle};
use super::sealed::{setup, shown};
use mana_simulation::calls::code;
use mana_simulation::{Device, World};
use mana_sync_engine::engine::{Event, State};
use mana_sync_engine::model::Stamp;
use serde_json::{Value, json};

const TO_2099: i64 = 73 * 365 * 86_400_000;

/// Two devices that rotated to one generation, since a server that forgot of the first rotation took the second. The first
/// device is offline and has not heard of the second's key.
fn rotated_apart(mine: u8, theirs: u8) -> World {
    let world = filled();
    let [one, other] = [&world.devices[0], &world.devices[1]];
    let backup = world.server.backup();
    other.line.set_online(false);
    one.rotate(mine).expect("rotated");
    one.update("tasks", "a", json!({ "note": "one's" })).expect("updated");
    world.pass(60_000);
    one.line.set_online(false);
    world.server.restore(&backup);
    other.line.set_online(true);
    other.rotate(theirs).expect("rotated");
    other.update("tasks", "b", json!({ "note": "other's" })).expect("updated");
    world.pass(60_000);
    world
}

/// The same, once both have heard of both keys; gives the number of the device with the lesser key, its key and the newest.
fn two_keys_of_one_generation() -> (World, usize, u8, u8) {
    let world = rotated_apart(8, 9);
    let one = &world.devices[0];
    one.line.set_online(true);
    settle(&world);
    if one.engine().is_outdated() { (world, 0, 8, 9) } else { (world, 1, 9, 8) }
}

/// The device with the lesser of two keys opens the app anew while there is no server, with the clock in 2099, and unlocks with
/// the one key after the other; gives its number and the newest key.
fn united_in_2099() -> (World, usize, u8) {
    let (world, number, own, newest) = two_keys_of_one_generation();
    let device = &world.devices[number];
    device.close_all();
    device.line.set_online(false);
    device.clock.jump(TO_2099);
    device.open();
    device.unlock(own).expect("a key is a key");
    device.unlock(newest).expect("the newest key");
    world.pass(1_000);
    (world, number, newest)
}

fn stamps_of_keys(device: &Device) -> Vec<Stamp> {
    let facts = device.engine_rows("keyring")[0]["facts"].clone();
    let keys = facts.as_array().into_iter().flatten().filter(|fact| fact["name"].to_string().starts_with("\"key:"));
    keys.map(|fact| Stamp::parse(fact["at"].as_str().expect("a stamp")).expect("a stamp")).collect()
}

fn is_synced(device: &Device) -> bool {
    let last = device.take_events().into_iter().rev().find_map(|event| match event {
        Event::Status(status) => Some(status.state),
        _ => None,
    });
    last == Some(State::Synced)
}

/// Whether a fresh device reads both devices' notes with the newest key alone.
fn check_newest_is_enough(mut world: World, newest: u8) {
    let fresh = world.add(setup());
    fresh.open();
    fresh.unlock(newest).expect("unlocked");
    settle(&world);
    let note = |id: &str| -> Value { shown(&world.devices[2], "tasks", id)["note"].clone() };
    assert_eq!((note("a"), note("b")), (json!("one's"), json!("other's")));
}

#[test]
fn of_two_keys_of_one_generation_the_greater_is_the_newest_and_opens_what_the_other_sealed() {
    for (mine, theirs) in [(8, 9), (9, 8)] {
        let world = rotated_apart(mine, theirs);
        let [one, other] = [&world.devices[0], &world.devices[1]];
        one.line.set_online(true);
        settle(&world);
        let (lesser, greater, byte) =
            if one.engine().is_outdated() { (one, other, theirs) } else { (other, one, mine) };
        assert!(lesser.engine().is_outdated() && !greater.engine().is_outdated(), "both know which is the newest");
        assert_eq!(code(lesser.update("tasks", "c", json!({ "title": "x" }))), "key_outdated");
        lesser.unlock(byte).expect("the newest key is there");
        settle(&world);
        settle(&world);
        for device in [one, other] {
            assert!(!device.engine().is_outdated());
            let note = |id: &str| shown(device, "tasks", id)["note"].clone();
            assert_eq!((note("a"), note("b"), note("c")), (json!("one's"), json!("other's"), json!(["c"])));
            let keys: Vec<_> = generations(device).into_iter().flatten().collect();
            assert!(keys.iter().all(|generation| *generation == 2));
        }
        check_newest_is_enough(world, byte);
    }
}

#[test]
fn keys_that_are_united_while_the_clock_is_ahead_reach_the_others_and_hold_up_nothing() {
    let (world, number, newest) = united_in_2099();
    let device = &world.devices[number];
    assert!(
        stamps_of_keys(device).iter().any(|at| at.ms() > world.executor.now()),
        "stamped by the device's own clock"
    );
    device.line.set_online(true);
    device.update("tasks", "c", json!({ "note": "later" })).expect("written");
    settle(&world);
    assert!(device.logged().is_empty() && is_synced(device));
    assert!(stamps_of_keys(device).iter().all(|at| at.ms() <= world.executor.now()));
    assert_eq!(shown(&world.devices[1 - number], "tasks", "c")["note"], "later");
    check_newest_is_enough(world, newest);
}

#[test]
fn united_keys_wait_for_the_vault_where_it_was_locked_before_the_clock_was_compared() {
    let (world, number, newest) = united_in_2099();
    let device = &world.devices[number];
    device.lock();
    device.line.set_online(true);
    world.pass(60_000);
    assert!(stamps_of_keys(device).iter().any(|at| at.ms() > world.executor.now()), "nothing of them is lost");
    device.unlock(newest).expect("unlocked");
    settle(&world);
    assert!(device.logged().is_empty() && is_synced(device));
    check_newest_is_enough(world, newest);
}

#[test]
fn a_key_that_was_there_before_another_is_united_with_it_once_that_is_heard_of() {
    for (mine, theirs) in [(8, 9), (9, 8)] {
        let world = rotated_apart(mine, theirs);
        let one = &world.devices[0];
        one.unlock(theirs).expect("a key is a key");
        assert!(one.engine().is_outdated(), "it has not heard that this one is the user's");
        world.pass(60_000);
        one.line.set_online(true);
        settle(&world);
        let newest = if one.engine().is_outdated() { mine } else { theirs };
        world.devices.iter().for_each(|device| device.unlock(newest).expect("unlocked"));
        settle(&world);
        for device in &world.devices {
            let note = |id: &str| shown(device, "tasks", id)["note"].clone();
            assert_eq!((note("a"), note("b")), (json!("one's"), json!("other's")), "{mine} and {theirs}");
        }
        check_newest_is_enough(world, newest);
    }
}

#[test]
fn a_key_that_was_there_before_is_of_no_use_to_a_vault_that_was_locked() {
    let (world, number, _, newest) = two_keys_of_one_generation();
    let device = &world.devices[number];
    let before = stamps_of_keys(device).len();
    device.unlock(99).expect("a key is a key");
    device.lock();
    device.unlock(newest).expect("unlocked");
    settle(&world);
    assert_eq!(stamps_of_keys(device).len(), before, "the lesser key was dropped");
}

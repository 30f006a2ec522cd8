//! Killed between any two storage operations: what was shown as saved is there, a record never stands without its log
//! entry nor a log entry without its record, and everything reaches the other device once.

use mana_simulation::calls::row;
use mana_simulation::{Device, World, oracle};
use mana_sync_engine::engine::Write;
use mana_sync_engine::store::Key;
use serde_json::json;
use std::cell::Cell;
use std::rc::Rc;

/// A script of writes and rounds; gives how many of its transactions were acknowledged.
fn script(world: &World, device: &Device) -> usize {
    let steps: [Vec<(&str, Write<_>)>; 6] = [
        vec![(
            "tasks",
            Write::Add(vec![row(json!({ "id": "a", "title": "1" })), row(json!({ "id": "b", "title": "1" }))]),
        )],
        vec![
            ("tasks", Write::Update(vec![(Key::text("a"), row(json!({ "title": "2" })))])),
            ("settings", Write::Put(vec![row(json!({ "id": "s", "dark": true }))])),
        ],
        vec![("tasks", Write::Delete(vec![Key::text("b")]))],
        vec![("tasks", Write::Put(vec![row(json!({ "id": "b", "note": "again" }))]))],
        vec![("tasks", Write::Update(vec![(Key::text("theirs"), row(json!({ "title": "seen" })))]))],
        vec![("tasks", Write::Update(vec![(Key::text("a"), row(json!({ "title": "3" })))]))],
    ];
    for (number, step) in steps.into_iter().enumerate() {
        match device.try_transact(None, step) {
            None => return number,
            Some(written) => drop(written.expect("the write is taken")),
        }
        device.session().hurry();
        world.pass([0, 30, 400][number % 3]);
    }
    world.pass(2000);
    6
}

fn prepared() -> World {
    let world = World::of_ada(2);
    world.server.set_page(2);
    world.devices[1].add("tasks", json!({ "id": "theirs", "title": "unseen" })).expect("added");
    world.converge("ada");
    world.devices[1].update("tasks", "theirs", json!({ "note": "on its way" })).expect("written");
    world
}

/// How many storage operations the whole script takes.
fn operations() -> u64 {
    let world = prepared();
    let before = world.devices[0].power().operations();
    assert_eq!(script(&world, &world.devices[0]), 6);
    world.devices[0].power().operations() - before
}

#[test]
fn a_kill_between_any_two_storage_operations_loses_nothing_and_tears_nothing() {
    let all = operations();
    assert!(all > 150, "{all} operations");
    for kill in 0..all {
        let world = prepared();
        let device = &world.devices[0];
        device.power().fail_after(kill);
        let acknowledged = script(&world, device);
        device.close();
        device.try_open().expect("it opens again");
        oracle::check_log_and_records_agree(&world.server, "ada", device);
        let title = |id: &str| device.stored("tasks", id)["title"].clone();
        assert!(acknowledged < 1 || !title("a").is_null(), "killed after {kill} operations");
        assert!(acknowledged < 2 || (title("a") != "1" && !device.stored("settings", "s").is_null()), "after {kill}");
        assert!(
            acknowledged < 3 || title("b").is_null() || !device.stored("tasks", "b")["deletedAt"].is_null(),
            "after {kill}"
        );
        assert!(acknowledged < 4 || device.stored("tasks", "b")["note"] == "again", "after {kill}");
        assert!(acknowledged < 5 || title("theirs") == "seen", "after {kill}");
        assert!(acknowledged < 6 || title("a") == "3", "after {kill}");
        device.session().sync_start();
        world.converge("ada");
    }
}

#[test]
fn a_database_that_vanished_is_filled_again_with_everything_the_server_has() {
    let world = World::of_ada(2);
    let device = &world.devices[0];
    device.add("tasks", json!({ "id": "sent", "title": "1" })).expect("added");
    world.converge("ada");
    device.line.set_online(false);
    device.add("tasks", json!({ "id": "unsent", "title": "1" })).expect("added");
    let (install, client) = (device.engine().install_id().to_owned(), device.engine().client_id());
    device.lose_database();
    device.line.set_online(true);
    device.open();
    world.converge("ada");
    assert_eq!(device.rows("tasks").len(), 1);
    assert_ne!(device.engine().install_id(), install);
    assert!(!device.engine().client_id().starts_with(&client[..36]));
}

#[test]
fn the_loss_of_a_database_is_told_once() {
    let world = World::of_ada(1);
    let told = Rc::new(Cell::new(0));
    let tell = |lost: &'static str| {
        let (engine, told) = (world.devices[0].engine(), Rc::clone(&told));
        let telling = async move { engine.tell_once_lost(lost, || told.set(told.get() + 1)).await };
        world.executor.block_on(99, 10, telling).expect("no wait").expect("told");
    };
    tell("first");
    tell("first");
    world.devices[0].restart();
    tell("first");
    assert_eq!(told.get(), 1);
    tell("second");
    assert_eq!(told.get(), 2);
}

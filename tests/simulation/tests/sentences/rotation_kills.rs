//! Rotations and sweeps that are killed at every storage operation come to the same end, with whichever key the app has.

use super::rotation::{all_under, filled, generations, reads_all, settle};
use super::sealed::{SECRET, setup, shown};
use mana_simulation::calls::row;
use mana_simulation::{Setup, World};
use mana_sync_engine::engine::Write;
use serde_json::json;
use std::cell::Cell;
use std::rc::Rc;

/// More than a page of them.
const TASKS: usize = 120;

#[test]
fn a_rotation_killed_anywhere_goes_on_with_the_key_that_the_app_kept() {
    let whole = filled();
    let before = whole.devices[0].power().operations();
    whole.devices[0].rotate(8).expect("rotated");
    whole.pass(2_000);
    let all = whole.devices[0].power().operations() - before;
    assert!(all > 60, "{all} operations");
    let mut ends = (0, 0);
    for kill in (0..all).step_by(step(3)) {
        let world = filled();
        let device = &world.devices[0];
        let kept = Rc::new(Cell::new(false));
        device.power().fail_after(kill);
        let keeps = Rc::clone(&kept);
        let keep = move || {
            keeps.set(true);
            Ok(())
        };
        if device.try_rotate(8, keep).is_some() {
            world.pass(70_000);
        }
        let key = if kept.get() { 8 } else { 7 };
        device.restart();
        device.unlock(key).expect("unlocked");
        assert!(reads_all(device), "killed after {kill} operations, at once");
        settle(&world);
        assert!(!device.engine().is_outdated(), "killed after {kill} operations, with the key {key}");
        assert!(reads_all(device), "killed after {kill} operations");
        if kept.get() {
            ends.1 += 1;
        } else {
            device.rotate(8).expect("begun anew");
            settle(&world);
            ends.0 += 1;
        }
        for device in &world.devices {
            assert!(all_under(device, 2), "killed after {kill} operations: {:?}", generations(device));
        }
        world.devices[1].unlock(8).expect("unlocked");
        assert!(reads_all(&world.devices[1]), "killed after {kill} operations");
    }
    assert!(ends.0 > 0 && ends.1 > 0, "{ends:?}");
}

#[test]
fn a_sweep_killed_anywhere_seals_everything_in_the_end() {
    let prepared = || {
        let plain = Setup { sealed: Vec::new(), ..setup() };
        let world = World::with(1, vec![plain.clone(), plain]);
        let task = |n: usize| row(json!({ "id": format!("{n:03}"), "title": format!("{SECRET} {n}") }));
        world.devices[0].transact(vec![("tasks", Write::Add((0..TASKS).map(task).collect()))]).expect("added");
        settle(&world);
        world.devices.iter().for_each(|device| device.install_app(setup()));
        world.devices.iter().for_each(mana_simulation::Device::open);
        world
    };
    let whole = prepared();
    let before = whole.devices[0].power().operations();
    whole.devices[0].unlock(7).expect("unlocked");
    whole.pass(2_000);
    let all = whole.devices[0].power().operations() - before;
    settle(&whole);
    let sealed = whole.server.row_count();
    assert!(all > 30, "{all} operations");
    for kill in (0..all).step_by(step(20)) {
        let world = prepared();
        let device = &world.devices[0];
        device.power().fail_after(kill);
        device.unlock(7).expect("unlocked");
        world.pass(70_000);
        device.restart();
        device.unlock(7).expect("unlocked");
        settle(&world);
        for device in &world.devices {
            assert!(all_under(device, 1), "killed after {kill} operations");
        }
        assert_eq!(shown(device, "tasks", "119")["title"], format!("{SECRET} 119"));
        assert!(world.server.row_count() <= sealed + 1, "nothing is sealed twice: killed after {kill} operations");
    }
}

/// Every operation where somebody has the time (`EVERY_OPERATION`), else one of `few`.
fn step(few: usize) -> usize {
    std::env::var("EVERY_OPERATION").map_or(few, |_| 1)
}

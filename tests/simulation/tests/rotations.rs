//! A rotation of many records that is killed at its storage operations, at every second one by a power cut that takes
//! the last commits along: with the key that the app kept, everything is read at once and, once all is sealed anew, on the
//! device and on a fresh one.
//!
//! `ROTATIONS`: at how many of its operations it is killed, evenly spread; more than it has are all of them. Where it is not
//! set, a shorter rotation is killed at a few. `RECORDS`: how many records there are; without it 1,000, or 120 for the shorter one.

use mana_simulation::calls::row;
use mana_simulation::figures::figure;
use mana_simulation::{Device, Setup, World};
use mana_sync_engine::crypto::Envelope;
use mana_sync_engine::engine::Write;
use mana_sync_engine::model::{Space, SpaceId};
use serde_json::json;
use std::cell::Cell;
use std::rc::Rc;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// How many records there are: more than a page, or a thousand.
fn records() -> usize {
    let given = std::env::var("RECORDS").ok().map(|text| text.parse().expect("a number"));
    given.unwrap_or(if std::env::var("ROTATIONS").is_ok() { 1_000 } else { 120 })
}

/// The bytes of the former key and of the new one.
const KEYS: [u8; 2] = [7, 8];

fn setup() -> Setup {
    let home = SpaceId::parse("home").expect("an id");
    let spaces = vec![Space { id: home, kind: Some("personal".to_owned()), role: Some("owner".to_owned()) }];
    Setup { spaces, sealed: vec![("tasks", "title")], ..Setup::of("ada") }
}

fn title(n: usize) -> String {
    format!("unheard-of marmalade {n}")
}

/// A device with sealed records that the server has.
fn filled() -> World {
    let world = World::with(1, vec![setup()]);
    world.server.set_spaces("ada", setup().spaces);
    let device = &world.devices[0];
    device.keep_journal();
    device.unlock(KEYS[0]).expect("unlocked");
    let task = |n: usize| row(json!({ "id": format!("{n:05}"), "title": title(n) }));
    device.transact(vec![("tasks", Write::Add((0..records()).map(task).collect()))]).expect("added");
    world.pass(70_000);
    assert!(device.logged().is_empty());
    world
}

fn unreadable(device: &Device) -> usize {
    let mut rows = device.rows("tasks");
    rows.sort_by_key(|row| row["id"].to_string());
    records() - rows.iter().enumerate().filter(|(n, row)| row["title"] == title(*n)).count()
}

/// How many records are sealed under another key than the new one.
fn left_behind(device: &Device) -> usize {
    let generation = |text: &str| Envelope::parse(text)?.key().map(|name| name.generation);
    let rows = device.store_rows("tasks");
    rows.iter().filter(|row| row["title"].as_str().and_then(generation) != Some(2)).count()
}

/// How a rotation ends before its time.
#[derive(Clone, Copy, PartialEq)]
enum End {
    Killed,
    /// The last commits never reached the disk.
    PowerCut,
}

/// Ends a rotation after so many operations; gives whether the app had kept the new key.
fn ended(how: End, after: u64) -> bool {
    let mut world = filled();
    let device = &world.devices[0];
    let kept = Rc::new(Cell::new(false));
    device.power().fail_after(after);
    let keeps = Rc::clone(&kept);
    let keep = move || {
        keeps.set(true);
        Ok(())
    };
    if device.try_rotate(KEYS[1], keep).is_some() {
        world.pass(70_000);
    }
    if how == End::PowerCut {
        device.cut_power(3);
    }
    device.restart();
    device.unlock(KEYS[usize::from(kept.get())]).expect("unlocked");
    assert_eq!(unreadable(device), 0, "after {after} operations, at once");
    world.pass(200_000);
    if !kept.get() {
        device.rotate(KEYS[1]).expect("begun anew");
        world.pass(200_000);
    }
    assert!(!device.engine().is_outdated(), "after {after} operations");
    assert_eq!((unreadable(device), left_behind(device)), (0, 0), "after {after} operations");
    let fresh = world.add(setup());
    fresh.open();
    fresh.unlock(KEYS[1]).expect("unlocked");
    world.pass(70_000);
    assert_eq!(unreadable(&world.devices[1]), 0, "after {after} operations, on a fresh device");
    kept.get()
}

/// Ends rotations at every second operation, from `first` on, or at as many of these as were asked for.
fn end_everywhere(how: End, first: u64) {
    let whole = filled();
    let device = &whole.devices[0];
    let before = device.power().operations();
    device.rotate(KEYS[1]).expect("rotated");
    whole.pass(70_000);
    let all = device.power().operations() - before;
    assert!(all > 100, "{all} operations");
    assert_eq!((unreadable(device), left_behind(device)), (0, 0));
    let count = figure("ROTATIONS", 6);
    let step = (all / count.max(1)).max(1) * 2;
    let ends: Vec<bool> = (first..all).step_by(usize::try_from(step).expect("few")).map(|n| ended(how, n)).collect();
    let kept = ends.iter().filter(|kept| **kept).count();
    println!("{all} operations, ended at {}: {kept} times the app had kept the new key", ends.len());
    assert!(kept > 0);
}

#[test]
fn a_rotation_killed_anywhere_leaves_nothing_unreadable() {
    end_everywhere(End::Killed, 0);
}

#[test]
fn a_rotation_that_a_power_cut_ends_anywhere_leaves_nothing_unreadable() {
    end_everywhere(End::PowerCut, 1);
}

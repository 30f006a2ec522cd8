//! Answers that get lost and requests that arrive twice: every change lies in the server's log once, and no device keeps
//! what the server has.
//!
//! `PUSHES=100000` is the full figure, `SEED=42` another order of events.

use mana_simulation::figures::figure;
use mana_simulation::{Device, Fault, Setup, World};
use mana_sync_engine::model::{Change, Op};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

const DEVICES: usize = 4;
const PUSH: &str = "/v2/push";
/// Of 1,000 pushes.
const LOST: u64 = 300;
const TWICE: u64 = 100;
/// Without these a device could take silence for an answer.
const DROPPED: u64 = 50;

/// The seconds since now, for the figures a run prints.
#[expect(clippy::disallowed_methods, reason = "no result depends on it")]
fn stopwatch() -> impl Fn() -> f64 {
    let began = Instant::now();
    move || began.elapsed().as_secs_f64()
}

fn pushes(world: &World) -> u64 {
    world.devices.iter().map(|device| device.line.requests_to(PUSH) as u64).sum()
}

/// What the devices wrote: the newest title of each record.
type Titles = BTreeMap<String, String>;

/// Adds a record, or gives one of the device's own another title.
fn write(world: &World, device: &Device, name: &str, titles: &mut Titles) {
    let (count, title) = (titles.len() as u64, world.random.next().to_string());
    let id = if count == 0 || world.random.chance(600) {
        let id = format!("{name}-{count}");
        device.add("tasks", json!({ "id": id, "title": title })).expect("added");
        id
    } else {
        let id = format!("{name}-{}", world.random.below(count));
        device.update("tasks", &id, json!({ "title": title })).expect("updated");
        id
    };
    titles.insert(id, title);
}

/// The event ids of everything that was ever pushed.
fn pushed_events(world: &World) -> BTreeSet<String> {
    let bodies = world.devices.iter().flat_map(|device| device.line.sent_to(PUSH));
    let ids = bodies.flat_map(|body| {
        let body: Value = serde_json::from_str(&body).expect("JSON");
        let changes = body["changes"].as_array().cloned().unwrap_or_default();
        changes.into_iter().map(|change| change["eventId"].as_str().expect("an id").to_owned())
    });
    ids.collect()
}

fn check(world: &World, titles: &Titles) {
    let changes = world.server.changes("ada", &["tasks", "settings"]);
    let ids: BTreeSet<String> = changes.iter().map(|change| change.event_id.to_string()).collect();
    assert_eq!((ids.len(), world.server.row_count()), (changes.len(), changes.len()), "one row per event id");
    assert_eq!(ids, pushed_events(world), "every change that was pushed is there, and no other");
    let inserted = |change: &&Change| change.op == Op::Insert;
    let mut inserts: Vec<String> = changes.iter().filter(inserted).map(|change| change.id.to_string()).collect();
    inserts.sort();
    let mut added: Vec<String> = titles.keys().cloned().collect();
    added.sort();
    assert_eq!(inserts, added, "every record was inserted once");
    for device in &world.devices {
        assert!(device.logged().is_empty(), "the device's log is empty");
        assert!(device.engine_rows("letter").is_empty(), "nothing was refused");
        let stored: Titles = device.rows("tasks").iter().map(|row| (text(&row["id"]), text(&row["title"]))).collect();
        assert!(stored == *titles, "the newest title of every record is everywhere");
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

#[test]
fn every_change_is_stored_once_when_answers_are_lost_and_requests_come_twice() {
    let (seed, wanted, seconds) = (figure("SEED", 1), figure("PUSHES", 2_000), stopwatch());
    println!("SEED={seed}");
    let world = World::with(seed, vec![Setup::of("ada"); DEVICES]);
    let mix = [(Fault::LoseAnswer, LOST), (Fault::Duplicate, TWICE), (Fault::DropRequest, DROPPED)];
    world.devices.iter().for_each(|device| device.line.set_mix(PUSH, &mix));
    let mut titles = vec![Titles::new(); DEVICES];
    while pushes(&world) < wanted {
        for _ in 0..100 {
            for (at, device) in world.devices.iter().enumerate() {
                write(&world, device, &format!("d{at}"), &mut titles[at]);
            }
            world.pass(500 + world.random.below(1000));
        }
    }
    world.devices.iter().for_each(|device| device.line.set_mix(PUSH, &[]));
    world.converge("ada");
    let titles: Titles = titles.into_iter().flatten().collect();
    check(&world, &titles);
    let met = |fault| world.devices.iter().map(|device| device.line.met(PUSH, fault)).sum::<usize>();
    println!("{} answers lost, {} pushes sent twice", met(Fault::LoseAnswer), met(Fault::Duplicate));
    let (pushes, rows, took) = (pushes(&world), world.server.row_count(), seconds());
    println!("{pushes} pushes, {rows} rows, {} records in {took:.1} s", titles.len());
}

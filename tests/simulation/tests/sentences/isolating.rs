//! One change that the server fails at, or that somebody on the way does not let pass, holds up no other: it is set aside
//! alone, and only where the server works on everything else.

use mana_simulation::{Device, Fault, World};
use mana_sync_engine::engine::Event;
use serde_json::json;
use std::cell::Cell;

const PUSH: &str = "/v2/push";
const HOUR: u64 = 3_600_000;

pub fn letters(device: &Device) -> Vec<&'static str> {
    let code = |event| match event {
        Event::DeadLetter { code, .. } => Some(code),
        _ => None,
    };
    device.take_events().into_iter().filter_map(code).collect()
}

/// Two devices; the first is offline and has written tasks of these titles.
fn written(titles: impl IntoIterator<Item = String>) -> World {
    let world = World::of_ada(2);
    let device = &world.devices[0];
    device.line.set_online(false);
    for (number, title) in titles.into_iter().enumerate() {
        device.add("tasks", json!({ "id": format!("t{number}"), "title": title })).expect("added");
    }
    world
}

fn titles(of: impl IntoIterator<Item = &'static str>) -> impl Iterator<Item = String> {
    of.into_iter().map(str::to_owned)
}

#[test]
fn a_change_that_the_server_fails_at_is_set_aside_and_holds_up_no_other() {
    let rest = |count: usize| (0..count).map(|number| format!("well {number}"));
    let world = written(rest(40).chain(titles(["poison"])).chain(rest(60)));
    let [device, other] = [&world.devices[0], &world.devices[1]];
    device.line.stop_bodies(|body| body.contains("poison").then_some(502));
    device.line.set_online(true);
    world.pass(HOUR);
    assert!(device.logged().is_empty(), "nothing waits");
    assert_eq!(letters(device), ["invalid_change"]);
    assert_eq!(other.rows("tasks").len(), 100);
    assert_eq!(device.rows("tasks").len(), 101, "on the device it stays");
    // The next one of the kind takes its turn, too, and what comes after it is not kept waiting for long.
    device.update("tasks", "t0", json!({ "title": "poison again" })).expect("updated");
    for number in 1..10 {
        device.update("tasks", &format!("t{number}"), json!({ "title": "well again" })).expect("updated");
    }
    world.pass(HOUR);
    assert_eq!(letters(device), ["invalid_change"]);
    assert!(device.logged().is_empty());
}

#[test]
fn a_server_that_fails_at_everything_sets_nothing_aside() {
    for (path, status) in [("/v2/", 500), ("", 502), ("", 413)] {
        let world = written(titles(["a", "b", "c"]));
        let device = &world.devices[0];
        device.line.stop_bodies(move |_| Some(status));
        device.line.set_online(true);
        world.pass(24 * HOUR);
        assert_eq!((letters(device), device.logged().len()), (vec![], 3), "{path} {status}");
        device.line.stop_bodies(|_| None);
        world.converge("ada");
        assert_eq!(world.devices[1].rows("tasks").len(), 3);
    }
}

#[test]
fn a_server_that_fails_now_and_then_sets_nothing_aside() {
    let world = written((0..30).map(|number| number.to_string()));
    let device = &world.devices[0];
    device.line.set_mix(PUSH, &[(Fault::ServerError, 500), (Fault::LoseAnswer, 200)]);
    device.line.set_online(true);
    for round in 0..200 {
        device.update("tasks", "t1", json!({ "title": format!("round {round}") })).expect("updated");
        world.pass(60_000);
    }
    assert_eq!(letters(device), [] as [&str; 0]);
    device.line.set_mix(PUSH, &[]);
    world.converge("ada");
    assert_eq!(world.devices[1].rows("tasks").len(), 30);
}

#[test]
fn what_a_proxy_finds_too_large_goes_in_smaller_parts() {
    let large = || (0..20).map(|number| format!("{number} {}", "x".repeat(20_000)));
    for (limit, aside) in [(100_000, 0), (30_000, 0), (10_000, 20)] {
        let world = written(large().chain((0..8).map(|number| format!("small {number}"))));
        let device = &world.devices[0];
        device.line.stop_bodies(move |body| (body.len() > limit).then_some(413));
        device.line.set_online(true);
        world.pass(HOUR);
        assert!(device.logged().is_empty());
        assert_eq!(letters(device), vec!["too_large"; aside], "{limit}");
        assert_eq!(world.devices[1].rows("tasks").len(), 28 - aside);
    }
}

#[test]
fn deploys_that_answer_413_one_after_the_other_set_nothing_aside() {
    for taken_between in [1, 2, 3] {
        let world = written((0..12).map(|number| number.to_string()));
        let device = &world.devices[0];
        let pushes = Cell::new(0);
        // One deploy for so many pushes, a moment without, and another.
        device.line.stop_bodies(move |body| {
            pushes.set(pushes.get() + u32::from(body.contains("eventId")));
            let is_between = (15..15 + taken_between).contains(&pushes.get());
            (body.contains("eventId") && !is_between).then_some(413)
        });
        device.line.set_online(true);
        world.pass(HOUR);
        assert_eq!(letters(device), [] as [&str; 0], "{taken_between} were taken");
        assert!(!device.logged().is_empty() && device.logged().len() < 12, "{taken_between} were taken");
        device.line.stop_bodies(|_| None);
        world.converge("ada");
        assert_eq!(world.devices[1].rows("tasks").len(), 12);
    }
}

#[test]
fn a_server_that_takes_nothing_but_empty_pushes_sets_nothing_aside() {
    let world = written((0..30).map(|number| number.to_string()));
    let device = &world.devices[0];
    device.line.stop_bodies(|body| body.contains("eventId").then_some(500));
    device.line.set_online(true);
    world.pass(2 * HOUR);
    assert_eq!((letters(device), device.logged().len()), (vec![], 30), "its disk is full, say");
}

#[test]
fn a_change_that_nothing_else_is_logged_beside_waits_until_something_is() {
    let world = written(titles(["poison"]));
    let device = &world.devices[0];
    device.line.stop_bodies(|body| body.contains("poison").then_some(502));
    device.line.set_online(true);
    world.pass(6 * HOUR);
    assert_eq!((letters(device), device.logged().len()), (vec![], 1));
    world.devices[1].add("tasks", json!({ "id": "theirs", "title": "well" })).expect("added");
    world.pass(200_000);
    assert_eq!(device.rows("tasks").len(), 2, "what others write is heard of meanwhile");
    for number in 0..9 {
        device.add("tasks", json!({ "id": format!("later {number}"), "title": "well" })).expect("added");
        world.pass(HOUR);
    }
    assert_eq!((letters(device), device.logged().len()), (vec!["invalid_change"], 0));
    assert_eq!(world.devices[1].rows("tasks").len(), 10);
}

#[test]
fn nothing_of_a_record_is_sent_past_what_waits_of_it() {
    let world = written(titles(["poison"]));
    let device = &world.devices[0];
    for (id, title) in [("a", "first"), ("b", "first"), ("c", "first")] {
        device.add("tasks", json!({ "id": id, "title": title })).expect("added");
        device.update("tasks", id, json!({ "title": "second" })).expect("updated");
    }
    device.delete("tasks", "c").expect("deleted");
    device.line.stop_bodies(|body| body.contains("poison").then_some(502));
    device.line.set_online(true);
    world.pass(HOUR);
    let changes = world.server.changes("ada", &["tasks"]);
    for id in ["a", "b", "c"] {
        let of_record: Vec<_> =
            changes.iter().filter(|change| change.id.as_str() == id).map(|change| change.at).collect();
        assert!(of_record.len() > 1 && of_record.is_sorted(), "{id}: {of_record:?}");
    }
}

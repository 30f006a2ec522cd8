//! A server that says when to come back is not asked before, whatever it fails at, and nothing is decided sooner because of it.

use super::isolating::letters;
use mana_simulation::World;
use mana_sync_engine::engine::State;
use mana_sync_engine::engine::ports::{Request, Response};
use serde_json::json;

const PUSH: &str = "/v2/push";
const ASKED_MS: u64 = 120_000;

/// Two devices; pushes of the first that hold `text` are answered so, with a time to come back at.
fn refused(changes: usize, text: &'static str, status: u16, body: &'static str) -> World {
    let world = World::of_ada(2);
    world.pass(60_000);
    let device = &world.devices[0];
    device.line.set_online(false);
    for number in 0..changes {
        device.add("tasks", json!({ "id": format!("t{number}"), "title": "well" })).expect("added");
    }
    world.pass(10_000);
    device.line.stop(move |request: &Request| {
        let is_refused = request.path == PUSH && request.body.as_ref().is_some_and(|body| body.contains(text));
        let content_type = if body.is_empty() { "text/plain" } else { "application/json" };
        let (content_type, body) = (content_type.to_owned(), body.to_owned());
        is_refused.then_some(Ok(Response { status, content_type, retry_after_ms: Some(ASKED_MS), body }))
    });
    device.line.set_online(true);
    world
}

#[test]
fn a_push_is_not_said_again_before_its_time_whatever_it_failed_with() {
    let typed = r#"{"protocol":2,"code":"no_room","message":""}"#;
    let too_large = r#"{"protocol":2,"code":"too_large","message":""}"#;
    let failures = [(500, ""), (502, ""), (503, ""), (429, ""), (413, ""), (400, ""), (422, ""), (403, typed)];
    for (status, body) in failures.into_iter().chain([(413, too_large)]) {
        for changes in [1, 30] {
            let world = refused(changes, "", status, body);
            let [device, other] = [&world.devices[0], &world.devices[1]];
            let before = device.line.requests_to(PUSH);
            device.session().hurry();
            world.pass(10_000);
            other.add("tasks", json!({ "id": "theirs", "title": "theirs" })).expect("added");
            world.pass(32_000);
            let heard = device.rows("tasks").iter().any(|row| row["id"] == "theirs");
            assert_eq!(heard, !matches!(status, 429 | 503), "{status}: others are heard where the server is not busy");
            // Somebody who looks at the page does not make it come sooner.
            for _ in 0..720 {
                device.session().hurry();
                world.pass(5_000);
            }
            let asked = device.line.requests_to(PUSH) - before;
            assert!((15..=31).contains(&asked), "{status}: asked {asked} times in an hour");
            assert_eq!(device.session().status().state, State::Error, "{status}");
            assert_eq!((letters(device), device.logged().len()), (vec![], changes), "{status}");
            device.line.stop(|_| None);
            world.pass(ASKED_MS + 60_000);
            assert_eq!(device.logged().len(), 0, "{status}: it goes on by itself");
        }
    }
}

#[test]
fn what_the_server_fails_at_is_looked_for_at_the_pace_it_asks_for() {
    for (status, code) in [(502, "invalid_change"), (413, "too_large")] {
        let world = refused(20, "poison", status, "");
        let [device, other] = [&world.devices[0], &world.devices[1]];
        device.add("tasks", json!({ "id": "p", "title": "poison" })).expect("added");
        let before = device.line.requests_to(PUSH);
        for number in 0..12 {
            device.add("tasks", json!({ "id": format!("later{number}"), "title": "well" })).expect("added");
            world.pass(10 * 60_000);
        }
        assert_eq!(letters(device), [code], "{status}");
        assert_eq!((other.rows("tasks").len(), device.logged().len()), (32, 0), "{status}: all others");
        let asked = device.line.requests_to(PUSH) - before;
        assert!(asked < 100, "{status}: asked {asked} times");
    }
}

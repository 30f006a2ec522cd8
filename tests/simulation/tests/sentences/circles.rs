//! Pages that never come to an end: what is said of them, how often they are asked for, and that it goes on once they do.

use super::ahead::push;
use super::{protocol1, sealed};
use mana_simulation::{Device, Setup, World};
use mana_sync_engine::engine::ports::{Request, Response};
use mana_sync_engine::engine::{Event, State};
use mana_sync_engine::model::Stamp;
use serde_json::{Value, json};
use std::cell::Cell;

const HOUR_MS: u64 = 3_600_000;

fn shown(device: &Device) -> (State, Option<String>) {
    let status = device.session().status();
    (status.state, status.trouble.map(|trouble| trouble.code))
}

fn cursor(device: &Device) -> String {
    device.engine_rows("cursor")[0]["cursor"].as_str().expect("a cursor").to_owned()
}

/// A page of the present that brings what is here already, and ends at `cursor`.
fn page(change: &Value, cursor: &str, now_ms: u64) -> Response {
    let at = Stamp::at_ms(now_ms);
    let body = json!({ "protocol": 2, "changes": [change], "cursor": cursor, "hasMore": true, "serverTime": at,
        "spaces": [], "spacesAsOf": at });
    Response { status: 200, content_type: "application/json".into(), retry_after_ms: None, body: body.to_string() }
}

/// Has every pull answered with a page that ends at the next of these cursors and promises more; asserts what follows.
fn check(stops: impl Fn(&str) -> Vec<String>) {
    let world = World::of_ada(2);
    let [device, other] = [&world.devices[0], &world.devices[1]];
    other.add("tasks", json!({ "id": "t", "title": "Milk" })).expect("added");
    world.converge("ada");
    let first = cursor(device);
    other.add("tasks", json!({ "id": "u", "title": "Tea" })).expect("added");
    world.converge("ada");
    let (stops, change) = (stops(&first), world.server.changes("ada", &["tasks"])[0].to_json());
    let (turn, rows, clock) = (Cell::new(0), device.store_rows("tasks"), world.executor.clone());
    device.line.stop(move |request: &Request| {
        let is_pull = request.path == "/v2/pull";
        turn.set(turn.get() + usize::from(is_pull));
        is_pull.then(|| Ok(page(&change, &stops[turn.get() % stops.len()], clock.now())))
    });
    other.add("tasks", json!({ "id": "v", "title": "Eggs" })).expect("added");
    let before = device.line.requests_to("/v2/pull");
    world.pass(HOUR_MS);
    let asked = device.line.requests_to("/v2/pull") - before;
    assert!((60..2000).contains(&asked), "asked {asked} times in an hour");
    assert_eq!(shown(device), (State::Error, Some("bad_answer".to_owned())));
    assert_eq!(device.store_rows("tasks"), rows, "nothing of it changes anything");
    device.line.stop(|_| None);
    world.pass(2 * 60_000);
    assert_eq!((shown(device), device.rows("tasks").len()), ((State::Synced, None), 3));
}

#[test]
fn a_cursor_that_stands_still_is_a_bad_answer() {
    // A device that stands where the page ends is asked no further; at first it stands elsewhere.
    check(|first| vec![first.to_owned()]);
}

#[test]
fn cursors_that_go_back_are_a_bad_answer_once_they_were_met() {
    for between in [1, 2, 7] {
        check(|first| std::iter::once(first.to_owned()).chain((0..between).map(|n| format!("stop {n}"))).collect());
    }
}

#[test]
fn a_server_whose_times_contradict_each_other_is_not_asked_without_end() {
    let world = World::of_ada(2);
    let [device, other] = [&world.devices[0], &world.devices[1]];
    world.converge("ada");
    let (here, stopped) = (cursor(device), json!([]));
    device.line.stop(move |request: &Request| {
        let mut answer = page(&stopped, &here, 1_700_000_000_000);
        answer.body = answer.body.replace("[[]]", "[]").replace("true", "false");
        (request.path == "/v2/pull").then_some(Ok(answer))
    });
    let before = device.line.requests_to("/v2/pull");
    world.pass(HOUR_MS);
    let asked = device.line.requests_to("/v2/pull") - before;
    assert!((60..300).contains(&asked), "asked {asked} times in an hour");
    assert_eq!(shown(device), (State::Error, Some("bad_answer".to_owned())));
    device.line.stop(|_| None);
    other.add("tasks", json!({ "id": "t", "title": "Milk" })).expect("added");
    world.pass(2 * 60_000);
    assert_eq!((shown(device), device.rows("tasks").len()), ((State::Synced, None), 1));
}

#[test]
fn more_rows_of_one_time_than_a_server_of_protocol_1_gives_are_stepped_over_and_told() {
    let mut world = World::new(7);
    world.server.keep_times();
    world.server.set_protocol_1(true);
    world.server.production().set_tick(10_000_000_000);
    let insert = |number: usize| {
        json!({ "table": "tasks", "id": format!("t{number}"), "op": "insert", "spaceId": "_personal:ada",
        "data": { "title": "Milk", "spaceId": "_personal:ada" } })
    };
    push(&world, &(0..5_500).map(insert).collect::<Vec<_>>());
    world.server.production().set_tick(1);
    world.pass(1000);
    push(&world, &(6_000..6_010).map(insert).collect::<Vec<_>>());
    world.add(Setup::of("ada")).open();
    let device = &world.devices[0];
    world.pass(10 * 60_000);
    let is_stuck =
        |event: &Event| matches!(event, Event::Telemetry(told) if told.code.as_deref() == Some("cursor_stuck"));
    assert_eq!(device.take_events().iter().filter(|event| is_stuck(event)).count(), 1, "it is told, once");
    assert_eq!(shown(device), (State::Synced, None));
    let rows = device.rows("tasks");
    assert_eq!(rows.len(), 5_010, "what is later comes, and of that time what the server gives");
    assert!(device.line.requests_to("/sync/pull") < 40, "{}", device.line.requests_to("/sync/pull"));
}

#[test]
fn a_keyring_whose_pages_lead_in_a_circle_is_a_bad_answer() {
    for stops in [1, 2, 5] {
        let mut world = sealed::world();
        world.devices[0].rotate(8).expect("rotated");
        world.converge("ada");
        let key = world.server.keyring("ada")[0].to_json();
        let (turn, clock) = (Cell::new(0), world.executor.clone());
        world.add(sealed::setup());
        let device = &world.devices[2];
        device.line.stop(move |request: &Request| {
            let is_keyring =
                request.path == "/v2/pull" && request.body.as_ref().is_some_and(|body| !body.contains("todo"));
            turn.set(turn.get() + usize::from(is_keyring));
            is_keyring.then(|| Ok(page(&key, &format!("stop {}", turn.get() % stops), clock.now())))
        });
        device.open();
        world.pass(HOUR_MS);
        let asked = device.line.requests_to("/v2/pull");
        assert!((20..2000).contains(&asked), "asked {asked} times in an hour");
        assert_eq!(shown(device), (State::Error, Some("bad_answer".to_owned())));
        device.line.stop(|_| None);
        world.pass(2 * 60_000);
        assert_eq!(shown(device), (State::Synced, None));
    }
}

#[test]
fn a_server_of_protocol_1_that_promises_more_for_ever_is_a_bad_answer() {
    let world = protocol1::world(vec![Setup::of("ada")], true);
    let device = &world.devices[0];
    world.pass(60_000);
    let row = json!({ "table": "tasks", "id": "t", "op": "insert", "data": { "title": "Milk" } });
    // Below what was asked for; always the same; ever later, and nothing there.
    for (until, rows) in [("2020-01-01", vec![row.clone()]), ("2026-01-01", vec![row]), ("2026-01-02", vec![])] {
        let (turn, is_later, clock) = (Cell::new(0), rows.is_empty(), world.executor.clone());
        device.line.stop(move |request: &Request| {
            turn.set(turn.get() + 1);
            let later = Stamp::at_ms(clock.now() + turn.get()).to_string();
            let until = if is_later { later } else { format!("{until}T00:00:00.000000Z") };
            let all = json!({ "serverChanges": rows, "conflicts": [], "syncedUntil": until, "hasMore": true });
            let (status, content_type) = (200, "application/json".to_owned());
            let answer = Response { status, content_type, retry_after_ms: None, body: all.to_string() };
            request.path.starts_with("/sync/").then_some(Ok(answer))
        });
        let before = device.line.requests_to("/sync/pull");
        world.pass(HOUR_MS);
        let asked = device.line.requests_to("/sync/pull") - before;
        assert!(asked < 2000, "{until}: asked {asked} times in an hour");
        assert_eq!(shown(device), (State::Error, Some("bad_answer".to_owned())), "{until}");
        device.line.stop(|_| None);
        world.pass(2 * 60_000);
        assert_eq!(shown(device), (State::Synced, None), "{until}");
    }
}

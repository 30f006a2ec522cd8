//! Every answer to every call: what is shown, how often it is asked for, that nothing is dropped, and that all goes on by itself
//! once the server behaves, unless it is declared that only a person can help.

mod answers;
mod checks;
mod streams;

use answers::{ASKED_MS, Case, Then, cases, json_of, shown};
use mana_simulation::{Device, Setup, World};
use mana_sync_engine::engine::ports::Request;
use mana_sync_engine::engine::{Event, State};
use serde_json::json;
use std::cell::Cell;
use std::rc::Rc;

const HOUR_MS: u64 = 3_600_000;

/// A call, as one column of the matrix.
struct Column {
    name: &'static str,
    by_time: bool,
    is_call: fn(&Request) -> bool,
    /// So many requests may be made before it counts as failed.
    at_once: usize,
}

/// Whether a request to a server of protocol 1 brings changes; all others ask for some.
fn brings_changes(request: &Request) -> bool {
    request.body.as_ref().is_some_and(|body| body.contains("\"op\""))
}

/// A device that has something to push, to pull and to show, with a clock that has to be asked for.
fn world(by_time: bool) -> World {
    let mut world = World::new(1);
    world.server.keep_times();
    world.server.set_protocol_1(by_time);
    for _ in 0..2 {
        world.add(Setup::of("ada")).open();
    }
    world.pass(10_000);
    let [device, other] = [&world.devices[0], &world.devices[1]];
    device.line.set_online(false);
    device.clock.jump(20_000);
    device.add("tasks", json!({ "id": "mine", "title": "mine" })).expect("added");
    other.add("tasks", json!({ "id": "theirs", "title": "theirs" })).expect("added");
    world.pass(60_000);
    drop(device.take_events());
    device.line.set_online(true);
    world
}

fn is_told_of_loss(device: &Device) -> bool {
    let is_loss = |event: &Event| matches!(event, Event::DeadLetter { .. } | Event::Quarantine { .. });
    device.take_events().iter().any(is_loss)
}

/// One cell: the call is answered so for an hour, then as it should.
fn check(column: &Column, case: &Case) {
    let world = world(column.by_time);
    let device = &world.devices[0];
    let cell = format!("{}: {}", column.name, case.name);
    let (asked, is_call, answer) = (Rc::new(Cell::new(0)), column.is_call, case.answer.clone());
    let count = Rc::clone(&asked);
    device.line.stop(move |request: &Request| {
        let is_call = is_call(request);
        count.set(count.get() + usize::from(is_call));
        is_call.then(|| answer.clone())
    });
    device.session().hurry();
    world.pass(HOUR_MS);
    let trouble = if device.session().status().state == State::Syncing {
        // Just now it is tried again, and the last failure is shown on.
        (case.state(), shown(device).1)
    } else {
        shown(device)
    };
    assert_eq!(trouble, (case.state(), Some(case.code.to_owned())), "{cell}");
    assert_eq!(device.rows("tasks").iter().filter(|row| row["id"] == "mine").count(), 1, "{cell}");
    assert!(case.in_an_hour(column.at_once).contains(&asked.get()), "{cell}: asked {} times in an hour", asked.get());
    device.line.stop(|_| None);
    match case.then {
        Then::Person => {
            world.pass(10 * 60_000);
            assert_eq!(shown(device).0, case.state(), "{cell}: it waits for somebody");
            device.session().hurry();
        }
        Then::AskedTime => world.pass(ASKED_MS),
        Then::Again => {}
    }
    world.pass(100_000);
    assert_eq!((shown(device), device.logged().len()), ((State::Synced, None), 0), "{cell}");
    world.pass(60_000);
    for device in &world.devices {
        assert_eq!(device.rows("tasks").len(), 2, "{cell}");
    }
    assert!(!is_told_of_loss(device), "{cell}");
}

fn check_all(column: &Column) {
    for case in &cases() {
        check(column, case);
    }
}

#[test]
fn every_answer_to_asking_for_the_time_is_shown_and_loses_nothing() {
    let column = Column { name: "time", by_time: false, is_call: |request| request.path == "/health", at_once: 1 };
    check_all(&column);
}

#[test]
fn every_answer_to_a_push_is_shown_and_loses_nothing() {
    let column = Column { name: "push", by_time: false, is_call: |request| request.path == "/v2/push", at_once: 1 };
    check_all(&column);
}

#[test]
fn every_answer_to_a_pull_is_shown_and_loses_nothing() {
    let column = Column { name: "pull", by_time: false, is_call: |request| request.path == "/v2/pull", at_once: 1 };
    check_all(&column);
}

#[test]
fn every_answer_to_a_push_of_protocol_1_is_shown_and_loses_nothing() {
    let column = Column { name: "push of protocol 1", by_time: true, is_call: brings_changes, at_once: 1 };
    check_all(&column);
}

#[test]
fn every_answer_to_a_pull_of_protocol_1_is_shown_and_loses_nothing() {
    // An app that was read before is asked by a push that brings nothing; where that is no answer, its tables are.
    let is_call = |request: &Request| request.path.starts_with("/sync/") && !brings_changes(request);
    let column = Column { name: "pull of protocol 1", by_time: true, is_call, at_once: 2 };
    check_all(&column);
}

#[test]
fn every_way_a_token_does_not_come_is_shown_and_loses_nothing() {
    let ways = [(false, false, State::NeedsAuth, "needs_auth"), (true, true, State::Offline, "offline")];
    for (signed_in, fails, state, code) in ways {
        let world = world(false);
        let device = &world.devices[0];
        world.server.expire_tokens(device.line.next_token());
        device.line.set_signed_in(signed_in);
        device.line.set_tokens_fail(fails);
        device.session().hurry();
        world.pass(3_600_000);
        assert_eq!(shown(device), (state, Some(code.to_owned())));
        device.line.set_signed_in(true);
        device.line.set_tokens_fail(false);
        device.session().hurry();
        world.pass(200_000);
        assert_eq!((shown(device), device.logged().len()), ((State::Synced, None), 0));
    }
}

#[test]
fn a_server_that_refuses_every_cursor_is_not_asked_without_end() {
    let world = world(false);
    let device = &world.devices[0];
    let expired = json!({ "protocol": 2, "code": "cursor_expired", "message": "", "reason": "restored" });
    device.line.stop(move |request: &Request| (request.path == "/v2/pull").then(|| Ok(json_of(410, &expired))));
    device.session().hurry();
    world.pass(3_600_000);
    assert_eq!(shown(device), (State::Error, Some("cursor_expired".to_owned())));
    assert!(device.line.requests_to("/v2/pull") < 400);
    assert_eq!(device.rows("tasks").len(), 1, "what is here stays");
    device.line.stop(|_| None);
    world.pass(200_000);
    assert_eq!((shown(device), device.rows("tasks").len()), ((State::Synced, None), 2));
}

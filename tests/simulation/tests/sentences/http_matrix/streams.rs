//! Every answer to a stream: whether it is left for polling at once, after three times, or not before its time; and news come all
//! the same.

use super::answers::{Case, Then, cases, shown};
use mana_simulation::{Setup, World};
use mana_sync_engine::engine::State;
use mana_sync_engine::engine::ports::Request;
use mana_sync_engine::protocol::fallback::TransportKind;
use serde_json::json;

/// How often a stream is asked for within 110 s, and within 290 s: until a better transport has its turn again.
fn declared(case: &Case) -> (usize, usize) {
    let status = case.answer.as_ref().map_or(0, |answer| answer.status);
    match status {
        // Once more with another token, and as often as any that is lost.
        401 => (4, 4),
        402 | 408 | 410 | 429 if case.then == Then::AskedTime => (1, 3),
        402 | 408 | 410 | 429 => (3, 3),
        // Who says that there is no stream here is not asked again.
        400..=499 => (1, 1),
        _ if case.then == Then::AskedTime => (1, 3),
        _ => (3, 3),
    }
}

fn check(case: &Case) {
    let setup = Setup { transports: vec![TransportKind::Stream], ..Setup::of("ada") };
    let world = World::with(1, vec![setup, Setup::of("ada")]);
    let [device, other] = [&world.devices[0], &world.devices[1]];
    let (name, answer) = (case.name, case.answer.clone());
    device.line.stop(move |request: &Request| (request.path == "/v2/stream").then(|| answer.clone()));
    let before = device.line.requests_to("/v2/stream");
    let asked = || device.line.requests_to("/v2/stream") - before;
    device.restart();
    world.pass(110_000);
    let early = asked();
    other.add("tasks", json!({ "id": "t", "title": "t" })).expect("added");
    world.pass(40_000);
    assert_eq!((shown(device), device.rows("tasks").len()), ((State::Synced, None), 1), "{name}: by polling");
    world.pass(140_000);
    assert_eq!((early, asked()), declared(case), "{name}");
    // It may be served by now.
    let served = device.line.connections.streams();
    device.line.stop(|_| None);
    world.pass(90_000 + if case.then == Then::AskedTime { 260_000 } else { 0 });
    assert!(device.line.connections.streams() > served, "{name}: it is tried again by itself");
    other.add("tasks", json!({ "id": "u", "title": "u" })).expect("added");
    world.pass(2_000);
    assert_eq!(device.rows("tasks").len(), 2, "{name}: long before the next poll");
}

#[test]
fn whatever_a_stream_is_answered_it_is_left_or_asked_for_again_as_declared() {
    for case in &cases() {
        check(case);
    }
}

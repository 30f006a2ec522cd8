//! Every answer to a check: what who asked is told, how often it is asked for, and that sync goes on as if nothing was.

use super::answers::{Case, Then, cases, shown};
use mana_simulation::World;
use mana_sync_engine::engine::ports::Request;
use mana_sync_engine::engine::{CheckState, Kind, State};
use serde_json::json;

fn check(case: &Case) {
    let world = World::of_ada(2);
    let [device, other] = [&world.devices[0], &world.devices[1]];
    other.add("tasks", json!({ "id": "t", "title": "t" })).expect("added");
    world.converge("ada");
    let answer = case.answer.clone();
    device.line.stop(move |request: &Request| (request.path == "/v2/check").then(|| answer.clone()));
    let before = device.line.requests_to("/v2/check");
    let told = device.check();
    let asked = device.line.requests_to("/v2/check") - before;
    let name = case.name;
    if case.code == "busy" {
        // It is asked five times, with pauses, and then nothing can be said.
        assert_eq!((told.expect("an answer").state, asked), (CheckState::Moving, 5), "{name}");
    } else {
        let error = told.expect_err("the check fails");
        let kind = if case.code == "offline" { Kind::Offline } else { Kind::SyncFailed };
        assert_eq!(error.kind(), kind, "{name}: {error}");
        let code = if case.code == "needs_auth" { "unauthorized" } else { case.code };
        let said = error.details()["code"].as_str().map(str::to_owned);
        assert_eq!(said.as_deref(), (code != "offline").then_some(code), "{name}: {error}");
        // A token that is refused is asked for once more.
        assert_eq!(asked, if code == "unauthorized" { 2 } else { 1 }, "{name}");
    }
    assert_eq!(shown(device), (State::Synced, None), "{name}: it is no trouble of the loop's");
    world.pass(60_000);
    assert_eq!(device.line.requests_to("/v2/check") - before, asked, "{name}: nobody asks for who gave up");
    device.line.stop(|_| None);
    assert_eq!(device.check().expect("an answer").state, CheckState::Equal, "{name}");
    assert!(case.then != Then::AskedTime || case.code == "busy");
    assert_eq!(device.rows("tasks").len(), 1, "{name}");
}

#[test]
fn every_answer_to_a_check_is_told_to_who_asked_and_to_nobody_else() {
    for case in &cases() {
        check(case);
    }
}

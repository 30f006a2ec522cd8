//! Every answer to every call: what is shown, that nothing is dropped, and that all goes on once the server behaves.

use mana_simulation::{Device, Setup, World};
use mana_sync_engine::engine::ports::{NoAnswer, Request, Response};
use mana_sync_engine::engine::{Event, State};
use mana_sync_engine::protocol::fallback::TransportKind;
use serde_json::{Value, json};

type Answer = Result<Response, NoAnswer>;

/// What a call may be answered with, and the code that is shown then.
fn answers() -> Vec<(&'static str, Answer, &'static str)> {
    let html = |status| response(status, "text/html", "<h1>Welcome to the airport</h1>");
    let typed = |status, code: &str| json_of(status, &json!({ "protocol": 2, "code": code, "message": "a sentence" }));
    let busy = |status| Response { retry_after_ms: Some(120_000), ..typed(status, "busy") };
    let ok = |body: &str| response(200, "application/json", body);
    let shop = json!({ "status": "ok", "service": "shop", "timestamp": "2026-02-01T00:00:00.000Z" });
    vec![
        ("no answer", Err(NoAnswer("the network is gone".into())), "offline"),
        ("a page of HTML", Ok(html(200)), "bad_answer"),
        ("nothing", Ok(ok("")), "bad_answer"),
        ("204", Ok(response(204, "", "")), "bad_answer"),
        ("a redirection", Ok(html(302)), "bad_answer"),
        ("JSON that ends in the middle", Ok(ok("{\"protocol\":2,\"changes\":[")), "bad_answer"),
        ("JSON as text", Ok(response(200, "text/plain", "{\"protocol\":2}")), "bad_answer"),
        ("JSON that says nothing", Ok(ok("{\"protocol\":2}")), "bad_answer"),
        ("another protocol", Ok(ok("{\"protocol\":3,\"accepted\":[],\"changes\":[]}")), "bad_answer"),
        ("a list", Ok(ok("[]")), "bad_answer"),
        ("another service's health", Ok(json_of(200, &shop)), "bad_answer"),
        ("400 of the protocol", Ok(typed(400, "invalid_request")), "invalid_request"),
        ("400 of somebody", Ok(html(400)), "bad_request"),
        ("401", Ok(html(401)), "needs_auth"),
        ("402", Ok(html(402)), "billing_required"),
        ("403 of the protocol", Ok(typed(403, "storage_quota_exceeded")), "storage_quota_exceeded"),
        ("404", Ok(html(404)), "bad_answer"),
        ("408", Ok(html(408)), "busy"),
        ("410 of somebody", Ok(html(410)), "bad_answer"),
        ("413 of somebody", Ok(html(413)), "too_large"),
        ("429", Ok(busy(429)), "busy"),
        ("500", Ok(typed(500, "internal")), "server_error"),
        ("503", Ok(busy(503)), "busy"),
    ]
}

fn response(status: u16, content_type: &str, body: &str) -> Response {
    Response { status, content_type: content_type.into(), retry_after_ms: None, body: body.into() }
}

fn json_of(status: u16, body: &Value) -> Response {
    response(status, "application/json", &body.to_string())
}

/// What the device shows last, with the code of its trouble.
fn shown(device: &Device) -> (State, Option<String>) {
    let status = device.session().status();
    (status.state, status.trouble.map(|trouble| trouble.code))
}

fn state_of(code: &str) -> State {
    match code {
        "offline" => State::Offline,
        "needs_auth" => State::NeedsAuth,
        "billing_required" => State::BillingRequired,
        _ => State::Error,
    }
}

/// A device that has something to push, to pull and to show, with a clock that has to be asked for.
fn world() -> World {
    let world = World::of_ada(2);
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
fn check(path: &'static str, (name, answer, code): (&str, Answer, &str)) {
    let world = world();
    let device = &world.devices[0];
    device.line.stop(move |request: &Request| (request.path == path).then(|| answer.clone()));
    device.session().hurry();
    world.pass(3_600_000);
    let cell = format!("{path}: {name}");
    if let (state @ (State::Offline | State::Error | State::NeedsAuth | State::BillingRequired), Some(seen)) =
        shown(device)
    {
        assert_eq!((state, seen.as_str()), (state_of(code), code), "{cell}");
    } else {
        panic!("{cell}: {:?}", device.session().status());
    }
    assert_eq!(device.rows("tasks").iter().filter(|row| row["id"] == "mine").count(), 1, "{cell}");
    let asked = device.line.requests_to(path);
    assert!(asked < 400, "{cell}: asked {asked} times in an hour");
    device.line.stop(|_| None);
    device.session().hurry();
    world.pass(200_000);
    assert_eq!((shown(device), device.logged().len()), ((State::Synced, None), 0), "{cell}");
    for device in &world.devices {
        assert_eq!(device.rows("tasks").len(), 2, "{cell}");
    }
    assert!(!is_told_of_loss(device), "{cell}");
}

#[test]
fn every_answer_to_asking_for_the_time_is_shown_and_loses_nothing() {
    for answer in answers() {
        check("/health", answer);
    }
}

#[test]
fn every_answer_to_a_push_is_shown_and_loses_nothing() {
    for answer in answers() {
        check("/v2/push", answer);
    }
}

#[test]
fn every_answer_to_a_pull_is_shown_and_loses_nothing() {
    for answer in answers() {
        check("/v2/pull", answer);
    }
}

#[test]
fn whatever_a_stream_is_answered_the_device_hears_of_news_all_the_same() {
    for (name, answer, _) in answers() {
        let setup = Setup { transports: vec![TransportKind::Stream], ..Setup::of("ada") };
        let world = World::with(1, vec![setup, Setup::of("ada")]);
        let [device, other] = [&world.devices[0], &world.devices[1]];
        device.line.stop(move |request: &Request| (request.path == "/v2/stream").then(|| answer.clone()));
        world.pass(120_000);
        other.add("tasks", json!({ "id": "t", "title": "t" })).expect("added");
        world.pass(40_000);
        assert_eq!((shown(device), device.rows("tasks").len()), ((State::Synced, None), 1), "{name}");
        let asked = device.line.requests_to("/v2/stream");
        assert!(asked <= 10, "{name}: asked {asked} times");
    }
}

#[test]
fn every_way_a_token_does_not_come_is_shown_and_loses_nothing() {
    for (signed_in, fails, code) in [(false, false, "needs_auth"), (true, true, "offline")] {
        let world = world();
        let device = &world.devices[0];
        world.server.expire_tokens(device.line.next_token());
        device.line.set_signed_in(signed_in);
        device.line.set_tokens_fail(fails);
        device.session().hurry();
        world.pass(3_600_000);
        assert_eq!(shown(device), (state_of(code), Some(code.to_owned())));
        device.line.set_signed_in(true);
        device.line.set_tokens_fail(false);
        device.session().hurry();
        world.pass(200_000);
        assert_eq!((shown(device), device.logged().len()), ((State::Synced, None), 0));
    }
}

#[test]
fn a_server_that_refuses_every_cursor_is_not_asked_without_end() {
    let world = world();
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

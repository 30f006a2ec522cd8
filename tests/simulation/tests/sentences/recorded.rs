//! The double of a server of protocol 1 answers every request that was recorded of the real one in the same shape.

use super::sealed::space;
use mana_simulation::World;
use mana_sync_engine::engine::ports::{Method, Request, Response};
use serde_json::{Value, json};

const RECORDED: &str = include_str!("../../../../server/tests/server/protocol1/exchanges.json");

/// A server with the people and the space of the recording.
fn recorded_world() -> World {
    let world = World::new(1);
    world.server.keep_times();
    world.server.set_protocol_1(true);
    world.server.set_max_schema("todo", 1);
    for user in ["ada", "bob", "mallory"] {
        world.server.set_spaces(user, vec![space("space-family", "family")]);
    }
    world
}

fn request(recorded: &Value) -> Request {
    let path = recorded["path"].as_str().expect("a path");
    let token = match recorded["user"].as_str() {
        Some(user) => Some(format!("{user}#1")),
        None => path.ends_with("since=x").then(|| "bad".to_owned()),
    };
    let body = match &recorded["body"] {
        Value::Null => None,
        Value::String(text) if text.contains("10.5 MB") => {
            Some(format!("{{\"changes\":[],\"padding\":\"{}\"}}", "x".repeat(10_500_000)))
        }
        Value::String(text) => Some(text.clone()),
        body => Some(body.to_string()),
    };
    let method = if recorded["method"] == "POST" { Method::Post } else { Method::Get };
    let client = recorded["clientId"].as_str().map(str::to_owned);
    Request { method, path: path.to_owned().into(), body, token, client }
}

/// An answer without what differs each time.
fn shape(mut body: Value) -> Value {
    for name in ["syncedUntil", "timestamp"] {
        if body[name].is_string() {
            body[name] = json!("a time");
        }
    }
    for change in body["serverChanges"].as_array_mut().into_iter().flatten() {
        if change["eventId"].is_string() {
            change["eventId"] = json!("an id");
        }
    }
    body
}

fn compare(name: &str, answer: &Response, recorded: &Value) {
    assert_eq!(json!(answer.status), recorded["status"], "{name}: {}", answer.body);
    assert_eq!(json!(answer.content_type), recorded["contentType"], "{name}");
    match &recorded["body"] {
        // What follows the kind of an error is said by another library.
        Value::String(text) if text.contains(": ") => {
            let kind = |text: &str| text.split_once(": ").map(|(kind, _)| kind.to_owned());
            assert_eq!(kind(&answer.body), kind(text), "{name}");
        }
        Value::String(text) => assert_eq!(&answer.body, text, "{name}"),
        body => assert_eq!(shape(serde_json::from_str(&answer.body).expect("JSON")), shape(body.clone()), "{name}"),
    }
}

#[test]
fn every_recorded_request_is_answered_by_the_double_in_the_same_shape() {
    let world = recorded_world();
    let exchanges: Vec<Value> = serde_json::from_str(RECORDED).expect("recorded as JSON");
    let mut replayed = 0;
    for exchange in exchanges.iter().filter(|exchange| exchange["request"]["method"].is_string()) {
        let name = exchange["name"].as_str().expect("a name");
        compare(name, &world.server.answer(&request(&exchange["request"])), &exchange["response"]);
        world.pass(10);
        replayed += 1;
    }
    assert_eq!(replayed, 22, "all of them but the stream and the sockets");
}

#[test]
fn an_event_has_an_id_of_the_servers_own_each_time_it_is_pushed() {
    let world = recorded_world();
    let exchanges: Vec<Value> = serde_json::from_str(RECORDED).expect("recorded as JSON");
    let named = |name: &str| exchanges.iter().find(|one| one["name"] == name).expect("it was recorded");
    for name in ["same push again (retry after a lost answer)", "retry"] {
        let answer = world.server.answer(&request(&named(name)["request"]));
        assert_eq!(answer.status, 200);
        world.pass(10);
    }
    let pulled = world.server.answer(&request(&named("pull by another client")["request"]));
    let page: Value = serde_json::from_str(&pulled.body).expect("JSON");
    let ids: Vec<&Value> =
        page["serverChanges"].as_array().expect("changes").iter().map(|one| &one["eventId"]).collect();
    assert!(ids.len() == 2 && ids[0] != ids[1], "{ids:?}");
    assert!(!ids.contains(&&json!("0193e0a0-0000-7000-8000-000000000001")));
}

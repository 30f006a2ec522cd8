//! What a server of protocol 1 was heard to answer, read as the engine reads it.

use mana_sync_engine::model::{AppId, Change, Op, Stamp};
use mana_sync_engine::protocol::http::Response;
use mana_sync_engine::protocol::protocol1::{health, received, timed_page};
use mana_sync_engine::protocol::reply::{Failure, pull_answer};
use mana_sync_engine::protocol::sse::Parser;
use serde_json::Value;

const RECORDED: &str = include_str!("../../server/tests/server/protocol1/exchanges.json");

fn exchanges() -> Vec<Value> {
    serde_json::from_str(RECORDED).expect("recorded as JSON")
}

fn named(name: &str) -> Value {
    exchanges().into_iter().find(|exchange| exchange["name"] == name).unwrap_or_else(|| panic!("{name} was recorded"))
}

fn response(exchange: &Value) -> Response {
    let recorded = &exchange["response"];
    let body = recorded["body"].as_str().map_or_else(|| recorded["body"].to_string(), str::to_owned);
    let status = recorded["status"].as_u64().and_then(|status| u16::try_from(status).ok()).expect("a status");
    let content_type = recorded["contentType"].as_str().unwrap_or_default().to_owned();
    Response { status, content_type, retry_after_ms: None, body }
}

fn now() -> Stamp {
    Stamp::parse("2026-11-22T09:12:31.000000Z").expect("a stamp")
}

fn changes(name: &str) -> Vec<Change> {
    let page = timed_page(&response(&named(name))).expect("a page");
    let app = AppId::parse("todo").expect("an app");
    let read =
        |change| Change::parse(received(change, &app, "ada", now()).expect("it says something")).expect("a change");
    page.changes.into_iter().map(read).collect()
}

#[test]
fn every_page_that_was_recorded_is_read_and_so_is_every_change_on_it() {
    let mut pages = 0;
    for exchange in exchanges() {
        let is_call = exchange["request"]["path"].as_str().is_some_and(|path| path.starts_with("/sync/"));
        if !is_call || exchange["response"]["status"] != 200 || exchange["response"].get("rawText").is_some() {
            continue;
        }
        let name = exchange["name"].as_str().expect("a name");
        let page = timed_page(&response(&exchange)).unwrap_or_else(|| panic!("{name} is a page"));
        assert!(page.until.to_string().starts_with("2026-11-22T09:1"), "{name}");
        pages += 1;
        changes(name);
    }
    assert!(pages >= 10, "{pages} pages");
}

#[test]
fn changes_have_the_times_spaces_and_hands_that_were_sent() {
    let of_ada = changes("pull by another client");
    let [insert, update, shared, ..] = &of_ada[..] else { panic!("three changes") };
    assert_eq!((insert.op, insert.at.to_string().as_str()), (Op::Insert, "2026-04-22T10:00:01.000Z"));
    assert_eq!(insert.space_id.as_ref().map(ToString::to_string).as_deref(), Some("_personal:ada"));
    assert_eq!((update.op, update.at.to_string().as_str()), (Op::Update, "2026-04-22T10:00:03.000Z"));
    assert_eq!(update.origin.as_str(), "agent");
    assert_eq!(shared.at, Stamp::UNKNOWN, "it says nothing of its time, so it beats no edit");
    assert_eq!(shared.space_id.as_ref().map(ToString::to_string).as_deref(), Some("space-family"));
    let deleted = &changes("pull deletes")[0];
    assert_eq!((deleted.op, deleted.at.to_string().as_str()), (Op::Delete, "2026-04-22T10:00:04.000Z"));
}

#[test]
fn what_is_later_than_now_is_of_no_time_that_is_known() {
    let app = AppId::parse("todo").expect("an app");
    let insert = |data: Value| {
        let change = serde_json::json!({ "table": "tasks", "id": "t", "op": "insert", "data": data,
            "eventId": "0193e0a0-0000-7000-8000-000000000001" });
        Change::parse(received(change, &app, "ada", now()).expect("it says something")).expect("a change")
    };
    let created = "2026-11-22T09:12:30.000Z";
    assert_eq!(insert(serde_json::json!({ "createdAt": created })).at.to_string(), created);
    assert_eq!(insert(serde_json::json!({ "createdAt": "2099-01-01T00:00:00.000Z" })).at, Stamp::UNKNOWN);
    let own = insert(serde_json::json!({ "updatedAt": "2026-11-22T09:12:30.000001Z", "createdAt": created }));
    assert_eq!(own.at.to_string(), "2026-11-22T09:12:30.000001Z");
    assert_eq!(own.fields.len(), 1, "`updatedAt` was put there for the way");
    let only_that = serde_json::json!({ "table": "tasks", "id": "t", "op": "update",
        "fields": { "updatedAt": { "value": created, "at": created } } });
    assert_eq!(received(only_that, &app, "ada", now()), None);
}

#[test]
fn every_error_that_was_recorded_means_what_it_says_and_takes_nothing_away() {
    let failure = |name: &str| pull_answer(Ok(response(&named(name)))).expect_err("no page");
    for name in ["no token", "bad token"] {
        assert_eq!(failure(name), Failure::Unauthorized, "{name}");
    }
    for name in ["unknown op", "missing id", "not JSON", "pull without collection", "too large"] {
        assert!(matches!(failure(name), Failure::Later { code: "bad_request", .. }), "{name}: {:?}", failure(name));
    }
    let behind = Failure::Refused {
        code: "schema_too_new".to_owned(),
        message: "unsupported schemaVersion 2 (max 1)".to_owned(),
        retry_after_ms: None,
    };
    assert_eq!(failure("schema version ahead"), behind);
}

#[test]
fn its_health_says_the_time_and_no_protocol_and_its_stream_is_one() {
    let (time, by_time) = health(&response(&named("health"))).expect("health");
    assert_eq!((time.to_string().as_str(), by_time), ("2026-11-22T09:12:30.000Z", true));
    let recorded = named("stream: backlog, then one live change");
    let text = recorded["response"]["rawText"].as_str().expect("as it came");
    let events = Parser::new(1_000_000).push(text.as_bytes()).expect("events");
    let names: Vec<&str> = events.iter().map(|event| event.name.as_str()).collect();
    assert!(names.len() > 1 && names.iter().all(|name| matches!(*name, "changes" | "heartbeat")), "{names:?}");
}

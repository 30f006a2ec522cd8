//! Answers to the engine's requests: nothing but a complete, typed answer of this protocol is believed, but for what says which
//! protocol is spoken, and what servers of protocol 1 say.

use mana_sync_engine::model::{EventId, OrderedSet};
use mana_sync_engine::protocol::http::{NoAnswer, Response};
use mana_sync_engine::protocol::reply::{Failure, health_answer, pull_answer, push_answer};
use mana_sync_engine::protocol::wire::{PROTOCOL, SERVICE};
use serde_json::Value;

/// What means something else than a success.
const STATUSES: [u16; 8] = [204, 400, 401, 402, 410, 413, 429, 500];

/// Reads a text as the answer to each request, as a success and under one of the other statuses.
///
/// # Panics
/// When something is believed that should not be.
pub fn read(text: &str) {
    let json: Option<Value> = serde_json::from_str(text).ok();
    let protocol = json.as_ref().and_then(|json| json["protocol"].as_u64());
    // What has a change that cannot be read is no JSON as a whole.
    let is_read_in_parts = json.is_none() && text.contains("\"protocol\"");
    let typed = protocol == Some(u64::from(PROTOCOL)) || is_read_in_parts;
    let is_of_service = json.as_ref().is_some_and(|json| json["service"] == SERVICE);
    let is_older = json.is_none() && text.starts_with("unsupported schemaVersion");
    let named = json.as_ref().map(named).unwrap_or_default();
    for status in [200, STATUSES[text.len() % STATUSES.len()]] {
        let is_older = is_older && status == 400;
        believed(status, typed || is_older, &push(status, text, &named));
        believed(status, typed || is_older, &pull(status, text));
        let health = health_answer(reply(status, "application/json", text)).map(drop);
        believed(status, typed || is_older || is_of_service && health.is_ok(), &health);
    }
    let html = pull_answer(reply(200, "text/html", text));
    assert!(matches!(html, Err(Failure::Later { .. })), "what does not say that it is JSON is no answer");
}

#[expect(clippy::unnecessary_wraps, reason = "the shape of what a transport gives")]
fn reply(status: u16, content_type: &str, text: &str) -> Result<Response, NoAnswer> {
    Ok(Response { status, content_type: content_type.to_owned(), retry_after_ms: None, body: text.to_owned() })
}

/// The ids an answer names, if they are ids.
fn named(json: &Value) -> Vec<EventId> {
    let accepted = json["accepted"].as_array().into_iter().flatten();
    let rejected = json["rejected"].as_array().into_iter().flatten().map(|rejection| &rejection["eventId"]);
    accepted.chain(rejected).filter_map(Value::as_str).filter_map(|id| EventId::parse(id).ok()).collect()
}

fn push(status: u16, text: &str, named: &[EventId]) -> Result<(), Failure> {
    let sent: OrderedSet<EventId> = named.iter().cloned().collect();
    let mut more = sent.clone();
    more.insert(EventId::from_parts(0, &[0; 10]));
    if more.len() != sent.len() {
        let answer = push_answer(reply(status, "application/json", text), &more);
        assert!(answer.is_err(), "an answer that leaves a change out is not believed");
    }
    let settlement = push_answer(reply(status, "application/json", text), &sent)?;
    assert_eq!(status, 200, "only a success settles anything");
    assert_eq!(named.len(), sent.len(), "no change is named twice");
    assert_eq!(settlement.accepted.len() + settlement.rejected.len(), sent.len(), "every change is named");
    assert!(settlement.accepted.iter().all(|id| sent.contains(id)), "only what was sent is accepted");
    Ok(())
}

fn pull(status: u16, text: &str) -> Result<(), Failure> {
    let page = pull_answer(reply(status, "application/json", text))?;
    assert_eq!((status, page.protocol), (200, PROTOCOL), "only a success of this protocol is a page");
    assert!(!page.cursor.is_empty() && (!page.has_more || !page.changes.is_empty()), "a page leads on");
    Ok(())
}

fn believed(status: u16, typed: bool, read: &Result<(), Failure>) {
    match read {
        Ok(()) => assert!(typed && status == 200, "an answer of another protocol, or status, is no success"),
        Err(Failure::Expired(_)) => assert!(typed && status == 410, "only a typed answer expires anything"),
        Err(Failure::Refused { .. }) => {
            assert!(typed && (400..500).contains(&status), "only a typed answer refuses anything");
        }
        Err(Failure::Unauthorized) => assert_eq!(status, 401),
        Err(Failure::PaymentRequired) => assert_eq!(status, 402),
        Err(Failure::Later { .. }) => {}
    }
}

//! Answers as servers and strangers give them.

use mana_sync_engine::model::EventId;
use mana_sync_engine::protocol::http::{NoAnswer, Response};
use serde_json::{Value, json};

/// What comes back to a request.
pub type Answer = Result<Response, NoAnswer>;

/// The device's time, in milliseconds since 1970.
pub const NOW: u64 = 1_767_225_600_000;
const AT: &str = "2026-01-01T00:00:00.000Z";

pub fn event(n: u8) -> EventId {
    EventId::from_parts(u64::from(n), &[n; 10])
}

#[expect(clippy::unnecessary_wraps, reason = "an answer among others, some of which never come")]
pub fn reply(status: u16, body: &Value) -> Answer {
    let content_type = "application/json".to_owned();
    Ok(Response { status, content_type, retry_after_ms: None, body: body.to_string() })
}

#[expect(clippy::unnecessary_wraps, reason = "an answer among others, some of which never come")]
pub fn html(status: u16) -> Answer {
    Ok(Response { status, content_type: "text/html".into(), retry_after_ms: None, body: "<p>Hello</p>".into() })
}

pub fn offline() -> Answer {
    Err(NoAnswer("no network".into()))
}

pub fn page(more: bool) -> Answer {
    let changes = if more { json!([{}]) } else { json!([]) };
    reply(
        200,
        &json!({ "protocol": 2, "changes": changes, "cursor": "c", "hasMore": more, "serverTime": AT, "spaces": [],
        "spacesAsOf": AT }),
    )
}

pub fn accepted(ids: &[EventId]) -> Answer {
    reply(200, &json!({ "protocol": 2, "accepted": ids, "rejected": [], "serverTime": AT }))
}

pub fn expired(status: u16, protocol: u32) -> Answer {
    let body = json!({ "protocol": protocol, "code": "cursor_expired", "message": "", "reason": "restored" });
    reply(status, &body)
}

/// A health answer of a server whose clock shows `NOW + ahead`.
pub fn health(ahead: u64) -> Answer {
    let timestamp = mana_sync_engine::model::Stamp::at_ms(NOW + ahead);
    reply(200, &json!({ "status": "ok", "service": "mana-sync", "protocol": 2, "timestamp": timestamp }))
}

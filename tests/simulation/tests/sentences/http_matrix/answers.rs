//! What a call may be answered with, and what is declared of each of these answers.

use mana_simulation::Device;
use mana_sync_engine::engine::State;
use mana_sync_engine::engine::ports::{NoAnswer, Response};
use serde_json::{Value, json};

pub type Answer = Result<Response, NoAnswer>;

/// How long some of the answers ask to wait, in milliseconds.
pub const ASKED_MS: u64 = 120_000;

/// What follows an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Then {
    /// It is tried again, after a random time of up to a minute.
    Again,
    /// It is tried again, not before the time that was asked for.
    AskedTime,
    /// Somebody has to do something.
    Person,
}

/// An answer, the code that is shown then, and what follows.
#[derive(Debug, Clone)]
pub struct Case {
    pub name: &'static str,
    pub answer: Answer,
    pub code: &'static str,
    pub then: Then,
}

impl Case {
    /// How many requests of the call there are in an hour, at least and at most, where it takes so many to fail.
    pub fn in_an_hour(&self, at_once: usize) -> std::ops::RangeInclusive<usize> {
        match self.then {
            // Half a minute on average, and shorter at first; one at whose batch the server may fail is tried in parts besides.
            Then::Again => 80..=250 * at_once,
            Then::AskedTime => 20..=31,
            Then::Person => 1..=2,
        }
    }

    pub fn state(&self) -> State {
        match self.code {
            "offline" => State::Offline,
            "needs_auth" => State::NeedsAuth,
            "billing_required" => State::BillingRequired,
            _ => State::Error,
        }
    }
}

/// The 23 of them.
pub fn cases() -> Vec<Case> {
    let html = |status| response(status, "text/html", "<h1>Welcome to the airport</h1>");
    let typed = |status, code: &str| json_of(status, &json!({ "protocol": 2, "code": code, "message": "a sentence" }));
    let busy = |status| Response { retry_after_ms: Some(ASKED_MS), ..typed(status, "busy") };
    let ok = |body: &str| response(200, "application/json", body);
    let shop = json!({ "status": "ok", "service": "shop", "timestamp": "2026-02-01T00:00:00.000Z" });
    let answers: [(&str, Answer, &str); 23] = [
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
    ];
    answers.into_iter().map(|(name, answer, code)| Case { name, then: then(&answer, code), answer, code }).collect()
}

fn then(answer: &Answer, code: &str) -> Then {
    match code {
        "needs_auth" | "billing_required" => Then::Person,
        _ if answer.as_ref().is_ok_and(|answer| answer.retry_after_ms.is_some()) => Then::AskedTime,
        _ => Then::Again,
    }
}

pub fn response(status: u16, content_type: &str, body: &str) -> Response {
    Response { status, content_type: content_type.into(), retry_after_ms: None, body: body.into() }
}

pub fn json_of(status: u16, body: &Value) -> Response {
    response(status, "application/json", &body.to_string())
}

/// What the device shows last, with the code of its trouble.
pub fn shown(device: &Device) -> (State, Option<String>) {
    let status = device.session().status();
    (status.state, status.trouble.map(|trouble| trouble.code))
}

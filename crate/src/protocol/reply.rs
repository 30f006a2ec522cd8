//! Reading answers: status, content type, size and shape are checked before anything is believed.
//!
//! Only a typed protocol answer may drop, reject or expire anything; everything else means "later".

use super::http::{NoAnswer, Response};
use super::limits::MAX_DATED_ANSWER_BYTES;
use super::page_text;
use super::wire::{
    CheckAnswer, ErrorAnswer, ExpiryReason, Health, PROTOCOL, PullAnswer, PushAnswer, Rejection, SERVICE,
};
use crate::model::{EventId, FromJson, OrderedSet};
use serde_json::Value;

/// Why an exchange gave nothing to act on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Failure {
    /// Try again later: no network, overload, or an answer that is not the protocol's.
    Later {
        /// A stable code: `offline`, `busy`, `server_error`, `bad_request`, `too_large`, `bad_answer`.
        code: &'static str,
        /// A sentence for people.
        message: String,
        /// What the server asked for, in milliseconds.
        retry_after_ms: Option<u64>,
    },
    /// The token was refused.
    Unauthorized,
    /// The account must be paid for first.
    PaymentRequired,
    /// The cursor cannot be followed any more: everything is pulled from the beginning.
    Expired(ExpiryReason),
    /// The server refuses the request as such, in a typed answer.
    Refused {
        /// The server's code.
        code: String,
        /// The server's words.
        message: String,
        /// What the server asked for, in milliseconds.
        retry_after_ms: Option<u64>,
    },
}

impl Failure {
    /// Its stable code.
    #[must_use]
    pub fn code(&self) -> &str {
        match self {
            Self::Later { code, .. } => code,
            Self::Unauthorized => "unauthorized",
            Self::PaymentRequired => "billing_required",
            Self::Expired(_) => "cursor_expired",
            Self::Refused { code, .. } => code,
        }
    }

    /// The same, where the time that was asked for has passed.
    #[must_use]
    pub fn without_wait(mut self) -> Self {
        if let Self::Later { retry_after_ms, .. } | Self::Refused { retry_after_ms, .. } = &mut self {
            *retry_after_ms = None;
        }
        self
    }

    /// How long the server asks to wait, in milliseconds.
    #[must_use]
    pub fn retry_after_ms(&self) -> Option<u64> {
        match self {
            Self::Later { retry_after_ms, .. } | Self::Refused { retry_after_ms, .. } => *retry_after_ms,
            Self::Unauthorized | Self::PaymentRequired | Self::Expired(_) => None,
        }
    }
}

/// An answer to a push that names every sent change exactly once.
#[derive(Debug, Clone, PartialEq)]
pub struct Settlement {
    /// Changes the server has.
    pub accepted: OrderedSet<EventId>,
    /// Changes it does not take.
    pub rejected: Vec<Rejection>,
    /// What the next pull shows.
    pub receipt: Option<String>,
    /// The server's clock, in milliseconds since 1970.
    pub server_ms: u64,
}

/// Reads the answer to a push of the changes `sent`.
pub fn push_answer(reply: Result<Response, NoAnswer>, sent: &OrderedSet<EventId>) -> Result<Settlement, Failure> {
    let answer: PushAnswer = typed(reply)?;
    let accepted: OrderedSet<EventId> = answer.accepted.iter().cloned().collect();
    let rejected: OrderedSet<&str> = answer.rejected.iter().map(|rejection| rejection.event_id.as_str()).collect();
    let named = accepted.len() + rejected.len();
    let all_named = sent.iter().all(|id| accepted.contains(id) != rejected.contains(id.as_str()));
    if !all_named || named != sent.len() || named != answer.accepted.len() + answer.rejected.len() {
        return Err(bad("the push answer does not name every sent change exactly once"));
    }
    let (rejected, receipt, server_ms) = (answer.rejected, answer.receipt, answer.server_time.ms());
    Ok(Settlement { accepted, rejected, receipt, server_ms })
}

/// Reads a page.
pub fn pull_answer(reply: Result<Response, NoAnswer>) -> Result<PullAnswer, Failure> {
    let answer: PullAnswer = typed(reply)?;
    if answer.cursor.is_empty() || (answer.has_more && answer.changes.is_empty()) {
        return Err(bad("the page has no cursor, or promises more without bringing anything"));
    }
    Ok(answer)
}

/// Reads the answer to a check.
pub fn check_answer(reply: Result<Response, NoAnswer>) -> Result<CheckAnswer, Failure> {
    typed(reply)
}

/// Reads a health answer, of whatever protocol the server speaks. Other services have one, too, and clocks of their own.
pub fn health_answer(reply: Result<Response, NoAnswer>) -> Result<Health, Failure> {
    let health = Health::from_json(success(reply)?).filter(|health| health.service == SERVICE);
    health.ok_or_else(|| bad("the health answer is not a sync server's"))
}

fn typed<T: FromJson>(reply: Result<Response, NoAnswer>) -> Result<T, Failure> {
    let json = success(reply)?;
    if json.get("protocol").and_then(Value::as_u64) != Some(u64::from(PROTOCOL)) {
        return Err(bad("the answer does not carry protocol 2"));
    }
    T::from_json(json).ok_or_else(|| bad("the answer is not what the protocol says"))
}

/// How a server of protocol 1 says that it is older than the app. What is pushed waits for one that is not.
const TOO_NEW: &str = "unsupported schemaVersion";

fn success(reply: Result<Response, NoAnswer>) -> Result<Value, Failure> {
    let response =
        reply.map_err(|NoAnswer(message)| Failure::Later { code: "offline", message, retry_after_ms: None })?;
    let json = read_json(&response, MAX_DATED_ANSWER_BYTES);
    match (response.status, json) {
        (200, Some(json)) => Ok(json),
        (401, _) => Err(Failure::Unauthorized),
        (402, _) => Err(Failure::PaymentRequired),
        (400, None) if response.body.starts_with(TOO_NEW) => {
            let (code, message) = ("schema_too_new".to_owned(), response.body.trim().to_owned());
            Err(Failure::Refused { code, message, retry_after_ms: response.retry_after_ms })
        }
        (status, json) => Err(not_success(status, json, response.retry_after_ms)),
    }
}

pub(super) fn read_json(response: &Response, most_bytes: usize) -> Option<Value> {
    let is_json =
        response.content_type.split(';').next().is_some_and(|t| t.trim().eq_ignore_ascii_case("application/json"));
    let fits = response.body.len() <= most_bytes;
    let read = |text: &str| serde_json::from_str(text).ok().or_else(|| page_text::read(text));
    (is_json && fits).then(|| read(&response.body)).flatten()
}

fn not_success(status: u16, json: Option<Value>, retry_after_ms: Option<u64>) -> Failure {
    let later = |code, message: String| Failure::Later { code, message, retry_after_ms };
    let typed: Option<ErrorAnswer> = json.and_then(ErrorAnswer::from_json);
    match (status, typed.filter(|answer| answer.protocol == PROTOCOL)) {
        (410, Some(ErrorAnswer { reason: Some(reason), code, .. })) if code == "cursor_expired" => {
            Failure::Expired(reason)
        }
        // A server of protocol 1 says so of what it cannot read or store, and somebody on the way of what it dislikes.
        (400 | 422, None) => later("bad_request", format!("status {status}")),
        (413, None) => later("too_large", "status 413: somebody on the way takes no bodies of this size".into()),
        (408 | 429 | 503, answer) => later("busy", answer.map_or_else(|| format!("status {status}"), |a| a.message)),
        (400..=499, Some(answer)) => Failure::Refused { code: answer.code, message: answer.message, retry_after_ms },
        (500..=599, _) => later("server_error", format!("status {status}")),
        _ => later("bad_answer", format!("status {status} without a protocol answer")),
    }
}

fn bad(message: &str) -> Failure {
    Failure::Later { code: "bad_answer", message: message.to_owned(), retry_after_ms: None }
}

#[cfg(test)]
mod tests;

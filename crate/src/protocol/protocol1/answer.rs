//! What a server of protocol 1 answers to pushes and pulls.

use super::Time;
use crate::model::{Fields, Stamp};
use crate::protocol::http::Response;
use crate::protocol::limits::MAX_DATED_ANSWER_BYTES;
use crate::protocol::reply::{health_answer, read_json};
use crate::protocol::wire::PROTOCOL;
use serde_json::Value;

/// Changes up to a time.
#[derive(Debug, Clone, PartialEq)]
pub struct TimedPage {
    /// The changes, as they were sent.
    pub changes: Vec<Value>,
    /// The time of the last of them, or the server's own.
    pub until: Time,
    /// Whether there are more now.
    pub has_more: bool,
}

/// Reads the answer to a push or a pull; `None` where it is none.
#[must_use]
pub fn timed_page(answer: &Response) -> Option<TimedPage> {
    let json = read_json(answer, MAX_DATED_ANSWER_BYTES).filter(|_| answer.status == 200)?;
    let mut fields = Fields::of(json)?;
    let changes = fields.take("serverChanges").ok()?;
    let until = fields.take("syncedUntil").ok()?;
    Some(TimedPage { changes, until, has_more: fields.take_or("hasMore", false).ok()? })
}

/// Reads the answer of `/health`: the server's time, and whether it speaks protocol 1 only. Another service's says nothing.
#[must_use]
pub fn health(answer: &Response) -> Option<(Stamp, bool)> {
    let health = health_answer(Ok(answer.clone())).ok()?;
    (health.status == "ok").then(|| (health.timestamp, health.protocol.is_none_or(|protocol| protocol < PROTOCOL)))
}

//! What a server of protocol 1 answers to pushes and pulls.

use super::Time;
use crate::model::{Fields, Stamp};
use crate::protocol::http::Response;
use crate::protocol::reply::read_json;
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
    let json = read_json(answer).filter(|_| answer.status == 200)?;
    let mut fields = Fields::of(json)?;
    let changes = fields.take("serverChanges").ok()?;
    let until = fields.take("syncedUntil").ok()?;
    Some(TimedPage { changes, until, has_more: fields.take_or("hasMore", false).ok()? })
}

/// Reads the answer of `/health`: the server's time, and whether it speaks protocol 1 only.
#[must_use]
pub fn health(answer: &Response) -> Option<(Stamp, bool)> {
    let health = crate::protocol::reply::health_answer(Ok(answer.clone())).ok()?;
    Some((health.timestamp, health.protocol.is_none_or(|protocol| protocol < crate::protocol::wire::PROTOCOL)))
}

//! What stands in the server's place while another version of it is put there: everybody is answered by something that knows
//! nothing of the protocol.

use super::server::json;
use mana_sync_engine::engine::ports::Response;
use mana_sync_engine::model::Stamp;
use serde::{Deserialize, Serialize};
use serde_json::json as value;
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;

/// How far the clock of another service is ahead, in milliseconds.
const OTHER_CLOCK_MS: u64 = 24 * 3_600_000;

/// What everybody is answered meanwhile. None of it is the protocol's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Interim {
    /// A router without a route: 404 and a line of text.
    NotFound,
    /// 404 with a page of HTML.
    NotFoundPage,
    /// 200 with a page of HTML.
    Page,
    /// 200 with the health of another service, whose clock is a day ahead.
    OtherService,
    /// 200 with nothing.
    Empty,
    /// 302 to a page.
    Found,
    /// 307 to a page.
    Redirected,
    /// 400 with a page.
    BadRequest,
    /// 401 with a page.
    Unauthorized,
    /// 402 with a page.
    Unpaid,
    /// 403 with a page.
    Forbidden,
    /// 410 with JSON that says of a cursor what the protocol says, without being the protocol's.
    Gone,
    /// 413 with a page.
    TooLarge,
    /// 422 with JSON of another service.
    Unprocessable,
    /// 502 with a page.
    BadGateway,
    /// The same, with a time at which to come back.
    BadGatewayUntil,
    /// 503 with a page.
    Unavailable,
    /// The same, with a time at which to come back.
    UnavailableUntil,
}

impl Interim {
    /// All kinds.
    pub const ALL: [Self; 18] = [
        Self::NotFound,
        Self::NotFoundPage,
        Self::Page,
        Self::OtherService,
        Self::Empty,
        Self::Found,
        Self::Redirected,
        Self::BadRequest,
        Self::Unauthorized,
        Self::Unpaid,
        Self::Forbidden,
        Self::Gone,
        Self::TooLarge,
        Self::Unprocessable,
        Self::BadGateway,
        Self::BadGatewayUntil,
        Self::Unavailable,
        Self::UnavailableUntil,
    ];

    /// What happened, for counting.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::NotFound => "deploy: 404 as text",
            Self::NotFoundPage => "deploy: 404 as HTML",
            Self::Page => "deploy: 200 as HTML",
            Self::OtherService => "deploy: 200 of another service",
            Self::Empty => "deploy: 200 without a body",
            Self::Found => "deploy: 302",
            Self::Redirected => "deploy: 307",
            Self::BadRequest => "deploy: 400",
            Self::Unauthorized => "deploy: 401",
            Self::Unpaid => "deploy: 402",
            Self::Forbidden => "deploy: 403",
            Self::Gone => "deploy: 410",
            Self::TooLarge => "deploy: 413",
            Self::Unprocessable => "deploy: 422",
            Self::BadGateway => "deploy: 502",
            Self::BadGatewayUntil => "deploy: 502 with Retry-After",
            Self::Unavailable => "deploy: 503",
            Self::UnavailableUntil => "deploy: 503 with Retry-After",
        }
    }

    fn answer(self, now: u64) -> Response {
        let page = |status| answer(status, "text/html; charset=utf-8", "<!doctype html><title>One moment</title>");
        let later = |status, ms| Response { retry_after_ms: Some(ms), ..page(status) };
        match self {
            Self::NotFound => answer(404, "text/plain", "404 page not found\n"),
            Self::NotFoundPage => page(404),
            Self::Page => page(200),
            Self::OtherService => {
                let timestamp = Stamp::at_ms(now + OTHER_CLOCK_MS).to_string();
                json(200, &value!({ "status": "ok", "service": "shop", "version": "4.2", "timestamp": timestamp }))
            }
            Self::Empty => answer(200, "application/json", ""),
            Self::Found => page(302),
            Self::Redirected => page(307),
            Self::BadRequest => page(400),
            Self::Unauthorized => page(401),
            Self::Unpaid => page(402),
            Self::Forbidden => page(403),
            Self::Gone => json(410, &value!({ "code": "cursor_expired", "message": "gone", "reason": "retention" })),
            Self::TooLarge => page(413),
            Self::Unprocessable => json(422, &value!({ "error": "unprocessable", "accepted": [], "rejected": [] })),
            Self::BadGateway => page(502),
            Self::BadGatewayUntil => later(502, 20_000),
            Self::Unavailable => page(503),
            Self::UnavailableUntil => later(503, 5_000),
        }
    }
}

fn answer(status: u16, content_type: &str, body: &str) -> Response {
    Response { status, content_type: content_type.into(), retry_after_ms: None, body: body.into() }
}

/// The deploys of a server.
#[derive(Default)]
pub struct Deploys {
    /// What requests are answered one after the other, where one is under way.
    answers: RefCell<Vec<Interim>>,
    /// How many there were.
    number: Cell<u64>,
    asked: Cell<usize>,
    met: RefCell<BTreeMap<&'static str, u64>>,
}

impl Deploys {
    /// Begins one, in place of one that is under way; gives its number.
    pub fn begin(&self, answers: &[Interim]) -> u64 {
        self.answers.replace(answers.to_vec());
        self.number.set(self.number.get() + 1);
        self.number.get()
    }

    /// Ends the one of that number; gives whether it was under way.
    pub fn end(&self, number: u64) -> bool {
        self.number.get() == number && !self.answers.take().is_empty()
    }

    /// Ends whatever is under way.
    pub fn end_all(&self) {
        self.end(self.number.get());
    }

    /// Whether one is under way.
    #[must_use]
    pub fn is_under_way(&self) -> bool {
        !self.answers.borrow().is_empty()
    }

    /// What a request is answered while one is under way.
    pub(super) fn answer(&self, now: u64) -> Option<Response> {
        let answers = self.answers.borrow();
        let interim = *answers.get(self.asked.get() % answers.len().max(1))?;
        self.asked.set(self.asked.get() + 1);
        *self.met.borrow_mut().entry(interim.name()).or_default() += 1;
        Some(interim.answer(now))
    }

    /// How many requests each answer met so far.
    #[must_use]
    pub fn met_by_name(&self) -> BTreeMap<&'static str, u64> {
        self.met.borrow().clone()
    }
}

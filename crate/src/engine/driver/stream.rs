//! A stream of server-sent events, whose pages answer pulls where they go on at the stored cursor.
//!
//! One page waits at a time, and nothing more is read until the loop has taken or dropped it, so a busy device holds up
//! the server and not its own memory. A page that is not taken, or whose apply fails, is left behind: the next one then
//! does not go on at the stored cursor, and the loop asks for what is missing by itself.

use super::Driver;
use super::connection::{Open, on};
use crate::engine::config::Collections;
use crate::engine::ports::{Host, LongAnswer, Method, NoAnswer, Request, Response, Transport};
use crate::engine::progress::{self, Progress};
use crate::model::FromJson;
use crate::probe::{Probe, hit};
use crate::protocol::fallback::Ending;
use crate::protocol::limits::{MAX_BODY_BYTES, MAX_PAGE};
use crate::protocol::machine::Input;
use crate::protocol::reply::pull_answer;
use crate::protocol::sse::{Event, Parser};
use crate::protocol::wire::{ErrorAnswer, PROTOCOL, PullRequest};
use crate::store::Store;
use futures_channel::oneshot;
use futures_util::future::{Either, select};
use serde_json::Value;
use std::cell::{Cell, RefCell};
use std::future::Future;
use std::pin::pin;
use std::rc::{Rc, Weak};

/// A stream that says nothing for two of the server's heartbeats of 20 s, in milliseconds, is opened anew.
pub(super) const SILENCE_MS: u64 = 40_000;
/// How long a pull waits for the page that the stream has promised, in milliseconds, before it asks for it.
const PROMISED_MS: u64 = 5_000;
/// Largest answer that is read where a stream was asked for and none came, in bytes.
const MAX_REFUSAL_BYTES: usize = 64 * 1024;

/// A page that came by stream.
struct Page {
    /// The cursor that it goes on from.
    from: String,
    /// The cursor behind it.
    cursor: String,
    has_more: bool,
    /// The server's clock, in milliseconds since 1970.
    server_ms: u64,
    /// The device's clock when the stream was last heard before it, and when it came.
    came: (u64, u64),
    answer: Response,
    /// Dropped with the page: the stream is read on.
    _waits: oneshot::Sender<()>,
}

/// What came by stream and was not pulled yet.
#[derive(Default)]
pub(super) struct Streamed {
    page: RefCell<Option<Page>>,
    /// The cursor behind which the stream has said that there is more.
    promised: RefCell<Option<String>>,
    /// A pull that waits for a page.
    awaited: RefCell<Option<oneshot::Sender<()>>>,
    /// The server's clock of the last page that was applied, in milliseconds since 1970.
    applied_ms: Cell<u64>,
    /// What the stream that is open was asked for.
    apps: RefCell<Option<Collections>>,
}

impl Streamed {
    /// Forgets what came: the connection is another one.
    pub(super) fn clear(&self) {
        let page = self.page.take();
        self.promised.take();
        self.awaited.take();
        self.apps.take();
        drop(page);
    }

    /// Notes the tables that a stream is opened for.
    pub(super) fn name(&self, apps: &Collections) {
        *self.apps.borrow_mut() = Some(apps.clone());
    }

    pub(super) fn note_applied(&self, server_ms: u64) {
        self.applied_ms.set(server_ms);
    }

    /// The page that goes on at `cursor`; one that does not is dropped. Neither is one taken that is older than what was
    /// pulled since: its list of spaces may be, too.
    fn take_at(&self, cursor: &str) -> Option<Page> {
        let page = self.page.take()?;
        let goes_on = page.from == cursor && page.server_ms >= self.applied_ms.get();
        hit(if goes_on { Probe::LoopStreamed } else { Probe::LoopStreamedApart });
        Some(page).filter(|_| goes_on)
    }

    /// Puts a page where the loop finds it; whether the loop comes for it by itself, as it was promised.
    fn put(&self, page: Page) -> bool {
        let is_promised = self.promised.borrow().as_ref() == Some(&page.from);
        *self.page.borrow_mut() = Some(page);
        self.awaited.take().is_some() || is_promised
    }
}

impl<S: Store, H: Host, T: Transport> Driver<S, H, T> {
    /// What answers a pull from where it stands, if the stream has brought it. A receipt has to be shown to the server.
    pub(super) async fn streamed_page(&self, progress: &Progress, apps: &Collections) -> Option<Response> {
        if self.streamed.apps.borrow().as_ref().is_some_and(|asked| asked != apps) {
            // It serves other apps than are wanted now: one that serves these is opened after the round.
            self.close_connection();
            return None;
        }
        let Progress { cursor: Some(cursor), receipt: None, .. } = progress else {
            self.streamed.page.take();
            return None;
        };
        let is_promised = self.streamed.promised.take().as_ref() == Some(cursor);
        if is_promised && self.streamed.page.borrow().is_none() {
            let (sender, arrives) = oneshot::channel();
            *self.streamed.awaited.borrow_mut() = Some(sender);
            select(arrives, self.engine.host().sleep(PROMISED_MS)).await;
            self.streamed.awaited.take();
        }
        let page = self.streamed.take_at(cursor)?;
        self.exchange.set(page.came);
        *self.streamed.promised.borrow_mut() = Some(page.cursor).filter(|_| page.has_more);
        Some(page.answer)
    }

    pub(super) fn open_stream(self: &Rc<Self>, number: u64) {
        let (close, closed) = oneshot::channel();
        *self.connection.open.borrow_mut() = Some(Open::Stream { _close: close });
        let weak = Rc::downgrade(self);
        self.engine.host().spawn(Box::pin(async move {
            let follows = pin!(follow(&weak, number));
            if let Either::Left((Ok(ending) | Err(ending), _)) = select(follows, closed).await
                && let Some(driver) = on(&weak, number)
            {
                driver.ended(ending);
            }
        }));
    }

    /// The request of a stream that begins at the stored cursor, and that cursor.
    async fn stream_request(self: &Rc<Self>) -> Option<(Request, String)> {
        let position = progress::position(&self.engine).await.ok()?;
        let cursor = position.progress.cursor?;
        let apps = self.engine.config().collections(&position.apps);
        self.streamed.name(&apps);
        let body = PullRequest {
            protocol: PROTOCOL,
            client_id: self.client_id().ok()?,
            personal_space_id: self.engine.config().personal_space().cloned(),
            cursor: Some(cursor.clone()),
            receipt: None,
            apps,
            limit: MAX_PAGE,
        };
        let token = self.connection.token.borrow().clone();
        let body = Some(Value::from(body).to_string());
        Some((Request { method: Method::Post, path: "/v2/stream".into(), body, token, client: None }, cursor))
    }

    /// Offers a page to the loop; gives the cursor behind it, and what ends when the page was taken or dropped.
    async fn offer(self: &Rc<Self>, data: String, from: &str, last_heard: u64) -> Result<Offered, Ending> {
        let content_type = "application/json".to_owned();
        let answer = Response { status: 200, content_type, retry_after_ms: None, body: data };
        let page = pull_answer(Ok(answer.clone())).map_err(|_| lost())?;
        let (cursor, stored) = (page.cursor, progress::current(&self.engine).await.ok().and_then(|now| now.cursor));
        if !page.changes.is_empty() && stored.as_ref() == Some(&cursor) {
            // The loop has pulled it meanwhile.
            return Ok((cursor, None));
        }
        let (sender, taken) = oneshot::channel();
        let is_expected = self.streamed.put(Page {
            from: from.to_owned(),
            cursor: cursor.clone(),
            has_more: page.has_more,
            server_ms: page.server_time.ms(),
            came: (last_heard, self.engine.host().now_ms()),
            answer,
            _waits: sender,
        });
        if !is_expected {
            self.feed(Input::Nudge);
        }
        Ok((cursor, Some(taken)))
    }
}

/// The cursor behind a page, and what ends when the page was taken or dropped; nothing where it was not wanted.
type Offered = (String, Option<oneshot::Receiver<()>>);

/// Opens a stream, or gives what came instead of one.
pub(super) async fn opened<S: Store, H: Host, T: Transport>(
    weak: &Weak<Driver<S, H, T>>,
    number: u64,
    request: Request,
) -> Result<LongAnswer, Ending> {
    let present = || on(weak, number).ok_or_else(lost);
    let silence = || present().map(|driver| driver.engine.host().sleep(SILENCE_MS));
    let opening = present()?.transport.stream(request);
    let mut answer = within(silence()?, opening).await.ok_or_else(lost)?;
    if is_event_stream(&answer) {
        return Ok(answer);
    }
    Err(within(silence()?, refusal(&mut answer)).await.ok_or_else(lost)?)
}

/// Reads a stream to its end; gives why it ended. Holds nobody's driver while it waits.
async fn follow<S: Store, H: Host, T: Transport>(weak: &Weak<Driver<S, H, T>>, number: u64) -> Result<Ending, Ending> {
    let present = || on(weak, number).ok_or_else(lost);
    let silence = || present().map(|driver| driver.engine.host().sleep(SILENCE_MS));
    if present()?.speaks_by_time().await {
        return super::nudges::follow(weak, number).await;
    }
    let (request, mut position) = present()?.stream_request().await.ok_or_else(lost)?;
    let mut answer = opened(weak, number, request).await?;
    let (mut parser, mut last_heard) = (Parser::new(2 * MAX_BODY_BYTES), present()?.engine.host().now_ms());
    loop {
        let chunk = within(silence()?, answer.body.next()).await.flatten();
        let again = Ending::Lost { retry_after_ms: parser.retry_ms() };
        for Event { name, data, .. } in parser.push(&chunk.ok_or(again)?).map_err(|_| again)? {
            present()?.note_accepted();
            match name.as_str() {
                "end" => return Ok(ending_of(200, &data, None)),
                "changes" => {
                    let (cursor, taken) = present()?.offer(data, &position, last_heard).await?;
                    position = cursor;
                    if let Some(taken) = taken {
                        // It is the sender's end that is waited for.
                        let _ = taken.await;
                    }
                }
                _ => {}
            }
        }
        last_heard = present()?.engine.host().now_ms();
    }
}

/// What comes before the time is over; nothing where it does not, or is no answer.
pub(super) async fn within<A>(
    silence: impl Future<Output = ()>,
    coming: impl Future<Output = Result<A, NoAnswer>>,
) -> Option<A> {
    match select(pin!(coming), pin!(silence)).await {
        Either::Left((answer, _)) => answer.ok(),
        Either::Right(_) => None,
    }
}

pub(super) fn lost() -> Ending {
    Ending::Lost { retry_after_ms: None }
}

fn is_event_stream(answer: &LongAnswer) -> bool {
    let essence = answer.content_type.split(';').next().unwrap_or_default();
    answer.status == 200 && essence.trim().eq_ignore_ascii_case("text/event-stream")
}

/// What an answer means that is no stream.
async fn refusal(answer: &mut LongAnswer) -> Result<Ending, NoAnswer> {
    let mut body = Vec::new();
    while let Some(bytes) = answer.body.next().await? {
        body.extend_from_slice(&bytes);
        if body.len() > MAX_REFUSAL_BYTES {
            break;
        }
    }
    Ok(ending_of(answer.status, &String::from_utf8_lossy(&body), answer.retry_after_ms))
}

/// What an answer or the last event of a stream means. A cursor that expired, or an account to be paid for, is what the
/// loop finds out by itself.
fn ending_of(status: u16, body: &str, retry_after_ms: Option<u64>) -> Ending {
    let typed = serde_json::from_str(body).ok().and_then(ErrorAnswer::from_json);
    let code = typed.filter(|answer| answer.protocol == PROTOCOL).map(|answer| answer.code).unwrap_or_default();
    match (status, code.as_str()) {
        (401, _) | (200, "token_expired" | "unauthorized") => Ending::Unauthorized,
        (_, "too_many_connections") | (501, _) => Ending::Refused,
        (402 | 408 | 410 | 429, _) => Ending::Lost { retry_after_ms },
        (400..=499, _) => Ending::Refused,
        _ => Ending::Lost { retry_after_ms },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_does_not_serve_streams_is_left_and_what_may_later_is_asked_again() {
        let body = |code: &str| json!({ "protocol": 2, "code": code, "message": "" }).to_string();
        for (status, code) in
            [(404, "not_found"), (405, "method_not_allowed"), (406, ""), (403, "forbidden"), (501, "")]
        {
            assert_eq!(ending_of(status, &body(code), Some(5)), Ending::Refused, "{status}");
        }
        assert_eq!(ending_of(404, "<p>", None), Ending::Refused);
        assert_eq!(ending_of(429, &body("too_many_connections"), Some(5)), Ending::Refused);
        assert_eq!(ending_of(200, &body("token_expired"), None), Ending::Unauthorized);
        assert_eq!(ending_of(401, "", None), Ending::Unauthorized);
        for (status, code) in
            [(429, "rate_limited"), (503, "busy"), (410, "cursor_expired"), (402, ""), (200, "stopping")]
        {
            assert_eq!(ending_of(status, &body(code), Some(5)), Ending::Lost { retry_after_ms: Some(5) }, "{status}");
        }
        assert_eq!(ending_of(200, "<p>Welcome</p>", None), lost(), "a page of somebody else's");
    }
}

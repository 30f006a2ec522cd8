//! Connections that tell of news: what may befall them, and streams of server-sent events as bytes in any pieces.

use super::network::Line;
use super::server::{Server, typed_error};
use futures_util::future::{LocalBoxFuture, select};
use mana_sync_engine::engine::ports::{Body, LongAnswer, NoAnswer, Request, Response};
use mana_sync_engine::protocol::reply::pull_answer;
use mana_sync_engine::protocol::wire::PullRequest;
use serde_json::Value;
use std::cell::{Cell, RefCell};
use std::collections::{BTreeSet, VecDeque};
use std::pin::pin;
use std::rc::Rc;

/// A stream says something at least this often, in milliseconds.
const HEARTBEAT_MS: u64 = 20_000;
/// The same of one of protocol 1.
const OLDER_HEARTBEAT_MS: u64 = 30_000;

/// What befalls a device's connections.
#[derive(Default)]
pub struct Connections {
    /// Whatever is said on them arrives so many milliseconds later.
    pub(super) hold_ms: Cell<u64>,
    /// Sockets are closed as soon as they are open.
    pub(super) sockets_close: Cell<bool>,
    /// What streams are answered.
    pub(super) refused: Cell<Option<(u16, &'static str)>>,
    /// How often everything that was open was cut.
    pub(super) cut_off: Cell<u64>,
    /// The events, counted over all streams of the device, that break off midway.
    cuts: RefCell<BTreeSet<u64>>,
    events: Cell<u64>,
    pub(super) sockets: Cell<u64>,
    streams: Cell<u64>,
}

impl Connections {
    /// Something on the way holds back what is said for so many milliseconds.
    pub fn hold(&self, ms: u64) {
        self.hold_ms.set(ms);
    }

    /// Something on the way closes sockets as soon as they are open, or lets them be.
    pub fn close_sockets(&self, close: bool) {
        self.sockets_close.set(close);
    }

    /// Streams are answered with a status and a code, or served.
    pub fn refuse_streams(&self, answer: Option<(u16, &'static str)>) {
        self.refused.set(answer);
    }

    /// Breaks off these events of pages midway, counted from 0 over all streams of the device.
    pub fn cut(&self, events: impl IntoIterator<Item = u64>) {
        self.cuts.borrow_mut().extend(events);
    }

    /// How many events of pages streams have begun to bring.
    #[must_use]
    pub fn events(&self) -> u64 {
        self.events.get()
    }

    /// How many sockets were opened so far.
    #[must_use]
    pub fn sockets(&self) -> u64 {
        self.sockets.get()
    }

    /// How many streams the server began so far.
    #[must_use]
    pub fn streams(&self) -> u64 {
        self.streams.get()
    }
}

impl Line {
    /// How often everything that was open was cut.
    fn cut_off(&self) -> u64 {
        self.connections.cut_off.get()
    }

    /// Opens a stream, or brings what is said instead.
    pub(super) async fn open_stream(self: Rc<Self>, request: Request) -> Result<LongAnswer, NoAnswer> {
        let answer = match self.connections.refused.get() {
            Some((status, code)) => {
                self.note_sent(&request);
                self.delay().await;
                typed_error(status, code)
            }
            None => Rc::clone(&self).exchange(request.clone()).await?,
        };
        // What came instead may be anything.
        let is_page = answer.status == 200 && pull_answer(Ok(answer.clone())).is_ok();
        let content_type = if is_page { "text/event-stream".to_owned() } else { answer.content_type.clone() };
        let (status, retry_after_ms) = (answer.status, answer.retry_after_ms);
        let nudges = answer.status == 200 && content_type == "text/event-stream" && !is_page;
        let body: Box<dyn Body> = if nudges {
            self.connections.streams.set(self.connections.streams.get() + 1);
            Box::new(Nudges { cut_off: self.cut_off(), line: Rc::clone(&self), seen: self.server().heard() })
        } else if is_page {
            self.connections.streams.set(self.connections.streams.get() + 1);
            Box::new(Stream::new(&self, &request, answer))
        } else {
            Box::new(Rest(Some(answer.body.into_bytes())))
        };
        Ok(LongAnswer { status, content_type, retry_after_ms, body })
    }
}

/// An answer that is no stream.
struct Rest(Option<Vec<u8>>);

impl Body for Rest {
    fn next(&mut self) -> LocalBoxFuture<'_, Result<Option<Vec<u8>>, NoAnswer>> {
        Box::pin(async { Ok(self.0.take()) })
    }
}

/// A stream of protocol 1: it says that there is something, and what it is lacks half of it.
struct Nudges {
    line: Rc<Line>,
    seen: u64,
    /// How often everything had been cut when it was opened.
    cut_off: u64,
}

impl Nudges {
    async fn read(&mut self) -> Result<Option<Vec<u8>>, NoAnswer> {
        let server = self.line.server();
        let (heard, beat) = (server.hears_after(self.seen), self.line.sleep(OLDER_HEARTBEAT_MS));
        select(pin!(heard), pin!(beat)).await;
        self.line.delay().await;
        self.line.hold().await;
        if self.line.cut_off() != self.cut_off || !self.line.is_online() || !server.speaks_protocol_1() {
            return Err(NoAnswer("the stream was cut".to_owned()));
        }
        let is_news = std::mem::replace(&mut self.seen, server.heard()) != server.heard();
        let changes = r#"{"table":"tasks","changes":[{"table":"tasks","id":"x","op":"update"}],"hasMore":false}"#;
        let event = if is_news { written("changes", None, changes) } else { written("heartbeat", None, "{}") };
        Ok(Some(event.into_bytes()))
    }
}

impl Body for Nudges {
    fn next(&mut self) -> LocalBoxFuture<'_, Result<Option<Vec<u8>>, NoAnswer>> {
        Box::pin(self.read())
    }
}

/// A stream: the pages of a pull that goes on.
struct Stream {
    line: Rc<Line>,
    request: Request,
    pull: PullRequest,
    first: Option<Response>,
    has_more: bool,
    told: Value,
    /// How much the server had heard of when the last page was made.
    seen: u64,
    pieces: VecDeque<Vec<u8>>,
    /// It ends when the pieces are through: as the server wants, or cut.
    is_over: bool,
    is_cut: bool,
    /// How often everything had been cut when it was opened.
    cut_off: u64,
}

impl Stream {
    fn new(line: &Rc<Line>, request: &Request, first: Response) -> Self {
        let pull = serde_json::from_str(request.body.as_deref().unwrap_or_default()).expect("it was answered");
        Self {
            line: Rc::clone(line),
            request: request.clone(),
            pull,
            first: Some(first),
            has_more: false,
            told: Value::Null,
            seen: line.server().heard(),
            pieces: VecDeque::new(),
            is_over: false,
            is_cut: false,
            cut_off: line.cut_off(),
        }
    }

    fn server(&self) -> Rc<Server> {
        self.line.server()
    }

    fn is_open(&self) -> bool {
        self.line.is_online() && self.line.cut_off() == self.cut_off
    }

    async fn read(&mut self) -> Result<Option<Vec<u8>>, NoAnswer> {
        loop {
            if !self.is_open() {
                return Err(NoAnswer("the stream was cut".to_owned()));
            }
            if let Some(piece) = self.pieces.pop_front() {
                return Ok(Some(piece));
            }
            if self.is_cut {
                return Err(NoAnswer("the stream was cut".to_owned()));
            }
            if self.is_over {
                return Ok(None);
            }
            let Some(event) = self.event().await else { continue };
            self.line.delay().await;
            self.line.hold().await;
            self.send(&event);
        }
    }

    /// The next event, as it is written; nothing where there is none, or the network went.
    async fn event(&mut self) -> Option<String> {
        let first = self.first.take();
        if let Some(first) = first.and_then(|first| self.page(&first)) {
            return Some(first);
        }
        while self.is_open() {
            if self.server().user_of(self.request.token.as_deref()).is_none() {
                self.is_over = true;
                return Some(written("end", None, &typed_error(401, "token_expired").body));
            }
            if !self.has_more && self.server().heard() == self.seen {
                let (server, seen) = (self.server(), self.seen);
                let (heard, beat) = (server.hears_after(seen), self.line.sleep(HEARTBEAT_MS));
                select(pin!(heard), pin!(beat)).await;
                if self.server().heard() == self.seen {
                    return Some(written("heartbeat", None, "{}"));
                }
            }
            self.seen = self.server().heard();
            let body = Some(Value::from(self.pull.clone()).to_string());
            // It is the server of its beginning that goes on with it.
            let answer = self.server().serve(&Request { path: "/v2/pull".into(), body, ..self.request.clone() });
            if answer.status != 200 {
                self.is_over = true;
                return Some(written("end", None, &answer.body));
            }
            if let Some(page) = self.page(&answer) {
                return Some(page);
            }
        }
        None
    }

    /// A page, where it says something.
    fn page(&mut self, answer: &Response) -> Option<String> {
        let page: Value = serde_json::from_str(&answer.body).expect("the server answers JSON");
        let is_empty = page["changes"].as_array().is_none_or(Vec::is_empty) && page["spaces"] == self.told;
        let was_promised = std::mem::replace(&mut self.has_more, page["hasMore"] == true);
        self.told = page["spaces"].clone();
        let cursor = page["cursor"].as_str().expect("a cursor").to_owned();
        self.pull.cursor = Some(cursor.clone());
        (!is_empty || was_promised || self.has_more)
            .then(|| written("changes", Some(&cursor), &self.line.forged(&answer.body)))
    }

    /// Sends an event in pieces, or a part of it.
    fn send(&mut self, event: &str) {
        let mut rest = event.as_bytes();
        if event.starts_with("event: changes") {
            let connections = &self.line.connections;
            let number = connections.events.get();
            connections.events.set(number + 1);
            if connections.cuts.borrow_mut().remove(&number) {
                self.is_cut = true;
                rest = &rest[..self.line.below(rest.len())];
            }
        }
        while !rest.is_empty() {
            let (piece, later) = rest.split_at(1 + self.line.below(rest.len()));
            self.pieces.push_back(piece.to_vec());
            rest = later;
        }
    }
}

impl Body for Stream {
    fn next(&mut self) -> LocalBoxFuture<'_, Result<Option<Vec<u8>>, NoAnswer>> {
        Box::pin(self.read())
    }
}

fn written(name: &str, id: Option<&str>, data: &str) -> String {
    let id = id.map_or_else(String::new, |id| format!("id: {id}\n"));
    format!("event: {name}\n{id}data: {data}\n\n")
}

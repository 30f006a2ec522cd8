//! What the engine asks of the world: time, randomness, the network, other tabs. Each is a trait with its promises;
//! the browser's side lives in `web/`, simulations bring their own.

pub use crate::protocol::http::{Method, NoAnswer, Request, Response};

use futures_util::future::LocalBoxFuture;

/// Time, randomness and tasks.
pub trait Host: 'static {
    /// The device's wall clock: milliseconds since 1970, wrong by as much as the device is.
    fn now_ms(&self) -> u64;
    /// Milliseconds of a clock nobody can set; it may stand still while the device sleeps.
    fn monotonic_ms(&self) -> f64;
    /// Fills `bytes` from a cryptographic source, which is asked at each call: for keys, codes and initialization vectors.
    fn random(&self, bytes: &mut [u8]);
    /// The same for ids and delays, which are no secrets: may be of what was asked for ahead.
    fn unique(&self, bytes: &mut [u8]) {
        self.random(bytes);
    }
    /// Resolves after at least `ms` milliseconds.
    fn sleep(&self, ms: u64) -> LocalBoxFuture<'static, ()>;
    /// Runs a task to its end, beside others, starting after the present turn.
    fn spawn(&self, task: LocalBoxFuture<'static, ()>);
}

/// Why a token is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TokenReason {
    /// There is none yet.
    Start,
    /// The server refused the last one.
    Expired,
}

/// What a nudge connection reports.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SocketEvent {
    /// It is connected.
    Open,
    /// A text frame came.
    Text(String),
    /// It has ended, for whatever reason; nothing follows.
    Closed,
}

/// A connection that carries nudges; dropping it closes it.
pub trait Socket {
    /// Sends a text frame; does nothing when the connection has ended.
    fn send(&self, text: &str);
}

/// The head of an answer that goes on for as long as it is read.
pub struct LongAnswer {
    /// The HTTP status.
    pub status: u16,
    /// The `Content-Type` header, or nothing.
    pub content_type: String,
    /// The `Retry-After` header in milliseconds, where it is a number of seconds.
    pub retry_after_ms: Option<u64>,
    /// What follows.
    pub body: Box<dyn Body>,
}

/// The bytes of an answer as they come; dropping it ends the request. Nothing is read ahead of what is asked for, so that
/// a server is held up by a client that is busy.
pub trait Body {
    /// The next bytes; `None` at the end. No answer: it was cut.
    fn next(&mut self) -> LocalBoxFuture<'_, Result<Option<Vec<u8>>, NoAnswer>>;
}

/// The network.
pub trait Transport: 'static {
    /// Makes a request. Answers larger than [`crate::protocol::limits::MAX_BODY_BYTES`] × 2 and requests without an
    /// answer after 30 s count as no answer.
    fn send(&self, request: Request) -> LocalBoxFuture<'static, Result<Response, NoAnswer>>;
    /// Asks the app for a token. `None`: there is none, the user must sign in. No answer: the app could not get one now,
    /// as without a network; it is asked again later.
    fn token(&self, reason: TokenReason) -> LocalBoxFuture<'static, Result<Option<String>, NoAnswer>>;
    /// Makes a request for server-sent events; resolves with the head of its answer, and has no limit of time. Dropping
    /// what it gives ends the request.
    fn stream(&self, request: Request) -> LocalBoxFuture<'static, Result<LongAnswer, NoAnswer>>;
    /// Opens a connection for nudges; `on_event` is called from later turns only.
    fn connect(&self, path: &'static str, on_event: Box<dyn Fn(SocketEvent)>) -> Box<dyn Socket>;
}

/// A held lock; dropping it releases it, and so does the end of its tab.
pub trait LockGuard {
    /// Whether it keeps others out: where there are no locks, everybody gets one at once.
    fn keeps_out(&self) -> bool {
        true
    }
}

/// Other tabs of the same browser profile.
pub trait Tabs: 'static {
    /// Resolves when this tab holds the exclusive lock; tabs get it in the order they asked.
    fn lock(&self, name: &str) -> LocalBoxFuture<'static, Box<dyn LockGuard>>;
    /// The exclusive lock if nobody holds it now.
    fn try_lock(&self, name: &str) -> LocalBoxFuture<'static, Option<Box<dyn LockGuard>>>;
    /// The exclusive lock, whoever holds it: a tab that is frozen would never give it back.
    fn steal_lock(&self, name: &str) -> LocalBoxFuture<'static, Box<dyn LockGuard>>;
    /// Holds a lock that any number of tabs may share; it excludes [`Tabs::try_lock`] of the same name.
    fn share_lock(&self, name: &str) -> LocalBoxFuture<'static, Box<dyn LockGuard>>;
    /// Sends a text to the other tabs of this database.
    fn post(&self, text: &str);
    /// Calls `on_text` for every text other tabs of this database post, until the engine is dropped.
    fn listen(&self, on_text: Box<dyn Fn(String)>);
}

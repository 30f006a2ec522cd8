//! The connection that tells of news: opened, watched, opened anew, and replaced by another transport where one does not
//! work.
//!
//! A connection carries hints. The machine keeps to one exchange at a time and asks by itself every 30 s, so whatever
//! happens to a connection costs at most one such interval. A WebSocket nudges only. A stream brings whole pages: one that
//! goes on exactly where the stored cursor stands answers the machine's next pull in place of a request, and is checked
//! and applied like any other; every other one is a nudge (`stream.rs`). Were streams nudges only, each page would come
//! twice.
//!
//! While the loop itself gets no answer, failures of connections say nothing about transports. So who lost a connection
//! pulls first, after a wait with jitter, and opens the next one when that has come through.

use super::Driver;
use crate::engine::ports::{Host, Socket, Transport};
use crate::engine::status::State;
use crate::protocol::fallback::{Ending, Fallback, Next, TransportKind};
use crate::protocol::machine::{Input, Problem};
use crate::store::Store;
use futures_channel::oneshot;
use std::cell::{Cell, RefCell};
use std::rc::{Rc, Weak};

/// What is open; dropping it closes it.
pub(super) enum Open {
    Socket(Box<dyn Socket>),
    /// Its other half ends the task that reads.
    Stream {
        _close: oneshot::Sender<()>,
    },
}

/// The connection, and how connections have done.
pub(super) struct Connection {
    pub(super) open: RefCell<Option<Open>>,
    /// Counts connections: what an earlier one reports is not listened to.
    number: Cell<u64>,
    /// The token it was opened with.
    pub(super) token: RefCell<Option<String>>,
    /// When the server accepted it, by the clock that nobody can set.
    accepted_at: Cell<Option<f64>>,
    /// A token was replaced because a connection was refused, and none was accepted since.
    has_asked: Cell<bool>,
    /// The loop gets no answers.
    is_unreachable: Cell<bool>,
    /// The next connection has to wait.
    waits: Cell<bool>,
    fallback: RefCell<Fallback>,
    /// Counts the waits for a better transport: only the newest counts.
    trials: Cell<u64>,
}

impl Connection {
    pub(super) fn new(transports: &[TransportKind]) -> Self {
        Self {
            open: RefCell::default(),
            number: Cell::new(0),
            token: RefCell::default(),
            accepted_at: Cell::new(None),
            has_asked: Cell::new(false),
            is_unreachable: Cell::new(false),
            waits: Cell::new(false),
            fallback: RefCell::new(Fallback::new(transports)),
            trials: Cell::new(0),
        }
    }
}

impl<S: Store, H: Host, T: Transport> Driver<S, H, T> {
    /// Opens a connection of the transport whose turn it is, unless one is open or nobody may have one now.
    pub(super) fn connect(self: &Rc<Self>) {
        let state = self.status.borrow().state;
        let must_wait = state.awaits_a_person() || self.connection.is_unreachable.get() || self.connection.waits.get();
        let is_open = self.connection.open.borrow().is_some();
        let token = self.token.borrow().clone();
        if must_wait || is_open || token.is_none() || !self.is_running() {
            return;
        }
        let number = self.connection.number.get() + 1;
        self.connection.number.set(number);
        self.connection.accepted_at.set(None);
        *self.connection.token.borrow_mut() = token;
        let kind = self.connection.fallback.borrow().present();
        match kind {
            TransportKind::WebSocket => self.open_socket(number),
            TransportKind::Stream => self.open_stream(number),
            TransportKind::Poll => {}
        }
    }

    /// Whether a connection is the present one.
    pub(super) fn is_on(&self, number: u64) -> bool {
        self.connection.number.get() == number && self.connection.open.borrow().is_some()
    }

    /// Closes what is open; nothing follows by itself.
    pub(super) fn close_connection(&self) {
        self.connection.number.set(self.connection.number.get() + 1);
        let open = self.connection.open.borrow_mut().take();
        drop(open);
        self.connection.waits.set(false);
        self.streamed.clear();
    }

    /// A token is there. A socket hears of it; where none is open, it is opened now: who subscribes first and reads then
    /// misses nothing. A stream begins at the cursor, after the round.
    pub(super) fn use_token(self: &Rc<Self>) {
        let kind = self.connection.fallback.borrow().present();
        if kind == TransportKind::WebSocket {
            self.renew_socket();
            self.connect();
        }
    }

    /// A pull came to its end: the server can be reached.
    pub(super) fn reached(self: &Rc<Self>) {
        self.connection.is_unreachable.set(false);
        self.connect();
    }

    /// What the loop shows says whether anything can be learned from a connection that fails.
    pub(super) fn note_state(&self, shown: State, problem: Option<&Problem>) {
        let no_answer = |code: &str| matches!(code, "offline" | "busy" | "server_error" | "bad_answer");
        if shown == State::Offline || problem.is_some_and(|problem| no_answer(&problem.code)) {
            self.connection.is_unreachable.set(true);
        }
    }

    /// The network may be another one.
    pub(super) fn forgive_connections(self: &Rc<Self>) {
        if self.connection.open.borrow().is_none() {
            self.connection.fallback.borrow_mut().forgive();
            self.connect();
        }
    }

    /// Whether the server took the present connection.
    pub(super) fn is_accepted(&self) -> bool {
        self.connection.open.borrow().is_some() && self.connection.accepted_at.get().is_some()
    }

    /// The server took the connection, or said something on it.
    pub(super) fn note_accepted(&self) {
        self.connection.has_asked.set(false);
        if self.connection.accepted_at.get().is_none() {
            self.connection.accepted_at.set(Some(self.engine.host().monotonic_ms()));
        }
    }

    /// The present connection has ended.
    pub(super) fn ended(self: &Rc<Self>, ending: Ending) {
        self.close_connection();
        if ending == Ending::Unauthorized && self.has_other_token() {
            return;
        }
        if self.connection.is_unreachable.get() {
            return;
        }
        let next = self.connection.fallback.borrow_mut().ended(ending, self.served_ms(), self.lot());
        match next {
            Next::Again(ms) => self.pull_after(ms),
            Next::Worse(better_after_ms) => {
                self.connect();
                self.look_for_better(better_after_ms);
            }
        }
    }

    /// Whether the refused token is replaced: by the loop, once for all, unless that was just done for a connection; the
    /// next connection is opened with what is there then.
    fn has_other_token(self: &Rc<Self>) -> bool {
        if *self.connection.token.borrow() != *self.token.borrow() {
            self.connect();
            return true;
        }
        let is_first = !self.connection.has_asked.replace(true);
        if is_first {
            self.feed(Input::TokenRefused);
        }
        is_first
    }

    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "milliseconds that went by")]
    fn served_ms(&self) -> u64 {
        let since = self.connection.accepted_at.get();
        since.map_or(0, |since| (self.engine.host().monotonic_ms() - since).max(0.0) as u64)
    }

    /// Has the loop ask for what the connection would have told of. Where it is answered, the next one is opened.
    fn pull_after(self: &Rc<Self>, ms: u64) {
        let number = self.connection.number.get();
        self.connection.waits.set(true);
        self.then(ms, move |driver| {
            if driver.connection.number.get() == number {
                driver.connection.waits.set(false);
                driver.feed(Input::Nudge);
            }
        });
    }

    fn look_for_better(self: &Rc<Self>, ms: u64) {
        let trial = self.connection.trials.get() + 1;
        self.connection.trials.set(trial);
        self.then(ms, move |driver| {
            if driver.connection.trials.get() == trial && driver.connection.fallback.borrow_mut().try_better() {
                driver.close_connection();
                driver.connect();
            }
        });
    }

    /// Does something later, unless sync was stopped meanwhile.
    fn then(self: &Rc<Self>, ms: u64, act: impl FnOnce(&Rc<Self>) + 'static) {
        let (weak, run, slept) = (Rc::downgrade(self), self.run.get(), self.engine.host().sleep(ms));
        self.engine.host().spawn(Box::pin(async move {
            slept.await;
            if let Some(driver) = weak.upgrade().filter(|driver| driver.run.get() == run) {
                act(&driver);
            }
        }));
    }
}

/// The driver, while a connection is its present one.
pub(super) fn on<S: Store, H: Host, T: Transport>(
    driver: &Weak<Driver<S, H, T>>,
    number: u64,
) -> Option<Rc<Driver<S, H, T>>> {
    driver.upgrade().filter(|driver| driver.is_on(number))
}

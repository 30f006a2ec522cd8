//! One tab's session: the engine, its place among the other tabs, and the sync driver while this tab leads.
//!
//! Tabs of one browser profile share the database. Exactly one of them, the leader, exchanges with the server; the
//! others tell it what they commit and hear from it what it applied.

use super::driver::Driver;
use super::error::{Error, Kind, Result};
use super::events::{Event, TableChange};
use super::ports::{Host, LockGuard, Tabs, Transport};
use super::status::{State, Status, Trouble};
use super::{Engine, User, epoch};
use crate::protocol::wire::Rejection;
use crate::store::{Key, Store};
use futures_channel::oneshot;
use futures_util::future::{Either, select};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::{Rc, Weak};

/// How long a follower waits for the leader to finish a `syncNow`, in milliseconds.
const LEADER_LIMIT_MS: u64 = 60_000;

/// What tabs tell each other.
#[derive(Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "kebab-case")]
enum Message {
    Commit { changes: Vec<(String, Vec<Value>)>, logged: usize },
    Settled { oldest: Option<f64>, refused: Vec<(f64, Rejection)>, pending: usize },
    Status { state: State, pending: usize, last_synced_at: Option<u64>, trouble: Option<(String, String, Option<u64>)> },
    StatusWanted,
    SyncNow { id: String },
    SyncDone { id: String, error: Option<(String, String)> },
}

/// A tab's session. Dropping it ends its part in sync.
pub struct Session<S: Store, H: Host, T: Transport, B: Tabs> {
    engine: Rc<Engine<S, H>>,
    driver: Option<Rc<Driver<S, H, T>>>,
    tabs: B,
    listener: Box<dyn Fn(Event)>,
    wanted: Cell<bool>,
    leadership: RefCell<Option<Box<dyn LockGuard>>>,
    leaders_status: RefCell<Status>,
    asked: RefCell<BTreeMap<String, oneshot::Sender<Result<()>>>>,
}

impl<S: Store, H: Host, T: Transport, B: Tabs> Session<S, H, T, B> {
    /// A session over an open engine; without `transport` it stays local.
    pub fn new(
        engine: &Rc<Engine<S, H>>,
        transport: Option<T>,
        tabs: B,
        listener: impl Fn(Event) + 'static,
    ) -> Rc<Self> {
        let session = Rc::new(Self {
            engine: Rc::clone(engine),
            driver: transport.map(|transport| Driver::new(engine, transport)),
            tabs,
            listener: Box::new(listener),
            wanted: Cell::new(false),
            leadership: RefCell::default(),
            leaders_status: RefCell::default(),
            asked: RefCell::default(),
        });
        let weak = Rc::downgrade(&session);
        engine.listen(move |event| with(&weak, |session| session.on_event(event)));
        let weak = Rc::downgrade(&session);
        session.tabs.listen(Box::new(move |text| with(&weak, |session| session.on_text(&text))));
        session
    }

    /// The engine.
    pub fn engine(&self) -> &Rc<Engine<S, H>> {
        &self.engine
    }

    /// Takes part in sync: leads it as soon as no other tab does.
    pub fn sync_start(self: &Rc<Self>) {
        if self.driver.is_none() || self.wanted.replace(true) {
            return;
        }
        self.post(&Message::StatusWanted);
        let user = self.engine.config().user_id().to_owned();
        let lock = self.tabs.lock(&format!("leader:{user}"));
        let weak = Rc::downgrade(self);
        self.engine.host().spawn(Box::pin(async move {
            let guard = lock.await;
            with(&weak, |session| session.lead(guard));
        }));
    }

    fn lead(self: &Rc<Self>, guard: Box<dyn LockGuard>) {
        if let Some(driver) = self.driver.as_ref().filter(|_| self.wanted.get()) {
            *self.leadership.borrow_mut() = Some(guard);
            driver.start();
            self.serve_own_requests();
        }
    }

    /// Signs a user in, out or under another name. Sync starts anew: token, lock and cursor are the user's.
    pub async fn set_user(self: &Rc<Self>, user: Option<User>) -> Result<()> {
        let wanted = self.wanted.get();
        self.sync_stop();
        let set = self.engine.set_user(user).await;
        if wanted {
            self.sync_start();
        }
        set
    }

    /// What this tab asked of a leader before it came to lead.
    fn serve_own_requests(self: &Rc<Self>) {
        for (_, sender) in std::mem::take(&mut *self.asked.borrow_mut()) {
            let session = Rc::clone(self);
            self.engine.host().spawn(Box::pin(async move {
                // The receiver is gone when nobody waits any more.
                let _ = sender.send(session.sync_now().await);
            }));
        }
    }

    /// Takes no part in sync any more; another tab may lead.
    pub fn sync_stop(&self) {
        self.wanted.set(false);
        if let Some(driver) = &self.driver {
            driver.stop();
        }
        self.leadership.borrow_mut().take();
    }

    /// Pushes and pulls, here or through the leading tab; resolves when both have succeeded.
    pub async fn sync_now(self: &Rc<Self>) -> Result<()> {
        match &self.driver {
            Some(driver) if driver.is_running() => driver.sync_now().await,
            Some(_) if self.wanted.get() => self.ask_leader().await,
            _ => Err(Error::new(Kind::Closed, "sync is not running: give openEngine a sync url, or call sync.start()")),
        }
    }

    async fn ask_leader(self: &Rc<Self>) -> Result<()> {
        let id = epoch::fresh_id(self.engine.host());
        let (sender, receiver) = oneshot::channel();
        self.asked.borrow_mut().insert(id.clone(), sender);
        self.post(&Message::SyncNow { id: id.clone() });
        let limit = self.engine.host().sleep(LEADER_LIMIT_MS);
        let answer = match select(receiver, limit).await {
            Either::Left((Ok(answer), _)) => answer,
            _ => Err(Error::new(Kind::SyncFailed, "the leading tab did not answer: it is tried again by itself")),
        };
        self.asked.borrow_mut().remove(&id);
        answer
    }

    /// The network is back, or the page is about to be hidden: do not wait.
    pub fn hurry(&self) {
        if let Some(driver) = self.running() {
            driver.hurry();
        }
    }

    /// The sync status, the leader's where another tab leads.
    pub fn status(&self) -> Status {
        match (self.running(), self.wanted.get()) {
            (Some(driver), _) => driver.status(),
            (None, true) => Status { pending: self.engine.pending(), ..self.leaders_status.borrow().clone() },
            (None, false) => Status { pending: self.engine.pending(), ..Status::default() },
        }
    }

    /// Ends the session and closes the engine.
    pub fn close(&self) {
        self.sync_stop();
        self.engine.close();
    }

    fn running(&self) -> Option<&Rc<Driver<S, H, T>>> {
        self.driver.as_ref().filter(|driver| driver.is_running())
    }

    fn on_event(&self, event: Event) {
        match &event {
            Event::Change { changes, logged: Some(logged) } => {
                let changes = changes.iter().map(|change| (change.table.clone(), keys_out(&change.keys))).collect();
                self.post(&Message::Commit { changes, logged: *logged });
                self.tell_pending(*logged);
            }
            Event::Settled { oldest, refused } => {
                let pending = self.engine.pending();
                self.post(&Message::Settled { oldest: *oldest, refused: refused.clone(), pending });
                return;
            }
            Event::Status(status) => self.post(&status_message(status)),
            Event::Change { logged: None, .. }
            | Event::Conflict(_)
            | Event::Quarantine { .. }
            | Event::DeadLetter { .. }
            | Event::ClockSkew { .. }
            | Event::Spaces(_)
            | Event::DatabaseLost { .. } => {}
        }
        (self.listener)(event);
    }

    /// Where no driver runs here, the count of unsent changes is shown from here.
    fn tell_pending(&self, logged: usize) {
        if logged > 0 && self.running().is_none() {
            (self.listener)(Event::Status(self.status()));
        }
    }

    fn on_text(self: &Rc<Self>, text: &str) {
        let Ok(message) = serde_json::from_str(text) else { return };
        match message {
            Message::Commit { changes, logged } => {
                let changes = changes.into_iter().map(|(table, keys)| TableChange { table, keys: keys_in(&keys) });
                self.engine.committed_elsewhere(changes.collect(), logged);
            }
            Message::Settled { oldest, refused, pending } => self.engine.settled_elsewhere(oldest, &refused, pending),
            Message::Status { state, pending, last_synced_at, trouble } => {
                let trouble = trouble.map(|(code, message, retry_at)| Trouble { code, message, retry_at });
                self.take_status(Status { state, pending, last_synced_at, trouble });
            }
            Message::StatusWanted => {
                if let Some(driver) = self.running() {
                    self.post(&status_message(&driver.status()));
                }
            }
            Message::SyncNow { id } => self.sync_for(id),
            Message::SyncDone { id, error } => {
                if let Some(sender) = self.asked.borrow_mut().remove(&id) {
                    let failed = error.map(|(_, message)| Error::new(Kind::SyncFailed, message));
                    // The receiver is gone when nobody waits any more.
                    let _ = sender.send(failed.map_or(Ok(()), Err));
                }
            }
        }
    }

    fn take_status(&self, status: Status) {
        if self.wanted.get() && self.running().is_none() {
            *self.leaders_status.borrow_mut() = status;
            (self.listener)(Event::Status(self.status()));
        }
    }

    fn sync_for(self: &Rc<Self>, id: String) {
        if self.running().is_none() {
            return;
        }
        let session = Rc::clone(self);
        self.engine.host().spawn(Box::pin(async move {
            let error = session.sync_now().await.err();
            let error = error.map(|error| (error.kind().code().to_owned(), error.to_string()));
            session.post(&Message::SyncDone { id, error });
        }));
    }

    fn post(&self, message: &Message) {
        if let Ok(text) = serde_json::to_string(message) {
            self.tabs.post(&text);
        }
    }
}

fn with<T>(weak: &Weak<T>, act: impl FnOnce(&Rc<T>)) {
    if let Some(strong) = weak.upgrade() {
        act(&strong);
    }
}

fn status_message(status: &Status) -> Message {
    let trouble = status.trouble.as_ref().map(|t| (t.code.clone(), t.message.clone(), t.retry_at));
    Message::Status { state: status.state, pending: status.pending, last_synced_at: status.last_synced_at, trouble }
}

/// Keys as JSON: texts and numbers as they are, others as `null`, which stands for any key.
fn keys_out(keys: &[Key]) -> Vec<Value> {
    let json = |key: &Key| match key {
        Key::Text(text) => Value::from(text.as_str()),
        Key::Number(number) => Value::from(*number),
        Key::Date(_) | Key::Bytes(_) | Key::List(_) => Value::Null,
    };
    keys.iter().map(json).collect()
}

fn keys_in(keys: &[Value]) -> Vec<Key> {
    keys.iter().map(|json| Key::of(json).unwrap_or_else(|| Key::List(Vec::new()))).collect()
}

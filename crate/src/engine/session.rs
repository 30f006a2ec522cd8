//! One tab's session: the engine, its place among the other tabs, and the sync driver while this tab leads.
//!
//! Tabs of one browser profile share the database. Exactly one of them, the leader, exchanges with the server; the
//! others tell it what they commit and hear from it what it applied.

mod apps;
mod checking;
mod idle;
mod leading;
mod rotation;

use super::driver::Driver;
use super::error::{Error, Kind, Result};
use super::events::Event;
use super::message::Message;
use super::ports::{Host, LockGuard, Tabs, Transport};
use super::status::{State, Status};
use super::{Engine, User, epoch};
use crate::model::FromJson;
use crate::store::Store;
use futures_channel::oneshot;
use futures_util::future::{Either, select};
use std::cell::{Cell, RefCell};
use std::rc::{Rc, Weak};
use zeroize::Zeroizing;

/// How long a follower waits for the leader to finish a `syncNow`, in milliseconds.
const LEADER_LIMIT_MS: u64 = 60_000;

/// A tab's session. Dropping it ends its part in sync.
pub struct Session<S: Store, H: Host, T: Transport, B: Tabs> {
    engine: Rc<Engine<S, H>>,
    driver: Option<Rc<Driver<S, H, T>>>,
    tabs: B,
    listener: Box<dyn Fn(Event)>,
    wanted: Cell<bool>,
    /// Counts the times this tab began to queue for the lead: what an earlier one comes to is not listened to.
    attempt: Cell<u64>,
    /// A leader was heard since the last look.
    heard: Cell<bool>,
    leadership: RefCell<Option<Box<dyn LockGuard>>>,
    leaders_status: RefCell<Status>,
    asked: RefCell<Vec<(String, oneshot::Sender<Result<()>>)>>,
    idle: idle::Idle,
    /// The database is another tab's: this one never leads again.
    cut_off: Cell<bool>,
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
            attempt: Cell::new(0),
            heard: Cell::new(false),
            leadership: RefCell::default(),
            leaders_status: RefCell::default(),
            asked: RefCell::default(),
            idle: idle::Idle::default(),
            cut_off: Cell::new(false),
        });
        let weak = Rc::downgrade(&session);
        engine.listen(move |event| with(&weak, |session| session.on_event(event)));
        let weak = Rc::downgrade(&session);
        session.tabs.listen(Box::new(move |text| {
            // It may hold the key.
            let text = Zeroizing::new(text);
            with(&weak, |session| session.on_text(&text));
        }));
        if engine.wants_key() {
            session.post(Message::VaultKeyWanted(engine.config().user_id().to_owned()));
        }
        session
    }

    /// The engine.
    pub fn engine(&self) -> &Rc<Engine<S, H>> {
        &self.engine
    }

    /// Takes part in sync: leads it as soon as no other tab does.
    pub fn sync_start(self: &Rc<Self>) {
        if self.driver.is_none() || self.cut_off.get() || self.wanted.replace(true) {
            return;
        }
        self.post(Message::StatusWanted);
        self.compete(false);
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
        self.attempt.set(self.attempt.get() + 1);
        if let Some(driver) = &self.driver {
            driver.stop();
        }
        self.leadership.borrow_mut().take();
        for (_, sender) in self.asked.take() {
            // The receiver is gone when nobody waits any more.
            let _ = sender.send(Err(Error::new(Kind::Closed, "sync was stopped: call start")));
        }
    }

    /// Takes no part in sync ever again: without its database this tab can only be in the way of one that has it.
    pub fn cut_off(&self) {
        self.cut_off.set(true);
        self.sync_stop();
    }

    /// Pushes and pulls, here or through the leading tab; resolves when both have succeeded.
    pub async fn sync_now(self: &Rc<Self>) -> Result<()> {
        match &self.driver {
            Some(driver) if driver.is_running() => match driver.sync_now().await {
                // Another tab has taken the lead meanwhile.
                Err(_) if !driver.is_running() && self.wanted.get() => self.ask_leader().await,
                done => done,
            },
            Some(_) if self.wanted.get() => self.ask_leader().await,
            _ => Err(not_running()),
        }
    }

    /// Pulls everything anew and pushes what waits; resolves when both have succeeded. What it began goes on by itself where
    /// it fails. Nothing is removed because it does not come, and nothing logged again.
    pub async fn resync(self: &Rc<Self>) -> Result<()> {
        if !self.wanted.get() {
            return Err(not_running());
        }
        self.engine.wish_everything().await?;
        self.sync_now().await
    }

    async fn ask_leader(self: &Rc<Self>) -> Result<()> {
        let id = epoch::fresh_id(self.engine.host());
        let (sender, receiver) = oneshot::channel();
        self.asked.borrow_mut().push((id.clone(), sender));
        self.post(Message::SyncNow(id.clone()));
        let limit = self.engine.host().sleep(LEADER_LIMIT_MS);
        let answer = match select(receiver, limit).await {
            Either::Left((Ok(answer), _)) => answer,
            _ => Err(Error::new(Kind::SyncFailed, "the leading tab did not answer: it is tried again by itself")),
        };
        self.forget_asked(&id);
        answer
    }

    /// The network is back, or the page is shown or about to be hidden: do not wait. The leading tab may be one that nobody sees
    /// and whose timers are slow.
    pub fn hurry(&self) {
        match self.running() {
            Some(driver) => driver.hurry(),
            None if self.wanted.get() => self.post(Message::Woken),
            None => {}
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

    /// Whether there is a server to sync with.
    pub(super) fn has_server(&self) -> bool {
        self.driver.is_some()
    }

    fn running(&self) -> Option<&Rc<Driver<S, H, T>>> {
        self.driver.as_ref().filter(|driver| driver.is_running())
    }

    fn on_event(self: &Rc<Self>, event: Event) {
        match &event {
            Event::Change { changes, logged: Some(logged) } => {
                self.post(Message::Commit(changes.clone(), *logged));
                self.tell_pending(*logged);
                if changes.is_empty() {
                    return;
                }
            }
            Event::Settled { oldest, refused } => {
                let pending = self.engine.pending();
                self.post(Message::Settled(*oldest, refused.clone(), pending));
                return;
            }
            // What sync is like, the tab that leads says.
            Event::Status(_) if self.wanted.get() && self.running().is_none() => return,
            Event::Status(status) => self.post(Message::Status(status.clone())),
            Event::VaultKey(key) => {
                return self.post(Message::VaultKey(self.engine.config().user_id().to_owned(), key.clone()));
            }
            Event::Keyring => return self.post(Message::Keyring),
            Event::AppUsed(app) => return self.ask_for(app.clone()),
            Event::LeadLost => return self.step_down(),
            Event::Vault { locked: false, .. } => self.unlocked(),
            Event::Change { logged: None, .. }
            | Event::Conflict(_)
            | Event::Integrity { .. }
            | Event::Quarantine { .. }
            | Event::UpdateRequired { .. }
            | Event::DeadLetter { .. }
            | Event::Telemetry(_)
            | Event::ClockSkew { .. }
            | Event::Spaces(_)
            | Event::SpaceRemoved { .. }
            | Event::Vault { locked: true, .. }
            | Event::RotationDue { .. }
            | Event::Adoption(_)
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
        match serde_json::from_str(text).ok().and_then(Message::from_json) {
            Some(Message::Commit(changes, logged)) => self.engine.committed_elsewhere(changes, logged),
            Some(Message::Settled(oldest, refused, pending)) => {
                self.engine.settled_elsewhere(oldest, &refused, pending);
            }
            Some(Message::Leading(user, generation)) => self.hear_leader(&user, generation),
            Some(Message::Status(status)) => self.take_status(status),
            Some(Message::StatusWanted) => {
                if let Some(driver) = self.running() {
                    self.post(Message::Status(driver.status()));
                }
            }
            Some(Message::AppAsked) => {
                if let Some(driver) = self.running() {
                    driver.nudge();
                }
            }
            Some(Message::Woken) => {
                if let Some(driver) = self.running() {
                    driver.hurry();
                }
            }
            Some(Message::SyncNow(id)) => self.sync_for(id),
            Some(Message::SyncDone(id, error)) => self.finish_asked(&id, error),
            Some(Message::VaultUsed) => self.used_elsewhere(),
            Some(Message::Keyring) => {
                let engine = Rc::clone(&self.engine);
                self.engine.host().spawn(Box::pin(async move {
                    // A closed engine has nothing to know; any other failure shows with the next call.
                    let _ = engine.read_keyring().await;
                }));
            }
            Some(Message::VaultKey(user, key)) => self.engine.key_from_elsewhere(&user, key.as_ref()),
            Some(Message::VaultKeyGiven(user, key)) => self.engine.key_given(&user, &key),
            Some(Message::VaultKeyWanted(user)) => {
                if let Some(key) = self.engine.key_for(&user) {
                    self.post(Message::VaultKeyGiven(user, key));
                }
            }
            None => {}
        }
    }

    fn finish_asked(&self, id: &str, error: Option<String>) {
        if let Some(sender) = self.forget_asked(id) {
            let failed = error.map(|message| Error::new(Kind::SyncFailed, message));
            // The receiver is gone when nobody waits any more.
            let _ = sender.send(failed.map_or(Ok(()), Err));
        }
    }

    fn forget_asked(&self, id: &str) -> Option<oneshot::Sender<Result<()>>> {
        let mut asked = self.asked.borrow_mut();
        let at = asked.iter().position(|(known, _)| known == id)?;
        Some(asked.swap_remove(at).1)
    }

    fn take_status(self: &Rc<Self>, status: Status) {
        if !self.wanted.get() || self.running().is_some() {
            return;
        }
        // What tabs tell each other may cross: where the leader has sent everything, the log says what is left.
        let differs = status.state == State::Synced && status.pending != self.engine.pending();
        *self.leaders_status.borrow_mut() = status;
        if !differs {
            return (self.listener)(Event::Status(self.status()));
        }
        let session = Rc::clone(self);
        self.engine.host().spawn(Box::pin(async move {
            // A closed engine counts nothing; any other failure shows with the next call.
            if session.engine.count_unsent().await.is_ok() {
                (session.listener)(Event::Status(session.status()));
            }
        }));
    }

    fn sync_for(self: &Rc<Self>, id: String) {
        if self.running().is_none() {
            return;
        }
        let session = Rc::clone(self);
        self.engine.host().spawn(Box::pin(async move {
            let error = session.sync_now().await.err();
            session.post(Message::SyncDone(id, error.map(|error| error.to_string())));
        }));
    }

    fn post(&self, message: Message) {
        self.tabs.post(&message.into_text());
    }
}

fn not_running() -> Error {
    Error::new(Kind::Closed, "sync is not running: give openEngine a sync url, or call sync.start()")
}

fn with<T>(weak: &Weak<T>, act: impl FnOnce(&Rc<T>)) {
    if let Some(strong) = weak.upgrade() {
        act(&strong);
    }
}

//! How a tab comes to lead, and how it notices that another one does.
//!
//! Tabs queue for a lock, which the browser passes on when its holder is closed or crashes. A holder that is frozen keeps
//! it: whoever hears nothing of a leader for [`SILENCES`] looks in a row takes the lock away. Both are hints only. What
//! makes one tab lead is its generation ([`lead`](crate::engine::lead)), so where tabs disagree, or there are no locks,
//! the one that took the lead last goes on and the others write nothing.

use super::Session;
use crate::engine::message::Message;
use crate::engine::ports::{Host, LockGuard, Tabs, Transport};
use crate::store::Store;
use futures_util::future::{Either, LocalBoxFuture, select};
use std::rc::{Rc, Weak};

/// A leader is heard this often, in milliseconds, and looks at the log for what no tab told it of.
const BEAT_MS: u64 = 3000;
/// After so many looks in a row, [`BEAT_MS`] apart, at which nothing had been heard, a leader counts as frozen. Looks are
/// counted and not milliseconds: a follower that was frozen itself has looked at nothing meanwhile.
const SILENCES: u32 = 3;
/// After so many beats in a row at which the database had not answered the one look that is under way, a leader falls silent.
/// A minute: a slow database keeps its leader, which changes nothing by passing on the lead.
const UNANSWERED: u32 = 20;

impl<S: Store, H: Host, T: Transport, B: Tabs> Session<S, H, T, B> {
    /// Leads as soon as no other tab does. Who was led by another just now, `stepped_down`, does not take the lead back by a
    /// lock that keeps nobody out: they would take it from each other for ever.
    pub(super) fn compete(self: &Rc<Self>, stepped_down: bool) {
        let attempt = self.attempt.get() + 1;
        self.attempt.set(attempt);
        let name = format!("leader:{}", self.engine.config().user_id());
        let lock = self.tabs.lock(&name);
        let weak = Rc::downgrade(self);
        self.engine.host().spawn(Box::pin(async move {
            let silence = Box::pin(silent(weak.clone(), attempt));
            let guard = match select(lock, silence).await {
                Either::Left((guard, silence)) => {
                    if stepped_down && !guard.keeps_out() {
                        silence.await;
                    }
                    guard
                }
                Either::Right(((), _)) => match current(&weak, attempt) {
                    Some(session) => session.tabs.steal_lock(&name).await,
                    None => return,
                },
            };
            if let Some(session) = current(&weak, attempt) {
                session.lead(guard).await;
            }
        }));
    }

    async fn lead(self: &Rc<Self>, guard: Box<dyn LockGuard>) {
        let attempt = self.attempt.get();
        let led = self.engine.take_lead().await;
        if self.attempt.get() != attempt {
            return;
        }
        let Ok(generation) = led else {
            // The database may be used again later: others lead meanwhile.
            drop(guard);
            self.engine.host().sleep(BEAT_MS).await;
            if self.attempt.get() == attempt {
                self.compete(false);
            }
            return;
        };
        *self.leadership.borrow_mut() = Some(guard);
        if let Some(driver) = &self.driver {
            driver.start();
        }
        self.serve_own_requests();
        let (weak, host) = (Rc::downgrade(self), self.engine.host());
        host.spawn(Box::pin(beat(weak, attempt, generation)));
    }

    /// Looks at the log, where there is an exchange.
    fn look(&self) -> LocalBoxFuture<'static, ()> {
        let driver = self.running().cloned();
        Box::pin(async move {
            if let Some(driver) = driver {
                driver.look().await;
            }
        })
    }

    /// Another tab leads: this one writes nothing of the exchange any more, and queues again.
    pub(super) fn step_down(self: &Rc<Self>) {
        if self.leadership.borrow_mut().take().is_some() {
            if let Some(driver) = &self.driver {
                driver.stop();
            }
            self.post(Message::StatusWanted);
            self.compete(true);
        }
    }

    /// A leader told of itself. Where it is not the last one, it hears so from the last one.
    pub(super) fn hear_leader(self: &Rc<Self>, user: &str, generation: u64) {
        if self.engine.config().user_id() != user {
            return;
        }
        self.heard.set(true);
        if self.engine.led().is_some_and(|led| led < generation) {
            self.step_down();
        }
    }
}

/// Says that nothing goes on while the database answers nothing; no other tab may be there to take over.
fn tell_of_silence<S: Store, H: Host, T: Transport, B: Tabs>(session: &Weak<Session<S, H, T, B>>) {
    if let Some(driver) = session.upgrade().and_then(|session| session.running().cloned()) {
        driver.tell_of_silence();
    }
}

/// The session, unless this attempt is over.
fn current<S: Store, H: Host, T: Transport, B: Tabs>(
    session: &Weak<Session<S, H, T, B>>,
    attempt: u64,
) -> Option<Rc<Session<S, H, T, B>>> {
    session.upgrade().filter(|session| session.attempt.get() == attempt)
}

/// Resolves when nothing was heard of a leader for long, or this attempt is over.
async fn silent<S: Store, H: Host, T: Transport, B: Tabs>(session: Weak<Session<S, H, T, B>>, attempt: u64) {
    let mut silences = 0;
    while silences < SILENCES {
        let Some(slept) = session.upgrade().map(|session| session.engine.host().sleep(BEAT_MS)) else { return };
        slept.await;
        let Some(session) = current(&session, attempt) else { return };
        silences = if session.heard.replace(false) { 0 } else { silences + 1 };
    }
}

/// Tells the other tabs of a leader that lives, and so does its connection to the database: a tab that gets no answer there
/// can do nothing of what a leader does, and its timers run on.
async fn beat<S: Store, H: Host, T: Transport, B: Tabs>(
    session: Weak<Session<S, H, T, B>>,
    attempt: u64,
    generation: u64,
) {
    let (mut look, mut unanswered) = (None, 0);
    while let Some(leader) = current(&session, attempt).filter(|session| session.leadership.borrow().is_some()) {
        if unanswered < UNANSWERED {
            leader.post(Message::Leading(leader.engine.config().user_id().to_owned(), generation));
        }
        let slept = leader.engine.host().sleep(BEAT_MS);
        let looking = look.take().unwrap_or_else(|| leader.look());
        drop(leader);
        match select(looking, slept).await {
            Either::Left(((), slept)) => {
                unanswered = 0;
                slept.await;
            }
            Either::Right(((), looking)) => {
                unanswered += 1;
                look = Some(looking);
                if unanswered >= UNANSWERED {
                    tell_of_silence(&session);
                }
            }
        }
    }
}

//! The tabs of one browser profile: the locks they queue for and the channel on which they hear each other.

use super::executor::{Executor, Owner};
use futures_channel::oneshot;
use futures_util::future::{LocalBoxFuture, ready};
use mana_sync_engine::engine::ports::{LockGuard, Tabs};
use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;

/// A browser profile. Its locks go to whoever asked first among those who still live.
#[derive(Default)]
pub struct Profile {
    locks: RefCell<Vec<Request>>,
    listeners: RefCell<Vec<Listener>>,
    last: Cell<u64>,
    /// The browser has no locks: every tab gets what it asks for.
    is_lockless: Cell<bool>,
}

struct Listener {
    owner: Owner,
    hear: Rc<dyn Fn(String)>,
}

/// Somebody who holds a lock (`granted` was taken) or waits for it.
struct Request {
    number: u64,
    owner: Owner,
    name: String,
    shared: bool,
    granted: Option<oneshot::Sender<()>>,
}

impl Profile {
    /// Releases everything a tab holds or waits for, and forgets it.
    pub fn forget(&self, owner: Owner) {
        self.listeners.borrow_mut().retain(|listener| listener.owner != owner);
        self.locks.borrow_mut().retain(|request| request.owner != owner);
        self.grant();
    }

    /// From now on there are no locks.
    pub fn take_locks_away(&self) {
        self.is_lockless.set(true);
    }

    fn release(&self, number: u64) {
        self.locks.borrow_mut().retain(|request| request.number != number);
        self.grant();
    }

    fn grant(&self) {
        let mut granted = VecDeque::new();
        {
            let mut locks = self.locks.borrow_mut();
            for at in 0..locks.len() {
                let (before, rest) = locks.split_at_mut(at);
                let request = &mut rest[0];
                let blocks = |other: &&Request| other.name == request.name && !(other.shared && request.shared);
                if before.iter().find(blocks).is_none() {
                    granted.extend(request.granted.take());
                }
            }
        }
        for sender in granted {
            // Whoever asked is gone: its request goes with its guard.
            let _ = sender.send(());
        }
    }
}

/// One tab's view of its profile.
pub struct TabOf {
    profile: Rc<Profile>,
    executor: Executor,
    owner: Owner,
}

impl TabOf {
    /// The tab `owner` of a profile.
    #[must_use]
    pub fn new(profile: &Rc<Profile>, executor: &Executor, owner: Owner) -> Self {
        Self { profile: Rc::clone(profile), executor: executor.clone(), owner }
    }

    /// Asks for a lock; `stolen`: whoever holds it loses it.
    fn request(&self, name: &str, shared: bool, stolen: bool) -> LocalBoxFuture<'static, Box<dyn LockGuard>> {
        if self.profile.is_lockless.get() {
            return Box::pin(ready(Box::new(Nothing) as Box<dyn LockGuard>));
        }
        let number = self.profile.last.get() + 1;
        self.profile.last.set(number);
        let (sender, receiver) = oneshot::channel();
        let request = Request { number, owner: self.owner, name: name.to_owned(), shared, granted: Some(sender) };
        let mut locks = self.profile.locks.borrow_mut();
        if stolen {
            locks.retain(|held| held.name != name || held.granted.is_some());
        }
        let at = if stolen { 0 } else { locks.len() };
        locks.insert(at, request);
        drop(locks);
        // Made at once, so that a request nobody waits for any more gives its place up.
        let guard = Guard { profile: Rc::clone(&self.profile), number };
        self.profile.grant();
        Box::pin(async move {
            if receiver.await.is_err() {
                // The tab is gone, and this with it.
                std::future::pending::<()>().await;
            }
            Box::new(guard) as Box<dyn LockGuard>
        })
    }
}

/// What keeps nobody out.
struct Nothing;

impl LockGuard for Nothing {
    fn keeps_out(&self) -> bool {
        false
    }
}

struct Guard {
    profile: Rc<Profile>,
    number: u64,
}

impl LockGuard for Guard {}

impl Drop for Guard {
    fn drop(&mut self) {
        self.profile.release(self.number);
    }
}

impl Tabs for TabOf {
    fn lock(&self, name: &str) -> LocalBoxFuture<'static, Box<dyn LockGuard>> {
        self.request(name, false, false)
    }

    fn steal_lock(&self, name: &str) -> LocalBoxFuture<'static, Box<dyn LockGuard>> {
        self.request(name, false, true)
    }

    fn try_lock(&self, name: &str) -> LocalBoxFuture<'static, Option<Box<dyn LockGuard>>> {
        let taken = self.profile.locks.borrow().iter().any(|request| request.name == name);
        if taken {
            return Box::pin(ready(None));
        }
        let lock = self.request(name, false, false);
        Box::pin(async move { Some(lock.await) })
    }

    fn share_lock(&self, name: &str) -> LocalBoxFuture<'static, Box<dyn LockGuard>> {
        self.request(name, true, false)
    }

    fn post(&self, text: &str) {
        for listener in self.profile.listeners.borrow().iter().filter(|listener| listener.owner != self.owner) {
            let (hear, text) = (Rc::clone(&listener.hear), text.to_owned());
            self.executor.spawn(listener.owner, Box::pin(async move { hear(text) }));
        }
    }

    fn listen(&self, on_message: Box<dyn Fn(String)>) {
        self.profile.listeners.borrow_mut().push(Listener { owner: self.owner, hear: on_message.into() });
    }
}

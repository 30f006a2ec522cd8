//! A vault that nobody uses is locked: in all tabs, once none of them was used for so long.

use super::{Message, Session, with};
use crate::engine::ports::{Host, Tabs, Transport};
use crate::store::Store;
use std::cell::Cell;
use std::rc::Rc;

/// How often other tabs are told of use, and time is looked at, at most: a device that slept is locked soon after.
const TELL_MS: u64 = 1_000;
const LOOK_MS: u64 = 10_000;

/// Since when nobody used the vault.
#[derive(Default)]
pub(super) struct Idle {
    /// After how long it is locked, in milliseconds; 0: never.
    after_ms: Cell<u64>,
    used_at: Cell<u64>,
    told_at: Cell<u64>,
    watched: Cell<bool>,
}

impl<S: Store, H: Host, T: Transport, B: Tabs> Session<S, H, T, B> {
    /// Has the vault locked when nobody uses it for so many milliseconds; 0: never.
    pub fn lock_after(&self, ms: u64) {
        self.idle.after_ms.set(ms);
    }

    /// Somebody uses the app here.
    pub fn vault_used(&self) {
        let now = self.engine.host().now_ms();
        self.idle.used_at.set(now);
        let is_watched = self.idle.after_ms.get() > 0 && !self.engine.is_locked();
        if is_watched && now.abs_diff(self.idle.told_at.get()) >= TELL_MS {
            self.idle.told_at.set(now);
            self.post(Message::VaultUsed);
        }
    }

    /// The same in another tab.
    pub(super) fn used_elsewhere(&self) {
        self.idle.used_at.set(self.engine.host().now_ms());
    }

    /// Begins to watch: the vault was unlocked.
    pub(super) fn watch_idle(self: &Rc<Self>) {
        self.used_elsewhere();
        if self.idle.after_ms.get() == 0 || self.idle.watched.replace(true) {
            return;
        }
        let (weak, host) = (Rc::downgrade(self), Rc::clone(&self.engine));
        self.engine.host().spawn(Box::pin(async move {
            while let Some(wait) = weak.upgrade().and_then(|session| session.idle_left()) {
                host.host().sleep(wait).await;
            }
            with(&weak, |session| session.idle.watched.set(false));
        }));
    }

    /// How long to wait before looking again; locks when it is time. `None`: it is locked.
    fn idle_left(&self) -> Option<u64> {
        if self.engine.is_locked() {
            return None;
        }
        let unused = self.engine.host().now_ms().abs_diff(self.idle.used_at.get());
        let left = self.idle.after_ms.get().saturating_sub(unused);
        if left == 0 {
            self.engine.lock();
            return None;
        }
        Some(left.min(LOOK_MS))
    }
}

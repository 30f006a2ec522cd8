//! A browser profile with one tab: every lock is free, and nobody listens.

use futures_util::future::{LocalBoxFuture, ready};
use mana_sync_engine::engine::ports::{LockGuard, Tabs};

/// The only tab.
pub struct OneTab;

struct Held;

impl LockGuard for Held {}

impl Tabs for OneTab {
    fn lock(&self, _: &str) -> LocalBoxFuture<'static, Box<dyn LockGuard>> {
        Box::pin(ready(Box::new(Held) as Box<dyn LockGuard>))
    }

    fn try_lock(&self, _: &str) -> LocalBoxFuture<'static, Option<Box<dyn LockGuard>>> {
        Box::pin(ready(Some(Box::new(Held) as Box<dyn LockGuard>)))
    }

    fn share_lock(&self, name: &str) -> LocalBoxFuture<'static, Box<dyn LockGuard>> {
        self.lock(name)
    }

    fn post(&self, _: &str) {}

    fn listen(&self, _: Box<dyn Fn(String)>) {}
}

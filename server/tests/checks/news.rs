//! What was committed is told of, whatever becomes of the answer.

use crate::support::insert;
use mana_sync::log::contract::fixtures::{person, push_of, sync_log};
use mana_sync::log::memory::{MemoryLog, MemorySnapshot, MemoryTransaction};
use mana_sync::log::{Caller, ChangeLog, Epoch, LogError};
use std::cell::RefCell;

/// A log of which nobody can read: of a database that went away after the commit.
struct Unreadable(MemoryLog);

impl ChangeLog for Unreadable {
    type Snapshot = MemorySnapshot;
    type Transaction = MemoryTransaction;

    async fn snapshot(&self, _: &Caller) -> Result<MemorySnapshot, LogError> {
        Err(LogError::Busy("it went away".into()))
    }

    async fn transaction(&self, caller: &Caller) -> Result<MemoryTransaction, LogError> {
        self.0.transaction(caller).await
    }
}

#[tokio::test]
async fn a_push_that_fails_after_its_commit_has_told_its_news() {
    let log = sync_log(Unreadable(MemoryLog::new(Epoch([1; 16]))), 1);
    let told = RefCell::new(Vec::new());
    let tell = |news: &mana_sync::log::News| told.borrow_mut().extend(news.keys().map(ToString::to_string));
    let push = || push_of(&person("ada", &[]), &[insert(1, "t1", None)]);
    assert!(matches!(log.push_and_tell(push(), tell).await, Err(LogError::Busy(_))));
    assert_eq!(*told.borrow(), ["user:ada"]);
    assert!(log.push_and_tell(push(), tell).await.is_err());
    assert_eq!(told.borrow().len(), 1, "pushed again it is no news");
}

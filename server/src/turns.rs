//! Turns at the log: one person's requests, however many, leave room for everybody else's.

use crate::lock::hold;
use mana_sync_engine::model::UserId;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

/// How many of one person's requests are at the log at once: enough for some devices, a fraction of its connections.
const AT_ONCE: usize = 4;
/// How many more of them may wait.
const WAITING: usize = 64;
/// How long one waits.
const PATIENCE: Duration = Duration::from_secs(10);

/// This person has too many requests under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Crowded;

/// Everybody's turns.
#[derive(Clone, Default)]
pub struct Turns(Arc<Mutex<HashMap<UserId, Line>>>);

struct Line {
    semaphore: Arc<Semaphore>,
    /// Requests that have a turn or wait for one.
    requests: usize,
}

/// A turn; dropping it ends it.
pub struct Turn {
    /// Before the place: who waits gets the turn while the line still counts this one.
    _permit: OwnedSemaphorePermit,
    _place: Place,
}

/// A request's place in its person's line.
struct Place {
    turns: Turns,
    user: UserId,
}

impl Turns {
    /// Waits for a turn of this person's.
    pub async fn take(&self, user: &UserId) -> Result<Turn, Crowded> {
        let (semaphore, place) = self.stand(user)?;
        match timeout(PATIENCE, semaphore.acquire_owned()).await {
            Ok(Ok(permit)) => Ok(Turn { _permit: permit, _place: place }),
            Ok(Err(_)) | Err(_) => Err(Crowded),
        }
    }

    fn stand(&self, user: &UserId) -> Result<(Arc<Semaphore>, Place), Crowded> {
        let mut lines = self.lock();
        let fresh = || Line { semaphore: Arc::new(Semaphore::new(AT_ONCE)), requests: 0 };
        let line = lines.entry(user.clone()).or_insert_with(fresh);
        if line.requests >= AT_ONCE + WAITING {
            return Err(Crowded);
        }
        line.requests += 1;
        Ok((Arc::clone(&line.semaphore), Place { turns: self.clone(), user: user.clone() }))
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<UserId, Line>> {
        hold(&self.0)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut lines = self.turns.lock();
        if let Some(line) = lines.get_mut(&self.user) {
            line.requests -= 1;
            if line.requests == 0 {
                lines.remove(&self.user);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt as _;

    fn user(name: &str) -> UserId {
        UserId::parse(name).unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn a_person_has_some_turns_at_once_and_others_have_theirs() {
        let (turns, ada) = (Turns::default(), user("ada"));
        let mut taken = Vec::new();
        for _ in 0..AT_ONCE {
            taken.push(turns.take(&ada).now_or_never().expect("at once").unwrap());
        }
        let mut next = Box::pin(turns.take(&ada));
        assert!(next.as_mut().now_or_never().is_none(), "the next one waits");
        assert!(turns.take(&user("bob")).now_or_never().expect("at once").is_ok());
        taken.pop();
        assert!(next.await.is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn who_waits_too_long_or_in_too_long_a_line_is_told_and_nothing_is_left_of_it() {
        let (turns, ada) = (Turns::default(), user("ada"));
        let mut taken = Vec::new();
        for _ in 0..AT_ONCE {
            taken.push(turns.take(&ada).await.unwrap());
        }
        let mut waiting: Vec<_> = (0..WAITING).map(|_| Box::pin(turns.take(&ada))).collect();
        for one in &mut waiting {
            assert!(one.as_mut().now_or_never().is_none());
        }
        assert_eq!(turns.take(&ada).now_or_never().expect("at once").err(), Some(Crowded));
        waiting.truncate(1);
        assert_eq!(waiting.pop().expect("one").await.err(), Some(Crowded), "after a while");
        drop((taken, waiting));
        assert!(turns.lock().is_empty());
    }
}

//! What other services said of people: kept for a while, and of no more people than memory is meant for.

use mana_sync_engine::model::UserId;
use std::collections::HashMap;
use tokio::time::Instant;

/// How many people's answers are kept at most.
const MOST: usize = 100_000;

/// Answers by person, each until it is too old.
pub(crate) struct Kept<T>(HashMap<UserId, (T, Instant)>);

impl<T> Default for Kept<T> {
    fn default() -> Self {
        Self(HashMap::new())
    }
}

impl<T: Clone> Kept<T> {
    /// What was said of this person, if that is new enough.
    pub fn get(&self, user: &UserId) -> Option<T> {
        self.0.get(user).filter(|(_, until)| Instant::now() < *until).map(|(answer, _)| answer.clone())
    }

    /// Keeps an answer until then. Where there is no room even without those that are too old, it is not kept.
    pub fn keep(&mut self, user: &UserId, answer: T, until: Instant) {
        if self.0.len() >= MOST {
            let now = Instant::now();
            self.0.retain(|_, (_, until)| now < *until);
        }
        if self.0.len() < MOST || self.0.contains_key(user) {
            self.0.insert(user.clone(), (answer, until));
        }
    }

    /// Asks anew next time.
    pub fn forget(&mut self, user: &UserId) {
        self.0.remove(user);
    }
}

//! Memberships kept for half a minute.

use super::{Lookup, Memberships, SpaceList, Unavailable};
use crate::kept::Kept;
use crate::lock::hold;
use mana_sync_engine::model::UserId;
use std::sync::Mutex;
use std::time::Duration;
use tokio::time::Instant;

/// A source whose answers are used again for a while.
pub struct Recent<M> {
    source: M,
    lasting: Duration,
    known: Mutex<Known>,
}

#[derive(Default)]
struct Known {
    lists: Kept<SpaceList>,
    /// How often something was forgotten: an answer that was asked for before is not kept.
    forgotten: u64,
}

impl<M: Memberships> Recent<M> {
    /// Keeps what `source` answers for `lasting`.
    #[must_use]
    pub fn new(source: M, lasting: Duration) -> Self {
        Self { source, lasting, known: Mutex::default() }
    }

    async fn ask(&self, user: &UserId) -> Result<SpaceList, Unavailable> {
        let (asked, forgotten) = (Instant::now(), hold(&self.known).forgotten);
        let list = self.source.spaces_of(user).await?;
        let mut known = hold(&self.known);
        if known.forgotten == forgotten {
            known.lists.keep(user, list.clone(), asked + self.lasting);
        }
        Ok(list)
    }
}

impl<M: Memberships> Memberships for Recent<M> {
    fn spaces_of<'a>(&'a self, user: &'a UserId) -> Lookup<'a> {
        Box::pin(self.ask(user))
    }

    fn recent_spaces_of<'a>(&'a self, user: &'a UserId) -> Lookup<'a> {
        let kept = hold(&self.known).lists.get(user);
        Box::pin(async move {
            match kept {
                Some(list) => Ok(list),
                None => self.ask(user).await,
            }
        })
    }

    fn forget(&self, users: &[UserId]) {
        let mut known = hold(&self.known);
        known.forgotten += 1;
        for user in users {
            known.lists.forget(user);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock;
    use mana_sync_engine::model::{Space, SpaceId};
    use std::sync::atomic::{AtomicUsize, Ordering};
    use tokio::sync::Semaphore;

    /// Answers with a space named after how often it was asked, as soon as it may.
    struct Counting {
        asked: AtomicUsize,
        may_answer: Semaphore,
    }

    impl Memberships for Counting {
        fn spaces_of<'a>(&'a self, _: &'a UserId) -> Lookup<'a> {
            Box::pin(async move {
                let asked = self.asked.fetch_add(1, Ordering::Relaxed) + 1;
                self.may_answer.acquire().await.expect("never closed").forget();
                let id = SpaceId::parse(format!("s{asked}")).expect("an id");
                Ok(SpaceList { spaces: vec![Space { id, kind: None, role: None }], as_of: clock::now() })
            })
        }
    }

    fn recent(answers: usize) -> Recent<Counting> {
        let source = Counting { asked: AtomicUsize::new(0), may_answer: Semaphore::new(answers) };
        Recent::new(source, Duration::from_secs(30))
    }

    fn ada() -> UserId {
        UserId::parse("ada").unwrap()
    }

    async fn name(lookup: Lookup<'_>) -> String {
        lookup.await.unwrap().spaces[0].id.to_string()
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_is_used_for_half_a_minute_and_not_where_it_must_be_new() {
        let recent = recent(9);
        assert_eq!(name(recent.recent_spaces_of(&ada())).await, "s1");
        tokio::time::advance(Duration::from_secs(29)).await;
        assert_eq!(name(recent.recent_spaces_of(&ada())).await, "s1");
        tokio::time::advance(Duration::from_secs(1)).await;
        assert_eq!(name(recent.recent_spaces_of(&ada())).await, "s2");
        assert_eq!(name(recent.spaces_of(&ada())).await, "s3");
        assert_eq!(name(recent.recent_spaces_of(&ada())).await, "s3", "and what is newer is kept");
    }

    #[tokio::test(start_paused = true)]
    async fn what_changed_is_forgotten_also_while_it_is_asked_for() {
        let recent = recent(1);
        assert_eq!(name(recent.recent_spaces_of(&ada())).await, "s1");
        recent.forget(&[ada()]);
        let ada = ada();
        let (late, ()) = tokio::join!(name(recent.recent_spaces_of(&ada)), async {
            tokio::task::yield_now().await;
            recent.forget(std::slice::from_ref(&ada));
            recent.source.may_answer.add_permits(9);
        });
        assert_eq!(late, "s2");
        assert_eq!(name(recent.recent_spaces_of(&ada)).await, "s3", "the answer from before is not kept");
    }
}

//! How often one person may ask: so many requests in a row, and so many a minute after that.
//!
//! What is kept of a person is forgotten as soon as it would say what a stranger's does, so memory holds the people of the last minute
//! and nobody else.

use governor::clock::{Clock, DefaultClock};
use governor::middleware::NoOpMiddleware;
use governor::state::keyed::HashMapStateStore;
use governor::{Quota, RateLimiter};
use mana_sync_engine::model::UserId;
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicU64, Ordering};

/// After so many requests, those who may do everything again are forgotten.
const TIDYING: u64 = 1024;

/// This person asked too often.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TooOften {
    /// When the next request is served, in whole seconds from now.
    pub seconds: u16,
}

/// Everybody's requests of the last minute.
pub struct RateLimit<C: Clock = DefaultClock> {
    limiter: RateLimiter<UserId, HashMapStateStore<UserId>, C, NoOpMiddleware<C::Instant>>,
    asked: AtomicU64,
}

impl RateLimit {
    /// At most `requests` a minute of each person, all of them in a row where there were none before.
    #[must_use]
    pub fn per_minute(requests: NonZeroU32) -> Self {
        Self::with_clock(requests, DefaultClock::default())
    }
}

impl<C: Clock> RateLimit<C> {
    fn with_clock(requests: NonZeroU32, clock: C) -> Self {
        let limiter = RateLimiter::hashmap_with_clock(Quota::per_minute(requests), clock);
        Self { limiter, asked: AtomicU64::new(0) }
    }

    /// Counts a request of this person's.
    pub fn take(&self, user: &UserId) -> Result<(), TooOften> {
        if self.asked.fetch_add(1, Ordering::Relaxed) % TIDYING == TIDYING - 1 {
            self.limiter.retain_recent();
            self.limiter.shrink_to_fit();
        }
        self.limiter.check_key(user).map_err(|not_until| {
            let wait = not_until.wait_time_from(self.limiter.clock().now());
            let whole = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
            TooOften { seconds: u16::try_from(whole).unwrap_or(u16::MAX).max(1) }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use governor::clock::FakeRelativeClock;
    use std::time::Duration;

    fn user(name: &str) -> UserId {
        UserId::parse(name).unwrap()
    }

    fn limit(requests: u32) -> (RateLimit<FakeRelativeClock>, FakeRelativeClock) {
        let clock = FakeRelativeClock::default();
        (RateLimit::with_clock(NonZeroU32::new(requests).unwrap(), clock.clone()), clock)
    }

    #[test]
    fn who_asks_too_often_is_told_when_to_come_back_and_is_served_then() {
        let (limit, clock) = limit(6);
        let ada = user("ada");
        for _ in 0..6 {
            assert_eq!(limit.take(&ada), Ok(()));
        }
        assert_eq!(limit.take(&ada), Err(TooOften { seconds: 10 }));
        assert_eq!(limit.take(&user("bob")), Ok(()), "others have theirs");
        clock.advance(Duration::from_millis(9_500));
        assert_eq!(limit.take(&ada), Err(TooOften { seconds: 1 }), "never sooner than it works");
        clock.advance(Duration::from_millis(500));
        assert_eq!(limit.take(&ada), Ok(()));
        assert_eq!(limit.take(&ada), Err(TooOften { seconds: 10 }), "refused requests take nothing");
    }

    #[test]
    fn people_who_are_quiet_again_are_forgotten() {
        let (limit, clock) = limit(60);
        for n in 0..100_000_u32 {
            assert_eq!(limit.take(&user(&format!("user{n}"))), Ok(()));
            clock.advance(Duration::from_millis(1));
        }
        let kept = limit.limiter.len();
        assert!(kept < 10_000, "{kept} people are remembered");
    }
}

//! The server's clock and its random bytes: the only places that ask the system for either.

use crate::log::Randomness;
use mana_sync_engine::model::Stamp;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::time::Instant;

/// The present time. A clock before 1970 counts as 1970.
#[must_use]
pub fn now() -> Stamp {
    #[expect(clippy::disallowed_methods, reason = "this is where the server asks for the time")]
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Stamp::at_ms(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

/// The moment that a clock showed as `time`; the present one where that is still to come. Clocks of several servers that
/// are apart make it that much wrong.
#[must_use]
pub fn moment_of(time: Stamp) -> Instant {
    let ago = Duration::from_millis(now().ms().saturating_sub(time.ms()));
    Instant::now().checked_sub(ago).unwrap_or_else(Instant::now)
}

/// Random bytes of the system.
///
/// # Panics
/// When the system has none: without them neither keys nor tags are safe, so nothing may go on.
pub fn random(bytes: &mut [u8]) {
    getrandom::fill(bytes).expect("the system gives random bytes");
}

/// [`random`] as the log takes it.
#[must_use]
pub fn randomness() -> Randomness {
    Arc::new(random)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_lies_back_as_far_as_its_time_and_never_ahead() {
        const HOUR: u64 = 3_600_000;
        let ago = |ms: u64| moment_of(Stamp::at_ms(ms)).elapsed();
        assert!(ago(now().ms() - HOUR) >= Duration::from_millis(HOUR));
        assert!(ago(now().ms() + HOUR) < Duration::from_millis(HOUR));
    }
}

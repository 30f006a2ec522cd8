//! The server's clock and its random bytes: the only places that ask the system for either.

use crate::log::Randomness;
use mana_sync_engine::model::Stamp;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

/// The present time. A clock before 1970 counts as 1970.
#[must_use]
pub fn now() -> Stamp {
    #[expect(clippy::disallowed_methods, reason = "this is where the server asks for the time")]
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Stamp::at_ms(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
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

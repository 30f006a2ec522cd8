//! How long one input may take.

use std::time::{Duration, Instant};

const LIMIT: Duration = Duration::from_secs(1);

/// Runs what reads an input.
///
/// # Panics
/// When it takes more than a second each time: a busy machine may stop any single run for that long.
#[expect(clippy::disallowed_methods, reason = "what is measured is the time that really passes")]
pub fn within_a_second(read: impl Fn()) {
    let is_slow = || {
        let begun = Instant::now();
        read();
        begun.elapsed() > LIMIT
    };
    assert!(!(is_slow() && is_slow() && is_slow()), "the input takes more than a second");
}

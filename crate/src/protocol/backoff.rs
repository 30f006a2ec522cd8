//! Waiting times after failures: exponential with full jitter, so that a thousand clients do not return at once.

/// The first ceiling in milliseconds.
const BASE_MS: u64 = 500;
/// The last ceiling in milliseconds.
const MAX_MS: u64 = 60_000;
/// No wait is longer, whatever the server asks for, in milliseconds.
const LONGEST_MS: u64 = 10 * MAX_MS;

/// Milliseconds to wait after the `failures`-th failure in a row (counted from 1): at random between zero and a ceiling
/// that doubles from 500 ms to 60 s, but never less than the server asked for. `random` is any 64 random bits.
#[must_use]
pub fn wait_ms(failures: u32, retry_after_ms: Option<u64>, random: u64) -> u64 {
    let ceiling = BASE_MS.saturating_mul(1 << failures.saturating_sub(1).min(20)).min(MAX_MS);
    (random % (ceiling + 1)).max(retry_after_ms.unwrap_or(0).min(LONGEST_MS))
}

/// What is left of a wait until `at`, in milliseconds; nothing where that is further off than any wait can be: the clock was set
/// back meanwhile.
#[must_use]
pub fn left_ms(at: u64, now: u64) -> u64 {
    let left = at.saturating_sub(now);
    if left > LONGEST_MS { 0 } else { left }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_wait_lies_between_nothing_and_its_ceiling_and_reaches_both(failures in prop_oneof![0u32..12, any::<u32>()], random in any::<u64>()) {
            let ceiling = if failures < 8 { 500 << failures.saturating_sub(1) } else { 60_000 };
            prop_assert!(wait_ms(failures, None, random) <= ceiling);
            prop_assert_eq!(wait_ms(failures, None, 0), 0);
            prop_assert_eq!(wait_ms(failures, None, ceiling), ceiling);
        }

        #[test]
        fn no_server_makes_it_wait_for_longer_than_ten_minutes(failures in any::<u32>(), asked in any::<u64>(), random in any::<u64>()) {
            let waited = wait_ms(failures, Some(asked), random);
            prop_assert!(waited >= asked.min(600_000) && waited <= 600_000);
        }

        #[test]
        fn waits_stay_below_the_ceiling_and_above_what_the_server_asked(failures in 1u32..200, asked in prop::option::of(0u64..100_000), random in any::<u64>()) {
            let waited = wait_ms(failures, asked, random);
            prop_assert!(waited <= MAX_MS.max(asked.unwrap_or(0)));
            prop_assert!(waited >= asked.unwrap_or(0));
        }
    }

    #[test]
    fn the_ceiling_doubles() {
        assert_eq!(wait_ms(1, None, 500), 500);
        assert_eq!(wait_ms(2, None, 1000), 1000);
        assert_eq!(wait_ms(99, None, 60_000), 60_000);
    }
}

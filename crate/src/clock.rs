//! A hybrid logical clock whose readings are [`Stamp`]s: wall time where it moves on, a counter where it does not.
//!
//! Promise: readings of one clock strictly increase, and a reading taken after seeing a value is greater than that
//! value's stamp, whatever the wall clocks involved. There is no global "receive": a far-ahead stamp on one field
//! does not drag the clock along, so one broken device cannot poison the others.

use crate::model::Stamp;

/// One per engine instance; the wall time is an argument.
#[derive(Debug, Clone)]
pub struct Clock {
    last: Stamp,
}

impl Default for Clock {
    fn default() -> Self {
        Self { last: Stamp::EPOCH }
    }
}

impl Clock {
    /// The next stamp: the present millisecond, or a tick after the last reading or after `seen`, whichever is latest.
    ///
    /// `now_ms` is corrected time in milliseconds since 1970; `seen` is the greatest stamp the write replaces.
    pub fn tick(&mut self, now_ms: u64, seen: Option<Stamp>) -> Stamp {
        let after_last = self.last.next();
        let after_seen = seen.map_or(Stamp::EPOCH, Stamp::next);
        self.last = Stamp::at_ms(now_ms).max(after_last).max(after_seen);
        self.last
    }

    /// Makes later readings greater than `stamp`, one this clock's own writes carry after they were re-stamped.
    pub fn advance_past(&mut self, stamp: Stamp) {
        self.last = self.last.max(stamp);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_clock_that_stands_still_counts() {
        let mut clock = Clock::default();
        let first = clock.tick(5, None);
        let second = clock.tick(5, None);
        assert_eq!(first.to_string(), "1970-01-01T00:00:00.005000Z");
        assert_eq!(second.to_string(), "1970-01-01T00:00:00.005001Z");
    }

    proptest! {
        #[test]
        fn readings_increase_and_beat_what_was_seen(steps in prop::collection::vec((0u64..5_000_000_000_000, prop::option::of(0u64..5_000_000_000_000)), 1..60)) {
            let mut clock = Clock::default();
            let mut last = None;
            for (now, seen) in steps {
                let seen = seen.map(Stamp::at_ms);
                let stamp = clock.tick(now, seen);
                prop_assert!(seen.is_none_or(|seen| stamp > seen));
                prop_assert!(last.is_none_or(|last| stamp > last));
                prop_assert!(stamp >= Stamp::at_ms(now));
                last = Some(stamp);
            }
        }
    }
}

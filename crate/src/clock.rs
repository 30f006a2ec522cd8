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

    /// A write by one of three clocks over one of two values, after its wall clock went on, stood still or went back.
    fn writes() -> impl Strategy<Value = Vec<(usize, usize, i64)>> {
        let drift = prop_oneof![Just(0i64), 0i64..5, -5000i64..5000];
        prop::collection::vec((0usize..3, 0usize..2, drift), 1..80)
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

        /// Walls are a day and eighty years apart: what a write saw is older than it, whoever wrote it.
        #[test]
        fn a_write_is_newer_than_all_that_led_to_it_on_any_device(writes in writes()) {
            let mut devices = [0u64, 86_400_000, 2_500_000_000_000].map(|ahead| (Clock::default(), 1_000_000_000_000 + ahead));
            let (mut values, mut lasts) = ([None; 2], [None; 3]);
            for (who, which, drift) in writes {
                let (clock, wall) = &mut devices[who];
                *wall = wall.saturating_add_signed(drift);
                let stamp = clock.tick(*wall, values[which]);
                prop_assert!(Some(stamp) > values[which] && Some(stamp) > lasts[who]);
                (values[which], lasts[who]) = (Some(stamp), Some(stamp));
            }
        }

        /// No stamp runs ahead further than something that was there asks for.
        #[test]
        fn a_reading_is_the_wall_time_or_a_tick_after_what_it_has_to_beat(steps in prop::collection::vec((0u64..40, prop::option::of((0u64..40, 0usize..1100))), 1..60)) {
            let mut clock = Clock::default();
            for (now, seen) in steps {
                let seen = seen.map(|(ms, ticks)| (0..ticks).fold(Stamp::at_ms(ms), |stamp, _| stamp.next()));
                let before = clock.clone().tick(0, None);
                let causes = [Some(Stamp::at_ms(now)), Some(before), seen.map(Stamp::next)];
                let stamp = clock.tick(now, seen);
                prop_assert!(causes.contains(&Some(stamp)), "{stamp} without a cause among {causes:?}");
            }
        }

        #[test]
        fn a_clock_that_was_advanced_reads_past_that_stamp_and_never_goes_back(advances in prop::collection::vec((0u64..50, 0u64..50), 1..30)) {
            let mut clock = Clock::default();
            let mut last = Stamp::EPOCH;
            for (past, now) in advances {
                clock.advance_past(Stamp::at_ms(past));
                let stamp = clock.tick(now, None);
                prop_assert!(stamp > Stamp::at_ms(past) && stamp > last);
                last = stamp;
            }
        }
    }
}

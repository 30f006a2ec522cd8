//! Corrected time: the device's clock plus an offset learnt from the server, shared by all tabs.
//!
//! An epoch is a stretch of time in which the device's clock runs evenly. It begins when the first tab opens, and anew
//! when the wall clock and the monotonic clock part by more than 5 s (somebody set the clock, or the device slept).
//! Epoch and offset are one row, read in every write transaction, so that tabs agree by construction.

use super::error::Result;
use super::ports::Host;
use super::rows;
use crate::clock::Clock;
use crate::model::{EventId, Stamp, record};
use crate::probe::{Probe, hit};
use crate::store::Transaction;
use std::cell::RefCell;
use std::collections::VecDeque;

/// Differences up to this many milliseconds are noise.
pub const TOLERANCE_MS: u64 = 5000;
/// Corrected time is doubted when an answer's time is further from it than this many milliseconds: more than slow
/// answers and tolerated differences come to.
const DOUBT_MS: u64 = 30_000;

/// What an answer says of the server's clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sample {
    /// The device's clock when the request was sent, in milliseconds since 1970.
    pub asked_at: u64,
    /// The device's clock when the answer came.
    pub answered_at: u64,
    /// The server's clock in between.
    pub server_ms: u64,
}

impl Sample {
    /// Whether corrected time fits the answer. A tab that opens takes over an epoch as it finds it, and whoever began it
    /// may have gone before it noticed that the clock was set: then nobody else would.
    #[must_use]
    pub fn fits(&self, epoch: &Epoch) -> bool {
        let earliest = epoch.now_ms(self.asked_at.min(self.answered_at)).saturating_sub(DOUBT_MS);
        let latest = epoch.now_ms(self.asked_at.max(self.answered_at)).saturating_add(DOUBT_MS);
        (earliest..=latest).contains(&self.server_ms)
    }
}

record! {
    /// The shared row.
    #[expect(clippy::struct_field_names, reason = "the row's field is called so in the database")]
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct Epoch {
        /// Names the epoch in log rows.
        pub epoch: String = "epoch",
        /// Server time minus device time in milliseconds; `None` until it was measured in this epoch.
        pub offset: Option<i64> = "offset",
        /// The last epoch's offset, where it was known.
        pub previous: Option<i64> = "previous",
    }
}

impl Epoch {
    /// A fresh epoch after `last`.
    pub fn begin(host: &impl Host, last: Option<&Self>) -> Self {
        let previous = last.and_then(|last| last.offset.or(last.previous));
        Self { epoch: fresh_id(host), offset: None, previous }
    }

    /// Corrected time in milliseconds since 1970.
    #[must_use]
    pub fn now_ms(&self, device_ms: u64) -> u64 {
        device_ms.saturating_add_signed(self.offset.unwrap_or(0))
    }

    /// The offset to use when the server was measured `measured` ms ahead: small ones count as none, and the last
    /// epoch's is kept when it still fits.
    #[must_use]
    pub fn settled_offset(&self, measured: i64) -> i64 {
        match self.previous {
            Some(previous) if previous.abs_diff(measured) <= TOLERANCE_MS => previous,
            _ if measured.unsigned_abs() <= TOLERANCE_MS => 0,
            _ => measured,
        }
    }
}

/// A fresh id, a UUIDv7 by the device's clock.
pub fn fresh_id(host: &impl Host) -> String {
    let mut random = [0; 10];
    host.unique(&mut random);
    EventId::from_parts(host.now_ms(), &random).to_string()
}

/// A tab's clock in corrected time. It begins anew with every epoch and offset: the stamps of a clock that turned out to
/// be wrong are moved, and must not drag later ones along.
#[derive(Debug, Default)]
pub struct CorrectedClock {
    basis: Option<(String, Option<i64>)>,
    clock: Clock,
}

impl CorrectedClock {
    /// The next stamp, greater than `seen`; see [`Clock::tick`].
    pub fn tick(&mut self, epoch: Option<&Epoch>, device_ms: u64, seen: Option<Stamp>) -> Stamp {
        self.follow(epoch);
        self.clock.tick(epoch.map_or(device_ms, |epoch| epoch.now_ms(device_ms)), seen)
    }

    /// Makes later readings in this epoch greater than `stamp`.
    pub fn advance_past(&mut self, epoch: &Epoch, stamp: Stamp) {
        self.follow(Some(epoch));
        self.clock.advance_past(stamp);
    }

    fn follow(&mut self, epoch: Option<&Epoch>) {
        let same = match (&self.basis, epoch) {
            (Some((id, offset)), Some(epoch)) => *id == epoch.epoch && *offset == epoch.offset,
            (None, None) => true,
            _ => false,
        };
        if !same {
            self.basis = epoch.map(|epoch| (epoch.epoch.clone(), epoch.offset));
            self.clock = Clock::default();
        }
    }
}

/// How many epochs are watched: the stored one, and those of transactions that did not commit.
const WATCHED: usize = 8;

/// Notices, within one tab, that the wall clock jumped.
#[derive(Debug, Default)]
pub struct JumpWatch {
    /// Epochs, and the wall clock minus the monotonic clock when each was first seen.
    baselines: RefCell<VecDeque<(String, f64)>>,
}

impl JumpWatch {
    /// Begins to watch an epoch; one that is watched already keeps its baseline.
    pub fn watch(&self, host: &impl Host, epoch: &str) {
        self.jumped(host, epoch);
    }

    /// Whether the wall clock moved against the monotonic one within `epoch`. An epoch another tab began is not doubted:
    /// that tab saw the same jump.
    pub fn jumped(&self, host: &impl Host, epoch: &str) -> bool {
        #[expect(clippy::cast_precision_loss, reason = "milliseconds since 1970 stay below 2^53")]
        let gap = host.now_ms() as f64 - host.monotonic_ms();
        let mut baselines = self.baselines.borrow_mut();
        if let Some((_, before)) = baselines.iter().find(|(seen, _)| seen == epoch) {
            #[expect(clippy::cast_precision_loss, reason = "a small constant")]
            return (gap - before).abs() > TOLERANCE_MS as f64;
        }
        baselines.push_back((epoch.to_owned(), gap));
        if baselines.len() > WATCHED {
            baselines.pop_front();
        }
        false
    }
}

/// Begins another epoch after one whose offset turned out to be wrong.
pub fn doubt<Tx: Transaction>(tx: &Tx, host: &impl Host, watch: &JumpWatch, doubted: &Epoch) -> Result<()> {
    hit(Probe::ClockDoubted);
    let epoch = Epoch::begin(host, Some(doubted));
    watch.watch(host, &epoch.epoch);
    rows::write(tx, rows::CLOCK, "", epoch)
}

/// The epoch as this transaction sees it; a new one is written when there is none or the clock jumped.
pub async fn current<Tx: Transaction>(tx: &Tx, host: &impl Host, watch: &JumpWatch) -> Result<Epoch> {
    let stored: Option<Epoch> = rows::read(tx, rows::CLOCK, "").await?;
    match stored {
        Some(epoch) if !watch.jumped(host, &epoch.epoch) => Ok(epoch),
        last => {
            hit(Probe::ClockEpoch);
            let epoch = Epoch::begin(host, last.as_ref());
            watch.watch(host, &epoch.epoch);
            rows::write(tx, rows::CLOCK, "", epoch.clone())?;
            Ok(epoch)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// One of a few epochs, so that a clock leaves them and comes back.
    fn epochs() -> impl Strategy<Value = Epoch> {
        let offset = prop::sample::select(vec![None, Some(0), Some(-3_600_000), Some(80_000_000_000)]);
        (0..3, offset).prop_map(|(epoch, offset)| Epoch { epoch: format!("epoch {epoch}"), offset, previous: None })
    }

    proptest! {
        /// Three devices with wrong clocks, each in epochs of its own, write over one value in turn.
        #[test]
        fn a_write_is_newer_than_what_it_replaces_whatever_epochs_it_comes_from(
            writes in prop::collection::vec((0usize..3, epochs(), 0u64..5_000_000_000_000), 1..60)
        ) {
            let mut clocks = [CorrectedClock::default(), CorrectedClock::default(), CorrectedClock::default()];
            let mut value = None;
            for (who, epoch, device_ms) in writes {
                let stamp = clocks[who].tick(Some(&epoch), device_ms, value);
                prop_assert!(Some(stamp) > value);
                value = Some(stamp);
            }
        }

        #[test]
        fn readings_of_one_epoch_increase_and_a_new_one_is_not_dragged_along(
            steps in prop::collection::vec((epochs(), 0u64..5_000_000_000_000), 1..60)
        ) {
            let mut clock = CorrectedClock::default();
            let mut last: Option<(Epoch, Stamp)> = None;
            for (epoch, device_ms) in steps {
                let stamp = clock.tick(Some(&epoch), device_ms, None);
                let corrected = Stamp::at_ms(epoch.now_ms(device_ms));
                if let Some((_, before)) = last.filter(|(before, _)| *before == epoch) {
                    prop_assert!(stamp > before && stamp >= corrected);
                } else {
                    prop_assert_eq!(stamp, corrected.max(Stamp::EPOCH.next()));
                }
                last = Some((epoch, stamp));
            }
        }

        #[test]
        fn a_settled_offset_is_as_good_as_the_measured_one(measured in -20_000i64..20_000, previous in prop::option::of(-20_000i64..20_000)) {
            let epoch = Epoch { epoch: String::new(), offset: None, previous };
            let settled = epoch.settled_offset(measured);
            prop_assert!(settled.abs_diff(measured) <= TOLERANCE_MS);
            prop_assert!([Some(measured), Some(0), previous].contains(&Some(settled)));
            prop_assert!(previous.is_none_or(|previous| previous.abs_diff(measured) > TOLERANCE_MS || settled == previous));
        }
    }
}

//! Corrected time: the device's clock plus an offset learnt from the server, shared by all tabs.
//!
//! An epoch is a stretch of time in which the device's clock runs evenly. It begins when the first tab opens, and anew
//! when the wall clock and the monotonic clock part by more than 5 s (somebody set the clock, or the device slept).
//! Epoch and offset are one row, read in every write transaction, so that tabs agree by construction.

use super::error::Result;
use super::ports::Host;
use super::rows;
use crate::model::EventId;
use crate::store::Transaction;
use serde::{Deserialize, Serialize};
use std::cell::RefCell;

/// Differences up to this many milliseconds are noise.
pub const TOLERANCE_MS: u64 = 5000;

/// The shared row.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Epoch {
    /// Names the epoch in log rows.
    pub epoch: String,
    /// Server time minus device time in milliseconds; `None` until it was measured in this epoch.
    pub offset: Option<i64>,
    /// The last epoch's offset, where it was known.
    pub previous: Option<i64>,
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
    host.random(&mut random);
    EventId::from_parts(host.now_ms(), &random).to_string()
}

/// Notices, within one tab, that the wall clock jumped.
#[derive(Debug, Default)]
pub struct JumpWatch {
    /// The epoch last seen, and the wall clock minus the monotonic clock at that time.
    baseline: RefCell<Option<(String, f64)>>,
}

impl JumpWatch {
    /// Whether the wall clock moved against the monotonic one within `epoch`. An epoch another tab began is not doubted:
    /// that tab saw the same jump.
    pub fn jumped(&self, host: &impl Host, epoch: &str) -> bool {
        #[expect(clippy::cast_precision_loss, reason = "milliseconds since 1970 stay below 2^53")]
        let gap = host.now_ms() as f64 - host.monotonic_ms();
        let mut baseline = self.baseline.borrow_mut();
        match &*baseline {
            #[expect(clippy::cast_precision_loss, reason = "a small constant")]
            Some((seen, before)) if seen == epoch => (gap - before).abs() > TOLERANCE_MS as f64,
            _ => {
                *baseline = Some((epoch.to_owned(), gap));
                false
            }
        }
    }
}

/// The epoch as this transaction sees it; a new one is written when there is none or the clock jumped.
pub async fn current<Tx: Transaction>(tx: &Tx, host: &impl Host, watch: &JumpWatch) -> Result<Epoch> {
    let stored: Option<Epoch> = rows::read(tx, rows::CLOCK, "").await?;
    match stored {
        Some(epoch) if !watch.jumped(host, &epoch.epoch) => Ok(epoch),
        last => {
            let epoch = Epoch::begin(host, last.as_ref());
            rows::write(tx, rows::CLOCK, "", &epoch)?;
            Ok(epoch)
        }
    }
}

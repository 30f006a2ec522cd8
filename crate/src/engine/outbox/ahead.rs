//! What waits for its time: edits of values that are ahead of the server's clock, and so are ahead themselves.
//!
//! A server refuses stamps that are more than a few minutes ahead of it. Mostly the device's clock is at fault, and what it stamped is
//! stamped anew. But an edit stays above what it replaced, and a server of protocol 1 takes stamps of any time: what is written
//! over one of those cannot be stamped lower, nor can a value that goes out under the stamp it has. It waits in the log until
//! the server would take it; so does what was written to its record later, and nothing else.

use super::super::epoch::Epoch;
use super::super::rebase;
use super::row::{LogRow, LoggedStamp};
use crate::model::{OrderedSet, Stamp};
use crate::probe::{Probe, hit};
use crate::protocol::limits::MAX_PUSH_AHEAD_MS;

/// What the server's clock and this device's idea of it may differ by, in milliseconds.
const DOUBT_MS: u64 = 60_000;
/// How far ahead of corrected time a stamp is sent, in milliseconds.
const MAX_AHEAD_MS: u64 = MAX_PUSH_AHEAD_MS - DOUBT_MS;

/// Takes what waits for its time out of `rows`; gives when the first of it may go, by the device's clock in milliseconds since
/// 1970. What was sent already is said again as it was.
pub(super) fn hold_back(rows: &mut Vec<LogRow>, epoch: &Epoch, device_ms: u64) -> Option<u64> {
    let limit = epoch.now_ms(device_ms) + MAX_AHEAD_MS;
    let (mut records, mut first) = (OrderedSet::new(), None::<u64>);
    rows.retain(|row| {
        let least = bound_to(row).filter(|at| row.sent_at.is_none() && at.ms() > limit);
        let of_row = || row.changes.iter().map(|one| (row.app_id.clone(), one.table().to_owned(), one.id().to_owned()));
        let is_held = least.is_some() || row.sent_at.is_none() && of_row().any(|record| records.contains(&record));
        if is_held {
            records.extend(of_row());
        }
        if let Some(at) = least {
            first = Some(first.unwrap_or(u64::MAX).min(at.ms()));
        }
        !is_held
    });
    let first = first?;
    hit(Probe::LogAhead);
    Some(device_ms + (first - limit))
}

/// The least stamp that a row can have, whatever the clock says.
fn bound_to(row: &LogRow) -> Option<Stamp> {
    let is_fixed = row.clock_epoch == rebase::EPOCH;
    let of_edit = |edit: &LoggedStamp| {
        if is_fixed || edit.from.is_some() {
            return Some(edit.at);
        }
        edit.prev.max(edit.lost).map(|seen| seen.next().min(edit.at))
    };
    row.changes.iter().flat_map(|change| change.stamps(row)).filter_map(|edit| of_edit(&edit)).max()
}

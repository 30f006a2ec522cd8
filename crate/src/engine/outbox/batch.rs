//! Which rows of the log go into a push.

use super::super::ports::Host;
use super::super::{Engine, keyring};
use super::{Batch, LogRow, LoggedChange};
use crate::model::{AppId, EventId, OrderedSet};
use crate::protocol::limits::{MAX_PUSH_BYTES, MAX_PUSH_CHANGES};
use crate::store::Store;
use serde_json::Value;

impl<S: Store, H: Host> Engine<S, H> {
    /// Notes whether an app's changes were taken, where each app is sent by itself.
    pub fn note_app(&self, app: &AppId, is_taken: bool) {
        let mut failing = self.failing_apps.borrow_mut();
        if is_taken {
            failing.remove(app.as_str());
        } else {
            failing.insert(app.to_string());
        }
    }

    /// Forgets what was noted of apps.
    pub fn forget_failing_apps(&self) {
        self.failing_apps.borrow_mut().clear();
    }

    /// The rows of other apps than those whose pushes fail, or all of them where there is nothing else.
    pub(super) fn of_apps_that_are_taken(&self, mut rows: Vec<LogRow>) -> Vec<LogRow> {
        let failing = self.failing_apps.borrow();
        if rows.iter().any(|row| !failing.contains(&row.app_id)) {
            rows.retain(|row| !failing.contains(&row.app_id));
        }
        rows
    }
}

/// One row that is not the oldest, and of whose records nothing older waits: what the server makes of a change depends on
/// what it had of the record before. By protocol 1 an app is sent by itself: that another one's is taken says nothing of it.
pub fn other(mut rows: Vec<LogRow>, tried: u32, by_time: bool) -> Vec<LogRow> {
    let mut seen = OrderedSet::new();
    let oldest_app = rows.first().map(|row| row.app_id.clone());
    rows.retain(|row| {
        let records =
            row.changes.iter().map(|change| (row.app_id.clone(), change.table().to_owned(), change.id().to_owned()));
        let records: Vec<_> = records.collect();
        let is_first = records.iter().all(|record| !seen.contains(record));
        let is_oldest = seen.is_empty();
        seen.extend(records);
        let is_told_by_it = !by_time || Some(&row.app_id) == oldest_app.as_ref();
        is_oldest || is_first && is_told_by_it && row.app_id != keyring::APP
    });
    let at = rows.len().saturating_sub(1) >> tried.min(usize::BITS - 1);
    if at == 0 { Vec::new() } else { vec![rows.swap_remove(at)] }
}

/// Whole rows from the oldest on, up to the limits of a push: frozen ones only when there are any.
pub fn choose(rows: Vec<LogRow>) -> Vec<LogRow> {
    let resend = rows.iter().any(|row| row.sent_at.is_some());
    let (mut changes, mut bytes) = (0, 0);
    let mut chosen = Vec::new();
    for row in rows.into_iter().filter(|row| row.sent_at.is_some() == resend) {
        let size: usize = row.changes.iter().map(LoggedChange::bytes).sum();
        let full = changes + row.changes.len() > MAX_PUSH_CHANGES || bytes + size > MAX_PUSH_BYTES;
        if full && !chosen.is_empty() {
            break;
        }
        changes += row.changes.len();
        bytes += size;
        chosen.push(row);
    }
    chosen
}

/// The changes of frozen rows, up to the size of a push. What does not fit stays frozen and goes with the next one: a row
/// is larger than it was meant to be when its author says much of themselves, which goes with each change.
pub fn batch_of(rows: &[LogRow]) -> Batch {
    let all = rows.iter().flat_map(|row| row.changes.iter().map(|change| change.to_wire(row)));
    let (mut changes, mut bytes): (Vec<Value>, _) = (Vec::new(), 0);
    for change in all {
        // Measured without what stays on the device, which may grow between two attempts.
        bytes += change.to_string().len();
        let continues =
            change["group"].is_string() && changes.last().is_some_and(|last| last["group"] == change["group"]);
        if bytes > MAX_PUSH_BYTES && !changes.is_empty() && !continues {
            break;
        }
        changes.push(change);
    }
    let ids = changes.iter().filter_map(|change| EventId::parse(change["eventId"].as_str()?).ok()).collect();
    let schema_version = rows.iter().map(|row| row.schema_version).max().unwrap_or(1);
    Batch { seqs: rows.iter().map(|row| row.seq).collect(), changes, ids, schema_version }
}

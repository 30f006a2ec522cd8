//! Reading the log by the time of its rows, for clients of protocol 1, which have a time where others have positions.
//!
//! A time would skip what commits late: rows that are older than what was read but were not there yet. So a page says to
//! read on after its last row, or after the time up to which everything is there already (`settled`), never after the
//! present. Rows of one time are never on two pages.

use super::{Caller, LogError};
use mana_sync_engine::model::{AppId, Change, ClientId, EventId, SpaceId, Stamp};
use serde_json::Value;
use std::collections::BTreeSet;

/// What a client of protocol 1 asks for.
#[derive(Debug, Clone)]
pub struct Since {
    /// Rows after this time,
    pub since: Stamp,
    /// of this app
    pub app: AppId,
    /// and these tables, or all of them,
    pub tables: Option<BTreeSet<String>>,
    /// but for those that this client of the caller's wrote.
    pub but: Option<ClientId>,
    /// At most this many, and more only where they have one time.
    pub limit: usize,
}

/// A change as clients of protocol 1 get it.
#[derive(Debug, Clone, PartialEq)]
pub enum Dated {
    /// A row of the log.
    Row(Box<Change>),
    /// A change that protocol 2 would have refused, as its author sent it.
    Withheld(Value),
}

/// A change that protocol 2 refuses. It is kept for its author's clients of protocol 1, which count on that, and for nobody
/// else.
#[derive(Debug, Clone)]
pub struct Withheld {
    /// Its id.
    pub event_id: EventId,
    /// Its app.
    pub app: AppId,
    /// Its table, which may be no name of a table.
    pub table: String,
    /// The client that sent it.
    pub client_id: ClientId,
    /// The code that protocol 2 refuses it with.
    pub code: &'static str,
    /// What was sent.
    pub change: Value,
}

impl Withheld {
    /// How much of its author's quota it takes, in bytes.
    pub(super) fn charge(&self) -> i64 {
        i64::try_from(self.change.to_string().len()).unwrap_or(i64::MAX).saturating_add(256)
    }

    /// The space that the change names, wherever it does, if there can be such a one.
    pub(super) fn space(&self) -> Option<SpaceId> {
        let places = ["/spaceId", "/data/spaceId", "/fields/spaceId/value"];
        places.iter().find_map(|place| SpaceId::parse(self.change.pointer(place)?.as_str()?).ok())
    }
}

/// A page of rows by time.
#[derive(Debug, Clone, PartialEq)]
pub struct DatedPage {
    /// The changes, oldest first.
    pub changes: Vec<Dated>,
    /// The time to read on after.
    pub until: Stamp,
    /// Whether there may be more now.
    pub has_more: bool,
}

/// A store that can be read by time.
pub trait ByTime {
    /// Reads one page, all of it from one moment.
    fn since(&self, caller: &Caller, asked: &Since) -> impl Future<Output = Result<DatedPage, LogError>> + Send;

    /// Keeps these changes for their author, durably: all, or none where the author would then have more than `quota` bytes.
    fn withhold(
        &self,
        caller: &Caller,
        changes: &[Withheld],
        quota: Option<u64>,
    ) -> impl Future<Output = Result<(), LogError>> + Send;
}

/// A page ends once its rows have this many bytes.
const PAGE_BYTES: usize = 4 * 1024 * 1024;

/// A page being filled with rows in the order of their times.
#[derive(Debug, Default)]
pub(super) struct Filling {
    changes: Vec<Dated>,
    last: Option<Stamp>,
    bytes: usize,
    has_more: bool,
}

impl Filling {
    /// Adds the next row, or notes that it does not fit and says no.
    pub fn take(&mut self, limit: usize, (at, bytes, change): (Stamp, usize, Dated)) -> bool {
        let is_full = self.changes.len() >= limit || self.bytes >= PAGE_BYTES;
        if is_full && self.last != Some(at) {
            self.has_more = true;
            return false;
        }
        self.bytes += bytes;
        self.last = Some(at);
        self.changes.push(change);
        true
    }

    /// The page, where everything up to `settled` was there to be read. Who reads on after it misses nothing: rows that are
    /// younger than that come again.
    pub fn page(self, limit: usize, settled: Stamp) -> DatedPage {
        let has_more = self.has_more || self.changes.len() > limit;
        match self.last.filter(|last| has_more && *last <= settled) {
            Some(last) => DatedPage { changes: self.changes, until: last, has_more: true },
            None => DatedPage { changes: self.changes, until: settled, has_more: false },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(limit: usize, times: &[u64], settled: u64) -> (usize, u64, bool) {
        let mut filling = Filling::default();
        for ms in times {
            if !filling.take(limit, (Stamp::at_ms(*ms), 1, Dated::Withheld(Value::Null))) {
                break;
            }
        }
        let page = filling.page(limit, Stamp::at_ms(settled));
        (page.changes.len(), page.until.ms(), page.has_more)
    }

    #[test]
    fn a_page_ends_between_times_and_not_after_what_is_still_open() {
        assert_eq!(page(2, &[], 9), (0, 9, false), "up to where everything is there");
        assert_eq!(page(2, &[1, 2], 9), (2, 9, false));
        assert_eq!(page(2, &[1, 2, 3], 9), (2, 2, true));
        assert_eq!(page(2, &[1, 2, 2, 3], 9), (3, 2, true), "rows of one time stay together");
        assert_eq!(page(2, &[2, 2, 2], 9), (3, 2, true), "there may be more behind them");
        assert_eq!(page(2, &[1, 2, 3], 1), (2, 1, false), "what is younger comes again");
        assert_eq!(page(9, &[1, 2, 3], 1), (3, 1, false));
    }
}

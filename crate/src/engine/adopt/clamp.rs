//! Stamps of the old database: read, and brought back to now where they lie in the future.
//!
//! A device whose clock was wrong stamped what nobody could ever beat. Such a stamp counts as now. Queued edits of one
//! field keep their order, a tick apart, and the record's stamp moves with the last of them.

use crate::model::{OrderedMap, Stamp};

/// Table, record, field.
type Place = (String, String, String);

/// What the queue says of the stamps of records.
#[derive(Debug)]
pub struct Stamps {
    now: Stamp,
    /// Where queued stamps went that lay in the future.
    moved: OrderedMap<(Place, Stamp), Stamp>,
    /// The newest queued stamp of a field.
    newest: OrderedMap<Place, Stamp>,
}

impl Stamps {
    /// Nothing was queued; `now` is the latest a stamp may be.
    #[must_use]
    pub fn until(now: Stamp) -> Self {
        Self { now, moved: OrderedMap::new(), newest: OrderedMap::new() }
    }

    /// The stamp of a queued edit. Called in the order of the queue.
    pub fn queued(&mut self, table: &str, id: &str, field: &str, at: Stamp) -> Stamp {
        let place = place(table, id, field);
        let before = self.newest.get(&place).copied();
        let clamped = if at <= self.now {
            at
        } else {
            let after = before.filter(|before| *before >= self.now).map(Stamp::next);
            let clamped = after.unwrap_or(self.now);
            self.moved.insert((place.clone(), at), clamped);
            clamped
        };
        self.newest.insert(place, before.map_or(clamped, |before| before.max(clamped)));
        clamped
    }

    /// The stamp of a record's field that the old app stamped `at`.
    #[must_use]
    pub fn stored(&self, table: &str, id: &str, field: &str, at: Stamp) -> Stamp {
        if at <= self.now {
            return at;
        }
        self.moved.get(&(place(table, id, field), at)).copied().unwrap_or(self.now)
    }

    /// The newest queued stamp of a field.
    #[must_use]
    pub fn newest(&self, table: &str, id: &str, field: &str) -> Option<Stamp> {
        self.newest.get(&place(table, id, field)).copied()
    }
}

fn place(table: &str, id: &str, field: &str) -> Place {
    (table.to_owned(), id.to_owned(), field.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn no_stamp_lies_in_the_future_and_queued_edits_keep_their_order(
            edits in prop::collection::vec((0u64..2000, 0usize..2), 1..40)
        ) {
            let now = Stamp::at_ms(1000);
            let mut stamps = Stamps::until(now);
            let mut last: [Option<(Stamp, Stamp)>; 2] = [None, None];
            for (ms, field) in edits {
                // The old app's own stamps of a field increase.
                let at = Stamp::at_ms(ms).max(last[field].map_or(Stamp::EPOCH, |(before, _)| before.next()));
                let name = ["a", "b"][field];
                let new = stamps.queued("t", "r", name, at);
                prop_assert!(new.ms() <= 1001 && (at > now || new == at));
                if let Some((_, before)) = last[field] {
                    prop_assert!(new > before);
                }
                prop_assert_eq!(stamps.stored("t", "r", name, at), new);
                prop_assert_eq!(stamps.newest("t", "r", name), Some(new));
                last[field] = Some((at, new));
            }
        }
    }

    #[test]
    fn a_future_stamp_that_was_never_queued_counts_as_now() {
        let stamps = Stamps::until(Stamp::at_ms(1000));
        assert_eq!(stamps.stored("t", "r", "a", Stamp::at_ms(5000)), Stamp::at_ms(1000));
        assert_eq!(stamps.stored("t", "r", "a", Stamp::at_ms(500)), Stamp::at_ms(500));
    }
}

//! What replicas must come to in the end.

use super::{Books, Ledger, WriteId};
use crate::place::Place;
use mana_sync_engine::merge::tie_order;
use mana_sync_engine::model::Stamp;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// Values with their stamps.
pub type End = BTreeMap<Place, (Value, Stamp)>;

impl Ledger {
    /// Per field the greatest of the writes that are neither lost nor replaced.
    #[must_use]
    pub fn end(&self) -> End {
        let books = self.0.borrow();
        let alive: Vec<WriteId> = (0..books.writes.len()).filter(|id| books.is_alive(*id)).collect();
        let replaced = books.replaced(&alive);
        let mut end: BTreeMap<Place, WriteId> = BTreeMap::new();
        for id in alive.into_iter().filter(|id| !replaced.contains(id)) {
            let best = end.entry(books.writes[id].place).or_insert(id);
            if books.beats(id, *best) {
                *best = id;
            }
        }
        end.into_iter().map(|(place, id)| (place, (books.writes[id].value.clone(), books.writes[id].at))).collect()
    }

    /// Everything known about a field, for people who look for what went wrong.
    #[must_use]
    pub fn story(&self, place: Place) -> String {
        let books = self.0.borrow();
        let of_place = books.writes.iter().enumerate().filter(|(_, write)| write.place == place);
        of_place.map(|(id, write)| format!("{id}: {write:?}")).collect::<Vec<_>>().join("\n  ")
    }
}

impl Books {
    fn is_alive(&self, id: WriteId) -> bool {
        let write = &self.writes[id];
        write.merged_into.is_none() && (write.received.is_some() || write.origins.iter().any(|origin| !origin.undone))
    }

    /// Every write that the makers of these had seen, directly or not.
    fn replaced(&self, by: &[WriteId]) -> BTreeSet<WriteId> {
        let (mut open, mut replaced): (Vec<_>, _) =
            (by.iter().flat_map(|id| self.seen_by(*id)).collect(), BTreeSet::new());
        while let Some(id) = open.pop() {
            if replaced.insert(id) {
                open.extend(self.seen_by(id));
            }
        }
        replaced
    }

    pub(super) fn beats(&self, a: WriteId, b: WriteId) -> bool {
        let (a, b) = (&self.writes[a], &self.writes[b]);
        a.at.cmp(&b.at).then_with(|| tie_order(a.rank(), b.rank())).is_gt()
    }
}

//! The rows of a live query, brought up to date by the commits of this tab: a commit costs its own records, not the whole
//! result.
//!
//! Only for queries over tables that sync, whose rows are JSON and nobody else's objects, and only where a row alone
//! tells whether and where it is listed. Whatever does not fit what is kept says that the query has to be read.

use crate::engine::Touched;
use crate::engine::config::Table;
use crate::engine::query::{Listing, Query, Want};
use crate::engine::read::Sight;
use crate::model::{OrderedMap, UPDATED_AT_INDEX};
use crate::store::{Key, Row};

/// The result of a query.
pub struct Kept<R> {
    listing: Listing,
    /// What was read, until something follows.
    read: Vec<R>,
    /// By the key that the query orders by, then the primary key.
    rows: OrderedMap<(Key, Key), R>,
    /// The first of those keys, by the primary key.
    places: OrderedMap<Key, Key>,
}

/// What is kept does not fit what a commit says was stored before it.
#[derive(Debug)]
pub struct Stale;

impl<R: Row> Kept<R> {
    /// Keeps what was read; `None` where it cannot be kept up to date.
    pub fn of(table: &Table, sight: &Sight, query: &Query, want: Want, read: Vec<R>) -> Option<Self> {
        table.sync.as_ref()?;
        let listing = Listing::of(table, sight, query, want)?;
        Some(Self { listing, read, rows: OrderedMap::new(), places: OrderedMap::new() })
    }

    /// Follows a commit; gives whether the result is another one.
    pub fn follow(&mut self, table: &str, sight: &Sight, touched: &[Touched<R>]) -> Result<bool, Stale> {
        for row in std::mem::take(&mut self.read) {
            let (key, place) = self.listing.primary(&row).zip(self.listing.place(sight, &row)).ok_or(Stale)?;
            self.insert(key, place, row);
        }
        let mut changed = false;
        for record in touched.iter().filter(|record| record.table == table) {
            changed |= self.follow_one(sight, record)?;
        }
        Ok(changed)
    }

    fn follow_one(&mut self, sight: &Sight, record: &Touched<R>) -> Result<bool, Stale> {
        if record.old.is_none() && record.new.is_none() {
            // Anything may have been there.
            return Err(Stale);
        }
        let listing = &self.listing;
        let before = record.old.as_ref().filter(|row| listing.place(sight, *row).is_some());
        let after = record.new.as_ref().and_then(|row| Some((listing.place(sight, row)?, row.clone())));
        let place = self.places.get(&record.key).map(|place| (place.clone(), record.key.clone()));
        let version = |row: &R| row.text(UPDATED_AT_INDEX);
        match (place.as_ref().and_then(|place| self.rows.get(place)), before) {
            (None, None) => {}
            (Some(kept), Some(old)) if version(kept) == version(old) => {}
            // A commit in between has not been told yet, or another tab's was.
            _ => return Err(Stale),
        }
        let changed = place.is_some() || after.is_some();
        if let Some(place) = place {
            self.rows.remove(&place);
            self.places.remove(&record.key);
        }
        if let Some((place, row)) = after {
            self.insert(record.key.clone(), place, row);
        }
        Ok(changed)
    }

    /// The rows in the query's order.
    pub fn rows(&self) -> Vec<R> {
        let rows = self.rows.values().cloned();
        if self.listing.reverse { rows.rev().collect() } else { rows.collect() }
    }

    fn insert(&mut self, key: Key, place: Key, row: R) {
        self.places.insert(key.clone(), place.clone());
        self.rows.insert((place, key), row);
    }
}

#[cfg(test)]
mod tests;

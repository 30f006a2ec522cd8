//! The rows of a live query, brought up to date by the commits of this tab: a commit costs its own records, not the whole
//! result.
//!
//! Only for queries over tables that sync, whose rows are JSON and nobody else's objects, and only where a row alone
//! tells whether and where it is listed. Whatever does not fit what is kept says that the query has to be read.

use crate::engine::Touched;
use crate::engine::config::Table;
use crate::engine::query::{Listing, Query, Want};
use crate::engine::read::Sight;
use crate::model::UPDATED_AT_INDEX;
use crate::store::{Key, Row};

/// Where a row stands: the key that the query orders by, then the primary key.
type Place = (Key, Key);

/// The result of a query.
pub struct Kept<R> {
    listing: Listing,
    /// What was read, until something follows.
    read: Vec<R>,
    /// In ascending order.
    rows: Vec<(Place, R)>,
    /// The primary keys of the rows, in their order.
    keys: Vec<Key>,
}

/// What is kept does not fit what a commit says was stored before it.
#[derive(Debug)]
pub struct Stale;

impl<R: Row> Kept<R> {
    /// Keeps what was read; `None` where it cannot be kept up to date.
    pub fn of(table: &Table, sight: &Sight, query: &Query, want: Want, read: Vec<R>) -> Option<Self> {
        table.sync.as_ref()?;
        let listing = Listing::of(table, sight, query, want)?;
        Some(Self { listing, read, rows: Vec::new(), keys: Vec::new() })
    }

    /// Follows a commit; gives whether the result is another one.
    pub fn follow(&mut self, table: &str, sight: &Sight, touched: &[Touched<R>]) -> Result<bool, Stale> {
        if !self.read.is_empty() {
            self.place_read(sight)?;
        }
        let mut changed = false;
        for record in touched.iter().filter(|record| record.table == table) {
            changed |= self.follow_one(sight, record)?;
        }
        Ok(changed)
    }

    fn place_read(&mut self, sight: &Sight) -> Result<(), Stale> {
        let mut read = std::mem::take(&mut self.read);
        if self.listing.reverse {
            read.reverse();
        }
        for row in read {
            let key = self.listing.primary(&row).ok_or(Stale)?;
            let place = (self.listing.place(sight, &row).ok_or(Stale)?, key.clone());
            if self.rows.last().is_some_and(|(last, _)| *last >= place) {
                return Err(Stale);
            }
            self.keys.push(key);
            self.rows.push((place, row));
        }
        self.keys.sort();
        Ok(())
    }

    fn follow_one(&mut self, sight: &Sight, record: &Touched<R>) -> Result<bool, Stale> {
        if record.old.is_none() && record.new.is_none() {
            // Anything may have been there.
            return Err(Stale);
        }
        let place = |row: &R| Some((self.listing.place(sight, row)?, record.key.clone()));
        let before = record.old.as_ref().and_then(|row| Some((place(row)?, row)));
        let after = record.new.as_ref().and_then(|row| Some((place(row)?, row)));
        let changed = before.is_some() || after.is_some();
        let listed = self.keys.binary_search(&record.key);
        match (before, listed) {
            (None, Err(_)) => {}
            (Some((place, old)), Ok(at)) => {
                let version = |row: &R| row.text(UPDATED_AT_INDEX);
                let found = self.find(&place).ok().filter(|found| version(&self.rows[*found].1) == version(old));
                self.rows.remove(found.ok_or(Stale)?);
                self.keys.remove(at);
            }
            // A commit in between has not been told yet, or another tab's was.
            _ => return Err(Stale),
        }
        if let Some((place, row)) = after {
            let at = self.find(&place).err().ok_or(Stale)?;
            self.rows.insert(at, (place, row.clone()));
            let at = self.keys.binary_search(&record.key).err().ok_or(Stale)?;
            self.keys.insert(at, record.key.clone());
        }
        Ok(changed)
    }

    fn find(&self, place: &Place) -> Result<usize, usize> {
        self.rows.binary_search_by(|(known, _)| known.cmp(place))
    }

    /// The rows in the query's order.
    pub fn rows(&self) -> Vec<R> {
        let rows = self.rows.iter().map(|(_, row)| row.clone());
        if self.listing.reverse { rows.rev().collect() } else { rows.collect() }
    }
}

#[cfg(test)]
mod tests;

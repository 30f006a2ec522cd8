//! Where a row stands in what a query finds, for queries where the row alone tells it.

use super::plan::{Equality, plan};
use super::{Query, Want};
use crate::engine::config::Table;
use crate::engine::read::Sight;
use crate::model::{IndexSpec, KeyPath};
use crate::store::{Key, KeyRange, Row, index_keys, key_at};

/// What the first place of a row and the order of places follow from.
pub struct Listing {
    index: IndexSpec,
    ranges: Vec<KeyRange>,
    rest: Vec<Equality>,
    sort: Option<KeyPath>,
    primary: KeyPath,
    /// Whether rows come from the last place to the first.
    pub reverse: bool,
}

impl Listing {
    /// `None` for queries whose rows depend on one another or may come twice: those with a window, of several branches or
    /// on multi-entry indexes; those by texts in any case; and those that want more than rows.
    pub fn of(table: &Table, sight: &Sight, query: &Query, want: Want) -> Option<Self> {
        let mut plan = plan(table, sight, query).ok()?;
        let step = plan.steps.pop().filter(|_| plan.steps.is_empty() && want == Want::ROWS)?;
        let windowed = |offset: usize, limit: Option<usize>| offset != 0 || limit.is_some();
        if windowed(plan.offset, plan.limit) || windowed(step.offset, step.limit) {
            return None;
        }
        if plan.distinct || step.index.spec.multi_entry || step.asked.spec.multi_entry || step.texts.is_some() {
            return None;
        }
        Some(Self {
            index: step.index.spec.clone(),
            ranges: step.ranges,
            rest: step.rest,
            reverse: if plan.sort.is_some() { plan.reverse } else { step.reverse },
            sort: plan.sort,
            primary: table.spec.primary.key_path.clone()?,
        })
    }

    /// The key that rows are ordered by, before their primary key; `None`: the row is not found.
    pub fn place<R: Row>(&self, sight: &Sight, row: &R) -> Option<Key> {
        if !sight.sees(row) || !self.rest.iter().all(|known| known.holds(row)) {
            return None;
        }
        let key = index_keys(row, &self.index).pop()?;
        let listed = self.ranges.iter().any(|range| range.contains(&key));
        match &self.sort {
            Some(path) if listed => key_at(row, path),
            _ => Some(key).filter(|_| listed),
        }
    }

    /// The row's primary key.
    pub fn primary<R: Row>(&self, row: &R) -> Option<Key> {
        key_at(row, &self.primary)
    }
}

//! Carrying a plan out: ranges are read, and what the index did not do is done on the rows.

use super::plan::{Plan, Step};
use crate::engine::config::Table;
use crate::engine::error::Result;
use crate::engine::read::Sight;
use crate::model::{KeyPath, OrderedSet, StoreSpec, sort_by};
use crate::store::{Key, KeyRange, Row, Scan, Transaction, key_at};
use futures_util::future::join_all;

/// What is wanted of what a query finds.
#[expect(clippy::struct_excessive_bools, reason = "each is a choice of its own")]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Want {
    /// The rows.
    pub rows: bool,
    /// The keys under which the index lists them.
    pub keys: bool,
    /// The primary keys.
    pub primary: bool,
    /// Which branch found it.
    pub branches: bool,
    /// What each branch finds, one after the other as its index lists them: rows that several find come several times.
    /// What the query orders by is told of each.
    pub apart: bool,
}

impl Want {
    /// Rows alone.
    pub const ROWS: Self = Self { rows: true, keys: false, primary: false, branches: false, apart: false };
    /// Primary keys alone.
    pub const PRIMARY: Self = Self { rows: false, keys: false, primary: true, branches: false, apart: false };
}

/// What a query found; each part is there where it was wanted, and may be where it was not.
#[derive(Debug, Clone)]
pub struct Found<R> {
    /// The row.
    pub row: Option<R>,
    /// The key in the index the query names.
    pub key: Option<Key>,
    /// The primary key.
    pub primary: Option<Key>,
    /// The branch that found it.
    pub branch: usize,
    /// Of what comes apart, its place in the order the query asks for; `None`: it has no key there.
    pub rank: Option<usize>,
}

impl<R> Found<R> {
    /// A row alone.
    pub fn row(row: R) -> Self {
        Self { row: Some(row), key: None, primary: None, branch: 0, rank: None }
    }
}

/// What is read with each row, and what decides about it.
struct Reading<'p, Tx> {
    tx: &'p Tx,
    store: &'p StoreSpec,
    sight: &'p Sight,
    want: Want,
}

/// Runs a plan.
pub async fn find<Tx: Transaction>(
    tx: &Tx,
    table: &Table,
    sight: &Sight,
    plan: &Plan<'_>,
    want: Want,
) -> Result<Vec<Found<Tx::Row>>> {
    let once = plan.distinct && !want.apart;
    let sorts = plan.sort.is_some();
    let read = Want { rows: want.rows || sorts, primary: want.primary || once || sorts, ..want };
    let reading = Reading { tx, store: &table.spec, sight, want: read };
    let mut found = Vec::new();
    for (branch, step) in plan.steps.iter().enumerate() {
        let rows = reading.step(step).await?.into_iter();
        found.extend(rows.map(|found| Found { branch, ..found }));
    }
    if once {
        let mut seen = OrderedSet::new();
        found.retain(|found| found.primary.clone().is_none_or(|key| seen.insert(key)));
    }
    if let Some(path) = &plan.sort {
        let order = order_by(path, &found);
        if want.apart {
            order.into_iter().enumerate().for_each(|(rank, place)| found[place].rank = Some(rank));
        } else {
            let mut places: Vec<_> = found.into_iter().map(Some).collect();
            found = order.into_iter().filter_map(|place| places[place].take()).collect();
        }
    }
    if plan.reverse {
        found.reverse();
    }
    Ok(found.into_iter().skip(plan.offset).take(plan.limit.unwrap_or(usize::MAX)).collect())
}

/// The places of what has a key, by that and then by the primary key.
fn order_by<R: Row>(path: &KeyPath, found: &[Found<R>]) -> Vec<usize> {
    let keyed = found.iter().enumerate().filter_map(|(place, one)| {
        let key = key_at(one.row.as_ref()?, path)?;
        Some((key, one.primary.clone(), place))
    });
    let mut keyed: Vec<_> = keyed.collect();
    sort_by(&mut keyed, Ord::cmp);
    keyed.into_iter().map(|(.., place)| place).collect()
}

/// Counts what a plan finds.
pub async fn count<Tx: Transaction>(tx: &Tx, table: &Table, sight: &Sight, plan: &Plan<'_>) -> Result<usize> {
    let [step] = plan.steps.as_slice() else {
        return Ok(find(tx, table, sight, plan, Want::PRIMARY).await?.len());
    };
    if plan.distinct || plan.sort.is_some() || !step.answers_all(sight) {
        return Ok(find(tx, table, sight, plan, Want::PRIMARY).await?.len());
    }
    let index = step.physical();
    let counts = join_all(step.ranges.iter().map(|range| tx.count(&table.spec.name, index, Some(range)))).await;
    let mut count = 0;
    for counted in counts {
        count += counted?;
    }
    Ok(count.saturating_sub(step.offset).min(step.limit.unwrap_or(usize::MAX)))
}

impl Step<'_> {
    /// The name of the index, as stores know it.
    fn physical(&self) -> Option<&str> {
        (!self.index.primary).then_some(self.index.spec.name.as_str())
    }

    /// Whether every entry of the ranges is a row of the query.
    pub fn answers_all(&self, sight: &Sight) -> bool {
        sight.sees_all() && self.texts.is_none() && self.rest.is_empty()
    }

    /// Whether the index that is read has the keys the query names.
    fn has_keys(&self) -> bool {
        std::ptr::eq(self.index.spec, self.asked.spec)
    }

    /// The key of a row in an index that lists it once.
    fn key_in<R: Row>(&self, row: &R) -> Option<Key> {
        key_at(row, self.key_path.as_ref()?)
    }

    fn scan(&self, range: &KeyRange, offset: usize, limit: Option<usize>) -> Scan {
        let index = self.physical().map(ToOwned::to_owned);
        let range = (*range != KeyRange::default()).then(|| range.clone());
        Scan { index, range, reverse: self.reverse, offset, limit }
    }
}

impl<Tx: Transaction> Reading<'_, Tx> {
    async fn step(&self, step: &Step<'_>) -> Result<Vec<Found<Tx::Row>>> {
        let mut ranges: Vec<&KeyRange> = step.ranges.iter().collect();
        if step.reverse {
            ranges.reverse();
        }
        match (ranges.as_slice(), step.limit) {
            ([range], _) => self.range(step, &step.scan(range, step.offset, step.limit)).await,
            (_, None) => {
                // All are asked for in this turn.
                let scans: Vec<Scan> = ranges.iter().map(|range| step.scan(range, 0, None)).collect();
                let mut found = Vec::new();
                for rows in join_all(scans.iter().map(|scan| self.range(step, scan))).await {
                    found.extend(rows?);
                }
                Ok(found.into_iter().skip(step.offset).collect())
            }
            (_, Some(limit)) => {
                let (mut found, wanted) = (Vec::new(), step.offset.saturating_add(limit));
                for range in ranges {
                    let missing = wanted - found.len();
                    found.extend(self.range(step, &step.scan(range, 0, Some(missing))).await?);
                    if found.len() == wanted {
                        break;
                    }
                }
                Ok(found.into_iter().skip(step.offset).collect())
            }
        }
    }

    async fn range(&self, step: &Step<'_>, scan: &Scan) -> Result<Vec<Found<Tx::Row>>> {
        let keys = self.want.keys || step.texts.is_some();
        let several = step.asked.spec.multi_entry;
        let unread = !self.want.rows && step.answers_all(self.sight) && (step.has_keys() || !keys);
        let beside = self.store.primary.key_path.is_none();
        let by_entry = unread || (keys && (several || step.key_path.is_none())) || (beside && self.want.primary);
        if by_entry { self.entries(step, scan, !unread).await } else { self.rows(step, scan).await }
    }

    async fn entries(&self, step: &Step<'_>, scan: &Scan, rows: bool) -> Result<Vec<Found<Tx::Row>>> {
        let own = step.has_keys();
        let key_of = |key: Key, row: Option<&Tx::Row>| match (own, row) {
            (true, _) => Some(step.asked.cut(key)),
            (false, row) => row.and_then(|row| step.key_in(row)),
        };
        let keep = |key: &Key, row: Option<&Tx::Row>| {
            let accepts = |texts: &super::Condition| key_of(key.clone(), row).is_some_and(|key| texts.accepts(&key));
            row.is_none_or(|row| self.keeps(step, row)) && step.texts.is_none_or(accepts)
        };
        let entries = self.tx.entries(&self.store.name, scan, rows, &keep).await?;
        let found = |entry: crate::store::Entry<Tx::Row>| Found {
            key: key_of(entry.key, entry.row.as_ref()),
            primary: Some(entry.primary),
            row: entry.row,
            branch: 0,
            rank: None,
        };
        Ok(entries.into_iter().map(found).collect())
    }

    async fn rows(&self, step: &Step<'_>, scan: &Scan) -> Result<Vec<Found<Tx::Row>>> {
        let accepts =
            |row: &Tx::Row| step.texts.is_none_or(|texts| step.key_in(row).is_some_and(|key| texts.accepts(&key)));
        let keep = |row: &Tx::Row| self.keeps(step, row) && accepts(row);
        let rows = self.tx.scan(&self.store.name, scan, &keep).await?;
        let primary = self.store.primary.key_path.as_ref().filter(|_| self.want.primary);
        let found = |row: Tx::Row| Found {
            key: if self.want.keys { step.key_in(&row) } else { None },
            primary: primary.and_then(|path| key_at(&row, path)),
            row: Some(row),
            branch: 0,
            rank: None,
        };
        Ok(rows.into_iter().map(found).collect())
    }

    fn keeps(&self, step: &Step<'_>, row: &Tx::Row) -> bool {
        self.sight.sees(row) && step.rest.iter().all(|known| known.holds(row))
    }
}

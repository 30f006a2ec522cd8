//! Unique indexes that an older app left on tables that sync: two devices may have made one value, so a record that its
//! index refuses goes into quarantine, and the page is applied all the same.

use super::Works;
use super::aside::{Aside, Reason};
use super::record::{Tally, Work};
use crate::engine::Touched;
use crate::engine::error::Result;
use crate::model::{Change, ID, IndexSpec, OrderedMap};
use crate::store::{KeyRange, Row, Scan, Transaction, index_keys};

/// The unique indexes of tables that have any.
pub type Unique = OrderedMap<String, Vec<IndexSpec>>;

/// Stores the records of tables with unique indexes, and takes them out of `works`. One that clashes is tried again after
/// the others, which may have given its value up; then all that came of it is put aside.
pub async fn store<Tx: Transaction>(
    tx: &Tx,
    unique: &Unique,
    works: &mut Works<Tx::Row>,
    tally: &mut Tally,
    aside: &mut Vec<Aside>,
) -> Result<Vec<Touched<Tx::Row>>> {
    let mut waiting = Works::new();
    for name in works.keys().filter(|(table, _)| unique.contains_key(table)).cloned().collect::<Vec<_>>() {
        waiting.extend(works.remove(&name).map(|work| (name, work)));
    }
    let mut touched = Vec::new();
    for last in [false, true] {
        for (name, work) in std::mem::take(&mut waiting) {
            let indexes = unique.get(&name.0).map(Vec::as_slice).unwrap_or_default();
            if !clashes(tx, indexes, &name, &work).await? {
                touched.extend(work.store(tx, name.0, name.1)?);
            } else if last {
                let changes = tally.taken.remove(&name).unwrap_or_default();
                let message = "its unique index has another record with this value";
                aside
                    .extend(changes.into_iter().map(|change| Aside::new(Reason::NotUnique, change.to_json(), message)));
            } else {
                waiting.insert(name, work);
            }
        }
    }
    Ok(touched)
}

async fn clashes<Tx: Transaction>(
    tx: &Tx,
    indexes: &[IndexSpec],
    (table, id): &(String, String),
    work: &Work<Tx::Row>,
) -> Result<bool> {
    let Some(row) = work.changed_row() else { return Ok(false) };
    for index in indexes {
        for key in index_keys(row, index) {
            let scan = Scan {
                index: Some(index.name.clone()),
                range: Some(KeyRange { lower: Some((key.clone(), false)), upper: Some((key, false)) }),
                ..Scan::default()
            };
            let another = |row: &Tx::Row| row.text(ID).as_ref() != Some(id);
            if !tx.scan(table, &scan, &another).await?.is_empty() {
                return Ok(true);
            }
        }
    }
    Ok(false)
}

/// Notes what was merged into a record, in case its index refuses it.
pub fn note(unique: &Unique, tally: &mut Tally, table: &str, change: &Change) {
    if unique.contains_key(table) {
        tally.taken.entry((table.to_owned(), change.id.to_string())).or_default().push(change.clone());
    }
}

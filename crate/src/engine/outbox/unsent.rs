//! What waits in the log: which fields of which records, under which stamps.

use super::{LogRow, parse_rows};
use crate::engine::error::Result;
use crate::model::{Change, Op, OrderedSet, Stamp};
use crate::store::{CHANGE_LOG, Scan, Transaction};

/// What the server does not have yet.
#[derive(Debug, Default)]
pub struct Unsent {
    /// Table on the wire, record, field, stamp.
    edits: OrderedSet<(String, String, String, Stamp)>,
    /// Records whose inserts wait: table on the wire, record.
    inserts: OrderedSet<(String, String)>,
}

/// Reads the log for the edits of its rows that `counts` lets through.
pub async fn unsent<Tx: Transaction>(tx: &Tx, counts: impl Fn(&LogRow) -> bool) -> Result<Unsent> {
    let rows = parse_rows(&tx.scan(CHANGE_LOG, &Scan::default(), &|_| true).await?);
    let mut unsent = Unsent::default();
    for row in rows.iter().filter(|row| counts(row)) {
        for change in row.changes.iter().filter_map(|change| Change::parse(change.to_wire(row)).ok()) {
            let (table, id) = (change.table.to_string(), change.id.to_string());
            let edits = change.fields.into_iter().map(|(field, edit)| (field.into(), edit.at));
            unsent.edits.extend(edits.map(|(field, at)| (table.clone(), id.clone(), field, at)));
            if change.op == Op::Insert {
                unsent.inserts.insert((table, id));
            }
        }
    }
    Ok(unsent)
}

impl Unsent {
    /// Whether any edit of a record waits.
    pub fn has_record(&self, table: &str, id: &str) -> bool {
        let first = (table.to_owned(), id.to_owned(), String::new(), Stamp::EPOCH);
        self.edits.iter_from(&first).next().is_some_and(|(of, record, ..)| of == table && record == id)
    }

    /// Whether the insert of a record waits.
    pub fn has_insert(&self, table: &str, id: &str) -> bool {
        self.inserts.contains(&(table.to_owned(), id.to_owned()))
    }

    /// Whether any edit of a field waits.
    pub fn has_field(&self, table: &str, id: &str, field: &str) -> bool {
        let first = (table.to_owned(), id.to_owned(), field.to_owned(), Stamp::EPOCH);
        self.edits
            .iter_from(&first)
            .next()
            .is_some_and(|(of, record, name, _)| of == table && record == id && name == field)
    }

    /// Whether the edit of a field waits that was made at `at`.
    pub fn has_edit(&self, table: &str, id: &str, field: &str, at: Stamp) -> bool {
        self.edits.contains(&(table.to_owned(), id.to_owned(), field.to_owned(), at))
    }
}

//! What a discard reads first and writes in the end: the records, the log, and what else is set aside.

mod visit;

use super::undo::{Edits, Undone};
use super::{Letter, Waiting, read, read_waiting};
use crate::engine::error::Result;
use crate::engine::outbox::{Before, KNOWN, LogRow, LoggedChange};
use crate::engine::prepare::is_deleted;
use crate::engine::sealing::visibility_of;
use crate::engine::stamps::stamp_of;
use crate::engine::{Touched, rebase, rows};
use crate::model::{AUTHOR_ID, OrderedMap, Stamp, VISIBILITY, Visibility};
use crate::protocol::wire::Rejection;
use crate::store::{CHANGE_LOG, Key, Row, Scan, Transaction};
use serde_json::json;

/// A record's table and id.
pub(super) type Name = (String, String);

/// What is left when everything is written.
pub(super) struct Left<R> {
    pub letters: Vec<Letter>,
    pub parked: Vec<Waiting>,
    pub touched: Vec<Touched<R>>,
}

/// A record that a discard changes.
struct Record<R> {
    stored: Option<R>,
    row: Option<R>,
    /// The fields that become something else.
    fields: Vec<String>,
}

/// A row of changes that may follow a discarded one, and whether it was rewritten.
struct Later<T> {
    kept: T,
    is_changed: bool,
}

/// What is read before a discard and written after it.
pub(super) struct Discard<R> {
    log: Vec<Later<LogRow>>,
    parked: Vec<Later<Waiting>>,
    letters: Vec<Later<Letter>>,
    unsent: Edits,
    records: OrderedMap<Name, Record<R>>,
    /// Records in whose shadow something is again that nobody has looked at.
    pub unseen: Vec<Name>,
    /// What some field was is known to the server alone.
    pub is_unknown: bool,
    /// How many changes went out of the log, and which rows they lay in, for those who wait for them.
    pub dropped: (usize, Vec<(f64, Rejection)>),
}

fn later<T>(all: impl IntoIterator<Item = T>) -> Vec<Later<T>> {
    all.into_iter().map(|kept| Later { kept, is_changed: false }).collect()
}

impl<R: Row> Discard<R> {
    pub async fn read<Tx: Transaction<Row = R>>(tx: &Tx, user: &str, discarded: &[Letter]) -> Result<Self> {
        let found = tx.scan(CHANGE_LOG, &Scan::default(), &|row| row.text("userId").as_deref() == Some(user)).await?;
        let log: Vec<LogRow> = found.iter().filter_map(LogRow::parse).collect();
        let is_kept = |letter: &Letter| !discarded.iter().any(|one| one.change.event_id() == letter.change.event_id());
        let parked = read_waiting(tx, user).await?;
        let letters: Vec<Letter> = read(tx, user).await?.into_iter().filter(is_kept).collect();
        let mut unsent = Edits::new();
        let rows = log.iter().chain(parked.iter().map(|one| &one.row));
        let changes = rows.flat_map(|row| row.changes.iter().map(move |change| (row, change)));
        for (row, change) in changes.chain(letters.iter().map(|letter| (&letter.row, &letter.change))) {
            let stamps = change.stamps(row).into_iter();
            unsent.extend(stamps.map(|one| (one.table.0, one.table.1, one.id, one.field, one.at)));
        }
        let (log, parked, letters) = (later(log), later(parked), later(letters));
        let records = OrderedMap::new();
        Ok(Self {
            log,
            parked,
            letters,
            unsent,
            records,
            unseen: Vec::new(),
            is_unknown: false,
            dropped: Default::default(),
        })
    }

    /// Whether a record was read already.
    pub fn knows(&self, name: &Name) -> bool {
        self.records.contains_key(name)
    }

    /// Takes note of a record as it is stored.
    pub fn know(&mut self, name: Name, stored: Option<R>) {
        self.records.insert(name, Record { row: stored.clone(), stored, fields: Vec::new() });
    }

    /// Takes a letter's change out of its record, and has what comes later fall back to what was before; `seen_by`: who sees a
    /// record, as far as this device believes it.
    pub fn undo(&mut self, letter: &Letter, name: &Name, actor: &R::Value, seen_by: &dyn Fn(&R) -> Visibility) {
        if letter.change.op() == "insert" && !letter.change.0.contains_key(KNOWN) {
            let later = self.later_of(letter);
            // What a full pull found missing had been there before.
            let written = later.iter().rev().filter(|(row, _)| row.clock_epoch != rebase::EPOCH);
            let all = written.map(|(row, change)| (row, change)).chain([(&letter.row, &letter.change)]);
            let mut undone = self.undone(name, all, actor);
            let left = undone.as_mut().and_then(|undone| undone.row.take_if(|row| !is_deleted(row)));
            let is_whole = left.as_ref().is_some_and(|row| stamp_of(row, AUTHOR_ID).is_some());
            if !is_whole {
                // Of a record without an insert the server has edits at most. Whether it has an insert that says no author
                // is to be asked.
                self.is_unknown |= left.is_some();
                self.visit(letter, &mut |_, _| false);
                return self.take(name, undone);
            }
        }
        let undone = self.undone(name, [(&letter.row, &letter.change)], actor);
        for stamp in letter.change.stamps(&letter.row) {
            let before = letter.change.before_of(&stamp.field);
            // A whole record said anew repeats who made it: that was so before, and stays so.
            if matches!(&before, Before::Was { at, .. } if *at == stamp.at) {
                continue;
            }
            self.visit(letter, &mut |change, row| fall_back(change, row, (&stamp.field, stamp.at), &before));
        }
        // What it was before, this device knows; what others said since is believed or not.
        let before = letter.change.before_of(VISIBILITY);
        let is_before = |row: &R| matches!(before, Before::Was { at, .. } if stamp_of(row, VISIBILITY) == Some(at));
        let now = |row: &R| if is_before(row) { visibility_of(row) } else { seen_by(row) };
        self.have_seen_by(letter, undone.as_ref().and_then(|undone| undone.row.as_ref()).map(now));
        self.take(name, undone);
    }

    /// A record without these changes, the newest of them first.
    fn undone<'a>(
        &self,
        name: &Name,
        changes: impl IntoIterator<Item = (&'a LogRow, &'a LoggedChange)>,
        actor: &R::Value,
    ) -> Option<Undone<R>> {
        let mut undone = Undone::of(self.records.get(name)?.row.clone()?);
        for (row, change) in changes {
            undone.undo(row, change, &self.unsent, actor);
        }
        Some(undone)
    }

    fn take(&mut self, name: &Name, undone: Option<Undone<R>>) {
        let Some(Undone { row, fields, is_unseen, is_unknown }) = undone else { return };
        if is_unseen {
            self.unseen.push(name.clone());
        }
        self.is_unknown |= is_unknown;
        if let Some(record) = self.records.get_mut(name) {
            record.row = row;
            record.fields.extend(fields);
        }
    }

    /// Stores what was rewritten; changes of the log get new ids from `fresh_id`, as everything whose content is another.
    pub fn write<Tx: Transaction<Row = R>>(self, tx: &Tx, fresh_id: impl Fn() -> String) -> Result<Left<R>> {
        for mut one in self.log.into_iter().filter(|one| one.is_changed) {
            for change in &mut one.kept.changes {
                change.set_event_id(fresh_id());
            }
            one.kept.put_or_remove(tx)?;
        }
        let mut left = Left { letters: Vec::new(), parked: Vec::new(), touched: Vec::new() };
        for Later { kept, is_changed } in self.parked {
            if is_changed {
                kept.clone().put_or_remove(tx)?;
            }
            left.parked.extend(Some(kept).filter(|kept| !kept.row.changes.is_empty()));
        }
        for Later { kept, is_changed } in self.letters {
            if kept.change.0.is_empty() {
                rows::remove(tx, rows::LETTER, &kept.key)?;
                continue;
            }
            if is_changed {
                rows::write(tx, rows::LETTER, &kept.key, kept.clone())?;
            }
            left.letters.push(kept);
        }
        for ((table, id), Record { stored: old, row: new, fields }) in self.records {
            let key = Key::text(&id);
            match &new {
                Some(row) if !fields.is_empty() => tx.put(&table, row, None)?,
                None if old.is_some() => tx.delete(&table, &key)?,
                Some(_) | None => continue,
            }
            left.touched.push(Touched { table, key, old, new, fields });
        }
        Ok(left)
    }
}

/// Has a later change of a field fall back to what was before a discarded one, written at `at`; whether it stays.
fn fall_back(change: &mut LoggedChange, row: &LogRow, (field, at): (&str, Stamp), before: &Before) -> bool {
    let Some(written) = change.stamp_of(field, row.at) else { return true };
    if written == at {
        // The discarded value said anew, for others who keep records: what was before is said in its place.
        change.take_field(field);
        if let Before::Was { value, at, .. } = before {
            change.put_field(field, json!({ "value": value, "at": at }));
            change.note_matched(field, *at, row.at);
        }
        return !change.stamps(row).is_empty();
    }
    let is_over = matches!(change.before_of(field), Before::Was { at: over, .. } if over == at);
    if is_over {
        change.set_before(field, before);
    }
    let prev = if let Before::Was { at, .. } = before { Some(*at) } else { None };
    change.replace_prev(field, at, prev);
    if let Some(prev) = prev {
        // The record may hold another's value now that has this change's very stamp.
        change.note_matched(field, prev, row.at);
    }
    true
}

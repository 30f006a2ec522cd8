//! When the clock's offset becomes known: unsent changes of this epoch are brought up to it, with their records.
//!
//! Nothing was pushed or applied in this epoch before, so a record's field still carries the stamp the log names, or one
//! of a later write of this device. Only the first is moved: a stamp that is not the change's own is never overwritten.

use super::epoch::{self, Epoch};
use super::error::Result;
use super::outbox::{LogRow, LoggedChange};
use super::ports::Host;
use super::stamps::{FieldMeta, Mark, mark_parts, stamp_of};
use super::{Engine, Touched, rows};
use crate::model::{DELETED_AT, Stamp};
use crate::store::{CHANGE_LOG, ENGINE, Key, Mode, Row, RowValue, Scan, Store, Transaction};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::rc::Rc;

/// A stamp of a field that moved: (table on the wire, record, field, old stamp) → new stamp.
type Moved = BTreeMap<(String, String, String, Stamp), Stamp>;

impl<S: Store, H: Host> Engine<S, H> {
    /// Stores the offset (server time minus device time, in ms) and re-stamps what was never sent; `server_ms` is the
    /// server's clock now. Rows of earlier epochs keep their stamps, held at server time.
    pub async fn settle_clock(self: &Rc<Self>, offset: i64, server_ms: u64) -> Result<()> {
        let tables: Vec<String> = self.synced_tables();
        let stores: Vec<&str> = tables.iter().map(String::as_str).chain([CHANGE_LOG, ENGINE]).collect();
        let tx = self.store.begin(Mode::Write, &stores)?;
        let epoch = epoch::current(&tx, &self.host, &self.watch).await?;
        let offset = epoch.settled_offset(offset);
        let log = tx.scan(CHANGE_LOG, &Scan::default(), &|_| true).await?;
        let mut plan = Restamp { offset, server_ms, epoch: &epoch, moved: Moved::new(), last: None };
        for mut row in log.iter().filter_map(LogRow::parse).filter(|row| row.sent_at.is_none()) {
            if plan.row(&mut row) {
                row.put(&tx)?;
            }
        }
        let (moved, last) = (plan.moved, plan.last);
        let touched = self.move_records(&tx, &moved).await?;
        rows::write(&tx, rows::CLOCK, "", &Epoch { offset: Some(offset), ..epoch })?;
        tx.commit().await?;
        if let Some(last) = last {
            self.clock.borrow_mut().advance_past(last);
        }
        self.committed(&touched, 0);
        Ok(())
    }

    pub(super) fn synced_tables(&self) -> Vec<String> {
        let config = self.config();
        config.tables.iter().filter(|(_, table)| table.sync.is_some()).map(|(name, _)| name.clone()).collect()
    }

    async fn move_records(&self, tx: &S::Tx, moved: &Moved) -> Result<Vec<Touched<S::Row>>> {
        let mut by_record: BTreeMap<(&str, &str), Vec<(&str, Stamp, Stamp)>> = BTreeMap::new();
        for ((table, id, field, old), new) in moved {
            by_record.entry((table, id)).or_default().push((field, *old, *new));
        }
        let mut touched = Vec::new();
        for ((sync_name, id), moves) in by_record {
            let Some(table) = self.local_name(sync_name) else { continue };
            let Some(stored) = tx.get(&table, &Key::text(id)).await? else { continue };
            let row = moved_record(&stored, &moves);
            tx.put(&table, &row, None)?;
            touched.push(Touched { table, key: Key::text(id), old: Some(stored), new: Some(row) });
        }
        Ok(touched)
    }

    fn local_name(&self, sync_name: &str) -> Option<String> {
        let config = self.config();
        let found = config.tables.iter().find(|(_, table)| {
            table.sync.as_ref().is_some_and(|sync| sync.sync_name.as_str() == sync_name)
        });
        found.map(|(name, _)| name.clone())
    }
}

fn moved_record<R: Row>(stored: &R, moves: &[(&str, Stamp, Stamp)]) -> R {
    let mut row = stored.shallow_copy();
    let mut meta = FieldMeta::of(Some(stored));
    for (field, old, new) in moves {
        if stamp_of(stored, field) != Some(*old) {
            continue;
        }
        let Some((actor, origin)) = mark_parts(stored, field) else { continue };
        meta.mark(field, &Mark::new(*new, &actor, origin));
        if *field == DELETED_AT && row.get(DELETED_AT).is_some_and(|value| !value.is_null()) {
            row.set_text(DELETED_AT, &new.to_string());
        }
    }
    meta.renew();
    meta.write(&mut row);
    row
}

struct Restamp<'a> {
    offset: i64,
    server_ms: u64,
    epoch: &'a Epoch,
    moved: Moved,
    /// The last stamp given out: rows stay at least a tick apart, in log order.
    last: Option<Stamp>,
}

impl Restamp<'_> {
    /// Re-stamps a row's changes; says whether anything changed.
    fn row(&mut self, row: &mut LogRow) -> bool {
        let is_current = row.clock_epoch == self.epoch.epoch;
        let shift = if is_current { self.offset - row.clock_offset } else { 0 };
        let mut stamps: BTreeMap<Stamp, Stamp> = BTreeMap::new();
        let mut changes = std::mem::take(&mut row.changes);
        for change in &mut changes {
            let old = change.at(row);
            let floor = self.greatest_prev(change).max(self.last).map_or(Stamp::EPOCH, Stamp::next);
            let new = *stamps.entry(old).or_insert_with(|| {
                let aimed = if is_current { old.shifted(shift) } else { old.min(Stamp::at_ms(self.server_ms)) };
                aimed.max(floor)
            });
            self.change(change, old, new);
        }
        self.last = stamps.values().copied().max().max(self.last);
        let changed = stamps.iter().any(|(old, new)| old != new) || (is_current && shift != 0);
        row.at = stamps.get(&row.at).copied().unwrap_or(row.at);
        row.changes = changes;
        if is_current {
            row.clock_offset = self.offset;
        }
        changed
    }

    fn change(&mut self, change: &mut LoggedChange, old: Stamp, new: Stamp) {
        let (table, id) = (change.table().to_owned(), change.id().to_owned());
        let note = |moved: &mut Moved, field: &str| {
            moved.insert((table.clone(), id.clone(), field.to_owned(), old), new);
        };
        match change.op() {
            "insert" => {
                let names: Vec<String> = change.0["data"].as_object().into_iter().flat_map(Map::keys).cloned().collect();
                names.iter().for_each(|name| note(&mut self.moved, name));
            }
            "delete" => {
                note(&mut self.moved, DELETED_AT);
                change.0.insert("deletedAt".into(), json!(new));
            }
            _ => {}
        }
        if change.0.contains_key("at") {
            change.0.insert("at".into(), json!(new));
        }
        self.follow(change, "prev", DELETED_AT);
        for (name, edit) in change.fields_mut().into_iter().flatten() {
            if let Some(edit) = edit.as_object_mut() {
                if stamp_in(edit, "at") == Some(old) {
                    note(&mut self.moved, name);
                    edit.insert("at".into(), json!(new));
                }
                let key = |prev| (table.clone(), id.clone(), name.clone(), prev);
                if let Some(prev) = stamp_in(edit, "prev").and_then(|prev| self.moved.get(&key(prev))) {
                    edit.insert("prev".into(), json!(prev));
                }
            }
        }
    }

    /// A `prev` that names a stamp which moved moves along.
    fn follow(&self, change: &mut LoggedChange, key: &str, field: &str) {
        let Some(prev) = stamp_in(&change.0, key) else { return };
        let moved = self.moved.get(&(change.table().to_owned(), change.id().to_owned(), field.to_owned(), prev));
        if let Some(moved) = moved {
            change.0.insert(key.to_owned(), json!(moved));
        }
    }

    /// The greatest stamp the change replaced, as it stands after moving.
    fn greatest_prev(&self, change: &LoggedChange) -> Option<Stamp> {
        let fields = change.0.get("fields").and_then(Value::as_object);
        let prevs = fields.into_iter().flatten().filter_map(|(name, edit)| {
            let prev = stamp_in(edit.as_object()?, "prev")?;
            let key = (change.table().to_owned(), change.id().to_owned(), name.clone(), prev);
            Some(self.moved.get(&key).copied().unwrap_or(prev))
        });
        prevs.chain(stamp_in(&change.0, "prev")).max()
    }
}

fn stamp_in(map: &Map<String, Value>, key: &str) -> Option<Stamp> {
    map.get(key).and_then(Value::as_str).and_then(|text| Stamp::parse(text).ok())
}

//! What commits did: a person's call stamps and logs exactly what it changed, together; whatever else changes a record
//! brings values that somebody wrote.

use super::log_rows::{LoggedField, fields_of, stamp};
use super::{Absorbed, Books, Origin, WriteId};
use crate::executor::Owner;
use crate::model::{Expected, held, held_before, value_in};
use crate::place::{Place, Record};
use mana_sync_engine::model::Stamp;
use mana_sync_engine::store::JsonRow;
use mana_sync_engine::store::memory::Changed;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

const LOG: &str = "_changeLog";

/// A record as a device shows it that lacks the key of a value.
fn as_shown(record: Record, row: &JsonRow) -> Expected {
    let mut shown = Expected::of(record, Some(row));
    for (place, value) in record.places().zip(&mut shown.values) {
        *value = held_before(place, row).unwrap_or_else(|| value.clone());
    }
    shown
}

/// What was not said anew stays as it is stored.
fn unless_stamped(record: Record, row: &JsonRow, mut expected: Expected) -> Expected {
    for (place, value) in record.places().zip(&mut expected.values) {
        if !expected.stamped.contains(&place.field) {
            *value = held(place, row);
        }
    }
    expected
}

impl Books {
    /// A person's call was committed.
    pub(super) fn call_committed(&mut self, device: usize, commit: u64, call: u64, changes: &[Changed]) {
        if !changes.iter().any(|changed| Record::of_key(&changed.store, &changed.key).is_some()) {
            return;
        }
        assert!(self.committed.insert(call), "call {call} is committed once");
        let origin = Origin { device, commit, undone: false };
        let logged: Vec<LoggedField> =
            changes.iter().filter(|c| c.store == LOG).filter_map(|c| c.new.as_ref()).flat_map(fields_of).collect();
        let mut stamped = BTreeSet::new();
        for changed in changes {
            let Some(record) = Record::of_key(&changed.store, &changed.key) else { continue };
            let new = changed.new.as_ref().expect("a person's call removes no row: deleted records are tombstones");
            self.check_call(call, record, changed.old.as_ref(), new);
            stamped.extend(moved(record, changed.old.as_ref(), new));
            self.note_call(record, changed.old.as_ref(), new, &logged, origin);
        }
        let in_log: BTreeSet<Place> = logged.iter().map(|field| field.place).collect();
        assert_eq!(in_log, stamped, "call {call}: what is stamped is logged with it, and nothing else is");
    }

    /// The record is what the documented rules make of the call, and exactly what it changed has a new stamp.
    fn check_call(&self, call: u64, record: Record, old: Option<&JsonRow>, new: &JsonRow) {
        let known = record.places().filter(|place| old.is_some_and(|row| place.stamp(row).is_some()));
        let known: BTreeSet<u8> = known.map(|place| place.field).collect();
        let acts = self.calls.get(&call).expect("calls are announced");
        let perform = |mut on: Expected| {
            acts.iter().filter(|(of, _)| *of == record).for_each(|(_, act)| on.perform(act, &known));
            on
        };
        let mut expected = perform(Expected::of(record, old));
        // A sealed null under a key that is not here is not known to be none: clearing such a field is an edit.
        let hides_null = |place: &Place| {
            old.is_some_and(|row| held(*place, row).is_null() && !value_in(row, place.name()).is_null())
        };
        let is_edit = |place: &Place| expected.stamped.contains(&place.field) || !hides_null(place);
        let is = Expected {
            stamped: moved(record, old, new).iter().filter(|place| is_edit(place)).map(|place| place.field).collect(),
            ..Expected::of(record, Some(new))
        };
        if is != expected
            && let Some(row) = old
        {
            // Of two values with one stamp it may know the one that gave way, and no key of the other: a call is compared
            // with what it shows.
            expected = unless_stamped(record, row, perform(as_shown(record, row)));
        }
        assert_eq!(is, expected, "call {call} on {record:?}: {acts:?} over {old:?}");
        for place in moved(record, old, new) {
            let before = old.and_then(|row| place.stamp(row)).map(stamp);
            let after = place.stamp(new).map(stamp);
            assert!(after > before, "{place}: an edit is stamped above what it replaces ({before:?}, {after:?})");
        }
    }

    /// Notes the writes of a call on one record: each of the log's edits saw the one before it.
    fn note_call(&mut self, record: Record, old: Option<&JsonRow>, new: &JsonRow, log: &[LoggedField], origin: Origin) {
        for place in record.places() {
            let mut last = old.and_then(|row| self.stored(place, row));
            for field in log.iter().filter(|field| field.place == place) {
                last = Some(self.note(field.written(), last, origin));
            }
            let is = self.stored(place, new);
            assert_eq!(is, last, "{place}: the record holds what was logged last");
        }
    }

    /// The write whose value a stored row holds.
    fn stored(&self, place: Place, row: &JsonRow) -> Option<WriteId> {
        let at = place.stamp(row)?;
        let value = held(place, row);
        let found = self.find(place, stamp(at), &value);
        assert!(found.is_some(), "{place} holds {value} of {at}, which nobody wrote");
        found
    }

    /// The write whose value a stored row holds now in another way than before.
    fn stored_anew(&self, place: Place, old: Option<&JsonRow>, new: &JsonRow) -> Option<WriteId> {
        let value = |row: &JsonRow| value_in(row, place.name());
        let is_same = old.map(value).unwrap_or_default() == value(new);
        if is_same { None } else { self.stored(place, new) }
    }

    /// Something was committed that was not a person's call.
    pub(super) fn engine_committed(&mut self, device: usize, commit: u64, owner: Owner, changes: &[Changed]) {
        let corrected = self.follow_corrections(device, commit, changes);
        self.follow_absorptions(device, commit, changes);
        let is_page = changes.iter().any(is_page);
        let filling = self.filling.get(&device).filter(|_| is_page).cloned().unwrap_or_default();
        for changed in changes {
            let Some(record) = Record::of_key(&changed.store, &changed.key) else { continue };
            let Some(new) = &changed.new else { continue };
            let hydrating = filling.contains(self.app_of(record));
            for place in moved(record, changed.old.as_ref(), new) {
                self.stored(place, new);
                let at = place.stamp(new).map(stamp);
                // A value that got another stamp did not give way.
                let gave_way = !corrected.iter().any(|(of, to)| *of == place && Some(*to) == at);
                if let Some(old) = changed.old.as_ref().filter(|_| gave_way) {
                    self.note_loss((device, owner), place, old, hydrating);
                }
            }
            let unmoved = |place: &Place| place.stamp(new) == changed.old.as_ref().and_then(|row| place.stamp(row));
            for place in record.places().filter(unmoved) {
                let old = changed.old.as_ref().map_or(Value::Null, |row| held(place, row));
                let is = held(place, new);
                // A tie is won under the same stamp, and so it is sealed anew.
                let write = self.stored_anew(place, changed.old.as_ref(), new);
                assert!(old == is || write.is_some(), "{place} changed without a stamp");
                if let (Some(write), Some(at)) = (write, place.stamp(new)) {
                    let origin = Origin { device, commit, undone: false };
                    self.writes[write].keep_raw(stamp(at), value_in(new, place.name()), origin);
                }
                if let Some(row) = changed.old.as_ref().filter(|_| old != is) {
                    self.count("a tie took a stored value's place");
                    self.note_loss((device, owner), place, row, hydrating);
                }
            }
        }
    }

    /// When a row is sent, each of its fields travels once, with what was written last.
    fn follow_absorptions(&mut self, device: usize, commit: u64, changes: &[Changed]) {
        for changed in changes.iter().filter(|changed| changed.store == LOG) {
            let (Some(old), Some(new)) = (&changed.old, &changed.new) else { continue };
            if new.str("sentAt").is_none() {
                continue;
            }
            let sent: BTreeSet<(Place, Stamp)> =
                fields_of(new).into_iter().map(|field| (field.place, field.at)).collect();
            for field in fields_of(old).into_iter().filter(|field| !sent.contains(&(field.place, field.at))) {
                let write = self.find(field.place, field.at, &field.value);
                self.absorbed.extend(write.map(|write| Absorbed { device, commit, write }));
            }
        }
    }

    /// Rows of the log that were never sent may get other stamps, with their records: which fields got which.
    fn follow_corrections(&mut self, device: usize, commit: u64, changes: &[Changed]) -> Vec<(Place, Stamp)> {
        let mut moves: Vec<(WriteId, Stamp)> = Vec::new();
        for changed in changes.iter().filter(|changed| changed.store == LOG) {
            let (Some(old), Some(new)) = (&changed.old, &changed.new) else { continue };
            if old.str("sentAt").is_some() || new.str("sentAt").is_some() {
                continue;
            }
            let now: BTreeMap<(usize, Place), LoggedField> =
                fields_of(new).into_iter().map(|field| ((field.change, field.place), field)).collect();
            for field in fields_of(old) {
                let Some(now) = now.get(&(field.change, field.place)) else { continue };
                if now.at != field.at {
                    let Some(id) = self.find(field.place, field.at, &field.value) else { continue };
                    let origin = Origin { device, commit, undone: false };
                    self.writes[id].keep_raw(now.at, now.raw.clone(), origin);
                    moves.push((id, now.at));
                }
            }
        }
        for _ in &moves {
            self.count("a stamp was corrected");
        }
        let corrected = moves.iter().map(|(id, at)| (self.writes[*id].place, *at)).collect();
        self.correct_for(device, commit, moves);
        corrected
    }
}

/// The fields of a record that have another stamp than before.
fn moved(record: Record, old: Option<&JsonRow>, new: &JsonRow) -> Vec<Place> {
    record.places().filter(|place| place.stamp(new) != old.and_then(|row| place.stamp(row))).collect()
}

/// Whether a commit moved the cursor, as the one of a page does.
fn is_page(changed: &Changed) -> bool {
    is_engines(changed, "cursor").is_some()
}

/// A row of the engine's own of that kind, which a commit wrote.
fn is_engines<'a>(changed: &'a Changed, kind: &str) -> Option<&'a JsonRow> {
    changed.new.as_ref().filter(|row| changed.store == "_engine" && row.str("kind") == Some(kind))
}

impl Books {
    /// Takes note of the apps that a device has asked for and not pulled whole: of their first pull no conflict is told.
    pub(super) fn note_apps(&mut self, device: usize, changes: &[Changed]) {
        for apps in changes.iter().filter_map(|changed| is_engines(changed, "apps")) {
            let here = apps.object("here").map(JsonRow::to_map).unwrap_or_default();
            let filling = here.into_iter().filter(|(_, here)| *here == Value::Bool(false)).map(|(app, _)| app);
            let filling: BTreeSet<String> = filling.collect();
            self.apps.extend(filling.iter().cloned());
            self.filling.insert(device, filling);
        }
    }

    fn app_of(&self, record: Record) -> &'static str {
        if self.apps.contains(record.table()) { record.table() } else { "todo" }
    }
}

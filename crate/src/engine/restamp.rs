//! When the clock's offset becomes known: unsent changes of this epoch are brought up to it, with their records.
//!
//! A record's field still carries the stamp the log names, or one of a later write, or another device's value, under the
//! same stamp even. Only the first is moved: a stamp that is not the change's own is never overwritten.

use super::epoch::{self, Epoch};
use super::error::Result;
use super::events::Event;
use super::outbox::{LogRow, LoggedChange, LoggedStamp};
use super::ports::Host;
use super::stamps::{FieldMeta, Mark, mark_parts, stamp_of};
use super::{Engine, Touched, rebase, rows, sealing, vault};
use crate::crypto::{Envelope, Format};
use crate::model::{
    DELETED_AT, OWN, OrderedMap, OrderedSet, Origin, SHARE_PROOF, Stamp, TableSync, VISIBILITY, Visibility,
};
use crate::probe::{Probe, hit};
use crate::store::{CHANGE_LOG, ENGINE, Key, Mode, Row, RowValue, Scan, Store, Transaction};
use serde_json::{Map, Value, json};
use std::rc::Rc;

/// App, and table on the wire.
type WireTable = (String, String);

/// A stamp of a field that moved: (table, record, field, old stamp) → new stamp.
type Moved = OrderedMap<(WireTable, String, String, Stamp), Stamp>;

/// A field of one record, its old stamp and its new one.
type Move<'a> = (&'a str, Stamp, Stamp);

/// Values that were sealed for their old stamps and are sealed for their new ones, by what they were.
type Resealed = OrderedMap<String, String>;

impl<S: Store, H: Host> Engine<S, H> {
    /// Stores the offset (server time minus device time, in ms) and re-stamps what was never sent; `server_ms` is the
    /// server's clock now. Rows of earlier epochs keep their stamps, held at server time.
    pub async fn settle_clock(self: &Rc<Self>, offset: i64, server_ms: u64) -> Result<()> {
        let tables: Vec<String> = self.synced_tables();
        let stores: Vec<&str> = tables.iter().map(String::as_str).chain([CHANGE_LOG, ENGINE]).collect();
        let tx = self.store.begin(Mode::Write, &stores)?;
        let epoch = self.epoch_led(&tx).await?;
        let offset = epoch.settled_offset(offset);
        let log = tx.scan(CHANGE_LOG, &Scan::default(), &|_| true).await?;
        let epoch = Epoch { offset: Some(offset), ..epoch };
        let now = Stamp::at_ms(epoch.now_ms(self.host.now_ms()).max(server_ms) + 1);
        // The answer was on its way for a while: what was written meanwhile is not ahead of the server.
        let server_ms = now.ms();
        let mut plan = Restamp { offset, server_ms, now, epoch: &epoch, moved: Moved::new(), last: None, held: None };
        // All of them before any is put: a key that is not here changes nothing.
        let (mut resealed, mut rewritten) = (Resealed::new(), Vec::new());
        let mut took_back = false;
        for old in log.iter().filter_map(LogRow::parse).filter(|row| row.sent_at.is_none()) {
            if let Some(mut left) = self.bring_back_keyring(&tx, &old, server_ms).await? {
                left.changes.iter_mut().for_each(|change| change.set_event_id(epoch::fresh_id(&self.host)));
                rewritten.push(left);
                took_back = true;
                continue;
            }
            let mut row = old.clone();
            plan.row(&mut row);
            if row != old {
                self.reseal(&tx, &old, &mut row, &mut resealed).await?;
                self.rename_rewritten(&old, &mut row);
                rewritten.push(row);
            }
        }
        for row in &rewritten {
            row.put_or_remove(&tx)?;
        }
        let (moved, last) = (plan.moved, plan.last);
        let touched = self.move_records(&tx, &moved, &resealed).await?;
        rows::write(&tx, rows::CLOCK, "", epoch.clone())?;
        tx.commit().await?;
        // A row that is gone held one change.
        let gone = rewritten.iter().filter(|row| row.changes.is_empty()).count();
        self.pending.set(self.pending.get().saturating_sub(gone));
        if let Some(last) = last {
            self.clock.borrow_mut().advance_past(&epoch, last);
        }
        self.committed(&touched, Origin::System, 0);
        if offset != 0 {
            self.emit(Event::ClockSkew { offset });
        }
        if took_back {
            self.keyring_changed().await?;
        }
        Ok(())
    }

    /// An id stands for one content for ever: the server may have seen the change, and said no, or this device may have
    /// forgotten that it was sent.
    fn rename_rewritten(&self, old: &LogRow, new: &mut LogRow) {
        let is_same = |number: usize| old.changes[number].to_wire(old) == new.changes[number].to_wire(new);
        let rewritten: Vec<usize> = (0..old.changes.len()).filter(|number| !is_same(*number)).collect();
        for number in rewritten {
            new.changes[number].set_event_id(epoch::fresh_id(&self.host));
        }
    }

    pub(super) fn synced_tables(&self) -> Vec<String> {
        let config = self.config();
        config.tables.iter().filter(|(_, table)| table.sync.is_some()).map(|(name, _)| name.clone()).collect()
    }

    /// What is sealed is bound to its stamp: values of a row whose stamps moved are sealed anew. Fails with
    /// [`Kind::VaultLocked`](super::Kind::VaultLocked) while their key is not here; they wait for it.
    async fn reseal(&self, tx: &S::Tx, old: &LogRow, new: &mut LogRow, resealed: &mut Resealed) -> Result<()> {
        let app = old.app_id.clone();
        for (was, change) in old.changes.iter().zip(&mut new.changes) {
            let local =
                self.config().local_table(&app, was.table()).map(|(name, table)| (name.to_owned(), Rc::clone(table)));
            let Some((name, table)) = local else { continue };
            let Some(sync) = table.sync.as_ref().filter(|sync| !sync.sealed.is_empty()) else { continue };
            let is_own = self.is_change_own(tx, (&name, sync), change).await?;
            for field in &sync.sealed {
                if let (Some(from), Some(to)) = (was.stamp_of(field, old.at), change.stamp_of(field, new.at)) {
                    self.reseal_field(sync, change, (field, from, to), is_own, resealed)?;
                }
                change.rename_before(field, resealed);
            }
            let decided = (was.stamp_of(VISIBILITY, old.at), change.stamp_of(VISIBILITY, new.at));
            if let (Some(from), Some(to)) = decided
                && from != to
            {
                self.prove_anew(sync, change, to, resealed)?;
            }
        }
        Ok(())
    }

    /// That a record is everybody's is said of the moment that was decided in, so it is said anew.
    fn prove_anew(
        &self,
        sync: &TableSync,
        change: &mut LoggedChange,
        at: Stamp,
        resealed: &mut Resealed,
    ) -> Result<()> {
        let id = change.id().to_owned();
        // Of a change that hides the record there is nothing to prove.
        if change.0.get("visibility").and_then(Value::as_str) != Some(Visibility::Space.as_str()) {
            return Ok(());
        }
        let Some(proof) = change.value_of_mut(SHARE_PROOF).filter(|proof| proof.is_string()) else { return Ok(()) };
        self.vault.check_sealing()?;
        let again = self.share_proof(sync, &id, at)?;
        let was = std::mem::replace(proof, again.as_str().into());
        resealed.insert(was.as_str().unwrap_or_default().to_owned(), again);
        Ok(())
    }

    fn reseal_field(
        &self,
        sync: &TableSync,
        change: &mut LoggedChange,
        (field, from, to): Move<'_>,
        is_own: bool,
        resealed: &mut Resealed,
    ) -> Result<()> {
        let id = change.id().to_owned();
        let Some(text) = change.value_of_mut(field).filter(|_| from != to) else { return Ok(()) };
        let Some(envelope) = text.as_str().filter(|text| is_bound(text)).map(str::to_owned) else { return Ok(()) };
        let Some(value) = self.open_text(sync, &id, field, from, &envelope) else {
            // In a shared record it is a text that looks like one.
            return if is_own { Err(vault::locked()) } else { Ok(()) };
        };
        let sealed = self.seal_value(sync, &id, field, to, &value)?;
        *text = Value::from(sealed.as_str());
        resealed.insert(envelope, sealed);
        Ok(())
    }

    /// Whether what does not open in a logged change is sealed, and no text that looks so: by what the change says, or,
    /// while the newest key is not here, because its record was the user's alone once, whatever is said of it since.
    async fn is_change_own(
        &self,
        tx: &S::Tx,
        (table, sync): (&str, &TableSync),
        change: &LoggedChange,
    ) -> Result<bool> {
        if self.is_change_sealed(sync, change) {
            return Ok(true);
        }
        if !self.is_locked() && !self.is_outdated() {
            return Ok(false);
        }
        let stored = tx.get(table, &Key::text(change.id())).await?;
        Ok(stored.is_some_and(|row| row.get(OWN).is_some()))
    }

    /// Whether registered fields of a logged change's record are sealed, as the change says.
    pub(super) fn is_change_sealed(&self, sync: &TableSync, change: &LoggedChange) -> bool {
        let config = self.config();
        let space = change.0.get("spaceId").and_then(Value::as_str).map(|space| config.stored_space(space));
        let visibility = change.0.get("visibility").and_then(Value::as_str).unwrap_or_default();
        sealing::is_sealed(&config, sync, space.as_deref(), Visibility::from(visibility.to_owned()))
    }

    async fn move_records(&self, tx: &S::Tx, moved: &Moved, resealed: &Resealed) -> Result<Vec<Touched<S::Row>>> {
        let mut by_record: OrderedMap<(&WireTable, &str), Vec<Move<'_>>> = OrderedMap::new();
        for ((table, id, field, old), new) in moved {
            by_record.entry((table, id)).or_default().push((field, *old, *new));
        }
        let mut touched = Vec::new();
        for (((app, sync_name), id), moves) in by_record {
            let table = self.config().local_table(app, sync_name).map(|(name, _)| name.to_owned());
            let Some(table) = table else { continue };
            let Some(stored) = tx.get(&table, &Key::text(id)).await? else { continue };
            let mut row = moved_record(&stored, &moves);
            for (field, ..) in &moves {
                if let Some(sealed) = stored.text(field).and_then(|text| resealed.get(&text)) {
                    row.set_text(field, sealed);
                }
            }
            tx.put(&table, &row, None)?;
            touched.push(Touched { table, key: Key::text(id), old: Some(stored), new: Some(row), fields: Vec::new() });
        }
        Ok(touched)
    }
}

/// Whether a text is an envelope that is bound to its stamp.
fn is_bound(text: &str) -> bool {
    Envelope::parse(text).is_some_and(|envelope| envelope.format() == Format::Two)
}

/// A record with stamps moved that are still its own.
pub(super) fn moved_record<R: Row>(stored: &R, moves: &[Move<'_>]) -> R {
    let mut row = stored.shallow_copy();
    let mut meta = FieldMeta::of(Some(stored));
    for (field, old, new) in moves {
        let Some((actor, origin)) = mark_parts(stored, field) else { continue };
        if stamp_of(stored, field) != Some(*old) {
            continue;
        }
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
    /// Corrected time now: no row was written later.
    now: Stamp,
    epoch: &'a Epoch,
    moved: Moved,
    /// The last stamp given to a row of this epoch: they stay at least a tick apart, in log order.
    last: Option<Stamp>,
    /// The last stamp given to a row of an earlier epoch that was ahead of the server.
    held: Option<Stamp>,
}

impl Restamp<'_> {
    /// Re-stamps a row's changes. Not only their own stamps: one may name a stamp that an earlier row's change got anew.
    fn row(&mut self, row: &mut LogRow) {
        if row.clock_epoch == rebase::EPOCH {
            return;
        }
        let is_current = row.clock_epoch == self.epoch.epoch;
        let shift = if is_current { self.offset - row.clock_offset } else { 0 };
        // A default of a later version of the app's data was written by nobody, and at no time.
        let is_written = |edit: &LoggedStamp| edit.at != Stamp::EPOCH || !edit.matched;
        let edits: Vec<LoggedStamp> =
            row.changes.iter().flat_map(|change| change.stamps(row)).filter(is_written).collect();
        let mut stamps: OrderedMap<Stamp, Stamp> = OrderedMap::new();
        let (following, edits): (Vec<_>, Vec<_>) = edits.into_iter().partition(|edit| edit.from.is_some());
        for old in edits.iter().map(|edit| edit.at).collect::<OrderedSet<_>>() {
            let least = edits.iter().filter(|edit| edit.at == old).filter_map(|edit| self.least(edit)).max();
            let new = if is_current { self.brought_up(old.shifted(shift), least) } else { self.held_back(old, least) };
            if is_current && old != new {
                hit(Probe::ClockRestamped);
            }
            for edit in edits.iter().filter(|edit| edit.at == old && old != new && !edit.matched) {
                self.moved.insert((edit.table.clone(), edit.id.clone(), edit.field.clone(), old), new);
            }
            stamps.insert(old, new);
        }
        // That a record is everybody's has the stamp of the decision, which is found first.
        let (proofs, following): (Vec<_>, Vec<_>) = following.into_iter().partition(|edit| edit.field == SHARE_PROOF);
        for edit in following.into_iter().chain(proofs) {
            let new = self.followed(&edit);
            if new != edit.at && !edit.matched {
                self.moved.insert((edit.table, edit.id, edit.field, edit.at), new);
            }
        }
        row.at = stamps.get(&row.at).copied().unwrap_or(row.at);
        let app = row.app_id.clone();
        row.changes.iter_mut().for_each(|change| self.rewrite(&app, change, &stamps));
        if is_current {
            row.clock_offset = self.offset;
        }
    }

    fn brought_up(&mut self, aimed: Stamp, least: Option<Stamp>) -> Stamp {
        let own = aimed.min(self.now).max(self.last.map_or(Stamp::EPOCH, Stamp::next));
        let least = least.unwrap_or(Stamp::EPOCH);
        if least.ms() > self.now.ms() {
            // Above what it replaced, which is ahead: that is no reason for others to be.
            return own.max(least);
        }
        let new = own.max(least);
        self.last = Some(new);
        new
    }

    fn held_back(&mut self, old: Stamp, least: Option<Stamp>) -> Stamp {
        let least = least.unwrap_or(Stamp::EPOCH);
        if old.ms() <= self.server_ms {
            return old.max(least);
        }
        let own = Stamp::at_ms(self.server_ms).max(self.held.map_or(Stamp::EPOCH, Stamp::next));
        hit(Probe::ClockHeldBack);
        if least.ms() > self.server_ms {
            return own.max(least);
        }
        let new = own.max(least);
        self.held = Some(new);
        new
    }

    /// The least stamp an edit may get: above what it replaced, as that stands after moving, and above what others have
    /// that lost to it. What lost under the edit's very stamp goes on doing so.
    fn least(&self, edit: &LoggedStamp) -> Option<Stamp> {
        let replaced = edit.prev.map(|prev| self.follow(&edit.table, &edit.id, &edit.field, prev).next());
        let lost = edit.lost.map(|lost| if lost == edit.at { lost } else { lost.next() });
        replaced.max(lost)
    }

    /// The stamp of an edit that says a field anew: where the one it says anew is now.
    fn followed(&self, edit: &LoggedStamp) -> Stamp {
        match (edit.from.as_deref(), edit.prev) {
            (Some(from), Some(prev)) if from == edit.id => self.follow(&edit.table, from, &edit.field, prev).next(),
            (Some(from), _) if from != edit.id => self.follow(&edit.table, from, &edit.field, edit.at),
            _ if edit.field == SHARE_PROOF => self.follow(&edit.table, &edit.id, VISIBILITY, edit.at),
            _ => self.follow(&edit.table, &edit.id, &edit.field, edit.at),
        }
    }

    fn follow(&self, table: &WireTable, id: &str, field: &str, at: Stamp) -> Stamp {
        self.moved.get(&(table.clone(), id.to_owned(), field.to_owned(), at)).copied().unwrap_or(at)
    }

    /// Gives a change its new stamps; what names a stamp that moved moves along.
    fn rewrite(&self, app: &str, change: &mut LoggedChange, stamps: &OrderedMap<Stamp, Stamp>) {
        let (table, id) = ((app.to_owned(), change.table().to_owned()), change.id().to_owned());
        let own = change.befores_mut().into_iter().map(|(name, at, _)| (name, at)).collect();
        if change.from().is_some() {
            let newest = change.fields_mut().into_iter().flatten().filter_map(|(name, edit)| {
                let edit = edit.as_object_mut()?;
                for key in ["at", "prev"] {
                    move_stamp(edit, key, |at| self.follow(&table, &id, name, at));
                }
                Stamp::parse(edit.get("at")?.as_str()?).ok()
            });
            if let Some(newest) = newest.max() {
                change.0.insert("at".to_owned(), json!(newest));
            }
            self.move_befores(&table, &id, change, &own);
            return;
        }
        for key in ["at", "deletedAt"] {
            move_stamp(&mut change.0, key, |at| stamps.get(&at).copied().unwrap_or(at));
        }
        move_stamp(&mut change.0, "prev", |at| self.follow(&table, &id, DELETED_AT, at));
        for (name, edit) in change.fields_mut().into_iter().flatten() {
            let Some(edit) = edit.as_object_mut() else { continue };
            move_stamp(edit, "at", |at| stamps.get(&at).copied().unwrap_or(at));
            move_stamp(edit, "prev", |at| self.follow(&table, &id, name, at));
        }
        self.move_befores(&table, &id, change, &own);
    }

    /// What fields were before moves along, too; not what another wrote under the very stamp of the change.
    fn move_befores(
        &self,
        table: &WireTable,
        id: &str,
        change: &mut LoggedChange,
        own: &OrderedMap<String, Option<Stamp>>,
    ) {
        for (name, _, before) in change.befores_mut() {
            let is_own = |at: Stamp| own.get(&name).copied().flatten() == Some(at);
            move_stamp(before, "at", |at| if is_own(at) { at } else { self.follow(table, id, &name, at) });
        }
    }
}

fn move_stamp(map: &mut Map<String, Value>, key: &str, to: impl Fn(Stamp) -> Stamp) {
    let at = map.get(key).and_then(Value::as_str).and_then(|text| Stamp::parse(text).ok());
    if let Some(at) = at {
        map.insert(key.to_owned(), json!(to(at)));
    }
}

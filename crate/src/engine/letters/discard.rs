//! Discarding a dead letter: the record is as if the change had never been made, and so is what was written over it.

use super::undo::{Edits, Undone};
use super::{Letter, Waiting, of_group, read, read_waiting};
use crate::engine::error::Result;
use crate::engine::events::Event;
use crate::engine::guests::is_guests;
use crate::engine::outbox::{Before, LogRow, LoggedChange};
use crate::engine::ports::Host;
use crate::engine::prepare::is_deleted;
use crate::engine::{Engine, Touched, epoch, keyring, oldest_logged, rebase, rows, shadow};
use crate::model::{Actor, OrderedMap, Origin, Stamp};
use crate::protocol::wire::{Rejection, RejectionCode};
use crate::store::{CHANGE_LOG, ENGINE, Key, Mode, Row, RowValue, Scan, Store, Transaction};
use serde_json::json;
use std::rc::Rc;

/// A row of changes that may follow a discarded one, and whether it was rewritten.
struct Later<T> {
    kept: T,
    is_changed: bool,
}

/// What is read before a discard and written after it.
struct Discard<R> {
    log: Vec<Later<LogRow>>,
    parked: Vec<Later<Waiting>>,
    letters: Vec<Later<Letter>>,
    unsent: Edits,
    /// By table and record: what was stored, what is to be, and which fields became something else.
    records: OrderedMap<(String, String), (Option<R>, Option<R>, Vec<String>)>,
    unseen: Vec<(String, String)>,
    is_unknown: bool,
    /// How many changes went out of the log, and which rows they lay in, for those who wait for them.
    dropped: (usize, Vec<(f64, Rejection)>),
}

fn later<T>(all: impl IntoIterator<Item = T>) -> Vec<Later<T>> {
    all.into_iter().map(|kept| Later { kept, is_changed: false }).collect()
}

fn is_of(letter: &Letter, row: &LogRow, change: &LoggedChange) -> bool {
    let is_same = change.table() == letter.change.table() && change.id() == letter.change.id();
    is_same && row.app_id == letter.row.app_id && row.seq >= letter.row.seq
}

impl<R: Row> Discard<R> {
    async fn read<Tx: Transaction<Row = R>>(tx: &Tx, user: &str, discarded: &[Letter]) -> Result<Self> {
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

    /// Calls `visit` with every later change of a letter's record; one that it says `false` of is taken away.
    fn visit(&mut self, letter: &Letter, visit: &mut dyn FnMut(&mut LoggedChange, &LogRow) -> bool) {
        let mut rewrite = |row: &mut LogRow| {
            let (before, frame) = (row.changes.clone(), LogRow { changes: Vec::new(), ..row.clone() });
            row.changes.retain_mut(|change| !is_of(letter, &frame, change) || visit(change, &frame));
            row.changes != before
        };
        for one in &mut self.log {
            let count = one.kept.changes.len();
            one.is_changed |= rewrite(&mut one.kept);
            if let Some(code) = RejectionCode::of(&letter.code).filter(|_| one.kept.changes.len() < count) {
                self.dropped.0 += count - one.kept.changes.len();
                let (event_id, message) = (letter.key.clone(), letter.message.clone());
                let seqs = std::iter::once(one.kept.seq).chain(one.kept.absorbed.iter().copied());
                let why = Rejection { event_id, code, message };
                self.dropped.1.extend(seqs.map(|seq| (seq, why.clone())));
            }
        }
        for one in &mut self.parked {
            one.is_changed |= rewrite(&mut one.kept.row);
        }
        for one in &mut self.letters {
            let mut row = LogRow { changes: vec![one.kept.change.clone()], ..one.kept.row.clone() };
            one.is_changed |= rewrite(&mut row);
            // Without a change left, the letter goes.
            one.kept.change = row.changes.pop().unwrap_or_else(|| LoggedChange(serde_json::Map::new()));
        }
    }

    /// The later changes of a letter's record, oldest first.
    fn later_of(&mut self, letter: &Letter) -> Vec<(LogRow, LoggedChange)> {
        let mut found = Vec::new();
        self.visit(letter, &mut |change, row| {
            found.push((row.clone(), change.clone()));
            true
        });
        crate::model::sort_by(&mut found, |(a, _), (b, _)| a.seq.total_cmp(&b.seq));
        found
    }

    /// Takes a letter's change out of its record, and has what comes later fall back to what was before.
    fn undo(&mut self, letter: &Letter, name: (String, String), actor: &R::Value) {
        let stored = self.records.get(&name).and_then(|(_, new, _)| new.clone());
        let later = self.later_of(letter);
        let of_stored = || stored.clone().map(Undone::of);
        if letter.change.op() == "insert" {
            let mut all = of_stored();
            for (row, change) in
                later.iter().rev().map(|(row, change)| (row, change)).chain([(&letter.row, &letter.change)])
            {
                all.iter_mut().for_each(|undone| undone.undo(row, change, &self.unsent, actor));
            }
            let is_others = all.as_ref().and_then(|undone| undone.row.as_ref()).is_some_and(|row| !is_deleted(row));
            if !is_others {
                self.visit(letter, &mut |_, _| false);
                return self.take(name, all);
            }
        }
        let mut undone = of_stored();
        undone.iter_mut().for_each(|undone| undone.undo(&letter.row, &letter.change, &self.unsent, actor));
        for stamp in letter.change.stamps(&letter.row) {
            let before = letter.change.before_of(&stamp.field);
            self.visit(letter, &mut |change, row| fall_back(change, row, (&stamp.field, stamp.at), &before));
        }
        self.take(name, undone);
    }

    fn take(&mut self, name: (String, String), undone: Option<Undone<R>>) {
        let Some(Undone { row, fields, is_unseen, is_unknown }) = undone else { return };
        if is_unseen {
            self.unseen.push(name.clone());
        }
        self.is_unknown |= is_unknown;
        if let Some((_, new, changed)) = self.records.get_mut(&name) {
            *new = row;
            changed.extend(fields);
        }
    }

    /// Stores what was rewritten; gives what is left of letters and of what is parked, and the touched records.
    fn write<Tx: Transaction<Row = R>>(
        self,
        tx: &Tx,
        fresh_id: &dyn Fn() -> String,
    ) -> Result<(Vec<Letter>, Vec<Waiting>, Vec<Touched<R>>)> {
        for mut one in self.log.into_iter().filter(|one| one.is_changed) {
            one.kept.changes.iter_mut().for_each(|change| change.set_event_id(fresh_id()));
            one.kept.put_or_remove(tx)?;
        }
        let mut parked = Vec::new();
        for Later { kept, is_changed } in self.parked {
            if is_changed {
                kept.clone().put_or_remove(tx)?;
            }
            if !kept.row.changes.is_empty() {
                parked.push(kept);
            }
        }
        let mut letters = Vec::new();
        for Later { kept, is_changed } in self.letters {
            if kept.change.0.is_empty() {
                rows::remove(tx, rows::LETTER, &kept.key)?;
                continue;
            }
            if is_changed {
                rows::write(tx, rows::LETTER, &kept.key, kept.clone())?;
            }
            letters.push(kept);
        }
        let mut touched = Vec::new();
        for ((table, id), (old, new, fields)) in self.records {
            let key = Key::text(&id);
            match (&old, &new) {
                (None, None) => continue,
                (_, Some(row)) if !fields.is_empty() => tx.put(&table, row, None)?,
                (_, Some(_)) => continue,
                (_, None) => tx.delete(&table, &key)?,
            }
            touched.push(Touched { table, key, old, new, fields });
        }
        Ok((letters, parked, touched))
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
        }
        return change.op() != "update" || change.has_fields();
    }
    let is_over = matches!(change.before_of(field), Before::Was { at: over, .. } if over == at);
    if is_over {
        change.set_before(field, before);
    }
    let prev = if let Before::Was { at, .. } = before { Some(*at) } else { None };
    change.replace_prev(field, at, prev);
    true
}

impl<S: Store, H: Host> Engine<S, H> {
    /// Discards a dead letter, with all of its group. Fails with [`Kind::NotFound`](crate::engine::Kind::NotFound) where
    /// there is no such letter.
    pub async fn discard_letter(self: &Rc<Self>, id: &str) -> Result<()> {
        let user = self.config().user_id().to_owned();
        let tables = self.synced_tables();
        let stores: Vec<&str> = tables.iter().map(String::as_str).chain([CHANGE_LOG, ENGINE]).collect();
        let tx = self.store.begin(Mode::Write, &stores)?;
        let letters = of_group(&read(&tx, &user).await?, id)?;
        for letter in &letters {
            rows::remove(&tx, rows::LETTER, letter.change.event_id())?;
        }
        let refused: Vec<&Letter> = letters.iter().filter(|letter| letter.is_refusal()).collect();
        let mut discard = Discard::read(&tx, &user, &letters).await?;
        let actor = RowValue::from_json(&Actor::user(&user, None).to_json());
        for letter in refused.into_iter().rev() {
            if let Some(name) = self.load_record(&tx, letter, &mut discard).await? {
                discard.undo(letter, name, &actor);
            }
        }
        for (table, id) in &discard.unseen {
            shadow::note_unseen(&tx, &user, table, id)?;
        }
        if discard.is_unknown {
            rebase::read_again(&tx, &user, epoch::fresh_id(&self.host)).await?;
        }
        let (dropped, told) = std::mem::take(&mut discard.dropped);
        let (held, parked, touched) = discard.write(&tx, &|| epoch::fresh_id(&self.host))?;
        let released = self.release(&tx, held, parked, Vec::new()).await?;
        if keyring::brings_work(self, &touched) {
            keyring::note_arrivals(&tx, &user).await?;
        }
        let oldest = oldest_logged(&tx).await?;
        tx.commit().await?;
        if dropped > 0 {
            self.pending.set(self.pending.get().saturating_sub(dropped));
            self.wake_waiters(oldest, &told);
            self.emit(Event::Settled { oldest, refused: told });
        }
        self.committed(&touched, Origin::ServerReplay, released);
        self.tell_driver();
        self.look_again().await
    }

    /// Reads a letter's record, once for all letters; `None`: this app has no such table, or the record is a guest's.
    async fn load_record(
        &self,
        tx: &S::Tx,
        letter: &Letter,
        discard: &mut Discard<S::Row>,
    ) -> Result<Option<(String, String)>> {
        let table = {
            let config = self.config();
            config.local_table(&letter.row.app_id, letter.change.table()).map(|(name, _)| name.to_owned())
        };
        let Some(table) = table else { return Ok(None) };
        let name = (table, letter.change.id().to_owned());
        if !discard.records.contains_key(&name) {
            let row = tx.get(&name.0, &Key::text(&name.1)).await?;
            if row.as_ref().is_some_and(is_guests) {
                return Ok(None);
            }
            discard.records.insert(name.clone(), (row.clone(), row, Vec::new()));
        }
        Ok(Some(name))
    }
}

//! The way out: change-log rows are frozen into batches, and taken off when the server has named their changes.
//!
//! A frozen row (`sentAt`) is sent again byte for byte until it is answered, so a lost answer costs nothing. What was
//! never sent may still be merged: several updates of one record travel as one.

mod ahead;
mod batch;
mod before;
pub(super) mod coalesce;
mod plain;
mod row;
mod unsent;

pub use before::Before;
pub use row::{AGAIN, KNOWN, LogRow, LoggedChange, LoggedStamp, MATCHED};
pub use unsent::{Unsent, unsent};

use batch::{batch_of, choose, other};

use super::apply::Other;
use super::epoch;
use super::error::{Error, Kind, Result};
use super::events::Event;
use super::letters::{self, Blocked, Parked};
use super::ports::Host;
use super::progress;
use super::sealing::is_envelope_text;
use super::{Engine, keyring, oldest_logged, rows};
use crate::model::{EventId, OrderedMap, OrderedSet, Stamp};
use crate::probe::{Probe, hit};
use crate::protocol::limits::MAX_PUSH_CHANGES;
use crate::protocol::machine::Part;
use crate::protocol::reply::Settlement;
use crate::protocol::wire::{Rejection, RejectionCode};
use crate::store::{CHANGE_LOG, ENGINE, Key, Mode, Row, RowValue, Scan, Store, Transaction};
use futures_channel::oneshot;
use serde_json::{Value, json};
use std::rc::Rc;

/// Frozen changes on their way to the server.
#[derive(Debug, Clone, PartialEq)]
pub struct Batch {
    /// The log rows they lie in.
    pub seqs: Vec<f64>,
    /// The changes as the wire carries them.
    pub changes: Vec<Value>,
    /// Their ids.
    pub ids: OrderedSet<EventId>,
    /// The newest schema version among them.
    pub schema_version: u32,
}

/// What freezing found.
#[derive(Debug, Clone, PartialEq)]
pub enum Frozen {
    /// Nothing waits to be sent.
    Nothing,
    /// The clock's offset is not known: measure it first.
    ClockUnknown,
    /// These changes.
    Batch(Batch),
}

/// What an answer meant for the log.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Settled {
    /// A rejection says the app is too old to push.
    pub update_required: bool,
    /// A rejection says this device's clock is wrong: a new epoch began.
    pub clock_ahead: bool,
    /// Some changes go out again, under new ids.
    pub again: bool,
}

/// Somebody waiting until the server has everything up to a log row.
pub struct Waiter {
    ticket: f64,
    sender: oneshot::Sender<Result<()>>,
}

/// Counts the user's changes in the log.
pub async fn count<Tx: Transaction>(tx: &Tx, user_id: &str) -> Result<usize> {
    let mine = |row: &Tx::Row| row.text("userId").as_deref() == Some(user_id);
    Ok(changes_in(&tx.scan(CHANGE_LOG, &Scan::default(), &mine).await?))
}

fn changes_in<R: Row>(rows: &[R]) -> usize {
    rows.iter().filter_map(|row| row.get("changes")?.as_list()).map(|changes| changes.len()).sum()
}

impl<S: Store, H: Host> Engine<S, H> {
    /// Freezes the next batch, or a part of it: what was frozen before and not answered, else the oldest unsent rows, merged.
    pub async fn freeze(&self, part: Option<Part>) -> Result<Frozen> {
        let (mut was_sealed, mut window) = (false, MAX_PUSH_CHANGES);
        loop {
            match self.freeze_page(part, window).await? {
                Step::Frozen(frozen) => return Ok(frozen),
                Step::HeldBack => {}
                Step::LookFurther => window *= 2,
                Step::Seal if was_sealed => return Ok(Frozen::Nothing),
                Step::Seal => {
                    self.seal_waiting().await?;
                    was_sealed = true;
                }
            }
        }
    }

    async fn freeze_page(&self, part: Option<Part>, window: usize) -> Result<Step> {
        let user = self.config().user_id().to_owned();
        // What is sent is on disk before it leaves: a device that forgot by a power cut what others have would say it anew.
        let tx = self.store.begin(Mode::Durable, &[CHANGE_LOG, ENGINE])?;
        let epoch = self.epoch_led(&tx).await?;
        if epoch.offset.is_none() {
            tx.commit().await?;
            return Ok(Step::Frozen(Frozen::ClockUnknown));
        }
        let mine = |row: &S::Row| row.text("userId").as_deref() == Some(&user);
        let scan = Scan { limit: Some(window), ..Scan::default() };
        let scanned = tx.scan(CHANGE_LOG, &scan, &mine);
        let (found, blocked) = futures_util::future::join(scanned, Blocked::read(&tx, &user)).await;
        let found = found?;
        let mut rows = parse_rows(&found);
        let parked = blocked?.hold_back(&tx, &mut rows)?;
        let was_anything = !rows.is_empty();
        let ahead = ahead::hold_back(&mut rows, &epoch, self.host.now_ms());
        self.ahead_until.set(ahead);
        if rows.is_empty() && found.len() >= window && (parked.changes > 0 || was_anything) {
            self.held_back(tx, parked).await?;
            return Ok(if was_anything { Step::LookFurther } else { Step::HeldBack });
        }
        if let Some(first) = rows.iter().position(|row| self.tells_plain(row)) {
            if self.vault.check_sealing().is_ok() {
                self.held_back(tx, parked).await?;
                return Ok(Step::Seal);
            }
            // What was written later waits for what it was written over.
            rows.truncate(first);
        }
        if found.len() < window {
            // The whole log: what other tabs told of their commits may have come twice into the count, or late.
            self.pending.set(changes_in(&found));
        }
        let mut chosen = match part {
            Some(Part::Other(tried)) => other(rows, tried, progress::of(&tx, &user).await?.by_time),
            _ => choose(self.of_apps_that_are_taken(rows)),
        };
        if let Some(Part::First(most)) = part {
            chosen.truncate(most);
        }
        let resend = chosen.iter().any(|row| row.sent_at.is_some());
        if resend {
            hit(Probe::LogResent);
        } else {
            let emptied = coalesce::merge(&mut chosen, || epoch::fresh_id(&self.host));
            if emptied.merged > 0 {
                hit(Probe::LogCoalesced);
            }
            self.pending.set(self.pending.get().saturating_sub(emptied.merged));
            for seq in emptied.seqs {
                tx.delete(CHANGE_LOG, &Key::Number(seq))?;
            }
            let sent_at = Stamp::at_ms(self.host.now_ms()).to_string();
            for row in &mut chosen {
                row.sent_at = Some(sent_at.clone());
                row.put(&tx)?;
            }
        }
        self.held_back(tx, parked).await?;
        Ok(Step::Frozen(if chosen.is_empty() { Frozen::Nothing } else { Frozen::Batch(batch_of(&chosen)) }))
    }

    /// Commits, and tells those who wait for what was parked that it is not on its way any more.
    async fn held_back(&self, tx: S::Tx, parked: Parked) -> Result<()> {
        if parked.changes == 0 {
            return Ok(tx.commit().await?);
        }
        hit(Probe::LogParked);
        let oldest = oldest_logged(&tx).await?;
        tx.commit().await?;
        self.pending.set(self.pending.get().saturating_sub(parked.changes));
        self.wake_waiters(oldest, &parked.told);
        self.emit(Event::Settled { oldest, refused: parked.told });
        Ok(())
    }

    /// Takes off the log what an answer names: exactly that.
    pub async fn settle(self: &Rc<Self>, batch: &Batch, settlement: &Settlement) -> Result<Settled> {
        let tx = self.store.begin(Mode::Write, &[CHANGE_LOG, ENGINE])?;
        self.check_lead(&tx).await?;
        let keys: Vec<Key> = batch.seqs.iter().map(|seq| Key::Number(*seq)).collect();
        let rows: Vec<LogRow> =
            tx.get_many(CHANGE_LOG, &keys).await?.iter().flatten().filter_map(LogRow::parse).collect();
        let rejected: OrderedMap<&str, &Rejection> =
            settlement.rejected.iter().map(|rejection| (rejection.event_id.as_str(), rejection)).collect();
        let user = self.config().user_id().to_owned();
        let blocked = if rejected.is_empty() { Blocked::default() } else { Blocked::read(&tx, &user).await? };
        let mut outcome = Outcome { blocked, ..Outcome::default() };
        let mut of_keyring = keyring::Settled::default();
        for row in rows {
            if row.app_id == keyring::APP {
                keyring::settle(&tx, row, settlement, &rejected, &mut of_keyring).await?;
            } else {
                self.settle_row(&tx, row, settlement, &rejected, &mut outcome)?;
            }
        }
        outcome.removed += of_keyring.removed;
        outcome.settled.again |= of_keyring.again;
        outcome.settled.clock_ahead |= of_keyring.clock_ahead;
        if let Some(receipt) = &settlement.receipt {
            progress::note_receipt(&tx, &user, receipt).await?;
        }
        if outcome.settled.clock_ahead {
            let last = epoch::current(&tx, &self.host, &self.watch).await?;
            rows::write(&tx, rows::CLOCK, "", epoch::Epoch::begin(&self.host, Some(&last)))?;
        }
        let oldest = oldest_logged(&tx).await?;
        tx.commit().await?;
        // An empty log settles what tabs may have counted differently.
        self.pending.set(oldest.map_or(0, |_| self.pending.get().saturating_sub(outcome.removed)));
        self.wake_waiters(oldest, &outcome.refused);
        self.emit(Event::Settled { oldest, refused: outcome.refused.clone() });
        if of_keyring.changed {
            self.keyring_changed().await?;
        }
        for rejection in outcome.letters {
            let code = rejection.code.as_str();
            self.emit(Event::DeadLetter { event_id: rejection.event_id, code, message: rejection.message });
        }
        Ok(outcome.settled)
    }

    fn settle_row(
        &self,
        tx: &S::Tx,
        mut row: LogRow,
        settlement: &Settlement,
        rejected: &OrderedMap<&str, &Rejection>,
        outcome: &mut Outcome,
    ) -> Result<()> {
        let before = row.changes.len();
        let (mut kept, mut refused) = (Vec::new(), Vec::new());
        let is_refused = |change: &LoggedChange| {
            rejected.get(change.event_id()).is_some_and(|rejection| matches!(fate(rejection.code), Fate::Letter))
        };
        // Half a group would say something else than all of it.
        let doomed: Vec<Value> = row
            .changes
            .iter()
            .filter(|change| is_refused(change))
            .filter_map(|one| one.0.get("group").cloned())
            .collect();
        for mut change in std::mem::take(&mut row.changes) {
            let id = change.event_id().to_owned();
            match rejected.get(id.as_str()) {
                None if settlement.accepted.iter().any(|accepted| accepted.as_str() == id) => {}
                None => kept.push(change),
                Some(rejection) if change.0.get("group").is_some_and(|group| doomed.contains(group)) => {
                    refused.push((change, *rejection));
                }
                Some(rejection) => match fate(rejection.code) {
                    Fate::Again => {
                        hit(Probe::LogAgain);
                        change.set_event_id(epoch::fresh_id(&self.host));
                        row.sent_at = None;
                        outcome.settled.again = true;
                        outcome.settled.clock_ahead |= rejection.code == RejectionCode::ClockAhead;
                        // An insert says itself who sees the record: of a group, it is another change that did not fit.
                        if rejection.code == RejectionCode::VisibilityMismatch && change.op() != "insert" {
                            change.turn_visibility();
                            self.seal_turned(&row, &mut change)?;
                        }
                        kept.push(change);
                    }
                    Fate::AfterUpdate => {
                        hit(Probe::LogAfterUpdate);
                        row.sent_at = None;
                        outcome.settled.update_required = true;
                        kept.push(change);
                    }
                    Fate::Letter => refused.push((change, *rejection)),
                },
            }
        }
        self.set_aside(tx, &row, refused, outcome)?;
        if !kept.is_empty() && kept.len() < before {
            hit(Probe::LogPartly);
        }
        outcome.removed += before - kept.len();
        row.changes = kept;
        row.put_or_remove(tx)
    }

    /// Makes letters of what was refused for good, or parks it where its record has one.
    fn set_aside(
        &self,
        tx: &S::Tx,
        row: &LogRow,
        refused: Vec<(LoggedChange, &Rejection)>,
        outcome: &mut Outcome,
    ) -> Result<()> {
        let mut why: Vec<&Rejection> = refused.iter().map(|(_, rejection)| *rejection).collect();
        let told = |rejection: &Rejection| row.tickets().map(|seq| (seq, rejection.clone())).collect::<Vec<_>>();
        outcome.refused.extend(why.iter().flat_map(|rejection| told(rejection)));
        for unit in letters::units(refused.into_iter().map(|(change, _)| change).collect()) {
            let of_unit: Vec<&Rejection> = why.drain(..unit.len()).collect();
            let unit: Vec<_> = unit.into_iter().zip(of_unit.iter().copied()).collect();
            if outcome.blocked.refuse(tx, row, &unit, Stamp::at_ms(self.host.now_ms()))? {
                outcome.letters.extend(of_unit.into_iter().cloned());
            }
        }
        Ok(())
    }

    /// What was written for all turns out to be in a record that is private by now: from here on it is sealed, under the
    /// stamps it has, so that it takes the place of the plaintext everywhere. Without the key it stays what the server was
    /// sent already.
    fn seal_turned(&self, row: &LogRow, change: &mut LoggedChange) -> Result<()> {
        let table = self.config().local_table(&row.app_id, change.table()).map(|(_, table)| Rc::clone(table));
        let sync = table.as_ref().and_then(|table| table.sync.as_ref()).filter(|_| !self.is_locked());
        let Some(sync) = sync.filter(|sync| self.is_change_sealed(sync, change)) else { return Ok(()) };
        let id = change.id().to_owned();
        for field in &sync.sealed {
            let Some(at) = change.stamp_of(field, row.at) else { continue };
            let Some(value) = change.value_of_mut(field) else { continue };
            if !value.is_null() && !is_envelope_text(value) {
                *value = self.seal_value(sync, &id, field, at, value)?.into();
            }
        }
        Ok(())
    }

    /// Resolves when the server has everything up to the log row `ticket`; fails when it refused some of that row.
    pub async fn when_synced(&self, ticket: f64) -> Result<()> {
        let (sender, receiver) = oneshot::channel();
        let tx = self.store.begin(Mode::Read, &[CHANGE_LOG, ENGINE])?;
        let oldest = oldest_logged(&tx).await?;
        let mut letters: Vec<(String, Value)> = rows::read_all(&tx, rows::LETTER).await?;
        letters.extend(rows::read_all(&tx, rows::WAITING).await?);
        // Held on, it would keep every write waiting that settles the ticket.
        drop(tx);
        if let Some(letter) = letters.iter().map(|(_, letter)| letter).find(|letter| is_about(letter, ticket)) {
            let text = |key: &str| letter[key].as_str().unwrap_or_default().to_owned();
            return Err(refusal_error(&text("message"), &text("code")));
        }
        if oldest.is_none_or(|oldest| oldest > ticket) {
            return Ok(());
        }
        if self.closed.get() {
            return Err(Error::new(Kind::Closed, "the engine was closed before this was synced"));
        }
        self.waiters.borrow_mut().push(Waiter { ticket, sender });
        receiver.await.unwrap_or_else(|_| Err(Error::new(Kind::Closed, "the engine was closed before this was synced")))
    }

    /// Tells waiters that another tab, or this one, settled everything before `oldest`.
    pub fn wake_waiters(&self, oldest: Option<f64>, refused: &[(f64, Rejection)]) {
        let mut waiters = self.waiters.borrow_mut();
        for waiter in std::mem::take(&mut *waiters) {
            if oldest.is_some_and(|oldest| oldest <= waiter.ticket) {
                waiters.push(waiter);
                continue;
            }
            let refusal = refused.iter().find(|(seq, _)| (*seq - waiter.ticket).abs() < 0.5);
            let result = refusal
                .map_or(Ok(()), |(_, rejection)| Err(refusal_error(&rejection.message, rejection.code.as_str())));
            // The receiver is gone when nobody waits any more.
            let _ = waiter.sender.send(result);
        }
    }
}

fn refusal_error(message: &str, code: &str) -> Error {
    Error::new(Kind::Rejected, format!("the server refused this change: {message}")).with(json!({ "code": code }))
}

/// Whether a letter's change lay in the log row `ticket`, or in one merged with it.
fn is_about(letter: &Value, ticket: f64) -> bool {
    let row = &letter["row"];
    let absorbed = row["absorbed"].as_array().into_iter().flatten();
    std::iter::once(&row["seq"]).chain(absorbed).any(|seq| seq.as_f64() == Some(ticket))
}

#[derive(Default)]
struct Outcome {
    settled: Settled,
    removed: usize,
    refused: Vec<(f64, Rejection)>,
    /// Those that became dead letters; the others wait behind one.
    letters: Vec<Rejection>,
    blocked: Blocked,
}

/// What looking at the oldest rows of the log came to.
enum Step {
    Frozen(Frozen),
    /// All of them wait behind dead letters, and are parked now.
    HeldBack,
    /// All of them wait for their time.
    LookFurther,
    /// Something is to be sealed first, and can be.
    Seal,
}

enum Fate {
    Again,
    AfterUpdate,
    Letter,
}

fn fate(code: RejectionCode) -> Fate {
    match code {
        RejectionCode::EventIdReused | RejectionCode::ClockAhead | RejectionCode::VisibilityMismatch => Fate::Again,
        RejectionCode::SchemaTooNew => Fate::AfterUpdate,
        RejectionCode::InvalidChange
        | RejectionCode::NotAMember
        | RejectionCode::ReadOnly
        | RejectionCode::SpaceMismatch
        | RejectionCode::NotTheAuthor
        | RejectionCode::TooLarge => Fate::Letter,
    }
}

fn parse_rows<R: Row>(rows: &[R]) -> Vec<LogRow> {
    rows.iter().filter_map(LogRow::parse).collect()
}

/// Notes in the log what others have of fields whose edits wait in it. The newest value that `lost` to an edit becomes
/// what the edit falls back to when it is discarded, and no correction may take the edit's stamp below it. An edit that
/// was `matched` is the record's no more, or another's as well, so the record's stamp stays when the edit's is corrected.
pub async fn note_others<Tx: Transaction>(tx: &Tx, lost: &[Other], matched: &[Other]) -> Result<()> {
    let records: OrderedSet<_> = lost.iter().chain(matched).map(|o| (o.table.as_str(), o.id.as_str())).collect();
    for mut row in parse_rows(&tx.scan(CHANGE_LOG, &Scan::default(), &|_| true).await?) {
        let frame = LogRow { changes: Vec::new(), ..row.clone() };
        let mut changed = false;
        for change in row.changes.iter_mut().filter(|change| records.contains(&(change.table(), change.id()))) {
            changed |= note_in(change, &frame, lost, matched);
        }
        if changed {
            hit(Probe::ApplyKeptBefore);
            row.put(tx)?;
        }
    }
    letters::note_others(tx, &records, |change, row| note_in(change, row, lost, matched)).await
}

fn note_in(change: &mut LoggedChange, row: &LogRow, lost: &[Other], matched: &[Other]) -> bool {
    let (table, id) = (change.table().to_owned(), change.id().to_owned());
    let of_record = |other: &&Other| other.table == table && other.id == id;
    let mut changed = false;
    for other in lost.iter().filter(of_record) {
        changed |= change.note_lost(&other.field, &other.edit, row.at);
    }
    for other in matched.iter().filter(of_record) {
        changed |= change.note_matched(&other.field, other.edit.at, row.at);
    }
    changed
}

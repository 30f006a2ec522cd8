//! What comes of the record from the server, and what the server says of this device's changes to it.

use super::{APP, Fact, Known, Phase, ROTATION, Rotation, TABLE};
use crate::crypto::KeyringRecord;
use crate::engine::Engine;
use crate::engine::error::Result;
use crate::engine::events::Event;
use crate::engine::outbox::LogRow;
use crate::engine::ports::Host;
use crate::engine::rows;
use crate::model::{Change, OrderedMap};
use crate::protocol::reply::Settlement;
use crate::protocol::wire::{Rejection, RejectionCode};
use crate::store::{ENGINE, Mode, Store, Transaction};
use serde_json::Value;
use std::rc::Rc;

/// Whether a change from the wire is one of a keyring record.
pub fn is_of_keyring(change: &Value) -> bool {
    change["app"] == APP && change["table"] == TABLE
}

/// The facts of a user's own record that a change carries; nobody else's are of use.
fn facts_in(record: &KeyringRecord, user: &str, change: &Value) -> Vec<Fact> {
    let Ok(change) = Change::parse(change.clone()) else { return Vec::new() };
    if change.id.as_str() != user || change.space_id.is_some() || change.app != *record.app() {
        return Vec::new();
    }
    let fact = |(name, edit): (crate::model::FieldName, crate::model::Edit)| {
        let value = edit.value.as_str()?.to_owned();
        Some(Fact { name: name.into(), value, at: edit.at })
    };
    change.fields.into_iter().filter_map(fact).collect()
}

/// Takes up what a page brings of a user's record; whether anything was new.
pub async fn take<Tx: Transaction>(tx: &Tx, user: &str, changes: &[&Value]) -> Result<bool> {
    let Some(record) = super::record_of(user).filter(|_| !changes.is_empty()) else { return Ok(false) };
    let mut known = Known::read(tx, user).await?;
    let mut is_new = false;
    for fact in changes.iter().flat_map(|change| facts_in(&record, user, change)) {
        is_new |= known.merge(fact);
    }
    if is_new {
        known.write_facts(tx, user)?;
        end_rotation(tx, user, &known).await?;
    }
    Ok(is_new)
}

/// A rotation whose fact is in the record is over. One that was refused stays so, whatever is shown later: its new key was
/// thrown away.
async fn end_rotation<Tx: Transaction>(tx: &Tx, user: &str, known: &Known) -> Result<()> {
    let rotation: Option<Rotation> = rows::read(tx, ROTATION, user).await?;
    let is_over = |rotation: &Rotation| rotation.phase != Phase::Refused && known.facts.contains(&rotation.fact);
    if rotation.as_ref().is_some_and(is_over) {
        rows::remove(tx, ROTATION, user)?;
    }
    Ok(())
}

/// What an answer meant for rows of the log about the record.
#[derive(Default)]
pub struct Settled {
    /// How many changes were taken off.
    pub removed: usize,
    /// Whether something is known now that was not.
    pub changed: bool,
    /// Whether something goes out again.
    pub again: bool,
    /// Whether the clock that stamped something was ahead: it is to be asked for anew, which brings that back.
    pub clock_ahead: bool,
}

/// Works an answer into a row of the log about the record. What the server refuses is dropped: no fact of it is
/// anything a person wrote, and what is still needed is told again.
pub async fn settle<Tx: Transaction>(
    tx: &Tx,
    mut row: LogRow,
    settlement: &Settlement,
    rejected: &OrderedMap<&str, &Rejection>,
    settled: &mut Settled,
) -> Result<()> {
    let before = row.changes.len();
    let user = row.user_id.clone();
    for change in std::mem::take(&mut row.changes) {
        let id = change.event_id();
        let code = rejected.get(id).map(|rejection| rejection.code);
        let is_accepted = settlement.accepted.iter().any(|accepted| accepted.as_str() == id);
        let rotation = rows::read::<_, Rotation>(tx, ROTATION, &user).await?.filter(|one| one.event_id == id);
        let waits = rotation.is_none() && matches!(code, Some(RejectionCode::ClockAhead));
        if code.is_none() && !is_accepted || waits {
            // It is said again for the server's time; what cannot be said by who is here waits until that is its own. A new
            // key does not: it is refused like one that was not the first, and the person makes another.
            settled.again |= code.is_some();
            settled.clock_ahead |= waits;
            row.changes.push(change);
            continue;
        }
        let Some(rotation) = rotation.filter(|one| one.phase == Phase::Logged) else { continue };
        settled.changed = true;
        if is_accepted {
            let mut known = Known::read(tx, &user).await?;
            known.take_own(rotation.fact);
            known.write_facts(tx, &user)?;
            rows::remove(tx, ROTATION, &user)?;
        } else {
            rows::write(tx, ROTATION, &user, Rotation { phase: Phase::Refused, ..rotation })?;
        }
    }
    settled.removed += before - row.changes.len();
    if settled.again {
        row.sent_at = None;
    }
    row.put_or_remove(tx)
}

impl<S: Store, H: Host> Engine<S, H> {
    /// Takes up what a page brings of the user's keyring, and nothing else of it: facts have stamps of their own, so that
    /// needs no clock. Gives whether anything was new.
    pub(in crate::engine) async fn learn_keys(self: &Rc<Self>, changes: &[Value]) -> Result<bool> {
        let user = self.config().user_id().to_owned();
        let changes: Vec<&Value> = changes.iter().filter(|change| is_of_keyring(change)).collect();
        let tx = self.store.begin(Mode::Write, &[ENGINE])?;
        let is_new = take(&tx, &user, &changes).await?;
        tx.commit().await?;
        if is_new {
            self.keyring_changed().await?;
        }
        Ok(is_new)
    }

    /// Reads anew what is known of the user's keys, and acts on it: another tab, or a page, said that it changed.
    pub async fn read_keyring(self: &Rc<Self>) -> Result<()> {
        let user = self.config().user_id().to_owned();
        let tx = self.store.begin(Mode::Read, &[ENGINE])?;
        let known = Known::read(&tx, &user).await?;
        drop(tx);
        if user == self.config().user_id() {
            self.know(known);
        }
        Ok(())
    }

    /// The same, and other tabs are told.
    pub(in crate::engine) async fn keyring_changed(self: &Rc<Self>) -> Result<()> {
        self.read_keyring().await?;
        self.emit(Event::Keyring);
        Ok(())
    }
}

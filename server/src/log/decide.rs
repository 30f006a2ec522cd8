//! What the log's own knowledge says about admitted changes: is the event new, and may this person write that record.

use super::admit::{Admitted, Event, Refusal};
use super::head::next_head;
use super::{ContentHash, Head, KnownEvents, LogRow, RecordKey, StreamId};
use mana_sync_engine::model::{EventId, Op, UserId, Visibility};
use mana_sync_engine::protocol::limits::MAX_LOG_ROW_CHANGES;
use mana_sync_engine::protocol::wire::{Rejection, RejectionCode};
use std::collections::{BTreeMap, BTreeSet};

/// One change of a push after admission.
pub(super) struct Candidate {
    pub event_id: String,
    pub group: Option<String>,
    /// What was sent, where it can be read.
    pub event: Option<Event>,
    pub content: Result<Admitted, Refusal>,
}

/// What the log knows about the candidates, read while their streams are locked.
pub(super) struct Facts {
    pub known: KnownEvents,
    pub heads: BTreeMap<RecordKey, Head>,
}

/// A change to be written, with the withdrawal that goes before it.
pub(super) struct Entry {
    pub admitted: Admitted,
    pub withdraws: bool,
}

/// What becomes of a push.
#[derive(Default)]
pub(super) struct Decision {
    pub accepted: Vec<EventId>,
    pub rejected: Vec<Rejection>,
    pub entries: Vec<Entry>,
    pub heads: BTreeMap<RecordKey, Head>,
}

/// Decides a push: each event id ends in exactly one of the two lists, groups as one.
pub(super) fn decide(candidates: Vec<Candidate>, facts: &Facts, user: &UserId) -> Decision {
    let mut decision = Decision::default();
    for unit in units(candidates) {
        decide_unit(unit, facts, user, &mut decision);
    }
    decision
}

/// Splits a push into what is accepted or rejected as one, in the order sent. An id sent twice is kept once; sent twice
/// with different contents it names nothing, so both are refused.
fn units(candidates: Vec<Candidate>) -> Vec<Vec<Candidate>> {
    let mut units: Vec<Vec<Candidate>> = Vec::new();
    let mut seen: BTreeMap<String, (usize, usize)> = BTreeMap::new();
    let mut groups: BTreeMap<String, usize> = BTreeMap::new();
    for candidate in candidates {
        if let Some(&(unit, at)) = seen.get(&candidate.event_id) {
            merge_twin(&mut units[unit][at], &candidate);
            continue;
        }
        let unit = match &candidate.group {
            Some(group) => *groups.entry(group.clone()).or_insert(units.len()),
            None => units.len(),
        };
        if unit == units.len() {
            units.push(Vec::new());
        }
        seen.insert(candidate.event_id.clone(), (unit, units[unit].len()));
        units[unit].push(candidate);
    }
    units
}

fn merge_twin(first: &mut Candidate, second: &Candidate) {
    let same = match (&first.content, &second.content) {
        (Ok(first), Ok(second)) => first.hash == second.hash,
        (Err(_), _) => true,
        (Ok(_), Err(_)) => false,
    };
    if !same {
        let message = "the push names two changes by this id";
        first.content = Err(Refusal::new(RejectionCode::EventIdReused, message));
        first.event = None;
    }
}

fn decide_unit(unit: Vec<Candidate>, facts: &Facts, user: &UserId, decision: &mut Decision) {
    let oversized = unit.len() > MAX_LOG_ROW_CHANGES;
    let (before, heads, entries, known) = (&decision.heads, BTreeMap::new(), Vec::new(), Vec::new());
    let mut trial = Trial { facts, user, before, oversized, heads, entries, known };
    let mut refusals: BTreeMap<String, Refusal> = BTreeMap::new();
    for candidate in unit {
        let event = candidate.event;
        let taken = match candidate.content {
            Ok(admitted) => trial.take(admitted),
            Err(refusal) => trial.recall(event, refusal),
        };
        if let Err(refusal) = taken {
            refusals.insert(candidate.event_id, refusal);
        }
    }
    let Trial { heads, entries, known, .. } = trial;
    decision.accepted.extend(known);
    if refusals.is_empty() {
        decision.accepted.extend(entries.iter().map(|entry| entry.admitted.change.event_id.clone()));
        decision.entries.extend(entries);
        decision.heads.extend(heads);
    } else {
        decision.rejected.extend(reject_unit(refusals, &entries));
    }
}

/// A unit being decided: what would become of its changes if none of them is refused.
struct Trial<'a> {
    facts: &'a Facts,
    user: &'a UserId,
    /// Heads as the units before leave them.
    before: &'a BTreeMap<RecordKey, Head>,
    oversized: bool,
    heads: BTreeMap<RecordKey, Head>,
    entries: Vec<Entry>,
    known: Vec<EventId>,
}

impl Trial<'_> {
    /// What the log has is accepted again, whatever would be said of it today: its answer was lost, and a refusal now would
    /// make its sender write it anew.
    fn recall(&mut self, event: Option<Event>, refusal: Refusal) -> Result<(), Refusal> {
        match event {
            Some((id, hash)) if self.facts.known.get(&id) == Some(&hash) => {
                self.known.push(id);
                Ok(())
            }
            _ => Err(refusal),
        }
    }

    fn take(&mut self, mut admitted: Admitted) -> Result<(), Refusal> {
        if is_known(&admitted, &self.facts.known)? {
            self.known.push(admitted.change.event_id);
            return Ok(());
        }
        if self.oversized {
            let message = format!("a group has at most {MAX_LOG_ROW_CHANGES} changes");
            return Err(Refusal::new(RejectionCode::InvalidChange, message));
        }
        let key = key_of(&admitted);
        let head = self.heads.get(&key).or_else(|| self.before.get(&key)).or_else(|| self.facts.heads.get(&key));
        let (head, withdraws) = next_head(head, &admitted, self.user)?;
        // An insert may be older than what was said last of who sees the record: that holds for its row, too.
        admitted.change.visibility = head.visibility;
        self.heads.insert(key, head);
        self.entries.push(Entry { admitted, withdraws });
        Ok(())
    }
}

/// Every change of a refused unit under one code, so that the client treats the group as one: a code that refuses for
/// good beats one that asks for another attempt.
fn reject_unit(refusals: BTreeMap<String, Refusal>, others: &[Entry]) -> Vec<Rejection> {
    let again = [RejectionCode::EventIdReused, RejectionCode::ClockAhead, RejectionCode::VisibilityMismatch];
    let for_good = refusals.iter().find(|(_, refusal)| !again.contains(&refusal.code));
    let Some((cause, code)) = for_good.or(refusals.iter().next()).map(|(id, r)| (id.clone(), r.code)) else {
        return Vec::new();
    };
    // What is no id may be as long as the whole push, and would stand in the answer for every change of the group.
    let cause = EventId::parse(cause).map_or_else(|_| "without an id".to_owned(), |id| format!("'{id}'"));
    let with_group = others.iter().map(|entry| Rejection {
        event_id: entry.admitted.change.event_id.to_string(),
        code,
        message: format!("rejected with change {cause} of its group"),
    });
    let rest: Vec<Rejection> = with_group.collect();
    let own = refusals.into_iter().map(|(event_id, r)| Rejection { event_id, code, message: r.message });
    own.chain(rest).collect()
}

fn is_known(admitted: &Admitted, known: &BTreeMap<EventId, ContentHash>) -> Result<bool, Refusal> {
    match known.get(&admitted.change.event_id) {
        None => Ok(false),
        Some(hash) if *hash == admitted.hash => Ok(true),
        Some(_) => Err(Refusal::new(RejectionCode::EventIdReused, "the id names another change already")),
    }
}

/// The record an admitted change belongs to.
pub(super) fn key_of(admitted: &Admitted) -> RecordKey {
    let change = &admitted.change;
    let collection = super::Collection { app: change.app.clone(), table: change.table.clone() };
    RecordKey { stream: admitted.stream.clone(), collection, id: change.id.clone() }
}

/// The streams with news after these rows, each with its tables. What is private is news to its author alone.
pub(super) fn news(rows: &[LogRow]) -> BTreeMap<StreamId, BTreeSet<super::Collection>> {
    let mut news: BTreeMap<StreamId, BTreeSet<super::Collection>> = BTreeMap::new();
    for row in rows {
        let private = row.change.visibility == Visibility::Private && row.change.op != Op::Withdraw;
        let audience = if private { StreamId::User(row.user.clone()) } else { row.stream.clone() };
        news.entry(audience).or_default().insert(row.collection());
    }
    news
}

//! What the log's own knowledge says about admitted changes: is the event new, may this person write that record, and
//! what becomes of its head.

use super::admit::{Admitted, Refusal};
use super::{ContentHash, Deletion, Head, KnownEvents, LogRow, RecordKey, StreamId};
use mana_sync_engine::model::{Change, DELETED_AT, EventId, FieldName, Op, UserId, Visibility};
use mana_sync_engine::protocol::limits::MAX_LOG_ROW_CHANGES;
use mana_sync_engine::protocol::wire::{Rejection, RejectionCode};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// One change of a push after admission.
pub(super) struct Candidate {
    pub event_id: String,
    pub group: Option<String>,
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
    }
}

fn decide_unit(unit: Vec<Candidate>, facts: &Facts, user: &UserId, decision: &mut Decision) {
    let mut heads = BTreeMap::new();
    let mut entries = Vec::new();
    let mut refusals: BTreeMap<String, Refusal> = BTreeMap::new();
    let (mut known, mut new) = (Vec::new(), Vec::new());
    let oversized = unit.len() > MAX_LOG_ROW_CHANGES;
    for candidate in unit {
        let verdict = candidate.content.and_then(|admitted| {
            if is_known(&admitted, &facts.known)? {
                known.push(admitted.change.event_id);
                return Ok(());
            }
            if oversized {
                let message = format!("a group has at most {MAX_LOG_ROW_CHANGES} changes");
                return Err(Refusal::new(RejectionCode::InvalidChange, message));
            }
            let key = key_of(&admitted);
            let head = heads.get(&key).or_else(|| decision.heads.get(&key)).or_else(|| facts.heads.get(&key));
            let (head, withdraws) = next_head(head, &admitted, user)?;
            heads.insert(key, head);
            new.push(admitted.change.event_id.clone());
            entries.push(Entry { admitted, withdraws });
            Ok(())
        });
        if let Err(refusal) = verdict {
            refusals.insert(candidate.event_id, refusal);
        }
    }
    decision.accepted.extend(known);
    if refusals.is_empty() {
        decision.accepted.extend(new);
        decision.entries.extend(entries);
        decision.heads.extend(heads);
    } else {
        decision.rejected.extend(reject_unit(refusals, &new));
    }
}

/// Every change of a refused unit under one code, so that the client treats the group as one: a code that sends a change
/// back for good beats one that asks for another attempt.
fn reject_unit(refusals: BTreeMap<String, Refusal>, others: &[EventId]) -> Vec<Rejection> {
    let again = [RejectionCode::EventIdReused, RejectionCode::ClockAhead, RejectionCode::VisibilityMismatch];
    let for_good = refusals.iter().find(|(_, refusal)| !again.contains(&refusal.code));
    let Some((cause, code)) = for_good.or(refusals.iter().next()).map(|(id, r)| (id.clone(), r.code)) else {
        return Vec::new();
    };
    let with_group = others.iter().map(|id| Rejection {
        event_id: id.to_string(),
        code,
        message: format!("rejected with change '{cause}' of its group"),
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

/// The record's head after this change, and whether the change takes the record away from other readers.
///
/// Visibility changes hands only by an insert of the author's that carries the whole record. A private record belongs to
/// its author alone. Where only updates have come so far, the first insert says who the author is.
fn next_head(head: Option<&Head>, admitted: &Admitted, user: &UserId) -> Result<(Head, bool), Refusal> {
    let change = &admitted.change;
    let Some(head) = head else {
        let owns = change.op == Op::Insert || change.visibility == Visibility::Private;
        let author = owns.then(|| user.clone());
        return Ok((Head { author, visibility: change.visibility, deletion: deletion_of(change) }, false));
    };
    let is_author = head.author.as_ref() == Some(user) || (head.author.is_none() && change.op == Op::Insert);
    if head.visibility == Visibility::Private && !is_author {
        return Err(Refusal::new(RejectionCode::NotTheAuthor, "the record is private to its author"));
    }
    let flips = head.visibility != change.visibility;
    if flips && change.op != Op::Insert {
        return Err(Refusal::new(RejectionCode::VisibilityMismatch, "the record's visibility is another now"));
    }
    if flips && !is_author {
        return Err(Refusal::new(RejectionCode::NotTheAuthor, "only its author changes a record's visibility"));
    }
    let author = head.author.clone().or_else(|| is_author.then(|| user.clone()));
    let deletion = newer(head.deletion, deletion_of(change));
    let withdraws = flips && change.visibility == Visibility::Private && matches!(admitted.stream, StreamId::Space(_));
    Ok((Head { author, visibility: change.visibility, deletion }, withdraws))
}

fn deletion_of(change: &Change) -> Option<Deletion> {
    let edit = FieldName::parse(DELETED_AT).ok().and_then(|name| change.fields.get(&name))?;
    Some(Deletion { at: edit.at, deleted: edit.value != Value::Null })
}

/// The merge's own rule for one field: the newer stamp, then the greater value (`null` sorts after a date's quote).
fn newer(a: Option<Deletion>, b: Option<Deletion>) -> Option<Deletion> {
    a.into_iter().chain(b).max_by_key(|deletion| (deletion.at, !deletion.deleted))
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

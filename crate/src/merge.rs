//! Field-level last-writer-wins: the whole rule.
//!
//! Per field the greater stamp wins; equal stamps are decided by kind (plaintext, then envelopes by format and key
//! generation), then by the greater RFC 8785 bytes. That is a total order over (stamp, value), so the result does not
//! depend on order, duplicates or replica. Merging reads stamps; it asks for values only on ties, and never for keys.

use crate::model::{AUTHOR_ID, Change, FieldName, ID, Op, SPACE_ID, Stamp, USER_ID, VISIBILITY, canonical_bytes};
use serde_json::Value;
use std::cmp::Ordering;

/// What merging may ask about the stored record.
pub trait RecordView {
    /// The stamp of a field; `None` when the record has no metadata for it.
    fn stamp(&self, field: &str) -> Option<Stamp>;
    /// The stored value of a field; `null` when it has none.
    fn value(&self, field: &str) -> Value;
    /// The record's space as the wire names it; `None` for user-level records.
    fn space(&self) -> Option<String>;
}

/// What an incoming change does to a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// There is no such record: it is created with all fields.
    Create,
    /// The named fields are taken, all others stay. None named: the change brings nothing new.
    Take(Vec<FieldName>),
    /// An update or delete of a record whose insert has not come.
    Park,
    /// The change names another space than the record's.
    SpaceMismatch,
    /// The record leaves this device.
    Remove,
}

/// Decides what `change` does to the record in `view`; `None` when there is none.
pub fn merge(change: &Change, view: Option<&impl RecordView>) -> Outcome {
    let Some(view) = view else {
        return match change.op {
            Op::Insert => Outcome::Create,
            Op::Update | Op::Delete => Outcome::Park,
            Op::Withdraw => Outcome::Take(Vec::new()),
        };
    };
    if view.space().as_deref() != change.space_id.as_ref().map(AsRef::as_ref) {
        return Outcome::SpaceMismatch;
    }
    if change.op == Op::Withdraw {
        return Outcome::Remove;
    }
    let author = author_after(change, view);
    let taken = change.fields.iter().filter(|(name, edit)| match name.as_str() {
        ID | SPACE_ID | USER_ID => false,
        AUTHOR_ID => author == Author::Incoming,
        VISIBILITY if author == Author::Incoming && is_of_another(change, view) => true,
        VISIBILITY => is_by_author(change, view, author) && wins(edit.at, &edit.value, view, VISIBILITY),
        field => wins(edit.at, &edit.value, view, field),
    });
    Outcome::Take(taken.map(|(name, _)| name.clone()).collect())
}

/// Orders two values under equal stamps: kind first, then canonical bytes. `Greater` means `a` wins over `b`.
#[must_use]
pub fn tie_order(a: &Value, b: &Value) -> Ordering {
    kind(a).cmp(&kind(b)).then_with(|| canonical_bytes(a).cmp(&canonical_bytes(b)))
}

fn wins(at: Stamp, value: &Value, view: &impl RecordView, field: &str) -> bool {
    match view.stamp(field) {
        None => true,
        Some(local) => at.cmp(&local).then_with(|| tie_order(value, &view.value(field))) == Ordering::Greater,
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Author {
    Stored,
    Incoming,
}

/// Of two inserts of one record the earlier gives the author; under one stamp the lower id does.
fn author_after(change: &Change, view: &impl RecordView) -> Author {
    let Some((_, incoming)) = change.fields.iter().find(|(name, _)| name.as_str() == AUTHOR_ID) else {
        return Author::Stored;
    };
    let earlier = match view.stamp(AUTHOR_ID) {
        None => true,
        Some(local) => (incoming.at, author_bytes(&incoming.value)) < (local, author_bytes(&view.value(AUTHOR_ID))),
    };
    if change.op == Op::Insert && earlier { Author::Incoming } else { Author::Stored }
}

/// Whether an insert that gives the author names another one than the record: what that one said about who sees the
/// record was not for them to say.
fn is_of_another(change: &Change, view: &impl RecordView) -> bool {
    let incoming = change.fields.iter().find(|(name, _)| name.as_str() == AUTHOR_ID);
    view.stamp(AUTHOR_ID).is_some() && incoming.is_some_and(|(_, edit)| edit.value != view.value(AUTHOR_ID))
}

/// Only the author decides who sees a record. A change without a verified writer is the user's own or a legacy one.
fn is_by_author(change: &Change, view: &impl RecordView, author: Author) -> bool {
    match (&change.user_id, author) {
        (None, _) | (_, Author::Incoming) => true,
        (Some(writer), Author::Stored) => view.value(AUTHOR_ID).as_str().is_none_or(|stored| stored == writer.as_str()),
    }
}

fn author_bytes(value: &Value) -> Vec<u8> {
    value.as_str().unwrap_or_default().as_bytes().to_vec()
}

/// Plaintext, then `enc:1`, then `enc:2` by key generation.
fn kind(value: &Value) -> (u8, u32) {
    let Some(text) = value.as_str() else { return (0, 0) };
    if let Some(rest) = text.strip_prefix("enc:2:") {
        let generation = rest.get(..4).and_then(|hex| u32::from_str_radix(hex, 16).ok());
        return generation.map_or((0, 0), |generation| (2, generation));
    }
    if text.starts_with("enc:1:") { (1, 0) } else { (0, 0) }
}

#[cfg(test)]
mod tests;

//! Changes as protocol 1 says them.

use crate::model::{AUTHOR_ID, Actor, Change, DELETED_AT, Edit, FieldName, Object, Op, Stamp, UPDATED_AT};
use serde_json::{Map, Value};

/// The changes that say what this one says, in their order.
///
/// An insert has one time for all its fields, which stands in its data: that of the field which says who made the record, as
/// only an insert says that. Fields with another time follow as an update. One that has no field of its own time is nothing but
/// that update. What protocol 1 has no words for is left out: who sees the
/// record, the stamps that the writer saw, where a record went.
#[must_use]
pub fn said(change: &Change) -> Vec<Value> {
    match change.op {
        Op::Insert => inserted(change),
        Op::Update => vec![updated(change, change.fields.iter())],
        // Also what is taken away from its reader: that goes from their devices, and they say nothing of it.
        Op::Delete | Op::Withdraw => vec![with(change, "delete", "deletedAt", deleted_at(change).into())],
    }
}

fn deleted_at(change: &Change) -> Stamp {
    let edit = change.fields.iter().find(|(name, _)| name.as_str() == DELETED_AT);
    edit.map_or(change.at, |(_, edit)| edit.at)
}

fn inserted(change: &Change) -> Vec<Value> {
    let author = change.fields.iter().find(|(name, _)| name.as_str() == AUTHOR_ID);
    let made_at = author.map_or(change.at, |(_, edit)| edit.at);
    let (own, others): (Vec<_>, Vec<_>) = change.fields.iter().partition(|(_, edit)| edit.at == made_at);
    let mut said = Vec::new();
    if !own.is_empty() {
        said.push(with(change, "insert", "data", Value::Object(data(made_at, &own))));
    }
    if own.is_empty() || !others.is_empty() {
        said.push(updated(change, others.into_iter()));
    }
    said
}

fn data(made_at: Stamp, own: &[(&FieldName, &Edit)]) -> Map<String, Value> {
    let mut data = Map::new();
    for (name, edit) in own {
        data.insert(name.as_str().to_owned(), edit.value.clone());
    }
    // That is where older clients look for it. What one of them sent without it stays as it was sent.
    let created = data.get("createdAt").and_then(Value::as_str).and_then(|at| Stamp::parse(at).ok());
    if made_at != Stamp::UNKNOWN && created != Some(made_at) && !data.contains_key(UPDATED_AT) {
        data.insert(UPDATED_AT.to_owned(), made_at.into());
    }
    data
}

fn updated<'a>(change: &Change, edits: impl Iterator<Item = (&'a FieldName, &'a Edit)>) -> Value {
    let mut fields = Object::new();
    for (name, edit) in edits {
        fields = fields.with(name.as_str(), Object::new().with("value", edit.value.clone()).with("at", edit.at));
    }
    with(change, "update", "fields", fields.into())
}

fn with(change: &Change, op: &str, part: &str, what: Value) -> Value {
    let said = Object::new().with("eventId", change.event_id.clone()).with("schemaVersion", change.schema_version);
    let said = said.with("table", change.table.clone()).with("id", change.id.clone()).with("op", op);
    let said = said.with("origin", change.origin).with(part, what);
    let said = said.with_any("spaceId", change.space_id.clone().into());
    said.with_any("actor", change.actor.as_ref().map(Actor::to_json).into()).into()
}

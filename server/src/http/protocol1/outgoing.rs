//! Changes of the log as protocol 1 says them.

use crate::log::Dated;
use mana_sync_engine::model::{Actor, Change, DELETED_AT, Edit, FieldName, Op, Stamp};
use serde_json::{Map, Value, json};

/// How much of a change is said: the server before this one left out some of it in streams.
#[derive(Debug, Clone, Copy)]
pub(super) enum Form {
    Whole,
    InStream,
}

/// What a stream leaves out.
const NOT_IN_STREAMS: [&str; 3] = ["eventId", "schemaVersion", "spaceId"];

/// The changes that say what these rows say, in their order.
pub(super) fn served(rows: Vec<Dated>, form: Form) -> Vec<Value> {
    let mut changes = Vec::with_capacity(rows.len());
    for row in rows {
        match row {
            Dated::Row(change) => changes.extend(said(&change)),
            Dated::Withheld(change) => changes.push(change),
        }
    }
    if let Form::InStream = form {
        for change in changes.iter_mut().filter_map(Value::as_object_mut) {
            change.retain(|name, _| !NOT_IN_STREAMS.contains(&name.as_str()));
        }
    }
    changes
}

fn said(change: &Change) -> Vec<Value> {
    match change.op {
        Op::Insert => inserted(change),
        Op::Update => vec![with(change, "update", [("fields", fields(change.fields.iter()))])],
        // Also what is taken away from its reader: that goes from their devices, and they say nothing of it.
        Op::Delete | Op::Withdraw => vec![with(change, "delete", [("deletedAt", json!(deleted_at(change)))])],
    }
}

fn deleted_at(change: &Change) -> Stamp {
    let edit = change.fields.iter().find(|(name, _)| name.as_str() == DELETED_AT);
    edit.map_or(change.at, |(_, edit)| edit.at)
}

/// An insert has one time for all its fields; those with another follow as an update. One that has none of its own is nothing but
/// that update.
fn inserted(change: &Change) -> Vec<Value> {
    let (own, others): (Vec<_>, Vec<_>) = change.fields.iter().partition(|(_, edit)| edit.at == change.at);
    if own.is_empty() {
        return vec![with(change, "update", [("fields", fields(others.into_iter()))])];
    }
    let mut data: Map<String, Value> = own.into_iter().map(named).collect();
    // That is where older clients look for it. What one of them sent without it stays as it was sent.
    let created = data.get("createdAt").and_then(Value::as_str).and_then(|at| Stamp::parse(at).ok());
    if change.at != Stamp::EPOCH && created != Some(change.at) {
        data.entry("updatedAt").or_insert_with(|| json!(change.at));
    }
    let mut said = vec![with(change, "insert", [("data", Value::Object(data))])];
    if !others.is_empty() {
        said.push(with(change, "update", [("fields", fields(others.into_iter()))]));
    }
    said
}

fn named((name, edit): (&FieldName, &Edit)) -> (String, Value) {
    (name.as_str().to_owned(), edit.value.clone())
}

fn fields<'a>(edits: impl Iterator<Item = (&'a FieldName, &'a Edit)>) -> Value {
    let field =
        |(name, edit): (&FieldName, &Edit)| (name.as_str().to_owned(), json!({ "value": edit.value, "at": edit.at }));
    Value::Object(edits.map(field).collect())
}

fn with<const N: usize>(change: &Change, op: &str, members: [(&str, Value); N]) -> Value {
    let mut said = json!({ "eventId": change.event_id, "schemaVersion": change.schema_version, "table": change.table,
        "id": change.id, "op": op, "origin": change.origin });
    if let Some(said) = said.as_object_mut() {
        said.extend(members.map(|(name, value)| (name.to_owned(), value)));
        said.extend(change.space_id.iter().map(|space| ("spaceId".to_owned(), json!(space))));
        said.extend(change.actor.iter().map(|actor| ("actor".to_owned(), Actor::to_json(actor))));
    }
    said
}

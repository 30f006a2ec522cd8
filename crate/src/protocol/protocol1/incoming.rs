//! Changes of protocol 1 as protocol 2 says them.

use crate::model::{AUTHOR_ID, AppId, DELETED_AT, SPACE_ID, Stamp, UPDATED_AT, VISIBILITY};
use crate::protocol::limits::MAX_PULL_AHEAD_MS;
use serde_json::{Map, Value};

/// What is read of a change; the rest is dropped.
const KNOWN: [&str; 11] =
    ["eventId", "schemaVersion", "table", "id", "op", "data", "fields", "deletedAt", "spaceId", "actor", "origin"];

/// The length of a stamp with a counter, which no older client writes.
const WITH_COUNTER: usize = 27;

/// A change that a server sent `user`, which is `now` by its own clock. `None` where it says nothing but when its record
/// changed last, which follows from the stamps of the fields; or where it is another's private record, which such a server
/// keeps from nobody.
///
/// What is malformed stays so: it is refused where changes are read.
#[must_use]
pub fn received(change: Value, app: &AppId, user: &str, now: Stamp) -> Option<Value> {
    let Value::Object(mut change) = change else { return Some(change) };
    tidy(&mut change);
    // A record that is made so much later than now was not: nothing is known of its time then.
    if let Some(data) = change.get_mut("data").and_then(Value::as_object_mut)
        && stamp(data.get("createdAt")).is_some_and(|created| created.ms() > now.ms() + MAX_PULL_AHEAD_MS)
        && stamp(data.get(UPDATED_AT)).is_none()
    {
        data.insert(UPDATED_AT.to_owned(), Stamp::UNKNOWN.into());
    }
    let mut said = translated(&change, app);
    for part in ["data", "fields"] {
        said.get_mut(part).and_then(Value::as_object_mut).and_then(|fields| fields.remove(UPDATED_AT));
    }
    let says_nothing =
        op(&said) == "update" && said.get("fields").is_some_and(|fields| *fields == Value::Object(Map::new()));
    let author = said.get("data").and_then(|data| data.get(AUTHOR_ID)).and_then(Value::as_str);
    let is_anothers = said.get("visibility") == Some(&"private".into()) && author.is_some_and(|author| author != user);
    (!says_nothing && !is_anothers).then_some(Value::Object(said))
}

/// Drops what is not read of a change, and has its member `spaceId` alone name its space.
pub fn tidy(change: &mut Map<String, Value>) {
    change.retain(|name, value| KNOWN.contains(&name.as_str()) && !value.is_null());
    match space(change).map(str::to_owned) {
        Some(space) => drop(change.insert("spaceId".to_owned(), space.into())),
        None => drop(change.remove("spaceId")),
    }
}

/// A change of an app as protocol 2 says it, whose space is named by its member `spaceId` alone.
#[must_use]
pub fn translated(change: &Map<String, Value>, app: &AppId) -> Map<String, Value> {
    let mut said = change.clone();
    let (visibility, at) = (visibility(change).to_owned(), written_at(change));
    if op(change) == "delete" {
        said.remove("data");
        said.remove("fields");
    }
    if let Some(deleted_at) = deletion(change) {
        said.insert("deletedAt".to_owned(), deleted_at.into());
    }
    if let Some(data) = said.get_mut("data").and_then(Value::as_object_mut) {
        // No space is none, however it is written.
        data.retain(|name, value| name != SPACE_ID || value != "");
        // A time with a counter was put there for older readers by a client that knows when each field was written.
        data.retain(|name, value| name != UPDATED_AT || value.as_str().is_none_or(|at| at.len() != WITH_COUNTER));
    }
    said.insert("visibility".to_owned(), visibility.into());
    said.insert("at".to_owned(), at.into());
    said.insert("app".to_owned(), app.clone().into());
    said
}

/// When it was written. An insert says so in its data, or not at all: then it is older than every edit, so that none of
/// those made since is lost to it.
fn written_at(change: &Map<String, Value>) -> Stamp {
    let written = match op(change) {
        "insert" => change.get("data").and_then(inserted_at),
        "delete" => deletion(change),
        _ => edits(change).filter_map(|edit| stamp(edit.get("at"))).max(),
    };
    written.unwrap_or(Stamp::UNKNOWN)
}

/// The first of the places where a change may name its space; an empty name is none.
fn space(change: &Map<String, Value>) -> Option<&str> {
    let places = [
        change.get("spaceId"),
        change.get("data").and_then(|data| data.get(SPACE_ID)),
        change.get("fields").and_then(|fields| fields.get(SPACE_ID)).and_then(|edit| edit.get("value")),
    ];
    places.into_iter().flatten().filter_map(Value::as_str).find(|space| !space.is_empty())
}

/// When it deleted its record; `None` where it does something else.
fn deletion(change: &Map<String, Value>) -> Option<Stamp> {
    if op(change) != "delete" {
        return None;
    }
    let edit = change.get("fields").and_then(|fields| fields.get(DELETED_AT));
    stamp(change.get("deletedAt")).or_else(|| stamp(edit?.get("at"))).or_else(|| stamp(edit?.get("value")))
}

fn visibility(change: &Map<String, Value>) -> &str {
    let of_data = change.get("data").and_then(|data| data.get(VISIBILITY));
    let of_fields = || change.get("fields")?.get(VISIBILITY)?.get("value");
    of_data.or_else(of_fields).and_then(Value::as_str).unwrap_or("space")
}

fn op(change: &Map<String, Value>) -> &str {
    change.get("op").and_then(Value::as_str).unwrap_or_default()
}

fn edits(change: &Map<String, Value>) -> impl Iterator<Item = &Value> {
    change.get("fields").and_then(Value::as_object).into_iter().flat_map(|fields| fields.values())
}

fn inserted_at(data: &Value) -> Option<Stamp> {
    stamp(data.get(UPDATED_AT)).or_else(|| stamp(data.get("createdAt")))
}

fn stamp(value: Option<&Value>) -> Option<Stamp> {
    Stamp::parse(value?.as_str()?).ok()
}

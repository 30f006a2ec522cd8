//! Changes of protocol 1 as protocol 2 says them.

use mana_sync_engine::model::{AppId, EventId, Stamp};
use mana_sync_engine::protocol::limits::MAX_PUSH_AHEAD_MS;
use serde_json::{Map, Value, json};

/// What else stands in a change is dropped.
const KNOWN: [&str; 9] = ["table", "id", "op", "data", "fields", "deletedAt", "spaceId", "actor", "origin"];

/// A change as an older client sent it, put in order: under an id, and with no stamp that is far ahead of the server.
#[derive(Debug, Clone)]
pub(super) struct Incoming {
    pub event_id: EventId,
    pub change: Map<String, Value>,
    /// What was found out about it since, which its client does not know to say.
    mending: Mending,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mending {
    None,
    /// It belongs to a record that only its author sees.
    OfPrivateRecord,
    /// It hides its record, which is said by an insert.
    Hides,
}

/// Why a push is refused as a whole, as the server before this one said it.
pub(super) fn check(at: usize, change: &Value) -> Result<(), String> {
    let text = |name: &str| change.get(name).and_then(Value::as_str).unwrap_or_default();
    let is_name = |name: &str| !text(name).is_empty() && !text(name).chars().any(char::is_control);
    if !is_name("table") || !is_name("id") {
        return Err(format!("missing table or id in change {at}"));
    }
    match text("op") {
        "insert" | "update" | "delete" => Ok(()),
        other => Err(format!("invalid op {} in change {at}", json!(other))),
    }
}

impl Incoming {
    /// Puts a change in order. `event_id` is used where the client gave none.
    pub fn new(change: Value, event_id: EventId, schema_version: u64, now: Stamp) -> Self {
        let Value::Object(mut change) = change else {
            return Self { event_id, change: Map::new(), mending: Mending::None };
        };
        let given = change.get("eventId").and_then(Value::as_str).and_then(|id| EventId::parse(id).ok());
        let version = change.get("schemaVersion").and_then(Value::as_u64).filter(|version| *version > 0);
        change.retain(|name, value| KNOWN.contains(&name.as_str()) && !value.is_null());
        let event_id = given.unwrap_or(event_id);
        change.insert("schemaVersion".to_owned(), json!(version.unwrap_or(schema_version).max(1)));
        match space(&change).map(str::to_owned) {
            Some(space) => drop(change.insert("spaceId".to_owned(), json!(space))),
            None => drop(change.remove("spaceId")),
        }
        clamp(&mut change, Stamp::at_ms(now.ms() + MAX_PUSH_AHEAD_MS));
        Self { event_id, change, mending: Mending::None }
    }

    /// The change as protocol 1 has it.
    pub fn as_sent(&self) -> Value {
        let mut change = self.change.clone();
        change.insert("eventId".to_owned(), json!(self.event_id));
        Value::Object(change)
    }

    /// The change as protocol 2 has it.
    pub fn as_protocol_2(&self, app: &AppId) -> Value {
        let mut change = self.change.clone();
        let deleted_at = deletion(&change);
        if self.op() == "delete" {
            change.remove("data");
            change.remove("fields");
        }
        if let Some(deleted_at) = deleted_at {
            change.insert("deletedAt".to_owned(), json!(deleted_at));
        }
        if let Some(data) = change.get_mut("data").and_then(Value::as_object_mut) {
            // No space is none, however it is written.
            data.retain(|name, value| name != "spaceId" || value != "");
        }
        let visibility = match self.mending {
            Mending::OfPrivateRecord => "private",
            Mending::Hides | Mending::None => visibility(&change),
        };
        let visibility = json!(visibility);
        let mut at = self.at();
        if self.mending == Mending::Hides {
            change.insert("op".to_owned(), json!("insert"));
            // After all its fields, so that it goes out again as the update that came.
            at = at.next();
        }
        change.insert("visibility".to_owned(), visibility);
        change.insert("at".to_owned(), json!(at));
        change.insert("app".to_owned(), json!(app));
        change.insert("eventId".to_owned(), json!(self.event_id));
        Value::Object(change)
    }

    /// Says what older clients do not know to say of who sees a record; and whether that is worth another attempt.
    ///
    /// An update that says nothing of it may belong to a private record. One that hides its record does so; one that shows it
    /// would show others a part of it only.
    pub fn mend_visibility(&mut self) -> bool {
        let named = |part: &str| self.change.get(part)?.get("visibility");
        let mending = match (named("data"), named("fields").map(|edit| edit.get("value"))) {
            (None, None) => Mending::OfPrivateRecord,
            (None, Some(Some(value))) if value == "private" && self.op() == "update" => Mending::Hides,
            _ => return false,
        };
        let is_new = self.mending == Mending::None;
        self.mending = mending;
        is_new
    }

    pub fn op(&self) -> &str {
        self.change.get("op").and_then(Value::as_str).unwrap_or_default()
    }

    pub fn table(&self) -> &str {
        self.change.get("table").and_then(Value::as_str).unwrap_or_default()
    }

    /// When it was written. An insert says so in its data, or not at all: then it is older than every edit, so that none of
    /// those made since is lost to it.
    fn at(&self) -> Stamp {
        match self.op() {
            "insert" => inserted_at(&self.change).unwrap_or(Stamp::EPOCH),
            "delete" => deletion(&self.change).unwrap_or(Stamp::EPOCH),
            _ => edits(&self.change).filter_map(|edit| stamp(edit.get("at"))).max().unwrap_or(Stamp::EPOCH),
        }
    }
}

/// The first of the places where a change may name its space; an empty name is none.
fn space(change: &Map<String, Value>) -> Option<&str> {
    let places = [
        change.get("spaceId"),
        change.get("data").and_then(|data| data.get("spaceId")),
        change.get("fields").and_then(|fields| fields.get("spaceId")).and_then(|edit| edit.get("value")),
    ];
    places.into_iter().flatten().filter_map(Value::as_str).find(|space| !space.is_empty())
}

fn visibility(change: &Map<String, Value>) -> &str {
    let of_data = change.get("data").and_then(|data| data.get("visibility"));
    let of_fields = || change.get("fields")?.get("visibility")?.get("value");
    of_data.or_else(of_fields).and_then(Value::as_str).unwrap_or("space")
}

fn edits(change: &Map<String, Value>) -> impl Iterator<Item = &Value> {
    change.get("fields").and_then(Value::as_object).into_iter().flat_map(|fields| fields.values())
}

fn inserted_at(change: &Map<String, Value>) -> Option<Stamp> {
    let data = change.get("data")?;
    stamp(data.get("updatedAt")).or_else(|| stamp(data.get("createdAt")))
}

fn deletion(change: &Map<String, Value>) -> Option<Stamp> {
    if change.get("op").and_then(Value::as_str) != Some("delete") {
        return None;
    }
    let edit = change.get("fields").and_then(|fields| fields.get("deletedAt"));
    stamp(change.get("deletedAt")).or_else(|| stamp(edit?.get("at"))).or_else(|| stamp(edit?.get("value")))
}

fn stamp(value: Option<&Value>) -> Option<Stamp> {
    Stamp::parse(value?.as_str()?).ok()
}

/// A clock that is ahead would beat everybody's edits until that time comes.
fn clamp(change: &mut Map<String, Value>, latest: Stamp) {
    let hold = |value: Option<&mut Value>| {
        if let Some(value) = value.filter(|value| stamp(Some(value)).is_some_and(|at| at > latest)) {
            *value = json!(latest);
        }
    };
    hold(change.get_mut("deletedAt"));
    if let Some(data) = change.get_mut("data").and_then(Value::as_object_mut) {
        hold(data.get_mut("updatedAt"));
        hold(data.get_mut("createdAt"));
    }
    for (name, edit) in change.get_mut("fields").and_then(Value::as_object_mut).into_iter().flatten() {
        if name == "deletedAt" || name == "updatedAt" {
            hold(edit.get_mut("value"));
        }
        hold(edit.get_mut("at"));
    }
}

#[cfg(test)]
mod tests;

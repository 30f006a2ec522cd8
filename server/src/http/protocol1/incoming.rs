//! Changes of protocol 1 as protocol 2 says them.

use mana_sync_engine::model::{AppId, EventId, Stamp};
use mana_sync_engine::protocol::limits::MAX_PUSH_AHEAD_MS;
use mana_sync_engine::protocol::protocol1::{tidy, translated};
use serde_json::{Map, Value, json};

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
        tidy(&mut change);
        // It is said anew under the id that it is stored with.
        change.remove("eventId");
        let event_id = given.unwrap_or(event_id);
        change.insert("schemaVersion".to_owned(), json!(version.unwrap_or(schema_version).max(1)));
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
        let mut change = translated(&self.change, app);
        match self.mending {
            Mending::None => {}
            Mending::OfPrivateRecord => drop(change.insert("visibility".to_owned(), json!("private"))),
            Mending::Hides => {
                change.insert("op".to_owned(), json!("insert"));
                // After all its fields, so that it goes out again as the update that came.
                let at = change.get("at").and_then(|at| stamp(Some(at))).unwrap_or(Stamp::EPOCH).next();
                change.insert("at".to_owned(), json!(at));
            }
        }
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

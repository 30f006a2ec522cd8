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
mod tests {
    use super::*;

    const FRESH: &str = "0198c0de-0000-7000-8000-000000000001";

    fn incoming(change: Value) -> Incoming {
        let now = Stamp::parse("2026-06-01T12:00:00.000000Z").unwrap();
        Incoming::new(change, EventId::parse(FRESH).unwrap(), 1, now)
    }

    fn translated(change: Value) -> Value {
        incoming(change).as_protocol_2(&AppId::parse("todo").unwrap())
    }

    #[test]
    fn an_insert_is_as_old_as_its_data_say_and_otherwise_older_than_every_edit() {
        let at = |data: Value| {
            translated(json!({ "table": "tasks", "id": "t", "op": "insert", "data": data }))["at"].clone()
        };
        let (created, updated) = ("2026-04-22T10:00:01.000Z", "2026-04-22T10:00:02.000Z");
        assert_eq!(at(json!({ "createdAt": created, "updatedAt": updated })), updated);
        assert_eq!(at(json!({ "createdAt": created, "updatedAt": 7 })), created);
        assert_eq!(at(json!({ "title": "a" })), "1970-01-01T00:00:00.000000Z");
    }

    #[test]
    fn stamps_more_than_five_minutes_ahead_are_held_there() {
        let ahead = "2099-01-01T00:00:00.000Z";
        let change = translated(json!({ "table": "tasks", "id": "t", "op": "update", "fields": {
            "a": { "value": 1, "at": ahead }, "b": { "value": 2, "at": "2026-06-01T12:04:00.000Z" } } }));
        assert_eq!(change["fields"]["a"]["at"], "2026-06-01T12:05:00.000000Z");
        assert_eq!(change["fields"]["b"]["at"], "2026-06-01T12:04:00.000Z");
        assert_eq!(change["at"], change["fields"]["a"]["at"]);
        let delete = translated(json!({ "table": "tasks", "id": "t", "op": "delete", "deletedAt": ahead }));
        assert_eq!(delete["deletedAt"], "2026-06-01T12:05:00.000000Z");
    }

    #[test]
    fn a_space_is_the_first_that_is_named_and_an_empty_name_is_none() {
        let space = |change: Value| translated(change).get("spaceId").cloned();
        let change = |members: Value| {
            let mut change = json!({ "table": "tasks", "id": "t", "op": "insert", "data": {} });
            change.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
            change
        };
        assert_eq!(space(change(json!({ "spaceId": "", "data": { "spaceId": "home" } }))), Some(json!("home")));
        assert_eq!(space(change(json!({ "spaceId": "" }))), None);
        let empty = translated(change(json!({ "data": { "spaceId": "" } })));
        assert_eq!((empty.get("spaceId"), empty["data"].get("spaceId")), (None, None));
    }

    #[test]
    fn a_delete_keeps_its_time_alone_and_an_id_of_the_clients_is_kept() {
        let own = "0193e0a0-0000-7000-8000-000000000001";
        let edit = json!({ "deletedAt": { "value": "2026-04-22T10:00:04.000Z", "at": "2026-04-22T10:00:04.000Z" } });
        let change = translated(
            json!({ "table": "tasks", "id": "t", "op": "delete", "fields": edit, "eventId": own, "clientId": "x" }),
        );
        assert_eq!(change["deletedAt"], "2026-04-22T10:00:04.000Z");
        assert_eq!((change.get("fields"), change.get("clientId"), &change["eventId"]), (None, None, &json!(own)));
        assert_eq!(translated(json!({ "eventId": "no id" }))["eventId"], FRESH);
    }
}

//! A change: what one write did to one record, the unit of the log and of the wire.

use super::{
    Actor, AppId, EventId, FieldName, Malformed, Origin, RecordId, SpaceId, Stamp, TableName, UserId, Visibility,
    check_travels, is_hidden,
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// What a change does to its record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Op {
    /// Creates it, or fills a tombstone again.
    Insert,
    /// Changes some of its fields.
    Update,
    /// Makes it a tombstone.
    Delete,
    /// Takes it away from readers who may no longer see it; made by servers only.
    Withdraw,
}

impl Op {
    /// The name used in the log and on the wire.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Insert => "insert",
            Self::Update => "update",
            Self::Delete => "delete",
            Self::Withdraw => "withdraw",
        }
    }
}

/// A field's new value, when it was written, and the stamp of the value it replaced.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Edit {
    /// The value; `null` also stands for a removed field.
    #[serde(default)]
    pub value: Value,
    /// When it was written.
    pub at: Stamp,
    /// The stamp its writer saw before; absent when there was none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prev: Option<Stamp>,
}

/// One change of one record, as protocol 2 carries it.
///
/// An insert travels as `data` (plain values, all written at `at`) and, for fields with times of their own, `fields`;
/// in this type both are `fields`. A delete is the one edit of `deletedAt`.
#[derive(Debug, Clone, PartialEq)]
pub struct Change {
    /// The change's own id.
    pub event_id: EventId,
    /// The app it belongs to.
    pub app: AppId,
    /// The version of the app's data it was written under.
    pub schema_version: u32,
    /// The table's name on the wire.
    pub table: TableName,
    /// The record.
    pub id: RecordId,
    /// What it does.
    pub op: Op,
    /// When it was written; for merged changes the newest of its fields.
    pub at: Stamp,
    /// The edited fields.
    pub fields: BTreeMap<FieldName, Edit>,
    /// The record's space; absent for user-level records.
    pub space_id: Option<SpaceId>,
    /// Who in the space may see the record.
    pub visibility: Visibility,
    /// Who wrote it; absent means the user.
    pub actor: Option<Actor>,
    /// What kind of hand wrote it.
    pub origin: Origin,
    /// Changes that are accepted or rejected as one.
    pub group: Option<String>,
    /// The writer's user id as the server verified it; servers set it, clients leave it out.
    pub user_id: Option<UserId>,
}

/// The change's form on the wire.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Wire {
    event_id: EventId,
    app: AppId,
    #[serde(default)]
    schema_version: u32,
    table: TableName,
    id: RecordId,
    op: Op,
    at: Stamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    data: Option<Map<String, Value>>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    fields: BTreeMap<String, Edit>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    deleted_at: Option<Stamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    space_id: Option<SpaceId>,
    #[serde(default)]
    visibility: Visibility,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    actor: Option<Actor>,
    #[serde(default = "user_origin")]
    origin: Origin,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    group: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    user_id: Option<UserId>,
}

fn user_origin() -> Origin {
    Origin::User
}

const DELETED_AT: &str = super::DELETED_AT;

impl Change {
    /// Reads one change from the wire. Hidden fields are dropped; everything else out of order is an error.
    pub fn parse(value: Value) -> Result<Self, Malformed> {
        let wire: Wire = serde_json::from_value(value).map_err(|e| Malformed::new("change", e.to_string()))?;
        let fields = edits_of(&wire)?;
        Ok(Self {
            event_id: wire.event_id,
            app: wire.app,
            schema_version: wire.schema_version.max(1),
            table: wire.table,
            id: wire.id,
            op: wire.op,
            at: wire.at,
            fields,
            space_id: wire.space_id,
            visibility: wire.visibility,
            actor: wire.actor,
            origin: wire.origin,
            group: wire.group,
            user_id: wire.user_id,
        })
    }

    /// The change as the wire carries it.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let plain = |edit: &Edit| self.op == Op::Insert && edit.at == self.at && edit.prev.is_none();
        let mut data = Map::new();
        let mut fields = BTreeMap::new();
        for (name, edit) in &self.fields {
            if self.op == Op::Delete && name.as_str() == DELETED_AT && edit.prev.is_none() {
                continue;
            }
            if plain(edit) {
                data.insert(name.as_str().to_owned(), edit.value.clone());
            } else {
                fields.insert(name.as_str().to_owned(), edit.clone());
            }
        }
        let wire = Wire {
            event_id: self.event_id.clone(),
            app: self.app.clone(),
            schema_version: self.schema_version,
            table: self.table.clone(),
            id: self.id.clone(),
            op: self.op,
            at: self.at,
            data: (self.op == Op::Insert).then_some(data),
            fields,
            deleted_at: (self.op == Op::Delete).then_some(self.at),
            space_id: self.space_id.clone(),
            visibility: self.visibility,
            actor: self.actor.clone(),
            origin: self.origin,
            group: self.group.clone(),
            user_id: self.user_id.clone(),
        };
        // A struct of strings, maps and parsed JSON has no failing case on its way into a JSON tree.
        serde_json::to_value(wire).unwrap_or_default()
    }
}

fn edits_of(wire: &Wire) -> Result<BTreeMap<FieldName, Edit>, Malformed> {
    let mut edits = BTreeMap::new();
    for (name, value) in wire.data.iter().flatten() {
        add_edit(&mut edits, name, Edit { value: value.clone(), at: wire.at, prev: None })?;
    }
    for (name, edit) in &wire.fields {
        add_edit(&mut edits, name, edit.clone())?;
    }
    match wire.op {
        Op::Insert if wire.data.is_none() && wire.fields.is_empty() => {
            Err(Malformed::new("data", "an insert needs data or fields"))
        }
        Op::Update if wire.fields.is_empty() => Err(Malformed::new("fields", "an update needs fields")),
        Op::Update if wire.data.is_some() => Err(Malformed::new("data", "only an insert carries data")),
        Op::Delete => deletion(wire, &edits),
        Op::Insert | Op::Update | Op::Withdraw => Ok(edits),
    }
}

fn add_edit(edits: &mut BTreeMap<FieldName, Edit>, name: &str, edit: Edit) -> Result<(), Malformed> {
    if is_hidden(name) {
        // `__proto__` is hidden too: it can be dropped, never stored.
        return Ok(());
    }
    check_travels(&edit.value, &format!("fields.{name}"))?;
    edits.insert(FieldName::parse(name)?, edit);
    Ok(())
}

fn deletion(wire: &Wire, edits: &BTreeMap<FieldName, Edit>) -> Result<BTreeMap<FieldName, Edit>, Malformed> {
    let at = wire.deleted_at.ok_or_else(|| Malformed::new("deletedAt", "a delete needs a valid deletedAt"))?;
    let name = FieldName::parse(DELETED_AT)?;
    let prev = edits.get(&name).and_then(|edit| edit.prev);
    Ok(BTreeMap::from([(name, Edit { value: Value::String(at.to_string()), at, prev })]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn event() -> String {
        EventId::from_parts(1, &[1; 10]).to_string()
    }

    fn insert() -> Value {
        json!({ "eventId": event(), "app": "todo", "schemaVersion": 1, "table": "tasks", "id": "t1", "op": "insert",
            "at": "2026-01-01T00:00:00.000000Z", "data": { "title": "Milk", "__fieldMeta": {}, "_updatedAtIndex": "x" },
            "spaceId": "_personal:u1", "visibility": "space", "origin": "user" })
    }

    #[test]
    fn an_insert_goes_there_and_back_without_hidden_fields() {
        let change = Change::parse(insert()).unwrap();
        assert_eq!(change.fields.len(), 1);
        assert_eq!(Change::parse(change.to_json()).unwrap(), change);
        assert_eq!(change.to_json()["data"], json!({ "title": "Milk" }));
    }

    #[test]
    fn fields_of_an_insert_may_have_their_own_times() {
        let mut value = insert();
        value["fields"] = json!({ "done": { "value": true, "at": "2026-01-02T00:00:00.000000Z" } });
        let change = Change::parse(value).unwrap();
        assert_eq!(Change::parse(change.to_json()).unwrap(), change);
        assert_ne!(change.fields[&FieldName::parse("done").unwrap()].at, change.at);
    }

    #[test]
    fn a_delete_is_an_edit_of_one_field() {
        let value = json!({ "eventId": event(), "app": "todo", "table": "tasks", "id": "t1", "op": "delete",
            "at": "2026-01-01T00:00:00.000000Z", "deletedAt": "2026-01-01T00:00:00.000000Z" });
        let change = Change::parse(value.clone()).unwrap();
        assert_eq!(change.fields.len(), 1);
        assert_eq!(Change::parse(change.to_json()).unwrap(), change);
        let mut without = value;
        without["deletedAt"] = json!("soon");
        assert!(Change::parse(without).is_err());
    }

    #[test]
    fn malformed_changes_name_what_is_wrong() {
        for (key, bad) in [
            ("op", json!("upsert")),
            ("table", json!("")),
            ("id", json!(7)),
            ("at", json!("yesterday")),
            ("data", json!("text")),
            ("eventId", json!("1")),
            ("actor", json!({ "kind": "ghost" })),
            ("data", json!({ "title": "a\0b" })),
            ("data", json!({ "x": { "__proto__": 1 } })),
        ] {
            let mut value = insert();
            value[key] = bad;
            assert!(Change::parse(value).is_err(), "{key}");
        }
        let mut update = insert();
        update["op"] = json!("update");
        assert!(Change::parse(update).is_err());
    }
}

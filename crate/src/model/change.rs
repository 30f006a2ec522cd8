//! A change: what one write did to one record, the unit of the log and of the wire.

use super::{
    Actor, AppId, EventId, FieldName, Fields, MOVED_TO, Malformed, Object, Origin, RecordId, SpaceId, Stamp, TableName,
    UserId, Visibility, check_travels, is_hidden, words,
};
use crate::model::OrderedMap;
use serde_json::{Map, Value};

words! {
    /// What a change does to its record.
    pub enum Op {
        /// Creates it, or fills a tombstone again.
        Insert = "insert",
        /// Changes some of its fields.
        Update = "update",
        /// Makes it a tombstone.
        Delete = "delete",
        /// Takes it away from readers who may no longer see it; made by servers only.
        Withdraw = "withdraw",
    }
}

/// A field's new value, when it was written, and the stamp of the value it replaced.
#[derive(Debug, Clone, PartialEq)]
pub struct Edit {
    /// The value; `null` also stands for a removed field.
    pub value: Value,
    /// When it was written.
    pub at: Stamp,
    /// The stamp its writer saw before; absent when there was none.
    pub prev: Option<Stamp>,
}

impl Edit {
    fn read(fields: &mut Fields) -> Result<Self, &'static str> {
        Ok(Self { value: fields.take("value")?, at: fields.take("at")?, prev: fields.take("prev")? })
    }

    fn to_json(&self) -> Value {
        let edit = Object::new().with("value", self.value.clone()).with("at", self.at);
        edit.with_any("prev", self.prev.into()).into()
    }
}

/// One change of one record, as protocol 2 carries it.
///
/// An insert travels as `data` (plain values, all written at `at`) and, for fields with times of their own, `fields`;
/// in this type both are `fields`. A delete is the one edit of `deletedAt`; of a record that was moved, with one of `movedTo`.
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
    pub fields: OrderedMap<FieldName, Edit>,
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

const DELETED_AT: &str = super::DELETED_AT;

impl Change {
    /// Reads one change from the wire. Hidden fields are dropped; everything else out of order is an error.
    pub fn parse(value: Value) -> Result<Self, Malformed> {
        let mut wire = Fields::of(value).ok_or_else(|| Malformed::new("change", "is not an object"))?;
        let mut change = Self::read(&mut wire).map_err(unreadable)?;
        let carried = Carried::read(&mut wire).map_err(unreadable)?;
        change.fields = carried.into_edits(change.op, change.at)?;
        Ok(change)
    }

    /// Everything but the fields.
    fn read(wire: &mut Fields) -> Result<Self, &'static str> {
        Ok(Self {
            event_id: wire.take("eventId")?,
            app: wire.take("app")?,
            schema_version: wire.take_or("schemaVersion", 1)?.max(1),
            table: wire.take("table")?,
            id: wire.take("id")?,
            op: wire.take("op")?,
            at: wire.take("at")?,
            fields: OrderedMap::new(),
            space_id: wire.take("spaceId")?,
            visibility: wire.take_or("visibility", Visibility::default())?,
            actor: wire.take("actor")?,
            origin: wire.take_or("origin", Origin::User)?,
            group: wire.take("group")?,
            user_id: wire.take("userId")?,
        })
    }

    /// The newest of its stamps.
    #[must_use]
    pub fn newest_stamp(&self) -> Stamp {
        self.fields.values().map(|edit| edit.at).fold(self.at, Stamp::max)
    }

    /// The change as the wire carries it.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let plain = |edit: &Edit| self.op == Op::Insert && edit.at == self.at && edit.prev.is_none();
        let (mut data, mut fields) = (Map::new(), Map::new());
        let mut deleted_at = None;
        for (name, edit) in &self.fields {
            if self.op == Op::Delete && name.as_str() == DELETED_AT {
                deleted_at = Some(edit.at);
                if edit.prev.is_none() {
                    continue;
                }
            }
            let (map, value) =
                if plain(edit) { (&mut data, edit.value.clone()) } else { (&mut fields, edit.to_json()) };
            map.insert(name.as_str().to_owned(), value);
        }
        let mut wire = Object::new()
            .with("eventId", self.event_id.as_str())
            .with("app", self.app.as_str())
            .with("schemaVersion", self.schema_version)
            .with("table", self.table.as_str())
            .with("id", self.id.as_str())
            .with("op", self.op)
            .with("at", self.at)
            .with("visibility", self.visibility.as_str())
            .with("origin", self.origin)
            .with_any("spaceId", self.space_id.clone().into())
            .with_any("actor", self.actor.as_ref().map(Actor::to_json).into())
            .with_any("group", self.group.clone().into())
            .with_any("userId", self.user_id.clone().into());
        if self.op == Op::Insert {
            wire = wire.with("data", data);
        }
        if !fields.is_empty() {
            wire = wire.with("fields", fields);
        }
        wire.with_any("deletedAt", deleted_at.into()).into()
    }
}

fn unreadable(field: &'static str) -> Malformed {
    Malformed::new(field, "is missing, or is not what it should be")
}

/// What of a change ends up in its fields.
struct Carried {
    data: Option<Map<String, Value>>,
    fields: Map<String, Value>,
    deleted_at: Option<Stamp>,
}

impl Carried {
    fn read(wire: &mut Fields) -> Result<Self, &'static str> {
        Ok(Self {
            data: wire.take("data")?,
            fields: wire.take_or("fields", Map::new())?,
            deleted_at: wire.take("deletedAt")?,
        })
    }

    fn into_edits(self, op: Op, at: Stamp) -> Result<OrderedMap<FieldName, Edit>, Malformed> {
        match op {
            Op::Insert if self.data.is_none() && self.fields.is_empty() => {
                return Err(Malformed::new("data", "an insert needs data or fields"));
            }
            Op::Update if self.data.is_some() => return Err(Malformed::new("data", "only an insert carries data")),
            Op::Insert | Op::Update | Op::Delete | Op::Withdraw => {}
        }
        let mut edits = OrderedMap::new();
        for (name, value) in self.data.into_iter().flatten() {
            add_edit(&mut edits, name, Edit { value, at, prev: None })?;
        }
        for (name, value) in self.fields {
            let edit = Fields::of(value).ok_or("edit").and_then(|mut edit| Edit::read(&mut edit));
            let edit = edit.map_err(|part| Malformed::new(format!("fields.{name}.{part}"), unreadable("").reason))?;
            add_edit(&mut edits, name, edit)?;
        }
        match op {
            Op::Delete => deletion(self.deleted_at, &edits),
            // Also when all of them are hidden: such a change would say nothing, and could not be sent on.
            Op::Update if edits.is_empty() => Err(Malformed::new("fields", "an update needs fields")),
            Op::Insert | Op::Update | Op::Withdraw => Ok(edits),
        }
    }
}

fn add_edit(edits: &mut OrderedMap<FieldName, Edit>, name: String, edit: Edit) -> Result<(), Malformed> {
    if is_hidden(&name) {
        // `__proto__` is hidden too: it can be dropped, never stored.
        return Ok(());
    }
    check_travels(&edit.value, &format!("fields.{name}"))?;
    edits.insert(FieldName::parse(name)?, edit);
    Ok(())
}

fn deletion(at: Option<Stamp>, edits: &OrderedMap<FieldName, Edit>) -> Result<OrderedMap<FieldName, Edit>, Malformed> {
    let at = at.ok_or_else(|| Malformed::new("deletedAt", "a delete needs a valid deletedAt"))?;
    let name = FieldName::parse(DELETED_AT)?;
    let prev = edits.get(&name).and_then(|edit| edit.prev);
    let mut only = OrderedMap::new();
    only.insert(name, Edit { value: at.into(), at, prev });
    let moved_to = FieldName::parse(MOVED_TO)?;
    if let Some(edit) = edits.get(&moved_to) {
        only.insert(moved_to, edit.clone());
    }
    Ok(only)
}

#[cfg(test)]
mod tests;

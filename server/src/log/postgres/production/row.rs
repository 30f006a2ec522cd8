//! One row of the production table, and the change it becomes.
//!
//! `data` holds values and `field_meta` stamps, `{ field: at }`, of updates only; inserts carry no times, deletions one in
//! `data.deletedAt`. Values stay as they are. What the engine makes anew on every device (`updatedAt`, fields beginning with
//! `__`) is left out, as on arrival.

use super::Owners;
use crate::log::StreamId;
use mana_sync_engine::model::{
    Actor, Change, ClientId, DELETED_AT, FieldName, FromJson as _, ID, MOVED_TO, Malformed, Origin, PERSONAL_PREFIX,
    SPACE_ID, SpaceId, Stamp, UPDATED_AT, UserId, VISIBILITY, Visibility, is_hidden, personal_alias,
};
use mana_sync_engine::protocol::limits::MAX_PUSH_AHEAD_MS;
use serde::Deserialize;
use serde_json::{Map, Value, json};

/// A row as it was read.
pub(super) struct Row {
    pub id: String,
    /// All its columns, a JSON object.
    pub content: String,
    /// The earliest stamp of the record's updates that came after it.
    pub next_edit: Option<String>,
}

/// A row that has its place in the log, but for its position and its head.
pub(super) struct Carried {
    pub stream: StreamId,
    pub user: UserId,
    pub client_id: ClientId,
    pub created_at: Stamp,
    pub change: Change,
    /// What it says of its record's visibility, if anything.
    pub visibility: Option<Visibility>,
}

/// Why a row cannot be served.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unread {
    #[error("is no row of changes: {0}")]
    NotARow(#[from] serde_json::Error),
    #[error("is no change: {0}")]
    NotAChange(#[from] Malformed),
    #[error("was written into somebody else's personal space")]
    ForeignSpace,
    #[error("writes no field")]
    Empty,
}

/// The columns. Those that older versions did not have may be missing.
#[derive(Deserialize)]
struct Stored {
    app_id: String,
    table_name: String,
    record_id: String,
    user_id: String,
    op: String,
    data: Option<Map<String, Value>>,
    field_meta: Option<Map<String, Value>>,
    field_timestamps: Option<Map<String, Value>>,
    client_id: Option<String>,
    created_at: String,
    schema_version: Option<u32>,
    actor: Option<Value>,
    origin: Option<String>,
    space_id: Option<String>,
}

/// The client of a row that names none that can be one.
const NO_CLIENT: &str = "unknown";

impl Row {
    /// The change that the row is, in the stream it belongs to.
    pub fn read(&self, owners: &Owners) -> Result<Carried, Unread> {
        let stored: Stored = serde_json::from_str(&self.content)?;
        let user = UserId::parse(stored.user_id.as_str())?;
        let created_at = Stamp::parse(&stored.created_at)?;
        let space = stored.space()?;
        let (stream, space) = place(space, &user, owners)?;
        let times = Times {
            created_at,
            limit: created_at.shifted(i64::try_from(MAX_PUSH_AHEAD_MS).unwrap_or(i64::MAX)),
            next_edit: self.next_edit.as_deref().and_then(|at| Stamp::parse(at).ok()),
        };
        let word = stored.data.as_ref().and_then(|data| data.get(VISIBILITY)).and_then(Value::as_str);
        let visibility = word.map(|word| Visibility::from(word.to_owned()));
        let client_id = stored.client_id.clone().and_then(|id| ClientId::parse(id).ok());
        let client_id = client_id.map_or_else(|| ClientId::parse(NO_CLIENT), Ok)?;
        let wire = stored.into_wire(&self.id, space.as_ref(), &times)?;
        let change = Change { user_id: Some(user.clone()), ..Change::parse(wire)? };
        check_id(&change)?;
        Ok(Carried { stream, user, client_id, created_at, change, visibility })
    }
}

/// A record's own field `id`, where there is one, is its id.
fn check_id(change: &Change) -> Result<(), Malformed> {
    let field = FieldName::parse(ID).ok().and_then(|name| change.fields.get(&name));
    match field.map(|edit| &edit.value) {
        None => Ok(()),
        Some(Value::String(id)) if id == change.id.as_str() => Ok(()),
        Some(_) => Err(Malformed::new(ID, "differs from the record's own field 'id'")),
    }
}

/// The stream of a row's space, and the space's name on the wire.
fn place(space: Option<SpaceId>, user: &UserId, owners: &Owners) -> Result<(StreamId, Option<SpaceId>), Unread> {
    let own = || StreamId::User(user.clone());
    let Some(space) = space else { return Ok((own(), None)) };
    let owner = match space.as_str().strip_prefix(PERSONAL_PREFIX) {
        Some(owner) => Some(UserId::parse(owner)?),
        None => owners.get(&space).cloned(),
    };
    match owner {
        None => Ok((StreamId::Space(space.clone()), Some(space))),
        Some(owner) if owner == *user => Ok((own(), Some(SpaceId::parse(personal_alias(user))?))),
        Some(_) => Err(Unread::ForeignSpace),
    }
}

/// The times that stamps are held against.
struct Times {
    created_at: Stamp,
    /// No stamp is later than this.
    limit: Stamp,
    next_edit: Option<Stamp>,
}

impl Times {
    /// A stamp that a row says, if it is one.
    fn said(&self, value: Option<&Value>) -> Option<Stamp> {
        let value = value?;
        let text = value.get("at").unwrap_or(value).as_str()?;
        Stamp::parse(text).ok().map(|at| at.min(self.limit))
    }

    /// When an insert was written: as its record says, or else when it came; in doubt before what was edited in it after.
    fn of_insert(&self, data: &Map<String, Value>) -> Stamp {
        if let Some(at) = self.said(data.get(UPDATED_AT)) {
            return at;
        }
        let at = self.said(data.get("createdAt")).unwrap_or(self.created_at);
        self.next_edit.filter(|edit| *edit <= at).map_or(at, |edit| edit.shifted(-1))
    }
}

impl Stored {
    /// The space that production put the row into: the column, where there was one.
    fn space(&self) -> Result<Option<SpaceId>, Malformed> {
        let in_data = self.data.as_ref().and_then(|data| data.get(SPACE_ID)).and_then(Value::as_str);
        let named = [self.space_id.as_deref(), in_data].into_iter().flatten().find(|id| !id.is_empty());
        named.map(SpaceId::parse).transpose()
    }

    fn into_wire(self, id: &str, space: Option<&SpaceId>, times: &Times) -> Result<Value, Unread> {
        let data = self.data.unwrap_or_default();
        let meta = self.field_meta.or(self.field_timestamps).unwrap_or_default();
        let written = if self.op == "insert" { times.of_insert(&data) } else { times.created_at };
        let deleted_at = times.said(data.get(DELETED_AT)).or_else(|| times.said(meta.get(DELETED_AT)));
        let deleted_at = (self.op == "delete").then(|| deleted_at.unwrap_or(times.created_at));
        let mut newest = deleted_at;
        let mut fields = Map::new();
        for (name, mut value) in data {
            if is_hidden(&name) || name == UPDATED_AT || (deleted_at.is_some() && name != MOVED_TO) {
                continue;
            }
            if let Some(space) = space.filter(|_| name == SPACE_ID && value.is_string()) {
                value = space.as_str().into();
            }
            let at = times.said(meta.get(&name)).unwrap_or(written);
            newest = newest.max(Some(at));
            fields.insert(name, json!({ "value": value, "at": at }));
        }
        if self.op == "update" && fields.is_empty() {
            return Err(Unread::Empty);
        }
        let origin = self.origin.and_then(|word| Origin::from_json(word.into())).unwrap_or(Origin::User);
        Ok(json!({
            "eventId": id, "app": self.app_id, "table": self.table_name, "id": self.record_id, "op": self.op,
            "at": newest.unwrap_or(written), "schemaVersion": self.schema_version.unwrap_or(1), "fields": fields,
            "data": (self.op == "insert").then(Map::new), "deletedAt": deleted_at, "spaceId": space.map(SpaceId::as_str),
            "actor": self.actor.and_then(|actor| Actor::parse(actor).ok()).map(|actor| actor.to_json()), "origin": origin,
        }))
    }
}

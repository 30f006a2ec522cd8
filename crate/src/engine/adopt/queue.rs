//! A row of the old queue as changes of the log. Pure: ids and times are arguments.
//!
//! A row is `{ id, appId, collection, recordId, op, data? | fields?, deletedAt?, createdAt, eventId?, actor?, origin?,
//! spaceId? }`. `collection` is the local name of the table; `fields` are `{ [f]: { value, at } }`, or `updatedAt` for
//! `at`; a delete may edit other fields, too. Edits of a dotted path become edits of the whole top-level value, which is
//! the unit of merging, as the record holds it.

use super::clamp::Stamps;
use super::letter::{self, Letter};
use super::row::is_sent;
use crate::engine::outbox::LoggedChange;
use crate::engine::{Config, Table};
use crate::model::{
    AUTHOR_ID, Actor, AppId, Change, DELETED_AT, EventId, Op, OrderedMap, Origin, RecordId, SPACE_ID, Scope, Stamp,
    TableSync, UPDATED_AT, USER_ID, VISIBILITY, Visibility,
};
use crate::store::{Row, RowValue};
use serde_json::{Map, Value, json};
use std::rc::Rc;

/// A queued row whose table and record are known.
pub struct Queued<R> {
    row: R,
    /// The local table.
    pub table: String,
    sync: TableSync,
    /// The record.
    pub id: String,
    op: Op,
    at: Stamp,
}

/// A change on its way into the log.
#[derive(Debug, Clone, PartialEq)]
pub struct Outgoing {
    /// The app.
    pub app: AppId,
    /// The version of its data.
    pub schema_version: u32,
    /// Who wrote.
    pub actor: Value,
    /// By what kind of hand.
    pub origin: Origin,
    /// Whether it has an id under which it may have been sent: then it is sent as it is.
    pub named: bool,
    /// The change.
    pub change: LoggedChange,
}

/// What a queued row came to.
#[derive(Debug, Default, PartialEq)]
pub struct Moved {
    /// Changes for the log.
    pub changes: Vec<Outgoing>,
    /// What cannot be sent.
    pub letters: Vec<Letter>,
}

/// Reads a queued row as far as it says which record it is of.
pub fn read<R: Row>(row: R, config: &Config, fresh_id: &mut dyn FnMut() -> String) -> Result<Queued<R>, Letter> {
    let app = row.text("appId").unwrap_or_default();
    let name = row.text("collection").or_else(|| row.text("table")).unwrap_or_default();
    let refuse = |code, message: &str, id: String| Letter {
        code,
        message: message.to_owned(),
        app: app.clone(),
        change: legible(&row, id),
    };
    let Some((table, info)) = table_of(config, &app, &name) else {
        return Err(refuse(letter::UNKNOWN_TABLE, "its table does not sync in this app", fresh_id()));
    };
    let id = row.text("recordId").and_then(|id| RecordId::parse(id).ok());
    let op = row.text("op").and_then(|op| Op::of(&op)).filter(|op| *op != Op::Withdraw);
    let (Some(id), Some(op), Some(sync)) = (id, op, info.sync.clone()) else {
        return Err(refuse(letter::MALFORMED, "it does not say which record it is of, or what it does", fresh_id()));
    };
    let times = [row.get("createdAt"), data_of(&row, UPDATED_AT), data_of(&row, "createdAt")];
    let at = times.iter().flatten().find_map(time_of).unwrap_or(Stamp::UNKNOWN);
    Ok(Queued { table: table.to_owned(), sync, id: id.into(), op, at, row })
}

/// The stamp that a text or a date stands for.
pub fn time_of<V: RowValue>(value: &V) -> Option<Stamp> {
    let text = value.as_text().or_else(|| super::row::iso_date(value.as_date_ms()?))?;
    Stamp::parse(&text).ok()
}

fn data_of<R: Row>(row: &R, field: &str) -> Option<R::Value> {
    row.get("data")?.as_row()?.get(field)
}

fn table_of<'a>(config: &'a Config, app: &str, name: &str) -> Option<(&'a str, &'a Rc<Table>)> {
    let local = config.tables.iter().find(|(local, table)| {
        local.as_str() == name && table.sync.as_ref().is_some_and(|sync| app.is_empty() || sync.app.as_str() == app)
    });
    local.map(|(name, table)| (name.as_str(), table)).or_else(|| config.local_table(app, name))
}

/// What of a row JSON can carry, for a dead letter.
fn legible<R: Row>(row: &R, spare_id: String) -> Map<String, Value> {
    let mut map = Map::new();
    for name in row.names() {
        let Some(value) = row.get(&name) else { continue };
        if let Ok(json) = value.travelling(&name).and_then(|value| value.to_json()) {
            map.insert(name, json);
        } else if let Some(inner) = value.as_row() {
            map.insert(name, Value::Object(legible_fields(&inner)));
        }
    }
    map.insert("eventId".into(), event_id(row).map_or(spare_id, Into::into).into());
    map
}

fn legible_fields<R: Row>(row: &R) -> Map<String, Value> {
    let legible = |name: String| {
        let json = row.get(&name)?.travelling(&name).and_then(|value| value.to_json()).ok()?;
        Some((name, json))
    };
    row.names().into_iter().filter_map(legible).collect()
}

fn event_id<R: Row>(row: &R) -> Option<EventId> {
    row.text("eventId").and_then(|id| EventId::parse(id).ok())
}

/// One field's new value and when it was written.
struct Written {
    value: Value,
    at: Stamp,
}

/// The edits of a row, and what of them cannot travel.
struct Edits {
    fields: OrderedMap<String, Written>,
    /// Field, when, and why not.
    refused: Vec<(String, Stamp, String)>,
}

impl<R: Row> Queued<R> {
    /// Whether it edits who may see its record. That is said by an insert of the whole record only, so everything
    /// queued of such a record is left to the end of the full pull, which logs what the record then holds: an edit made
    /// after the record became private is not shown to others on the way.
    pub fn flips_visibility(&self) -> bool {
        let fields = self.row.get("fields").and_then(|fields| fields.as_row());
        self.op != Op::Insert && fields.is_some_and(|fields| fields.get(VISIBILITY).is_some())
    }

    /// The changes of this row; `record` is the record as stored.
    pub fn changes(
        &self,
        record: Option<&R>,
        config: &Config,
        stamps: &mut Stamps,
        fresh_id: &mut dyn FnMut() -> String,
    ) -> Moved {
        let mut edits = if self.op == Op::Insert { self.inserted(config) } else { self.edited(record) };
        for (field, edit) in edits.fields.iter_mut() {
            edit.at = stamps.queued(&self.table, &self.id, field, edit.at);
        }
        for (field, at, _) in &mut edits.refused {
            *at = stamps.queued(&self.table, &self.id, field, *at);
        }
        let deletion = edits.fields.remove(DELETED_AT);
        let (mut moved, named) = (Moved::default(), event_id(&self.row));
        let deletes = self.op != Op::Insert && deletion.as_ref().is_some_and(|edit| !edit.value.is_null());
        if let Some(edit) = deletion {
            if deletes {
                let id = named.clone().map_or_else(&mut *fresh_id, Into::into);
                moved.changes.push(self.outgoing(self.deletion(id, edit.at), named.is_some(), record, config));
            } else {
                edits.fields.insert(DELETED_AT.to_owned(), edit);
            }
        }
        if !edits.fields.is_empty() {
            // The row's own id names its delete, where it is one.
            let own = named.filter(|_| !deletes && edits.refused.is_empty());
            let is_named = own.is_some();
            let id = own.map_or_else(&mut *fresh_id, Into::into);
            let change = self.edit(id, &edits.fields);
            moved.changes.insert(0, self.outgoing(change, is_named, record, config));
        }
        moved.letters.extend(
            edits.refused.into_iter().map(|(field, at, message)| {
                Letter::of_field(&self.sync, &self.id, &[(field, at)], message, &fresh_id())
            }),
        );
        moved.verified()
    }

    fn inserted(&self, config: &Config) -> Edits {
        let mut edits = Edits { fields: OrderedMap::new(), refused: Vec::new() };
        let data = self.row.get("data").and_then(|data| data.as_row()).unwrap_or_else(R::empty);
        for name in data.names().into_iter().filter(|name| is_sent(name, self.sync.scope)) {
            if let Some(value) = data.get(&name) {
                edits.take(&name, &value, self.at, &self.sync);
            }
        }
        if self.sync.scope == Scope::Space {
            let creator = data.text(USER_ID).unwrap_or_else(|| config.user_id().to_owned());
            for (name, told) in [(AUTHOR_ID, creator.as_str()), (VISIBILITY, Visibility::Space.as_str())] {
                edits.fields.entry(name.to_owned()).or_insert(Written { value: told.into(), at: self.at });
            }
        }
        edits
    }

    fn edited(&self, record: Option<&R>) -> Edits {
        let mut edits = Edits { fields: OrderedMap::new(), refused: Vec::new() };
        let fields = self.row.get("fields").and_then(|fields| fields.as_row()).unwrap_or_else(R::empty);
        for path in fields.names() {
            let Some(edit) = fields.get(&path).and_then(|edit| edit.as_row()) else { continue };
            let times = [edit.get("at"), edit.get(UPDATED_AT)];
            let at = times.iter().flatten().find_map(time_of).unwrap_or(self.at);
            let (name, nested) = path.split_once('.').map_or((path.as_str(), false), |(top, _)| (top, true));
            // Creators stay who they are, and who may see a record is said by inserts.
            if !is_sent(name, self.sync.scope) || matches!(name, AUTHOR_ID | VISIBILITY) {
                continue;
            }
            let value = if nested { record.and_then(|record| record.get(name)) } else { edit.get("value") };
            if nested && value.is_none() {
                let message = format!("{path}: its record is gone, and with it the rest of the value");
                edits.refused.push((name.to_owned(), at, message));
                continue;
            }
            edits.take(name, &value.unwrap_or_else(R::Value::null), at, &self.sync);
        }
        if self.op == Op::Delete && edits.fields.get(DELETED_AT).is_none_or(|edit| edit.value.is_null()) {
            let at = self.row.get(DELETED_AT).as_ref().and_then(time_of).unwrap_or(self.at);
            edits.fields.insert(DELETED_AT.to_owned(), Written { value: json!(at), at });
        }
        edits
    }

    fn deletion(&self, id: String, at: Stamp) -> Map<String, Value> {
        let mut change = self.frame(id, Op::Delete, at);
        change.insert("deletedAt".into(), json!(at));
        change
    }

    fn edit(&self, id: String, edits: &OrderedMap<String, Written>) -> Map<String, Value> {
        let at = edits.values().map(|edit| edit.at).max().unwrap_or(self.at);
        let op = if self.op == Op::Insert { Op::Insert } else { Op::Update };
        let mut change = self.frame(id, op, at);
        let (mut data, mut fields) = (Map::new(), Map::new());
        for (name, edit) in edits {
            if op == Op::Insert && edit.at == at {
                data.insert(name.clone(), edit.value.clone());
            } else {
                fields.insert(name.clone(), json!({ "value": edit.value, "at": edit.at }));
            }
        }
        if op == Op::Insert {
            change.insert("data".into(), data.into());
        }
        if !fields.is_empty() {
            change.insert("fields".into(), fields.into());
        }
        change
    }

    fn frame(&self, id: String, op: Op, at: Stamp) -> Map<String, Value> {
        let mut change = Map::new();
        change.insert("eventId".into(), id.into());
        change.insert("table".into(), self.sync.sync_name.as_str().into());
        change.insert("id".into(), self.id.as_str().into());
        change.insert("op".into(), op.as_str().into());
        change.insert("at".into(), json!(at));
        change
    }

    fn outgoing(&self, mut change: Map<String, Value>, named: bool, record: Option<&R>, config: &Config) -> Outgoing {
        let data = self.row.get("data").and_then(|data| data.as_row());
        if self.sync.scope == Scope::Space {
            // Where the record lies decides: its space may have got its real name after the change was queued.
            let told = record.and_then(|record| record.text(SPACE_ID));
            let told = told.or_else(|| self.row.text(SPACE_ID));
            let told = told.or_else(|| data.as_ref().and_then(|data| data.text(SPACE_ID)));
            let space = told.map_or_else(|| config.personal_alias(), |space| config.wire_space(&space));
            change.insert(SPACE_ID.into(), space.into());
        }
        let inserted = data.as_ref().filter(|_| self.op == Op::Insert);
        let visibility = inserted.or(record).and_then(|row| row.text(VISIBILITY));
        let visibility = visibility.map(Visibility::from).unwrap_or_default().as_str();
        change.insert(VISIBILITY.into(), visibility.into());
        let data = change.get_mut("data").and_then(Value::as_object_mut);
        if let Some(data) = data.filter(|data| data.contains_key(VISIBILITY)) {
            data.insert(VISIBILITY.into(), visibility.into());
        }
        let actor =
            self.row.get("actor").and_then(|actor| actor.to_json().ok()).and_then(|json| Actor::parse(json).ok());
        let actor = actor.unwrap_or_else(|| Actor::user(config.user_id(), None));
        let told = self.row.text("origin").and_then(|origin| Origin::of(&origin));
        Outgoing {
            app: self.sync.app.clone(),
            // An older app that has steps ahead of it is of the first version.
            schema_version: if self.sync.migrations.is_empty() { self.sync.schema_version } else { 1 },
            origin: told.filter(|origin| *origin != Origin::ServerReplay).unwrap_or_else(|| actor.origin()),
            actor: actor.to_json(),
            named,
            change: LoggedChange(change),
        }
    }
}

impl Edits {
    fn take<V: RowValue>(&mut self, name: &str, value: &V, at: Stamp, sync: &TableSync) {
        match super::row::travelling(name, value, sync).and_then(|value| value.to_json()) {
            Ok(value) => {
                // Two paths into one value: the later edit counts for both.
                let at = self.fields.get(name).map_or(at, |known| known.at.max(at));
                self.fields.insert(name.to_owned(), Written { value, at });
            }
            Err(malformed) => self.refused.push((name.to_owned(), at, malformed.to_string())),
        }
    }
}

impl Moved {
    /// Holds every change to what the wire takes; one that is none becomes a dead letter.
    fn verified(mut self) -> Self {
        for outgoing in std::mem::take(&mut self.changes) {
            let mut wire = outgoing.change.0.clone();
            wire.insert("app".into(), outgoing.app.as_str().into());
            match Change::parse(Value::Object(wire)) {
                Ok(_) => self.changes.push(outgoing),
                Err(malformed) => self.letters.push(Letter {
                    code: letter::MALFORMED,
                    message: malformed.to_string(),
                    app: outgoing.app.to_string(),
                    change: outgoing.change.0,
                }),
            }
        }
        self
    }
}

#[cfg(test)]
mod tests;

//! A row of the change log as JSON: read, rewritten, and turned into what the wire carries.

use super::super::error::Result;
use super::super::rows;
use super::before::BEFORE;
use crate::model::{AUTHOR_ID, DELETED_AT, Edit, FromJson, Origin, Stamp, Visibility, record};
use crate::probe::{Probe, hit};
use crate::store::{CHANGE_LOG, Key, Row, Transaction};
use serde_json::{Map, Value, json};

record! {
    /// A row of the change log.
    #[derive(Debug, Clone, PartialEq)]
    pub struct LogRow {
        /// Its key.
        pub seq: f64 = "seq",
        /// Whose changes these are.
        pub user_id: String = "userId",
        /// The app.
        pub app_id: String = "appId",
        /// The version of the app's data.
        pub schema_version: u32 = "schemaVersion",
        /// The clock epoch the stamps were made in.
        pub clock_epoch: String = "clockEpoch",
        /// The offset that is part of the stamps, in milliseconds.
        pub clock_offset: i64 = "clockOffset" or 0,
        /// The stamp of every change that has none of its own.
        pub at: Stamp = "at",
        /// Who wrote.
        pub actor: Value = "actor",
        /// What kind of hand wrote.
        pub origin: String = "origin",
        /// Rows whose changes were merged into this one: who waits for them waits for this.
        pub absorbed: Vec<f64> = "absorbed" or Vec::new(),
        /// The changes.
        pub changes: Vec<LoggedChange> = "changes",
        /// Set before the row is first sent.
        pub sent_at: Option<String> = "sentAt",
    }
}

/// A change in a log row.
#[derive(Debug, Clone, PartialEq)]
pub struct LoggedChange(pub Map<String, Value>);

/// By field, the newest stamp of another's value that lost to the change's.
pub const LOST: &str = "lost";
/// By field, the stamp of another's value that took the place of the change's under the same stamp, or is the same.
pub const MATCHED: &str = "matched";

/// The record whose stamps those of the change's fields follow: its own, a tick above each `prev`, or another one, whose
/// fields have the same. They move with it, and for nothing else.
pub const FROM: &str = "from";

/// Says of an insert that the server has something of the record already, and nobody kept what.
pub const KNOWN: &str = "known";

/// Says that the change was a dead letter and went out again by itself.
pub const AGAIN: &str = "again";

/// One edit of a logged change: which field, when, and the stamp it replaced.
pub struct LoggedStamp {
    /// The app and the table's name on the wire.
    pub table: (String, String),
    /// The record.
    pub id: String,
    /// The field.
    pub field: String,
    /// When it was written.
    pub at: Stamp,
    /// What it replaced.
    pub prev: Option<Stamp>,
    /// The newest stamp of another's value that lost to it.
    pub lost: Option<Stamp>,
    /// Whether another's value took its place under the same stamp, or is the same.
    pub matched: bool,
    /// The record whose stamp of this field this one follows.
    pub from: Option<String>,
}

pub(super) fn stamp_in(map: &Map<String, Value>, key: &str) -> Option<Stamp> {
    map.get(key)?.as_str().and_then(|text| Stamp::parse(text).ok())
}

impl FromJson for LoggedChange {
    fn from_json(value: Value) -> Option<Self> {
        Map::from_json(value).map(Self)
    }
}

impl From<LoggedChange> for Value {
    fn from(change: LoggedChange) -> Self {
        Self::Object(change.0)
    }
}

impl LogRow {
    /// A row without changes, whose stamps are nobody's to move: `clock_epoch` says where they are from.
    pub fn unmoved(user: &str, clock_epoch: &str, at: Stamp) -> Self {
        Self {
            seq: 0.0,
            user_id: user.to_owned(),
            app_id: String::new(),
            schema_version: 1,
            clock_epoch: clock_epoch.to_owned(),
            clock_offset: 0,
            at,
            actor: json!({ "kind": "user", "principalId": user }),
            origin: Origin::User.as_str().to_owned(),
            absorbed: Vec::new(),
            changes: Vec::new(),
            sent_at: None,
        }
    }

    /// The numbers of this row and of those that were merged into it: what writers wait for.
    pub fn tickets(&self) -> impl Iterator<Item = f64> {
        std::iter::once(self.seq).chain(self.absorbed.iter().copied())
    }

    /// Stores a change of this row, which the server will not have, as a dead letter under its event id; `part`: its place
    /// among those that are refused together.
    pub fn put_letter<Tx: Transaction>(
        &self,
        tx: &Tx,
        change: &LoggedChange,
        (code, message): (&str, &str),
        (at, part): (Stamp, u32),
    ) -> Result<()> {
        let letter = json!({
            "part": part,
            "userId": self.user_id,
            "code": code,
            "message": message,
            "at": at.to_string(),
            "row": self.without_changes(),
            "change": change.0,
        });
        rows::write(tx, rows::LETTER, change.event_id(), letter)
    }

    /// Reads a stored row.
    pub fn parse<R: Row>(row: &R) -> Option<Self> {
        row.to_json().ok().and_then(Self::from_json)
    }

    /// Stores the row under its key.
    pub fn put<Tx: Transaction>(&self, tx: &Tx) -> Result<()> {
        let json = Value::from(self.clone());
        if let Some(row) = Tx::Row::from_json(&json) {
            tx.put(CHANGE_LOG, &row, None)?;
        }
        Ok(())
    }

    /// Stores the row, or takes it off the log where no change is left in it.
    pub fn put_or_remove<Tx: Transaction>(&self, tx: &Tx) -> Result<()> {
        if self.changes.is_empty() { Ok(tx.delete(CHANGE_LOG, &Key::Number(self.seq))?) } else { self.put(tx) }
    }

    /// The row as a store takes it that is to make its key.
    pub fn unkeyed<R: Row>(&self) -> Option<R> {
        let mut json = Value::from(self.clone());
        if let Some(map) = json.as_object_mut() {
            map.remove("seq");
        }
        R::from_json(&json)
    }

    /// Stores the row under a new key.
    pub async fn append<Tx: Transaction>(&self, tx: &Tx) -> Result<()> {
        if let Some(row) = self.unkeyed() {
            tx.insert(CHANGE_LOG, &row, None).await?;
        }
        Ok(())
    }

    /// What the row says about all its changes.
    pub fn without_changes(&self) -> Value {
        Self { changes: Vec::new(), ..self.clone() }.into()
    }
}

impl LoggedChange {
    /// Everything of it that goes by the names of fields.
    pub const MAPS_BY_FIELD: [&str; 5] = ["data", "fields", BEFORE, LOST, MATCHED];

    fn text(&self, key: &str) -> &str {
        self.0.get(key).and_then(Value::as_str).unwrap_or_default()
    }

    /// The change's id.
    pub fn event_id(&self) -> &str {
        self.text("eventId")
    }

    /// Gives the change another id.
    pub fn set_event_id(&mut self, id: String) {
        self.0.insert("eventId".into(), id.into());
    }

    /// The table's name on the wire.
    pub fn table(&self) -> &str {
        self.text("table")
    }

    /// The record.
    pub fn id(&self) -> &str {
        self.text("id")
    }

    /// `insert`, `update` or `delete`.
    pub fn op(&self) -> &str {
        self.text("op")
    }

    /// Whether the change is accepted or rejected together with others.
    pub fn is_grouped(&self) -> bool {
        self.0.contains_key("group")
    }

    /// The record whose stamps those of its fields follow.
    pub fn from(&self) -> Option<&str> {
        self.0.get(FROM).and_then(Value::as_str)
    }

    /// When it was written.
    pub fn at(&self, row: &LogRow) -> Stamp {
        stamp_in(&self.0, "at").unwrap_or(row.at)
    }

    /// Names the other visibility: there are two, and the server says it is not this one.
    pub fn turn_visibility(&mut self) {
        let now = Visibility::from(self.text("visibility").to_owned());
        self.set_visibility(if now == Visibility::Private { Visibility::Space } else { Visibility::Private });
    }

    /// Names the visibility of its record.
    pub fn set_visibility(&mut self, visibility: Visibility) {
        self.0.insert("visibility".into(), visibility.as_str().into());
    }

    /// Has the stamps of its fields, each its own, follow those of a record.
    pub fn follow(&mut self, from: &str, at: Stamp) {
        self.0.insert(FROM.to_owned(), from.into());
        let data = self.0.get_mut("data").and_then(Value::as_object_mut).map(std::mem::take).unwrap_or_default();
        let fields = self.0.entry("fields").or_insert_with(|| Value::Object(Map::new())).as_object_mut();
        if let Some(fields) = fields {
            fields.extend(data.into_iter().map(|(name, value)| (name, json!({ "value": value, "at": at }))));
        }
    }

    /// Keeps what a deletion replaced where the log keeps it, as the wire has it among the fields.
    pub fn fold_prev(&mut self) {
        let is_delete = self.op() == "delete";
        let deleted = self.fields_mut().filter(|_| is_delete).and_then(|fields| fields.remove(DELETED_AT));
        if let Some(prev) = deleted.as_ref().and_then(|edit| edit.get("prev")) {
            self.0.insert("prev".into(), prev.clone());
        }
    }

    /// When each of its fields was written.
    pub fn stamps(&self, row: &LogRow) -> Vec<LoggedStamp> {
        let at = self.at(row);
        let stamp = |field: &str, at: Stamp, prev: Option<Stamp>| LoggedStamp {
            table: (row.app_id.clone(), self.table().to_owned()),
            id: self.id().to_owned(),
            field: field.to_owned(),
            at,
            prev,
            lost: self.other(LOST, field),
            matched: self.other(MATCHED, field) == Some(at),
            from: self.from().map(str::to_owned),
        };
        let read = |map: &Map<String, Value>, key: &str| stamp_in(map, key);
        let of = |key: &str| self.0.get(key).and_then(Value::as_object).into_iter().flatten();
        let data = of("data").map(|(name, _)| stamp(name, at, None));
        let edits = of("fields").filter_map(|(name, edit)| {
            let edit = edit.as_object()?;
            Some(stamp(name, read(edit, "at").unwrap_or(at), read(edit, "prev")))
        });
        let deletion = (self.op() == "delete").then(|| stamp(DELETED_AT, at, read(&self.0, "prev")));
        data.chain(edits).chain(deletion).collect()
    }

    /// The edited fields of an update.
    pub fn fields_mut(&mut self) -> Option<&mut Map<String, Value>> {
        self.0.get_mut("fields").and_then(Value::as_object_mut)
    }

    /// About how many bytes it takes on the wire.
    pub fn bytes(&self) -> usize {
        serde_json::to_string(&self.0).map_or(0, |text| text.len())
    }

    /// Notes that another's value of a field lost to this change's. Where it is newer than the value the edit falls back
    /// to, it takes that one's place.
    pub fn note_lost(&mut self, field: &str, edit: &Edit, row_at: Stamp) -> bool {
        if field == AUTHOR_ID {
            return self.op() == "insert" && self.keep_lost(field, edit);
        }
        if self.stamp_of(field, row_at).is_none_or(|at| edit.at > at) {
            return false;
        }
        let noted = self.note_other(LOST, field, edit.at);
        self.keep_lost(field, edit) || noted
    }

    /// Notes that another's value of a field has this change's stamp.
    pub fn note_matched(&mut self, field: &str, at: Stamp, row_at: Stamp) -> bool {
        self.stamp_of(field, row_at) == Some(at) && {
            hit(Probe::ApplyMatched);
            self.note_other(MATCHED, field, at)
        }
    }

    /// The value it gives a field.
    pub fn value_of(&self, field: &str) -> Option<&Value> {
        match self.0.get("fields").and_then(|fields| fields.get(field)) {
            Some(edit) => edit.get("value"),
            None => self.0.get("data")?.get(field),
        }
    }

    /// Takes a field out of it.
    pub fn take_field(&mut self, field: &str) {
        for map in ["fields", "data"] {
            if let Some(map) = self.0.get_mut(map).and_then(Value::as_object_mut) {
                map.remove(field);
            }
        }
    }

    /// Whether it edits any field.
    pub fn has_fields(&self) -> bool {
        self.0.get("fields").and_then(Value::as_object).is_some_and(|fields| !fields.is_empty())
    }

    /// The value it gives a field, to be changed.
    pub fn value_of_mut(&mut self, field: &str) -> Option<&mut Value> {
        let key = if self.0.get("fields").and_then(|fields| fields.get(field)).is_some() { "fields" } else { "data" };
        let value = self.0.get_mut(key)?.get_mut(field)?;
        if key == "fields" { value.get_mut("value") } else { Some(value) }
    }

    /// When a field was written, where this change writes it.
    pub fn stamp_of(&self, field: &str, row_at: Stamp) -> Option<Stamp> {
        let at = stamp_in(&self.0, "at").unwrap_or(row_at);
        let of = |key: &str| self.0.get(key).and_then(Value::as_object).and_then(|map| map.get(field));
        if let Some(edit) = of("fields") {
            return Some(edit.as_object().and_then(|edit| stamp_in(edit, "at")).unwrap_or(at));
        }
        (of("data").is_some() || self.op() == "delete" && field == DELETED_AT).then_some(at)
    }

    /// What was noted of a field.
    pub fn other(&self, list: &str, field: &str) -> Option<Stamp> {
        stamp_in(self.0.get(list)?.as_object()?, field)
    }

    /// Notes a stamp of a field unless a newer one is noted.
    pub fn note_other(&mut self, list: &str, field: &str, at: Stamp) -> bool {
        let is_newer = self.other(list, field).is_none_or(|noted| noted < at);
        let noted = self.0.entry(list).or_insert_with(|| Value::Object(Map::new())).as_object_mut();
        if let Some(noted) = noted.filter(|_| is_newer) {
            noted.insert(field.to_owned(), json!(at));
        }
        is_newer
    }

    /// The change as the wire carries it: complete in itself, and without what stays on the device.
    pub fn to_wire(&self, row: &LogRow) -> Value {
        let mut wire = self.0.clone();
        for noted in [LOST, MATCHED, FROM, BEFORE, AGAIN, KNOWN] {
            wire.remove(noted);
        }
        wire.insert("app".into(), row.app_id.clone().into());
        wire.insert("schemaVersion".into(), row.schema_version.into());
        wire.insert("actor".into(), row.actor.clone());
        wire.insert("origin".into(), row.origin.clone().into());
        wire.entry("at").or_insert_with(|| json!(row.at));
        for field in wire.get_mut("fields").and_then(Value::as_object_mut).into_iter().flat_map(Map::values_mut) {
            if let Some(field) = field.as_object_mut() {
                field.remove("before");
            }
        }
        if let Some(prev) = wire.remove("prev") {
            let at = wire["at"].clone();
            let deleted = json!({ "value": at, "at": at, "prev": prev });
            let fields = wire.entry("fields").or_insert_with(|| Value::Object(Map::new())).as_object_mut();
            fields.and_then(|fields| fields.insert(DELETED_AT.into(), deleted));
        }
        Value::Object(wire)
    }
}

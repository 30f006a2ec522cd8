//! A row of the change log as JSON: read, rewritten, and turned into what the wire carries.

use super::super::error::Result;
use super::super::rows;
use crate::model::{DELETED_AT, Edit, FromJson, Origin, Stamp, Visibility, record};
use crate::store::{CHANGE_LOG, Row, Transaction};
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

    /// Stores a change of this row, which the server will not have, as a dead letter under its event id.
    pub fn put_letter<Tx: Transaction>(
        &self,
        tx: &Tx,
        change: &LoggedChange,
        (code, message): (&str, &str),
        at: Stamp,
    ) -> Result<()> {
        let letter = json!({
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

    /// Stores the row under a new key.
    pub async fn append<Tx: Transaction>(&self, tx: &Tx) -> Result<()> {
        let mut json = Value::from(self.clone());
        if let Some(map) = json.as_object_mut() {
            map.remove("seq");
        }
        if let Some(row) = Tx::Row::from_json(&json) {
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

    /// When it was written.
    pub fn at(&self, row: &LogRow) -> Stamp {
        self.0.get("at").and_then(Value::as_str).and_then(|text| Stamp::parse(text).ok()).unwrap_or(row.at)
    }

    /// Names the other visibility: there are two, and the server says it is not this one.
    pub fn turn_visibility(&mut self) {
        let now = Visibility::from(self.text("visibility").to_owned());
        let other = if now == Visibility::Private { Visibility::Space } else { Visibility::Private };
        self.0.insert("visibility".into(), other.as_str().into());
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
        };
        let read =
            |map: &Map<String, Value>, key: &str| map.get(key)?.as_str().and_then(|text| Stamp::parse(text).ok());
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

    /// Makes `edit` the value this change's edit of `field` falls back to, when it is newer than the one kept.
    pub fn raise_before(&mut self, field: &str, edit: &Edit) -> bool {
        let Some(logged) = self.fields_mut().and_then(|fields| fields.get_mut(field)).and_then(Value::as_object_mut)
        else {
            return false;
        };
        let kept = logged.get("before").and_then(|before| before["at"].as_str()).and_then(|at| Stamp::parse(at).ok());
        if kept.is_some_and(|kept| kept >= edit.at) {
            return false;
        }
        logged.insert("before".into(), json!({ "value": edit.value, "at": edit.at }));
        true
    }

    /// The change as the wire carries it: complete in itself, and without what stays on the device.
    pub fn to_wire(&self, row: &LogRow) -> Value {
        let mut wire = self.0.clone();
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
            wire.insert("fields".into(), json!({ DELETED_AT: { "value": at, "at": at, "prev": prev } }));
        }
        Value::Object(wire)
    }
}

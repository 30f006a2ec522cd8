//! How a change lies in the columns of `sync_changes`.
//!
//! `data` holds the fields' values; `field_meta` the stamps of those fields that were not written at the change's own
//! time or replaced another value: `{ field: at }`, or `{ field: { at, prev } }`.

use super::{LogError, LogRow};
use mana_sync_engine::model::{
    Actor, AppId, Change, Edit, EventId, FieldName, Malformed, Op, OrderedMap, Origin, RecordId, SpaceId, Stamp,
    TableName, UserId, Visibility,
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// The parts of a row that come back as a change.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Columns {
    pub id: String,
    pub app_id: String,
    pub table_name: String,
    pub record_id: String,
    pub user_id: String,
    pub op: String,
    pub data: String,
    pub field_meta: String,
    pub schema_version: i64,
    pub actor: Option<String>,
    pub origin: String,
    pub space_id: Option<String>,
    pub visibility: String,
    pub at: String,
}

/// What a row takes of its writer's quota: values, stamps, actor, and 256 bytes for what every row has.
macro_rules! bytes {
    () => {
        "(octet_length(data) + octet_length(field_meta) + coalesce(octet_length(actor), 0) + 256)"
    };
}
pub(super) use bytes;

#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum FieldMeta {
    At(Stamp),
    Replacing { at: Stamp, prev: Stamp },
}

impl Columns {
    /// The columns of a row.
    pub fn of(row: &LogRow) -> Self {
        let change = &row.change;
        let mut data = Map::new();
        let mut meta: BTreeMap<&str, FieldMeta> = BTreeMap::new();
        for (field, edit) in &change.fields {
            data.insert(field.as_str().to_owned(), edit.value.clone());
            match edit.prev {
                Some(prev) => drop(meta.insert(field.as_str(), FieldMeta::Replacing { at: edit.at, prev })),
                None if edit.at != change.at => drop(meta.insert(field.as_str(), FieldMeta::At(edit.at))),
                None => {}
            }
        }
        Self {
            id: change.event_id.to_string(),
            app_id: change.app.to_string(),
            table_name: change.table.to_string(),
            record_id: change.id.to_string(),
            user_id: row.user.to_string(),
            op: change.op.as_str().to_owned(),
            data: Value::Object(data).to_string(),
            // Stamps and strings have no failing case on their way into JSON text.
            field_meta: serde_json::to_string(&meta).unwrap_or_default(),
            schema_version: i64::from(change.schema_version),
            actor: change.actor.as_ref().map(|actor| actor.to_json().to_string()),
            origin: change.origin.as_str().to_owned(),
            space_id: change.space_id.as_ref().map(ToString::to_string),
            visibility: change.visibility.as_str().to_owned(),
            at: change.at.to_string(),
        }
    }

    /// How much of its writer's quota the row takes, in bytes; `bytes!` is the same in SQL.
    pub fn charge(row: &LogRow) -> i64 {
        i64::try_from(Self::of(row).size()).unwrap_or(i64::MAX).saturating_add(256)
    }

    /// How much of a page the row takes, in bytes.
    pub fn size(&self) -> usize {
        self.data.len() + self.field_meta.len() + self.actor.as_ref().map_or(0, String::len)
    }

    /// The change that lies in the columns.
    pub fn into_change(self) -> Result<Change, LogError> {
        let row = format!("{}/{}", self.user_id, self.id);
        self.parse().map_err(|e| LogError::Failed(format!("row {row} is damaged: {e}")))
    }

    fn parse(self) -> Result<Change, Malformed> {
        let at = Stamp::parse(&self.at)?;
        Ok(Change {
            event_id: EventId::parse(self.id)?,
            app: AppId::parse(self.app_id)?,
            schema_version: u32::try_from(self.schema_version).unwrap_or(1).max(1),
            table: TableName::parse(self.table_name)?,
            id: RecordId::parse(self.record_id)?,
            op: word::<Op>(self.op, "op")?,
            at,
            fields: edits(&self.data, &self.field_meta, at)?,
            space_id: self.space_id.map(SpaceId::parse).transpose()?,
            visibility: Visibility::from(self.visibility),
            actor: self.actor.map(|text| Actor::parse(json(&text, "actor")?)).transpose()?,
            origin: word::<Origin>(self.origin, "origin")?,
            group: None,
            user_id: Some(UserId::parse(self.user_id)?),
        })
    }
}

fn edits(data: &str, meta: &str, at: Stamp) -> Result<OrderedMap<FieldName, Edit>, Malformed> {
    let values: Map<String, Value> = json(data, "data")?;
    let meta: BTreeMap<String, FieldMeta> = json(meta, "field_meta")?;
    let edit = |(field, value)| {
        let edit = match meta.get(&field) {
            None => Edit { value, at, prev: None },
            Some(FieldMeta::At(at)) => Edit { value, at: *at, prev: None },
            Some(FieldMeta::Replacing { at, prev }) => Edit { value, at: *at, prev: Some(*prev) },
        };
        Ok((FieldName::parse(field)?, edit))
    };
    values.into_iter().map(edit).collect()
}

fn json<T: serde::de::DeserializeOwned>(text: &str, column: &str) -> Result<T, Malformed> {
    serde_json::from_str(text).map_err(|e| Malformed::new(column, e.to_string()))
}

fn word<T: serde::de::DeserializeOwned>(text: String, column: &str) -> Result<T, Malformed> {
    serde_json::from_value(Value::String(text)).map_err(|e| Malformed::new(column, e.to_string()))
}

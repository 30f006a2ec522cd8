//! Reading and writing the field metadata of a record.

use crate::merge::RecordView;
use crate::model::{Actor, FIELD_META, Origin, SPACE_ID, Stamp, UPDATED_AT_INDEX};
use crate::store::{Row, RowValue};
use serde_json::Value;

/// One stamp object, shared by all fields of a write: structured clone then stores it once.
#[derive(Clone)]
pub struct Mark<V> {
    /// When.
    pub at: Stamp,
    value: V,
    at_text: V,
}

impl<V: RowValue> Mark<V> {
    /// `{ at, actor, origin }`.
    pub fn new(at: Stamp, actor: &V, origin: Origin) -> Self {
        let at_text = V::text(&at.to_string());
        let mut mark = V::Row::empty();
        mark.set("at", at_text.clone());
        mark.set("actor", actor.clone());
        mark.set_word("origin", origin.as_str());
        Self { at, value: mark.into_value(), at_text }
    }

    /// The mark as a value of the metadata.
    pub fn into_value(self) -> V {
        self.value
    }

    /// The mark of a change from the server.
    pub fn replayed(at: Stamp, actor: Option<&Actor>) -> Self {
        let actor = actor.map_or_else(|| serde_json::json!({ "kind": "user" }), Actor::to_json);
        Self::new(at, &V::from_json(&actor), Origin::ServerReplay)
    }
}

/// The metadata of a record being changed; written back once.
pub struct FieldMeta<R: Row> {
    meta: R,
    newest: Option<Stamp>,
    /// The newest stamp as a value, where a mark gave it.
    newest_text: Option<R::Value>,
}

/// The metadata of the last new record of a write: others with the same fields share it, as they share the stamp.
pub struct LastFresh<R> {
    names: Vec<String>,
    meta: Option<R>,
}

impl<R> Default for LastFresh<R> {
    fn default() -> Self {
        Self { names: Vec::new(), meta: None }
    }
}

impl<R: Row> LastFresh<R> {
    /// Marks all `names` of a new record; `mark` is the same in every call.
    pub fn write(&mut self, row: &mut R, names: Vec<String>, mark: &Mark<R::Value>) {
        let known = self.meta.take().filter(|_| self.names == names);
        let meta = known.unwrap_or_else(|| {
            let mut meta = R::empty();
            for name in &names {
                meta.set(name, mark.value.clone());
            }
            meta
        });
        row.set(FIELD_META, meta.clone().into_value());
        row.set(UPDATED_AT_INDEX, mark.at_text.clone());
        *self = Self { names, meta: Some(meta) };
    }
}

impl<R: Row> FieldMeta<R> {
    /// The metadata of a stored record, or none yet.
    pub fn of(row: Option<&R>) -> Self {
        let meta = row.and_then(|row| row.get(FIELD_META)).and_then(|value| value.as_row());
        let newest = row.and_then(|row| row.text(UPDATED_AT_INDEX)).and_then(|text| Stamp::parse(&text).ok());
        Self { meta: meta.map_or_else(R::empty, |meta| meta.shallow_copy()), newest, newest_text: None }
    }

    /// Marks a field as written.
    pub fn mark(&mut self, field: &str, mark: &Mark<R::Value>) {
        self.meta.set(field, mark.value.clone());
        if self.newest < Some(mark.at) {
            self.newest = Some(mark.at);
            self.newest_text = Some(mark.at_text.clone());
        }
    }

    /// Forgets that a field was written.
    pub fn unmark(&mut self, field: &str) {
        self.meta.remove(field);
    }

    /// Whether no field is marked.
    pub fn is_empty(&self) -> bool {
        self.meta.names().is_empty()
    }

    /// Whether nothing but defaults of a newer version of the app's data are marked: nobody wrote those.
    pub fn has_defaults_alone(&self) -> bool {
        let is_default = |mark: R| {
            let is_oldest = mark.text("at").is_some_and(|at| Stamp::parse(&at) == Ok(Stamp::EPOCH));
            is_oldest && mark.text("origin").as_deref() == Some(Origin::Migration.as_str())
        };
        self.meta.names().iter().all(|name| self.meta.get(name).and_then(|mark| mark.as_row()).is_some_and(is_default))
    }

    /// Finds the newest stamp anew, after marks were moved back in time.
    pub fn renew(&mut self) {
        let stamp = |name: &String| Stamp::parse(&self.meta.get(name)?.as_row()?.text("at")?).ok();
        self.newest = self.meta.names().iter().filter_map(stamp).max();
        self.newest_text = None;
    }

    /// Puts the metadata into the record.
    pub fn write(self, row: &mut R) {
        row.set(FIELD_META, self.meta.into_value());
        let text = self.newest_text.or_else(|| self.newest.map(|newest| R::Value::text(&newest.to_string())));
        if let Some(text) = text {
            row.set(UPDATED_AT_INDEX, text);
        }
    }
}

/// The mark of a field, as stored.
pub fn mark_of<R: Row>(row: &R, field: &str) -> Option<R> {
    row.get(FIELD_META)?.as_row()?.get(field)?.as_row()
}

/// A field's value as JSON; `null` when it has none, or none that travels.
pub fn json_of<R: Row>(row: &R, field: &str) -> Value {
    row.get(field).and_then(|value| value.to_json().ok()).unwrap_or_default()
}

/// The stamp of a field.
pub fn stamp_of<R: Row>(row: &R, field: &str) -> Option<Stamp> {
    Stamp::parse(&mark_of(row, field)?.text("at")?).ok()
}

/// Where a field's value came from.
pub fn origin_of<R: Row>(row: &R, field: &str) -> Option<String> {
    mark_of(row, field)?.text("origin")
}

/// Who wrote a field's value; `null` where that is not said.
pub fn actor_of<R: Row>(row: &R, field: &str) -> Option<Value> {
    let actor = mark_of(row, field)?.get("actor");
    Some(actor.and_then(|actor| actor.to_json().ok()).unwrap_or_default())
}

/// The actor and origin of a field's mark, to mark it anew.
pub fn mark_parts<R: Row>(row: &R, field: &str) -> Option<(R::Value, Origin)> {
    let mark = mark_of(row, field)?;
    Some((mark.get("actor")?, Origin::of(&mark.text("origin")?)?))
}

/// A stored record as merging sees it. Stamps are read once, because merging asks for every field.
pub struct StoredRecord<'a, R: Row> {
    row: &'a R,
    meta: Option<R>,
    space: Option<String>,
}

impl<'a, R: Row> StoredRecord<'a, R> {
    /// `wire_space` names a stored space as the wire does.
    pub fn new(row: &'a R, wire_space: impl Fn(&str) -> String) -> Self {
        let meta = row.get(FIELD_META).and_then(|value| value.as_row());
        let space = row.text(SPACE_ID).map(|stored| wire_space(&stored));
        Self { row, meta, space }
    }
}

impl<R: Row> RecordView for StoredRecord<'_, R> {
    fn stamp(&self, field: &str) -> Option<Stamp> {
        Stamp::parse(&self.meta.as_ref()?.get(field)?.as_row()?.text("at")?).ok()
    }
    fn value(&self, field: &str) -> Value {
        self.row.get(field).and_then(|value| value.to_json().ok()).unwrap_or_default()
    }
    fn space(&self) -> Option<String> {
        self.space.clone()
    }
}

//! What a field was before a logged change: what it falls back to when the change is discarded. It never leaves the device.
//!
//! An edit keeps it with the field. An insert has most of its fields in `data`,
//! and a deletion has none, so they keep that in a map of their own.

use super::row::{KNOWN, LoggedChange, stamp_in};
use crate::merge::tie_order;
use crate::model::{AUTHOR_ID, DELETED_AT, Edit, OrderedMap, Stamp};
use serde_json::{Map, Value, json};
use std::cmp::Ordering;

/// By field, what another wrote there that lost to an insert or a deletion, or that stood there when a whole record was
/// said anew.
pub const BEFORE: &str = "before";

/// What a field was.
#[derive(Debug, Clone, PartialEq)]
pub enum Before {
    /// It had this value, written then; where something came for a sealed one, with what stood in its shadow.
    Was {
        /// As it was stored.
        value: Value,
        /// When it was written.
        at: Stamp,
        /// The field's part of the record's shadow.
        shadow: Option<Value>,
    },
    /// There was no such field.
    Nothing,
    /// Nobody kept it.
    Unknown,
}

impl LoggedChange {
    /// What a field was before this change.
    pub fn before_of(&self, field: &str) -> Before {
        let edit = self.0.get("fields").and_then(|fields| fields.get(field));
        let kept = edit.and_then(|edit| edit.get("before")).or_else(|| self.0.get(BEFORE)?.get(field));
        if let Some(kept) = kept.and_then(Value::as_object) {
            let value = kept.get("value").cloned().unwrap_or_default();
            return match stamp_in(kept, "at") {
                Some(at) => Before::Was { value, at, shadow: kept.get("shadow").cloned() },
                None => Before::Nothing,
            };
        }
        if self.op() == "delete" && field == DELETED_AT {
            let was = |at| Before::Was { value: Value::Null, at, shadow: None };
            return stamp_in(&self.0, "prev").map_or(Before::Nothing, was);
        }
        let replaces = edit.is_some_and(|edit| edit.get("prev").is_some());
        if self.op() == "insert" && !replaces && !self.0.contains_key(KNOWN) {
            Before::Nothing
        } else {
            Before::Unknown
        }
    }

    /// Says what a field was before this change, in place of what was said.
    pub fn set_before(&mut self, field: &str, before: &Before) {
        let kept = match before {
            Before::Was { value, at, shadow: None } => json!({ "value": value, "at": at }),
            Before::Was { value, at, shadow: Some(shadow) } => json!({ "value": value, "at": at, "shadow": shadow }),
            Before::Nothing => json!({ "value": null }),
            Before::Unknown => return self.forget_before(field),
        };
        if let Some(edit) = self.fields_mut().and_then(|fields| fields.get_mut(field)).and_then(Value::as_object_mut) {
            edit.insert("before".to_owned(), kept);
            return;
        }
        let all = self.0.entry(BEFORE).or_insert_with(|| Value::Object(Map::new())).as_object_mut();
        all.map(|all| all.insert(field.to_owned(), kept));
    }

    /// Says what it replaced in a field, where that was the stamp `from`.
    pub fn replace_prev(&mut self, field: &str, from: Stamp, to: Option<Stamp>) {
        let is_deletion = self.op() == "delete" && field == DELETED_AT;
        let edit = if is_deletion {
            Some(&mut self.0)
        } else {
            self.fields_mut().and_then(|all| all.get_mut(field)?.as_object_mut())
        };
        let Some(edit) = edit.filter(|edit| stamp_in(edit, "prev") == Some(from)) else { return };
        match to {
            Some(to) => edit.insert("prev".to_owned(), json!(to)),
            None => edit.remove("prev"),
        };
    }

    /// Writes a field: a value with its stamp.
    pub fn put_field(&mut self, field: &str, edit: Value) {
        let fields = self.0.entry("fields").or_insert_with(|| Value::Object(Map::new())).as_object_mut();
        fields.map(|fields| fields.insert(field.to_owned(), edit));
    }

    /// Notes another's value of a field that lost to this change's: where it wins over what the field falls back to, it
    /// takes that one's place. The first to insert is the author, so of authors the earliest is kept.
    pub(super) fn keep_lost(&mut self, field: &str, edit: &Edit) -> bool {
        let was = self.before_of(field);
        if let Before::Was { value, at, .. } = &was {
            // As merging decides, of two under one stamp, too.
            let order = edit.at.cmp(at).then_with(|| tie_order(&edit.value, value));
            let wins = if field == AUTHOR_ID { Ordering::Less } else { Ordering::Greater };
            if order != wins {
                return false;
            }
        }
        // What was sealed stays beside what came for it until somebody with the key has looked at that.
        let shadow = match was {
            Before::Was { shadow: Some(shadow), .. } => Some(shadow),
            Before::Was { value, at, shadow: None } if crate::engine::sealing::is_envelope_text(&value) => {
                Some(json!({ "value": value, "mark": { "at": at } }))
            }
            Before::Was { .. } | Before::Nothing | Before::Unknown => None,
        };
        self.set_before(field, &Before::Was { value: edit.value.clone(), at: edit.at, shadow });
        true
    }

    /// Forgets what a field had before.
    pub fn forget_before(&mut self, field: &str) {
        let edit = self.fields_mut().and_then(|fields| fields.get_mut(field)).and_then(Value::as_object_mut);
        edit.map(|edit| edit.remove("before"));
        let all = self.0.get_mut(BEFORE).and_then(Value::as_object_mut);
        all.map(|all| all.remove(field));
    }

    /// Everything that is kept of fields before, with the stamp that the change itself gives them.
    pub fn befores_mut(&mut self) -> Vec<(String, Option<Stamp>, &mut Map<String, Value>)> {
        let mut found = Vec::new();
        for (key, map) in self.0.iter_mut().filter(|(key, _)| matches!(key.as_str(), "fields" | BEFORE)) {
            for (name, kept) in map.as_object_mut().into_iter().flatten() {
                let Some(kept) = kept.as_object_mut() else { continue };
                if key == BEFORE {
                    found.push((name.clone(), None, kept));
                    continue;
                }
                let at = stamp_in(kept, "at");
                let before = kept.get_mut("before").and_then(Value::as_object_mut);
                found.extend(before.map(|before| (name.clone(), at, before)));
            }
        }
        found
    }

    /// Where the value a field had before was sealed anew, names it as it is now.
    pub fn rename_before(&mut self, field: &str, resealed: &OrderedMap<String, String>) {
        for (_, _, before) in self.befores_mut().into_iter().filter(|(name, ..)| name == field) {
            let value = before.get_mut("value");
            let renamed = value.as_ref().and_then(|value| resealed.get(value.as_str()?)).cloned();
            if let (Some(value), Some(renamed)) = (value, renamed) {
                *value = renamed.into();
            }
        }
    }
}

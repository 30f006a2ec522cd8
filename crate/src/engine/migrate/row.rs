//! The steps of a table on a stored record: what merging the record's changes, each brought to the version, would give.

use super::United;
use crate::engine::prepare::is_purged;
use crate::engine::stamps::{FieldMeta, Mark, json_of, stamp_of};
use crate::migrate::later;
use crate::model::{FIELD_META, FieldName, Origin, SHADOW, Stamp, Step};
use crate::store::{Row, RowValue};
use serde_json::json;
use std::cmp::Ordering;

/// What a record keeps of a field, wherever it keeps it.
struct Kept<V> {
    value: Option<V>,
    mark: Option<V>,
    shadow: Option<V>,
}

/// The record after the steps, `None` where it is the same, and the fields in which two became one.
pub fn migrated<R: Row>(row: &R, steps: &[&Step]) -> (Option<R>, United) {
    let (mut row, mut changed, mut united) = (row.shallow_copy(), false, United::new());
    for step in steps {
        united = united.into_iter().filter_map(|name| renamed(step, name)).collect();
        let lifted: Vec<_> =
            step.leaving().filter_map(|(from, to)| Some((to, lift(&mut row, from.as_str())?))).collect();
        changed |= !lifted.is_empty();
        for (to, kept) in lifted {
            let Some(to) = to else { continue };
            if put(&mut row, to, kept) {
                united.insert(to.to_string());
            }
        }
        for (name, value) in &step.defaults {
            changed |= fill(&mut row, name.as_str(), value);
        }
    }
    if changed {
        let mut meta = FieldMeta::of(Some(&row));
        if !meta.is_empty() {
            meta.renew();
            meta.write(&mut row);
        }
    }
    (changed.then_some(row), united)
}

fn renamed(step: &Step, name: String) -> Option<String> {
    match step.place_of(&name) {
        crate::model::Place::Stays => Some(name),
        crate::model::Place::Moves(to) => Some(to.to_string()),
        crate::model::Place::Goes => None,
    }
}

/// Takes a field out of a record; `None`: it has none.
fn lift<R: Row>(row: &mut R, field: &str) -> Option<Kept<R::Value>> {
    let kept = Kept { value: row.get(field), mark: part(row, FIELD_META, field), shadow: part(row, SHADOW, field) };
    row.remove(field);
    set_part(row, FIELD_META, field, None);
    set_part(row, SHADOW, field, None);
    (kept.value.is_some() || kept.mark.is_some() || kept.shadow.is_some()).then_some(kept)
}

/// Puts it back under another name, unless what stands there is later; says whether something did.
fn put<R: Row>(row: &mut R, name: &FieldName, kept: Kept<R::Value>) -> bool {
    let name = name.as_str();
    let is_there = row.get(name).is_some() || part(row, FIELD_META, name).is_some();
    if is_there && !wins(row, name, &kept) {
        return true;
    }
    match kept.value {
        Some(value) => row.set(name, value),
        None => row.remove(name),
    }
    set_part(row, FIELD_META, name, kept.mark);
    set_part(row, SHADOW, name, kept.shadow);
    is_there
}

/// Whether what was kept is later than what stands under `name`; what has no stamp is older than everything.
fn wins<R: Row>(row: &R, name: &str, kept: &Kept<R::Value>) -> bool {
    let at = |mark: &R::Value| Stamp::parse(&mark.as_row()?.text("at")?).ok();
    match (kept.mark.as_ref().and_then(at), stamp_of(row, name)) {
        (Some(at), Some(there)) => {
            let value = kept.value.as_ref().and_then(|value| value.to_json().ok()).unwrap_or_default();
            later((at, &value), (there, &json_of(row, name))) == Ordering::Greater
        }
        (at, _) => at.is_some(),
    }
}

/// Gives a record a field's default, where it never had the field.
fn fill<R: Row>(row: &mut R, name: &str, value: &serde_json::Value) -> bool {
    if row.get(name).is_some() || part(row, FIELD_META, name).is_some() {
        return false;
    }
    if !is_purged(row) {
        row.set(name, R::Value::from_json(value));
    }
    let actor = R::Value::from_json(&json!({ "kind": "system", "principalId": "schema" }));
    set_part(row, FIELD_META, name, Some(Mark::new(Stamp::EPOCH, &actor, Origin::Migration).into_value()));
    true
}

/// An entry of one of the record's hidden maps.
fn part<R: Row>(row: &R, map: &str, name: &str) -> Option<R::Value> {
    row.get(map)?.as_row()?.get(name)
}

fn set_part<R: Row>(row: &mut R, map: &str, name: &str, value: Option<R::Value>) {
    let known = row.get(map).and_then(|map| map.as_row());
    if known.is_none() && value.is_none() {
        return;
    }
    let mut parts = known.map_or_else(R::empty, |parts| parts.shallow_copy());
    match value {
        Some(value) => parts.set(name, value),
        None => parts.remove(name),
    }
    if parts.names().is_empty() && map == SHADOW {
        row.remove(map);
    } else {
        row.set(map, parts.into_value());
    }
}

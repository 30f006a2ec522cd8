//! Checking and shaping the rows an app hands over, before any transaction writes them.

use super::config::Config;
use super::error::{Error, Kind, Result};
use super::paths::{Naming, set_named};
use super::stamps::stamp_of;
use crate::model::{
    AUTHOR_ID, DELETED_AT, FieldName, ID, Malformed, OrderedSet, PURGED, SHARE_PROOF, SPACE_ID, Stamp, UPDATED_AT,
    USER_ID, VISIBILITY, Visibility, is_hidden, is_immutable,
};
use crate::store::{Row, RowValue};
use serde_json::json;

/// Largest value of a field in bytes, about: a change must fit into a request.
pub const MAX_VALUE_BYTES: usize = 7 * 1024 * 1024;

/// A field with the value as it will be stored; `None` takes the field away.
#[derive(Clone)]
pub struct Field<V> {
    /// Its name.
    pub name: String,
    /// Its value.
    pub value: Option<V>,
    /// The most bytes the value takes as JSON.
    pub bytes: usize,
}

/// The fields of a whole record (for `add` and `put`): hidden and derived ones dropped, values checked.
pub fn record_fields<R: Row>(row: &R) -> Result<Vec<Field<R::Value>>> {
    row.fields()
        .into_iter()
        .filter(|(name, _)| !is_own_to_engine(name) && name != ID)
        .map(|(name, value)| checked_field(name, Some(&value)))
        .collect()
}

/// The top-level fields that changes such as `{ title: …, 'address.city': … }` give a stored record.
pub fn changed_fields<R: Row>(stored: &R, changes: &R, naming: Naming) -> Result<Vec<Field<R::Value>>> {
    let mut target = stored.shallow_copy();
    let mut names: Vec<String> = Vec::new();
    for path in changes.named().into_iter().filter(|name| !is_own_to_engine(name)) {
        let top = match naming {
            Naming::Paths => path.split('.').next().unwrap_or(&path).to_owned(),
            Naming::Fields => path.clone(),
        };
        if top != path && target.get(&top).is_some_and(|value| value.is_sealed()) {
            return Err(super::vault::locked());
        }
        set_named(&mut target, naming, &path, changes.get(&path))?;
        if !names.contains(&top) {
            names.push(top);
        }
    }
    names
        .into_iter()
        .map(|name| {
            let value = target.get(&name);
            checked_field(name, value.as_ref())
        })
        .collect()
}

/// What apps hand back as they read it, and only the engine writes.
fn is_own_to_engine(name: &str) -> bool {
    is_hidden(name) || matches!(name, UPDATED_AT | SHARE_PROOF)
}

fn checked_field<V: RowValue>(name: String, value: Option<&V>) -> Result<Field<V>> {
    FieldName::parse(name.as_str()).map_err(|malformed| not_syncable(&name, &malformed))?;
    if name == DELETED_AT && value.is_some_and(|value| !value.is_null()) {
        let message = "deletedAt is written by delete(id) and restore(id) only; nothing was written";
        return Err(Error::new(Kind::ReservedField, message).with(json!({ "field": name })));
    }
    let is_name = matches!(&*name, SPACE_ID | AUTHOR_ID | USER_ID | VISIBILITY);
    if is_name && value.is_some_and(|value| !value.is_null() && value.as_text().is_none()) {
        return Err(not_syncable(&name, &Malformed::new(&*name, "is not a text")));
    }
    if let Some(sealed) = value.filter(|value| value.is_sealed()) {
        return Ok(Field { name, value: Some(sealed.clone()), bytes: 0 });
    }
    let weighed = value.map(|value| value.travelling_weighed(&name)).transpose();
    let weighed = weighed.map_err(|malformed| not_syncable(&malformed.path.clone(), &malformed))?;
    let (value, bytes) = weighed.map_or((None, 0), |(value, bytes)| (Some(value), bytes));
    if bytes > MAX_VALUE_BYTES {
        return Err(too_large(&name));
    }
    Ok(Field { name, value, bytes })
}

/// Whether so many bytes of JSON may be sealed: base64 takes four bytes for three.
pub const fn fits_sealed(bytes: usize) -> bool {
    bytes / 3 * 4 + 64 <= MAX_VALUE_BYTES
}

/// What is said of a value that does not fit into a change.
pub fn too_large(name: &str) -> Error {
    not_syncable(name, &Malformed::new(name, "is larger than 7 MiB, or than 5 MiB where it is sealed"))
}

/// Refuses what stands for a sealed value anywhere but in its own field, where it says that nothing changes.
pub fn check_seals<R: Row>(stored: Option<&R>, sealed: &OrderedSet<String>, fields: &[Field<R::Value>]) -> Result<()> {
    let is_own = |name: &str| sealed.contains(name) && stored.is_some_and(|row| row.get(name).is_some());
    let is_stray =
        |field: &&Field<R::Value>| field.value.as_ref().is_some_and(RowValue::is_sealed) && !is_own(&field.name);
    fields.iter().find(is_stray).map_or(Ok(()), |stray| {
        let malformed = Malformed::new(&*stray.name, "is sealed and cannot be opened now");
        Err(not_syncable(&stray.name, &malformed))
    })
}

fn not_syncable(path: &str, malformed: &Malformed) -> Error {
    let message = format!(
        "the value at {path} {}: tables that sync hold JSON values only; nothing was written",
        malformed.reason
    );
    Error::new(Kind::ValueNotSyncable, message).with(json!({ "path": path }))
}

/// What differs between a stored record and new fields of it; `whole`: fields that are not named are taken away.
pub fn differences<R: Row>(
    stored: &R,
    fields: Vec<Field<R::Value>>,
    whole: bool,
    config: &Config,
) -> Result<Vec<Field<R::Value>>> {
    let mut edits = Vec::new();
    if whole {
        let named = |name: &str| fields.iter().any(|field| field.name == name);
        let left_out = stored.names().into_iter().filter(|name| !keeps_itself(name) && !named(name));
        edits.extend(left_out.filter(|name| !is_null_in(stored, name)).map(|name| Field {
            name,
            value: None,
            bytes: 0,
        }));
    }
    for field in fields {
        if field.value.as_ref().is_some_and(RowValue::is_sealed) {
            continue;
        }
        let old = stored.get(&field.name);
        let same = match (&old, &field.value) {
            (Some(old), Some(new)) => old.same(new),
            (None, None) => true,
            // A field that was taken away elsewhere is stored as null: taking it away again is no edit.
            (Some(old), None) => old.is_null(),
            (None, Some(_)) => false,
        };
        if !same && !is_fixed_alike(&field, old.as_ref(), config)? {
            edits.push(field);
        }
    }
    Ok(edits)
}

/// Fields `put` may leave out: the engine's, and those that never change.
fn keeps_itself(name: &str) -> bool {
    is_own_to_engine(name) || is_immutable(name) || matches!(name, DELETED_AT | VISIBILITY)
}

fn is_null_in<R: Row>(row: &R, name: &str) -> bool {
    row.get(name).is_none_or(|value| value.is_null())
}

/// Whether a differing field is one that must not change but means the same: another name of one's own space, or
/// `deletedAt: null` on a live record.
fn is_fixed_alike<V: RowValue>(field: &Field<V>, old: Option<&V>, config: &Config) -> Result<bool> {
    let name = field.name.as_str();
    if name == DELETED_AT {
        return Ok(true);
    }
    if !is_immutable(name) && name != VISIBILITY {
        return Ok(false);
    }
    let text = |value: Option<&V>| value.and_then(RowValue::as_text).unwrap_or_default();
    let (old, new) = (text(old), text(field.value.as_ref()));
    let alike = match name {
        SPACE_ID => config.wire_space(&old) == config.wire_space(&new),
        VISIBILITY => Visibility::from(old) == Visibility::from(new),
        _ => false,
    };
    if alike {
        return Ok(true);
    }
    let message = format!("{name} keeps the value its record was created with; nothing was written");
    Err(Error::new(Kind::ImmutableField, message).with(json!({ "field": name })))
}

/// Whether a record is a tombstone: deleted, or purged from this device.
pub fn is_deleted<R: Row>(row: &R) -> bool {
    !is_null_in(row, DELETED_AT) || is_purged(row)
}

/// Whether a record's values were taken off this device.
pub fn is_purged<R: Row>(row: &R) -> bool {
    row.get(PURGED).is_some()
}

/// The greatest stamp of a record's fields, its tombstone's included.
pub fn newest_stamp<R: Row>(row: &R) -> Option<Stamp> {
    let mut names = row.names();
    names.push(DELETED_AT.to_owned());
    // A removed field has a stamp but no value, so the metadata's own names count too.
    if let Some(meta) = row.get(crate::model::FIELD_META).and_then(|meta| meta.as_row()) {
        names.extend(meta.names());
    }
    names.iter().filter_map(|name| stamp_of(row, name)).max()
}

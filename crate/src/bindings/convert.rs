//! Queries, keys, rows and events between Rust and JavaScript.

use super::error::invalid;
use crate::engine::{Adoption, Conflict, Error, Event, Kind, Query, Side, Status, TableChange, Write, Written};
use crate::model::Stamp;
use crate::store::{Key, KeyRange};
use crate::web::{JsRow, key_to_js};
use js_sys::{Array, JSON, Object, Reflect};
use serde_json::{Value, json};
use wasm_bindgen::{JsCast, JsValue};

/// A property, `undefined` when it is absent.
pub fn get(target: &JsValue, key: &str) -> JsValue {
    Reflect::get(target, &key.into()).unwrap_or(JsValue::UNDEFINED)
}

/// The key a value is.
pub fn key(value: &JsValue) -> Result<Key, JsValue> {
    let found = Key::of(value);
    found.ok_or_else(|| super::error::thrown(&Error::new(Kind::InvalidRecord, "the key is not a valid IndexedDB key")))
}

/// Keys as JavaScript has them.
pub fn keys_out<'a>(keys: impl IntoIterator<Item = &'a Key>) -> Array {
    keys.into_iter().map(|key| key_to_js(key).unwrap_or(JsValue::NULL)).collect()
}

/// The items of an array.
pub fn items(value: &JsValue, what: &str) -> Result<Vec<JsValue>, JsValue> {
    let array: &Array = value.dyn_ref().ok_or_else(|| invalid(&format!("{what} must be an array")))?;
    Ok(array.iter().collect())
}

/// Keys from an array.
pub fn keys(value: &JsValue) -> Result<Vec<Key>, JsValue> {
    items(value, "keys")?.iter().map(key).collect()
}

fn row(value: &JsValue) -> Result<JsRow, JsValue> {
    let is_object = value.is_object() && !Array::is_array(value);
    let object: Option<Object> = is_object.then(|| value.clone().unchecked_into());
    object.map(JsRow::new).ok_or_else(|| {
        super::error::thrown(&Error::new(Kind::InvalidRecord, "a record must be a plain object; nothing was written"))
    })
}

/// Rows as JavaScript has them; `undefined` where there is none.
pub fn rows_out(rows: Vec<Option<JsRow>>) -> JsValue {
    rows.into_iter()
        .map(|row| row.map_or(JsValue::UNDEFINED, |row| row.as_object().clone().into()))
        .collect::<Array>()
        .into()
}

/// A write from its kind and items.
pub fn write(kind: &str, values: &JsValue) -> Result<Write<JsRow>, JsValue> {
    let values = items(values, "items")?;
    let rows = || values.iter().map(row).collect::<Result<Vec<_>, _>>();
    let keys = || values.iter().map(key).collect::<Result<Vec<_>, _>>();
    let pair = |pair: &JsValue| match items(pair, "an item")?.as_slice() {
        [id, object] => Ok((key(id)?, row(object)?)),
        _ => Err(invalid("an item must be a key and an object")),
    };
    let pairs = || values.iter().map(pair).collect::<Result<Vec<_>, JsValue>>();
    match kind {
        "add" => Ok(Write::Add(rows()?)),
        "addAt" => Ok(Write::AddAt(pairs()?)),
        "put" => Ok(Write::Put(rows()?)),
        "putAt" => Ok(Write::PutAt(pairs()?)),
        "update" => Ok(Write::Update(pairs()?)),
        "upsert" => Ok(Write::Upsert(pairs()?)),
        "delete" => Ok(Write::Delete(keys()?)),
        "restore" => Ok(Write::Restore(keys()?)),
        "purge" => Ok(Write::Purge(keys()?)),
        "clear" => Ok(Write::Clear { tombstones: false }),
        "clearToTombstones" => Ok(Write::Clear { tombstones: true }),
        other => Err(invalid(&format!("there is no write called {other}"))),
    }
}

/// What a write did, as `RawWritten`.
pub fn written(written: &Written) -> JsValue {
    let out = Object::new();
    set(&out, "keys", &keys_out(&written.keys));
    set(&out, "count", &count(written.count));
    set(&out, "created", &count(written.created));
    set(&out, "ticket", &written.ticket.map_or(JsValue::NULL, JsValue::from_f64));
    out.into()
}

fn set(target: &Object, name: &str, value: &JsValue) {
    // Setting a property of a fresh object does not fail.
    let _ = Reflect::set(target, &name.into(), value);
}

/// A `RawQuery`; its range holds keys, so it is read field by field.
pub fn query(value: &JsValue) -> Result<Query, JsValue> {
    let range = get(value, "range");
    let table = get(value, "table").as_string().ok_or_else(|| invalid("query: its table must be a text"))?;
    let limit = get(value, "limit");
    Ok(Query {
        table,
        index: get(value, "index").as_string(),
        range: if is_absent(&range) { None } else { Some(key_range(&range)?) },
        reverse: get(value, "reverse").is_truthy(),
        offset: whole(number(&get(value, "offset")), "offset")?,
        limit: if is_absent(&limit) { None } else { Some(whole(number(&limit), "limit")?) },
        include_deleted: get(value, "includeDeleted").is_truthy(),
        across_spaces: get(value, "acrossSpaces").is_truthy(),
    })
}

fn is_absent(value: &JsValue) -> bool {
    value.is_null() || value.is_undefined()
}

fn number(value: &JsValue) -> f64 {
    value.as_f64().unwrap_or(f64::NAN)
}

/// A whole number from 0 on.
pub fn whole(number: f64, what: &str) -> Result<usize, JsValue> {
    if number.is_nan() || number < 0.0 {
        return Err(invalid(&format!("{what} must be a number from 0 on")));
    }
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "checked above; larger ones mean all")]
    Ok(number as usize)
}

fn key_range(value: &JsValue) -> Result<KeyRange, JsValue> {
    let bound = |has: &str, at: &str, open: &str| {
        if !get(value, has).is_truthy() {
            return Ok(None);
        }
        Ok::<_, JsValue>(Some((key(&get(value, at))?, get(value, open).is_truthy())))
    };
    Ok(KeyRange { lower: bound("hasLower", "lower", "lowerOpen")?, upper: bound("hasUpper", "upper", "upperOpen")? })
}

/// A count.
pub fn count(number: usize) -> JsValue {
    #[expect(clippy::cast_precision_loss, reason = "counts stay far below 2^53")]
    JsValue::from_f64(number as f64)
}

/// A record with the rows of the log that name it.
pub fn inspected(record: &JsValue, log: &[Value]) -> JsValue {
    let out = Object::new();
    set(&out, "record", record);
    set(&out, "log", &log.iter().map(json_out).collect::<Array>());
    out.into()
}

/// JSON as a JavaScript value.
pub fn json_out(value: &Value) -> JsValue {
    JSON::parse(&value.to_string()).unwrap_or(JsValue::NULL)
}

/// A `RawStatus`.
pub fn status(status: &Status) -> JsValue {
    let error = status.trouble.as_ref().map(|t| json!({ "code": t.code, "message": t.message, "retryAt": t.retry_at }));
    json_out(&json!({
        "state": status.state.as_str(),
        "pending": status.pending,
        "lastSyncedAt": status.last_synced_at.map(iso),
        "error": error,
    }))
}

/// Milliseconds since 1970 as `Date` reads and writes them.
fn iso(ms: u64) -> String {
    let text = Stamp::at_ms(ms).to_string();
    format!("{}Z", &text[..23])
}

/// An event's name and detail, as `RawHost.event` takes them.
pub fn event(event: &Event) -> Option<(&'static str, JsValue)> {
    Some(match event {
        Event::Change { changes, logged } => {
            ("change", changes.iter().map(|change| changed(change, logged.is_some())).collect::<Array>().into())
        }
        Event::Status(now) => ("status", status(now)),
        Event::Conflict(conflict) => ("conflict", json_out(&conflict_out(conflict))),
        Event::Quarantine { code, count } => ("quarantine", json_out(&json!({ "code": code, "count": count }))),
        Event::DeadLetter { event_id, code, message } => {
            ("dead-letter", json_out(&json!({ "eventId": event_id, "code": code, "message": message })))
        }
        Event::ClockSkew { offset } => ("clock-skew", json_out(&json!({ "offset": offset }))),
        Event::Adoption(now) => ("adoption", adoption(now)),
        Event::Spaces(spaces) => ("spaces", json_out(&json!(spaces))),
        Event::DatabaseLost { unsent } => ("database-lost", json_out(&json!({ "unsent": unsent }))),
        Event::Settled { .. } => return None,
    })
}

/// An `adoption` event's detail.
pub fn adoption(adoption: &Adoption) -> JsValue {
    json_out(&adoption.clone().into())
}

fn changed(change: &TableChange, here: bool) -> Object {
    let out = Object::new();
    set(&out, "table", &JsValue::from_str(&change.table));
    set(&out, "op", &JsValue::from_str(change.op.as_str()));
    set(&out, "origin", &JsValue::from_str(change.origin.as_str()));
    set(&out, "ids", &keys_out(change.known_keys()));
    set(&out, "fields", &change.fields.iter().map(|field| JsValue::from_str(field)).collect::<Array>());
    set(&out, "here", &JsValue::from_bool(here));
    out
}

fn conflict_out(conflict: &Conflict) -> Value {
    let side = |side: &Side| json!({ "value": side.value, "at": side.at, "actor": side.actor });
    json!({
        "table": conflict.table,
        "id": conflict.id,
        "field": conflict.field,
        "local": side(&conflict.local),
        "incoming": side(&conflict.incoming),
    })
}

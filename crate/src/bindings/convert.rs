//! Queries, keys, rows and events between Rust and JavaScript.

use super::error::invalid;
use crate::engine::{
    Adoption, Branch, Condition, Conflict, DeadLetter, Error, Event, Explanation, Found, GuestData, Kind, Part,
    QuarantineCount, Query, Refused, Side, Status, TableChange, Want, Write, Written,
};
use crate::model::Stamp;
use crate::store::Key;
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
        "updateFields" => Ok(Write::UpdateFields(pairs()?)),
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

/// A `RawQuery`; its keys may be anything, so it is read field by field.
pub fn query(value: &JsValue) -> Result<Query, JsValue> {
    let (offset, limit) = window(value)?;
    Ok(Query {
        table: get(value, "table").as_string().ok_or_else(|| invalid("query: its table must be a text"))?,
        branches: items(&get(value, "branches"), "branches")?.iter().map(branch).collect::<Result<_, _>>()?,
        order: get(value, "order").as_string(),
        reverse: get(value, "reverse").is_truthy(),
        distinct: get(value, "distinct").is_truthy(),
        offset,
        limit,
        include_deleted: get(value, "includeDeleted").is_truthy(),
        across_spaces: get(value, "acrossSpaces").is_truthy(),
    })
}

fn branch(value: &JsValue) -> Result<Branch, JsValue> {
    let (offset, limit) = window(value)?;
    let keys = items(&get(value, "keys"), "keys")?.iter().map(query_key).collect::<Result<Vec<_>, _>>()?;
    let fields = items(&get(value, "fields"), "fields")?;
    let branch = Branch { index: get(value, "index").as_string(), offset, limit, ..Branch::default() };
    let branch = Branch { reverse: get(value, "reverse").is_truthy(), ..branch };
    if fields.is_empty() {
        let name = get(value, "condition").as_string().unwrap_or_default();
        let includes = (get(value, "lower").is_truthy(), get(value, "upper").is_truthy());
        let condition = Condition::named(&name, keys, includes).map_err(|e| super::error::thrown(&e))?;
        return Ok(Branch { condition, ..branch });
    }
    let names = fields.iter().map(|field| field.as_string().ok_or_else(|| invalid("a field's name must be a text")));
    let names = names.collect::<Result<Vec<_>, _>>()?;
    Ok(Branch { equal: names.into_iter().zip(keys).collect(), ..branch })
}

fn query_key(value: &JsValue) -> Result<Key, JsValue> {
    let message = "a query was given something that is no key: use strings, numbers, Dates, bytes or arrays of them";
    Key::of(value).ok_or_else(|| invalid(message))
}

fn window(value: &JsValue) -> Result<(usize, Option<usize>), JsValue> {
    let limit = get(value, "limit");
    let limit = if is_absent(&limit) { None } else { Some(whole(number(&limit), "limit")?) };
    Ok((whole(number(&get(value, "offset")), "offset")?, limit))
}

/// What of a query's answer is wanted, from a `RawWant`.
pub fn want(value: &JsValue) -> Want {
    let wants = |name| get(value, name).is_truthy();
    Want {
        rows: wants("rows"),
        keys: wants("keys"),
        primary: wants("primaryKeys"),
        branches: wants("branches"),
        apart: wants("apart"),
    }
}

/// What was found, as `RawFound`: one list for each part that was wanted.
pub fn found(found: Vec<Found<JsRow>>, want: Want) -> JsValue {
    let out = Object::new();
    let part = |name: &str, list: Array| set(&out, name, &list);
    let key = |key: &Option<Key>| key.as_ref().and_then(|key| key_to_js(key).ok()).unwrap_or(JsValue::NULL);
    if want.keys {
        part("keys", found.iter().map(|one| key(&one.key)).collect());
    }
    if want.primary {
        part("primaryKeys", found.iter().map(|one| key(&one.primary)).collect());
    }
    if want.branches {
        part("branches", found.iter().map(|one| count(one.branch)).collect());
    }
    if want.apart {
        part("ranks", found.iter().map(|one| one.rank.map_or(JsValue::NULL, count)).collect());
    }
    if want.rows {
        set(&out, "rows", &found_rows(found));
    }
    out.into()
}

/// The rows of what was found.
pub fn found_rows(found: Vec<Found<JsRow>>) -> JsValue {
    rows_out(found.into_iter().filter_map(|one| one.row).map(Some).collect())
}

/// A `RawExplanation`.
pub fn explanation(explained: &Explanation) -> JsValue {
    let part = |part: &Part| {
        json!({
            "index": part.index,
            "ranges": part.ranges,
            "reverse": part.reverse,
            "filters": part.filters,
            "why": part.why,
        })
    };
    json_out(&json!({
        "parts": explained.parts.iter().map(part).collect::<Vec<_>>(),
        "sort": explained.sort,
        "distinct": explained.distinct,
        "text": explained.text,
    }))
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

/// A count.
pub fn count(number: usize) -> JsValue {
    #[expect(clippy::cast_precision_loss, reason = "counts stay far below 2^53")]
    JsValue::from_f64(number as f64)
}

/// What became of a guest's data.
pub fn guest_data(data: &GuestData<JsRow>) -> JsValue {
    let out = Object::new();
    set(&out, "adopted", &count(data.adopted));
    set(&out, "dropped", &count(data.dropped));
    let existing = data.existing.iter().map(|one| {
        let named = json_out(&json!({ "table": one.table, "id": one.id }));
        set(named.unchecked_ref(), "row", one.row.as_object());
        named
    });
    set(&out, "existing", &existing.collect::<Array>());
    let left = data.left.iter().map(|one| {
        let (code, message) = (one.error.kind().code(), one.error.to_string());
        json_out(&json!({ "table": one.table, "id": one.id, "code": code, "message": message }))
    });
    set(&out, "left", &left.collect::<Array>());
    out.into()
}

/// A `RawDeadLetter`.
pub fn dead_letter(letter: &DeadLetter) -> JsValue {
    let change = |one: &Refused| json!({ "app": one.app, "table": one.table, "id": one.id, "op": one.op, "spaceId": one.space, "fields": one.fields });
    json_out(&json!({
        "id": letter.id,
        "code": letter.code,
        "message": letter.message,
        "at": iso(letter.at.ms()),
        "changes": letter.changes.iter().map(change).collect::<Vec<_>>(),
        "waiting": letter.waiting,
        "retryable": letter.retryable,
    }))
}

/// A `RawQuarantineCount`.
pub fn quarantine_count(counted: &QuarantineCount) -> JsValue {
    json_out(&json!({ "code": counted.reason.as_str(), "count": counted.count, "dropped": counted.dropped }))
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
    let progress = status.progress.iter().map(|one| json!({ "app": one.app, "done": one.done, "total": one.total }));
    json_out(&json!({
        "state": status.state.as_str(),
        "pending": status.pending,
        "lastSyncedAt": status.last_synced_at.map(iso),
        "error": error,
        "progress": progress.collect::<Vec<_>>(),
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
        Event::Integrity { code, table, id, field, kept } => {
            let kept = kept.as_ref().map(|kept| conflict_out(kept));
            let told = json!({ "code": code, "table": table, "id": id, "field": field, "kept": kept });
            ("integrity", json_out(&told))
        }
        Event::Quarantine { code, count } => ("quarantine", json_out(&json!({ "code": code, "count": count }))),
        Event::UpdateRequired { waiting } => ("update-required", json_out(&json!({ "waiting": waiting }))),
        Event::DeadLetter { event_id, code, message } => {
            ("dead-letter", json_out(&json!({ "eventId": event_id, "code": code, "message": message })))
        }
        Event::Telemetry(now) => {
            let told =
                json!({ "name": now.name, "apps": now.apps, "count": now.count, "ms": now.ms, "code": now.code });
            ("telemetry", json_out(&told))
        }
        Event::ClockSkew { offset } => ("clock-skew", json_out(&json!({ "offset": offset }))),
        Event::Adoption(now) => ("adoption", adoption(now)),
        Event::Spaces(spaces) => ("spaces", json_out(&json!(spaces))),
        Event::SpaceRemoved { space, removed, kept } => {
            let named = kept.iter().map(|row| json!({ "table": row.table, "id": row.id, "why": row.why }));
            let kept: Vec<_> = named.collect();
            ("space-removed", json_out(&json!({ "spaceId": space, "removed": removed, "kept": kept })))
        }
        Event::DatabaseLost { unsent } => ("database-lost", json_out(&json!({ "unsent": unsent }))),
        Event::Vault { locked, outdated } => ("vault", json_out(&json!({ "locked": locked, "outdated": outdated }))),
        Event::RotationDue { uses } => ("rotation-due", json_out(&json!({ "uses": uses }))),
        Event::Settled { .. } | Event::AppUsed(_) | Event::VaultKey(_) | Event::Keyring | Event::LeadLost => {
            return None;
        }
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
    let side = |side: &Side| json!({ "value": side.value, "sealed": side.sealed, "at": side.at, "actor": side.actor });
    json!({
        "table": conflict.table,
        "id": conflict.id,
        "field": conflict.field,
        "local": side(&conflict.local),
        "incoming": side(&conflict.incoming),
    })
}

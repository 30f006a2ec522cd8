//! Rows that are JavaScript objects: fields are read and set by interned names, values stay JavaScript's own.

use super::names::{spelled, word as name};
use super::text::{is_well_formed, well_formed_text};
use super::{js, js_json};
use crate::model::{Malformed, json_bytes, same_json, text_bytes};
use crate::store::{Row, RowValue, travelling};
use js_sys::{Array, ArrayBuffer, Date, JSON, JsString, Object, Reflect, Uint8Array};
use serde_json::Value;
use std::cell::RefCell;
use wasm_bindgen::prelude::wasm_bindgen;
use wasm_bindgen::{JsCast, JsValue};

/// What numbers, truth values and `null` weigh: no number takes more.
const PRIMITIVE_BYTES: usize = 24;
/// Assigning this name to an object would change its prototype instead of making a field.
const PROTO: &str = "__proto__";

#[wasm_bindgen(module = "/js/row.js")]
extern "C" {
    fn own(row: &JsValue, name: &JsValue) -> JsValue;
    fn assign(row: &JsValue, name: &JsValue, value: &JsValue);
    fn weight(value: &JsValue) -> i32;
}

/// A JavaScript object.
#[derive(Debug, Clone)]
pub struct JsRow(Object);

impl JsRow {
    /// The row that is this object.
    #[must_use]
    pub fn new(object: Object) -> Self {
        Self(object)
    }

    /// The row that was found in a store; `undefined` is none. An app's own table may hold other values than objects:
    /// they are handed through, as rows without fields.
    pub(super) fn found(value: JsValue) -> Option<Self> {
        (!value.is_undefined()).then(|| Self(value.unchecked_into()))
    }

    /// The object.
    #[must_use]
    pub fn as_object(&self) -> &Object {
        &self.0
    }
}

impl AsRef<JsValue> for JsRow {
    fn as_ref(&self) -> &JsValue {
        &self.0
    }
}

impl Row for JsRow {
    type Value = JsValue;

    fn empty() -> Self {
        Self(Object::new())
    }

    fn get(&self, field: &str) -> Option<JsValue> {
        // `constructor` and the like are found on the prototype, and are no fields.
        let value = own(&self.0, &name(field));
        (!value.is_undefined()).then_some(value)
    }

    /// Objects that are frozen stay as they are: rows that are to be changed are copied first.
    fn set(&mut self, field: &str, value: JsValue) {
        if field == PROTO {
            define(&self.0, field, value);
        } else {
            assign(&self.0, &name(field), &value);
        }
    }

    fn remove(&mut self, field: &str) {
        let _ = Reflect::delete_property(&self.0, &name(field));
    }

    fn names(&self) -> Vec<String> {
        self.fields().into_iter().map(|(name, _)| name).collect()
    }

    fn fields(&self) -> Vec<(String, JsValue)> {
        let field = |(key, name): (JsValue, String)| {
            let value = own(&self.0, &key);
            (!value.is_undefined()).then_some((name, value))
        };
        spelled(&js::keys(&self.0).unwrap_or_default()).into_iter().filter_map(field).collect()
    }

    fn set_word(&mut self, field: &str, word: &str) {
        assign(&self.0, &name(field), &name(word));
    }

    fn named(&self) -> Vec<String> {
        spelled(&js::keys(&self.0).unwrap_or_default()).into_iter().map(|(_, name)| name).collect()
    }

    /// An object with a field that fails to be read is not copied: storing it says what is wrong with it.
    fn shallow_copy(&self) -> Self {
        let copy = Object::new();
        let copied = js::assign(&copy, &self.0).is_ok();
        if copied && Object::has_own(&self.0, &name(PROTO)) {
            // Assigned above, it became the copy's prototype.
            let _ = Reflect::set_prototype_of(&copy, &Object::get_prototype_of(&Object::new()));
            define(&copy, PROTO, Reflect::get(&self.0, &name(PROTO)).unwrap_or_default());
        }
        if copied { Self(copy) } else { self.clone() }
    }

    fn into_value(self) -> JsValue {
        self.0.into()
    }
}

fn define(object: &Object, field: &str, value: JsValue) {
    let descriptor = Object::new();
    for (part, setting) in
        [("value", value), ("writable", JsValue::TRUE), ("enumerable", JsValue::TRUE), ("configurable", JsValue::TRUE)]
    {
        let _ = Reflect::set(&descriptor, &name(part), &setting);
    }
    let _ = Reflect::define_property(object, &name(field), &descriptor);
}

thread_local! {
    /// The shim's object that stands for sealed values.
    static SEALED: RefCell<JsValue> = RefCell::new(Object::freeze(&Object::new()).into());
}

/// Sets the object that stands for sealed values which cannot be opened now.
pub fn set_sealed_value(value: &JsValue) {
    if value.is_object() {
        SEALED.set(value.clone());
    }
}

impl RowValue for JsValue {
    type Row = JsRow;

    fn from_json(json: &Value) -> Self {
        match json {
            Value::Null => Self::NULL,
            Value::Bool(truth) => Self::from_bool(*truth),
            Value::Number(number) => number.as_f64().map_or(Self::NULL, Self::from_f64),
            Value::String(text) => Self::from_str(text),
            // One call for the whole tree; and `JSON.parse` makes fields of `__proto__` and the like, not prototypes.
            Value::Array(_) | Value::Object(_) => {
                JSON::parse(&json.to_string()).expect("serde_json writes JSON that every engine reads")
            }
        }
    }

    fn to_json(&self) -> Result<Value, Malformed> {
        js_json::to_json(self)
    }

    fn sealed() -> Self {
        SEALED.with_borrow(Self::clone)
    }

    fn is_sealed(&self) -> bool {
        // Copies, as structured clone and JSON make them, keep its one field.
        self.is_object()
            && (SEALED.with_borrow(|sealed| sealed == self)
                || !Array::is_array(self)
                    && JsRow(self.clone().unchecked_into())
                        .get(crate::store::SEALED)
                        .is_some_and(|is| is == Self::TRUE))
    }

    fn list(items: Vec<Self>) -> Self {
        items.iter().collect::<Array>().into()
    }

    fn as_list(&self) -> Option<Vec<Self>> {
        Array::is_array(self).then(|| self.unchecked_ref::<Array>().to_vec())
    }

    fn as_row(&self) -> Option<JsRow> {
        (self.is_object() && !Array::is_array(self)).then(|| JsRow(self.clone().unchecked_into()))
    }

    fn as_plain_row(&self) -> Option<JsRow> {
        self.as_row().filter(|_| js_json::is_plain_object(self))
    }

    fn as_text(&self) -> Option<String> {
        well_formed_text(self)
    }

    fn as_shown_text(&self) -> Option<String> {
        self.as_string()
    }

    fn is_word(&self, text: &str) -> bool {
        let word: &JsValue = &name(text);
        self == word
    }

    fn native_property(&self, name: &str) -> Option<Self> {
        let is_there = match name {
            "length" => self.is_string() || Array::is_array(self),
            "size" | "type" => js::is_of(self, "Blob"),
            "name" | "lastModified" => js::is_of(self, "File"),
            _ => false,
        };
        if is_there { Reflect::get(&Object::from(self.clone()), &JsValue::from_str(name)).ok() } else { None }
    }

    fn as_number(&self) -> Option<f64> {
        self.as_f64()
    }

    fn is_null(&self) -> bool {
        JsValue::is_null(self) || self.is_undefined()
    }

    fn same(&self, other: &Self) -> bool {
        if RowValue::is_null(self) || RowValue::is_null(other) {
            return RowValue::is_null(self) && RowValue::is_null(other);
        }
        if let Some(number) = self.as_f64() {
            return number.is_finite() && other.as_f64() == Some(number);
        }
        if self.is_string() {
            return self == other && is_well_formed(self);
        }
        if let Some(truth) = self.as_bool() {
            return other.as_bool() == Some(truth);
        }
        match (js_json::to_json(self), js_json::to_json(other)) {
            (Ok(a), Ok(b)) => same_json(&a, &b),
            _ => false,
        }
    }

    fn as_date_ms(&self) -> Option<f64> {
        self.dyn_ref::<Date>().and_then(|date| js::time(date).ok())
    }

    fn as_bytes(&self) -> Option<Vec<u8>> {
        if !self.is_object() {
            return None;
        }
        if self.is_instance_of::<ArrayBuffer>() {
            return js::bytes(std::slice::from_ref(self)).ok();
        }
        if ArrayBuffer::is_view(self) { view_bytes(self) } else { None }
    }

    fn travelling_weighed(&self, path: &str) -> Result<(Self, usize), Malformed> {
        if let Some(bytes) = known_weight(self) {
            return Ok((self.clone(), bytes));
        }
        if let Some(text) = self.dyn_ref::<JsString>() {
            return weigh_text(text).map(|bytes| (self.clone(), bytes)).map_err(|reason| Malformed::new(path, reason));
        }
        match self.as_f64() {
            Some(number) if !number.is_finite() => Err(Malformed::new(path, "is not a finite number")),
            Some(number) => Ok((Self::from_f64(if number == 0.0 { 0.0 } else { number }), PRIMITIVE_BYTES)),
            None => travelling(self, path),
        }
    }

    fn weight(&self) -> usize {
        known_weight(self).unwrap_or_else(|| match self.dyn_ref::<JsString>() {
            Some(text) => weigh_text(text).unwrap_or(0),
            None if self.is_object() => js_json::to_json(self).map_or(0, |json| json_bytes(&json)),
            None => PRIMITIVE_BYTES,
        })
    }

    fn text(text: &str) -> Self {
        Self::from_str(text)
    }

    fn date(ms: f64) -> Self {
        Date::new(&Self::from_f64(ms)).into()
    }

    fn bytes(bytes: &[u8]) -> Self {
        Uint8Array::from(bytes).buffer().into()
    }

    fn null() -> Self {
        Self::NULL
    }

    fn number(number: f64) -> Self {
        if number.is_finite() { Self::from_f64(number) } else { Self::NULL }
    }
}

/// What most values weigh: found without copying a text here.
fn known_weight(value: &JsValue) -> Option<usize> {
    // No text is so long that its length is no i32.
    usize::try_from(weight(value)).ok()
}

/// The bytes of a text as JSON, or why it cannot travel.
fn weigh_text(text: &JsString) -> Result<usize, &'static str> {
    let copy = well_formed_text(text).ok_or("is not well-formed text")?;
    if copy.contains('\0') { Err("holds U+0000") } else { Ok(text_bytes(&copy)) }
}

/// The bytes of a typed array or a `DataView`: only those it shows.
fn view_bytes(view: &JsValue) -> Option<Vec<u8>> {
    let part = |name: &str| Reflect::get(view, &JsValue::from_str(name)).ok();
    js::bytes(&[part("buffer")?, part("byteOffset")?, part("byteLength")?]).ok()
}

//! Rows that are JavaScript objects: fields are read and set by interned names, values stay JavaScript's own.

use super::text::{can_travel, is_well_formed, well_formed_text};
use super::{js, js_json};
use crate::model::{Malformed, same_json};
use crate::store::{Row, RowValue, travelling};
use js_sys::{Array, ArrayBuffer, Date, JSON, JsString, Object, Reflect, Uint8Array};
use serde_json::Value;
use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;
use wasm_bindgen::{JsCast, JsValue};

/// Most field names kept as JavaScript strings; a schema has far fewer.
const MAX_NAMES: usize = 4096;
/// Texts of up to so many UTF-16 units are weighed by their length.
const SHORT_TEXT: usize = 1024;
/// What numbers and truth values weigh.
const PRIMITIVE_BYTES: usize = 8;
/// Assigning this name to an object would change its prototype instead of making a field.
const PROTO: &str = "__proto__";

thread_local! {
    static NAMES: RefCell<HashMap<Box<str>, Rc<JsString>>> = RefCell::default();
}

/// The JavaScript string of a field name, made once.
fn name(field: &str) -> Rc<JsString> {
    NAMES.with_borrow_mut(|names| {
        if let Some(known) = names.get(field) {
            return Rc::clone(known);
        }
        let made = Rc::new(JsString::from(field));
        if names.len() < MAX_NAMES {
            names.insert(field.into(), Rc::clone(&made));
        }
        made
    })
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
        let name = name(field);
        let value = Reflect::get(&self.0, &name).ok()?;
        // `constructor` and the like are found on the prototype, and are no fields.
        (!value.is_undefined() && Object::has_own(&self.0, &name)).then_some(value)
    }

    /// Objects that are frozen stay as they are: rows that are to be changed are copied first.
    fn set(&mut self, field: &str, value: JsValue) {
        if field == PROTO {
            define(&self.0, field, value);
        } else {
            let _ = Reflect::set(&self.0, &name(field), &value);
        }
    }

    fn remove(&mut self, field: &str) {
        let _ = Reflect::delete_property(&self.0, &name(field));
    }

    fn names(&self) -> Vec<String> {
        self.fields().into_iter().map(|(name, _)| name).collect()
    }

    fn fields(&self) -> Vec<(String, JsValue)> {
        let keys = js::keys(&self.0).unwrap_or_default().into_iter();
        let field = |key: JsValue| {
            let value = Reflect::get(&self.0, &key).ok().filter(|value| !value.is_undefined())?;
            Some((key.as_string()?, value))
        };
        keys.filter_map(field).collect()
    }

    fn set_word(&mut self, field: &str, word: &str) {
        let _ = Reflect::set(&self.0, &name(field), &name(word));
    }

    fn named(&self) -> Vec<String> {
        js::keys(&self.0).unwrap_or_default().into_iter().filter_map(|key| key.as_string()).collect()
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
        self.dyn_ref::<Date>().map(Date::get_time)
    }

    fn as_bytes(&self) -> Option<Vec<u8>> {
        if !self.is_object() {
            return None;
        }
        if self.is_instance_of::<ArrayBuffer>() {
            return Some(Uint8Array::new(self).to_vec());
        }
        ArrayBuffer::is_view(self).then(|| view_bytes(self.unchecked_ref()))
    }

    fn travelling(&self, path: &str) -> Result<Self, Malformed> {
        if let Some(number) = self.as_f64() {
            return match number {
                _ if !number.is_finite() => Err(Malformed::new(path, "is not a finite number")),
                0.0 => Ok(Self::from_f64(0.0)),
                _ => Ok(self.clone()),
            };
        }
        if self.is_string() {
            return match can_travel(self) {
                true => Ok(self.clone()),
                false if is_well_formed(self) => Err(Malformed::new(path, "holds U+0000")),
                false => Err(Malformed::new(path, "is not well-formed text")),
            };
        }
        if JsValue::is_null(self) || self.as_bool().is_some() { Ok(self.clone()) } else { travelling(self, path) }
    }

    fn weight(&self) -> usize {
        if let Some(text) = self.dyn_ref::<JsString>() {
            // Short texts are not copied here to count their bytes: those outside ASCII have up to three per unit.
            let units = text.length() as usize;
            return if units <= SHORT_TEXT { units } else { self.as_string().map_or(units, |text| text.len()) };
        }
        if self.is_object() { js_json::to_json(self).map_or(0, |json| json.to_string().len()) } else { PRIMITIVE_BYTES }
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

/// The bytes of a typed array or a `DataView`: only those it shows.
fn view_bytes(view: &Uint8Array) -> Vec<u8> {
    // Every kind of view has these three; the cast names the one that js-sys gives them.
    Uint8Array::new_with_byte_offset_and_length(&view.buffer(), view.byte_offset(), view.byte_length()).to_vec()
}

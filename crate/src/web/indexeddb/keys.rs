//! Keys and key ranges as IndexedDB wants them.

use super::error::store_error;
use crate::store::{Key, KeyRange, StoreError};
use js_sys::{Array, Date, Uint8Array};
use wasm_bindgen::JsValue;
use web_sys::IdbKeyRange;

/// The key as a JavaScript value.
pub fn key_to_js(key: &Key) -> Result<JsValue, StoreError> {
    match key {
        Key::Number(number) | Key::Date(number) if number.is_nan() => Err(StoreError::InvalidKey("NaN".to_owned())),
        Key::Number(number) => Ok(JsValue::from_f64(*number)),
        Key::Date(ms) => Ok(Date::new(&JsValue::from_f64(*ms)).into()),
        Key::Text(text) => Ok(JsValue::from_str(text)),
        Key::Bytes(bytes) => Ok(Uint8Array::from(bytes.as_slice()).buffer().into()),
        Key::List(keys) => Ok(keys.iter().map(key_to_js).collect::<Result<Array, _>>()?.into()),
    }
}

/// The key IndexedDB gave.
pub fn key_from_js(value: &JsValue) -> Result<Key, StoreError> {
    Key::stored(value).ok_or_else(|| StoreError::InvalidKey("a key that is none".to_owned()))
}

/// The range as an `IDBKeyRange`, or `undefined` for all keys. It must not be empty: IndexedDB refuses those.
pub fn range_to_js(range: Option<&KeyRange>) -> Result<JsValue, StoreError> {
    let Some(range) = range else { return Ok(JsValue::UNDEFINED) };
    let made = match (&range.lower, &range.upper) {
        (None, None) => return Ok(JsValue::UNDEFINED),
        (Some((lower, open)), None) => IdbKeyRange::lower_bound_with_open(&key_to_js(lower)?, *open),
        (None, Some((upper, open))) => IdbKeyRange::upper_bound_with_open(&key_to_js(upper)?, *open),
        (Some((lower, lower_open)), Some((upper, upper_open))) => {
            let (lower, upper) = (key_to_js(lower)?, key_to_js(upper)?);
            IdbKeyRange::bound_with_lower_open_and_upper_open(&lower, &upper, *lower_open, *upper_open)
        }
    };
    made.map(JsValue::from).map_err(|thrown| store_error(&thrown, "scan"))
}

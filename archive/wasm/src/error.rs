//! Errors as JavaScript throws them.

use js_sys::{Error as JsError, Object, Reflect};
use mana_archive::Error;
use wasm_bindgen::JsValue;

/// An `Error` with `code`, and with the place of a row where that is what is wrong.
pub fn thrown(error: &Error) -> JsValue {
    let js = JsError::new(&error.to_string());
    set(&js, "code", &error.code().into());
    if let Error::RowInvalid { table, line, .. } = error {
        let details = Object::new();
        set(&details, "table", &table.as_str().into());
        #[expect(clippy::cast_precision_loss, reason = "no table has 2^53 lines")]
        set(&details, "line", &(*line as f64).into());
        set(&js, "details", &details);
    }
    js.into()
}

fn set(object: &JsValue, key: &str, value: &JsValue) {
    // A plain object takes any field.
    let _ = Reflect::set(object, &key.into(), value);
}

//! JavaScript values as JSON, strictly: what JSON would lose or change is refused, with its path.

use super::js;
use super::text::{is_faithful, well_formed_text};
use crate::model::{MAX_DEPTH, Malformed};
use js_sys::{Array, JsString, Object, Reflect};
use serde_json::{Map, Number, Value};
use wasm_bindgen::{JsCast, JsValue};

/// The largest size at which every whole number has a double of its own.
const MAX_EXACT: f64 = 9_007_199_254_740_992.0;

thread_local! {
    static OBJECT_PROTOTYPE: Object = Object::get_prototype_of(&Object::new());
}

/// The value as JSON. `undefined` stands for `null` at the top, is left out of objects and refused in arrays, where it
/// would move what comes after it. Cycles end at the depth limit.
pub fn to_json(value: &JsValue) -> Result<Value, Malformed> {
    if value.is_undefined() { Ok(Value::Null) } else { walk(value, 0) }
}

fn walk(value: &JsValue, depth: usize) -> Result<Value, Malformed> {
    if let Some(text) = value.as_string() {
        return if is_faithful(&text, value) {
            Ok(Value::String(text))
        } else {
            Err(refused("is not well-formed text"))
        };
    }
    if let Some(number) = value.as_f64() {
        return finite(number);
    }
    if let Some(truth) = value.as_bool() {
        return Ok(Value::Bool(truth));
    }
    if value.is_null() {
        return Ok(Value::Null);
    }
    if !value.is_object() {
        return Err(refused(kind_of(value)));
    }
    if depth >= MAX_DEPTH {
        return Err(refused("is nested deeper than 64 levels"));
    }
    // Asked first, because it is what fails cleanly for a revoked proxy.
    let prototype = Reflect::get_prototype_of(value).map_err(|_| unreadable())?;
    if Array::is_array(value) {
        array(value.unchecked_ref(), depth)
    } else if is_plain(&prototype) {
        object(value, depth)
    } else {
        Err(refused("is not a plain object or array"))
    }
}

fn kind_of(value: &JsValue) -> &'static str {
    if value.is_undefined() {
        "is undefined"
    } else if value.is_function() {
        "is a function"
    } else if value.is_bigint() {
        "is a BigInt"
    } else {
        "is a symbol"
    }
}

fn refused(reason: &str) -> Malformed {
    Malformed::new("", reason)
}

fn unreadable() -> Malformed {
    refused("cannot be read")
}

fn at(step: &str, inner: Malformed) -> Malformed {
    Malformed { path: format!("{step}{}", inner.path), reason: inner.reason }
}

fn finite(number: f64) -> Result<Value, Malformed> {
    if number.fract() == 0.0 && number.abs() <= MAX_EXACT {
        #[expect(clippy::cast_possible_truncation, reason = "a whole number of at most 2^53 fits")]
        return Ok(Value::from(number as i64));
    }
    Number::from_f64(number).map(Value::Number).ok_or_else(|| refused("is not a finite number"))
}

fn array(items: &Array, depth: usize) -> Result<Value, Malformed> {
    let mut list = Vec::new();
    for index in 0..items.length() {
        let item = Reflect::get_u32(items, index).map_err(|_| unreadable());
        let json = item.and_then(|item| walk(&item, depth + 1));
        list.push(json.map_err(|inner| at(&format!("[{index}]"), inner))?);
    }
    Ok(Value::Array(list))
}

fn object(object: &JsValue, depth: usize) -> Result<Value, Malformed> {
    let mut map = Map::new();
    for key in js::keys(object).map_err(|_| unreadable())? {
        let name = well_formed_text(&key).ok_or_else(|| refused("has a name that is not well-formed text"))?;
        let value = Reflect::get(object, &key).map_err(|_| at(&format!(".{name}"), unreadable()))?;
        if value.is_undefined() {
            continue;
        }
        let json = walk(&value, depth + 1).map_err(|inner| at(&format!(".{name}"), inner))?;
        map.insert(name, json);
    }
    Ok(Value::Object(map))
}

/// Whether an object is a plain one.
pub fn is_plain_object(object: &JsValue) -> bool {
    Reflect::get_prototype_of(object).is_ok_and(|prototype| is_plain(&prototype))
}

/// Whether a prototype is that of a plain object: `null` or some realm's `Object.prototype`.
fn is_plain(prototype: &Object) -> bool {
    prototype.is_null() || OBJECT_PROTOTYPE.with(|ours| ours == prototype) || is_object_prototype(prototype)
}

/// Another realm's `Object.prototype` ends its chain, as does that of a class extending `null`; only it has these.
fn is_object_prototype(prototype: &Object) -> bool {
    let ends_chain = Reflect::get_prototype_of(prototype).is_ok_and(|next| next.is_null());
    ends_chain && Object::has_own(prototype, &JsString::from("isPrototypeOf"))
}

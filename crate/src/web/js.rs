//! Reading the browser's globals and calling what may be absent, so that windows and workers are served alike.

use js_sys::{Array, Function, Reflect};
use wasm_bindgen::{JsCast, JsValue};

/// A property that is there: neither `undefined` nor `null`, and reading it did not throw.
pub fn property(target: &JsValue, name: &str) -> Option<JsValue> {
    let value = Reflect::get(target, &JsValue::from_str(name)).ok()?;
    (!value.is_undefined() && !value.is_null()).then_some(value)
}

/// A property of the global object.
pub fn global(name: &str) -> Option<JsValue> {
    property(&js_sys::global(), name)
}

/// A function found as a property.
pub fn function(target: &JsValue, name: &str) -> Option<Function> {
    property(target, name)?.dyn_into().ok()
}

/// A function of the global object.
pub fn global_function(name: &str) -> Option<Function> {
    function(&js_sys::global(), name)
}

/// Calls a method; a method that is absent is an error like one that throws.
pub fn call(target: &JsValue, name: &str, arguments: &[JsValue]) -> Result<JsValue, JsValue> {
    let method = function(target, name).ok_or_else(|| JsValue::from_str(&format!("there is no function {name}")))?;
    method.apply(target, &arguments.iter().collect::<Array>())
}

/// Makes an object with a constructor found at run time.
pub fn construct(constructor: &Function, arguments: &[JsValue]) -> Result<JsValue, JsValue> {
    Reflect::construct(constructor, &arguments.iter().collect::<Array>())
}

thread_local! {
    static KEYS: Function = object_function("keys");
    static ASSIGN: Function = object_function("assign");
}

fn object_function(name: &str) -> Function {
    global("Object").and_then(|object| function(&object, name)).expect("every engine has it")
}

/// `Object.keys`, for objects whose keys may be computed and fail: js-sys' own would throw through our frames.
pub fn keys(object: &JsValue) -> Result<Array, JsValue> {
    KEYS.with(|keys| keys.call1(&JsValue::UNDEFINED, object)).map(JsCast::unchecked_into)
}

/// `Object.assign`, for objects whose fields may be computed and fail.
pub fn assign(target: &JsValue, source: &JsValue) -> Result<(), JsValue> {
    ASSIGN.with(|assign| assign.call2(&JsValue::UNDEFINED, target, source)).map(drop)
}

/// Name and message of whatever was thrown.
pub fn name_and_message(thrown: &JsValue) -> (String, String) {
    let text = |field: &str| property(thrown, field).and_then(|value| value.as_string());
    let name = text("name").unwrap_or_else(|| "Error".to_owned());
    (name, text("message").or_else(|| thrown.as_string()).unwrap_or_default())
}

/// Whatever was thrown, as a sentence.
#[must_use]
pub fn describe(thrown: &JsValue) -> String {
    let (name, message) = name_and_message(thrown);
    if message.is_empty() { name } else { format!("{name}: {message}") }
}

/// A promise of what a function returned: itself, if it is one.
pub async fn settled(returned: JsValue) -> Result<JsValue, JsValue> {
    wasm_bindgen_futures::JsFuture::from(js_sys::Promise::resolve(&returned)).await
}

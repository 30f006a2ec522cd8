//! Reading the browser's globals and calling what may be absent, so that windows and workers are served alike.

use js_sys::{Array, Date, Function, Object, Reflect, Uint8Array};
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
    static BYTES: Function = global_function("Uint8Array").expect("every engine has it");
    static TIME: Function = function(&Date::new(&JsValue::from_f64(0.0)), "getTime").expect("dates have it");
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

/// The bytes of an `ArrayBuffer`, or of a part of one, given as buffer, offset and length; fails where the buffer was handed
/// to another thread.
pub fn bytes(arguments: &[JsValue]) -> Result<Vec<u8>, JsValue> {
    BYTES.with(|constructor| construct(constructor, arguments)).map(|made| made.unchecked_into::<Uint8Array>().to_vec())
}

/// Whether a value was made by a class of the browser.
pub fn is_of(value: &JsValue, class: &str) -> bool {
    let prototype = |class: &JsValue| property(class, "prototype").and_then(|found| found.dyn_into::<Object>().ok());
    global(class).as_ref().and_then(prototype).is_some_and(|prototype| prototype.is_prototype_of(value))
}

/// When a date is, in milliseconds since 1970; fails for what only has its prototype.
pub fn time(date: &JsValue) -> Result<f64, JsValue> {
    TIME.with(|time| time.call0(date)).map(|ms| ms.as_f64().unwrap_or(f64::NAN))
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

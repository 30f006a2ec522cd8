//! Errors on their way to JavaScript.

use crate::engine::{Error, Kind};
use crate::web::OpenError;
use js_sys::{JSON, Reflect};
use serde_json::json;
use wasm_bindgen::JsValue;

/// An `Error` with `code`, `retryable` and `details`.
pub fn thrown(error: &Error) -> JsValue {
    let made = js_sys::Error::new(&error.to_string());
    set(&made, "code", &error.kind().code().into());
    set(&made, "retryable", &error.kind().retryable().into());
    let details = JSON::parse(&error.details().to_string()).unwrap_or(JsValue::NULL);
    set(&made, "details", &details);
    made.into()
}

/// An argument that is not what it should be.
pub fn invalid(message: &str) -> JsValue {
    thrown(&Error::new(Kind::InvalidArgument, message))
}

/// Why a database did not open.
pub fn not_opened(error: OpenError) -> JsValue {
    let message = error.to_string();
    let error = match error {
        OpenError::Unavailable(_) | OpenError::NoAnswer => Error::new(
            Kind::UnsupportedEnvironment,
            format!("{message}: leave private mode, allow storage for this site, or try another browser"),
        ),
        OpenError::SchemaTooNew { stored, wanted, missing } => {
            Error::new(Kind::SchemaTooNew, format!("{message}: load the newest version of the app"))
                .with(json!({ "stored": stored, "wanted": wanted, "missing": missing }))
        }
        OpenError::PrimaryKeyChanged { store, .. } => {
            Error::new(Kind::InvalidSchema, message).with(json!({ "table": store }))
        }
        OpenError::Store(error) => error.into(),
    };
    thrown(&error)
}

fn set(target: &JsValue, key: &str, value: &JsValue) {
    // Defining a property on a fresh Error object does not fail.
    let _ = Reflect::set(target, &key.into(), value);
}

//! What IndexedDB throws, as store errors: told apart by the name of the `DOMException`.

use crate::store::StoreError;
use crate::web::js;
use wasm_bindgen::JsValue;

/// How Safari says that its storage process has gone; it has no name of its own for that.
const SERVER_LOST: &str = "Connection to Indexed Database server lost";

/// The error that was thrown by, or is the outcome of, `call`.
pub fn store_error(thrown: &JsValue, call: &'static str) -> StoreError {
    let (name, message) = js::name_and_message(thrown);
    match name.as_str() {
        "ConstraintError" => StoreError::Constraint(message),
        "QuotaExceededError" => StoreError::Quota,
        "AbortError" => StoreError::Aborted,
        // The second is what a finished transaction's stores say.
        "TransactionInactiveError" | "InvalidStateError" => StoreError::Inactive(call),
        "DataCloneError" => StoreError::NotStorable(message),
        "DataError" => StoreError::InvalidKey(message),
        "NotFoundError" => StoreError::NotFound(message),
        "UnknownError" if message.contains(SERVER_LOST) => StoreError::ConnectionLost(message),
        _ => StoreError::Other(name, message),
    }
}

//! Text that only this server reads: JSON in base64url, for cursors and receipts.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// Numbers and strings in a struct have no failing case on their way into JSON text.
pub(super) fn encode(packed: &impl Serialize) -> String {
    URL_SAFE_NO_PAD.encode(serde_json::to_vec(packed).unwrap_or_default())
}

/// Reads what `encode` wrote; `None` for any other text.
pub(super) fn decode<T: DeserializeOwned>(text: &str) -> Option<T> {
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(text).ok()?).ok()
}

//! Ways to unlock the vault, read from JavaScript.

use super::convert::{get, json_out};
use super::error::{invalid, thrown};
use crate::crypto::{MasterKey, PassphraseWrapped, RecoveryCode, WrappedKey};
use crate::engine::{Error, Unlock};
use crate::store::RowValue;
use js_sys::Uint8Array;
use serde_json::json;
use wasm_bindgen::{JsCast, JsValue};
use zeroize::Zeroizing;

/// Reads `{ rawKey }`, `{ recoveryCode, recoveryWrappedMk, recoveryIv }` or `{ passphrase, normalized, wrapped }`.
pub fn unlock_of(with: &JsValue) -> Result<Unlock, JsValue> {
    let text = |name: &str| get(with, name).as_string();
    let refused = |error: crate::crypto::Error| thrown(&Error::from(error));
    if let Some(bytes) = get(with, "rawKey").dyn_ref::<Uint8Array>() {
        let bytes = Zeroizing::new(bytes.to_vec());
        return MasterKey::from_bytes(&bytes).map(Unlock::Raw).map_err(refused);
    }
    if let Some(code) = text("recoveryCode") {
        let (wrapped, iv) = (text("recoveryWrappedMk"), text("recoveryIv"));
        let (Some(wrapped), Some(iv)) = (wrapped, iv) else {
            return Err(invalid("a recovery code opens recoveryWrappedMk with recoveryIv: pass both"));
        };
        let code = RecoveryCode::parse(&code).map_err(refused)?;
        return Ok(Unlock::Recovery(code, WrappedKey::parse(&iv, &wrapped).map_err(refused)?));
    }
    let (Some(typed), Some(normalized)) = (text("passphrase"), text("normalized")) else {
        return Err(invalid("unlock takes rawKey, recoveryCode or passphrase"));
    };
    let wrapped = get(with, "wrapped").to_json().map_err(|malformed| thrown(&malformed.into()))?;
    Ok(Unlock::Passphrase { typed, normalized, wrapped: PassphraseWrapped::parse(wrapped).map_err(refused)? })
}

/// `{ recoveryCode, recoveryWrappedMk, recoveryIv }`.
pub fn recovery(code: &RecoveryCode, wrapped: &WrappedKey) -> JsValue {
    json_out(&json!({
        "recoveryCode": code.to_text().as_str(),
        "recoveryWrappedMk": wrapped.ciphertext(),
        "recoveryIv": wrapped.iv(),
    }))
}

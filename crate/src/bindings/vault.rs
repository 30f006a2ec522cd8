//! Ways to unlock the vault, read from JavaScript.

use super::convert::get;
use super::error::{invalid, thrown};
use super::transaction::SharedEngine;
use crate::crypto::{ITERATIONS, MasterKey, Passphrase, PassphraseWrapped, RecoveryCode, WrappedKey};
use crate::engine::{Error, NewKey, Unlock};
use crate::store::RowValue;
use crate::web::subtle::pbkdf2;
use js_sys::{Function, JsString, Promise, Uint8Array};
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;
use zeroize::Zeroizing;

/// Reads `{ rawKey }`, `{ recoveryCode, recoveryWrappedMk, recoveryIv }` or `{ passphrase, normalized, wrapped }`.
pub fn unlock_of(with: &JsValue) -> Result<Unlock, JsValue> {
    let text = |name: &str| text_of(&get(with, name));
    let refused = |error: crate::crypto::Error| thrown(&Error::from(error));
    let raw = get(with, "rawKey");
    if raw.has_type::<Uint8Array>() {
        return raw_key(&raw).map(Unlock::Raw);
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

/// A text that may be secret, read to where it is overwritten. What the glue reads of a text that is not ASCII is moved about,
/// and what it grew out of is left in memory.
pub fn text_of(value: &JsValue) -> Option<Zeroizing<String>> {
    /// Most bytes in which UTF-8 writes a unit of UTF-16.
    const MOST_BYTES: usize = 3;
    let units = value.dyn_ref::<JsString>()?;
    let mut text = Zeroizing::new(String::with_capacity(units.length() as usize * MOST_BYTES));
    text.extend(char::decode_utf16(units.iter()).map(|read| read.unwrap_or(char::REPLACEMENT_CHARACTER)));
    Some(text)
}

/// A way to unlock, with a passphrase's key derived by the browser where it can.
pub async fn derived(unlock: Unlock) -> Result<Unlock, JsValue> {
    let Unlock::Passphrase { typed, normalized, wrapped } = &unlock else { return Ok(unlock) };
    let derive = |text| pbkdf2(text, wrapped.salt(), wrapped.iterations());
    let Some(first) = derive(normalized).await else { return Ok(unlock) };
    let mut key = wrapped.unwrap_with(&first);
    if key.is_err() && typed != normalized {
        let Some(second) = derive(typed).await else { return Ok(unlock) };
        key = wrapped.unwrap_with(&second);
    }
    key.map(Unlock::Raw).map_err(|error| thrown(&Error::from(error)))
}

/// The user's newest key wrapped with a passphrase in the form NFKC, derived by the browser where it can. A vault that is
/// locked meanwhile gives none.
pub async fn passphrase_wrap(engine: &SharedEngine, normalized: &str) -> Result<PassphraseWrapped, Error> {
    let salt = engine.wrap_key(|_, random| PassphraseWrapped::salt_of(random))?;
    let derived = pbkdf2(normalized, &salt, ITERATIONS).await;
    engine.wrap_key(|key, random| match &derived {
        Some(derived) => PassphraseWrapped::wrap_with(derived, salt.to_vec(), ITERATIONS, key, random),
        None => PassphraseWrapped::wrap(Passphrase { nfkc: normalized, typed: normalized }, key, random),
    })
}

/// Reads a key's 32 bytes.
pub fn raw_key(key: &JsValue) -> Result<MasterKey, JsValue> {
    let bytes = key.dyn_ref::<Uint8Array>().map(|bytes| Zeroizing::new(bytes.to_vec())).unwrap_or_default();
    MasterKey::from_bytes(&bytes).map_err(|error| thrown(&Error::from(error)))
}

/// Has the app keep a new key, and waits for it.
pub async fn persisted(persist: &Function, new: &NewKey) -> Result<(), JsValue> {
    let info = recovery(&new.code, &new.wrapped);
    let generation = f64::from(new.name.generation).into();
    for (name, value) in [("generation", generation), ("keyId", new.name.id.to_string().into())] {
        // It is an object of our own.
        let _ = js_sys::Reflect::set(&info, &name.into(), &value);
    }
    let kept = persist.call1(&JsValue::UNDEFINED, &info)?;
    JsFuture::from(Promise::resolve(&kept)).await.map(drop)
}

/// `{ recoveryCode, recoveryWrappedMk, recoveryIv }`.
pub fn recovery(code: &RecoveryCode, wrapped: &WrappedKey) -> JsValue {
    let out = js_sys::Object::new();
    // Straight from where it is overwritten: a JSON value between would keep a copy of the code.
    let code = code.to_text();
    for (name, value) in
        [("recoveryCode", code.as_str()), ("recoveryWrappedMk", &wrapped.ciphertext()), ("recoveryIv", &wrapped.iv())]
    {
        // It is an object of our own.
        let _ = js_sys::Reflect::set(&out, &name.into(), &value.into());
    }
    out.into()
}

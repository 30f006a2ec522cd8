//! `WebCrypto`, where it is faster than the module and may be awaited. Pages that came over plain HTTP have none.

use super::js;
use crate::crypto::WrapKey;
use js_sys::{Array, Object, Promise, Reflect, Uint8Array};
use wasm_bindgen::JsValue;
use wasm_bindgen_futures::JsFuture;

/// Bits of a derived key.
const KEY_BITS: u32 = 256;

/// PBKDF2-HMAC-SHA256 of a passphrase, the same bytes as the module's own in a third of the time and without holding the
/// page up; `None` where the browser has no `WebCrypto`, or it refuses.
pub async fn pbkdf2(passphrase: &str, salt: &[u8], iterations: u32) -> Option<WrapKey> {
    let subtle = js::property(&js::global("crypto")?, "subtle")?;
    let typed = Uint8Array::from(passphrase.as_bytes());
    let uses = Array::of1(&"deriveBits".into());
    let name = "PBKDF2".into();
    let imported =
        ask(&subtle, "importKey", &["raw".into(), typed.clone().into(), name, false.into(), uses.into()]).await;
    typed.fill(0, 0, typed.length());
    let how = Object::new();
    let parts: [(&str, JsValue); 4] = [
        ("name", "PBKDF2".into()),
        ("hash", "SHA-256".into()),
        ("salt", Uint8Array::from(salt).into()),
        ("iterations", iterations.into()),
    ];
    for (part, value) in parts {
        Reflect::set(&how, &part.into(), &value).ok()?;
    }
    let derived = Uint8Array::new(&ask(&subtle, "deriveBits", &[how.into(), imported?, KEY_BITS.into()]).await?);
    if derived.length() * 8 != KEY_BITS {
        return None;
    }
    let key = WrapKey::filled(|bytes| derived.copy_to(bytes));
    derived.fill(0, 0, derived.length());
    Some(key)
}

async fn ask(subtle: &JsValue, method: &str, arguments: &[JsValue]) -> Option<JsValue> {
    let promise = js::call(subtle, method, arguments).ok()?;
    JsFuture::from(Promise::resolve(&promise)).await.ok()
}

//! Sealing in WebAssembly: the known answers, the same bytes as `WebCrypto`, and a memory that forgets keys.

use crate::support::{call, call_async, js};
use crate::vectors;
use aes_gcm::{Aes256Gcm, KeyInit};
use js_sys::{Array, Reflect, Uint8Array};
use mana_sync_engine::crypto::{
    Cipher, Envelope, Format, Keyring, MasterKey, Passphrase, PassphraseWrapped, Place, RecoveryCode, WrapKey,
    pbkdf2_sha256,
};
use mana_sync_engine::engine::ports::Host;
use mana_sync_engine::model::{AppId, FieldName, RecordId, Stamp, TableName};
use mana_sync_engine::web::BrowserHost;
use serde_json::{Value, json};
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_test::wasm_bindgen_test;
use zeroize::Zeroizing;

fn random(bytes: &mut [u8]) {
    BrowserHost.random(bytes);
}

fn random_bytes(many: usize) -> Vec<u8> {
    let mut bytes = vec![0; many];
    random(&mut bytes);
    bytes
}

fn array(bytes: &[u8]) -> JsValue {
    Uint8Array::from(bytes).into()
}

fn bytes(value: &JsValue) -> Vec<u8> {
    value.unchecked_ref::<Uint8Array>().to_vec()
}

#[wasm_bindgen_test]
fn aes_gcm_gives_the_known_answers() {
    assert_eq!(vectors::aes_gcm(), (66, 250));
}

#[wasm_bindgen_test]
fn hkdf_gives_the_known_answers() {
    assert_eq!(vectors::hkdf(), 86);
}

#[wasm_bindgen_test]
fn pbkdf2_gives_the_known_answers() {
    assert_eq!(vectors::pbkdf2(), 60);
}

#[wasm_bindgen_test]
fn every_envelope_of_the_older_app_opens_with_its_key_only() {
    assert_eq!(vectors::older_app(), 14);
    vectors::older_recovery_code();
}

/// Of each text: sealed by `WebCrypto`, and whether `WebCrypto` opens what was sealed here.
const WEB_CRYPTO: &str = "async (key, cases) => {
    const aes = await crypto.subtle.importKey('raw', key, 'AES-GCM', false, ['encrypt', 'decrypt']);
    return Promise.all(cases.map(async ([iv, additionalData, plain, sealed]) => {
        const how = { name: 'AES-GCM', iv, additionalData };
        const opened = new Uint8Array(await crypto.subtle.decrypt(how, aes, sealed));
        const same = opened.length === plain.length && opened.every((byte, at) => byte === plain[at]);
        return [new Uint8Array(await crypto.subtle.encrypt(how, aes, plain)), same];
    }));
}";

#[wasm_bindgen_test]
async fn webcrypto_gives_the_same_bytes_for_2_000_texts_and_opens_them() {
    let key: [u8; 32] = random_bytes(32).try_into().unwrap();
    let cipher = Cipher::new(&key);
    let mut sealed_here = Vec::new();
    let cases = Array::new();
    for n in 0..2_000 {
        let iv: [u8; 12] = random_bytes(12).try_into().unwrap();
        let (associated, plain) = (random_bytes(n % 90), random_bytes(n % 700));
        let mut sealed = plain.clone();
        cipher.seal(&iv, &associated, &mut sealed);
        cases.push(&[array(&iv), array(&associated), array(&plain), array(&sealed)].iter().collect::<Array>());
        sealed_here.push(sealed);
    }
    let answers: Array = call_async(WEB_CRYPTO, &[&array(&key), &cases]).await.unchecked_into();
    assert_eq!(answers.length(), 2_000);
    for (answer, sealed) in answers.iter().zip(&sealed_here) {
        let answer: Array = answer.unchecked_into();
        assert_eq!((&bytes(&answer.get(0)), answer.get(1).is_truthy()), (sealed, true));
    }
}

#[wasm_bindgen_test]
async fn webcrypto_derives_the_same_key_from_a_passphrase() {
    let derive = "async (salt, iterations) => {
        const from = await crypto.subtle.importKey('raw', new TextEncoder().encode('Füße'), 'PBKDF2', false, ['deriveBits']);
        return new Uint8Array(await crypto.subtle.deriveBits({ name: 'PBKDF2', hash: 'SHA-256', salt, iterations }, from, 256));
    }";
    let salt = random_bytes(16);
    let theirs = call_async(derive, &[&array(&salt), &2_000.into()]).await;
    let mut ours = [0; 32];
    pbkdf2_sha256("Füße".as_bytes(), &salt, 2_000, &mut ours);
    assert_eq!(bytes(&theirs), ours);
}

/// A key that only JavaScript knows, so that the search itself is not what is found.
fn hidden_key() -> JsValue {
    js("crypto.getRandomValues(new Uint8Array(32))")
}

/// How often a quarter of the key stands in the module's memory.
fn found_in_memory(key: &JsValue) -> u32 {
    let search = "(buffer, key) => {
        const memory = new Uint8Array(buffer);
        let found = 0;
        for (const quarter of [0, 8, 16, 24].map((from) => key.subarray(from, from + 8))) {
            for (let at = memory.indexOf(quarter[0]); at >= 0; at = memory.indexOf(quarter[0], at + 1)) {
                if (quarter.every((byte, n) => memory[at + n] === byte)) found++;
            }
        }
        return found;
    }";
    let buffer = Reflect::get(&wasm_bindgen::memory(), &"buffer".into()).unwrap();
    let found = call(search, &[&buffer, key]).as_f64().unwrap();
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a count")]
    let found = found as u32;
    found
}

/// Reads the key as a binding would: into a buffer that is overwritten.
fn taken(key: &JsValue) -> MasterKey {
    let mut raw = Zeroizing::new([0; 32]);
    key.unchecked_ref::<Uint8Array>().copy_to(raw.as_mut_slice());
    MasterKey::from_bytes(raw.as_slice()).unwrap()
}

/// What a cipher makes of a key, in JavaScript: the parts of it in which no byte is alike in all keys.
fn schedule(key: &JsValue) -> JsValue {
    let mut raw = Zeroizing::new([0; 32]);
    key.unchecked_ref::<Uint8Array>().copy_to(raw.as_mut_slice());
    let cipher = Box::new(Aes256Gcm::new((&*raw).into()));
    let memory: JsValue = Reflect::get(&wasm_bindgen::memory(), &"buffer".into()).unwrap();
    let copied = "(memory, at, length) => {
        const parts = [];
        for (let from = 0; from + 8 <= length; from += 8) {
            const part = new Uint8Array(memory, at + from, 8);
            if (new Set(part).size > 5) parts.push(...part);
        }
        return Uint8Array.from(parts.slice(0, 32));
    }";
    let at = std::ptr::from_ref(&*cipher).addr();
    call(copied, &[&memory, &at.into(), &size_of::<Aes256Gcm>().into()])
}

fn names() -> (AppId, TableName, RecordId, FieldName) {
    (
        AppId::parse("todo").unwrap(),
        TableName::parse("tasks").unwrap(),
        RecordId::parse("r").unwrap(),
        FieldName::parse("title").unwrap(),
    )
}

/// Uses a ring for everything it is for.
fn use_ring(ring: &Keyring) {
    let (app, table, record, field) = names();
    let place = Place::new(&app, &table, &record, &field);
    for format in [Format::One, Format::Two] {
        let text = ring.seal(format, &place, Stamp::EPOCH, &json!("value"), &random).unwrap();
        assert!(Envelope::parse(&text).is_some());
        assert_eq!(ring.open(&place, Stamp::EPOCH, &text), Ok(json!("value")));
    }
    let key = ring.key(ring.newest().unwrap()).unwrap();
    let code = RecoveryCode::generate(&random).unwrap();
    let wrapped = code.wrap(key, &random).unwrap();
    assert!(code.unwrap(&wrapped).as_ref() == Ok(key));
    let derived = WrapKey::from_bytes(&random_bytes(32)).unwrap();
    let wrapped = PassphraseWrapped::wrap_with(&derived, random_bytes(16), 1_000, key, &random).unwrap();
    assert!(wrapped.unwrap_with(&derived).as_ref() == Ok(key));
    assert!(wrapped.unwrap(Passphrase { nfkc: "a", typed: "b" }).is_err());
}

#[wasm_bindgen_test]
fn no_key_is_left_in_memory_when_the_ring_is_cleared() {
    let keys: Vec<JsValue> = (0..20).map(|_| hidden_key()).collect();
    let mut ring = Keyring::new();
    for (generation, key) in (1..).zip(&keys) {
        ring.insert(generation, taken(key));
        use_ring(&ring);
    }
    let schedules: Vec<JsValue> = keys.iter().map(schedule).collect();
    for (key, schedule) in keys.iter().zip(&schedules) {
        assert!(found_in_memory(key) >= 4, "the search finds a key that is there");
        assert!(found_in_memory(schedule) >= 4, "and what a cipher makes of it");
    }
    ring.clear();
    for (key, schedule) in keys.iter().zip(&schedules) {
        assert_eq!((found_in_memory(key), found_in_memory(schedule)), (0, 0), "and none that is gone");
    }
}

/// Has the browser count how often it is asked for randomness.
const COUNT_ASKED: &str = "() => {
    const own = crypto.getRandomValues.bind(crypto);
    globalThis.asked = 0;
    crypto.getRandomValues = (bytes) => { asked += 1; return own(bytes); };
}";

#[wasm_bindgen_test]
fn the_browser_is_asked_anew_for_each_iv_key_and_code() {
    let (app, table, record, field) = names();
    let place = Place::new(&app, &table, &record, &field);
    call(COUNT_ASKED, &[]);
    let asked = || js("asked").as_f64().unwrap_or_default();
    let mut ring = Keyring::new();
    ring.insert(1, MasterKey::generate(&random).unwrap());
    for _ in 0..100 {
        ring.seal(Format::Two, &place, Stamp::EPOCH, &Value::Null, &random).unwrap();
    }
    RecoveryCode::generate(&random).unwrap();
    // Nothing is kept that a copy of the memory could give out again.
    assert!((asked() - 102.0).abs() < 0.5, "{}", asked());
    call("() => { delete crypto.getRandomValues; }", &[]);
}

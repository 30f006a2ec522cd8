//! `WebCrypto` opens what is sealed here and seals the same, in both formats, with the program that docs/encryption.md gives.

use crate::support::call_async;
use crate::vectors::generated::{COUNT, Sample, key, ring, sealed_alike};
use crate::vectors::older_app_cases;
use js_sys::{Array, Uint8Array};
use mana_sync_engine::crypto::{Envelope, Format};
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_test::wasm_bindgen_test;

const PAGE: &str = include_str!("../../../docs/encryption.md");

/// Of each sample: whether the reader reads the value, whether the plaintext is the same, and the envelope that `WebCrypto`
/// makes of it.
const BOTH_WAYS: &str = "async (source, key, cases) => {
    const reader = await import(URL.createObjectURL(new Blob([source], { type: 'text/javascript' })));
    const aes = await crypto.subtle.importKey('raw', key, 'AES-GCM', false, ['encrypt']);
    const base64 = (bytes) => btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join(''));
    return Promise.all(cases.map(async ([app, table, record, field, at, json, head, iv, envelope]) => {
        const place = { app, table, record, field, at };
        const read = await reader.open(key, place, envelope);
        const additionalData = head === 'enc:1:' ? new Uint8Array() : reader.associatedData(place);
        const plain = new TextEncoder().encode(json);
        const sealed = new Uint8Array(await crypto.subtle.encrypt({ name: 'AES-GCM', iv, additionalData }, aes, plain));
        return [JSON.stringify(read) === JSON.stringify(JSON.parse(json)), `${head}${base64(iv)}.${base64(sealed)}`];
    }));
}";

fn reader() -> JsValue {
    let rest = PAGE.split_once("## A reader in JavaScript\n").unwrap().1;
    rest.split_once("```js\n").unwrap().1.split_once("```").unwrap().0.into()
}

#[wasm_bindgen_test]
fn ten_thousand_values_are_sealed_as_every_build_seals_them_and_open_again() {
    assert_eq!(sealed_alike(), 10_000);
}

#[wasm_bindgen_test]
async fn webcrypto_opens_ten_thousand_values_and_seals_them_to_the_same_texts() {
    let (ring, key) = (ring(), key());
    let key = Uint8Array::from(key.expose().as_slice());
    for page in (0..COUNT).collect::<Vec<_>>().chunks(1_000) {
        let samples: Vec<Sample> = page.iter().copied().map(Sample::of).collect();
        let texts: Vec<String> = samples.iter().map(|sample| sample.seal(&ring)).collect();
        let cases: Array = samples.iter().zip(&texts).map(|(sample, text)| case(sample, text)).collect();
        let answers: Array = call_async(BOTH_WAYS, &[&reader(), &key, &cases]).await.unchecked_into();
        assert_eq!(answers.length() as usize, page.len());
        for (answer, text) in answers.iter().zip(&texts) {
            let answer: Array = answer.unchecked_into();
            assert_eq!((answer.get(0).as_bool(), answer.get(1).as_string().as_ref()), (Some(true), Some(text)));
        }
    }
}

fn case(sample: &Sample, text: &str) -> Array {
    let head = match sample.format {
        Format::One => "enc:1:",
        Format::Two => &text[.."enc:2:0001deadbeef.".len()],
    };
    let iv = Uint8Array::from(Envelope::parse(text).unwrap().iv().as_slice());
    let names = [sample.app.as_str(), sample.table.as_str(), sample.record.as_str(), sample.field.as_str()];
    let (at, json) = (sample.at.to_string(), serde_json::to_string(&sample.value).unwrap());
    let texts = names.into_iter().chain([at.as_str(), json.as_str(), head]).map(JsValue::from);
    texts.chain([iv.into(), text.into()]).collect()
}

#[wasm_bindgen_test]
async fn webcrypto_opens_every_envelope_of_the_older_app() {
    let read = "async (source, key, cases) => {
        const reader = await import(URL.createObjectURL(new Blob([source], { type: 'text/javascript' })));
        const sorted = (_, part) => part?.constructor === Object ? Object.fromEntries(Object.entries(part).sort()) : part;
        const text = (value) => JSON.stringify(value, sorted);
        const same = async ([json, blob]) => text(await reader.open(key, {}, blob)) === text(JSON.parse(json));
        return (await Promise.all(cases.map(same))).filter((same) => same).length;
    }";
    let (key, cases) = older_app_cases();
    let key = Uint8Array::from(key.as_slice());
    let of = |(value, blob): &(serde_json::Value, String)| -> Array {
        [value.to_string(), blob.clone()].into_iter().map(JsValue::from).collect()
    };
    let cases: Array = cases.iter().map(of).collect();
    assert_eq!(call_async(read, &[&reader(), &key, &cases]).await.as_f64(), Some(14.0));
}

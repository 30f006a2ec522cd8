//! Compressing request bodies, where the browser can.

use super::js;
use js_sys::{Array, Function, Uint8Array};
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;
use web_sys::Blob;

/// The text as gzip; `None` where the browser has no `CompressionStream`, or it failed.
pub async fn gzip(text: &str) -> Option<Uint8Array> {
    let compression: Function = js::global_function("CompressionStream")?;
    let response: Function = js::global_function("Response")?;
    compress(text, &compression, &response).await.ok()
}

async fn compress(text: &str, compression: &Function, response: &Function) -> Result<Uint8Array, JsValue> {
    let blob = Blob::new_with_str_sequence(&Array::of1(&JsValue::from_str(text)))?;
    let stream = js::call(&blob, "stream", &[])?;
    let compressor = js::construct(compression, &[JsValue::from_str("gzip")])?;
    let compressed = js::call(&stream, "pipeThrough", &[compressor])?;
    let whole = js::construct(response, &[compressed])?;
    let buffer = JsFuture::from(js::call(&whole, "arrayBuffer", &[])?.unchecked_into::<js_sys::Promise>()).await?;
    Ok(Uint8Array::new(&buffer))
}

//! An answer of fetch that is read while it goes on. (The browser's own `EventSource` sends no `Authorization`.)

use super::fetch::{Cancel, no_answer};
use super::js;
use super::registry::{Registration, Resource};
use crate::engine::ports::{Body, NoAnswer};
use futures_util::FutureExt;
use futures_util::future::LocalBoxFuture;
use js_sys::Uint8Array;
use wasm_bindgen::{JsCast, JsValue};

/// The body of an answer; dropping it takes the request back.
pub struct BrowserBody {
    reader: JsValue,
    _cancel: Cancel,
    _registration: Registration,
}

impl BrowserBody {
    /// Reads the body of `response`, whose request `cancel` takes back.
    pub fn of(response: &JsValue, cancel: Cancel) -> Result<Self, NoAnswer> {
        let body = js::property(response, "body").ok_or_else(|| NoAnswer("the answer does not stream".to_owned()))?;
        let reader = js::call(&body, "getReader", &[]).map_err(no_answer)?;
        let registration = Registration::new(Resource::Request(cancel.controller().clone()));
        Ok(Self { reader, _cancel: cancel, _registration: registration })
    }
}

impl Body for BrowserBody {
    fn next(&mut self) -> LocalBoxFuture<'_, Result<Option<Vec<u8>>, NoAnswer>> {
        next(&self.reader).map(|read| Ok(read?.map(|chunk| chunk.to_vec()))).boxed_local()
    }
}

/// The next bytes of a body; `None` at its end.
pub async fn next(reader: &JsValue) -> Result<Option<Uint8Array>, NoAnswer> {
    let step = js::settled(js::call(reader, "read", &[]).map_err(no_answer)?).await.map_err(no_answer)?;
    Ok(js::property(&step, "value").and_then(|chunk| chunk.dyn_into::<Uint8Array>().ok()))
}

//! What JavaScript sees: thin wrappers that convert arguments, results and errors. No rule lives here.
//!
//! Every method takes `&self` and gives a promise that settles, or throws an `Error` with `code`, `retryable` and
//! `details`. The TypeScript shim is the only caller; its `raw.ts` mirrors these signatures.

mod convert;
mod engine;
mod error;
mod options;
mod signals;
mod transaction;
mod upgrades;

pub use engine::RawEngine;

use js_sys::Promise;
use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::wasm_bindgen;
use wasm_bindgen_futures::future_to_promise;

/// The package's version.
#[wasm_bindgen]
#[must_use]
pub fn version() -> String {
    env!("CARGO_PKG_VERSION").to_owned()
}

/// Opens an engine; see `RawOptions` and `RawHost` in the shim.
#[wasm_bindgen(js_name = openEngine)]
pub fn open_engine(options: JsValue, host: JsValue) -> Promise {
    future_to_promise(async move { Ok(RawEngine::open(&options, host).await?.into()) })
}

/// Test-only: the page asks for a panic in the next commit by setting `manaPlantPanic`.
#[cfg(feature = "planted-faults")]
fn plant_what_is_asked_for() {
    if convert::get(&js_sys::global(), "manaPlantPanic").is_truthy() {
        crate::engine::faults::plant();
    }
}

//! What JavaScript sees: thin wrappers that convert arguments, results and errors. No rule lives here.
//!
//! Every method takes `&self` and gives a promise that settles, or throws an `Error` with `code`, `retryable` and
//! `details`. The TypeScript shim is the only caller; its `raw.ts` mirrors these signatures.

mod archive;
mod convert;
mod engine;
mod error;
mod guests;
mod letters;
mod options;
mod signals;
mod transaction;
mod upgrades;
mod vault;
mod whole;

pub use engine::RawEngine;

use js_sys::Promise;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::wasm_bindgen;
use wasm_bindgen_futures::future_to_promise;

/// The package's version.
#[wasm_bindgen]
#[must_use]
pub fn version() -> String {
    env!("CARGO_PKG_VERSION").to_owned()
}

/// Ends what the browser holds for this instance: transactions are aborted, the connection, sockets and locks let go. Called when
/// something was thrown through the module's own frames, after which nothing of it can be relied on.
#[wasm_bindgen(js_name = endEverything)]
pub fn end_everything() {
    crate::web::end_everything();
}

/// Opens an engine; see `RawOptions` and `RawHost` in the shim.
#[wasm_bindgen(js_name = openEngine)]
pub fn open_engine(options: JsValue, host: JsValue) -> Promise {
    promise_of(async move { Ok(RawEngine::open(&options, host).await?.into()) })
}

/// What a promise comes to. Boxed, so that what runs a promise is compiled once and not for each of them.
type Task = Pin<Box<dyn Future<Output = Result<JsValue, JsValue>>>>;

/// A promise of what `task` comes to; it begins in a later turn.
fn promise_of(task: impl Future<Output = Result<JsValue, JsValue>> + 'static) -> Promise {
    promise_of_boxed(Box::pin(task))
}

fn promise_of_boxed(task: Task) -> Promise {
    future_to_promise(task)
}

/// A promise of what `task` comes to. Its first part runs in this turn, so that transactions begin in the order of the
/// calls, whichever kind they are: IndexedDB runs them in the order in which they were begun.
fn started(mut task: Task) -> Promise {
    // Nobody has to be woken yet: the promise's own first turn asks again.
    match task.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(Ok(value)) => Promise::resolve(&value),
        Poll::Ready(Err(error)) => Promise::reject(&error),
        Poll::Pending => promise_of_boxed(task),
    }
}

/// Test-only: the page asks for a fault in the next commit by setting `manaPlant` to its name.
#[cfg(feature = "planted-faults")]
fn plant_what_is_asked_for() {
    if let Some(name) = convert::get(&js_sys::global(), "manaPlant").as_string() {
        crate::engine::faults::plant(&name);
    }
}

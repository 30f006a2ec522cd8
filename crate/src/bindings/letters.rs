//! What the server refused for good, and what a person makes of it; what came and cannot be applied.

use super::convert;
use super::engine::RawEngine;
use super::error::thrown;
use js_sys::{Array, Promise};
use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::wasm_bindgen;

#[wasm_bindgen]
impl RawEngine {
    /// The user's dead letters, oldest first.
    #[wasm_bindgen(js_name = deadLetters)]
    pub fn dead_letters(&self) -> Promise {
        self.promise(|engine| async move {
            let letters = engine.dead_letters().await.map_err(|error| thrown(&error))?;
            Ok(letters.iter().map(convert::dead_letter).collect::<Array>().into())
        })
    }

    /// Sends a dead letter again, with what waits behind it.
    #[wasm_bindgen(js_name = retryLetter)]
    pub fn retry_letter(&self, id: String) -> Promise {
        self.promise(move |engine| async move {
            engine.retry_letter(&id).await.map(|()| JsValue::UNDEFINED).map_err(|error| thrown(&error))
        })
    }

    /// Discards a dead letter.
    #[wasm_bindgen(js_name = discardLetter)]
    pub fn discard_letter(&self, id: String) -> Promise {
        self.promise(move |engine| async move {
            engine.discard_letter(&id).await.map(|()| JsValue::UNDEFINED).map_err(|error| thrown(&error))
        })
    }

    /// What quarantine holds for the user, by reason.
    pub fn quarantine(&self) -> Promise {
        self.promise(|engine| async move {
            let counts = engine.quarantine().await.map_err(|error| thrown(&error))?;
            Ok(counts.iter().map(convert::quarantine_count).collect::<Array>().into())
        })
    }
}

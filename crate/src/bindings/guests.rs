//! What becomes of a guest's data when somebody signs in.

use super::convert;
use super::engine::RawEngine;
use super::error::thrown;
use js_sys::Promise;
use std::rc::Rc;
use wasm_bindgen::prelude::wasm_bindgen;

#[wasm_bindgen]
impl RawEngine {
    /// Takes a guest's records into the account of who signed in; with `dry`, says what that would come to.
    #[wasm_bindgen(js_name = adoptGuestData)]
    pub fn adopt_guest_data(&self, dry: bool) -> Promise {
        let (session, wait_ms) = (Rc::clone(&self.session), self.vault_wait_ms);
        self.vault_used();
        self.promise(move |engine| async move {
            let data = if dry { engine.guest_data().await } else { session.adopt_guest_data(wait_ms).await };
            data.map(|data| convert::guest_data(&data)).map_err(|error| thrown(&error))
        })
    }

    /// Deletes what is left of a guest's; gives how many records that were.
    #[wasm_bindgen(js_name = discardGuestData)]
    pub fn discard_guest_data(&self) -> Promise {
        self.promise(|engine| async move {
            engine.discard_guest_data().await.map(convert::count).map_err(|error| thrown(&error))
        })
    }
}

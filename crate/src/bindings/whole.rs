//! What a person says of whole records: who sees them, and in which space they are.

use super::convert;
use super::engine::RawEngine;
use super::error::{invalid, thrown};
use super::options;
use super::transaction::SharedEngine;
use crate::engine::{Kind, Result, Written};
use crate::model::Visibility;
use js_sys::Promise;
use wasm_bindgen::prelude::wasm_bindgen;

#[wasm_bindgen]
impl RawEngine {
    /// Makes a record its author's alone (`private`), or everybody's in its space (`space`).
    #[wasm_bindgen(js_name = setVisibility)]
    pub fn set_visibility(&self, table: String, id: String, visibility: String) -> Promise {
        let wait_ms = self.vault_wait_ms;
        self.vault_used();
        self.promise(move |engine| async move {
            if !matches!(visibility.as_str(), "private" | "space") {
                return Err(invalid("a record's visibility is 'private' or 'space'"));
            }
            let to = Visibility::from(visibility);
            let set = with_the_key(&engine, wait_ms, || engine.set_visibility(&table, &id, to)).await;
            set.map(|written| convert::written(&written)).map_err(|error| thrown(&error))
        })
    }

    /// Moves a record to another space; the first of the keys is its id there.
    #[wasm_bindgen(js_name = moveToSpace)]
    pub fn move_to_space(&self, table: String, id: String, space: String) -> Promise {
        let wait_ms = self.vault_wait_ms;
        self.vault_used();
        self.promise(move |engine| async move {
            let space = options::space_id(&space)?;
            let moved = with_the_key(&engine, wait_ms, || engine.move_to_space(&table, &id, &space)).await;
            moved.map(|written| convert::written(&written)).map_err(|error| thrown(&error))
        })
    }
}

/// Makes a call that may take the key; where the vault is locked, once more as soon as it is unlocked in time.
async fn with_the_key<F: Future<Output = Result<Written>>>(
    engine: &SharedEngine,
    wait_ms: u64,
    call: impl Fn() -> F,
) -> Result<Written> {
    let done = call().await;
    let is_locked = done.as_ref().is_err_and(|error| error.kind() == Kind::VaultLocked);
    if is_locked && engine.unlocked_within(wait_ms).await { call().await } else { done }
}

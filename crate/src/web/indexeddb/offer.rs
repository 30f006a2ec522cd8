//! Offers: rows that may be refused one by one without taking the transaction with them.

use super::error::store_error;
use super::keys::{key_from_js, key_to_js};
use super::request::Answer;
use super::shared::Shared;
use crate::store::{Key, Offered, StoreError};
use crate::web::JsRow;
use std::rc::Rc;
use wasm_bindgen::JsValue;
use web_sys::{IdbObjectStore, IdbRequest};

/// Rows that were asked for, and those that were refused at once.
pub(super) struct Asked {
    shared: Rc<Shared>,
    requests: Vec<Result<IdbRequest, StoreError>>,
    /// Requests are answered in order, so this one's answer means all have theirs.
    last: Option<Answer>,
}

/// Asks for all rows in this turn.
pub(super) fn ask(
    shared: &Rc<Shared>,
    store: &str,
    rows: &[(Option<Key>, JsRow)],
    only_new: bool,
) -> Result<Asked, StoreError> {
    let store = shared.store(store, "offer")?;
    let mut requests = Vec::with_capacity(rows.len());
    for (key, row) in rows {
        let made = key.as_ref().map(key_to_js).transpose();
        let made = made.map(|key| request(&store, row.as_ref(), key.as_ref(), only_new));
        requests.push(match made {
            Ok(Ok(request)) => {
                shared.tolerate(&request);
                Ok(request)
            }
            Ok(Err(thrown)) => Err(refusal(&thrown)?),
            Err(no_key) => Err(no_key),
        });
    }
    let last = requests.iter().rev().find_map(|request| request.as_ref().ok());
    let last = last.map(|request| Answer::new(shared, request.clone(), "offer"));
    Ok(Asked { shared: Rc::clone(shared), requests, last })
}

fn request(
    store: &IdbObjectStore,
    row: &JsValue,
    key: Option<&JsValue>,
    only_new: bool,
) -> Result<IdbRequest, JsValue> {
    match (key, only_new) {
        (None, true) => store.add(row),
        (None, false) => store.put(row),
        (Some(key), true) => store.add_with_key(row, key),
        (Some(key), false) => store.put_with_key(row, key),
    }
}

/// What is wrong with a row alone; anything else is the whole transaction's error.
fn refusal(thrown: &JsValue) -> Result<StoreError, StoreError> {
    match store_error(thrown, "offer") {
        alone @ (StoreError::NotStorable(_) | StoreError::InvalidKey(_) | StoreError::Constraint(_)) => Ok(alone),
        StoreError::Other(name, message) if name != "ReadOnlyError" => {
            // A field that is computed and failed, or a value nested too deeply to be copied.
            Ok(StoreError::NotStorable(format!("{name}: {message}")))
        }
        whole => Err(whole),
    }
}

impl Asked {
    /// Waits until all are stored or refused.
    pub async fn outcome(self) -> Result<Offered, StoreError> {
        if let Some(last) = self.last {
            last.await?;
        }
        self.shared.forget_tolerated();
        Ok(self.requests.into_iter().map(|request| request.and_then(|request| outcome_of(&request))).collect())
    }
}

fn outcome_of(request: &IdbRequest) -> Result<Key, StoreError> {
    if let Ok(Some(error)) = request.error() {
        return Err(store_error(&error, "offer"));
    }
    key_from_js(&request.result().map_err(|thrown| store_error(&thrown, "offer"))?)
}

//! The types of the wire: the engine's readers and the server's derived ones agree, and what is written reads the same.

use mana_sync_engine::model::{FromJson, Space};
use mana_sync_engine::protocol::wire::{
    ClientFrame, ErrorAnswer, Health, PullAnswer, PullRequest, PushAnswer, PushRequest, Rejection, ServerFrame,
};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::fmt::Debug;

/// Reads a value as each type there is.
///
/// # Panics
/// When a promise is broken.
pub fn read(json: &Value) {
    both::<PushRequest>(json);
    both::<PushAnswer>(json);
    both::<PullAnswer>(json);
    both::<ErrorAnswer>(json);
    both::<Health>(json);
    both::<Rejection>(json);
    both::<Space>(json);
    of_server::<PullRequest>(json);
    of_server::<ClientFrame>(json);
    of_engine::<ServerFrame>(json);
}

/// Read and written by either side.
fn both<T: FromJson + Into<Value> + DeserializeOwned + Serialize + PartialEq + Debug + Clone>(json: &Value) {
    of_engine::<T>(json);
    if let Some(read) = T::from_json(json.clone()) {
        assert_eq!(T::from_json(read.clone().into()), Some(read), "what the engine writes it reads");
    }
}

/// Read by the engine, written by the server.
fn of_engine<T: FromJson + DeserializeOwned + Serialize + PartialEq + Debug>(json: &Value) {
    let Some(read) = T::from_json(json.clone()) else { return };
    let derived: T = serde_json::from_value(json.clone()).expect("what the engine reads the server reads");
    assert_eq!(read, derived, "both sides read the same");
    let written = serde_json::to_value(&derived).expect("what was read can be written");
    assert_eq!(T::from_json(written), Some(derived), "what the server writes the engine reads");
}

/// Read by the server, written by the engine.
fn of_server<T: DeserializeOwned + Into<Value> + PartialEq + Debug + Clone>(json: &Value) {
    let Ok(read) = serde_json::from_value::<T>(json.clone()) else { return };
    let again: T = serde_json::from_value(read.clone().into()).expect("what the engine writes the server reads");
    assert_eq!(read, again, "a request comes back as it was");
}

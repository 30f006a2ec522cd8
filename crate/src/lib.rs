//! Local-first sync for web apps: an IndexedDB store with a change log, field-level merging and a push and pull loop.
//!
//! One engine, written once, runs in three places: in the browser (WASM, IndexedDB, fetch), in simulations (native, in
//! memory, with faults injected), and, for its model and wire types, in the server. Modules are rings; arrows go
//! inward only (see ARCHITECTURE.md).

#![forbid(unsafe_code)]

pub mod clock;
pub mod crypto;
pub mod engine;
pub mod fingerprint;
pub mod merge;
pub mod migrate;
pub mod model;
pub mod probe;
pub mod protocol;
pub mod store;

#[cfg(target_arch = "wasm32")]
mod bindings;
#[cfg(target_arch = "wasm32")]
pub mod web;

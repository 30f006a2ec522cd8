//! The browser's side of every trait, tried in a real browser.

#![cfg(target_arch = "wasm32")]

mod connections;
mod crypto;
mod host;
mod interop;
mod json;
mod network;
mod nonces;
mod opening;
mod programs;
mod rows;
mod support;
mod tabs;
mod transactions;
#[path = "../vectors/mod.rs"]
mod vectors;

wasm_bindgen_test::wasm_bindgen_test_configure!(run_in_browser);

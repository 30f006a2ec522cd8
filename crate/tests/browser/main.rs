//! The browser's side of every trait, tried in a real browser.

#![cfg(target_arch = "wasm32")]

mod connections;
mod crypto;
mod host;
mod json;
mod network;
mod opening;
mod programs;
mod rows;
mod support;
mod tabs;
mod transactions;

wasm_bindgen_test::wasm_bindgen_test_configure!(run_in_browser);

//! The store on fake-indexeddb, which apps use to test under Node: the same cases as in browsers.

#![cfg(target_arch = "wasm32")]

use mana_sync_engine::model::StoreSpec;
use mana_sync_engine::store::contract;
use mana_sync_engine::web::{Durability, IndexedDb, OpenOptions};
use std::cell::Cell;
use std::rc::Rc;
use wasm_bindgen_test::wasm_bindgen_test;

thread_local! {
    static OPENED: Cell<u32> = const { Cell::new(0) };
}

async fn open(stores: Vec<StoreSpec>) -> IndexedDb {
    let name = format!("fake-{}", OPENED.replace(OPENED.get() + 1));
    let events = Rc::new(|_| {});
    let options = OpenOptions { name, version: 1, stores, durability: Durability::Strict, events };
    IndexedDb::open(options).await.expect("opens")
}

#[wasm_bindgen_test]
async fn fake_indexeddb_keeps_the_contract() {
    contract::run(open).await;
}

#[wasm_bindgen_test]
async fn fake_indexeddb_answers_random_programs_as_the_memory_store_does() {
    for seed in 0..contract::PROGRAMS {
        let program = contract::program(seed).with_made_keys_only();
        contract::compare_with_memory(&open(contract::tables()).await, &program, seed).await;
    }
}

//! IndexedDB against the memory store: what one answers to a random program, the other answers, too.

use crate::support::{delete, fresh_name};
use mana_sync_engine::store::contract;
use mana_sync_engine::web::{Durability, IndexedDb, OpenOptions};
use std::rc::Rc;
use wasm_bindgen_test::wasm_bindgen_test;

#[wasm_bindgen_test]
async fn indexeddb_answers_random_programs_as_the_memory_store_does() {
    for seed in 0..contract::PROGRAMS {
        let name = fresh_name();
        let (stores, events) = (contract::tables(), Rc::new(|_| {}));
        let options = OpenOptions { name: name.clone(), version: 1, stores, durability: Durability::Relaxed, events };
        let db = IndexedDb::open(options).await.expect("opens");
        contract::compare_with_memory(&db, &contract::program(seed), seed).await;
        drop(db);
        delete(&name).await;
    }
}

//! The memory store against what every store promises.

use super::MemoryStore;
use crate::store::contract;
use futures_util::FutureExt;
use serde_json::Value;
use std::collections::BTreeMap;

#[test]
fn the_memory_store_keeps_the_contract() {
    let run = contract::run(|specs| async move { MemoryStore::new(specs) });
    run.now_or_never().expect("the memory store never waits for anything outside");
}

/// Programs that reach little would prove little.
#[test]
fn random_programs_meet_every_outcome_and_repeat() {
    let answers = |seed| {
        let store = MemoryStore::new(contract::tables());
        let answers = contract::run_program(&store, &contract::program(seed)).now_or_never();
        answers.expect("the memory store never waits for anything outside")
    };
    let mut met = BTreeMap::<&str, usize>::new();
    for seed in 0..contract::PROGRAMS {
        assert_eq!(answers(seed), answers(seed), "program {seed}");
        let text = Value::from(answers(seed)).to_string();
        for word in ["committed", "aborted", "dropped", "constraint", "not storable", "Bytes", "Date", "inf"] {
            *met.entry(word).or_default() += text.matches(word).count();
        }
    }
    assert!(met.values().all(|count| *count >= 20), "{met:?}");
}

//! Random schedules: whatever happens, devices agree in the end and nothing that was shown as saved is lost.
//!
//! A few run with every `cargo test`; `make test` runs 20,000 (`scripts/test simulation`), `make simulate` as many as asked.

use mana_simulation::runner::{kept, run};
use mana_simulation::schedule::{Kind, Plan};
use mana_simulation::storage;

const EVENTS: usize = 100;

#[test]
fn devices_agree_after_any_schedule() {
    for seed in 0..48 {
        run(&Plan::of(seed, EVENTS)).unwrap_or_else(|broken| panic!("SEED={seed}: {broken}"));
    }
}

/// The canary: were this to pass, the other tests here would mean nothing.
#[test]
fn a_store_that_loses_log_rows_is_noticed() {
    storage::lose_log_rows(true);
    let noticed = (0..20).filter(|seed| run(&Plan::of(*seed, EVENTS)).is_err()).count();
    storage::lose_log_rows(false);
    assert!(noticed > 10, "of 20 schedules over a broken store {noticed} noticed it");
}

#[test]
fn schedules_that_once_failed_pass() {
    for (file, plan) in kept() {
        run(&plan).unwrap_or_else(|broken| panic!("{file}: {broken}"));
    }
}

#[test]
fn one_seed_decides_everything() {
    for seed in 0..16 {
        let once = run(&Plan::of(seed, EVENTS)).expect("it passes");
        assert_eq!(Ok(once), run(&Plan::of(seed, EVENTS)), "seed {seed}");
    }
}

#[test]
fn a_run_of_one_kind_has_only_schedules_of_it() {
    for kind in Kind::ALL {
        assert_eq!(Kind::parse(kind.name()), Some(kind));
        for seed in 0..32 {
            let plan = Plan::of_kind(seed, 0, Some(kind));
            let is_of_it = match kind {
                Kind::Rolls => plan.rolls && !plan.seals,
                Kind::Seals => plan.seals && !plan.rolls,
                Kind::Streams => plan.streams,
                Kind::Lazy => plan.lazy,
                Kind::Deploys => plan.deploys,
                Kind::Restore => plan.disasters.restore,
                Kind::Loss => plan.disasters.loss,
                Kind::Cut => plan.disasters.cut,
            };
            assert!(is_of_it, "{} {seed}", kind.name());
        }
    }
}

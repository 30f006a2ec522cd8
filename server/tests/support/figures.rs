//! Figures of random tests: from the environment, printed where a failure needs them.

#![allow(dead_code, reason = "each test binary uses a part of it")]

use std::time::Instant;

/// A figure from the environment, else the default.
pub fn figure(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |text| text.parse().unwrap_or_else(|_| panic!("{name} must be a number")))
}

/// The seed of this run, printed so that a failure can be repeated.
pub fn seed() -> u64 {
    let seed = figure("SEED", 20_260_101);
    println!("SEED={seed}");
    seed
}

/// The seconds since now, for the figures a run prints.
#[expect(clippy::disallowed_methods, reason = "no result depends on it")]
pub fn stopwatch() -> impl Fn() -> f64 {
    let began = Instant::now();
    move || began.elapsed().as_secs_f64()
}

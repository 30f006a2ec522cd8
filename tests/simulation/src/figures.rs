//! Figures of a run: from the environment, and how often something has to happen for a run to mean anything.

use super::schedule::Counts;

/// A figure from the environment, else the default.
///
/// # Panics
///
/// Where what stands there is no number.
#[must_use]
pub fn figure(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |text| text.parse().unwrap_or_else(|_| panic!("{name} must be a number")))
}

/// Each of these must have happened in every fifth of `count` schedules, taken together.
///
/// # Panics
///
/// Where one happened less often.
pub fn assert_reached<'a>(counts: &Counts, count: u64, all: impl IntoIterator<Item = &'a &'static str>) {
    for what in all {
        let reached = counts.get(what).copied().unwrap_or(0);
        assert!(reached >= count / 5, "{what}: {reached} times in {count} schedules");
    }
}

//! Long checks of the change log: what must hold however many write at once, and wherever a page ends.
//!
//! By default each runs a part of its figure; `COMMITS`, `PAIRS` raise it, `SEED` repeats a run.

mod cursor_gap;
mod cursor_ties;
#[path = "../support/figures.rs"]
mod figures;
mod partial_batch;
mod support;

//! Test-only: a panic at the worst moment of a write, to prove that nothing half-written is kept.

use std::cell::Cell;

thread_local! {
    static PLANTED: Cell<bool> = const { Cell::new(false) };
}

/// Makes the next commit panic after its records were put and before its log row is.
pub fn plant() {
    PLANTED.set(true);
}

pub(super) fn between_records_and_log() {
    assert!(!PLANTED.get(), "planted: between the records and their log");
}

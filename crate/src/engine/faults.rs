//! Test-only: the instance ends at the worst moment of a write, to prove that nothing half-written is kept.

use std::cell::Cell;

#[derive(Clone, Copy)]
enum Fault {
    Panic,
    Abort,
    Allocation,
    Stack,
}

thread_local! {
    static PLANTED: Cell<Option<Fault>> = const { Cell::new(None) };
}

/// Ends the instance in the next commit, after its records were put and before its log row is: by a `panic`, an `abort`,
/// memory that is refused (`allocation`), or a `stack` that is used up.
pub fn plant(name: &str) {
    PLANTED.set(match name {
        "panic" => Some(Fault::Panic),
        "abort" => Some(Fault::Abort),
        "allocation" => Some(Fault::Allocation),
        "stack" => Some(Fault::Stack),
        _ => None,
    });
}

pub(super) fn between_records_and_log() {
    match PLANTED.get() {
        None => {}
        Some(Fault::Panic) => panic!("planted: between the records and their log"),
        Some(Fault::Abort) => std::process::abort(),
        Some(Fault::Allocation) => std::alloc::handle_alloc_error(std::alloc::Layout::new::<[u8; 1024]>()),
        Some(Fault::Stack) => {
            std::hint::black_box(descend(1));
        }
    }
}

/// Ends nowhere.
fn descend(depth: u64) -> u64 {
    let below = if std::hint::black_box(depth) > 0 { descend(depth + 1) } else { 0 };
    std::hint::black_box(below) + 1
}

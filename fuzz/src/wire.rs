//! Everything that comes in from the network: each input goes through every reader of both sides.

use super::{answers, change, limit, push, types};

/// Reads an input as whatever it may be.
///
/// # Panics
/// When a reader breaks one of its promises.
pub fn run(input: &[u8]) {
    limit::within_a_second(|| read(input));
}

fn read(input: &[u8]) {
    // Both sides refuse what is no UTF-8 before they look any further.
    let Ok(text) = std::str::from_utf8(input) else { return };
    answers::read(text);
    push::take(text);
    if let Ok(json) = serde_json::from_str(text) {
        types::read(&json);
        change::read(json);
    }
}

//! Protocol 1, which servers before this project's speak: one app to a push, one table to a pull, times in the place of
//! positions, errors in plain text.
//!
//! What it says and leaves out is in docs/protocol1.md. Here are its changes and how far a client has read, without a network:
//! the engine uses them towards an older server, and the server towards older clients.

mod answer;
mod cursor;
mod incoming;
mod outgoing;

pub use answer::{TimedPage, health, timed_page};
pub use cursor::{Step, Time, TimeCursor};
pub use incoming::{received, tidy, translated};
pub use outgoing::said;

//! Whole devices in virtual time: the real engine on memory stores, the server's real rules over its log in memory, and
//! between them clocks that are wrong and a network that fails.
//!
//! Everything runs on one thread; one seed decides everything, so a run can be repeated exactly. Time passes only when
//! nothing else is left to do.

#![forbid(unsafe_code)]
#![allow(clippy::missing_panics_doc, reason = "a simulation panics where what it watches breaks a promise")]

pub mod archives;
pub mod calls;
pub mod coverage;
pub mod deploy;
pub mod device;
pub mod event;
pub mod executor;
pub mod figures;
pub mod host;
pub mod ledger;
pub mod model;
pub mod network;
pub mod older_app;
pub mod oracle;
pub mod place;
pub mod production;
pub mod random;
pub mod runner;
pub mod schedule;
mod sealed;
pub mod server;
pub mod setup;
pub mod storage;
pub mod stream;
pub mod tabs;
pub mod trace;
pub mod world;

pub use device::{Device, TABS};
pub use network::Fault;
pub use random::Random;
pub use setup::Setup;
pub use world::World;

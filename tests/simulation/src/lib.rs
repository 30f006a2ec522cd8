//! Whole devices in virtual time: the real engine on memory stores, the server's real rules over its log in memory, and
//! between them clocks that are wrong and a network that fails.
//!
//! Everything runs on one thread; one seed decides everything, so a run can be repeated exactly. Time passes only when
//! nothing else is left to do.

#![forbid(unsafe_code)]
#![allow(clippy::missing_panics_doc, reason = "a simulation panics where what it watches breaks a promise")]

pub mod device;
pub mod executor;
pub mod host;
pub mod network;
pub mod oracle;
pub mod random;
pub mod schedule;
pub mod server;
pub mod storage;
pub mod tabs;
pub mod world;

pub use device::{Device, Setup};
pub use network::Fault;
pub use random::Random;
pub use world::World;

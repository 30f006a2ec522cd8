//! The sync server: a change log with positions per stream, behind HTTP and WebSocket.
//!
//! [`log`] holds the rules and the stores, [`http`] the routes of protocol 2, [`dev`] the small identity service of
//! `--dev`, [`hub`] who is connected, [`server`] starts and stops it all, also inside a test.

#![forbid(unsafe_code)]

mod lock;
pub mod log;

#[cfg(feature = "service")]
pub mod auth;
#[cfg(feature = "service")]
pub mod checks;
#[cfg(feature = "service")]
pub mod clock;
#[cfg(feature = "service")]
pub mod config;
#[cfg(feature = "service")]
pub mod dev;
#[cfg(feature = "service")]
pub mod error;
#[cfg(feature = "service")]
pub mod http;
#[cfg(feature = "service")]
pub mod hub;
#[cfg(feature = "service")]
mod kept;
#[cfg(feature = "service")]
pub mod members;
#[cfg(feature = "service")]
pub mod metrics;
#[cfg(feature = "service")]
pub mod nodes;
#[cfg(feature = "service")]
pub mod rate;
#[cfg(feature = "service")]
pub mod server;
#[cfg(feature = "service")]
pub mod stored;
#[cfg(feature = "service")]
pub mod subscriptions;
#[cfg(feature = "service")]
pub mod turns;
#[cfg(feature = "service")]
pub mod upstream;

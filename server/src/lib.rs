//! The sync server: a change log with positions per stream, behind HTTP and WebSocket.
//!
//! [`log`] holds the rules and the stores, [`http`] the routes of protocol 2, [`dev`] the small identity service of
//! `--dev`, [`hub`] who is connected, [`server`] starts and stops it all, also inside a test.

#![forbid(unsafe_code)]

pub mod auth;
pub mod clock;
pub mod config;
pub mod dev;
pub mod error;
pub mod http;
pub mod hub;
pub mod log;
pub mod members;
pub mod server;

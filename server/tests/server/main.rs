//! The server over real sockets: each test starts its own on a free port with a database of its own.

mod bad_input;
mod erasure;
mod identity;
mod kill;
mod limits;
mod on_postgres;
mod poison;
#[path = "../support/postgres.rs"]
mod postgres;
mod protocol;
mod restore;
mod services;
mod sockets;
mod support;
mod web;

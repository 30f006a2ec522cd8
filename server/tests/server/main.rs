//! The server over real sockets: each test starts its own on a free port with a database of its own.

mod bad_input;
mod checks;
mod erasure;
#[path = "../support/figures.rs"]
mod figures;
mod hostile_http;
mod identity;
mod json_files;
mod kill;
mod limits;
mod memberships;
mod on_postgres;
mod poison;
#[path = "../support/postgres.rs"]
mod postgres;
mod protocol;
mod protocol1;
mod restore;
mod services;
mod sockets;
mod streams;
mod support;
mod web;

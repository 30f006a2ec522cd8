//! The server over real sockets: each test starts its own on a free port with a database of its own.

mod bad_input;
mod identity;
mod kill;
mod poison;
mod protocol;
mod restore;
mod sockets;
mod support;
mod web;

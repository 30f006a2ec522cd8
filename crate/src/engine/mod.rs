//! The engine: write, apply and read paths, live queries and the sync driver, generic over store, network and host.

pub mod ports;

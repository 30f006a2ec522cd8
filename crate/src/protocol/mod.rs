//! Protocol 2: wire types with their limits, and the push and pull machines. Nothing here waits or touches storage.

pub mod limits;
pub mod wire;

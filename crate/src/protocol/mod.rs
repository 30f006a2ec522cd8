//! Protocol 2: wire types with their limits, and the push and pull machines. Nothing here waits or touches storage.

pub mod backoff;
pub mod fallback;
pub mod http;
pub mod limits;
pub mod machine;
mod page_text;
pub mod protocol1;
pub mod reply;
pub mod sse;
pub mod state;
pub mod wire;

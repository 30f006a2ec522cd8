//! What the fuzz targets run. Ordinary tests of the workspace run the committed inputs through the same functions.

#![forbid(unsafe_code)]

mod answers;
mod change;
pub mod cursor;
pub mod envelope;
pub mod limit;
mod push;
pub mod sse;
mod types;
pub mod wire;
mod world;

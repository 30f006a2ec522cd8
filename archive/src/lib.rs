//! `.mana` version 2: a zip that holds a person's records as JSON lines, in the clear or sealed with a passphrase.
//!
//! [`Archive`] reads one from anything that can be read and sought, [`Writer`] writes one to anything that can be written, both
//! in pieces: neither holds a table. What is sealed is held whole, since AES-GCM says only at the end whether it is genuine.
//! docs/archive-format.md describes the format; this crate knows neither the engine nor the browser.

mod content;
mod envelope;
mod error;
mod limits;
mod lines;
mod local;
mod manifest;
mod reader;
mod references;
mod seal;
mod structure;
mod writer;
mod zip;

pub use envelope::Envelope;
pub use error::{Error, Result};
pub use limits::Limits;
pub use lines::{Line, Lines};
pub use manifest::{FORMAT_VERSION, Manifest, Scope, SealParameters};
pub use reader::{Archive, Table, how_many_missing};
pub use references::References;
pub use seal::{ITERATIONS, Lock, SealKey, SealRandom, Sealed};
pub use writer::{SealedWriter, Writer};

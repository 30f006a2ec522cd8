//! The store in IndexedDB, in Dexie's layout.
//!
//! Written directly over web-sys: `indexed_db_futures` has transactions that borrow their database, where ours must be
//! `'static` (a page's `transaction(…)` drives one across calls), shows no raw transaction for the panic hook to abort,
//! and costs 21 KB gzipped.

mod connection;
mod entries;
mod error;
mod keys;
mod many;
mod offer;
mod open;
mod open_error;
mod request;
mod scan;
mod shared;
mod transaction;
mod upgrade;

pub use connection::{Durability, IndexedDb, StoreEvent};
pub use keys::key_to_js;
pub use open::{OpenOptions, delete_database};
pub use open_error::OpenError;
pub use transaction::IndexedDbTransaction;

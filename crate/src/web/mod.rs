//! The browser side of each trait: IndexedDB, fetch, WebSocket, locks, channels, time. It decides nothing.

mod fetch;
mod gzip;
mod host;
pub mod indexeddb;
mod js;
mod js_json;
mod js_row;
mod locks;
mod marker;
mod names;
mod panic;
mod registry;
mod retry_after;
mod socket;
mod stream;
pub mod subtle;
mod tabs;
mod text;

pub use fetch::{BrowserNetwork, NetworkOptions};
pub use host::BrowserHost;
pub use indexeddb::{Durability, IndexedDb, OpenError, OpenOptions, StoreEvent, delete_database, key_to_js};
pub use js::describe;
pub use js_row::{JsRow, set_sealed_value};
pub use marker::{Marker, Note};
pub use panic::on_panic;
pub use registry::{abort_open_transactions, end_everything};
pub use tabs::BrowserTabs;

//! Check: whether the records on this device are those that the server's log comes to, told by stamps alone.
//!
//! The promise: what is said to be equal is equal, and what is said to differ differs, however much is written meanwhile.
//! Where that cannot be said it is not said. What is compared and what is left out: docs/protocol.md ("Check").

mod local;

pub use local::Local;

use crate::fingerprint::{Fingerprint, Hash};
use crate::model::{record, words};
use crate::protocol::wire::{CheckAnswer, TableFingerprint};

words! {
    /// What a check came to.
    pub enum CheckState {
        /// Everything that was compared is the same.
        Equal = "equal",
        /// Some tables differ: the same difference was found twice.
        Different = "different",
        /// Changes kept coming, so nothing can be said. Later it can.
        Moving = "moving",
        /// Too many records have changes that were not sent, not taken or not applied.
        Waiting = "waiting",
    }
}

record! {
    /// How many live records a side holds, and the XOR of their hashes.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct Held {
        /// The records.
        pub records: u64 = "records",
        /// The hash.
        pub hash: Hash = "hash",
    }
}

record! {
    /// One table of one stream, on both sides.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct TableCheck {
        /// The app.
        pub app: String = "app",
        /// The table's name on this device.
        pub table: String = "table",
        /// The space; none for what is the user's own.
        pub space: Option<String> = "spaceId",
        /// This device.
        pub local: Held = "local",
        /// The server.
        pub server: Held = "server",
        /// Whether both hold the same.
        pub equal: bool = "equal",
    }
}

record! {
    /// What a check found.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct Check {
        /// What it came to.
        pub state: CheckState = "state",
        /// Whether everything that was compared is the same.
        pub equal: bool = "equal",
        /// The tables with records on either side; empty where nothing can be said.
        pub tables: Vec<TableCheck> = "tables",
        /// How many records were left out.
        pub left_out: usize = "leftOut",
    }
}

impl Check {
    /// A check that cannot say.
    #[must_use]
    pub const fn unsaid(state: CheckState, left_out: usize) -> Self {
        Self { state, equal: false, tables: Vec::new(), left_out }
    }

    /// Compares what is held here with the server's answer.
    #[must_use]
    pub fn of(local: &Local, answer: &CheckAnswer) -> Self {
        let theirs = |table: &TableFingerprint| local.is_compared(&table.stream, &answer.streams);
        let mut places: Vec<_> = local.places(&answer.streams).collect();
        for table in answer.tables.iter().filter(|table| theirs(table)) {
            let place = (table.stream.as_str(), table.app.as_str(), table.table.as_str());
            if !places.contains(&place) {
                places.push(place);
            }
        }
        crate::model::sort(&mut places);
        let tables: Vec<TableCheck> = places.into_iter().filter_map(|place| local.compare(place, answer)).collect();
        let equal = tables.iter().all(|table| table.equal);
        let state = if equal { CheckState::Equal } else { CheckState::Different };
        Self { state, equal, tables, left_out: local.left_out() }
    }
}

impl From<Fingerprint> for Held {
    fn from(sum: Fingerprint) -> Self {
        Self { records: sum.records, hash: sum.hash }
    }
}

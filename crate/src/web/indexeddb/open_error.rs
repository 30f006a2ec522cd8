//! Why a database could not be opened or deleted.

use crate::store::StoreError;

/// Why a database could not be opened or deleted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OpenError {
    /// There is no IndexedDB here, or the browser forbids it: a private window, blocked storage, a sandboxed frame.
    Unavailable(String),
    /// The browser did not answer within 10 s.
    NoAnswer,
    /// The database was written by a newer version of the app, and lacks this store or index.
    SchemaTooNew {
        /// The version IndexedDB has.
        stored: u32,
        /// The version this app would have made.
        wanted: u32,
        /// What is declared and is not there.
        missing: String,
    },
    /// A store exists with another primary key; IndexedDB cannot change it.
    PrimaryKeyChanged {
        /// The store.
        store: String,
        /// The key it has.
        stored: String,
    },
    /// Something else failed.
    Store(StoreError),
}

impl OpenError {
    /// The error's stable code.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Unavailable(_) => "storage_unavailable",
            Self::NoAnswer => "storage_no_answer",
            Self::SchemaTooNew { .. } => "schema_too_new",
            Self::PrimaryKeyChanged { .. } => "primary_key_changed",
            Self::Store(_) => "storage_failed",
        }
    }
}

impl std::fmt::Display for OpenError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Unavailable(why) => write!(f, "IndexedDB cannot be used here: {why}"),
            Self::NoAnswer => f.write_str("the browser did not open the database within 10 s"),
            Self::SchemaTooNew { stored, wanted, missing } => {
                write!(f, "the database has version {stored}, newer than {wanted}, and lacks {missing}")
            }
            Self::PrimaryKeyChanged { store, stored } => {
                write!(f, "the store {store} exists with the primary key \"{stored}\", which cannot be changed")
            }
            Self::Store(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for OpenError {}

//! The one error of the engine: a kind with a stable code, a sentence that says what to do, and details.

use crate::crypto;
use crate::model::Malformed;
use crate::store::StoreError;
use serde_json::{Value, json};

/// What went wrong. Each kind has a stable code, listed in docs/errors.md.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// A record with this key exists already.
    AlreadyExists,
    /// Some records of a write of several were refused; the others are written.
    BulkFailed,
    /// The engine was closed.
    Closed,
    /// The browser dropped the database connection.
    ConnectionLost,
    /// A sealed value does not open.
    DecryptFailed,
    /// The engine's WASM instance stopped; it is replaced.
    EnginePanicked,
    /// A field that keeps the value its record was created with.
    ImmutableField,
    /// A defect in the engine.
    Internal,
    /// An argument of the call is not what it should be.
    InvalidArgument,
    /// A record is not an object, or its key is not usable.
    InvalidRecord,
    /// The schema or the sync settings contradict themselves.
    InvalidSchema,
    /// The key has sealed as many values as it may.
    KeyExhausted,
    /// A key that does not have 32 bytes.
    KeyMalformed,
    /// The vault was unlocked with a key that a rotation replaced.
    KeyOutdated,
    /// Only the author of a record may do this.
    NotTheAuthor,
    /// No record has this key.
    NotFound,
    /// The server cannot be reached.
    Offline,
    /// The database belongs to another user.
    OtherUser,
    /// The passphrase does not open the key.
    PassphraseWrong,
    /// The device has no room left.
    QuotaExceeded,
    /// The user may only read in this space.
    ReadOnlySpace,
    /// A write in a read-only transaction.
    ReadOnlyTransaction,
    /// The recovery code does not have its shape.
    RecoveryCodeMalformed,
    /// The recovery code does not open the key.
    RecoveryCodeWrong,
    /// A field only the engine writes.
    ReservedField,
    /// Another rotation is under way or was first.
    RotationInProgress,
    /// The database was made by a newer version of the app.
    SchemaTooNew,
    /// A space that was the user's own is said to be shared.
    SpaceTypeChanged,
    /// An exchange with the server did not finish; it is tried again by itself.
    SyncFailed,
    /// Something else was awaited inside a transaction.
    TransactionInactive,
    /// The transaction was aborted.
    TransactionAborted,
    /// A unique index on a table that syncs.
    UniqueOnSynced,
    /// There is no such app.
    UnknownApp,
    /// The table has no such index.
    UnknownIndex,
    /// The user is not known to be a member of this space.
    UnknownSpace,
    /// There is no such table.
    UnknownTable,
    /// Changes that the server does not have yet would be lost.
    UnsentChanges,
    /// The change was refused by the server for good.
    Rejected,
    /// IndexedDB is missing or blocked here.
    UnsupportedEnvironment,
    /// The app's function that upgrades its data failed.
    UpgradeFailed,
    /// A value that cannot be stored or sent unchanged.
    ValueNotSyncable,
    /// There is no key to seal or open with.
    VaultLocked,
    /// A wrapped key cannot be read.
    WrappedKeyMalformed,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Self; 43] = [
        Self::AlreadyExists,
        Self::BulkFailed,
        Self::Closed,
        Self::ConnectionLost,
        Self::DecryptFailed,
        Self::EnginePanicked,
        Self::ImmutableField,
        Self::Internal,
        Self::InvalidArgument,
        Self::InvalidRecord,
        Self::InvalidSchema,
        Self::KeyExhausted,
        Self::KeyMalformed,
        Self::KeyOutdated,
        Self::NotFound,
        Self::NotTheAuthor,
        Self::Offline,
        Self::OtherUser,
        Self::PassphraseWrong,
        Self::QuotaExceeded,
        Self::ReadOnlySpace,
        Self::ReadOnlyTransaction,
        Self::RecoveryCodeMalformed,
        Self::RecoveryCodeWrong,
        Self::ReservedField,
        Self::RotationInProgress,
        Self::SchemaTooNew,
        Self::SpaceTypeChanged,
        Self::SyncFailed,
        Self::TransactionInactive,
        Self::TransactionAborted,
        Self::UniqueOnSynced,
        Self::UnknownApp,
        Self::UnknownIndex,
        Self::UnknownSpace,
        Self::UnknownTable,
        Self::UnsentChanges,
        Self::Rejected,
        Self::UnsupportedEnvironment,
        Self::UpgradeFailed,
        Self::ValueNotSyncable,
        Self::VaultLocked,
        Self::WrappedKeyMalformed,
    ];

    /// The code apps see.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::AlreadyExists => "already_exists",
            Self::BulkFailed => "bulk_failed",
            Self::Closed => "closed",
            Self::ConnectionLost => "connection_lost",
            Self::DecryptFailed => "decrypt_failed",
            Self::EnginePanicked => "engine_panicked",
            Self::ImmutableField => "immutable_field",
            Self::Internal => "internal",
            Self::InvalidArgument => "invalid_argument",
            Self::InvalidRecord => "invalid_record",
            Self::InvalidSchema => "invalid_schema",
            Self::KeyExhausted => "key_exhausted",
            Self::KeyMalformed => "key_malformed",
            Self::KeyOutdated => "key_outdated",
            Self::NotFound => "not_found",
            Self::NotTheAuthor => "not_the_author",
            Self::Offline => "offline",
            Self::OtherUser => "other_user",
            Self::PassphraseWrong => "passphrase_wrong",
            Self::QuotaExceeded => "quota_exceeded",
            Self::ReadOnlySpace => "read_only_space",
            Self::ReadOnlyTransaction => "read_only_transaction",
            Self::RecoveryCodeMalformed => "recovery_code_malformed",
            Self::RecoveryCodeWrong => "recovery_code_wrong",
            Self::ReservedField => "reserved_field",
            Self::RotationInProgress => "rotation_in_progress",
            Self::SchemaTooNew => "schema_too_new",
            Self::SpaceTypeChanged => "space_type_changed",
            Self::SyncFailed => "sync_failed",
            Self::TransactionInactive => "transaction_inactive",
            Self::TransactionAborted => "transaction_aborted",
            Self::UniqueOnSynced => "unique_on_synced",
            Self::UnknownApp => "unknown_app",
            Self::UnknownIndex => "unknown_index",
            Self::UnknownSpace => "unknown_space",
            Self::UnknownTable => "unknown_table",
            Self::UnsentChanges => "unsent_changes",
            Self::Rejected => "rejected",
            Self::UnsupportedEnvironment => "unsupported_environment",
            Self::UpgradeFailed => "upgrade_failed",
            Self::ValueNotSyncable => "value_not_syncable",
            Self::VaultLocked => "vault_locked",
            Self::WrappedKeyMalformed => "wrapped_key_malformed",
        }
    }

    /// Whether the same call may succeed when it is made again.
    #[must_use]
    pub fn retryable(self) -> bool {
        matches!(
            self,
            Self::ConnectionLost | Self::EnginePanicked | Self::Offline | Self::SyncFailed | Self::TransactionInactive
        )
    }
}

/// An error of the engine.
#[derive(Debug, Clone, PartialEq)]
pub struct Error {
    kind: Kind,
    message: String,
    details: Value,
}

impl Error {
    /// An error of that kind; `message` says what happened and what to do.
    pub fn new(kind: Kind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), details: Value::Null }
    }

    /// The same with details for programs; they never hold contents of records.
    #[must_use]
    pub fn with(mut self, details: Value) -> Self {
        self.details = details;
        self
    }

    /// What went wrong.
    #[must_use]
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// Details for programs, an object or `null`.
    #[must_use]
    pub fn details(&self) -> &Value {
        &self.details
    }
}

impl std::fmt::Display for Error {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Error {}

impl From<StoreError> for Error {
    fn from(error: StoreError) -> Self {
        let message = error.to_string();
        match error {
            StoreError::Constraint(_) => Self::new(Kind::AlreadyExists, message),
            StoreError::Quota => {
                Self::new(Kind::QuotaExceeded, format!("{message}; nothing was written: free some space and try again"))
            }
            StoreError::Aborted => Self::new(Kind::TransactionAborted, message),
            StoreError::Inactive(call) => Self::new(
                Kind::TransactionInactive,
                format!("{message}: inside a transaction await only the transaction's own calls; nothing was written"),
            )
            .with(json!({ "call": call })),
            StoreError::Closed => Self::new(Kind::Closed, "the engine is closed: open it again"),
            StoreError::ConnectionLost(_) => Self::new(Kind::ConnectionLost, message),
            StoreError::NotStorable(_) => Self::new(Kind::ValueNotSyncable, message),
            StoreError::NotFound(what) => Self::new(Kind::UnknownTable, message).with(json!({ "name": what })),
            StoreError::InvalidKey(_) => Self::new(Kind::InvalidRecord, message),
            StoreError::Other(name, _) if name == "ReadOnlyError" => Self::new(Kind::ReadOnlyTransaction, message),
            StoreError::Other(..) => Self::new(Kind::Internal, message),
        }
    }
}

impl From<Malformed> for Error {
    fn from(malformed: Malformed) -> Self {
        Self::new(Kind::InvalidArgument, malformed.to_string()).with(json!({ "path": malformed.path }))
    }
}

impl From<crypto::Error> for Error {
    fn from(error: crypto::Error) -> Self {
        let message = error.to_string();
        match error {
            crypto::Error::KeyMalformed => Self::new(Kind::KeyMalformed, message),
            crypto::Error::KeyExhausted(key) => {
                Self::new(Kind::KeyExhausted, message).with(json!({ "key": key.to_string() }))
            }
            crypto::Error::NoKey => Self::new(Kind::VaultLocked, message),
            crypto::Error::RandomnessFailed => Self::new(Kind::Internal, message),
            crypto::Error::PassphraseWrong => Self::new(Kind::PassphraseWrong, message),
            crypto::Error::RecoveryCodeMalformed => Self::new(Kind::RecoveryCodeMalformed, message),
            crypto::Error::RecoveryCodeWrong => Self::new(Kind::RecoveryCodeWrong, message),
            crypto::Error::WrappedKeyMalformed(part) => {
                Self::new(Kind::WrappedKeyMalformed, message).with(json!({ "part": part }))
            }
        }
    }
}

/// What fallible functions of the engine return.
pub type Result<T> = std::result::Result<T, Error>;

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_kind_is_listed_once_under_its_own_code() {
        assert_eq!(Kind::ALL.iter().map(|kind| kind.code()).collect::<BTreeSet<_>>().len(), Kind::ALL.len());
        assert_eq!(Kind::ALL.iter().collect::<BTreeSet<_>>().len(), Kind::ALL.len());
    }
}

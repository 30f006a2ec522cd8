//! The states of sync, as the machine reaches them and the indicator shows them.

use serde::{Deserialize, Serialize};

/// The state of sync.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// No sync is set up, or it was stopped.
    Local,
    /// Exchanging with the server, or about to.
    Syncing,
    /// Everything is pushed, and everything the server had was pulled.
    Synced,
    /// The server cannot be reached.
    Offline,
    /// The server answers, but not usefully; tried again later.
    Error,
    /// The user must sign in again.
    NeedsAuth,
    /// The app must be updated before it can sync.
    UpdateRequired,
    /// The account must be paid for.
    BillingRequired,
    /// The device has no room for what comes.
    StorageFull,
}

impl State {
    /// The name apps see.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Local => "local",
            Self::Syncing => "syncing",
            Self::Synced => "synced",
            Self::Offline => "offline",
            Self::Error => "error",
            Self::NeedsAuth => "needs-auth",
            Self::UpdateRequired => "update-required",
            Self::BillingRequired => "billing-required",
            Self::StorageFull => "storage-full",
        }
    }
}

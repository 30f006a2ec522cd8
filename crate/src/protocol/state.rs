//! The states of sync, as the machine reaches them and the indicator shows them.

use crate::model::words;

words! {
    /// The state of sync.
    pub enum State {
        /// No sync is set up, or it was stopped.
        Local = "local",
        /// Exchanging with the server, or about to.
        Syncing = "syncing",
        /// Everything is pushed, and everything the server had was pulled.
        Synced = "synced",
        /// The server cannot be reached.
        Offline = "offline",
        /// The server answers, but not usefully; tried again later.
        Error = "error",
        /// The user must sign in again.
        NeedsAuth = "needs-auth",
        /// The app must be updated before it can sync.
        UpdateRequired = "update-required",
        /// The account must be paid for.
        BillingRequired = "billing-required",
        /// The device has no room for what comes.
        StorageFull = "storage-full",
    }
}

impl State {
    /// Whether it lasts until a person has done something: nothing is tried before that.
    #[must_use]
    pub const fn awaits_a_person(self) -> bool {
        matches!(self, Self::NeedsAuth | Self::UpdateRequired | Self::BillingRequired)
    }
}

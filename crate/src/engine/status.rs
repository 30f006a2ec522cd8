//! What the sync indicator shows.

pub use crate::protocol::state::State;

use crate::model::record;

record! {
    /// The last failure.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct Trouble {
        /// A stable code.
        pub code: String = "code",
        /// A sentence for people.
        pub message: String = "message",
        /// When it is tried again, in device milliseconds since 1970; `None` when something must change first.
        pub retry_at: Option<u64> = "retryAt",
    }
}

record! {
    /// How far the first pull of an app is.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct AppProgress {
        /// The app.
        pub app: String = "app",
        /// How many changes of the user's streams were gone through, those of other apps among them.
        pub done: u64 = "done",
        /// How many there are about; `None`: the server has not said.
        pub total: Option<u64> = "total",
    }
}

/// The sync status.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Status {
    /// The state.
    pub state: State,
    /// Changes the server does not have yet.
    pub pending: usize,
    /// When a full exchange last succeeded, in device milliseconds since 1970.
    pub last_synced_at: Option<u64>,
    /// The last failure, until an exchange succeeds.
    pub trouble: Option<Trouble>,
    /// The apps that are being pulled for the first time.
    pub progress: Vec<AppProgress>,
}

impl Default for Status {
    fn default() -> Self {
        Self { state: State::Local, pending: 0, last_synced_at: None, trouble: None, progress: Vec::new() }
    }
}

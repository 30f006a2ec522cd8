//! What the engine tells the app while it works.

use super::key_text::KeyText;
use crate::engine::shadow::Distrust;
use crate::engine::status::Status;
use crate::model::{Origin, words};
use crate::store::Key;
use serde_json::Value;

words! {
    /// What happened to a record.
    pub enum ChangeOp {
        /// It was not there before.
        Insert = "insert",
        /// Fields of it changed.
        Update = "update",
        /// It was deleted, purged or removed.
        Delete = "delete",
        /// It had been deleted and is there again.
        Restore = "restore",
    }
}

/// Records of one table that changed alike in one commit.
#[derive(Debug, Clone, PartialEq)]
pub struct TableChange {
    /// The table.
    pub table: String,
    /// What happened to them.
    pub op: ChangeOp,
    /// By what kind of hand.
    pub origin: Origin,
    /// Which fields got other values; none where the whole record came or went.
    pub fields: Vec<String>,
    /// Their keys; an empty list among them stands for any key.
    pub keys: Vec<Key>,
}

impl TableChange {
    /// The keys that are known: of rows with keys beside them that were cleared away they are not.
    pub fn known_keys(&self) -> impl Iterator<Item = &Key> {
        self.keys.iter().filter(|key| !matches!(key, Key::List(parts) if parts.is_empty()))
    }
}

/// An incoming value that replaced a local one its writer had not seen.
#[derive(Debug, Clone, PartialEq)]
pub struct Conflict {
    /// The table.
    pub table: String,
    /// The record.
    pub id: String,
    /// The field.
    pub field: String,
    /// The local value that lost, its stamp and its actor.
    pub local: Side,
    /// The value that won, its stamp and its actor.
    pub incoming: Side,
}

/// One side of a conflict.
#[derive(Debug, Clone, PartialEq)]
pub struct Side {
    /// The value; `null` where it is sealed and cannot be opened now.
    pub value: Value,
    /// The sealed value, where it cannot be opened now.
    pub sealed: Option<String>,
    /// When it was written.
    pub at: String,
    /// Who wrote it.
    pub actor: Value,
}

/// A record that stays on this device though its space was left.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    /// The table.
    pub table: String,
    /// The record.
    pub id: String,
    /// `private`: it is the user's alone; `unsent`: the server does not have, or did not take, a change of it.
    pub why: &'static str,
}

words! {
    /// A step of the loop that is measured.
    pub enum TelemetryName {
        /// Changes are sent.
        PushStart = "push:start",
        /// The server answered what became of them.
        PushOk = "push:ok",
        /// It did not.
        PushError = "push:error",
        /// A page is asked for.
        PullStart = "pull:start",
        /// It came, asked for or by itself.
        PullOk = "pull:ok",
        /// It did not.
        PullError = "pull:error",
        /// It is stored.
        ApplyDone = "apply:done",
        /// Some of it was put aside.
        ApplyQuarantined = "apply:quarantined",
    }
}

/// What the loop did, without any of what was said.
#[derive(Debug, Clone, PartialEq)]
pub struct Telemetry {
    /// The step.
    pub name: TelemetryName,
    /// The apps whose changes they were.
    pub apps: Vec<String>,
    /// How many changes.
    pub count: usize,
    /// How long it took, in milliseconds; `None` at a start.
    pub ms: Option<f64>,
    /// Why it failed, or why changes were put aside.
    pub code: Option<String>,
}

/// Something the app may want to know.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// A transaction was committed, here or in another tab.
    Change {
        /// What changed.
        changes: Vec<TableChange>,
        /// How many changes it logged, when it was committed here; `None`: another tab told.
        logged: Option<usize>,
    },
    /// An answer of the server was worked into the log. For other tabs, not for apps.
    Settled {
        /// The oldest row of the log that is left.
        oldest: Option<f64>,
        /// Log rows with changes that were refused for good.
        refused: Vec<(f64, crate::protocol::wire::Rejection)>,
    },
    /// A query reads a lazy app that nobody has asked for. For the session, not for apps.
    AppUsed(String),
    /// The sync status changed.
    Status(Status),
    /// A local value lost.
    Conflict(Conflict),
    /// A value came for a sealed field that is not the user's, or one was read that does not open.
    Integrity {
        /// Why.
        code: Distrust,
        /// The table.
        table: String,
        /// The record.
        id: String,
        /// The field.
        field: String,
        /// What is shown instead, and what came, as a conflict that can be restored. `None`: what was there before, if
        /// anything was, does not open either.
        kept: Option<Box<Conflict>>,
    },
    /// Incoming changes were put aside: how many, and why.
    Quarantine {
        /// The code of the reason.
        code: &'static str,
        /// How many.
        count: usize,
    },
    /// Changes wait that a newer version of the app wrote.
    UpdateRequired {
        /// How many.
        waiting: usize,
    },
    /// An outgoing change was refused for good.
    DeadLetter {
        /// The change's id.
        event_id: String,
        /// The server's code.
        code: &'static str,
        /// The server's words.
        message: String,
    },
    /// The loop did something.
    Telemetry(Telemetry),
    /// This device's clock is wrong.
    ClockSkew {
        /// Server time minus device time in milliseconds.
        offset: i64,
    },
    /// The server names the spaces the user is a member of.
    Spaces(Vec<crate::model::Space>),
    /// The user is a member of a space no more, so its records were taken off this device.
    SpaceRemoved {
        /// The space.
        space: String,
        /// How many records were removed.
        removed: usize,
        /// The records that are kept, hidden, for thirty days.
        kept: Vec<Kept>,
    },
    /// The vault was locked or unlocked.
    Vault {
        /// Whether it is locked now.
        locked: bool,
        /// Whether the keys that are here are not the user's newest: they read older values and seal nothing.
        outdated: bool,
    },
    /// The newest key was used so often that it should be rotated.
    RotationDue {
        /// How many values it sealed on all devices, as far as is known.
        uses: u64,
    },
    /// Another tab has taken the lead. For the session, not for apps.
    LeadLost,
    /// What is known of the user's keys changed. For other tabs, not for apps.
    Keyring,
    /// The key for the other tabs, or that they are to drop theirs. For other tabs, not for apps.
    VaultKey(Option<KeyText>),
    /// An older app's database was taken over, or its adoption came to its end.
    Adoption(crate::engine::Adoption),
    /// The database was found new although this browser had one: changes nobody has sent are gone.
    DatabaseLost {
        /// How many changes were waiting when it was last seen.
        unsent: u64,
    },
}

//! Kinds of schedules. Each seed is of some of them; a run may be of one kind alone.

use super::Plan;
use crate::deploy::Interim;
use mana_sync_engine::probe::Probe;

/// What a schedule may be about besides edits, faults, crashes and wrong clocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A server that is rolled back to protocol 1 and forward again.
    Rolls,
    /// A sealed field in every table, vaults, and new keys.
    Seals,
    /// Every second device hears of news by stream.
    Streams,
    /// An app that every second device pulls only once it is asked for.
    Lazy,
    /// Servers that are replaced, while something else answers everybody.
    Deploys,
    /// A server that goes on with an older copy of its log.
    Restore,
    /// Devices that lose their databases.
    Loss,
    /// Devices that lose their last commits.
    Cut,
}

impl Kind {
    /// All kinds.
    pub const ALL: [Self; 8] =
        [Self::Rolls, Self::Seals, Self::Streams, Self::Lazy, Self::Deploys, Self::Restore, Self::Loss, Self::Cut];

    /// Its name, as an option.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Rolls => "rolls",
            Self::Seals => "seals",
            Self::Streams => "streams",
            Self::Lazy => "lazy",
            Self::Deploys => "deploys",
            Self::Restore => "restore",
            Self::Loss => "loss",
            Self::Cut => "cut",
        }
    }

    /// The kind of a name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }

    /// Makes a schedule one of this kind.
    pub(super) const fn force(self, plan: &mut Plan) {
        match self {
            // Keys are not rotated while servers speak protocol 1.
            Self::Rolls => (plan.rolls, plan.seals) = (true, false),
            Self::Seals => (plan.rolls, plan.seals) = (false, true),
            Self::Streams => plan.streams = true,
            Self::Lazy => plan.lazy = true,
            Self::Deploys => plan.deploys = true,
            Self::Restore => plan.disasters.restore = true,
            Self::Loss => plan.disasters.loss = true,
            Self::Cut => plan.disasters.cut = true,
        }
    }

    /// What its schedules must reach to mean anything.
    #[must_use]
    pub fn wanted(self) -> Vec<&'static str> {
        match self {
            Self::Rolls => ROLLS.into_iter().chain(OF_ROLLS.map(Probe::name)).collect(),
            Self::Seals => SEALS.to_vec(),
            Self::Streams => vec!["a stream brought a page"],
            Self::Lazy => LAZY.to_vec(),
            Self::Deploys => Interim::ALL.iter().map(|interim| interim.name()).chain(DEPLOYS).collect(),
            Self::Restore => vec!["disaster: an older copy of the log"],
            Self::Loss => vec!["disaster: a database is lost"],
            Self::Cut => vec!["disaster: a power cut"],
        }
    }
}

const ROLLS: [&str; 4] = [
    "server rolled back or forward",
    "event: another program writes from the future",
    "event: a write over another program's",
    "a value from the future was kept for later",
];

const OF_ROLLS: [Probe; 3] = [Probe::LoopToProtocol1, Probe::LoopToProtocol2, Probe::LogAhead];

const SEALS: [&str; 8] = [
    "event: the vault is locked",
    "event: the vault is unlocked",
    "event: a write met a locked vault",
    "event: a write met an older key",
    "event: a new key is kept",
    "event: a new key is the newest",
    "event: a new key was refused",
    "event: a new key has to wait",
];

const LAZY: [&str; 4] = [
    "event: an app is opened and comes",
    "event: an app is opened that is here",
    "event: an app is opened and has to wait",
    "an app was not asked for",
];

const DEPLOYS: [&str; 2] = ["event: a server is replaced at once", "event: a server is replaced bit by bit"];

//! What a run of schedules must have reached, so that a weak one cannot pass for a strong one.

use super::deploy::Interim;
use super::network::Fault;
use super::schedule::{Counts, Kind};
use mana_sync_engine::probe::Probe;

/// In so many schedules …
const SCHEDULES: u64 = 20_000;
/// … everything must happen at least so often.
const AT_LEAST: u64 = 100;
/// Fewer schedules than this say nothing about rare things.
const ENOUGH: u64 = 2_000;
/// The least share of ties among values that compete without one having seen the other.
const TIES: f64 = 0.2;

/// Kinds of events and disasters.
const EVENTS: [&str; 46] = [
    "event: a person writes",
    "event: an assistant writes",
    "event: a form is saved",
    "event: a clash",
    "event: the second tab writes",
    "event: a write's tab died over it",
    "event: a write found no room",
    "event: a burst of writes",
    "event: another program writes",
    "event: another program writes from the future",
    "event: a write over another program's",
    "a value from the future was kept for later",
    "event: a second tab takes over",
    "event: a long sleep",
    "event: online",
    "event: offline",
    "event: a crash is planned",
    "event: a crashed tab is opened again",
    "event: a restart",
    "event: an app is updated",
    "event: a second tab",
    "event: a tab is frozen",
    "event: a server is replaced at once",
    "event: a server is replaced bit by bit",
    "event: the vault is locked",
    "event: the vault is unlocked",
    "event: an app is opened and comes",
    "event: an app is opened that is here",
    "event: an app is opened and has to wait",
    "an app was not asked for",
    "event: a write met a locked vault",
    "event: a write met an older key",
    "event: a new key is kept",
    "event: a new key is the newest",
    "event: a new key was refused",
    "event: a new key has to wait",
    "clock: right",
    "clock: minutes off",
    "clock: a day off",
    "clock: 1970",
    "clock: 2099",
    "disaster: an older copy of the log",
    "disaster: a database is lost",
    "disaster: a power cut",
    "a stamp was corrected",
    "a person's value lost",
];

/// Branches that need what schedules do not have yet: removal of old tombstones on the server, and changes that it fails at
/// (sentences/isolating.rs) or refuses (letters.rs).
const ELSEWHERE: [Probe; 4] =
    [Probe::LoopExpiredRetention, Probe::LoopSetAside, Probe::LogParked, Probe::ApplyOvertaken];

/// The share of ties among merges of values whose writers had not seen each other.
#[must_use]
#[expect(clippy::cast_precision_loss, reason = "counts stay far below 2^53")]
pub fn tie_share(counts: &Counts) -> f64 {
    let of = |probes: &[Probe]| -> u64 { probes.iter().filter_map(|probe| counts.get(probe.name())).sum() };
    let ties = of(&[Probe::MergeTieKind, Probe::MergeTieWon, Probe::MergeTieLost]);
    let others = of(&[Probe::MergeNewer, Probe::MergeOlder]);
    ties as f64 / (ties + others).max(1) as f64
}

/// What schedules of all kinds must reach.
fn wanted() -> Vec<&'static str> {
    let probes = Probe::ALL.iter().filter(|probe| !ELSEWHERE.contains(probe)).map(|probe| probe.name());
    let faults = Fault::ALL.iter().map(|fault| fault.name());
    let answers = Interim::ALL.iter().map(|interim| interim.name());
    EVENTS.into_iter().chain(probes).chain(faults).chain(answers).collect()
}

/// What was reached too rarely in `run` schedules, of one kind alone or of all; nothing is said of few.
#[must_use]
pub fn weak_spots(counts: &Counts, run: u64, kind: Option<Kind>) -> Vec<String> {
    if run < ENOUGH {
        return Vec::new();
    }
    let wanted = kind.map_or_else(wanted, Kind::wanted).into_iter();
    let least = (AT_LEAST * run).div_ceil(SCHEDULES);
    let found = |what: &str| counts.get(what).copied().unwrap_or(0);
    let rare = wanted.filter(|what| found(what) < least).map(|what| format!("{what}: {} times", found(what)));
    let mut weak: Vec<String> = rare.collect();
    if kind.is_none() && tie_share(counts) < TIES {
        weak.push(format!("ties: {:.1} % of competing values", tie_share(counts) * 100.0));
    }
    weak
}

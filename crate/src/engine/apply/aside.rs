//! Changes that cannot be applied here: they go into quarantine.

use super::super::error::Result;
use super::super::rows;
use crate::model::{Change, OrderedMap, Stamp, json_bytes, record, words};
use crate::protocol::limits::MAX_PULL_AHEAD_MS;
use crate::store::Transaction;
use serde_json::{Map, Value};

/// Most changes kept in quarantine; the oldest make room and are counted.
const MAX_QUARANTINED: usize = 1000;
/// Most bytes of changes kept in quarantine, as JSON; the newest change stays whatever it has.
const MAX_QUARANTINED_BYTES: usize = 10 * 1024 * 1024;
const DAY_MS: u64 = 24 * 60 * 60 * 1000;

words! {
    /// Why a change was quarantined.
    pub enum Reason {
        /// It is not a change.
        Malformed = "malformed",
        /// Its table is not known here; a newer app may know it.
        UnknownTable = "unknown_table",
        /// It was written by a newer version of the app.
        SchemaTooNew = "schema_too_new",
        /// It is stamped too far ahead of the server's clock.
        ClockAhead = "clock_ahead",
        /// Its record belongs to another space.
        SpaceMismatch = "space_mismatch",
        /// A unique index that an older app made has its value already.
        NotUnique = "not_unique",
    }
}

impl Reason {
    fn may_pass_later(self) -> bool {
        matches!(self, Self::UnknownTable | Self::SchemaTooNew | Self::ClockAhead | Self::NotUnique)
    }
}

/// A change on its way to quarantine.
pub struct Aside {
    /// Why.
    pub reason: Reason,
    change: Value,
    message: String,
}

impl Aside {
    /// The id of the change, where it has one.
    pub fn event_id(&self) -> Option<&str> {
        self.change["eventId"].as_str()
    }

    /// Whether it is of the same record as a change on the wire.
    pub fn is_of_record(&self, other: &Value) -> bool {
        is_of_record(&self.change, other)
    }

    /// Puts `change` aside.
    pub fn new(reason: Reason, change: Value, message: &str) -> Self {
        Self { reason, change, message: message.to_owned() }
    }
}

record! {
    struct Quarantined {
        user_id: String = "userId",
        reason: Reason = "reason",
        message: String = "message",
        change: Value = "change",
    }
}

record! {
    /// What made room in quarantine.
    struct Dropped {
        user_id: String = "userId",
        /// How many changes, by the reason they were there for.
        reasons: Map<String, Value> = "reasons",
        /// The greatest stamp among them.
        newest: Option<String> = "newest",
        /// The lowest version among those that were too new, by app.
        versions: Map<String, Value> = "versions" or Map::new(),
        /// The day after which the first of those is due that were stamped too far ahead, in milliseconds since 1970.
        due: Option<u64> = "due",
    }
}

/// What quarantine holds for one reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QuarantineCount {
    /// The reason.
    pub reason: Reason,
    /// How many changes wait.
    pub count: usize,
    /// How many had to make room and have not come again: everything comes again with a full pull.
    pub dropped: usize,
}

/// Stores changes in quarantine under their event ids; `spare_id` names those without a usable one.
pub async fn quarantine<Tx: Transaction>(tx: &Tx, aside: &[Aside], user_id: &str, spare_id: String) -> Result<()> {
    if aside.is_empty() {
        return Ok(());
    }
    for (at, put_aside) in aside.iter().enumerate() {
        let key = put_aside.change["eventId"].as_str().map_or_else(|| format!("{spare_id}.{at}"), str::to_owned);
        let row = Quarantined {
            user_id: user_id.to_owned(),
            reason: put_aside.reason,
            message: put_aside.message.clone(),
            change: put_aside.change.clone(),
        };
        rows::write(tx, rows::QUARANTINE, &key, row)?;
    }
    drop_oldest(tx, user_id).await
}

fn is_of_record(change: &Value, other: &Value) -> bool {
    ["app", "table", "id"].iter().all(|part| change[*part] == other[*part])
}

/// Forgets what was put aside of records that are taken away from their reader.
pub async fn forget_withdrawn<'a, Tx: Transaction>(
    tx: &Tx,
    user_id: &str,
    withdrawn: impl Iterator<Item = &'a Change>,
) -> Result<()> {
    let withdrawn: Vec<Value> = withdrawn.map(Change::to_json).collect();
    if withdrawn.is_empty() {
        return Ok(());
    }
    forget(tx, user_id, |row| withdrawn.iter().any(|change| is_of_record(&row.change, change))).await
}

/// Forgets what was put aside because it came from the future: it comes again, at the time that the server holds it at.
pub async fn forget_ahead<Tx: Transaction>(tx: &Tx, user_id: &str) -> Result<()> {
    forget(tx, user_id, |row| row.reason == Reason::ClockAhead).await
}

async fn forget<Tx: Transaction>(tx: &Tx, user_id: &str, is_over: impl Fn(&Quarantined) -> bool) -> Result<()> {
    for (key, row) in rows::read_all::<_, Quarantined>(tx, rows::QUARANTINE).await? {
        if row.user_id == user_id && is_over(&row) {
            rows::remove(tx, rows::QUARANTINE, &key)?;
        }
    }
    Ok(())
}

/// Makes room in quarantine: of what goes it is kept how often which reason was, and when the last of it was written.
async fn drop_oldest<Tx: Transaction>(tx: &Tx, user_id: &str) -> Result<()> {
    let held: Vec<(String, Quarantined)> = rows::read_all(tx, rows::QUARANTINE).await?;
    let (mut bytes, mut kept) = (0, 0);
    for (_, row) in held.iter().rev().take(MAX_QUARANTINED) {
        bytes += json_bytes(&row.change);
        if bytes > MAX_QUARANTINED_BYTES && kept > 0 {
            break;
        }
        kept += 1;
    }
    let dropped = &held[..held.len() - kept];
    if dropped.is_empty() {
        return Ok(());
    }
    let known = rows::read::<_, Dropped>(tx, rows::DROPPED, user_id).await?;
    let mut sum = known.unwrap_or(Dropped {
        user_id: user_id.to_owned(),
        reasons: Map::new(),
        newest: None,
        versions: Map::new(),
        due: None,
    });
    for (key, row) in dropped {
        let count = sum.reasons.get(row.reason.as_str()).and_then(Value::as_u64).unwrap_or(0);
        sum.reasons.insert(row.reason.as_str().to_owned(), (count + 1).into());
        match row.reason {
            Reason::SchemaTooNew => sum.note_version(&row.change),
            Reason::ClockAhead => sum.note_due(&row.change),
            _ => {}
        }
        sum.newest = sum.newest.max(row.change["at"].as_str().map(str::to_owned));
        rows::remove(tx, rows::QUARANTINE, key)?;
    }
    rows::write(tx, rows::DROPPED, user_id, sum)
}

impl Dropped {
    fn note_version(&mut self, change: &Value) {
        let (Some(app), Some(version)) = (change["app"].as_str(), change["schemaVersion"].as_u64()) else { return };
        let known = self.versions.get(app).and_then(Value::as_u64);
        self.versions.insert(app.to_owned(), known.map_or(version, |known| known.min(version)).into());
    }

    fn note_due(&mut self, change: &Value) {
        let Some(at) = change["at"].as_str().and_then(|at| Stamp::parse(at).ok()) else { return };
        // Whoever stamps changes hours apart has others pull everything once a day, and no oftener.
        let due = at.ms().saturating_sub(MAX_PULL_AHEAD_MS).div_ceil(DAY_MS).saturating_mul(DAY_MS);
        self.due = Some(self.due.map_or(due, |known| known.min(due)));
    }

    fn is_due(&self, now: u64) -> bool {
        self.due.is_some_and(|due| due <= now)
    }

    /// The apps whose changes had to go, with the lowest version of those, where `knows` says that it is known by now.
    fn known_now(&self, knows: impl Fn(&str, u32) -> bool) -> Vec<String> {
        let number = |version: &Value| version.as_u64().and_then(|version| u32::try_from(version).ok());
        let is_known = |(app, version): &(&String, &Value)| number(version).is_some_and(|version| knows(app, version));
        self.versions.iter().filter(is_known).map(|(app, _)| app.clone()).collect()
    }
}

/// Whether changes left quarantine for want of room that could be applied `now`, in milliseconds since 1970 by the server's
/// clock, by an app of this version.
pub async fn has_missed<Tx: Transaction>(
    tx: &Tx,
    user: &str,
    now: u64,
    knows: impl Fn(&str, u32) -> bool,
) -> Result<bool> {
    let dropped: Option<Dropped> = rows::read(tx, rows::DROPPED, user).await?;
    Ok(dropped.is_some_and(|dropped| dropped.is_due(now) || !dropped.known_now(knows).is_empty()))
}

/// Forgets that there are such changes: they will come again.
pub async fn forget_missed<Tx: Transaction>(
    tx: &Tx,
    user: &str,
    now: u64,
    knows: impl Fn(&str, u32) -> bool,
) -> Result<()> {
    let Some(mut dropped) = rows::read::<_, Dropped>(tx, rows::DROPPED, user).await? else { return Ok(()) };
    if dropped.is_due(now) {
        dropped.due = None;
    }
    for app in dropped.known_now(knows) {
        dropped.versions.remove(&app);
    }
    rows::write(tx, rows::DROPPED, user, dropped)
}

/// Quarantined changes that may pass now, with their keys.
pub async fn replayable<Tx: Transaction>(tx: &Tx, user_id: &str) -> Result<Vec<(String, Value)>> {
    let held: Vec<(String, Quarantined)> = rows::read_all(tx, rows::QUARANTINE).await?;
    let held = held.into_iter().filter(|(_, row)| row.user_id == user_id && row.reason.may_pass_later());
    Ok(held.map(|(key, row)| (key, row.change)).collect())
}

/// The records of which a change is in quarantine, where it names one: app and table on the wire, id.
pub async fn quarantined<Tx: Transaction>(tx: &Tx, user_id: &str) -> Result<Vec<(String, String, String)>> {
    let held: Vec<(String, Quarantined)> = rows::read_all(tx, rows::QUARANTINE).await?;
    let record = |(_, row): (String, Quarantined)| {
        let text = |name: &str| row.change[name].as_str().map(str::to_owned);
        Some((text("app")?, text("table")?, text("id")?)).filter(|_| row.user_id == user_id)
    };
    Ok(held.into_iter().filter_map(record).collect())
}

/// What quarantine holds for a user, by reason; reasons that have nothing are left out.
pub async fn counts<Tx: Transaction>(tx: &Tx, user_id: &str) -> Result<Vec<QuarantineCount>> {
    let held: Vec<(String, Quarantined)> = rows::read_all(tx, rows::QUARANTINE).await?;
    let gone: Option<Dropped> = rows::read(tx, rows::DROPPED, user_id).await?;
    let mut counts: OrderedMap<Reason, (usize, usize)> = OrderedMap::new();
    for (_, row) in held.iter().filter(|(_, row)| row.user_id == user_id) {
        counts.entry(row.reason).or_default().0 += 1;
    }
    for (name, dropped) in gone.iter().flat_map(|gone| &gone.reasons) {
        if let Some(reason) = Reason::of(name) {
            counts.entry(reason).or_default().1 = usize::try_from(dropped.as_u64().unwrap_or(0)).unwrap_or(usize::MAX);
        }
    }
    let counted = counts.into_iter().map(|(reason, (count, dropped))| QuarantineCount { reason, count, dropped });
    Ok(counted.collect())
}

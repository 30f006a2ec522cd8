//! Updates and deletes that wait for the insert of their record.
//!
//! Whatever makes room among them is noted with its record: when the insert comes after all, everything is read anew, so
//! that nothing is missing for good.

use super::super::error::Result;
use super::super::rows;
use crate::model::{Change, OrderedSet, json_bytes, record, sort_by};
use crate::store::Transaction;
use serde_json::Value;

/// Most records of a space with changes that wait; those of the oldest make room.
const MAX_RECORDS: usize = 1000;
/// Most changes that wait for one record; the oldest make room.
const MAX_CHANGES: usize = 200;
/// Most bytes of waiting changes of a space, as JSON; those of the newest record stay whatever they have.
const MAX_BYTES: usize = 10 * 1024 * 1024;
/// Most records of a space of which nothing but that changes made room is kept.
const MAX_EMPTIED: usize = 10_000;

record! {
    struct Parked {
        user_id: String = "userId",
        space: Option<String> = "space",
        changes: Vec<Value> = "changes",
        /// How many changes of the record made room.
        missed: u64 = "missed" or 0,
    }
}

impl Parked {
    fn bytes(&self) -> usize {
        self.changes.iter().map(json_bytes).sum()
    }

    fn oldest(&self) -> Option<&str> {
        self.changes.first()?["at"].as_str()
    }

    fn empty(&mut self) {
        self.missed += self.changes.len() as u64;
        self.changes.clear();
    }
}

/// What waits, while a page is applied.
pub struct Parking {
    user: String,
    records: OrderedSet<String>,
    /// Spaces in which a change was parked.
    spaces: OrderedSet<Option<String>>,
    /// Whether an insert came of whose record changes had made room.
    pub is_incomplete: bool,
}

impl Parking {
    /// What waits for a user.
    pub async fn read<Tx: Transaction>(tx: &Tx, user: String) -> Result<Self> {
        let held: Vec<(String, Value)> = rows::read_all(tx, rows::PARKED).await?;
        let records = held.into_iter().map(|(key, _)| key).collect();
        Ok(Self { user, records, spaces: OrderedSet::new(), is_incomplete: false })
    }

    /// Parks a change of a record whose insert has not come.
    pub async fn park<Tx: Transaction>(&mut self, tx: &Tx, table: &str, change: &Change) -> Result<()> {
        let (key, json) = (key_of(table, change), change.to_json());
        let space = change.space_id.as_ref().map(ToString::to_string);
        let known: Option<Parked> = rows::read(tx, rows::PARKED, &key).await?;
        let user_id = self.user.clone();
        let mut parked = known.unwrap_or(Parked { user_id, space, changes: Vec::new(), missed: 0 });
        if !parked.changes.contains(&json) {
            parked.changes.push(json);
        }
        if parked.changes.len() > MAX_CHANGES {
            parked.changes.remove(0);
            parked.missed += 1;
        }
        self.spaces.insert(parked.space.clone());
        rows::write(tx, rows::PARKED, &key, parked)?;
        self.records.insert(key);
        Ok(())
    }

    /// Takes what was parked of a change's record, oldest first, where anything was.
    pub async fn take<Tx: Transaction>(&mut self, tx: &Tx, table: &str, change: &Change) -> Result<Option<Vec<Value>>> {
        let key = key_of(table, change);
        if !self.records.remove(&key) {
            return Ok(None);
        }
        let Some(parked) = rows::read::<_, Parked>(tx, rows::PARKED, &key).await? else { return Ok(None) };
        rows::remove(tx, rows::PARKED, &key)?;
        self.is_incomplete |= parked.missed > 0;
        Ok(Some(parked.changes))
    }

    /// Makes room where changes were parked.
    pub async fn make_room<Tx: Transaction>(&self, tx: &Tx) -> Result<()> {
        if self.spaces.is_empty() {
            return Ok(());
        }
        let mut others: Vec<(String, Parked)> = rows::read_all(tx, rows::PARKED).await?;
        for space in &self.spaces {
            let (its, rest) = others.into_iter().partition(|(_, parked)| parked.space == *space);
            make_room_among(tx, its)?;
            others = rest;
        }
        Ok(())
    }
}

fn make_room_among<Tx: Transaction>(tx: &Tx, records: Vec<(String, Parked)>) -> Result<()> {
    let (mut waiting, emptied): (Vec<_>, Vec<_>) = records.into_iter().partition(|(_, one)| !one.changes.is_empty());
    sort_by(&mut waiting, |(_, a), (_, b)| a.oldest().cmp(&b.oldest()));
    let (mut count, mut bytes) = (waiting.len(), waiting.iter().map(|(_, one)| one.bytes()).sum::<usize>());
    let mut marks = emptied.len();
    for (key, mut oldest) in waiting {
        if count <= MAX_RECORDS && (bytes <= MAX_BYTES || count == 1) {
            break;
        }
        (count, bytes, marks) = (count - 1, bytes - oldest.bytes(), marks + 1);
        oldest.empty();
        rows::write(tx, rows::PARKED, &key, oldest)?;
    }
    for (key, _) in emptied.iter().take(marks.saturating_sub(MAX_EMPTIED)) {
        rows::remove(tx, rows::PARKED, key)?;
    }
    Ok(())
}

/// Names what waits for a record.
fn key_of(table: &str, change: &Change) -> String {
    format!("{table}/{}", change.id)
}

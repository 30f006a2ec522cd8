//! Which records are held up by dead letters, and parking what comes later of them.

use super::{Letter, Waiting, read, read_waiting};
use crate::engine::error::Result;
use crate::engine::keyring;
use crate::engine::outbox::{LogRow, LoggedChange, coalesce};
use crate::model::{OrderedMap, Stamp};
use crate::protocol::wire::Rejection;
use crate::store::Transaction;
use serde_json::json;

/// A record: app, table on the wire, id.
type Record = (String, String, String);

/// Why something waits, in the server's words: a code and a sentence.
pub type Why = (String, String);

/// Records of which later changes wait: since which row of the log, and why.
#[derive(Default)]
pub struct Blocked {
    since: OrderedMap<Record, (f64, Why)>,
    /// How much is parked of each row of the log, by its number's bits.
    parts: OrderedMap<u64, u32>,
    /// What is parked last of a record, where a later edit may join it.
    open: OrderedMap<Record, Waiting>,
    /// The row of the log that the last letter of a record lay in: nothing joins what is parked before it.
    last_letter: OrderedMap<Record, f64>,
}

/// What was parked.
#[derive(Default)]
pub struct Parked {
    /// How many changes.
    pub changes: usize,
    /// The rows of the log they lay in, to be told to those who wait for them.
    pub told: Vec<(f64, Rejection)>,
}

fn record(row: &LogRow, change: &LoggedChange) -> Record {
    (row.app_id.clone(), change.table().to_owned(), change.id().to_owned())
}

/// Changes one by one, those of a group together.
pub fn units(changes: Vec<LoggedChange>) -> Vec<Vec<LoggedChange>> {
    let mut units: Vec<Vec<LoggedChange>> = Vec::new();
    for change in changes {
        let last =
            units.last_mut().filter(|unit| change.is_grouped() && unit[0].0.get("group") == change.0.get("group"));
        match last {
            Some(unit) => unit.push(change),
            None => units.push(vec![change]),
        }
    }
    units
}

impl Blocked {
    /// What is held up by a user's letters and by what is parked.
    pub async fn read<Tx: Transaction>(tx: &Tx, user: &str) -> Result<Self> {
        let (letters, waiting) = futures_util::future::join(read(tx, user), read_waiting(tx, user)).await;
        let mut blocked = Self::default();
        for letter in &letters? {
            blocked.add_letter(letter);
        }
        for one in &waiting? {
            let part = blocked.parts.entry(one.row.seq.to_bits()).or_default();
            *part = (*part).max(one.part + 1);
            blocked.add(&one.row, &one.row.changes, &(one.code.clone(), one.message.clone()));
            blocked.keep_open(one);
        }
        Ok(blocked)
    }

    /// Whether nothing is held up.
    pub fn is_empty(&self) -> bool {
        self.since.is_empty()
    }

    /// Takes note of a letter, where a server refused it.
    pub fn add_letter(&mut self, letter: &Letter) {
        if letter.is_refusal() {
            let why = (letter.code.clone(), letter.message.clone());
            self.add(&letter.row, std::slice::from_ref(&letter.change), &why);
            self.note_letter(&letter.row, &letter.change);
        }
    }

    fn note_letter(&mut self, row: &LogRow, change: &LoggedChange) {
        let last = self.last_letter.entry(record(row, change)).or_insert(row.seq);
        *last = last.max(row.seq);
    }

    /// Takes note that changes wait.
    pub fn add(&mut self, row: &LogRow, changes: &[LoggedChange], why: &Why) {
        for change in changes {
            let since = self.since.entry(record(row, change)).or_insert_with(|| (row.seq, why.clone()));
            if row.seq < since.0 {
                *since = (row.seq, why.clone());
            }
        }
    }

    /// Why changes of a row wait; `None`: they do not.
    pub fn why(&self, row: &LogRow, changes: &[LoggedChange]) -> Option<&Why> {
        let since = changes.iter().filter_map(|change| self.since.get(&record(row, change)));
        since.filter(|(seq, _)| *seq <= row.seq).map(|(_, why)| why).next()
    }

    /// Whether what is parked waits for one of these records; then its own are among them.
    pub fn takes(&mut self, one: &Waiting) -> bool {
        let why = self.why(&one.row, &one.row.changes).cloned();
        why.map(|why| self.add(&one.row, &one.row.changes, &why)).is_some()
    }

    /// Notes what is parked last of its records, if later edits may join it.
    fn keep_open(&mut self, one: &Waiting) {
        let mut is_last = true;
        for change in &one.row.changes {
            let name = record(&one.row, change);
            if self.open.get(&name).is_some_and(|last| last.row.seq > one.row.seq) {
                is_last = false;
            } else {
                self.open.remove(&name);
            }
        }
        if let [change] = &one.row.changes[..]
            && is_last
            && coalesce::may_join(change)
        {
            self.open.insert(record(&one.row, change), one.clone());
        }
    }

    /// Has an edit join the one that is parked last of its record, so that an hour of typing is one; whether it did.
    fn join<Tx: Transaction>(&mut self, tx: &Tx, row: &LogRow, unit: &[LoggedChange]) -> Result<bool> {
        let [change] = unit else { return Ok(false) };
        let name = record(row, change);
        let since = self.last_letter.get(&name).copied().unwrap_or_default();
        let follows = |last: &Waiting| since <= last.row.seq && last.row.tickets().all(|seq| seq <= row.seq);
        let last = self.open.get_mut(&name).filter(|last| follows(last) && coalesce::alike(&last.row, row));
        let Some(last) = last.filter(|last| coalesce::joins(&last.row.changes[0], change)) else { return Ok(false) };
        let stamp = change.at(row);
        coalesce::join(&mut last.row.changes[0], change.clone(), &json!(stamp));
        last.row.absorbed.extend(row.tickets());
        last.clone().put_or_remove(tx)?;
        Ok(true)
    }

    /// Parks changes of a row; `why`: what the app is told where it waits for them.
    pub fn park<Tx: Transaction>(&mut self, tx: &Tx, row: &LogRow, unit: Vec<LoggedChange>, why: &Why) -> Result<()> {
        self.add(row, &unit, why);
        if self.join(tx, row, &unit)? {
            return Ok(());
        }
        let parts = self.parts.entry(row.seq.to_bits()).or_default();
        let part = *parts;
        *parts += 1;
        let key = unit.first().map(|change| change.event_id().to_owned()).unwrap_or_default();
        let row = LogRow { changes: unit, sent_at: None, ..row.clone() };
        let (user_id, (code, message)) = (row.user_id.clone(), why.clone());
        let waiting = Waiting { key, user_id, code, message, row, part };
        self.keep_open(&waiting);
        waiting.put_or_remove(tx)
    }

    /// Parks what has to wait of rows of the log, before they are sent; rows without changes are left out then.
    pub fn hold_back<Tx: Transaction>(&mut self, tx: &Tx, log: &mut Vec<LogRow>) -> Result<Parked> {
        let mut parked = Parked::default();
        if self.is_empty() {
            return Ok(parked);
        }
        for row in log.iter_mut().filter(|row| row.app_id != keyring::APP) {
            let all = row.changes.len();
            for unit in units(std::mem::take(&mut row.changes)) {
                let Some(why) = self.why(row, &unit).cloned() else {
                    row.changes.extend(unit);
                    continue;
                };
                parked.tell(row, &unit, &why);
                self.park(tx, row, unit, &why)?;
            }
            if row.changes.len() < all {
                parked.changes += all - row.changes.len();
                row.put_or_remove(tx)?;
            }
        }
        log.retain(|row| !row.changes.is_empty());
        Ok(parked)
    }

    /// Makes dead letters of changes that were refused together, or parks them where they wait already; whether they
    /// became letters.
    pub fn refuse<Tx: Transaction>(
        &mut self,
        tx: &Tx,
        row: &LogRow,
        unit: &[(LoggedChange, &Rejection)],
        at: Stamp,
    ) -> Result<bool> {
        let Some(first) = unit.first().map(|(_, rejection)| *rejection) else { return Ok(false) };
        let why = (first.code.as_str().to_owned(), first.message.clone());
        let changes: Vec<LoggedChange> = unit.iter().map(|(change, _)| change.clone()).collect();
        if self.why(row, &changes).is_some() {
            self.park(tx, row, changes, &why)?;
            return Ok(false);
        }
        for ((change, rejection), part) in unit.iter().zip(0..) {
            row.put_letter(tx, change, (rejection.code.as_str(), rejection.message.as_str()), (at, part))?;
        }
        self.add(row, &changes, &why);
        for change in &changes {
            self.note_letter(row, change);
        }
        Ok(true)
    }
}

impl Parked {
    fn tell(&mut self, row: &LogRow, unit: &[LoggedChange], (code, message): &Why) {
        let Some(code) = crate::protocol::wire::RejectionCode::of(code) else { return };
        let event_id = unit.first().map(|change| change.event_id().to_owned()).unwrap_or_default();
        let rejection = Rejection { event_id, code, message: message.clone() };
        self.told.extend(row.tickets().map(|seq| (seq, rejection.clone())));
    }
}

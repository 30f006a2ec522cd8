//! Check: what the log's changes come to, in numbers to compare a device with.
//!
//! The log merges nothing when it is written, so a check merges all of it anew: record by record, each as its reader is served
//! it, by the clients' own rule (`mana_sync_engine::fingerprint`). One record's changes are in memory at a time.

use super::pull::follow;
use super::{Caller, ChangeLog, Collection, Cursor, Extent, PullError, Snapshot, Span, StreamId, StreamState, SyncLog};
use mana_sync_engine::fingerprint::{Fingerprint, Fold};
use mana_sync_engine::model::{Change, RecordId, Stamp};
use mana_sync_engine::protocol::wire::{CheckAnswer, PROTOCOL, TableFingerprint};
use std::collections::{BTreeMap, BTreeSet};

/// What a client asks for.
#[derive(Debug, Clone)]
pub struct Check {
    /// Who asks.
    pub caller: Caller,
    /// Where their pull stands.
    pub cursor: String,
    /// The tables wanted.
    pub tables: BTreeSet<Collection>,
    /// Records to be left out, in whatever stream.
    pub except: BTreeSet<(Collection, RecordId)>,
}

/// What the log comes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Checked {
    /// There is more to pull behind the cursor; nothing was read.
    Behind,
    /// The log's end is where the cursor is.
    AtEnd {
        /// The streams that the caller reads.
        streams: BTreeSet<StreamId>,
        /// The tables with live records.
        tables: BTreeMap<(StreamId, Collection), Fingerprint>,
    },
}

impl Checked {
    /// The answer to a client, at `now`.
    #[must_use]
    pub fn into_answer(self, now: Stamp) -> CheckAnswer {
        let (behind, streams, tables) = match self {
            Self::Behind => (true, BTreeSet::new(), BTreeMap::new()),
            Self::AtEnd { streams, tables } => (false, streams, tables),
        };
        let table = |((stream, Collection { app, table }), sum): ((StreamId, Collection), Fingerprint)| {
            TableFingerprint { stream: stream.to_string(), app, table, records: sum.records, hash: sum.hash }
        };
        CheckAnswer {
            protocol: PROTOCOL,
            behind,
            streams: streams.into_iter().map(String::from).collect(),
            tables: tables.into_iter().map(table).collect(),
            server_time: now,
        }
    }
}

impl<L: ChangeLog> SyncLog<L> {
    /// Merges what the caller may read of these tables, all of it from one moment, unless their cursor is behind that.
    pub async fn check(&self, check: &Check) -> Result<Checked, PullError> {
        let mut snapshot = self.log.snapshot(&check.caller).await?;
        let streams = check.caller.readable();
        let states = snapshot.streams(&streams).await?;
        let cursor =
            follow(&mut snapshot, (&streams, &check.tables), &check.cursor, (self.log.epoch(), &states)).await?;
        if is_behind(&cursor, &states, &check.tables) {
            return Ok(Checked::Behind);
        }
        let mut tables = BTreeMap::new();
        for (stream, state) in &states {
            let mut reading = Reading::new(check);
            let span = Span {
                stream,
                after: 0,
                through: state.pos,
                collections: &check.tables,
                reader: &check.caller.user,
                limit: usize::MAX,
                max_bytes: usize::MAX,
            };
            snapshot.by_record(&span, &mut |change| reading.take(change)).await?;
            tables.extend(reading.end().into_iter().map(|(table, sum)| ((stream.clone(), table), sum)));
        }
        Ok(Checked::AtEnd { streams, tables })
    }
}

/// Whether one of the tables was not read to the end of one of the streams.
fn is_behind(cursor: &Cursor, states: &BTreeMap<StreamId, StreamState>, tables: &BTreeSet<Collection>) -> bool {
    let read = |stream: &StreamId, table: &Collection| cursor.streams.get(stream)?.read.get(table).copied();
    states.iter().any(|(stream, state)| tables.iter().any(|table| read(stream, table).unwrap_or(0) < state.pos))
}

/// One stream while it is read.
struct Reading<'a> {
    check: &'a Check,
    /// The record that is being read.
    record: Option<(Collection, RecordId, Fold)>,
    tables: BTreeMap<Collection, Fingerprint>,
}

impl<'a> Reading<'a> {
    fn new(check: &'a Check) -> Self {
        Self { check, record: None, tables: BTreeMap::new() }
    }

    fn take(&mut self, change: Change) {
        let is_its = |(table, id, _): &(Collection, RecordId, Fold)| {
            (&table.app, &table.table, id) == (&change.app, &change.table, &change.id)
        };
        if !self.record.as_ref().is_some_and(is_its) {
            let table = Collection { app: change.app.clone(), table: change.table.clone() };
            let next = (table, change.id.clone(), Fold::new(self.check.caller.user.as_str()));
            let before = self.record.replace(next);
            self.add(before);
        }
        if let Some((.., fold)) = &mut self.record {
            fold.take(change);
        }
    }

    fn add(&mut self, record: Option<(Collection, RecordId, Fold)>) {
        let Some((table, id, fold)) = record else { return };
        let name = (table, id);
        if !self.check.except.contains(&name) {
            let (table, id) = name;
            fold.add_to(self.tables.entry(table).or_default(), id.as_str());
        }
    }

    fn end(mut self) -> BTreeMap<Collection, Fingerprint> {
        let last = self.record.take();
        self.add(last);
        self.tables.retain(|_, sum| sum.records > 0);
        self.tables
    }
}

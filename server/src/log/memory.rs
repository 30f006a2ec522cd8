//! A change log in memory: for simulations and for tests of the rules. It needs no runtime and never really waits.

mod own_space;

use super::types::follow;
use super::{
    Caller, ChangeLog, ContentHash, Epoch, Extent, Head, KnownEvents, LogError, LogRow, RecordKey, Rows, ServedRow,
    Snapshot, Span, StreamId, StreamState, Tag, Transaction, is_visible,
};
use crate::lock::hold;
use mana_sync_engine::model::{AppId, Change, EventId, RecordId, SpaceId, TableName, UserId};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use tokio::sync::OwnedMutexGuard;

#[derive(Clone, Default)]
struct Stream {
    rows: BTreeMap<u64, Arc<Kept>>,
    horizon: u64,
}

/// A row, with the bytes its change takes as JSON.
#[derive(Clone)]
struct Kept {
    row: LogRow,
    bytes: usize,
}

impl Stream {
    fn pos(&self) -> u64 {
        self.rows.last_key_value().map_or(0, |(pos, _)| *pos)
    }

    fn state(&self) -> StreamState {
        let tag = self.rows.last_key_value().map(|(_, kept)| kept.row.tag);
        StreamState { pos: self.pos(), tag, horizon: self.horizon, folded_through: 0 }
    }
}

#[derive(Clone)]
struct State {
    epoch: Epoch,
    streams: BTreeMap<StreamId, Stream>,
    events: BTreeMap<(UserId, EventId), ContentHash>,
    heads: BTreeMap<RecordKey, Head>,
    own_spaces: BTreeMap<SpaceId, UserId>,
    /// The only person noted as a member of a space, or that there are several.
    members: BTreeMap<SpaceId, Option<UserId>>,
    used: BTreeMap<UserId, u64>,
}

impl State {
    fn tags(&self, positions: &BTreeMap<StreamId, u64>) -> BTreeMap<StreamId, Tag> {
        let tag = |stream: &StreamId, pos: &u64| Some(self.streams.get(stream)?.rows.get(pos)?.row.tag);
        positions.iter().filter_map(|(stream, pos)| Some((stream.clone(), tag(stream, pos)?))).collect()
    }
}

/// A change log in memory; clones share one log.
#[derive(Clone)]
pub struct MemoryLog {
    state: Arc<Mutex<Arc<State>>>,
    writer: Arc<tokio::sync::Mutex<()>>,
}

impl MemoryLog {
    /// An empty log with this epoch.
    #[must_use]
    pub fn new(epoch: Epoch) -> Self {
        let state = State {
            epoch,
            streams: BTreeMap::new(),
            events: BTreeMap::new(),
            heads: BTreeMap::new(),
            own_spaces: BTreeMap::new(),
            members: BTreeMap::new(),
            used: BTreeMap::new(),
        };
        Self { state: Arc::new(Mutex::new(Arc::new(state))), writer: Arc::default() }
    }

    /// A log of its own with the same contents, as a backup restored elsewhere.
    #[must_use]
    pub fn copy(&self) -> Self {
        Self { state: Arc::new(Mutex::new(self.present())), writer: Arc::default() }
    }

    /// How many rows the log holds, in all streams.
    #[must_use]
    pub fn row_count(&self) -> usize {
        self.present().streams.values().map(|stream| stream.rows.len()).sum()
    }

    fn present(&self) -> Arc<State> {
        hold(&self.state).clone()
    }
}

impl ChangeLog for MemoryLog {
    type Snapshot = MemorySnapshot;
    type Transaction = MemoryTransaction;

    fn epoch(&self) -> Epoch {
        hold(&self.state).epoch
    }

    async fn snapshot(&self, _: &Caller) -> Result<MemorySnapshot, LogError> {
        Ok(MemorySnapshot(self.present()))
    }

    async fn transaction(&self, caller: &Caller) -> Result<MemoryTransaction, LogError> {
        let turn = self.writer.clone().lock_owned().await;
        Ok(MemoryTransaction {
            log: self.clone(),
            user: caller.user.clone(),
            unsure: caller.unsure(),
            base: self.present(),
            positions: BTreeMap::new(),
            rows: Vec::new(),
            events: BTreeSet::new(),
            heads: BTreeMap::new(),
            used: BTreeMap::new(),
            horizons: BTreeMap::new(),
            _turn: turn,
        })
    }
}

/// The state at one moment.
pub struct MemorySnapshot(Arc<State>);

impl Extent for MemorySnapshot {
    async fn streams(&mut self, streams: &BTreeSet<StreamId>) -> Result<BTreeMap<StreamId, StreamState>, LogError> {
        Ok(streams.iter().filter_map(|id| Some((id.clone(), self.0.streams.get(id)?.state()))).collect())
    }

    async fn tags(&mut self, positions: &BTreeMap<StreamId, u64>) -> Result<BTreeMap<StreamId, Tag>, LogError> {
        Ok(self.0.tags(positions))
    }
}

impl Snapshot for MemorySnapshot {
    async fn rows(&mut self, span: &Span<'_>) -> Result<Rows, LogError> {
        let mut found = Rows { complete: true, ..Rows::default() };
        let Some(stream) = self.0.streams.get(span.stream).filter(|_| span.after < span.through) else {
            return Ok(found);
        };
        for (pos, kept) in stream.rows.range(span.after + 1..=span.through) {
            let Kept { row, bytes } = &**kept;
            let visible = is_visible(row, self.0.heads.get(&row.key()), span.reader);
            if !visible || !span.collections.contains(&row.collection()) {
                continue;
            }
            if found.rows.len() == span.limit || (found.bytes >= span.max_bytes && !found.rows.is_empty()) {
                found.complete = false;
                break;
            }
            found.bytes += bytes;
            let change = Change { group: None, ..row.change.clone() };
            found.rows.push(ServedRow { pos: *pos, tag: row.tag, change });
        }
        Ok(found)
    }

    async fn by_record(&mut self, span: &Span<'_>, take: &mut (dyn FnMut(Change) + Send)) -> Result<(), LogError> {
        let Some(stream) = self.0.streams.get(span.stream).filter(|_| span.after < span.through) else {
            return Ok(());
        };
        let rows = stream.rows.range(span.after + 1..=span.through).map(|(_, kept)| &kept.row);
        let is_wanted = |row: &&LogRow| {
            span.collections.contains(&row.collection()) && is_visible(row, self.0.heads.get(&row.key()), span.reader)
        };
        let mut rows: Vec<&LogRow> = rows.filter(is_wanted).collect();
        // Rows of one record keep their order.
        rows.sort_by(|a, b| record_of(a).cmp(&record_of(b)));
        for row in rows {
            take(Change { group: None, ..row.change.clone() });
        }
        Ok(())
    }
}

fn record_of(row: &LogRow) -> (&AppId, &TableName, &RecordId) {
    (&row.change.app, &row.change.table, &row.change.id)
}

/// Writes that wait for `commit`. Applied there and not to a copy of the state: the log would be copied at every push.
pub struct MemoryTransaction {
    log: MemoryLog,
    user: UserId,
    unsure: BTreeSet<StreamId>,
    base: Arc<State>,
    positions: BTreeMap<StreamId, u64>,
    rows: Vec<LogRow>,
    /// What `rows` holds.
    events: BTreeSet<(UserId, EventId)>,
    heads: BTreeMap<RecordKey, Head>,
    used: BTreeMap<UserId, u64>,
    horizons: BTreeMap<StreamId, u64>,
    _turn: OwnedMutexGuard<()>,
}

impl Extent for MemoryTransaction {
    async fn streams(&mut self, streams: &BTreeSet<StreamId>) -> Result<BTreeMap<StreamId, StreamState>, LogError> {
        let mut states = BTreeMap::new();
        for id in streams {
            let before = self.base.streams.get(id).map(Stream::state);
            let newest = self.rows.iter().rfind(|row| row.stream == *id);
            let with = newest.map(|row| StreamState { pos: row.pos, tag: Some(row.tag), ..before.unwrap_or_default() });
            states.extend(with.or(before).map(|state| (id.clone(), state)));
        }
        Ok(states)
    }

    async fn tags(&mut self, positions: &BTreeMap<StreamId, u64>) -> Result<BTreeMap<StreamId, Tag>, LogError> {
        let mut tags = self.base.tags(positions);
        let written = self.rows.iter().filter(|row| positions.get(&row.stream) == Some(&row.pos));
        tags.extend(written.map(|row| (row.stream.clone(), row.tag)));
        Ok(tags)
    }
}

impl Transaction for MemoryTransaction {
    async fn lock(&mut self, streams: &BTreeSet<StreamId>) -> Result<BTreeMap<StreamId, u64>, LogError> {
        let own = |stream: &StreamId| match stream {
            StreamId::Space(space) => self.base.own_spaces.get(space) == Some(&self.user),
            StreamId::User(_) => false,
        };
        if streams.intersection(&self.unsure).any(own) {
            return Err(LogError::turned_own());
        }
        let pos = |stream: &StreamId| self.base.streams.get(stream).map_or(0, Stream::pos);
        self.positions = streams.iter().map(|stream| (stream.clone(), pos(stream))).collect();
        Ok(self.positions.clone())
    }

    async fn known(&mut self, user: &UserId, events: &BTreeSet<EventId>) -> Result<KnownEvents, LogError> {
        let hash = |event: &EventId| self.base.events.get(&(user.clone(), event.clone())).copied();
        Ok(events.iter().filter_map(|event| Some((event.clone(), hash(event)?))).collect())
    }

    async fn heads(&mut self, keys: &BTreeSet<RecordKey>) -> Result<BTreeMap<RecordKey, Head>, LogError> {
        Ok(keys.iter().filter_map(|key| Some((key.clone(), self.base.heads.get(key)?.clone()))).collect())
    }

    async fn charge(&mut self, user: &UserId, rows: &[LogRow]) -> Result<u64, LogError> {
        let bytes: u64 = rows.iter().map(|row| row.change.to_json().to_string().len() as u64).sum();
        let before = || self.base.used.get(user).copied().unwrap_or_default();
        let total = self.used.get(user).copied().unwrap_or_else(before) + bytes;
        self.used.insert(user.clone(), total);
        Ok(total)
    }

    async fn append(&mut self, rows: &[LogRow]) -> Result<(), LogError> {
        follow(&mut self.positions, rows)?;
        for row in rows {
            let event = (row.user.clone(), row.change.event_id.clone());
            if self.base.events.contains_key(&event) || !self.events.insert(event) {
                return Err(LogError::Conflict);
            }
            self.rows.push(row.clone());
        }
        Ok(())
    }

    async fn put_heads(&mut self, heads: &BTreeMap<RecordKey, Head>) -> Result<(), LogError> {
        self.heads.extend(heads.clone());
        Ok(())
    }

    async fn set_horizon(&mut self, stream: &StreamId, horizon: u64) -> Result<(), LogError> {
        self.horizons.insert(stream.clone(), horizon);
        Ok(())
    }

    async fn commit(self) -> Result<(), LogError> {
        drop(self.base);
        let mut shared = hold(&self.log.state);
        let state = Arc::make_mut(&mut shared);
        for row in self.rows {
            state.events.insert((row.user.clone(), row.change.event_id.clone()), row.hash);
            let bytes = row.change.to_json().to_string().len();
            let stream = state.streams.entry(row.stream.clone()).or_default();
            stream.rows.insert(row.pos, Arc::new(Kept { row, bytes }));
        }
        state.heads.extend(self.heads);
        state.used.extend(self.used);
        for (stream, horizon) in self.horizons {
            state.streams.entry(stream).or_default().horizon = horizon;
        }
        Ok(())
    }
}

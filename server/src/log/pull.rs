//! Pull: one page of what a person may read, from where their cursor ends.

use super::{
    Caller, ChangeLog, Collection, Cursor, Extent, LogError, Mark, Receipt, Snapshot, Span, StreamId, StreamState,
    SyncLog, Tag,
};
use mana_sync_engine::model::{AppId, Change, UserId};
use mana_sync_engine::protocol::wire::{ExpiryReason, PullProgress};
use std::collections::{BTreeMap, BTreeSet};

/// What a client asks for.
#[derive(Debug, Clone)]
pub struct Pull {
    /// Who asks.
    pub caller: Caller,
    /// Where the last page ended; `None`: from the beginning.
    pub cursor: Option<String>,
    /// What the last push was answered with, until its echo was read.
    pub receipt: Option<String>,
    /// The tables wanted.
    pub tables: BTreeSet<Collection>,
    /// Most changes in the page, at least 1.
    pub limit: usize,
}

/// One page.
#[derive(Debug)]
pub struct PullPage {
    /// The changes, stream by stream, each stream in the order of its positions.
    pub changes: Vec<Change>,
    /// Where the next page begins.
    pub cursor: String,
    /// Whether there may be a next page now.
    pub has_more: bool,
    /// How far everything that was asked for was read, where there may be a next page.
    pub progress: Option<PullProgress>,
}

/// Why there is no page.
#[derive(Debug, thiserror::Error)]
pub enum PullError {
    /// The cursor cannot be followed; the client reads from the beginning.
    #[error("the cursor expired")]
    Expired(ExpiryReason),
    /// The store failed.
    #[error(transparent)]
    Log(#[from] LogError),
}

/// A page ends once its changes have this many bytes; one larger change makes a page of its own.
const PAGE_BYTES: usize = 4 * 1024 * 1024;

impl<L: ChangeLog> SyncLog<L> {
    /// Reads one page, all of it from one moment.
    pub async fn pull(&self, pull: &Pull) -> Result<PullPage, PullError> {
        let mut snapshot = self.log.snapshot(&pull.caller).await?;
        let epoch = self.log.epoch();
        let readable = pull.caller.readable();
        let states = snapshot.streams(&readable).await?;
        let mut cursor = match &pull.cursor {
            None => Cursor::start(epoch),
            Some(text) => follow(&mut snapshot, (&readable, &pull.tables), text, (epoch, &states)).await?,
        };
        if let Some(text) = &pull.receipt
            && !Receipt::is_held(text, &mut snapshot, (epoch, &states), &readable).await?
        {
            return Err(PullError::Expired(ExpiryReason::Restored));
        }
        let mut page = Page::new(&pull.caller.user, pull.limit);
        if !pull.tables.is_empty() {
            for (stream, state) in &states {
                let mark = cursor.streams.entry(stream.clone()).or_default();
                page.fill(&mut snapshot, (stream, state), mark, &pull.tables).await?;
            }
        }
        cursor.streams.retain(|_, mark| mark.pos() > 0);
        let progress = page.has_more.then(|| progress(&cursor, &states, &pull.tables));
        Ok(PullPage { changes: page.changes, cursor: cursor.to_text(), has_more: page.has_more, progress })
    }
}

/// How far each app was read: in every stream as far as its table that is furthest behind. It costs no reading.
fn progress(cursor: &Cursor, states: &BTreeMap<StreamId, StreamState>, tables: &BTreeSet<Collection>) -> PullProgress {
    let total = states.values().map(|state| state.pos).sum();
    let read = |stream: &StreamId, app: &AppId| {
        let mark = cursor.streams.get(stream)?;
        tables.iter().filter(|table| table.app == *app).map(|table| mark.read.get(table).copied().unwrap_or(0)).min()
    };
    let apps: BTreeSet<&AppId> = tables.iter().map(|table| &table.app).collect();
    let read_of = |app: &AppId| states.keys().filter_map(|stream| read(stream, app)).sum::<u64>();
    PullProgress { total, apps: apps.into_iter().map(|app| (app.to_string(), read_of(app).into())).collect() }
}

/// The client's cursor, in the streams they may read, unless the log no longer continues it for these tables. Text that cannot
/// be read belongs to another log.
pub(super) async fn follow<S: Snapshot>(
    snapshot: &mut S,
    (readable, tables): (&BTreeSet<StreamId>, &BTreeSet<Collection>),
    text: &str,
    log: (super::Epoch, &BTreeMap<StreamId, StreamState>),
) -> Result<Cursor, PullError> {
    let mut cursor =
        Cursor::parse(text).filter(|c| c.epoch == log.0).ok_or(PullError::Expired(ExpiryReason::Restored))?;
    cursor.streams.retain(|stream, _| readable.contains(stream));
    let state = |stream: &StreamId| log.1.get(stream).copied().unwrap_or_default();
    let inside = cursor.streams.iter().filter(|(stream, mark)| (1..=state(stream).pos).contains(&mark.pos()));
    let positions: BTreeMap<StreamId, u64> = inside.map(|(stream, mark)| (stream.clone(), mark.pos())).collect();
    let tags = snapshot.tags(&positions).await?;
    for (stream, mark) in &cursor.streams {
        if let Some(reason) = mark.expiry(&state(stream), tags.get(stream).copied(), tables) {
            return Err(PullError::Expired(reason));
        }
    }
    Ok(cursor)
}

/// A page being filled.
struct Page<'a> {
    reader: &'a UserId,
    room: usize,
    bytes: usize,
    changes: Vec<Change>,
    has_more: bool,
}

impl<'a> Page<'a> {
    fn new(reader: &'a UserId, limit: usize) -> Self {
        Self { reader, room: limit, bytes: PAGE_BYTES, changes: Vec::new(), has_more: false }
    }

    /// Adds what a stream has for these tables. Those furthest behind go first, up to where the next ones are, so that
    /// every table is read in order and none is read twice.
    async fn fill<S: Snapshot>(
        &mut self,
        snapshot: &mut S,
        (stream, state): (&StreamId, &StreamState),
        mark: &mut Mark,
        tables: &BTreeSet<Collection>,
    ) -> Result<(), LogError> {
        for table in tables {
            mark.read.entry(table.clone()).or_insert(0);
        }
        while let Some((after, collections, through)) = step(mark, tables, state.pos) {
            if self.room == 0 || self.bytes == 0 {
                self.has_more = true;
                return Ok(());
            }
            let (limit, max_bytes) = (self.room, self.bytes);
            let reader = self.reader;
            let span = Span { stream, after, through, collections: &collections, reader, limit, max_bytes };
            let found = snapshot.rows(&span).await?;
            let end = if found.complete {
                Some((through, tag_at(through, mark, state)))
            } else {
                found.rows.last().map(|row| (row.pos, Some(row.tag)))
            };
            let (pos, tag) = end.ok_or_else(|| LogError::Failed("an unfinished span without rows".into()))?;
            mark.advance(&collections, pos, tag);
            self.room = self.room.saturating_sub(found.rows.len());
            self.bytes = self.bytes.saturating_sub(found.bytes);
            self.changes.extend(found.rows.into_iter().map(|row| row.change));
            if !found.complete {
                (self.room, self.has_more) = (0, true);
            }
        }
        Ok(())
    }
}

/// The next stretch to read: its start, the tables that stand there, and its end.
fn step(mark: &Mark, tables: &BTreeSet<Collection>, end: u64) -> Option<(u64, BTreeSet<Collection>, u64)> {
    // A cursor may hold many more tables than are asked for.
    let wanted = || tables.iter().filter_map(|table| Some((table, *mark.read.get(table)?))).filter(|(_, at)| *at < end);
    let after = wanted().map(|(_, at)| at).min()?;
    let there = wanted().filter(|(_, at)| *at == after).map(|(table, _)| table.clone()).collect();
    let through = wanted().map(|(_, at)| at).filter(|at| *at > after).min().unwrap_or(end);
    Some((after, there, through))
}

fn tag_at(pos: u64, mark: &Mark, state: &StreamState) -> Option<Tag> {
    if pos == state.pos { state.tag } else { mark.tag }
}

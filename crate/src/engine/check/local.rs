//! What this device holds, as a check compares it.

use super::{Held, TableCheck};
use crate::engine::config::Config;
use crate::engine::error::Result;
use crate::engine::guests::is_anothers;
use crate::engine::ports::Host;
use crate::engine::progress::Position;
use crate::engine::rebase::{held, marked_fields};
use crate::engine::stamps::{json_of, stamp_of};
use crate::engine::{Engine, apply, leaving};
use crate::fingerprint::Fingerprint;
use crate::model::{DELETED_AT, ID, OrderedMap, OrderedSet, SPACE_ID, TableSync};
use crate::protocol::wire::{CheckAnswer, RecordName};
use crate::store::{CHANGE_LOG, ENGINE, Key, KeyRange, Mode, Row, Scan, Store, Transaction};
use std::rc::Rc;

/// Most records of a transaction: whoever writes waits for no longer than that.
const PAGE: usize = 500;

/// What the numbers depend on besides the records: while it stays the same, so do they.
#[derive(Debug, Clone, PartialEq)]
struct Circumstances {
    position: Position,
    /// Records of which something was not sent, not taken or not applied: app and table on the wire, id.
    open: OrderedSet<(String, String, String)>,
    /// Spaces that the server brings nothing of, as records name them.
    away: OrderedSet<String>,
}

/// The fingerprints of this device's tables.
#[derive(Debug)]
pub struct Local {
    circumstances: Circumstances,
    /// The stream of what is the user's own.
    own: String,
    /// Streams whose space was left.
    away: OrderedSet<String>,
    /// The local names of tables, by app and name on the wire.
    names: OrderedMap<(String, String), String>,
    /// By stream, app, and table on the wire.
    sums: OrderedMap<(String, String, String), Fingerprint>,
}

/// Names a table of a stream: the stream, the app, the table on the wire.
pub type Place<'a> = (&'a str, &'a str, &'a str);

impl Local {
    /// Where the pull stood, if it is at rest and nothing is owed: else what is held here is on its way somewhere.
    pub fn cursor(&self) -> Option<&str> {
        let progress = &self.circumstances.position.progress;
        let at_rest = self.circumstances.position.rebase.is_none() && progress.receipt.is_none();
        progress.cursor.as_deref().filter(|_| at_rest && progress.then.is_none())
    }

    /// The records that are left out.
    pub fn except(&self) -> Vec<RecordName> {
        let name = |(app, table, id): &(String, String, String)| {
            let (app, table) = (app.as_str().to_owned(), table.clone());
            Some(RecordName {
                app: crate::model::AppId::parse(app).ok()?,
                table: crate::model::TableName::parse(table).ok()?,
                id: crate::model::RecordId::parse(id.clone()).ok()?,
            })
        };
        self.circumstances.open.iter().filter_map(name).collect()
    }

    /// How many they are.
    pub fn left_out(&self) -> usize {
        self.circumstances.open.len()
    }

    /// Whether a stream can be compared: the server names it, and it is not one of a space that was left.
    pub fn is_compared(&self, stream: &str, named: &[String]) -> bool {
        named.iter().any(|one| one == stream) && !self.away.contains(stream)
    }

    /// The tables with records here that can be compared.
    pub fn places<'a>(&'a self, named: &'a [String]) -> impl Iterator<Item = Place<'a>> {
        let places = self.sums.keys().filter(|(stream, ..)| self.is_compared(stream, named));
        places.map(|(stream, app, table)| (stream.as_str(), app.as_str(), table.as_str()))
    }

    /// One table on both sides; none where this app has no such table.
    pub fn compare(&self, (stream, app, table): Place<'_>, answer: &CheckAnswer) -> Option<TableCheck> {
        let name = (stream.to_owned(), app.to_owned(), table.to_owned());
        let here = Held::from(self.sums.get(&name).copied().unwrap_or_default());
        let found = answer
            .tables
            .iter()
            .find(|one| (one.stream.as_str(), one.app.as_str(), one.table.as_str()) == (stream, app, table));
        let there = found.map_or_else(Fingerprint::default, |one| Fingerprint { records: one.records, hash: one.hash });
        let there = Held::from(there);
        let space = stream.strip_prefix("space:").map(str::to_owned);
        let table = self.names.get(&(name.1, name.2))?.clone();
        let equal = here == there;
        Some(TableCheck { app: app.to_owned(), table, space, local: here, server: there, equal })
    }
}

impl<S: Store, H: Host> Engine<S, H> {
    /// Reads everything in pages. Writing goes on meanwhile: [`Engine::has_stayed`] says whether that changed anything.
    pub async fn fingerprints(self: &Rc<Self>) -> Result<Local> {
        let circumstances = self.circumstances().await?;
        let (own, away) = {
            let config = self.config();
            (format!("user:{}", config.user_id()), circumstances.away.iter().map(|id| format!("space:{id}")).collect())
        };
        let (names, sums) = (OrderedMap::new(), OrderedMap::new());
        let mut local = Local { circumstances, own, away, names, sums };
        for table in self.synced_tables() {
            let Some(sync) = self.config().table(&table)?.sync.clone() else { continue };
            if !sync.migrations.is_empty() {
                // The server's log keeps the names of the versions that changes were written in.
                continue;
            }
            local.names.insert((sync.app.to_string(), sync.sync_name.to_string()), table.clone());
            self.read_table(&table, &sync, &mut local).await?;
        }
        Ok(local)
    }

    /// Whether nothing happened since that could have changed the numbers.
    pub async fn has_stayed(self: &Rc<Self>, local: &Local) -> Result<bool> {
        Ok(self.circumstances().await? == local.circumstances)
    }

    async fn circumstances(&self) -> Result<Circumstances> {
        let user = self.config().user_id().to_owned();
        let tx = self.store.begin(Mode::Read, &[ENGINE, CHANGE_LOG])?;
        let position = Position::read(&tx, &user).await?;
        let mut open: Vec<_> = held::read(&tx, &user).await?.into_iter().map(|(name, _)| name).collect();
        open.extend(apply::quarantined(&tx, &user).await?);
        open.retain(|(app, table, _)| self.config().local_table(app, table).is_some());
        Ok(Circumstances { position, open: open.into_iter().collect(), away: leaving::away(&tx, &user).await? })
    }

    async fn read_table(&self, table: &str, sync: &TableSync, local: &mut Local) -> Result<()> {
        let mut after: Option<Key> = None;
        loop {
            let range = after.take().map(|key| KeyRange { lower: Some((key, true)), upper: None });
            let scan = Scan { range, limit: Some(PAGE), ..Scan::default() };
            let tx = self.store.begin(Mode::Read, &[table])?;
            let rows = tx.scan(table, &scan, &|_| true).await?;
            drop(tx);
            let config = self.config();
            for row in &rows {
                add(row, sync, &config, local);
            }
            drop(config);
            match rows.last().and_then(|row| row.text(ID)) {
                Some(last) if rows.len() == PAGE => after = Some(Key::text(&last)),
                _ => return Ok(()),
            }
        }
    }
}

/// Adds a record to its table's fingerprint, where it is live and counts.
fn add<R: Row>(row: &R, sync: &TableSync, config: &Config, local: &mut Local) {
    let Some(id) = row.text(ID) else { return };
    let (app, table) = (sync.app.to_string(), sync.sync_name.to_string());
    let name = (app, table, id);
    let is_live = json_of(row, DELETED_AT).is_null();
    if !is_live || is_anothers(config, row) || local.circumstances.open.contains(&name) {
        return;
    }
    let (app, table, id) = name;
    let space = row.text(SPACE_ID).map(|stored| config.wire_space(&stored));
    let shared = space.filter(|space| *space != config.personal_alias());
    let stream = shared.map_or_else(|| local.own.clone(), |space| format!("space:{space}"));
    let fields = marked_fields(row);
    let stamps = fields.iter().filter_map(|field| Some((field.as_str(), stamp_of(row, field)?)));
    local.sums.entry((stream, app, table)).or_default().add(&id, stamps);
}

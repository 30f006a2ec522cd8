//! The one transaction in which a found database becomes the engine's: records, queue, and the wish for a full pull.

use super::clamp::Stamps;
use super::letter::Letter;
use super::queue::{self, Moved, Outgoing, Queued};
use super::{ADOPTION, Adoption, FOUND, PULLING, QUEUE, Tables, begin, is_wanted, row, state, synced};
use crate::engine::error::Result;
use crate::engine::outbox::LogRow;
use crate::engine::ports::Host;
use crate::engine::{Config, apps, claim, epoch, keyring, migrate, rebase};
use crate::model::{ID, OrderedMap, OrderedSet, Stamp};
use crate::protocol::limits::{MAX_LOG_ROW_BYTES, MAX_LOG_ROW_CHANGES};
use crate::store::{Key, Mode, Row, Scan, Store, Transaction};

/// Stands for the clock epoch in rows taken over: no clock of this engine's made their stamps, which are held at the
/// server's time, and not moved otherwise.
pub const EPOCH: &str = "adopted";

/// Table and record.
type RecordName = (String, String);

/// Takes a found database over for the user who is signed in, and one again whose queue has rows again. `None`: there
/// was nothing to do.
pub async fn take_over<S: Store, H: Host>(store: &S, host: &H, config: &Config) -> Result<Option<Adoption>> {
    let Some(user) = &config.user else { return Ok(None) };
    if !is_wanted(store).await? {
        return Ok(None);
    }
    let tables = synced(config);
    let (tx, has_queue) = begin(store, Mode::Durable, &tables)?;
    claim(&tx, user.id.as_str()).await?;
    let is_found = state(&tx).await?.is_some_and(|adoption| adoption.phase == FOUND);
    let queued = if has_queue { tx.scan(QUEUE, &Scan::default(), &|_| true).await? } else { Vec::new() };
    if queued.is_empty() && !is_found {
        // Another tab was faster.
        return Ok(None);
    }
    let came_back = !queued.is_empty();
    let now = Stamp::at_ms(host.now_ms());
    let mut taking = Taking { config, user: user.id.as_str(), now, stamps: Stamps::until(now), letters: Vec::new() };
    let outgoing = taking.queue(&tx, host, queued).await?;
    let records = taking.records(&tx, host, &tables).await?;
    let adoption = Adoption { records, queued: outgoing.len(), letters: taking.letters.len(), ..Adoption::at(PULLING) };
    taking.log(&tx, outgoing).await?;
    for letter in std::mem::take(&mut taking.letters) {
        letter.write(&tx, taking.user, now)?;
    }
    if has_queue {
        tx.clear(QUEUE)?;
    }
    keyring::forget(&tx, taking.user)?;
    apps::ask(&tx, config.apps()).await?;
    if came_back {
        migrate::forget(&tx).await?;
    }
    rebase::wish(&tx, taking.user, rebase::Why::Adopted, epoch::fresh_id(host)).await?;
    crate::engine::rows::write(&tx, ADOPTION, "", adoption.clone())?;
    tx.commit().await?;
    Ok(Some(adoption))
}

struct Taking<'a> {
    config: &'a Config,
    user: &'a str,
    now: Stamp,
    stamps: Stamps,
    letters: Vec<Letter>,
}

impl Taking<'_> {
    /// The queue's rows as changes, in its order.
    async fn queue<Tx: Transaction>(&mut self, tx: &Tx, host: &impl Host, rows: Vec<Tx::Row>) -> Result<Vec<Outgoing>> {
        let mut fresh_id = || epoch::fresh_id(host);
        let mut queued = Vec::with_capacity(rows.len());
        for row in rows {
            match queue::read(row, self.config, &mut fresh_id) {
                Ok(row) => queued.push(row),
                Err(letter) => self.letters.push(letter),
            }
        }
        let records = stored(tx, &queued).await?;
        let left: OrderedSet<RecordName> = queued
            .iter()
            .filter(|row| row.flips_visibility())
            .map(|row| (row.table.clone(), row.id.clone()))
            .filter(|name| records.contains_key(name))
            .collect();
        let mut outgoing = Vec::new();
        for row in queued {
            let name = (row.table.clone(), row.id.clone());
            let Moved { changes, letters } =
                row.changes(records.get(&name), self.config, &mut self.stamps, &mut fresh_id);
            self.letters.extend(letters);
            if !left.contains(&name) {
                outgoing.extend(changes);
            }
        }
        Ok(outgoing)
    }

    async fn records<Tx: Transaction>(&mut self, tx: &Tx, host: &impl Host, tables: &Tables) -> Result<usize> {
        let mut count = 0;
        for (name, table) in tables {
            let Some(sync) = &table.sync else { continue };
            for row in tx.scan(name, &Scan::default(), &|_| true).await? {
                if row.text(ID).is_none() {
                    self.letters.push(Letter::of_nameless(sync, name, &epoch::fresh_id(host)));
                } else if let Some(row) = row::converted(&row, name, sync, self.config, &self.stamps) {
                    tx.put(name, &row, None)?;
                    count += 1;
                }
            }
        }
        Ok(count)
    }

    async fn log<Tx: Transaction>(&self, tx: &Tx, outgoing: Vec<Outgoing>) -> Result<()> {
        for row in log_rows(outgoing, self.user, self.now) {
            row.append(tx).await?;
        }
        Ok(())
    }
}

/// The records that queued rows are of.
async fn stored<Tx: Transaction>(tx: &Tx, queued: &[Queued<Tx::Row>]) -> Result<OrderedMap<RecordName, Tx::Row>> {
    let mut wanted: OrderedMap<&str, OrderedSet<&str>> = OrderedMap::new();
    for row in queued {
        wanted.entry(&row.table).or_default().insert(&row.id);
    }
    let mut records = OrderedMap::new();
    for (table, ids) in wanted {
        let keys: Vec<Key> = ids.iter().map(|id| Key::text(id)).collect();
        for (id, row) in ids.into_iter().zip(tx.get_many(table, &keys).await?) {
            records.extend(row.map(|row| ((table.to_owned(), id.to_owned()), row)));
        }
    }
    Ok(records)
}

/// Rows of the log, in the order of the queue within an app: one row for what follows each other with one author.
fn log_rows(outgoing: Vec<Outgoing>, user: &str, now: Stamp) -> Vec<LogRow> {
    let mut rows: Vec<(LogRow, usize)> = Vec::new();
    for Outgoing { app, schema_version, actor, origin, named, change } in outgoing {
        let bytes = change.bytes();
        let newest = rows.iter_mut().rev().find(|(row, _)| row.app_id == app.as_str());
        let fits = |(row, size): &(LogRow, usize)| {
            let alike = row.actor == actor && row.origin == origin.as_str() && row.sent_at.is_some() == named;
            alike && row.changes.len() < MAX_LOG_ROW_CHANGES && size + bytes <= MAX_LOG_ROW_BYTES
        };
        match newest {
            Some(row) if fits(row) => {
                row.1 += bytes;
                row.0.changes.push(change);
            }
            _ => rows.push((
                LogRow {
                    app_id: app.to_string(),
                    schema_version,
                    actor,
                    origin: origin.as_str().to_owned(),
                    changes: vec![change],
                    sent_at: named.then(|| now.to_string()),
                    ..LogRow::unmoved(user, EPOCH, now)
                },
                bytes,
            )),
        }
    }
    rows.into_iter().map(|(row, _)| row).collect()
}

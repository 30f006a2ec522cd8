//! The steps on what waits to be sent, on dead letters, and on what waits behind those: each row of the log from the
//! version it was written under.

use super::{United, steps};
use crate::engine::config::Config;
use crate::engine::epoch::fresh_id;
use crate::engine::error::Result;
use crate::engine::letters::{Letter, Waiting};
use crate::engine::outbox::{LogRow, LoggedChange, MATCHED};
use crate::engine::ports::Host;
use crate::engine::rows;
use crate::migrate::later;
use crate::model::{ID, OrderedSet, Stamp, Step, TableSync, steps_from};
use crate::store::{CHANGE_LOG, Row, Scan, Transaction};
use serde_json::{Map, Value, json};
use std::cmp::Ordering;

/// App, table on the wire, record and field of what had two names.
pub type Collisions = OrderedSet<(String, String, String, String)>;

/// Names the fields of a record as the log does.
pub fn named<R: Row>(sync: &TableSync, row: &R, fields: United) -> Collisions {
    let id = row.text(ID).unwrap_or_default();
    let named = |field| (sync.app.to_string(), sync.sync_name.to_string(), id.clone(), field);
    fields.into_iter().map(named).collect()
}

/// Brings everything that waits to the app's version.
pub async fn waiting<Tx: Transaction>(tx: &Tx, host: &impl Host, config: &Config, united: &Collisions) -> Result<()> {
    let migration = Migration { config, united };
    for row in tx.scan(CHANGE_LOG, &Scan::default(), &|_| true).await? {
        let Some(mut row) = LogRow::parse(&row).filter(|row| migration.concerns(row)) else { continue };
        migration.take(&mut row);
        row.changes.retain(says_something);
        if row.sent_at.is_some() {
            // An id stands for one content, and the server may have seen this one.
            row.changes.iter_mut().for_each(|change| change.set_event_id(fresh_id(host)));
        }
        row.put_or_remove(tx)?;
    }
    for (key, mut letter) in rows::read_all::<_, Letter>(tx, rows::LETTER).await? {
        letter.row.changes = vec![letter.change];
        let is_concerned = migration.concerns(&letter.row);
        migration.take(&mut letter.row);
        let Some(change) = letter.row.changes.pop().filter(|_| is_concerned) else { continue };
        rows::write(tx, rows::LETTER, &key, Letter { change, ..letter })?;
    }
    for (key, mut waiting) in rows::read_all::<_, Waiting>(tx, rows::WAITING).await? {
        if !migration.concerns(&waiting.row) {
            continue;
        }
        migration.take(&mut waiting.row);
        waiting.row.changes.retain(says_something);
        if waiting.row.changes.is_empty() {
            rows::remove(tx, rows::WAITING, &key)?;
        } else {
            rows::write(tx, rows::WAITING, &key, waiting)?;
        }
    }
    Ok(())
}

/// Whether there is anything in a change to be sent.
pub fn says_something(change: &LoggedChange) -> bool {
    change.op() != "update" || change.has_fields()
}

struct Migration<'a> {
    config: &'a Config,
    united: &'a Collisions,
}

impl Migration<'_> {
    /// Whether a step speaks of one of the row's changes.
    fn concerns(&self, row: &LogRow) -> bool {
        row.changes.iter().any(|change| {
            steps_from(steps(self.config, &row.app_id, change.table()), row.schema_version).next().is_some()
        })
    }

    /// Takes all steps with all changes of a row.
    fn take(&self, row: &mut LogRow) {
        let mut version = row.schema_version;
        for change in &mut row.changes {
            let table = self.config.local_table(&row.app_id, change.table());
            let Some(sync) = table.and_then(|(_, table)| table.sync.as_ref()) else { continue };
            version = version.max(sync.schema_version);
            for step in steps_from(&sync.migrations, row.schema_version) {
                take_step(change, row.at, step);
            }
            let record = (row.app_id.clone(), change.table().to_owned(), change.id().to_owned());
            for (app, table, id, field) in self.united {
                if (app, table, id) == (&record.0, &record.1, &record.2) {
                    change.forget_before(field);
                }
            }
        }
        row.schema_version = version;
    }
}

/// What a change keeps of a field, by the map it lies in.
type Parts = Vec<(String, Value)>;

/// Takes one step with a change of the log: in every map that goes by fields.
pub fn take_step(change: &mut LoggedChange, row_at: Stamp, step: &Step) {
    let mut lifted = Vec::new();
    for (from, to) in step.leaving() {
        let edit = edit_of(change, from.as_str(), row_at);
        let parts = lift(change, from.as_str());
        lifted.extend(to.map(|to| (to, edit, parts)));
    }
    for (to, edit, parts) in lifted {
        let there = edit_of(change, to.as_str(), row_at);
        if let (Some((at, value)), Some((there_at, there))) = (&edit, &there)
            && later((*at, value), (*there_at, there)) != Ordering::Greater
        {
            change.forget_before(to.as_str());
            continue;
        }
        let is_united = edit.is_some() && there.is_some();
        if is_united {
            drop(lift(change, to.as_str()));
        }
        put(change, to.as_str(), parts);
        if is_united {
            change.forget_before(to.as_str());
        }
    }
    let defaults = step.defaults.iter().filter(|_| change.op() == "insert").collect::<Vec<_>>();
    for (name, value) in defaults {
        if change.stamp_of(name.as_str(), row_at).is_none() {
            change.put_field(name.as_str(), json!({ "value": value, "at": Stamp::EPOCH }));
            // Another's insert, which came before this step, may stand for the same.
            change.note_other(MATCHED, name.as_str(), Stamp::EPOCH);
        }
    }
}

fn edit_of(change: &LoggedChange, field: &str, row_at: Stamp) -> Option<(Stamp, Value)> {
    Some((change.stamp_of(field, row_at)?, change.value_of(field).cloned().unwrap_or_default()))
}

fn lift(change: &mut LoggedChange, field: &str) -> Parts {
    let maps = LoggedChange::MAPS_BY_FIELD.into_iter();
    maps.filter_map(|map| Some((map.to_owned(), change.0.get_mut(map)?.as_object_mut()?.remove(field)?))).collect()
}

fn put(change: &mut LoggedChange, field: &str, parts: Parts) {
    for (map, part) in parts {
        let map = change.0.entry(map).or_insert_with(|| Value::Object(Map::new())).as_object_mut();
        map.map(|map| map.insert(field.to_owned(), part));
    }
}

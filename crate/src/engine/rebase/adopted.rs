//! The end of an adoption's full pull: every field newer than what came is logged under its own stamp, unless it was
//! said already.

use super::ending::{Ending, author_of, frame, is_ours, marked_fields};
use crate::engine::adopt::Letter;
use crate::engine::error::Result;
use crate::engine::outbox::KNOWN;
use crate::engine::ports::Host;
use crate::engine::restamp::moved_record;
use crate::engine::stamps::{origin_of, stamp_of};
use crate::engine::{Engine, Touched, epoch};
use crate::model::{AUTHOR_ID, FieldName, Op, OrderedMap, Origin, Scope, Stamp, TableSync, VISIBILITY};
use crate::store::{Key, Row, RowValue, Store, Transaction};
use serde_json::{Map, Value, json};

/// A field to be logged.
struct Unsaid {
    name: String,
    value: Value,
    /// As the record has it.
    stored: Stamp,
    /// As it is logged: a stamp in the future counts as now.
    at: Stamp,
    /// What came of it.
    came: Option<Stamp>,
}

impl<R: Row> Ending<R> {
    /// Logs what of a record neither came nor was said.
    pub(super) fn adopted<Tx: Transaction<Row = R>, S: Store, H: Host>(
        &mut self,
        tx: &Tx,
        table: &str,
        sync: &TableSync,
        id: &str,
        row: &R,
        engine: &Engine<S, H>,
    ) -> Result<()> {
        let came = self.came.get(&(table.to_owned(), id.to_owned())).cloned().unwrap_or_default();
        let name = (sync.app.to_string(), sync.sync_name.to_string(), id.to_owned());
        let held = self.held.get(&name);
        let inserted = came.inserted || held.is_some_and(|held| held.inserted);
        let mine = is_ours(row, &engine.config()) || row.text(AUTHOR_ID).is_none();
        let mut unsaid = Vec::new();
        for field in marked_fields(row) {
            let Some(stored) = stamp_of(row, &field) else { continue };
            let said = held.and_then(|held| held.fields.get(&field)).is_some_and(|at| *at >= stored);
            let known = came.fields.get(&field).copied();
            // Others' values are left to them; creators are named by inserts, and only they say who may see a record.
            let theirs = !mine && (is_replayed(row, &field) || field == VISIBILITY);
            let is_known = said || known.is_some_and(|at| at >= stored) || field == AUTHOR_ID && inserted;
            if is_known || theirs || self.came_open(sync, row, &field, engine) {
                continue;
            }
            match sendable(row, &field) {
                Ok(value) => {
                    unsaid.push(Unsaid { name: field, value, stored, at: stored.min(self.now), came: known });
                }
                Err(message) => self.letters.push(unsendable(sync, id, &field, stored, message, engine)),
            }
        }
        if unsaid.is_empty() {
            return Ok(());
        }
        if (!inserted && mine) || unsaid.iter().any(|field| field.name == VISIBILITY) {
            let known = came.inserted || !came.fields.is_empty();
            self.log_insert(sync, id, row, &unsaid, (inserted, known), engine);
        } else {
            self.log_updates(sync, id, row, &unsaid, engine);
        }
        self.bring_back(tx, table, id, row, &unsaid)
    }

    /// Stamps that lay in the future move in the record, too.
    fn bring_back<Tx: Transaction<Row = R>>(
        &mut self,
        tx: &Tx,
        table: &str,
        id: &str,
        row: &R,
        unsaid: &[Unsaid],
    ) -> Result<()> {
        let ahead = unsaid.iter().filter(|field| field.stored != field.at);
        let moves: Vec<_> = ahead.map(|field| (field.name.as_str(), field.stored, field.at)).collect();
        if !moves.is_empty() {
            let new = moved_record(row, &moves);
            tx.put(table, &new, None)?;
            let (table, key, old, new) = (table.to_owned(), Key::text(id), Some(row.clone()), Some(new));
            self.touched.push(Touched { table, key, old, new, fields: Vec::new() });
        }
        Ok(())
    }

    /// The record as an insert; the whole of it where its visibility is told anew, else what was not said. `known`: something
    /// of it came.
    fn log_insert<S: Store, H: Host>(
        &mut self,
        sync: &TableSync,
        id: &str,
        row: &R,
        unsaid: &[Unsaid],
        (whole, known): (bool, bool),
        engine: &Engine<S, H>,
    ) {
        let mut fields = Map::new();
        for name in marked_fields(row).into_iter().filter(|_| whole) {
            if let (Ok(value), Some(at)) = (sendable(row, &name), stamp_of(row, &name)) {
                fields.insert(name, json!({ "value": value, "at": at }));
            }
        }
        for field in unsaid {
            fields.insert(field.name.clone(), json!({ "value": field.value, "at": field.at }));
        }
        let newest = unsaid.iter().max_by_key(|field| field.at);
        let (at, author) = newest.map_or((Stamp::EPOCH, AUTHOR_ID), |field| (field.at, &field.name));
        let (origin, actor) = author_of(row, author);
        for name in [AUTHOR_ID, VISIBILITY].into_iter().filter(|_| sync.scope == Scope::Space) {
            // Filled in by adoption, without a stamp.
            if let Some(told) = row.text(name).filter(|_| stamp_of(row, name).is_none()) {
                fields.insert(name.to_owned(), json!({ "value": told, "at": at }));
            }
        }
        let mut change = frame(id, Op::Insert, &at.to_string(), row, engine, sync);
        change.0.insert("data".into(), json!({}));
        change.0.insert("fields".into(), fields.into());
        if known {
            change.0.insert(KNOWN.to_owned(), true.into());
        }
        self.relogged.push((sync.app.to_string(), sync.schema_version, actor, origin, change));
    }

    fn log_updates<S: Store, H: Host>(
        &mut self,
        sync: &TableSync,
        id: &str,
        row: &R,
        unsaid: &[Unsaid],
        engine: &Engine<S, H>,
    ) {
        let mut by_author: OrderedMap<(String, Origin), Said> = OrderedMap::new();
        for field in unsaid {
            let (origin, actor) = author_of(row, &field.name);
            let mut edit = json!({ "value": field.value, "at": field.at });
            match field.came {
                Some(prev) => edit["prev"] = json!(prev),
                None => edit["before"] = json!({ "value": null }),
            }
            let group = by_author.entry((actor.to_string(), origin)).or_insert((field.at, actor, Map::new()));
            group.0 = group.0.max(field.at);
            group.2.insert(field.name.clone(), edit);
        }
        for ((_, origin), (at, actor, fields)) in by_author {
            let mut change = frame(id, Op::Update, &at.to_string(), row, engine, sync);
            change.0.insert("fields".into(), fields.into());
            self.relogged.push((sync.app.to_string(), sync.schema_version, actor, origin, change));
        }
    }
}

/// The newest stamp, the author and the edits of one update.
type Said = (Stamp, Value, Map<String, Value>);

fn is_replayed<R: Row>(row: &R, field: &str) -> bool {
    origin_of(row, field).as_deref() == Some(Origin::ServerReplay.as_str())
}

fn sendable<R: Row>(row: &R, field: &str) -> std::result::Result<Value, String> {
    FieldName::parse(field).map_err(|malformed| malformed.to_string())?;
    let Some(value) = row.get(field) else { return Ok(Value::Null) };
    let json = value.travelling(field).and_then(|value| value.to_json());
    json.map_err(|malformed| malformed.to_string())
}

fn unsendable<S: Store, H: Host>(
    sync: &TableSync,
    id: &str,
    field: &str,
    at: Stamp,
    message: String,
    engine: &Engine<S, H>,
) -> Letter {
    Letter::of_field(sync, id, &[(field.to_owned(), at)], message, &epoch::fresh_id(&engine.host))
}

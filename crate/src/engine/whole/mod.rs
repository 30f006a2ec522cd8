//! Changes that say a whole record anew: for other readers ([`visibility`]), or in another space ([`moving`]).
//!
//! They are the only ones that turn sealed values into plaintext, because a person asked for exactly that. Stamps of
//! such a change follow those the record had, so edits made elsewhere meanwhile win over it as they would have anyway.

mod follow;
mod moving;
mod visibility;

pub(super) use follow::note_moved;

use super::apply::{Merged, merge_into};
use super::config::Table;
use super::epoch::{self, Epoch};
use super::error::{Error, Kind, Result};
use super::outbox::{Before, LogRow, LoggedChange};
use super::ports::Host;
use super::prepare::{MAX_VALUE_BYTES, is_deleted, too_large};
use super::sealing::{is_envelope_text, is_row_sealed};
use super::shadow::{Stands, Verdict};
use super::stamps::{FieldMeta, Mark, json_of, mark_parts, stamp_of};
use super::write::Written;
use super::{Engine, GUEST, Touched, shadow, vault};
use crate::model::{
    Actor, Change, Edit, EventId, FIELD_META, FieldName, ID, Op, OrderedMap, OrderedSet, Origin, RecordId, SPACE_ID,
    Scope, SpaceId, Stamp, TableSync, UPDATED_AT, USER_ID, VISIBILITY, Visibility, is_hidden, json_bytes,
};
use crate::protocol::limits::MAX_CHANGE_BYTES;
use crate::store::{CHANGE_LOG, Key, Row, RowValue, Store, Transaction};
use serde_json::{Value, json};
use std::rc::Rc;

/// A field of a record in plaintext.
struct Plain {
    name: FieldName,
    value: Value,
    at: Stamp,
    /// It was sealed.
    sealed: bool,
}

/// How a table with spaces syncs.
fn of_spaces(table: &Table) -> Result<&TableSync> {
    table.sync.as_ref().filter(|sync| sync.scope == Scope::Space).ok_or_else(|| {
        let name = &table.spec.name;
        let message = format!("{name} has no records of spaces: name a table that syncs, of scope 'space'");
        Error::new(Kind::InvalidArgument, message).with(json!({ "table": name }))
    })
}

fn not_found(table: &str, id: &str) -> Error {
    let message = format!("{table} has no record {id} that the user may see; nothing was written");
    Error::new(Kind::NotFound, message).with(json!({ "table": table, "id": id }))
}

/// The fields of a record that travel, with those that were taken away and those nothing is known of.
fn travelling_fields<R: Row>(row: &R) -> OrderedSet<String> {
    let meta = row.get(FIELD_META).and_then(|meta| meta.as_row()).map(|meta| meta.names()).unwrap_or_default();
    let fixed = |name: &String| is_hidden(name) || matches!(name.as_str(), ID | SPACE_ID | USER_ID | UPDATED_AT);
    row.names().into_iter().chain(meta).chain([VISIBILITY.to_owned()]).filter(|name| !fixed(name)).collect()
}

impl<S: Store, H: Host> Engine<S, H> {
    /// What a record says, opened. Fails where a value of one that is sealed does not open: nobody can say it anew. In a
    /// shared record such a text is a text.
    fn plain_fields(&self, sync: &TableSync, id: &str, row: &S::Row) -> Result<Vec<Plain>> {
        let (opens, is_kept) = (is_row_sealed(&self.config(), sync, row), self.is_kept_sealed(sync, row));
        let mut fields = Vec::new();
        for name in travelling_fields(row) {
            if let Some(value) = row.get(&name) {
                // What does not travel would be taken for nothing, and lost.
                value.travelling(&name)?;
            }
            let (value, at) = (json_of(row, &name), stamp_of(row, &name).unwrap_or(Stamp::EPOCH));
            let seals = opens && sync.sealed.contains(&name);
            let stands = if seals { self.stands(sync, row, id, &name) } else { None };
            let opened = match stands {
                Some(Stands::Before(before)) => Some(Some(before)),
                Some(Stands::Unknown) => Some(None),
                Some(Stands::Stored) | None => {
                    let text = value.as_str().filter(|_| seals && is_envelope_text(&value));
                    text.map(|text| self.open_text(sync, id, &name, at, text))
                }
            };
            let (value, sealed) = match opened {
                Some(None) if is_kept => return Err(self.unopened(id, &name)),
                Some(Some(opened)) => (opened, true),
                Some(None) | None => (value, false),
            };
            if let Ok(name) = FieldName::parse(name) {
                fields.push(Plain { name, value, at, sealed });
            }
        }
        Ok(fields)
    }

    /// Whether what a field of a sealed record says is nobody's, so that it is not sealed as the user's anywhere else: it
    /// stays where it is.
    fn is_foreign(&self, sync: &TableSync, row: &S::Row, (id, field): (&str, &str)) -> bool {
        let is_bad = || matches!(self.judge(sync, row, (id, field), None), Verdict::Bad(_));
        self.stands(sync, row, id, field).is_none() && is_bad()
    }

    fn unopened(&self, id: &str, field: &str) -> Error {
        if self.is_locked() {
            return vault::locked();
        }
        let message = format!(
            "{field} of the record is sealed and does not open with the key that is here: write it anew, or unlock the \
             vault with the key that sealed it; nothing was written"
        );
        Error::new(Kind::DecryptFailed, message).with(json!({ "field": field, "id": id }))
    }

    /// The value as the record `id` holds it under `at`, where its registered fields are sealed.
    fn resealed(&self, sync: &TableSync, id: &str, plain: &Plain, at: Stamp) -> Result<Value> {
        let name = plain.name.as_str();
        if !sync.sealed.contains(name) || (plain.value.is_null() && !plain.sealed) {
            return Ok(plain.value.clone());
        }
        let sealed = self.seal_value(sync, id, name, at, &plain.value)?;
        if sealed.len() > MAX_VALUE_BYTES { Err(too_large(name)) } else { Ok(sealed.into()) }
    }

    /// The insert that says a whole record.
    fn whole_insert(
        &self,
        sync: &TableSync,
        id: RecordId,
        fields: OrderedMap<FieldName, Edit>,
        (space, visibility): (Option<&str>, Visibility),
    ) -> Result<Change> {
        Ok(Change {
            event_id: self.fresh_event()?,
            app: sync.app.clone(),
            schema_version: sync.schema_version,
            table: sync.sync_name.clone(),
            id,
            op: Op::Insert,
            at: fields.values().map(|edit| edit.at).max().unwrap_or(Stamp::EPOCH),
            fields,
            space_id: space.and_then(|space| SpaceId::parse(self.config().wire_space(space)).ok()),
            visibility,
            actor: None,
            origin: Origin::User,
            group: None,
            user_id: None,
        })
    }

    fn fresh_event(&self) -> Result<EventId> {
        EventId::parse(epoch::fresh_id(&self.host)).map_err(Error::from)
    }

    /// Merges a change of this device's own into a record. Fields keep the hands that wrote them, as `from` has them.
    fn merged(&self, table: &str, row: Option<S::Row>, change: &Change, from: &S::Row) -> Result<S::Row> {
        let Merged::Record(Some(mut row)) = merge_into(row, table, change, &self.config()) else {
            return Err(Error::new(
                Kind::ImmutableField,
                format!("another record has the id {} already; nothing was written", change.id),
            )
            .with(json!({ "table": table, "id": change.id })));
        };
        let is_taken = |(name, edit): &(&FieldName, &Edit)| stamp_of(&row, name.as_str()) == Some(edit.at);
        let taken: Vec<&str> = change.fields.iter().filter(is_taken).map(|(name, _)| name.as_str()).collect();
        shadow::clear(&mut row, taken);
        let mut meta = FieldMeta::of(Some(&row));
        let mut marks: OrderedMap<Stamp, Mark<<S::Row as Row>::Value>> = OrderedMap::new();
        for (name, edit) in &change.fields {
            let name = name.as_str();
            if let (Some(at), Some((actor, origin))) = (stamp_of(&row, name), mark_parts(from, name))
                && at == edit.at
            {
                meta.mark(name, marks.entry(at).or_insert_with(|| Mark::new(at, &actor, origin)));
            }
        }
        meta.write(&mut row);
        Ok(row)
    }

    /// Stores the records, logs the changes as one row, and ends the transaction. `from`: the record whose stamps those
    /// of a change's fields follow.
    async fn log_whole(
        self: &Rc<Self>,
        tx: S::Tx,
        epoch: &Epoch,
        changes: Vec<(Change, Option<&str>)>,
        touched: Vec<Touched<S::Row>>,
    ) -> Result<Written> {
        for (name, row) in touched.iter().filter_map(|one| Some((&one.table, one.new.as_ref()?))) {
            tx.put(name, row, None)?;
        }
        let is_guest = self.config().user_id() == GUEST;
        let changes = if is_guest { Vec::new() } else { changes };
        let logged = changes.len();
        check_size(&changes)?;
        let row = self.row_of(epoch, &changes).map(|row| with_befores(row, &touched));
        let rows: Vec<S::Row> = row.and_then(|row| row.unkeyed()).into_iter().collect();
        let keys = tx.commit_with(CHANGE_LOG, &rows).await?;
        let ticket = keys.last().and_then(|key| if let Key::Number(seq) = key { Some(*seq) } else { None });
        let keys = touched.iter().map(|one| one.key.clone()).collect();
        self.committed(&touched, Origin::User, logged);
        Ok(Written { keys, count: touched.len(), created: 0, ticket })
    }

    fn row_of(&self, epoch: &Epoch, changes: &[(Change, Option<&str>)]) -> Option<LogRow> {
        let config = self.config();
        let (first, at) = (changes.first()?, changes.iter().map(|(change, _)| change.at).max()?);
        let (app_id, schema_version) = (first.0.app.to_string(), first.0.schema_version);
        let name = config.user.as_ref().and_then(|user| user.display_name.clone());
        let logged = changes.iter().filter_map(|(change, from)| {
            let Value::Object(map) = change.to_json() else { return None };
            let mut logged = LoggedChange(map);
            if let Some(from) = from {
                logged.follow(from, change.at);
            }
            logged.fold_prev();
            Some(logged)
        });
        Some(LogRow {
            app_id,
            schema_version,
            actor: Actor::user(config.user_id(), name.as_deref()).to_json(),
            clock_offset: epoch.offset.unwrap_or(0),
            changes: logged.collect(),
            ..LogRow::unmoved(config.user_id(), &epoch.epoch, at)
        })
    }
}

/// Keeps with each change what the fields of its record were, for when it is discarded.
fn with_befores<R: Row>(mut row: LogRow, touched: &[Touched<R>]) -> LogRow {
    let frame = LogRow { changes: Vec::new(), ..row.clone() };
    for change in &mut row.changes {
        let old = touched.iter().find(|one| one.key == Key::text(change.id())).and_then(|one| one.old.as_ref());
        for stamp in change.stamps(&frame) {
            let was = old.and_then(|old| Some((old, stamp_of(old, &stamp.field)?)));
            let before = was.map_or(Before::Nothing, |(old, at)| {
                let shadow = shadow::stored(old, &stamp.field).and_then(|kept| kept.to_json().ok());
                Before::Was { value: json_of(old, &stamp.field), at, shadow }
            });
            if before != change.before_of(&stamp.field) {
                change.set_before(&stamp.field, &before);
            }
        }
    }
    row
}

/// Refuses what could not be sent: a record is said whole, in one request.
fn check_size(changes: &[(Change, Option<&str>)]) -> Result<()> {
    let bytes: usize = changes.iter().map(|(change, _)| json_bytes(&change.to_json())).sum();
    if bytes <= MAX_CHANGE_BYTES {
        return Ok(());
    }
    let message = format!(
        "the record has {bytes} bytes, more than the {MAX_CHANGE_BYTES} that can be said at once: make it smaller first; \
         nothing was written"
    );
    Err(Error::new(Kind::ValueNotSyncable, message))
}

/// A record as it is when nobody deleted it, and the user may see it.
fn live<R: Row>(row: Option<R>) -> Option<R> {
    row.filter(|row| !is_deleted(row))
}

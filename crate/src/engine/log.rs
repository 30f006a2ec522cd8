//! The change log: what a transaction did, in the same transaction as the records.
//!
//! One row per transaction and app (split at 200 changes or 256 KB), with what all its changes share standing once:
//! `{ seq, userId, appId, schemaVersion, clockEpoch, clockOffset, at, actor, origin, changes: […], sentAt? }`. A change in it:
//! `{ eventId, table, id, op, at?, data | fields, spaceId?, visibility, group? }`, `fields` = `{ [f]: { value, at, prev?,
//! before? } }`, in an insert only those that replaced a tombstone's. Table and space are named as on the wire; values are as stored; `before` never leaves the device.

use crate::model::{
    AppId, DELETED_AT, EventId, Op, OrderedMap, Origin, Stamp, TableName, TableSync, Visibility, text_bytes,
};
use crate::protocol::limits::{MAX_LOG_ROW_BYTES, MAX_LOG_ROW_CHANGES};
use crate::store::{Row, RowValue};

/// The changes of a transaction that has not ended, in order, found by their records.
pub struct Journal<R: Row> {
    changes: Vec<Logged<R>>,
    places: OrderedMap<String, Vec<usize>>,
}

impl<R: Row> Default for Journal<R> {
    fn default() -> Self {
        Self { changes: Vec::new(), places: OrderedMap::new() }
    }
}

impl<R: Row> Journal<R> {
    /// How many changes there are.
    pub fn len(&self) -> usize {
        self.changes.len()
    }

    /// Adds a change.
    pub fn push(&mut self, change: Logged<R>) {
        self.places.entry(change.id.clone()).or_default().push(self.changes.len());
        self.changes.push(change);
    }

    /// Whether one of the changes wrote that field of that record.
    pub fn wrote(&self, sync: &TableSync, id: &str, field: &str) -> bool {
        self.places.get(id).into_iter().flatten().any(|place| self.changes[*place].wrote(sync, id, field))
    }

    /// The last change of a record.
    pub fn last_of(&mut self, sync: &TableSync, id: &str) -> Option<&mut Logged<R>> {
        let places = self.places.get(id)?;
        let place = places.iter().rev().find(|place| self.changes[**place].is_of(sync, id))?;
        self.changes.get_mut(*place)
    }

    /// All changes, to be logged.
    pub fn take(&mut self) -> Vec<Logged<R>> {
        self.places.clear();
        std::mem::take(&mut self.changes)
    }
}

/// The most bytes of a change besides its texts and values.
const CHANGE_BYTES: usize = 320;
/// The most bytes of an edited field, or of one that replaced a tombstone's, besides name and values.
const EDIT_BYTES: usize = 160;

/// One edited field of an update.
pub struct LoggedEdit<V> {
    /// The field.
    pub name: String,
    /// The value as stored; `null` for a removed field.
    pub value: V,
    /// The stamp it replaced.
    pub prev: Option<Stamp>,
    /// The value it replaced.
    pub before: V,
    /// What stood in the shadow of that.
    pub shadow: Option<V>,
    /// The most bytes it takes as JSON.
    pub bytes: usize,
}

impl<V: RowValue> LoggedEdit<V> {
    /// What is set to a value, over what is stored. `bytes`: the most that the value takes.
    pub fn new(name: String, value: V, bytes: usize, prev: Option<Stamp>, (before, shadow): (V, Option<V>)) -> Self {
        let kept = before.weight() + shadow.as_ref().map_or(0, RowValue::weight);
        let bytes = EDIT_BYTES + text_bytes(&name) + bytes + kept;
        Self { name, value, prev, before, shadow, bytes }
    }
}

/// What a logged change carries.
pub enum Payload<R: Row> {
    /// All fields of an insert.
    Insert {
        /// The values.
        data: R,
        /// Over a tombstone: the stamps and values it replaced, by field.
        replaced: Vec<(String, Stamp, R::Value)>,
        /// The most bytes they take as JSON.
        bytes: usize,
    },
    /// The edited fields of an update.
    Update(Vec<LoggedEdit<R::Value>>),
    /// A delete; the stamp of the `deletedAt` it replaced.
    Delete(Option<Stamp>),
}

/// A change waiting for its transaction to end.
pub struct Logged<R: Row> {
    /// The change's id.
    pub event_id: EventId,
    /// The app.
    pub app: AppId,
    /// The version of the app's data.
    pub schema_version: u32,
    /// The table's name on the wire.
    pub table: TableName,
    /// The record.
    pub id: String,
    /// When.
    pub at: Stamp,
    /// What.
    pub payload: Payload<R>,
    /// The record's space as the wire names it.
    pub space: Option<String>,
    /// Who may see the record.
    pub visibility: Visibility,
    /// The most bytes it takes as JSON.
    pub bytes: usize,
}

impl<R: Row> Payload<R> {
    fn bytes(&self) -> usize {
        match self {
            Self::Insert { bytes, replaced, .. } => {
                let kept = replaced.iter().map(|(name, _, before)| EDIT_BYTES + text_bytes(name) + before.weight());
                bytes + kept.sum::<usize>()
            }
            Self::Update(edits) => edits.iter().map(|edit| edit.bytes).sum(),
            Self::Delete(_) => 0,
        }
    }
}

impl<R: Row> Logged<R> {
    /// Finds out how many bytes the change takes.
    #[must_use]
    pub fn weighed(mut self) -> Self {
        let space = self.space.as_deref().map_or(0, text_bytes);
        let texts = text_bytes(self.table.as_str()) + text_bytes(&self.id) + text_bytes(self.visibility.as_str());
        self.bytes = CHANGE_BYTES + space + texts + self.payload.bytes();
        self
    }

    /// Whether this is a change of that record.
    pub fn is_of(&self, sync: &TableSync, id: &str) -> bool {
        self.id == id && self.app == sync.app && self.table == sync.sync_name
    }

    /// Whether this change wrote that field of that record.
    pub fn wrote(&self, sync: &TableSync, id: &str, field: &str) -> bool {
        self.is_of(sync, id)
            && match &self.payload {
                Payload::Insert { data, .. } => data.get(field).is_some(),
                Payload::Update(edits) => edits.iter().any(|edit| edit.name == field),
                Payload::Delete(_) => field == DELETED_AT,
            }
    }

    /// Whether a later update in the same transaction, with that stamp, may join this change.
    pub fn takes_updates(&self, at: Stamp) -> bool {
        self.at == at && !matches!(self.payload, Payload::Delete(_))
    }

    /// Takes up a later edit of the same transaction; of a field edited twice the first `prev` and `before` stay.
    pub fn join(&mut self, edit: LoggedEdit<R::Value>) {
        self.bytes += edit.bytes;
        match &mut self.payload {
            Payload::Insert { data, .. } => data.set(&edit.name, edit.value),
            Payload::Update(edits) => match edits.iter_mut().find(|earlier| earlier.name == edit.name) {
                Some(earlier) => earlier.value = edit.value,
                None => edits.push(edit),
            },
            Payload::Delete(_) => {}
        }
    }

    fn op(&self) -> Op {
        match self.payload {
            Payload::Insert { .. } => Op::Insert,
            Payload::Update(_) => Op::Update,
            Payload::Delete(_) => Op::Delete,
        }
    }

    fn into_row(self, shared_at: Stamp) -> R {
        let mut row = R::empty();
        row.set_text("eventId", self.event_id.as_str());
        row.set_word("table", self.table.as_str());
        row.set_text("id", &self.id);
        row.set_word("op", self.op().as_str());
        if self.at != shared_at {
            row.set_text("at", &self.at.to_string());
        }
        if let Some(space) = &self.space {
            row.set_word("spaceId", space);
        }
        row.set_word("visibility", self.visibility.as_str());
        match self.payload {
            Payload::Insert { data, replaced, .. } => set_insert(&mut row, data, replaced, self.at),
            Payload::Update(edits) => row.set("fields", fields_value(edits, self.at)),
            Payload::Delete(prev) => {
                row.set_text("deletedAt", &self.at.to_string());
                if let Some(prev) = prev {
                    row.set_text("prev", &prev.to_string());
                }
            }
        }
        row
    }
}

/// Fields that replaced nothing are `data`; the others say what they replaced, so that their stamps stay above it.
fn set_insert<R: Row>(row: &mut R, mut data: R, replaced: Vec<(String, Stamp, R::Value)>, at: Stamp) {
    let mut fields = R::empty();
    for (name, prev, before) in replaced {
        let mut field = R::empty();
        field.set("value", data.get(&name).unwrap_or_else(R::Value::null));
        field.set_text("at", &at.to_string());
        field.set_text("prev", &prev.to_string());
        field.set("before", before_value(before, None, Some(prev)));
        data.remove(&name);
        fields.set(&name, field.into_value());
    }
    row.set("data", data.into_value());
    if !fields.names().is_empty() {
        row.set("fields", fields.into_value());
    }
}

fn fields_value<V: RowValue>(edits: Vec<LoggedEdit<V>>, at: Stamp) -> V {
    let mut fields = V::Row::empty();
    for edit in edits {
        let mut field = V::Row::empty();
        field.set("value", edit.value);
        field.set_text("at", &at.to_string());
        if let Some(prev) = edit.prev {
            field.set_text("prev", &prev.to_string());
        }
        field.set("before", before_value(edit.before, edit.shadow, edit.prev));
        fields.set(&edit.name, field.into_value());
    }
    fields.into_value()
}

fn before_value<V: RowValue>(value: V, shadow: Option<V>, at: Option<Stamp>) -> V {
    let mut before = V::Row::empty();
    before.set("value", value);
    if let Some(shadow) = shadow {
        before.set("shadow", shadow);
    }
    if let Some(at) = at {
        before.set_text("at", &at.to_string());
    }
    before.into_value()
}

/// Who wrote, and under which clock.
pub struct Author<'a, V> {
    /// The signed-in user's id.
    pub user_id: &'a str,
    /// The actor as a value.
    pub actor: &'a V,
    /// The actor's origin.
    pub origin: Origin,
    /// The clock's epoch.
    pub epoch: &'a str,
    /// The offset that is part of the stamps, in milliseconds.
    pub offset: i64,
}

/// The rows of one transaction's changes, to be put in the transaction that puts the records.
pub fn rows<R: Row>(author: &Author<'_, R::Value>, changes: Vec<Logged<R>>) -> Vec<R> {
    let rows = chunks(changes).into_iter();
    rows.map(|(app, schema_version, chunk)| log_row(author, &app, schema_version, chunk)).collect()
}

fn log_row<R: Row>(author: &Author<'_, R::Value>, app: &AppId, schema_version: u32, changes: Vec<Logged<R>>) -> R {
    let at = changes.first().map_or(Stamp::EPOCH, |change| change.at);
    let mut row = R::empty();
    row.set_text("userId", author.user_id);
    row.set_text("appId", app.as_str());
    row.set("schemaVersion", R::Value::number(f64::from(schema_version)));
    row.set_text("clockEpoch", author.epoch);
    #[expect(clippy::cast_precision_loss, reason = "offsets stay far below 2^53 ms")]
    row.set("clockOffset", R::Value::number(author.offset as f64));
    row.set_text("at", &at.to_string());
    row.set("actor", author.actor.clone());
    row.set_text("origin", author.origin.as_str());
    let changes = changes.into_iter().map(|change| change.into_row(at).into_value()).collect();
    row.set("changes", R::Value::list(changes));
    row
}

type Chunk<R> = (AppId, u32, Vec<Logged<R>>);

/// Splits by app and at the limits of a row, keeping the order within an app.
fn chunks<R: Row>(changes: Vec<Logged<R>>) -> Vec<Chunk<R>> {
    let mut chunks: Vec<(Chunk<R>, usize)> = Vec::new();
    for change in changes {
        let fits = |(chunk, bytes): &(Chunk<R>, usize)| {
            chunk.0 == change.app
                && chunk.1 == change.schema_version
                && chunk.2.len() < MAX_LOG_ROW_CHANGES
                && bytes + change.bytes <= MAX_LOG_ROW_BYTES
        };
        let newest = chunks.iter_mut().rev().find(|(chunk, _)| chunk.0 == change.app);
        match newest {
            Some(chunk) if fits(chunk) => {
                chunk.1 += change.bytes;
                chunk.0.2.push(change);
            }
            _ => {
                let bytes = change.bytes;
                chunks.push(((change.app.clone(), change.schema_version, vec![change]), bytes));
            }
        }
    }
    chunks.into_iter().map(|(chunk, _)| chunk).collect()
}

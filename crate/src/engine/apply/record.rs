//! Merging one change into one record.

use super::super::Touched;
use super::super::config::Config;
use super::super::error::Result;
use super::super::events::{Conflict, Side};
use super::super::guests::{is_guests, set_aside};
use super::super::prepare::is_purged;
use super::super::sealing::{is_row_sealed, mark_own};
use super::super::stamps::{FieldMeta, Mark, StoredRecord, actor_of, json_of, origin_of, stamp_of};
use crate::merge::{Outcome, merge};
use crate::model::{
    AUTHOR_ID, Change, DELETED_AT, Edit, FIELD_META, FieldName, ID, OWN, Op, OrderedMap, OrderedSet, Origin, SPACE_ID,
    Stamp, USER_ID, VISIBILITY, is_hidden,
};
use crate::store::{Key, Row, RowValue, Transaction};
use std::cmp::Ordering;

/// A record while a page is applied to it.
pub struct Work<R> {
    original: Option<R>,
    row: Option<R>,
    /// What a guest left under the id, which the user's record takes the place of.
    guests: Option<R>,
    changed: bool,
    /// The fields that were merged into it.
    fields: OrderedSet<String>,
}

/// What a change did to its record.
pub enum Effect {
    /// It was merged.
    Done,
    /// It made the record.
    Created,
    /// The record's insert has not come.
    Park,
    /// It belongs to another space than the record; where it has the stronger claim, what it displaced.
    OtherSpace(Option<Box<Change>>),
}

/// An incoming value of a field that this device has written.
#[derive(Debug, Clone, PartialEq)]
pub struct Other {
    /// The table's name on the wire.
    pub table: String,
    /// The record.
    pub id: String,
    /// The field.
    pub field: String,
    /// The value and when it was written.
    pub edit: Edit,
}

/// What a page's merges add up to.
#[derive(Default)]
pub struct Tally {
    /// Incoming values that lost to values of this device.
    pub lost: Vec<Other>,
    /// Incoming values that took the place of this device's under the same stamp, or are the same.
    pub matched: Vec<Other>,
    /// Conflicts that are certain.
    pub conflicts: Vec<Conflict>,
    /// Conflicts only if the local value was never sent, with the table's name on the wire.
    pub suspects: Vec<(String, Conflict)>,
    /// What was merged into records that a unique index may refuse.
    pub taken: OrderedMap<(String, String), Vec<Change>>,
}

impl Tally {
    /// Notes what came of a field that this device wrote at `at`.
    fn came<R: Row>(&mut self, row: &R, change: &Change, (name, edit): (&FieldName, &Edit), at: Stamp, taken: bool) {
        let same = || crate::model::same_json(&json_of(row, name.as_str()), &edit.value);
        let list = match edit.at.cmp(&at) {
            // The first to insert is the author: their stamp goes down with the insert's.
            _ if name.as_str() == AUTHOR_ID && taken => return,
            _ if name.as_str() == AUTHOR_ID => &mut self.lost,
            Ordering::Equal if taken || same() => &mut self.matched,
            Ordering::Equal | Ordering::Less if !taken => &mut self.lost,
            _ => return,
        };
        let (table, id) = (change.table.to_string(), change.id.to_string());
        list.push(Other { table, id, field: name.to_string(), edit: edit.clone() });
    }
}

impl<R: Row> Work<R> {
    /// A record as stored, or none.
    pub fn new(row: Option<R>) -> Self {
        Self { original: row.clone(), row, guests: None, changed: false, fields: OrderedSet::new() }
    }

    /// The same for a user who signed in: of what a guest left under the id they have nothing yet.
    pub fn of_user(row: Option<R>) -> Self {
        let (guests, row) = if row.as_ref().is_some_and(is_guests) { (row, None) } else { (None, row) };
        Self { guests, ..Self::new(row) }
    }

    /// Puts the record if it changed.
    pub fn store<Tx: Transaction<Row = R>>(self, tx: &Tx, table: String, id: String) -> Result<Option<Touched<R>>> {
        if !self.changed || self.row.is_none() && self.guests.is_some() {
            return Ok(None);
        }
        if let Some(guests) = &self.guests {
            set_aside(tx, &table, &id, guests)?;
        }
        match &self.row {
            Some(row) => tx.put(&table, row, None)?,
            None => tx.delete(&table, &Key::text(&id))?,
        }
        let fields = self.fields.into_iter().collect();
        Ok(Some(Touched { table, key: Key::Text(id), old: self.original, new: self.row, fields }))
    }

    /// The record as it is now.
    pub fn row(&self) -> Option<&R> {
        self.row.as_ref()
    }

    /// The record as it will be stored, where it changed and stays.
    pub fn changed_row(&self) -> Option<&R> {
        self.row.as_ref().filter(|_| self.changed)
    }

    /// What was stored, and the record as it will be, where it changed and stays.
    pub fn change(&mut self) -> Option<(Option<&R>, &mut R)> {
        self.row.as_mut().filter(|_| self.changed).map(|row| (self.original.as_ref(), row))
    }

    fn replace(&mut self, row: Option<R>) {
        self.row = row;
        self.changed = true;
    }
}

/// Merges `change` into the record. One that was the user's alone before, or is now, stays so. What somebody else made
/// and hid for a while was never the user's.
pub fn apply<R: Row>(work: &mut Work<R>, table: &str, change: &Change, config: &Config, tally: &mut Tally) -> Effect {
    let sync = config.tables.get(table).and_then(|table| table.sync.as_ref()).filter(|sync| !sync.sealed.is_empty());
    let Some(sync) = sync else { return merge_in(work, table, change, config, tally) };
    let is_others = |row: &R| row.text(AUTHOR_ID).is_some_and(|author| author != config.user_id());
    let is_own =
        |work: &Work<R>| work.row.as_ref().is_some_and(|row| is_row_sealed(config, sync, row) && !is_others(row));
    let was_own = is_own(work);
    let effect = merge_in(work, table, change, config, tally);
    if work.changed
        && (was_own || is_own(work))
        && let Some(row) = work.row.as_mut().filter(|row| row.get(OWN).is_none())
    {
        *row = row.shallow_copy();
        mark_own(row);
    }
    effect
}

fn merge_in<R: Row>(work: &mut Work<R>, table: &str, change: &Change, config: &Config, tally: &mut Tally) -> Effect {
    let outcome = {
        let view = work.row.as_ref().map(|row| StoredRecord::new(row, |space| config.wire_space(space)));
        merge(change, view.as_ref())
    };
    match outcome {
        Outcome::Create => {
            work.replace(Some(from_change(change, config)));
            Effect::Created
        }
        Outcome::Park => Effect::Park,
        Outcome::Remove => {
            // A record is withdrawn from others than its author: from whose devices nobody takes it.
            let is_mine = |row: &R| row.text(AUTHOR_ID).as_deref() == Some(config.user_id()) || row.get(OWN).is_some();
            if !work.row.as_ref().is_some_and(is_mine) {
                work.replace(None);
            }
            Effect::Done
        }
        Outcome::SpaceMismatch => other_space(work, change, config),
        Outcome::Take(fields) => {
            if let Some(row) = work.row.take() {
                note_losses(&row, table, change, &fields, tally);
                let (row, changed) = take(row, change, &fields);
                work.row = Some(row);
                work.changed |= changed;
                work.fields.extend(fields.iter().map(ToString::to_string));
            }
            Effect::Done
        }
    }
}

/// What merging one change into one record comes to.
#[derive(Debug, Clone, PartialEq)]
pub enum Merged<R> {
    /// The record as it is now; `None` when it has left.
    Record(Option<R>),
    /// The record's insert has not come: the change is parked until it does.
    Parked,
    /// The change belongs to another space than the record.
    OtherSpace,
}

/// Merges a change into a record exactly as applying a page does, without store, log or clock. Pure, so that tests can
/// try every order.
pub fn merge_into<R: Row>(row: Option<R>, table: &str, change: &Change, config: &Config) -> Merged<R> {
    let mut work = Work::new(row);
    match apply(&mut work, table, change, config, &mut Tally::default()) {
        Effect::Done | Effect::Created => Merged::Record(work.row),
        Effect::Park => Merged::Parked,
        Effect::OtherSpace(_) => Merged::OtherSpace,
    }
}

/// A new record with all fields of an insert.
pub fn from_change<R: Row>(change: &Change, config: &Config) -> R {
    let mut row = R::empty();
    row.set_text(ID, change.id.as_str());
    match &change.space_id {
        Some(space) => row.set_text(SPACE_ID, &config.stored_space(space.as_str())),
        None => row.set_text(USER_ID, config.user_id()),
    }
    let fixed = |name: &FieldName| matches!(name.as_str(), ID | SPACE_ID | USER_ID);
    let fields: Vec<FieldName> = change.fields.keys().filter(|name| !fixed(name)).cloned().collect();
    take(row, change, &fields).0
}

fn take<R: Row>(row: R, change: &Change, fields: &[FieldName]) -> (R, bool) {
    if fields.is_empty() {
        return (row, false);
    }
    let mut meta = FieldMeta::of(Some(&row));
    // What was purged from this device stays away: it learns how new the values are, not what they are.
    let purged = is_purged(&row);
    let mut row = row.shallow_copy();
    // Fields written together share one mark, which structured clone then stores once.
    let mut marks: OrderedMap<Stamp, Mark<R::Value>> = OrderedMap::new();
    for name in fields {
        let Some(edit) = change.fields.get(name) else { continue };
        let mark = marks.entry(edit.at).or_insert_with(|| Mark::replayed(edit.at, change.actor.as_ref()));
        if !purged || matches!(name.as_str(), AUTHOR_ID | VISIBILITY | DELETED_AT) {
            row.set(name.as_str(), R::Value::from_json(&edit.value));
        }
        meta.mark(name.as_str(), mark);
    }
    meta.write(&mut row);
    (row, true)
}

fn note_losses<R: Row>(row: &R, table: &str, change: &Change, taken: &[FieldName], tally: &mut Tally) {
    for (name, edit) in &change.fields {
        let field = name.as_str();
        let Some(origin) = origin_of(row, field) else { continue };
        let (Some(at), Some(actor)) = (stamp_of(row, field), actor_of(row, field)) else { continue };
        let is_taken = taken.contains(name);
        // Also of what once came from the server: a record that was moved says it anew.
        tally.came(row, change, (name, edit), at, is_taken);
        if !is_taken {
            continue;
        }
        let local = json_of(row, field);
        let unseen = edit.prev.is_none_or(|prev| prev < at);
        if origin != Origin::User.as_str() || !unseen || crate::model::same_json(&local, &edit.value) {
            continue;
        }
        let incoming_actor = change.actor.as_ref().map(crate::model::Actor::to_json).unwrap_or_default();
        let conflict = Conflict {
            table: table.to_owned(),
            id: change.id.to_string(),
            field: field.to_owned(),
            local: Side { value: local, sealed: None, at: at.to_string(), actor },
            incoming: Side { value: edit.value.clone(), sealed: None, at: edit.at.to_string(), actor: incoming_actor },
        };
        match edit.prev {
            Some(_) => tally.conflicts.push(conflict),
            None => tally.suspects.push((change.table.to_string(), conflict)),
        }
    }
}

/// The user's own scope beats a shared one; of two shared claims the space with the smaller id is shown.
fn other_space<R: Row>(work: &mut Work<R>, change: &Change, config: &Config) -> Effect {
    let Some(row) = &work.row else { return Effect::OtherSpace(None) };
    let own = config.personal_alias();
    let strength = |space: Option<String>| match space {
        Some(space) if space != own => (1, space),
        _ => (0, String::new()),
    };
    let stored = strength(row.text(SPACE_ID).map(|space| config.wire_space(&space)));
    let incoming = strength(change.space_id.as_ref().map(ToString::to_string));
    if change.op != Op::Insert || incoming >= stored {
        return Effect::OtherSpace(None);
    }
    let displaced = insert_of(row, change, config);
    work.replace(Some(from_change(change, config)));
    Effect::OtherSpace(Some(Box::new(displaced)))
}

/// An insert that says everything a stored record says, each field with its own stamp. Names, ids and schema version
/// are `like`'s.
pub fn insert_of<R: Row>(row: &R, like: &Change, config: &Config) -> Change {
    let mut fields = OrderedMap::new();
    let meta_names = row.get(FIELD_META).and_then(|meta| meta.as_row()).map(|meta| meta.names()).unwrap_or_default();
    for name in meta_names.iter().filter(|name| !is_hidden(name)) {
        let value = row.get(name).and_then(|value| value.to_json().ok()).unwrap_or_default();
        if let (Ok(field), Some(at)) = (FieldName::parse(name.as_str()), stamp_of(row, name)) {
            fields.insert(field, Edit { value, at, prev: None });
        }
    }
    let at = fields.values().map(|edit| edit.at).max().unwrap_or(Stamp::EPOCH);
    let space = row.text(SPACE_ID).and_then(|space| crate::model::SpaceId::parse(config.wire_space(&space)).ok());
    let visibility = row.text(VISIBILITY).map(Into::into).unwrap_or_default();
    Change { op: Op::Insert, at, fields, space_id: space, visibility, group: None, user_id: None, ..like.clone() }
}

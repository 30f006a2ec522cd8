//! Moving a record to another space: one group, an insert there under an id that follows from both, and the deletion here.

use super::{live, not_found, of_spaces};
use crate::engine::epoch::{self, Epoch};
use crate::engine::error::{Error, Kind, Result};
use crate::engine::ports::Host;
use crate::engine::prepare::{is_deleted, newest_stamp};
use crate::engine::read::Sight;
use crate::engine::sealing::{is_row_sealed, is_sealed, visibility_of};
use crate::engine::stamps::{FieldMeta, Mark, stamp_of};
use crate::engine::write::Written;
use crate::engine::{Engine, Touched};
use crate::model::{
    AUTHOR_ID, Actor, Change, DELETED_AT, Edit, FieldName, MOVED_TO, Op, OrderedMap, Origin, RecordId, SHARE_PROOF,
    SPACE_ID, SpaceId, Stamp, TableSync, VISIBILITY, Visibility,
};
use crate::store::{CHANGE_LOG, ENGINE, Key, Mode, Row, RowValue, Store, Transaction};
use serde_json::{Value, json};
use std::rc::Rc;

/// Where a record goes: its new id, the space as records keep it, and what is there.
struct Target<R> {
    id: RecordId,
    space: String,
    row: Option<R>,
    visibility: Visibility,
}

impl<R: Row> Target<R> {
    /// What is there is deleted: the record is made anew over it.
    fn is_over_tombstone(&self) -> bool {
        self.row.as_ref().is_some_and(is_deleted)
    }
}

impl<S: Store, H: Host> Engine<S, H> {
    /// Moves a record to another space the user may write to; the first of the keys is its id there, the same each time.
    /// Its fields are sealed there, or plaintext, as the space says.
    pub async fn move_to_space(self: &Rc<Self>, table: &str, id: &str, space: &SpaceId) -> Result<Written> {
        let info = self.config().table(table)?;
        let sync = of_spaces(&info)?;
        let record = RecordId::parse(id)?;
        let space = self.config().stored_space(space.as_str());
        self.config().check_writable_space(&space)?;
        let new_id = record.in_space(&self.config().wire_space(&space));
        let tx = self.store.begin(Mode::Write, &[table, CHANGE_LOG, ENGINE])?;
        let epoch = epoch::current(&tx, &self.host, &self.watch);
        let keys = [Key::text(id), Key::text(new_id.as_str())];
        let (epoch, rows) = futures_util::future::join(epoch, tx.get_many(table, &keys)).await;
        let mut rows = rows?.into_iter();
        let (stored, there) = (rows.next().flatten(), rows.next().flatten());
        let sight = Sight::by_id(&self.config(), &info);
        let is_moved = stored.as_ref().is_some_and(|row| row.text(MOVED_TO).as_deref() == Some(new_id.as_str()))
            || there.as_ref().is_some_and(|row| sight.sees(row));
        let done = |id: &RecordId| Ok(Written { keys: vec![Key::text(id.as_str())], ..Written::default() });
        let Some(stored) = live(stored).filter(|row| sight.sees(row)) else {
            return if is_moved { done(&new_id) } else { Err(not_found(table, id)) };
        };
        let from = stored.text(SPACE_ID).unwrap_or_else(|| self.config().personal_alias());
        self.config().check_writable_space(&from)?;
        if self.config().wire_space(&from) == self.config().wire_space(&space) {
            return done(&record);
        }
        if is_row_sealed(&self.config(), sync, &stored) {
            self.vault.check_sealing()?;
        }
        let visibility = self.believed_visibility(sync, live(there.clone()).as_ref().unwrap_or(&stored));
        // Whoever put a record there that all can read does not have a private one read by all.
        if self.believed_visibility(sync, &stored) == Visibility::Private && visibility == Visibility::Space {
            return Err(taken(table, new_id.as_str()));
        }
        let target = Target { id: new_id, space, row: there, visibility };
        self.move_row(tx, (table, sync), &epoch?, &record, stored, target).await
    }

    async fn move_row(
        self: &Rc<Self>,
        tx: S::Tx,
        (table, sync): (&str, &TableSync),
        epoch: &Epoch,
        id: &RecordId,
        stored: S::Row,
        target: Target<S::Row>,
    ) -> Result<Written> {
        let over = target.row.as_ref().filter(|row| is_deleted(*row)).and_then(newest_stamp);
        let seen = [stamp_of(&stored, DELETED_AT), stamp_of(&stored, MOVED_TO), over].into_iter().flatten().max();
        let at = self.clock.borrow_mut().tick(Some(epoch), self.host.now_ms(), seen);
        let insert = self.insert_there(sync, id, &stored, &target, at)?;
        let delete = self.delete_here(&insert, id, &stored, at)?;
        let there = self.merged(table, target.row.clone(), &insert, &stored)?;
        let here = self.tombstone(&stored, target.id.as_str(), at);
        let touched = |id: &RecordId, old: Option<S::Row>, new: S::Row| {
            let (table, key) = (table.to_owned(), Key::text(id.as_str()));
            Touched { table, key, old, new: Some(new), fields: Vec::new() }
        };
        let follows = if target.is_over_tombstone() { None } else { Some(id.as_str()) };
        let touched = vec![touched(&target.id, target.row, there), touched(id, Some(stored), here)];
        self.log_whole(tx, epoch, vec![(insert, follows), (delete, None)], touched).await
    }

    fn insert_there(
        &self,
        sync: &TableSync,
        id: &RecordId,
        stored: &S::Row,
        target: &Target<S::Row>,
        now: Stamp,
    ) -> Result<Change> {
        let config = self.config().clone();
        let is = is_sealed(&config, sync, Some(&target.space), target.visibility)
            || target.row.as_ref().is_some_and(|row| !is_deleted(row) && self.is_kept_sealed(sync, row));
        if is || is_row_sealed(&config, sync, stored) {
            self.vault.check_sealing()?;
        }
        let mut fields = OrderedMap::new();
        for mut plain in self.plain_fields(sync, id.as_str(), stored)? {
            let name = plain.name.as_str();
            if is && sync.sealed.contains(name) && self.is_foreign(sync, stored, (id.as_str(), name)) {
                continue;
            }
            match name {
                MOVED_TO | SHARE_PROOF => continue,
                VISIBILITY => plain.value = target.visibility.as_str().into(),
                AUTHOR_ID => plain.value = config.user_id().into(),
                _ => {}
            }
            let over = target.row.as_ref().filter(|row| is_deleted(*row));
            let (at, prev) = over.map_or((plain.at, None), |row| (now, stamp_of(row, name)));
            let value = if is { self.resealed(sync, target.id.as_str(), &plain, at)? } else { plain.value };
            fields.insert(plain.name, Edit { value, at, prev });
        }
        if target.is_over_tombstone() {
            take_away(&mut fields, target.row.as_ref(), now);
        } else if target.row.is_some() {
            // Who sees what is there already is not said again.
            fields.retain(|name, _| !matches!(name.as_str(), VISIBILITY | AUTHOR_ID));
        }
        let group = Some(epoch::fresh_id(&self.host));
        let insert = self.whole_insert(sync, target.id.clone(), fields, (Some(&target.space), target.visibility))?;
        Ok(Change { group, ..insert })
    }

    /// The deletion of the record where it was, in the group of its insert.
    fn delete_here(&self, insert: &Change, id: &RecordId, stored: &S::Row, at: Stamp) -> Result<Change> {
        let config = self.config();
        let space = stored.text(SPACE_ID).and_then(|space| SpaceId::parse(config.wire_space(&space)).ok());
        let mut fields = OrderedMap::new();
        for (name, value) in [(DELETED_AT, Value::from(at)), (MOVED_TO, insert.id.as_str().into())] {
            fields.insert(FieldName::parse(name)?, Edit { value, at, prev: stamp_of(stored, name) });
        }
        Ok(Change {
            event_id: self.fresh_event()?,
            id: id.clone(),
            op: Op::Delete,
            at,
            fields,
            space_id: space,
            visibility: visibility_of(stored),
            ..insert.clone()
        })
    }

    fn tombstone(&self, stored: &S::Row, moved_to: &str, at: Stamp) -> S::Row {
        let config = self.config();
        let name = config.user.as_ref().and_then(|user| user.display_name.clone());
        let actor = Actor::user(config.user_id(), name.as_deref()).to_json();
        let mark = Mark::new(at, &RowValue::from_json(&actor), Origin::User);
        let mut row = stored.shallow_copy();
        let mut meta = FieldMeta::of(Some(&row));
        row.set_text(DELETED_AT, &at.to_string());
        row.set_text(MOVED_TO, moved_to);
        for field in [DELETED_AT, MOVED_TO] {
            meta.mark(field, &mark);
        }
        meta.write(&mut row);
        row
    }
}

fn taken(table: &str, id: &str) -> Error {
    let message = format!(
        "the record is private, and the space has the record {id} in its place, which others see: make that one private \
         first, or add the record there under another id; nothing was written"
    );
    Error::new(Kind::AlreadyExists, message).with(json!({ "table": table, "id": id }))
}

/// A record made anew over a tombstone has nothing of what was there before.
fn take_away<R: Row>(fields: &mut OrderedMap<FieldName, Edit>, tombstone: Option<&R>, at: Stamp) {
    let Some(tombstone) = tombstone else { return };
    for name in super::travelling_fields(tombstone) {
        let prev = stamp_of(tombstone, &name);
        if let Ok(name) = FieldName::parse(name)
            && fields.get(&name).is_none()
        {
            fields.insert(name, Edit { value: Value::Null, at, prev });
        }
    }
}

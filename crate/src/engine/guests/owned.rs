//! A guest's record as the user's: in their own space, sealed by its rule, under the stamps it has.

use super::Engine;
use crate::engine::GUEST;
use crate::engine::config::Config;
use crate::engine::error::{Error, Kind, Result};
use crate::engine::outbox::LoggedChange;
use crate::engine::ports::Host;
use crate::engine::prepare::{fits_sealed, too_large};
use crate::engine::rebase::{Relogged, author_of, frame, marked_fields};
use crate::engine::sealing::{is_row_sealed, mark_own};
use crate::engine::stamps::{FieldMeta, Mark, actor_of, json_of, origin_of, stamp_of};
use crate::model::{
    AUTHOR_ID, Actor, Op, OrderedMap, Origin, SPACE_ID, Scope, Stamp, TableSync, UPDATED_AT_INDEX, USER_ID,
};
use crate::protocol::limits::MAX_CHANGE_BYTES;
use crate::store::{Row, RowValue, Store};
use serde_json::{Map, Value, json};

/// A record that is the user's from now on.
pub struct Owned<R> {
    /// The record.
    pub row: R,
    /// The insert that says it.
    pub change: Relogged,
}

/// Whether the app made a record by itself, as each device does that begins, and no hand touched it since.
pub fn is_untouched<R: Row>(row: &R) -> bool {
    let by_itself = |field: &String| {
        let origin = origin_of(row, field);
        origin.is_some_and(|origin| origin == Origin::System.as_str() || origin == Origin::Migration.as_str())
    };
    let fields = marked_fields(row);
    !fields.is_empty() && fields.iter().all(by_itself)
}

impl<S: Store, H: Host> Engine<S, H> {
    /// The record as the user's. A stamp in the future counts as `now`: a guest's clock was compared with nobody's.
    pub(super) fn owned(&self, sync: &TableSync, id: &str, row: &S::Row, now: Stamp) -> Result<Owned<S::Row>> {
        let mut owned = row.shallow_copy();
        self.name_owner(sync, &mut owned);
        let is_sealed = is_row_sealed(&self.config(), sync, &owned);
        let (mut edits, mut newest) = (Map::new(), None);
        for field in marked_fields(row) {
            let Some(at) = stamp_of(row, &field).map(|at| at.min(now)) else { continue };
            if is_sealed && sync.sealed.contains(&field) {
                self.seal_field(sync, id, &mut owned, &field, at)?;
            }
            edits.insert(field.clone(), json!({ "value": json_of(&owned, &field), "at": at }));
            newest = newest.max(Some((at, field)));
        }
        remark(row, &mut owned, now, &self.config());
        if is_sealed {
            mark_own(&mut owned);
        }
        let (at, field) = newest.unwrap_or((Stamp::EPOCH, AUTHOR_ID.to_owned()));
        let mut change = frame(id, Op::Insert, &at.to_string(), &owned, self, sync);
        change.0.insert("data".into(), json!({}));
        change.0.insert("fields".into(), edits.into());
        check_size(&change)?;
        let (origin, actor) = author_of(&owned, &field);
        Ok(Owned { row: owned, change: (sync.app.to_string(), sync.schema_version, actor, origin, change) })
    }

    /// A guest is a member of no space, so what they wrote goes to the user's own.
    fn name_owner(&self, sync: &TableSync, row: &mut S::Row) {
        let config = self.config();
        match sync.scope {
            Scope::User => row.set_text(USER_ID, config.user_id()),
            Scope::Space => {
                row.set_text(SPACE_ID, &config.stored_space(&config.personal_alias()));
                row.set_text(AUTHOR_ID, config.user_id());
            }
        }
    }

    fn seal_field(&self, sync: &TableSync, id: &str, row: &mut S::Row, field: &str, at: Stamp) -> Result<()> {
        let Some(value) = row.get(field).filter(|value| !value.is_null()) else { return Ok(()) };
        if !fits_sealed(value.weight()) {
            return Err(too_large(field));
        }
        let text = self.seal_value(sync, id, field, at, &value.to_json()?)?;
        row.set_text(field, &text);
        Ok(())
    }
}

/// Gives the record the marks of a guest's, with the user in the guest's place.
fn remark<R: Row>(guests: &R, owned: &mut R, now: Stamp, config: &Config) {
    let name = config.user.as_ref().and_then(|user| user.display_name.as_deref());
    let user = Actor::user(config.user_id(), name).to_json();
    owned.remove(UPDATED_AT_INDEX);
    let mut meta = FieldMeta::of(None::<&R>);
    let mut marks: OrderedMap<(Stamp, String, &'static str), Mark<R::Value>> = OrderedMap::new();
    for field in marked_fields(guests) {
        let Some(at) = stamp_of(guests, &field).map(|at| at.min(now)) else { continue };
        let actor = actor_of(guests, &field).filter(|actor| actor["principalId"] != GUEST && actor.is_object());
        let actor: Value = actor.unwrap_or_else(|| user.clone());
        let origin = origin_of(guests, &field).and_then(|origin| Origin::of(&origin)).unwrap_or(Origin::User);
        let mark = marks
            .entry((at, actor.to_string(), origin.as_str()))
            .or_insert_with(|| Mark::new(at, &R::Value::from_json(&actor), origin));
        meta.mark(&field, mark);
    }
    meta.write(owned);
}

fn check_size(change: &LoggedChange) -> Result<()> {
    if change.bytes() <= MAX_CHANGE_BYTES {
        return Ok(());
    }
    let message =
        format!("the record has more than the {MAX_CHANGE_BYTES} bytes that can be said at once: make it smaller");
    Err(Error::new(Kind::ValueNotSyncable, message))
}

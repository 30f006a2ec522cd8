//! What a write will do to a record, decided before anything is stamped or put.

use super::synced::NewRecord;
use super::{Value, Writer};
use crate::engine::error::{Error, Kind, Result};
use crate::engine::guests::is_anothers;
use crate::engine::ports::Host;
use crate::engine::prepare::{Field, check_seals, differences, newest_stamp};
use crate::engine::read::is_private;
use crate::engine::stamps::stamp_of;
use crate::model::{
    AUTHOR_ID, DELETED_AT, OrderedSet, SPACE_ID, Scope, Stamp, TableSync, USER_ID, VISIBILITY, Visibility, text_bytes,
};
use crate::store::{Row, RowValue, Store};
use serde_json::json;

/// The table written to.
pub(super) struct Target<'a> {
    /// Its local name.
    pub(super) name: &'a str,
    /// How it syncs.
    pub(super) sync: &'a TableSync,
}

/// The two ways of a tombstone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Flip {
    Delete,
    Restore,
}

/// What happens to a record.
pub(super) enum Act<R: Row> {
    /// `bytes`: the most that the data takes as JSON.
    Insert {
        data: R,
        space: Option<String>,
        bytes: usize,
    },
    Edit(Vec<Field<R::Value>>),
    Flip(Flip),
}

/// A record, what is stored of it, and what happens to it.
pub(super) struct Plan<R: Row> {
    pub(super) id: String,
    pub(super) stored: Option<R>,
    pub(super) act: Act<R>,
}

impl<R: Row> Plan<R> {
    /// The greatest stamp this write replaces. Values this same transaction wrote (`is_own`, by field) are not "replaced"
    /// by an update: it joins the change that wrote them. A delete, restore or new insert is a change of its own, so they
    /// count. Their stamp alone does not tell: another tab, or this one before it was opened anew, may have used it.
    pub(super) fn seen(&self, is_own: impl Fn(&str) -> bool) -> Option<Stamp> {
        let stored = self.stored.as_ref()?;
        match &self.act {
            Act::Insert { .. } => newest_stamp(stored),
            Act::Edit(edits) => {
                edits.iter().filter(|edit| !is_own(&edit.name)).filter_map(|edit| stamp_of(stored, &edit.name)).max()
            }
            Act::Flip(_) => stamp_of(stored, DELETED_AT),
        }
    }
}

impl<S: Store, H: Host> Writer<S, H> {
    pub(super) fn plan_insert(
        &self,
        target: &Target<'_>,
        record: NewRecord<Value<S>>,
        tombstone: Option<S::Row>,
    ) -> Result<Plan<S::Row>> {
        check_seals(tombstone.as_ref(), &OrderedSet::new(), &record.fields)?;
        let mut data = S::Row::empty();
        let mut space = None;
        let mut bytes = record.fields.iter().map(|field| text_bytes(&field.name) + 2 + field.bytes).sum();
        for field in record.fields {
            match (field.name.as_str(), field.value) {
                (SPACE_ID, Some(value)) => space = value.as_text(),
                (USER_ID | DELETED_AT, _) | (_, None) => {}
                // Says nothing; servers take a word only.
                (VISIBILITY, Some(value)) if value.is_null() => {}
                (_, Some(value)) => data.set(&field.name, value),
            }
        }
        if let Some(tombstone) = &tombstone {
            self.check_access(tombstone)?;
        }
        let config = self.engine.config();
        let stored_space = tombstone.as_ref().and_then(|row| row.text(SPACE_ID));
        if target.sync.scope == Scope::Space {
            let wanted = space.map_or_else(|| config.home_space(), |space| config.stored_space(&space));
            let space = stored_space.unwrap_or_else(|| wanted.clone());
            let is_own = |row: &&S::Row| !config.is_own_space(&space) && self.engine.is_kept_sealed(target.sync, row);
            // What was the user's alone stays so, whatever others say of it since, unless the app says otherwise.
            let private = tombstone.as_ref().filter(is_own).map(|_| Visibility::Private.as_str().to_owned());
            let before = private.or_else(|| tombstone.as_ref().and_then(|row| row.text(VISIBILITY)));
            let visibility = data.text(VISIBILITY).or(before).map(Visibility::from).unwrap_or_default();
            // Whoever made and deleted the record before does not decide who sees this one.
            let is_shared = !config.is_own_space(&space) && visibility == Visibility::Space;
            if is_shared && config.is_own_space(&wanted) {
                return Err(of_another_space(&record.id, &space));
            }
            config.check_writable_space(&space)?;
            let author = tombstone.as_ref().and_then(|row| row.text(AUTHOR_ID));
            bytes += self.set_author(&mut data, author)?;
            data.set_word(VISIBILITY, visibility.as_str());
            data.set(DELETED_AT, Value::<S>::null());
            return Ok(Plan { id: record.id, stored: tombstone, act: Act::Insert { data, space: Some(space), bytes } });
        }
        data.set(DELETED_AT, Value::<S>::null());
        Ok(Plan { id: record.id, stored: tombstone, act: Act::Insert { data, space: None, bytes } })
    }

    /// Gives the bytes that the author takes.
    fn set_author(&self, data: &mut S::Row, known: Option<String>) -> Result<usize> {
        let config = self.engine.config();
        let author = known.unwrap_or_else(|| config.user_id().to_owned());
        match data.text(AUTHOR_ID) {
            Some(given) if given != author => Err(Error::new(
                Kind::ImmutableField,
                "authorId is the user who creates the record: leave it out; nothing was written",
            )
            .with(json!({ "field": AUTHOR_ID }))),
            _ => {
                data.set_word(AUTHOR_ID, &author);
                Ok(AUTHOR_ID.len() + 4 + text_bytes(&author))
            }
        }
    }

    pub(super) fn plan_edits(
        &self,
        target: &Target<'_>,
        id: String,
        (stored, shown): (S::Row, &S::Row),
        fields: Vec<Field<Value<S>>>,
        whole: bool,
    ) -> Result<Plan<S::Row>> {
        check_seals(Some(&stored), &target.sync.sealed, &fields)?;
        // Compared with what the app sees: a value that was sealed is the same when what is in it is.
        let edits = differences(shown, fields, whole, &self.engine.config())?;
        if !edits.is_empty() {
            self.check_access(&stored)?;
        }
        Ok(Plan { id, stored: Some(stored), act: Act::Edit(edits) })
    }

    /// Refuses records of spaces the user may not write to, of other users of this database (a guest is one), and private
    /// ones of other members.
    pub(super) fn check_access(&self, row: &S::Row) -> Result<()> {
        let config = self.engine.config();
        // In a record of a space the field is the app's own; what is private there is its author's.
        let space = row.text(SPACE_ID);
        let owner = match &space {
            None => row.text(USER_ID),
            Some(_) => row.text(AUTHOR_ID).filter(|_| is_private(row)),
        };
        if is_anothers(&config, row) {
            let message = "the record is a guest's until it is taken over: call adoptGuestData; nothing was written";
            return Err(Error::new(Kind::OtherUser, message));
        }
        if let Some(owner) = owner.filter(|owner| owner != config.user_id()) {
            let message = format!("the record belongs to {owner}, who is not signed in now; nothing was written");
            return Err(Error::new(Kind::OtherUser, message));
        }
        space.map_or(Ok(()), |space| config.check_writable_space(&space))
    }
}

fn of_another_space(id: &str, space: &str) -> Error {
    let message = format!(
        "a deleted record of the space {space} had the id {id}, and this one belongs to the user alone: take another id; \
         nothing was written"
    );
    Error::new(Kind::ImmutableField, message).with(json!({ "field": SPACE_ID }))
}

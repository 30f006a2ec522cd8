//! Writing the rows of an archive: as edits of when they were written, so that what was written later stands.

use super::plan::{Act, Plan, Target};
use super::synced::NewRecord;
use super::{Open, Value, Writer, ended, rounds};
use crate::engine::Engine;
use crate::engine::adopt;
use crate::engine::error::{Error, Kind, Result};
use crate::engine::ports::Host;
use crate::engine::prepare::{Field, is_deleted, is_purged, record_fields};
use crate::engine::stamps::stamp_of;
use crate::model::{AUTHOR_ID, DELETED_AT, Origin, RecordId, SPACE_ID, Scope, Stamp, USER_ID, VISIBILITY};
use crate::store::{Key, Mode, Row, RowValue, Store};
use std::rc::Rc;

/// A row of an archive.
pub struct Restored<R> {
    /// Its id there.
    pub id: String,
    /// Its fields.
    pub row: R,
    /// The space that it goes to, as stored; `None`: the table's records belong to users.
    pub space: Option<String>,
    /// When it was written, as far as the archive says; never after now.
    pub at: Option<Stamp>,
}

/// What became of one.
#[derive(Debug)]
pub enum Fate {
    /// There was none.
    New,
    /// Some of its fields were taken.
    Changed,
    /// None was.
    Unchanged,
    /// It was deleted later.
    Deleted,
    /// It cannot be taken.
    Refused(Error),
}

/// A row, its place among those given, the id that it gets, and what is stored under that.
struct Placed<R: Row> {
    position: usize,
    row: Restored<R>,
    id: String,
    stored: Option<R>,
}

/// What becomes of a row, and the plan of it where something does.
type Decision<R> = (Fate, Option<Plan<R>>);

/// Of one row: its place, its id in the archive, its id here, and what became of it.
pub type Account = (usize, String, String, Fate);

impl<S: Store, H: Host> Writer<S, H> {
    /// A transaction that writes rows of an archive into a table.
    pub fn begin_import(engine: &Rc<Engine<S, H>>, table: &str) -> Result<Self> {
        let writer = Self::begin_in(engine, Mode::Durable, &[table], None)?;
        // What an archive says was said before: nobody is told that it lost to something.
        Ok(Self { origin: Origin::Migration, ..writer })
    }

    /// Writes the rows, each under its own time, or `anew`, under the present one. `only_tell`: nothing is written.
    pub async fn restore(
        &self,
        name: &str,
        rows: Vec<(usize, Restored<S::Row>)>,
        anew: bool,
        only_tell: bool,
    ) -> Result<Vec<Account>> {
        let table = self.engine.config().table(name)?;
        let mut turn = self.enter("import").await?;
        let open = turn.open.as_mut().ok_or_else(|| ended("import"))?;
        let Some(sync) = &table.sync else { return Ok(Vec::new()) };
        let target = Target { name, sync };
        let mut accounts = Vec::new();
        for round in rounds(rows, |(_, row)| Some(Key::text(&row.id))) {
            for placed in self.placed(open, &target, round).await? {
                let (position, was, id) = (placed.position, placed.row.id.clone(), placed.id.clone());
                let at = self.time_of(open, &placed.row, anew);
                let fate = match self.decide(&target, placed, at) {
                    Ok((fate, plan)) => {
                        if let Some(plan) = plan.filter(|_| !only_tell) {
                            open.count += self.carry_out_at(open, &target, vec![plan], at)?;
                        }
                        fate
                    }
                    // Without a key none of them can be written.
                    Err(error) if error.kind() == Kind::VaultLocked => return Err(error),
                    Err(error) => Fate::Refused(error),
                };
                accounts.push((position, was, id, fate));
            }
            open.result()?;
        }
        if !anew {
            self.unmoved.set(true);
        }
        Ok(accounts)
    }

    /// Finds what is stored of each row. One whose id another space has, or somebody else, goes by the id that a record has that
    /// was moved there.
    async fn placed(
        &self,
        open: &mut Open<S>,
        target: &Target<'_>,
        rows: Vec<(usize, Restored<S::Row>)>,
    ) -> Result<Vec<Placed<S::Row>>> {
        let config = self.engine.config().clone();
        let other_id = |row: &Restored<S::Row>| {
            let space = row.space.as_ref().map(|space| config.wire_space(space));
            let space = space.unwrap_or_else(|| config.personal_alias());
            RecordId::parse(row.id.as_str()).ok().map(|id| id.in_space(&space).to_string())
        };
        let others: Vec<String> = rows.iter().map(|(_, row)| other_id(row).unwrap_or_default()).collect();
        let keys: Vec<Key> = rows.iter().map(|(_, row)| &row.id).chain(&others).map(|id| Key::text(id)).collect();
        let mut stored = self.stored(open, target.name, &keys).await?;
        let elsewhere = stored.split_off(rows.len());
        let fits = |row: &Restored<S::Row>, stored: &S::Row| {
            let there = stored.text(SPACE_ID).map(|space| config.wire_space(&space));
            let wanted = row.space.as_ref().map(|space| config.wire_space(space));
            target.sync.scope == Scope::User && self.check_access(stored).is_ok()
                || target.sync.scope == Scope::Space
                    && there.unwrap_or_else(|| config.personal_alias()) == wanted.unwrap_or_default()
                    && !crate::engine::guests::is_anothers(&config, stored)
        };
        let all = rows.into_iter().zip(stored).zip(others.into_iter().zip(elsewhere));
        Ok(all
            .map(|(((position, row), stored), (other, elsewhere))| {
                let is_taken = stored.as_ref().is_some_and(|stored| !fits(&row, stored));
                let (id, stored) = if is_taken { (other, elsewhere) } else { (row.id.clone(), stored) };
                Placed { position, row, id, stored }
            })
            .collect())
    }

    /// What becomes of a row, and how.
    fn decide(&self, target: &Target<'_>, placed: Placed<S::Row>, at: Option<Stamp>) -> Result<Decision<S::Row>> {
        let Placed { row, id, stored, .. } = placed;
        let fields = self.fields_of(&row, stored.is_none())?;
        let is_anew = at.is_none();
        let (purged, stored) =
            if is_anew && stored.as_ref().is_some_and(is_purged) { (stored, None) } else { (None, stored) };
        let Some(stored) = stored else {
            return Ok((Fate::New, Some(self.plan_new(target, (id, row.space), fields, purged)?)));
        };
        let is_later = |field: &str| at.is_some_and(|at| stamp_of(&stored, field) >= Some(at));
        let was_deleted = is_deleted(&stored);
        if is_purged(&stored) || was_deleted && is_later(DELETED_AT) {
            return Ok((Fate::Deleted, None));
        }
        self.check_access(&stored)?;
        let shown = self.engine.opened(target.name, target.sync, stored.clone());
        let mut plan = self.plan_edits(target, id, (stored.clone(), &shown), fields, false)?;
        let Act::Edit(edits) = &mut plan.act else { return Ok((Fate::Unchanged, None)) };
        edits.retain(|edit| !is_later(&edit.name));
        if was_deleted {
            edits.push(Field { name: DELETED_AT.to_owned(), value: Some(Value::<S>::null()), bytes: 4 });
        }
        Ok(if edits.is_empty() { (Fate::Unchanged, None) } else { (Fate::Changed, Some(plan)) })
    }

    /// Never after now; `None`: now.
    fn time_of(&self, open: &Open<S>, row: &Restored<S::Row>, anew: bool) -> Option<Stamp> {
        let now = open.epoch.as_ref().map(|epoch| Stamp::at_ms(epoch.now_ms(self.engine.host.now_ms())));
        row.at.into_iter().chain(now).min().filter(|_| !anew)
    }

    /// What it says of itself, without whose it is, which is the user's now. Only a record that is new in a shared space keeps its
    /// visibility: an archive shows nobody anything.
    fn fields_of(&self, row: &Restored<S::Row>, is_new: bool) -> Result<Vec<Field<Value<S>>>> {
        let is_shared = row.space.as_ref().is_some_and(|space| !self.engine.config().is_own_space(space));
        let mut fields = record_fields(&row.row)?;
        fields.retain(|field| match field.name.as_str() {
            VISIBILITY => is_new && is_shared,
            SPACE_ID | AUTHOR_ID | USER_ID | DELETED_AT => false,
            _ => true,
        });
        Ok(fields)
    }

    fn plan_new(
        &self,
        target: &Target<'_>,
        (id, space): (String, Option<String>),
        mut fields: Vec<Field<Value<S>>>,
        tombstone: Option<S::Row>,
    ) -> Result<Plan<S::Row>> {
        RecordId::parse(id.as_str())?;
        if let Some(space) = space {
            fields.push(Field { name: SPACE_ID.to_owned(), value: Some(Value::<S>::text(&space)), bytes: 0 });
        }
        self.plan_insert(target, NewRecord { id, fields }, tombstone)
    }
}

/// The epoch of what an archive says: no clock of this device's moves it.
pub(super) const EPOCH: &str = adopt::EPOCH;

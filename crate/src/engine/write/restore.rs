//! Writing the rows of an archive: as edits of when they were written, so that what was written later stands.

use super::plan::{Act, Plan, Target};
use super::seal::check_sealed_size;
use super::synced::NewRecord;
use super::{Open, Value, Writer, ended, rounds};
use crate::engine::Engine;
use crate::engine::adopt;
use crate::engine::error::{Error, Kind, Result};
use crate::engine::ports::Host;
use crate::engine::prepare::{Field, is_deleted, is_purged, record_fields};
use crate::engine::stamps::stamp_of;
use crate::model::{
    AUTHOR_ID, DELETED_AT, OrderedMap, OrderedSet, Origin, RecordId, SPACE_ID, Scope, Stamp, USER_ID, VISIBILITY,
};
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
    /// Whether it was of another space there.
    pub moves: bool,
    /// Whether somebody else made it.
    pub is_anothers: bool,
    /// When it was written, as far as the archive says.
    pub at: Option<Stamp>,
    /// When fields of it were written that were not written then.
    pub stamps: OrderedMap<String, Stamp>,
    /// Fields that nobody wrote: every edit of them wins.
    pub defaults: OrderedSet<String>,
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

/// Fields that were written at one time; `None`: now.
type Group<V> = (Option<Stamp>, Vec<Field<V>>);

/// What becomes of a row, and what is taken of it, oldest first.
type Decision<V> = (Fate, Vec<Group<V>>);

/// How rows are written.
#[derive(Clone, Copy)]
pub struct Manner {
    /// Under the present time, over everything; else each under its own.
    pub anew: bool,
    /// Nothing is written.
    pub only_tell: bool,
}

/// Of one row: its place, its id in the archive, its id here, and what became of it.
pub type Account = (usize, String, String, Fate);

impl<S: Store, H: Host> Writer<S, H> {
    /// A transaction that writes rows of an archive into a table.
    pub fn begin_import(engine: &Rc<Engine<S, H>>, table: &str) -> Result<Self> {
        let writer = Self::begin_in(engine, Mode::Durable, &[table], None)?;
        // What an archive says was said before: nobody is told that it lost to something. A guest's records are theirs to take over
        // when they sign in, which those that no hand made are not.
        let origin = if engine.config().user.is_some() { Origin::Migration } else { Origin::User };
        Ok(Self { origin, ..writer })
    }

    /// Writes the rows.
    pub async fn restore(
        &self,
        name: &str,
        rows: Vec<(usize, Restored<S::Row>)>,
        manner: Manner,
    ) -> Result<Vec<Account>> {
        let table = self.engine.config().table(name)?;
        let mut turn = self.enter("import").await?;
        let open = turn.open.as_mut().ok_or_else(|| ended("import"))?;
        let Some(sync) = &table.sync else { return Ok(Vec::new()) };
        let target = Target { name, sync };
        let mut accounts = Vec::new();
        let mut waiting = rounds(rows, |(_, row)| Some(Key::text(&row.id)));
        waiting.reverse();
        while let Some(round) = waiting.pop() {
            let (mut ids, mut again) = (OrderedSet::new(), Vec::new());
            for placed in self.placed(open, &target, round).await? {
                // What came to the id of another one is compared with what became of that.
                if ids.insert(placed.id.clone()) {
                    accounts.push(self.restore_one(open, &target, placed, manner)?);
                } else {
                    again.push((placed.position, placed.row));
                }
            }
            if !again.is_empty() {
                waiting.push(again);
            }
            open.result()?;
        }
        self.unmoved.set(!manner.anew);
        Ok(accounts)
    }

    fn restore_one(
        &self,
        open: &mut Open<S>,
        target: &Target<'_>,
        placed: Placed<S::Row>,
        manner: Manner,
    ) -> Result<Account> {
        let Placed { position, row, id, stored } = placed;
        let now =
            open.epoch.as_ref().map_or(Stamp::EPOCH, |epoch| Stamp::at_ms(epoch.now_ms(self.engine.host.now_ms())));
        let fate = match self.decide(target, &row, (&id, stored.as_ref()), (manner.anew, now)) {
            Ok((fate, groups)) => {
                if !manner.only_tell {
                    self.take_groups(open, target, (&id, row.space.as_ref(), stored), groups)?;
                }
                fate
            }
            // Without a key none of them can be written.
            Err(error) if matches!(error.kind(), Kind::VaultLocked | Kind::KeyOutdated | Kind::KeyExhausted) => {
                return Err(error);
            }
            Err(error) => Fate::Refused(error),
        };
        Ok((position, row.id, id, fate))
    }

    fn take_groups(
        &self,
        open: &mut Open<S>,
        target: &Target<'_>,
        (id, space, mut stored): (&str, Option<&String>, Option<S::Row>),
        groups: Vec<Group<Value<S>>>,
    ) -> Result<()> {
        for (at, fields) in groups {
            let plan = self.plan_group(target, (id, space), stored.take(), fields)?;
            open.count += self.carry_out_at(open, target, vec![plan], at)?;
            stored = open.touched.last().and_then(|touched| touched.new.clone());
        }
        Ok(())
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
                let is_taken = row.moves || stored.as_ref().is_some_and(|stored| !fits(&row, stored));
                let (id, stored) = if is_taken { (other, elsewhere) } else { (row.id.clone(), stored) };
                Placed { position, row, id, stored }
            })
            .collect())
    }

    /// What becomes of a row. `anew` and the present time.
    fn decide(
        &self,
        target: &Target<'_>,
        row: &Restored<S::Row>,
        (id, stored): (&str, Option<&S::Row>),
        (anew, now): (bool, Stamp),
    ) -> Result<Decision<Value<S>>> {
        let is_unknown = stored.is_none();
        let mut fields = self.fields_of(row, is_unknown)?;
        let time = |name: &str| row.stamps.get(name).copied().or(row.at).map_or(now, |at| at.min(now));
        let time = |name: &str| (!anew).then(|| time(name));
        let Some(stored) = stored.filter(|stored| !(anew && is_purged(*stored))) else {
            if row.is_anothers && !row.moves && self.is_shared(row) {
                return Err(of_another());
            }
            self.check_plan(target, &self.plan_new(target, (id, row.space.as_ref()), fields.clone(), None)?)?;
            // Where something was purged, the insert says of its fields that they are gone: defaults go with it, or they would be, too.
            let is_default = |field: &Field<Value<S>>| {
                is_unknown && (row.defaults.contains(&field.name) || time(&field.name) == Some(Stamp::EPOCH))
            };
            let (defaults, written): (Vec<_>, Vec<_>) = fields.into_iter().partition(is_default);
            let mut groups = grouped(written, time);
            // After the insert, which the oldest of what somebody wrote is: they would make it older than any deletion.
            if !defaults.is_empty() {
                groups.push((Some(Stamp::EPOCH), defaults));
            }
            return Ok((Fate::New, groups));
        };
        let is_later = |name: &str| time(name).is_some_and(|at| stamp_of(stored, name) >= Some(at));
        let was_deleted = is_deleted(stored);
        if is_purged(stored) || was_deleted && is_later(DELETED_AT) {
            return Ok((Fate::Deleted, Vec::new()));
        }
        self.check_access(stored)?;
        let shown = self.engine.opened(target.name, target.sync, stored.clone());
        fields.retain(|field| !row.defaults.contains(&field.name) && !is_later(&field.name));
        let plan = self.plan_edits(target, id.to_owned(), (stored.clone(), &shown), fields, false)?;
        self.check_plan(target, &plan)?;
        let Act::Edit(mut edits) = plan.act else { return Ok((Fate::Unchanged, Vec::new())) };
        if was_deleted {
            edits.push(Field { name: DELETED_AT.to_owned(), value: Some(Value::<S>::null()), bytes: 4 });
        }
        Ok(if edits.is_empty() { (Fate::Unchanged, Vec::new()) } else { (Fate::Changed, grouped(edits, time)) })
    }

    /// Refuses what carrying a plan out would refuse.
    fn check_plan(&self, target: &Target<'_>, plan: &Plan<S::Row>) -> Result<()> {
        if self.seals(target.sync, plan) {
            self.engine.vault.check_sealing()?;
            check_sealed_size(target.sync, plan)?;
        }
        Ok(())
    }

    fn is_shared(&self, row: &Restored<S::Row>) -> bool {
        row.space.as_ref().is_some_and(|space| !self.engine.config().is_own_space(space))
    }

    /// What it says of itself, without whose it is, which is the user's now. Only a record that is new in a shared space keeps its
    /// visibility: an archive shows nobody anything.
    fn fields_of(&self, row: &Restored<S::Row>, is_new: bool) -> Result<Vec<Field<Value<S>>>> {
        let is_shared = self.is_shared(row);
        let mut fields = record_fields(&row.row)?;
        fields.retain(|field| match field.name.as_str() {
            VISIBILITY => is_new && is_shared,
            SPACE_ID | AUTHOR_ID | USER_ID | DELETED_AT => false,
            _ => true,
        });
        Ok(fields)
    }

    fn plan_group(
        &self,
        target: &Target<'_>,
        (id, space): (&str, Option<&String>),
        stored: Option<S::Row>,
        fields: Vec<Field<Value<S>>>,
    ) -> Result<Plan<S::Row>> {
        match stored {
            Some(stored) if !is_purged(&stored) => {
                Ok(Plan { id: id.to_owned(), stored: Some(stored), act: Act::Edit(fields) })
            }
            purged => self.plan_new(target, (id, space), fields, purged),
        }
    }

    fn plan_new(
        &self,
        target: &Target<'_>,
        (id, space): (&str, Option<&String>),
        mut fields: Vec<Field<Value<S>>>,
        tombstone: Option<S::Row>,
    ) -> Result<Plan<S::Row>> {
        RecordId::parse(id)?;
        if let Some(space) = space {
            fields.push(Field { name: SPACE_ID.to_owned(), value: Some(Value::<S>::text(space)), bytes: 0 });
        }
        self.plan_insert(target, NewRecord { id: id.to_owned(), fields }, tombstone)
    }
}

/// Fields by when they were written, oldest first; one group at least.
fn grouped<V>(fields: Vec<Field<V>>, time: impl Fn(&str) -> Option<Stamp>) -> Vec<Group<V>> {
    let mut groups: OrderedMap<Option<Stamp>, Vec<Field<V>>> = OrderedMap::new();
    if fields.is_empty() {
        groups.insert(time(DELETED_AT), Vec::new());
    }
    for field in fields {
        groups.entry(time(&field.name)).or_default().push(field);
    }
    groups.into_iter().collect()
}

fn of_another() -> Error {
    let message = "somebody else made the record, and it is not here: they deleted it, or keep it to themselves; it was not taken";
    Error::new(Kind::NotTheAuthor, message)
}

/// The epoch of what an archive says: no clock of this device's moves it.
pub(super) const EPOCH: &str = adopt::EPOCH;

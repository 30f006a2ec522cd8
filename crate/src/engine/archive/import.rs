//! Taking the rows of an archive in.

use super::STAMPS;
use crate::engine::Engine;
use crate::engine::error::{Error, Kind, Result};
use crate::engine::ports::Host;
use crate::engine::write::{Fate, Manner, Restored, Writer};
use crate::model::{
    AUTHOR_ID, ID, OrderedMap, OrderedSet, PERSONAL_PREFIX, Place, SPACE_ID, Scope, SpaceId, Stamp, TableSync,
    UPDATED_AT, steps_from,
};
use crate::store::{Row, Store};
use serde_json::Value;
use std::rc::Rc;

/// How rows are taken in.
#[derive(Debug, Clone, Default)]
pub struct Import {
    /// Who asked for it; `None` is a guest. For anybody else nothing is written.
    pub user: Option<String>,
    /// What the archive says wins over everything that is here, deletions too; else what was written later stands.
    pub overwrite: bool,
    /// Nothing is written: only what would become of the rows is said.
    pub dry_run: bool,
    /// The space that all rows go to; `None`: the user's own, but for rows of shared spaces that the user is in.
    pub space: Option<SpaceId>,
    /// The version of the app's data that the rows are of; `None`: this one.
    pub schema_version: Option<u32>,
    /// When the archive was written: no row is newer.
    pub exported_at: Option<Stamp>,
}

/// What became of the rows of a page, or would.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ImportPage {
    /// Rows that were not here.
    pub new: usize,
    /// Rows of which something was taken.
    pub changed: usize,
    /// Rows of which nothing was: all is here, or something newer.
    pub unchanged: usize,
    /// Rows that were deleted here later.
    pub deleted: usize,
    /// Rows whose ids another space has: what they are called here, by what they are called in the archive.
    pub renamed: Vec<(String, String)>,
    /// Rows that were not taken.
    pub left: Vec<LeftOut>,
}

/// A row that was not taken.
#[derive(Debug, Clone, PartialEq)]
pub struct LeftOut {
    /// Its id in the archive, where it has one.
    pub id: Option<String>,
    /// Its place in the page, from 0.
    pub position: usize,
    /// Why.
    pub error: Error,
}

impl<S: Store, H: Host> Engine<S, H> {
    /// Takes rows of a table in, in one transaction: all that are not named in [`ImportPage::left`], or none.
    pub async fn import_page(self: &Rc<Self>, name: &str, rows: &[Value], how: &Import) -> Result<ImportPage> {
        self.check_archive_user(how.user.as_deref())?;
        let table = self.config().table(name)?;
        let Some(sync) = &table.sync else {
            return Err(Error::new(
                Kind::InvalidArgument,
                format!("{name} does not sync: archives hold no such tables"),
            ));
        };
        let mut page = ImportPage::default();
        let mut restored = Vec::new();
        for (position, row) in rows.iter().enumerate() {
            match self.restored(sync, row, how) {
                Ok(row) => restored.push((position, row)),
                Err(error) => page.left.push(LeftOut { id: row[ID].as_str().map(str::to_owned), position, error }),
            }
        }
        let writer = Writer::begin_import(self, name)?;
        let told = writer.restore(name, restored, Manner { anew: how.overwrite, only_tell: how.dry_run }).await;
        // What was written waits for the commit: it was for whoever was signed in when it was stamped.
        let told = told.and_then(|fates| self.check_archive_user(how.user.as_deref()).map(|()| fates));
        if told.is_ok() && !how.dry_run {
            writer.commit().await?;
        } else {
            writer.abort().await;
        }
        for (position, was, id, fate) in told? {
            page.note(position, (was, id), fate);
        }
        Ok(page)
    }

    fn restored(&self, sync: &TableSync, row: &Value, how: &Import) -> Result<Restored<S::Row>> {
        let invalid = |what: &str| Error::new(Kind::InvalidRecord, format!("the row {what}; it was not taken"));
        let id = row[ID].as_str().ok_or_else(|| invalid("has no id"))?;
        let Brought { row, stamps, defaults } = brought(row, sync, how.schema_version.unwrap_or(sync.schema_version));
        let said = row[UPDATED_AT].as_str().and_then(|at| Stamp::parse(at).ok());
        let limit = |at: Option<Stamp>| at.into_iter().chain(how.exported_at).min();
        let (space, moves) = self.target_of(&row, how);
        let author = row[AUTHOR_ID].as_str().filter(|author| *author != self.config().user_id());
        let (is_anothers, is_spaced) = (author.is_some(), sync.scope == Scope::Space);
        Ok(Restored {
            id: id.to_owned(),
            at: limit(said),
            stamps: stamps.into_iter().filter_map(|(name, at)| Some((name, limit(Some(at))?))).collect(),
            defaults,
            space: is_spaced.then_some(space),
            moves: is_spaced && moves,
            is_anothers,
            row: S::Row::from_json(&row).ok_or_else(|| invalid("is no object"))?,
        })
    }

    /// The space that a row goes to, as stored, and whether it was of another one: then it gets another id there, since its own one
    /// may be there, or come, as what it was.
    fn target_of(&self, row: &Value, how: &Import) -> (String, bool) {
        let config = self.config();
        let own = config.personal_alias();
        let is_own = |space: &str| space.starts_with(PERSONAL_PREFIX) || config.is_own_space(space);
        let said = row[SPACE_ID].as_str().filter(|space| !is_own(space));
        let known = said.filter(|space| config.spaces.iter().any(|one| one.id.as_str() == *space));
        let target = match &how.space {
            Some(space) => config.wire_space(space.as_str()),
            None => known.map_or(own.clone(), str::to_owned),
        };
        let moves = target != said.unwrap_or(&own);
        (config.stored_space(&target), moves)
    }
}

/// A row as one of this version.
struct Brought {
    row: Value,
    /// When its fields were written, where the archive says it of each.
    stamps: OrderedMap<String, Stamp>,
    /// Fields that nobody wrote: they are for records that are new.
    defaults: OrderedSet<String>,
}

/// A row of an older version as one of this one; of two fields that become one, that of the later version stays.
fn brought(row: &Value, sync: &TableSync, version: u32) -> Brought {
    let mut row = row.clone();
    let said = row.get(STAMPS).and_then(Value::as_object);
    let parse = |(name, at): (&String, &Value)| Some((name.clone(), Stamp::parse(at.as_str()?).ok()?));
    let mut stamps: OrderedMap<String, Stamp> = said.into_iter().flatten().filter_map(parse).collect();
    let mut defaults = OrderedSet::new();
    for step in steps_from(&sync.migrations, version) {
        let Some(fields) = row.as_object_mut() else { break };
        let all = std::mem::take(fields);
        let (moving, staying): (Vec<_>, Vec<_>) =
            all.into_iter().partition(|(name, _)| !matches!(step.place_of(name), Place::Stays));
        fields.extend(staying);
        for (name, value) in moving {
            let (at, Place::Moves(to)) = (stamps.remove(&name), step.place_of(&name)) else { continue };
            if fields.contains_key(to.as_str()) {
                continue;
            }
            fields.insert(to.to_string(), value);
            if let Some(at) = at {
                stamps.insert(to.to_string(), at);
            }
        }
        for (name, value) in &step.defaults {
            if !fields.contains_key(name.as_str()) {
                fields.insert(name.to_string(), value.clone());
                defaults.insert(name.to_string());
            }
        }
    }
    Brought { row, stamps, defaults }
}

impl ImportPage {
    fn note(&mut self, position: usize, (was, id): (String, String), fate: Fate) {
        match fate {
            Fate::New => self.new += 1,
            Fate::Changed => self.changed += 1,
            Fate::Unchanged => self.unchanged += 1,
            Fate::Deleted => self.deleted += 1,
            Fate::Refused(error) => return self.left.push(LeftOut { id: Some(was), position, error }),
        }
        if was != id {
            self.renamed.push((was, id));
        }
    }
}

//! Taking the rows of an archive in.

use crate::engine::Engine;
use crate::engine::error::{Error, Kind, Result};
use crate::engine::ports::Host;
use crate::engine::write::{Fate, Restored, Writer};
use crate::model::{ID, Place, SPACE_ID, Scope, SpaceId, Stamp, TableSync, UPDATED_AT, steps_from};
use crate::store::{Row, Store};
use serde_json::Value;
use std::rc::Rc;

/// How rows are taken in.
#[derive(Debug, Clone, Default)]
pub struct Import {
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
        let fates = writer.restore(name, restored, how.overwrite, how.dry_run).await;
        let fates = match fates {
            Ok(fates) if how.dry_run => {
                writer.abort().await;
                fates
            }
            Ok(fates) => {
                writer.commit().await?;
                fates
            }
            Err(error) => {
                writer.abort().await;
                return Err(error);
            }
        };
        for (position, was, id, fate) in fates {
            page.note(position, (was, id), fate);
        }
        Ok(page)
    }

    fn restored(&self, sync: &TableSync, row: &Value, how: &Import) -> Result<Restored<S::Row>> {
        let invalid = |what: &str| Error::new(Kind::InvalidRecord, format!("the row {what}; it was not taken"));
        let id = row[ID].as_str().ok_or_else(|| invalid("has no id"))?;
        let brought = brought(row, sync, how.schema_version.unwrap_or(sync.schema_version));
        let parsed = S::Row::from_json(&brought).ok_or_else(|| invalid("is no object"))?;
        let said = row[UPDATED_AT].as_str().and_then(|at| Stamp::parse(at).ok());
        let config = self.config();
        let own = || config.stored_space(&config.personal_alias());
        let shared = row[SPACE_ID].as_str().map(|space| config.stored_space(space));
        let shared = shared.filter(|space| config.spaces.iter().any(|known| known.id.as_str() == space));
        let space = match &how.space {
            Some(space) => config.stored_space(space.as_str()),
            None => shared.unwrap_or_else(own),
        };
        Ok(Restored {
            id: id.to_owned(),
            row: parsed,
            space: (sync.scope == Scope::Space).then_some(space),
            at: said.into_iter().chain(how.exported_at).min(),
        })
    }
}

/// A row of an older version as one of this one; of two fields that become one, that of the later version stays.
fn brought(row: &Value, sync: &TableSync, version: u32) -> Value {
    let mut row = row.clone();
    for step in steps_from(&sync.migrations, version) {
        let Some(fields) = row.as_object_mut() else { break };
        let all = std::mem::take(fields);
        let (moving, staying): (Vec<_>, Vec<_>) =
            all.into_iter().partition(|(name, _)| !matches!(step.place_of(name), Place::Stays));
        fields.extend(staying);
        for (name, value) in moving {
            if let Place::Moves(to) = step.place_of(&name) {
                fields.entry(to.to_string()).or_insert(value);
            }
        }
        for (name, value) in &step.defaults {
            fields.entry(name.to_string()).or_insert_with(|| value.clone());
        }
    }
    row
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

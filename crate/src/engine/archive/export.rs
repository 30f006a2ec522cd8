//! Giving out the rows of a table.

use super::STAMPS;
use crate::engine::error::{Error, Kind, Result};
use crate::engine::ports::Host;
use crate::engine::prepare::newest_stamp;
use crate::engine::read::Sight;
use crate::engine::sealing::is_row_sealed;
use crate::engine::stamps::stamp_of;
use crate::engine::{Engine, Table};
use crate::model::{
    DELETED_AT, ID, MOVED_TO, SHARE_PROOF, SPACE_ID, Scope, SpaceId, Stamp, TableSync, UPDATED_AT, is_hidden,
};
use crate::store::{Key, KeyRange, Mode, Row, RowValue, Scan, Store, Transaction};
use serde_json::{Map, Value, json};

/// A page of a table.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ExportPage {
    /// The rows, each as JSON.
    pub rows: Vec<Value>,
    /// The id of the last row that was looked at, where there may be more.
    pub next: Option<String>,
    /// Fields that are missing in the rows, since nothing here opens them.
    pub unreadable: Vec<Unreadable>,
}

/// A field that could not be given out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unreadable {
    /// The record.
    pub id: String,
    /// The field.
    pub field: String,
}

/// Rows that are counted at once.
const COUNTED: usize = 500;

/// The rows of a table that are seen, after one of them.
async fn export_rows<Tx: Transaction>(
    tx: &Tx,
    name: &str,
    after: Option<&str>,
    limit: usize,
    sight: &impl Fn(&Tx::Row) -> bool,
) -> Result<Vec<Tx::Row>> {
    let range = after.map(|after| KeyRange { lower: Some((Key::text(after), true)), upper: None });
    let scan = Scan { range, limit: Some(limit), ..Scan::default() };
    Ok(tx.scan(name, &scan, &|row| sight(row)).await?)
}

impl<S: Store, H: Host> Engine<S, H> {
    /// Rows of a table that syncs: the user's own, and those of the shared spaces that are named, from the one after `after` on.
    /// Fails with [`Kind::VaultLocked`] where rows are sealed and no key is here.
    pub async fn export_page(
        &self,
        user: Option<&str>,
        name: &str,
        spaces: &[SpaceId],
        after: Option<&str>,
        limit: usize,
    ) -> Result<ExportPage> {
        self.check_archive_user(user)?;
        let table = self.config().table(name)?;
        let Some(sync) = &table.sync else { return Ok(ExportPage::default()) };
        self.check_known(spaces)?;
        if !sync.sealed.is_empty() && self.config().user.is_some() && self.is_locked() {
            return Err(crate::engine::vault::locked());
        }
        let tx = self.store.begin(Mode::Read, &[name])?;
        let rows = export_rows(&tx, name, after, limit, &self.export_sight(&table, spaces)).await?;
        drop(tx);
        // Who is signed in now opens what was read.
        self.check_archive_user(user)?;
        let last = rows.last().and_then(|row| row.text(ID));
        let mut page = ExportPage { next: last.filter(|_| rows.len() >= limit), ..ExportPage::default() };
        for row in rows {
            let json = self.exported(name, sync, row, &mut page.unreadable);
            page.rows.push(json);
        }
        Ok(page)
    }

    /// How many rows [`Engine::export_page`] gives in all.
    pub async fn export_count(&self, user: Option<&str>, name: &str, spaces: &[SpaceId]) -> Result<usize> {
        self.check_archive_user(user)?;
        self.check_known(spaces)?;
        let table = self.config().table(name)?;
        let (tx, sight) = (self.store.begin(Mode::Read, &[name])?, self.export_sight(&table, spaces));
        let (mut count, mut after) = (0, None);
        loop {
            // In pages, as they go out: all rows of a table together are what nobody has room for.
            let rows = export_rows(&tx, name, after.as_deref(), COUNTED, &sight).await?;
            count += rows.len();
            after = rows.last().and_then(|row| row.text(ID)).filter(|_| rows.len() == COUNTED);
            if after.is_none() {
                return Ok(count);
            }
        }
    }

    fn check_known(&self, spaces: &[SpaceId]) -> Result<()> {
        let config = self.config();
        let known = |space: &&SpaceId| config.spaces.iter().any(|one| one.id == **space);
        match spaces.iter().find(|space| !known(space)) {
            None => Ok(()),
            Some(space) => Err(Error::new(
                Kind::UnknownSpace,
                format!("the user is not known to be a member of the space {space}: pass it to setSpaces first"),
            )
            .with(json!({ "spaceId": space }))),
        }
    }

    fn export_sight(&self, table: &Table, spaces: &[SpaceId]) -> impl Fn(&S::Row) -> bool + use<S, H> {
        let config = self.config();
        let sight = Sight::new(&config, table, false, true);
        let own = [config.personal_alias(), config.stored_space(&config.personal_alias())];
        let named: Vec<String> = spaces.iter().map(|space| config.stored_space(space.as_str())).collect();
        let is_spaced = table.sync.as_ref().is_some_and(|sync| sync.scope == Scope::Space);
        move |row: &S::Row| {
            let space = row.text(SPACE_ID).filter(|_| is_spaced);
            // A row whose id is no text never left this device, and no other one could keep it.
            row.text(ID).is_some()
                && sight.sees(row)
                && space.is_none_or(|space| own.contains(&space) || named.contains(&space))
        }
    }

    fn exported(&self, table: &str, sync: &TableSync, stored: S::Row, unreadable: &mut Vec<Unreadable>) -> Value {
        let (id, at) = (stored.text(ID).unwrap_or_default(), newest_stamp(&stored));
        let is_sealed = is_row_sealed(&self.config(), sync, &stored);
        let stamps = stamps_beside(&stored, at);
        let shown = self.opened(table, sync, stored);
        let mut json = Map::new();
        for (name, value) in shown.fields() {
            if is_hidden(&name) || matches!(&*name, DELETED_AT | MOVED_TO | SHARE_PROOF | UPDATED_AT) {
                continue;
            }
            let is_closed = is_sealed && value.is_sealed();
            match value.to_json().ok().filter(|_| !is_closed) {
                Some(value) => drop(json.insert(name, value)),
                None => unreadable.push(Unreadable { id: id.clone(), field: name }),
            }
        }
        if let Some(space) = shown.text(SPACE_ID).filter(|_| sync.scope == Scope::Space) {
            json.insert(SPACE_ID.to_owned(), self.config().wire_space(&space).into());
        }
        if let Some(at) = at {
            json.insert(UPDATED_AT.to_owned(), at.to_string().into());
        }
        if !stamps.is_empty() {
            json.insert(STAMPS.to_owned(), stamps.into());
        }
        Value::Object(json)
    }
}

/// When fields were written that were not written last, and when a record was last brought back.
fn stamps_beside<R: Row>(row: &R, newest: Option<Stamp>) -> Map<String, Value> {
    let fields = row.names().into_iter().chain([DELETED_AT.to_owned()]);
    let other = |name: String| {
        let at = stamp_of(row, &name).filter(|at| Some(*at) != newest && !is_hidden(&name))?;
        Some((name, at.to_string().into()))
    };
    fields.filter_map(other).collect()
}

//! The real id of the user's own space, once an app names it: records that were stored under `_personal:<user>` are from
//! then on stored under it, so that an index on `spaceId` lists all of them under one key.
//!
//! Both are one space, and on the wire it is always the former: so no stamp moves, and nothing is logged. Whoever is
//! killed in between begins anew, which does no harm.

use super::config::{Config, Table};
use super::error::Result;
use super::rows;
use crate::model::{ID, SPACE_ID, Scope, Space, SpaceId, record};
use crate::store::{ENGINE, Key, KeyRange, Mode, Row, RowValue, Scan, Store, Transaction};

/// Kind of the row that says under which id a user's own space is stored, by user.
const OWN_SPACE: &str = "ownSpace";
/// Most records of a transaction.
const PAGE: usize = 500;

record! {
    struct Stored {
        id: String = "id",
    }
}

/// The user's own space, as it was named last.
pub async fn known<S: Store>(store: &S, user: &str) -> Result<Option<Space>> {
    let tx = store.begin(Mode::Read, &[ENGINE])?;
    let stored: Option<Stored> = rows::read(&tx, OWN_SPACE, user).await?;
    let id = stored.and_then(|stored| SpaceId::parse(stored.id).ok());
    Ok(id.map(|id| Space { id, kind: Some(Space::PERSONAL.to_owned()), role: None }))
}

/// Stores what lies in the user's own space under its real id, where the app has named it. Gives whether there was anything
/// to look through.
pub async fn name<S: Store>(store: &S, config: &Config) -> Result<bool> {
    let (Some(_), Some(real)) = (&config.user, config.personal_space()) else { return Ok(false) };
    let tx = store.begin(Mode::Read, &[ENGINE])?;
    let known: Option<Stored> = rows::read(&tx, OWN_SPACE, config.user_id()).await?;
    drop(tx);
    if known.is_some_and(|known| known.id == real.as_str()) {
        return Ok(false);
    }
    let is_of_spaces = |table: &Table| table.sync.as_ref().is_some_and(|sync| sync.scope == Scope::Space);
    for (table, _) in config.tables.iter().filter(|(_, table)| is_of_spaces(table)) {
        let mut after = None;
        while let Some(last) =
            name_page(store, table, &config.personal_alias(), real.as_str(), after.as_deref()).await?
        {
            after = Some(last);
        }
    }
    let tx = store.begin(Mode::Write, &[ENGINE])?;
    rows::write(&tx, OWN_SPACE, config.user_id(), Stored { id: real.to_string() })?;
    tx.commit().await?;
    Ok(true)
}

/// Gives the id of the last record, where there may be more.
async fn name_page<S: Store>(
    store: &S,
    table: &str,
    alias: &str,
    real: &str,
    after: Option<&str>,
) -> Result<Option<String>> {
    let range = after.map(|after| KeyRange { lower: Some((Key::text(after), true)), upper: None });
    let scan = Scan { range, limit: Some(PAGE), ..Scan::default() };
    let tx = store.begin(Mode::Write, &[table])?;
    let found = tx.scan(table, &scan, &|row| row.get(SPACE_ID).is_some_and(|space| space.is_word(alias))).await?;
    for row in &found {
        let mut named = row.shallow_copy();
        named.set_text(SPACE_ID, real);
        tx.put(table, &named, None)?;
    }
    tx.commit().await?;
    Ok(found.last().filter(|_| found.len() == PAGE).and_then(|row| row.text(ID)))
}

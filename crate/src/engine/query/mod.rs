//! Queries: what is asked for, how it is found, and why that way.
//!
//! A query is data. [`mod@plan`] chooses indexes and ranges for it, [`run`] reads them, and [`Explanation`] says what was
//! chosen. Filters that are functions of the app run in the shim, on the rows that come out of here.

mod condition;
mod explain;
mod fold;
mod indexes;
mod listing;
mod own_space;
pub(super) mod plan;
mod ranges;
pub(super) mod run;
mod search;
mod touch;

pub use condition::Condition;
pub use explain::{Explanation, Part};
pub(super) use listing::Listing;
pub use run::{Found, Want};

use super::error::{Error, Kind, Result};
use super::ports::Host;
use super::read::Sight;
use super::{Engine, config::Table};
use crate::store::{Key, Mode, Store};
use serde_json::json;
use std::borrow::Cow;
use std::rc::Rc;

/// A query that names everything it depends on, so that equal queries can be told.
#[expect(clippy::struct_excessive_bools, reason = "each is a choice of its own")]
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Query {
    /// The table.
    pub table: String,
    /// Where to look: rows of any of these. None of them is the whole table.
    pub branches: Vec<Branch>,
    /// The index or field to order by; `None`: the order of the index that is looked at, of several one after the other.
    pub order: Option<String>,
    /// The opposite order.
    pub reverse: bool,
    /// Each row once, also where a multi-entry index lists it several times. Rows of several branches come once anyway.
    pub distinct: bool,
    /// Rows to pass over.
    pub offset: usize,
    /// Most rows.
    pub limit: Option<usize>,
    /// Tombstones too.
    pub include_deleted: bool,
    /// Rows of every space the user may see, not of the active one only.
    pub across_spaces: bool,
}

/// One of the places where a query looks.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Branch {
    /// The index, or the first paths of a compound one; `None` is the primary key.
    pub index: Option<String>,
    /// Which of its keys.
    pub condition: Condition,
    /// Fields that have to have a value, whatever the index: `where({ … })`.
    pub equal: Vec<(String, Key)>,
    /// From the greatest key down. Of several branches; one alone goes by [`Query::reverse`].
    pub reverse: bool,
    /// Rows to pass over, of several branches.
    pub offset: usize,
    /// Most rows, of several branches.
    pub limit: Option<usize>,
}

impl Branch {
    /// Rows that an index lists under these keys.
    #[must_use]
    pub fn on(index: &str, condition: Condition) -> Self {
        Self { index: Some(index.to_owned()), condition, ..Self::default() }
    }

    /// Rows whose fields have these values.
    #[must_use]
    pub fn equal(fields: impl IntoIterator<Item = (String, Key)>) -> Self {
        Self { equal: fields.into_iter().collect(), ..Self::default() }
    }
}

impl Query {
    /// All rows of a branch of a table.
    #[must_use]
    pub fn of(table: &str, branch: Branch) -> Self {
        Self { table: table.to_owned(), branches: vec![branch], ..Self::default() }
    }
}

impl<S: Store, H: Host> Engine<S, H> {
    /// Runs a query.
    pub async fn read(&self, query: &Query) -> Result<Vec<S::Row>> {
        self.check(query)?;
        let tx = self.store.begin(Mode::Read, &[&query.table])?;
        self.read_in(&tx, query).await
    }

    /// Runs a query in a transaction.
    pub async fn read_in(&self, tx: &S::Tx, query: &Query) -> Result<Vec<S::Row>> {
        let found = self.find_in(tx, query, Want::ROWS).await?;
        Ok(found.into_iter().filter_map(|found| found.row).collect())
    }

    /// Runs a query, for rows and keys.
    pub async fn find(&self, query: &Query, want: Want) -> Result<Vec<Found<S::Row>>> {
        self.check(query)?;
        let tx = self.store.begin(Mode::Read, &[&query.table])?;
        self.find_in(&tx, query, want).await
    }

    /// Runs a query in a transaction, for rows and keys: also what a write on the rows of a query goes by.
    pub async fn find_in(&self, tx: &S::Tx, query: &Query, want: Want) -> Result<Vec<Found<S::Row>>> {
        Ok(self.opened_found(&query.table, self.find_stored_in(tx, query, want).await?))
    }

    /// The same, with rows as they are stored.
    pub(super) async fn find_stored_in(&self, tx: &S::Tx, query: &Query, want: Want) -> Result<Vec<Found<S::Row>>> {
        let (table, sight, query) = self.prepared(query)?;
        self.uses(&table);
        let plan = plan::plan(&table, &sight, &query)?;
        run::find(tx, &table, &sight, &plan, want).await
    }

    /// How many rows a query has.
    pub async fn count(&self, query: &Query) -> Result<usize> {
        self.check(query)?;
        let tx = self.store.begin(Mode::Read, &[&query.table])?;
        self.count_in(&tx, query).await
    }

    /// How many rows a query has, in a transaction. No row is read where nothing has to be looked at in one.
    pub async fn count_in(&self, tx: &S::Tx, query: &Query) -> Result<usize> {
        let (table, sight, query) = self.prepared(query)?;
        self.uses(&table);
        let plan = plan::plan(&table, &sight, &query)?;
        run::count(tx, &table, &sight, &plan).await
    }

    /// How a query is answered, and why so.
    pub fn explain(&self, query: &Query) -> Result<Explanation> {
        let (table, sight, query) = self.prepared(query)?;
        Ok(explain::explain(&sight, &plan::plan(&table, &sight, &query)?))
    }

    /// Fails where the query cannot be answered.
    fn check(&self, query: &Query) -> Result<()> {
        let (table, sight, query) = self.prepared(query)?;
        plan::plan(&table, &sight, &query)?;
        Ok(())
    }

    /// What a plan is made of: the table, what of it the query sees, and the query as rows answer it.
    fn prepared<'q>(&self, query: &'q Query) -> Result<(Rc<Table>, Sight, Cow<'q, Query>)> {
        let (table, sight) = self.sight_of(query)?;
        check_sealed(&table, query)?;
        let query = query.stored(&self.config());
        Ok((table, sight, query))
    }

    /// The table, and what of it the query may see now.
    pub(super) fn sight_of(&self, query: &Query) -> Result<(Rc<Table>, Sight)> {
        let config = self.config();
        let table = config.table(&query.table)?;
        let sight = Sight::new(&config, &table, query.include_deleted, query.across_spaces);
        Ok((table, sight))
    }
}

/// What is sealed cannot be looked for, nor ordered by.
fn check_sealed(table: &Table, query: &Query) -> Result<()> {
    let Some(sync) = table.sync.as_ref().filter(|sync| !sync.sealed.is_empty()) else { return Ok(()) };
    let looked_for = query.branches.iter().flat_map(|branch| branch.equal.iter().map(|(field, _)| field));
    let is_sealed = |field: &&String| field.split('.').next().is_some_and(|top| sync.sealed.contains(top));
    looked_for.chain(&query.order).find(is_sealed).map_or(Ok(()), |field| {
        let message = format!("{field} is sealed, so it cannot be looked for: use filter() or sortBy()");
        Err(Error::new(Kind::UnknownIndex, message).with(json!({ "table": table.spec.name, "index": field })))
    })
}

#[cfg(test)]
mod tests;

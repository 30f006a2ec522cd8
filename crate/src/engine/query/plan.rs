//! Planning: what of which index is read for a query, and what is left to do on the rows.

use super::condition::Condition;
use super::indexes::{self, Named};
use super::search::Search;
use super::{Branch, Query};
use crate::engine::config::Table;
use crate::engine::error::{Error, Kind, Result};
use crate::engine::read::Sight;
use crate::model::{IndexSpec, KeyPath, SPACE_ID, StoreSpec};
use crate::store::{Key, KeyRange, Row, index_keys};
use serde_json::json;

/// How a query is answered.
pub struct Plan<'a> {
    /// What is read, one after the other; several are united.
    pub steps: Vec<Step<'a>>,
    /// What rows are then sorted by; `None`: they come in order.
    pub sort: Option<KeyPath>,
    /// Whether rows may come twice and shall not.
    pub distinct: bool,
    /// The opposite order: of what was sorted or united; a step alone does it itself.
    pub reverse: bool,
    /// Rows to pass over, and most rows, when all else is done.
    pub offset: usize,
    pub limit: Option<usize>,
}

/// What is read of one index.
pub struct Step<'a> {
    /// The index that is read.
    pub index: Named<'a>,
    /// Ranges of the whole index, ascending and apart.
    pub ranges: Vec<KeyRange>,
    /// The index the query names, whose keys it may want.
    pub asked: Named<'a>,
    /// Where in a row those keys are; `None`: beside it.
    pub key_path: Option<KeyPath>,
    /// A condition that ranges alone do not answer.
    pub texts: Option<&'a Condition>,
    /// Fields to compare in each row.
    pub rest: Vec<Equality>,
    /// How many fields with known values the index begins with.
    pub fixed: usize,
    /// Whether it was taken because the query sees one space only.
    pub by_space: bool,
    pub reverse: bool,
    pub offset: usize,
    pub limit: Option<usize>,
}

/// A field that has to have a value.
#[derive(Debug, Clone)]
pub struct Equality {
    /// The field, as an index on it would be declared.
    field: IndexSpec,
    /// The value.
    pub key: Key,
    /// Because of what the query may see, which is looked at in each row anyway.
    pub of_space: bool,
}

impl Equality {
    /// The field at `path` has to be `key`; `item`: to have it among its items.
    pub fn new(path: &str, key: &Key, item: bool) -> Self {
        let field = IndexSpec {
            name: path.to_owned(),
            key_path: Some(KeyPath::Single(path.to_owned())),
            unique: false,
            multi_entry: item,
            auto_increment: false,
        };
        Self { field, key: key.clone(), of_space: false }
    }

    /// The row has to be stored under that space.
    pub fn of_space(space: &str) -> Self {
        Self { of_space: true, ..Self::new(SPACE_ID, &Key::text(space), false) }
    }

    /// What the user's fields say, as far as the table's indexes tell how.
    pub fn of(store: &StoreSpec, path: &str, key: &Key) -> Self {
        let item = store.indexes.iter().any(|index| index.multi_entry && index.name == path);
        Self::new(path, key, item)
    }

    /// Where the field is.
    pub fn path(&self) -> &str {
        &self.field.name
    }

    /// Whether one of several items has to be the key.
    pub fn item(&self) -> bool {
        self.field.multi_entry
    }

    /// Whether a row has the value.
    pub fn holds<R: Row>(&self, row: &R) -> bool {
        index_keys(row, &self.field).contains(&self.key)
    }
}

/// Plans a query; `sight`: what of the table it sees.
pub fn plan<'a>(table: &'a Table, sight: &Sight, query: &'a Query) -> Result<Plan<'a>> {
    let store = &table.spec;
    match query.branches.as_slice() {
        [] => one(store, sight, query, whole_table()),
        [branch] => one(store, sight, query, branch),
        several => {
            let mut steps = Vec::new();
            for branch in several {
                let window = (branch.reverse, branch.offset, branch.limit);
                steps.push(Search::new(store, sight, branch, None)?.step(window)?.0);
            }
            let (offset, limit, reverse) = (query.offset, query.limit, query.reverse);
            Ok(Plan { steps, sort: sort_path(store, query)?, distinct: true, reverse, offset, limit })
        }
    }
}

fn whole_table() -> &'static Branch {
    static WHOLE: Branch =
        Branch { index: None, condition: Condition::All, equal: Vec::new(), reverse: false, offset: 0, limit: None };
    &WHOLE
}

fn one<'a>(store: &'a StoreSpec, sight: &Sight, query: &'a Query, branch: &'a Branch) -> Result<Plan<'a>> {
    let order = sort_path(store, query)?;
    let window = (query.reverse, query.offset, query.limit);
    let (step, ordered) = Search::new(store, sight, branch, order.clone())?.step(window)?;
    let sort = order.filter(|_| !ordered);
    let distinct = query.distinct && step.index.spec.multi_entry;
    if sort.is_none() && !distinct {
        return Ok(Plan { steps: vec![step], sort, distinct, reverse: false, offset: 0, limit: None });
    }
    // The window is of what was sorted or told apart.
    let reverse = query.reverse && sort.is_some();
    let step = Step { reverse: query.reverse && sort.is_none(), offset: 0, limit: None, ..step };
    Ok(Plan { steps: vec![step], sort, distinct, reverse, offset: query.offset, limit: query.limit })
}

/// What the query wants its rows ordered by.
fn sort_path(store: &StoreSpec, query: &Query) -> Result<Option<KeyPath>> {
    let Some(name) = query.order.as_deref() else { return Ok(None) };
    if let Some(named) = indexes::find(store, Some(name)) {
        if named.spec.multi_entry {
            return Err(invalid(name, "lists a row several times, so a query cannot be ordered by it: use sortBy"));
        }
        return named.key_path().map(Some).ok_or_else(|| invalid(name, "is kept beside the rows: leave orderBy out"));
    }
    KeyPath::parse(name).map(Some).ok_or_else(|| invalid(name, "is neither an index nor a field"))
}

fn invalid(name: &str, reason: &str) -> Error {
    Error::new(Kind::InvalidArgument, format!("orderBy: {name} {reason}")).with(json!({ "index": name }))
}

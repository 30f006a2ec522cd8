//! Which queries a commit concerns: those whose ranges list a record before or after it.

use super::indexes::{self, Named};
use super::plan::Equality;
use super::{Branch, Query};
use crate::engine::Touched;
use crate::model::StoreSpec;
use crate::store::{Key, Row, index_keys, key_at};

impl Query {
    /// Whether the result may be another one because of a record.
    pub(in crate::engine) fn concerns<R: Row>(&self, spec: &StoreSpec, record: &Touched<R>) -> bool {
        self.table == record.table
            && (self.branches.is_empty() || self.branches.iter().any(|branch| branch.concerns(spec, record)))
    }

    /// The same where only the record's key is known.
    pub(in crate::engine) fn may_list(&self, spec: &StoreSpec, key: &Key) -> bool {
        self.branches.is_empty() || self.branches.iter().any(|branch| branch.may_list(spec, key))
    }
}

impl Branch {
    fn concerns<R: Row>(&self, spec: &StoreSpec, record: &Touched<R>) -> bool {
        if !self.may_list(spec, &record.key) {
            return false;
        }
        let Some(named) = indexes::find(spec, self.index.as_deref()) else { return true };
        let mut rows = [&record.old, &record.new].into_iter().flatten().peekable();
        // Where neither is known, anything may have been there.
        rows.peek().is_none() || rows.any(|row| self.lists(spec, &named, row))
    }

    fn lists<R: Row>(&self, spec: &StoreSpec, named: &Named<'_>, row: &R) -> bool {
        let equal = |(path, key): &(String, Key)| Equality::of(spec, path, key).holds(row);
        self.equal.iter().all(equal) && (named.primary || self.has_key(named, row))
    }

    fn has_key<R: Row>(&self, named: &Named<'_>, row: &R) -> bool {
        if !named.is_prefix() {
            return index_keys(row, named.spec).iter().any(|key| self.condition.accepts(key));
        }
        // A row that lacks a further field of the index is not in it, but whether another index is read is the plan's.
        named.key_path().and_then(|path| key_at(row, &path)).is_some_and(|key| self.condition.accepts(&key))
    }

    /// Whether the ranges of the primary key, where the branch goes by it, leave the key in.
    fn may_list(&self, spec: &StoreSpec, key: &Key) -> bool {
        let named = indexes::find(spec, self.index.as_deref());
        let Some(named) = named.filter(|named| named.primary && self.equal.is_empty()) else { return true };
        if stands_for_any(key) {
            return true;
        }
        let key = if named.is_prefix() { named.cut(key.clone()) } else { key.clone() };
        self.condition.accepts(&key)
    }
}

/// An empty list stands for keys that are not known.
fn stands_for_any(key: &Key) -> bool {
    matches!(key, Key::List(keys) if keys.is_empty())
}

//! What became of the items of a write: those that were refused are named, the others are written.

use super::Written;
use crate::engine::error::{Error, Kind, Result};
use crate::model::sort_by;
use crate::store::Key;
use serde_json::{Value, json};

/// An item that was refused; it changed nothing.
struct Failure {
    position: usize,
    key: Option<Key>,
    error: Error,
}

/// What a write did so far.
#[derive(Default)]
pub struct Outcome {
    /// The keys of the written records, in the order they were given.
    pub keys: Vec<Key>,
    /// How many records really changed.
    pub count: usize,
    /// How many of them are new.
    pub created: usize,
    failures: Vec<Failure>,
}

impl Outcome {
    /// Of a write that names records which need not be there.
    pub fn naming(keys: Vec<Key>) -> Self {
        Self { keys, ..Self::default() }
    }

    /// Notes that the item at `position` was refused.
    pub fn refuse(&mut self, position: usize, key: Option<Key>, error: Error) {
        self.failures.push(Failure { position, key, error });
    }

    /// Fails as a whole if an item was refused. For writes that are all or nothing, before anything is put.
    pub fn all_or_nothing(&mut self) -> Result<()> {
        if self.failures.is_empty() { Ok(()) } else { Err(self.failures.swap_remove(0).error) }
    }

    /// The result of a write of `items` items: of one alone its own error, of several ([`Kind::BulkFailed`]) which were
    /// refused, and why.
    pub fn result(mut self, table: &str, items: usize, bulk: bool) -> Result<Written> {
        if self.failures.is_empty() {
            return Ok(Written { keys: self.keys, count: self.count, created: self.created, ticket: None });
        }
        if items == 1 && !bulk {
            return Err(self.failures.swap_remove(0).error);
        }
        sort_by(&mut self.failures, |a, b| a.position.cmp(&b.position));
        let (first, failed) = (&self.failures[0], self.failures.len());
        let message = format!(
            "{failed} of {items} records of {table} were not written, the others were; the first of them, at position {}: {}",
            first.position, first.error
        );
        let failures: Vec<Value> = self.failures.iter().map(Failure::to_json).collect();
        let details = json!({ "table": table, "failures": failures, "successCount": items - failed });
        Err(Error::new(Kind::BulkFailed, message).with(details))
    }
}

impl Failure {
    fn to_json(&self) -> Value {
        let mut json = json!({
            "position": self.position,
            "code": self.error.kind().code(),
            "message": self.error.to_string(),
            "details": self.error.details(),
        });
        match &self.key {
            Some(Key::Text(text)) => json["key"] = json!(text),
            Some(Key::Number(number)) => json["key"] = json!(number),
            _ => {}
        }
        json
    }
}

/// Splits items so that no key comes twice in a part: what names a record again is compared with its first writing.
pub fn rounds<T>(items: impl IntoIterator<Item = T>, key: impl Fn(&T) -> Option<Key>) -> Vec<Vec<T>> {
    let mut rounds = vec![Vec::new()];
    let mut seen = crate::model::OrderedSet::new();
    for item in items {
        if key(&item).is_some_and(|key| !seen.insert(key)) {
            seen.clear();
            seen.extend(key(&item));
            rounds.push(Vec::new());
        }
        if let Some(round) = rounds.last_mut() {
            round.push(item);
        }
    }
    rounds
}

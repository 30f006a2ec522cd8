//! Purging: a record's values leave this device, and this device alone.
//!
//! What stays is a row that is never shown, with the stamps of its fields: incoming changes find what they belong to, and
//! a read from the beginning does not bring the values back. Nothing is logged; what was logged before is still sent.

use super::plan::Target;
use super::{Open, Outcome, Writer};
use crate::engine::Touched;
use crate::engine::error::Result;
use crate::engine::guests::is_anothers;
use crate::engine::ports::Host;
use crate::engine::prepare::is_purged;
use crate::model::{AUTHOR_ID, DELETED_AT, ID, OrderedSet, PURGED, SHADOW, SPACE_ID, USER_ID, VISIBILITY, is_hidden};
use crate::store::{Key, Row, RowValue, Store, Transaction};

impl<S: Store, H: Host> Writer<S, H> {
    pub(super) async fn purge(&self, open: &mut Open<S>, target: &Target<'_>, keys: Vec<Key>) -> Result<Outcome> {
        let unique: Vec<Key> = keys.iter().cloned().collect::<OrderedSet<_>>().into_iter().collect();
        let stored = open.tx.get_many(target.name, &unique).await?;
        let mut outcome = Outcome::naming(keys);
        for (key, row) in unique.into_iter().zip(stored) {
            let is_there = |row: &S::Row| !is_purged(row) && !is_anothers(&self.engine.config(), row);
            let Some(old) = row.filter(is_there) else { continue };
            let new = without_values(&old);
            open.put(target.name, &new);
            let table = target.name.to_owned();
            open.touched.push(Touched { table, key, old: Some(old), new: Some(new), fields: Vec::new() });
            outcome.count += 1;
        }
        open.result()?;
        Ok(outcome)
    }
}

fn without_values<R: Row>(row: &R) -> R {
    let mut rest = row.shallow_copy();
    let stays =
        |name: &str| is_hidden(name) || matches!(name, ID | SPACE_ID | USER_ID | AUTHOR_ID | VISIBILITY | DELETED_AT);
    row.names().iter().filter(|name| !stays(name)).for_each(|name| rest.remove(name));
    rest.remove(SHADOW);
    rest.set(PURGED, R::Value::number(1.0));
    rest
}

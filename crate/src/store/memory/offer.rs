//! Offers: rows that may be refused one by one.

use super::MemoryTransaction;
use crate::model::{IndexSpec, StoreSpec};
use crate::store::{JsonRow, Key, StoreError, index_keys};

impl MemoryTransaction {
    pub(super) fn offer_one(
        &self,
        store: &str,
        row: &JsonRow,
        key: Option<&Key>,
        only_new: bool,
    ) -> Result<Key, StoreError> {
        let spec = self.spec(store)?;
        let mut row = row.clone();
        let key = self.key_for(store, &mut row, key)?;
        if only_new && self.one(store, &key).is_some() {
            return Err(StoreError::Constraint(format!("{store}.{}", spec.primary.name)));
        }
        if let Some(index) = self.taken(&spec, &key, &row) {
            return Err(StoreError::Constraint(format!("{store}.{}", index.name)));
        }
        self.state.borrow_mut().overlay.entry(store.to_owned()).or_default().insert(key.clone(), Some(row));
        Ok(key)
    }

    /// The unique index in which another row has an entry of this one's.
    fn taken<'a>(&self, spec: &'a StoreSpec, key: &Key, row: &JsonRow) -> Option<&'a IndexSpec> {
        spec.indexes.iter().filter(|index| index.unique).find(|index| {
            let wanted = index_keys(row, index);
            let others = self.merged(&spec.name).into_iter().filter(|(other, _)| other != key);
            others.into_iter().any(|(_, other)| index_keys(&other, index).iter().any(|key| wanted.contains(key)))
        })
    }
}

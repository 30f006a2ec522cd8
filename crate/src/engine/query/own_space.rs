//! `_personal:<user>` in keys of queries: records keep the id of the user's own space in its place, where that is known.

use super::indexes;
use super::ranges::united;
use super::{Branch, Condition, Query};
use crate::engine::config::Config;
use crate::model::{SPACE_ID, Scope, StoreSpec};
use crate::store::{Key, KeyRange};
use std::borrow::Cow;

impl Query {
    /// The same query with spaces named as records name them.
    pub(in crate::engine) fn stored(&self, config: &Config) -> Cow<'_, Self> {
        let alias = config.personal_alias();
        let id = config.stored_space(&alias);
        // In other tables the field is the app's own.
        let has_spaces = |scope| scope == Scope::Space && alias != id;
        let table = config.tables.get(&self.table);
        let table = table.filter(|table| table.sync.as_ref().is_some_and(|sync| has_spaces(sync.scope)));
        let Some(table) = table else { return Cow::Borrowed(self) };
        let mut query = self.clone();
        for branch in &mut query.branches {
            branch.rename(&table.spec, &alias, &id);
        }
        Cow::Owned(query)
    }
}

impl Branch {
    fn rename(&mut self, spec: &StoreSpec, alias: &str, id: &str) {
        let rename = |key: &mut Key| {
            if matches!(key, Key::Text(text) if text == alias) {
                *key = Key::text(id);
            }
        };
        self.equal.iter_mut().filter(|(path, _)| path == SPACE_ID).for_each(|(_, key)| rename(key));
        let paths = indexes::find(spec, self.index.as_deref());
        let Some(place) = paths.and_then(|named| named.meant().iter().position(|path| path == SPACE_ID)) else {
            return;
        };
        let Condition::Ranges(ranges) = &mut self.condition else { return };
        for range in ranges.iter_mut().filter(|range| !goes_on_behind(range, alias)) {
            for (key, _) in [&mut range.lower, &mut range.upper].into_iter().flatten() {
                match key {
                    Key::List(parts) => parts.get_mut(place).into_iter().for_each(rename),
                    key => rename(key),
                }
            }
        }
        *ranges = united(std::mem::take(ranges));
    }
}

/// Whether a range is of texts that begin so: then it is about the texts, whatever they stand for.
fn goes_on_behind(range: &KeyRange, alias: &str) -> bool {
    matches!(&range.upper, Some((Key::Text(text), _)) if text.len() > alias.len() && text.starts_with(alias))
}

//! The indexes of a table by the names that queries give them; of compound ones also their first paths.

use crate::engine::error::{Error, Kind, Result};
use crate::model::{IndexSpec, KeyPath, StoreSpec};
use crate::store::Key;
use serde_json::json;

/// Stands for the primary key, whatever its name.
const PRIMARY: &str = ":id";

/// An index, or the primary key, as far as a query goes by it.
#[derive(Debug, Clone, Copy)]
pub struct Named<'a> {
    /// What IndexedDB has.
    pub spec: &'a IndexSpec,
    /// Whether it is the primary key.
    pub primary: bool,
    /// How many of its paths are meant, from the first.
    pub paths: usize,
}

impl<'a> Named<'a> {
    fn whole(spec: &'a IndexSpec, primary: bool) -> Self {
        Self { spec, primary, paths: paths(spec).len() }
    }

    /// The paths that are meant.
    pub fn meant(&self) -> &'a [String] {
        &paths(self.spec)[..self.paths]
    }

    /// Whether the index goes on behind them.
    pub fn is_prefix(&self) -> bool {
        self.paths < paths(self.spec).len()
    }

    /// The key path of its keys; `None`: the primary key is kept beside the rows.
    pub fn key_path(&self) -> Option<KeyPath> {
        match (self.meant(), &self.spec.key_path) {
            (_, path) if !self.is_prefix() => path.clone(),
            ([one], _) => Some(KeyPath::Single(one.clone())),
            (several, _) => Some(KeyPath::Compound(several.to_vec())),
        }
    }

    /// A key of the whole index as one of what is meant.
    pub fn cut(&self, key: Key) -> Key {
        match key {
            Key::List(parts) if self.is_prefix() => match self.paths {
                1 => parts.into_iter().next().unwrap_or(Key::List(Vec::new())),
                paths => Key::List(parts.into_iter().take(paths).collect()),
            },
            other => other,
        }
    }
}

/// The paths of an index, in their order.
pub fn paths(spec: &IndexSpec) -> &[String] {
    spec.key_path.as_ref().map_or(&[], KeyPath::paths)
}

/// The primary key and all indexes.
pub fn all(store: &StoreSpec) -> impl DoubleEndedIterator<Item = Named<'_>> {
    std::iter::once(Named::whole(&store.primary, true))
        .chain(store.indexes.iter().map(|index| Named::whole(index, false)))
}

/// The index of that name: declared so, or else the shortest compound one that begins so.
pub fn find<'a>(store: &'a StoreSpec, name: Option<&str>) -> Option<Named<'a>> {
    let Some(name) = name.filter(|name| *name != PRIMARY) else { return all(store).next() };
    if let Some(exact) = all(store).find(|named| named.spec.name == name) {
        return Some(exact);
    }
    let wanted = KeyPath::parse(name)?;
    if let Some(exact) = all(store).find(|named| named.spec.key_path.as_ref() == Some(&wanted)) {
        return Some(exact);
    }
    let longer = all(store).filter(|named| named.meant().starts_with(wanted.paths()));
    let shortest = longer.min_by_key(|named| (named.paths, !named.primary, named.spec.name.clone()))?;
    Some(Named { paths: wanted.paths().len(), ..shortest })
}

/// The same, or the error that there is none.
pub fn named<'a>(store: &'a StoreSpec, name: Option<&str>) -> Result<Named<'a>> {
    find(store, name).ok_or_else(|| unknown(store, name.unwrap_or_default()))
}

/// What is missing, and where to add it.
pub fn unknown(store: &StoreSpec, name: &str) -> Error {
    let message = format!("{} has no index {name}: add it to schema.stores", store.name);
    Error::new(Kind::UnknownIndex, message).with(json!({ "table": store.name, "index": name }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(name: &str) -> Option<(String, usize)> {
        let store = StoreSpec::parse("t", "id, a, *tags, [b+c], [b+c+d], [a+b], [ e + f ], n.x").unwrap();
        find(&store, Some(name)).map(|named| (named.spec.name.clone(), named.paths))
    }

    #[test]
    fn declared_names_come_before_first_paths_and_shorter_indexes_before_longer_ones() {
        let is = |name: &str, paths| Some((name.to_owned(), paths));
        assert_eq!(found("a"), is("a", 1), "declared, although [a+b] begins with it");
        assert_eq!(found("b"), is("[b+c]", 1));
        assert_eq!(found("[b+c]"), is("[b+c]", 2));
        assert_eq!(found("e"), is("[ e + f ]", 1));
        assert_eq!(found("[e+f]"), is("[ e + f ]", 2));
        assert_eq!(found("n.x"), is("n.x", 1));
        assert_eq!(found(":id"), is("id", 1));
        assert_eq!(found("c"), None);
        assert_eq!(found("[c+b]"), None);
        assert_eq!(found("no name"), None);
    }

    #[test]
    fn keys_of_a_longer_index_are_cut() {
        let store = StoreSpec::parse("t", "id, [b+c+d]").unwrap();
        let key = || Key::List(vec![Key::text("b"), Key::text("c"), Key::text("d")]);
        let cut = |name| find(&store, Some(name)).unwrap().cut(key());
        assert_eq!(cut("b"), Key::text("b"));
        assert_eq!(cut("[b+c]"), Key::pair("b", "c"));
        assert_eq!(cut("[b+c+d]"), key());
    }
}

//! Tables and indexes in Dexie's syntax, and how a table takes part in sync.

use super::{AppId, FieldName, Malformed, Step, TableName};
use crate::model::{OrderedMap, OrderedSet};

/// Where a key is found in a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeyPath {
    /// One path; `a.b` looks into nested objects.
    Single(String),
    /// Several paths, making an array key: `[a+b]`.
    Compound(Vec<String>),
}

impl KeyPath {
    /// Reads `name`, `a.b` or `[a+b]`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        parse_key_path(text)
    }

    /// Its paths: one, or those of a compound key.
    #[must_use]
    pub fn paths(&self) -> &[String] {
        match self {
            Self::Single(path) => std::slice::from_ref(path),
            Self::Compound(paths) => paths,
        }
    }
}

/// One index, or the primary key, of a store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IndexSpec {
    /// Its name, as used in `where(…)`: the text of the key path without marks.
    pub name: String,
    /// `None`: an outbound primary key, kept beside the record.
    pub key_path: Option<KeyPath>,
    /// `&`: no two records may have the same key.
    pub unique: bool,
    /// `*`: an array gives one entry per element.
    pub multi_entry: bool,
    /// `++`: IndexedDB counts the keys.
    pub auto_increment: bool,
}

/// A store: its primary key and its indexes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoreSpec {
    /// The store's name.
    pub name: String,
    /// The primary key.
    pub primary: IndexSpec,
    /// The other indexes, in the order they were declared.
    pub indexes: Vec<IndexSpec>,
}

impl StoreSpec {
    /// Reads a Dexie schema such as `++id, &slug, *tags, [spaceId+dueDate], a.b`; the first entry is the primary key.
    pub fn parse(name: &str, schema: &str) -> Result<Self, Malformed> {
        let mut entries = schema.split(',').map(str::trim);
        let primary = parse_primary(name, entries.next().unwrap_or_default())?;
        let indexes = entries.filter(|e| !e.is_empty()).map(|e| parse_index(name, e)).collect::<Result<Vec<_>, _>>()?;
        let mut seen = OrderedSet::new();
        if let Some(twice) = indexes.iter().find(|index| !seen.insert(index.name.as_str())) {
            return Err(Malformed::new(format!("{name}.{}", twice.name), "is declared twice"));
        }
        Ok(Self { name: name.to_owned(), primary, indexes })
    }

    /// The index of that name; the primary key under its own name.
    #[must_use]
    pub fn index(&self, name: &str) -> Option<&IndexSpec> {
        std::iter::once(&self.primary).chain(&self.indexes).find(|index| index.name == name)
    }
}

fn parse_primary(store: &str, entry: &str) -> Result<IndexSpec, Malformed> {
    if matches!(entry, "" | "++") {
        return Ok(IndexSpec {
            name: String::new(),
            key_path: None,
            unique: true,
            multi_entry: false,
            auto_increment: entry == "++",
        });
    }
    let index = parse_index(store, entry)?;
    if index.multi_entry {
        return Err(Malformed::new(format!("{store}.{}", index.name), "a primary key cannot be multi-entry"));
    }
    Ok(IndexSpec { unique: true, ..index })
}

fn parse_index(store: &str, entry: &str) -> Result<IndexSpec, Malformed> {
    let mut rest = entry;
    let (mut unique, mut multi_entry, mut auto_increment) = (false, false, false);
    loop {
        rest = if let Some(after) = rest.strip_prefix("++") {
            auto_increment = true;
            after
        } else if let Some(after) = rest.strip_prefix('&') {
            unique = true;
            after
        } else if let Some(after) = rest.strip_prefix('*') {
            multi_entry = true;
            after
        } else {
            break;
        };
    }
    let key_path = parse_key_path(rest).ok_or_else(|| {
        Malformed::new(
            format!("{store}: {entry}"),
            "is not an index: expected name, a.b, [a+b], with ++, & or * before it",
        )
    })?;
    if multi_entry && matches!(key_path, KeyPath::Compound(_)) {
        return Err(Malformed::new(format!("{store}: {entry}"), "a compound index cannot be multi-entry"));
    }
    Ok(IndexSpec { name: rest.to_owned(), key_path: Some(key_path), unique, multi_entry, auto_increment })
}

fn parse_key_path(text: &str) -> Option<KeyPath> {
    if let Some(inner) = text.strip_prefix('[').and_then(|t| t.strip_suffix(']')) {
        let parts: Vec<String> = inner.split('+').map(|part| part.trim().to_owned()).collect();
        return parts.iter().all(|part| is_path(part)).then_some(KeyPath::Compound(parts));
    }
    is_path(text).then(|| KeyPath::Single(text.to_owned()))
}

fn is_path(text: &str) -> bool {
    !text.is_empty()
        && text
            .split('.')
            .all(|part| !part.is_empty() && part.chars().all(|c| c == '_' || c == '$' || c.is_alphanumeric()))
}

/// Whether a table's records belong to a space or to a person.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Scope {
    /// Records carry `spaceId`, `authorId` and `visibility`.
    #[default]
    Space,
    /// Records carry `userId`: settings and the like.
    User,
}

/// Names that sealed values are bound to, where those of the schema were others when they were sealed.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct BoundNames {
    /// The table's.
    pub table: Option<TableName>,
    /// Of fields, by their present names.
    pub fields: OrderedMap<String, FieldName>,
}

/// How a table takes part in sync.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableSync {
    /// The app it belongs to.
    pub app: AppId,
    /// Its name on the wire.
    pub sync_name: TableName,
    /// Whose its records are.
    pub scope: Scope,
    /// Fields that hold dates: ISO strings on disk and on the wire, `Date` in the app.
    pub dates: OrderedSet<String>,
    /// Fields that are sealed in records that are the user's alone.
    pub sealed: OrderedSet<String>,
    /// The names that their values are bound to.
    pub aad: BoundNames,
    /// The version of the app's data, sent with every change.
    pub schema_version: u32,
    /// How records of older versions become those of this one, in the order of the versions.
    pub migrations: Vec<Step>,
}

impl TableSync {
    /// The name of the table that sealed values are bound to.
    #[must_use]
    pub fn bound_table(&self) -> &TableName {
        self.aad.table.as_ref().unwrap_or(&self.sync_name)
    }

    /// The name of a field that sealed values are bound to.
    #[must_use]
    pub fn bound_field<'a>(&'a self, field: &'a str) -> &'a str {
        self.aad.fields.get(field).map_or(field, FieldName::as_str)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_of_an_index_is_read() {
        let store = StoreSpec::parse("t", "id, &slug, *tags, [spaceId+dueDate], a.b").unwrap();
        assert_eq!(store.primary.key_path, Some(KeyPath::Single("id".into())));
        assert!(store.index("slug").unwrap().unique);
        assert!(store.index("tags").unwrap().multi_entry);
        let compound = KeyPath::Compound(vec!["spaceId".into(), "dueDate".into()]);
        assert_eq!(store.index("[spaceId+dueDate]").unwrap().key_path, Some(compound));
        assert!(store.index("a.b").is_some());
    }

    #[test]
    fn outbound_and_counted_keys_are_read() {
        assert_eq!(StoreSpec::parse("t", "").unwrap().primary.key_path, None);
        assert!(StoreSpec::parse("t", "++").unwrap().primary.auto_increment);
        assert!(StoreSpec::parse("t", "++id").unwrap().primary.auto_increment);
    }

    #[test]
    fn what_is_no_index_is_refused() {
        for schema in ["id, [a+]", "id, a b", "id, *[a+b]", "*id", "id, a, a", "id, &"] {
            assert!(StoreSpec::parse("t", schema).is_err(), "{schema}");
        }
    }
}

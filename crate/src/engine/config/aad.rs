//! The names that sealed values are bound to: each stands for one field, or one table.

use super::{Table, invalid};
use crate::engine::error::Result;
use crate::model::{OrderedMap, OrderedSet, SHARE_PROOF, TableSync};
use std::rc::Rc;

/// Two fields whose values are bound to one name could be put in each other's place.
pub(super) fn check_fields(name: &str, sync: &TableSync) -> Result<()> {
    if let Some(stray) = sync.aad.fields.keys().find(|field| !sync.sealed.contains(*field)) {
        return Err(invalid(name, &format!("has an aad name for {stray}, which is not sealed")));
    }
    if sync.aad.table.is_some() && sync.sealed.is_empty() {
        return Err(invalid(name, "has an aad name and no sealed fields"));
    }
    let mut seen: OrderedSet<&str> = [SHARE_PROOF].into();
    match sync.sealed.iter().find(|field| !seen.insert(sync.bound_field(field))) {
        Some(twice) => {
            let bound = sync.bound_field(twice);
            Err(invalid(name, &format!("has the aad name {bound} for {twice}, which another of its fields has")))
        }
        None => Ok(()),
    }
}

/// The same of tables.
pub(super) fn check_tables(tables: &OrderedMap<String, Rc<Table>>) -> Result<()> {
    let mut seen = OrderedSet::new();
    for (name, table) in tables {
        let Some(sync) = table.sync.as_ref().filter(|sync| !sync.sealed.is_empty()) else { continue };
        if !seen.insert((sync.app.clone(), sync.bound_table().clone())) {
            return Err(invalid(name, "has an aad name that another table of its app has too"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::Config;
    use crate::model::{AppId, BoundNames, FieldName, OrderedSet, Scope, StoreSpec, TableName, TableSync};

    fn table(name: &str, sealed: &[&str], aad: (Option<&str>, &[(&str, &str)])) -> (String, TableSync) {
        let fields = aad.1.iter().map(|(field, bound)| ((*field).to_owned(), FieldName::parse(*bound).unwrap()));
        let sync = TableSync {
            app: AppId::parse("todo").unwrap(),
            sync_name: TableName::parse(name).unwrap(),
            scope: Scope::Space,
            dates: OrderedSet::new(),
            sealed: sealed.iter().map(|field| (*field).to_owned()).collect(),
            aad: BoundNames { table: aad.0.map(|name| TableName::parse(name).unwrap()), fields: fields.collect() },
            schema_version: 1,
            migrations: Vec::new(),
        };
        (name.to_owned(), sync)
    }

    fn code(tables: Vec<(String, TableSync)>) -> Option<&'static str> {
        let stores = tables.iter().map(|(name, _)| StoreSpec::parse(name, "id").unwrap()).collect();
        Config::new("db", stores, tables).err().map(|error| error.kind().code())
    }

    #[test]
    fn no_two_fields_and_no_two_tables_are_bound_to_one_name() {
        let refused = Some("invalid_schema");
        assert_eq!(code(vec![table("todos", &["name"], (Some("tasks"), &[("name", "title")]))]), None);
        assert_eq!(code(vec![table("t", &["name", "title"], (None, &[("name", "title"), ("title", "name")]))]), None);
        assert_eq!(code(vec![table("t", &["name", "title"], (None, &[("name", "title")]))]), refused);
        assert_eq!(code(vec![table("t", &["name"], (None, &[("name", "shareProof")]))]), refused);
        assert_eq!(code(vec![table("t", &["name"], (None, &[("title", "name")]))]), refused, "it is not sealed");
        assert_eq!(code(vec![table("t", &[], (Some("tasks"), &[]))]), refused, "nothing is sealed");
        let tasks = || table("tasks", &["title"], (None, &[]));
        assert_eq!(code(vec![tasks(), table("todos", &["title"], (Some("tasks"), &[]))]), refused);
        assert_eq!(code(vec![tasks(), table("todos", &["title"], (None, &[]))]), None);
    }
}

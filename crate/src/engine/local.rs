//! Writes on tables that do not sync: as IndexedDB takes them, without stamps and without log.

use super::Touched;
use super::config::Table;
use super::error::{Error, Kind, Result};
use super::prepare::set_path;
use super::write::{Open, Write, Written};
use crate::store::{Key, Row, Scan, Store, Transaction, key_at};
use serde_json::json;

/// Performs one write on a local table.
pub async fn write<S: Store>(open: &mut Open<S>, table: &Table, write: Write<S::Row>) -> Result<Written> {
    match write {
        Write::Add(rows) => store_rows(open, table, rows, true).await,
        Write::Put(rows) => store_rows(open, table, rows, false).await,
        Write::Update(items) => update_rows(open, table, items).await,
        Write::Delete(keys) => delete_rows(open, table, keys).await,
        Write::Clear => clear(open, table).await,
        Write::Restore(_) => Err(Error::new(
            Kind::InvalidArgument,
            format!(
                "{} does not sync, so its records are gone when deleted: there is nothing to restore",
                table.spec.name
            ),
        )),
    }
}

async fn store_rows<S: Store>(open: &mut Open<S>, table: &Table, rows: Vec<S::Row>, only_new: bool) -> Result<Written> {
    let name = table.spec.name.as_str();
    let mut written = Written::default();
    for row in rows {
        let known = table.spec.primary.key_path.as_ref().and_then(|path| key_at(&row, path));
        let old = match &known {
            Some(key) => open.tx.get(name, key).await?,
            None => None,
        };
        if only_new && old.is_some() {
            return Err(Error::new(Kind::AlreadyExists, format!("{name} has a record with this key already"))
                .with(json!({ "table": name })));
        }
        let key = open.tx.insert(name, &row, None).await?;
        open.touched.push(Touched { table: name.to_owned(), key: key.clone(), old, new: Some(row) });
        written.keys.push(key);
        written.count += 1;
    }
    Ok(written)
}

async fn update_rows<S: Store>(open: &mut Open<S>, table: &Table, items: Vec<(Key, S::Row)>) -> Result<Written> {
    let name = table.spec.name.as_str();
    let outbound = table.spec.primary.key_path.is_none();
    let mut written = Written::default();
    for (key, changes) in items {
        let Some(old) = open.tx.get(name, &key).await? else { continue };
        let mut row = old.shallow_copy();
        for path in changes.names() {
            set_path(&mut row, &path, changes.get(&path));
        }
        open.tx.put(name, &row, outbound.then_some(&key))?;
        open.touched.push(Touched { table: name.to_owned(), key: key.clone(), old: Some(old), new: Some(row) });
        written.keys.push(key);
        written.count += 1;
    }
    Ok(written)
}

async fn delete_rows<S: Store>(open: &mut Open<S>, table: &Table, keys: Vec<Key>) -> Result<Written> {
    let name = table.spec.name.as_str();
    let stored = open.tx.get_many(name, &keys).await?;
    let mut count = 0;
    for (key, old) in keys.iter().zip(stored) {
        let Some(old) = old else { continue };
        open.tx.delete(name, key)?;
        open.touched.push(Touched { table: name.to_owned(), key: key.clone(), old: Some(old), new: None });
        count += 1;
    }
    Ok(Written { keys, count, ticket: None })
}

async fn clear<S: Store>(open: &mut Open<S>, table: &Table) -> Result<Written> {
    let name = table.spec.name.as_str();
    let rows = open.tx.scan(name, &Scan::default(), &|_| true).await?;
    open.tx.clear(name)?;
    let count = rows.len();
    for old in rows {
        let key = table.spec.primary.key_path.as_ref().and_then(|path| key_at(&old, path));
        // Rows with keys beside them do not say their keys; any key stands for the whole table here.
        let key = key.unwrap_or_else(|| Key::List(Vec::new()));
        open.touched.push(Touched { table: name.to_owned(), key, old: Some(old), new: None });
    }
    Ok(Written { keys: Vec::new(), count, ticket: None })
}

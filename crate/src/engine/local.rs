//! Writes on tables that do not sync: as IndexedDB takes them, without stamps and without log.

use super::Touched;
use super::changes::differing;
use super::config::Table;
use super::error::{Error, Kind, Result};
use super::paths::{Naming, set_named, set_path};
use super::write::{Open, Outcome, Write, rounds};
use crate::model::{KeyPath, OrderedMap, OrderedSet};
use crate::store::{Key, Offered, Row, Scan, Store, StoreError, Transaction, is_exact_key, key_at};
use serde_json::json;

type Pair<R> = (Option<Key>, R);

/// Performs one write on a local table.
pub async fn write<S: Store>(open: &mut Open<S>, table: &Table, write: Write<S::Row>) -> Result<Outcome> {
    let inbound = |rows: Vec<S::Row>| rows.into_iter().map(|row| (None, row)).collect();
    match write {
        Write::Add(rows) => store_rows(open, table, inbound(rows), true).await,
        Write::Put(rows) => store_rows(open, table, inbound(rows), false).await,
        Write::AddAt(pairs) => store_rows(open, table, outbound(table, pairs)?, true).await,
        Write::PutAt(pairs) => store_rows(open, table, outbound(table, pairs)?, false).await,
        Write::Update(items) => update_rows(open, table, items, Naming::Paths, false).await,
        Write::UpdateFields(items) | Write::Restate(items) => {
            update_rows(open, table, items, Naming::Fields, false).await
        }
        Write::Upsert(items) => update_rows(open, table, items, Naming::Paths, true).await,
        Write::Delete(keys) | Write::Purge(keys) => delete_rows(open, table, keys).await,
        Write::Clear { .. } => clear(open, table).await,
        Write::Restore(_) => Err(invalid(
            table,
            "does not sync, so its records are gone when they are deleted: there is nothing to restore",
        )),
    }
}

fn invalid(table: &Table, why: &str) -> Error {
    Error::new(Kind::InvalidArgument, format!("{} {why}", table.spec.name)).with(json!({ "table": table.spec.name }))
}

fn outbound<R>(table: &Table, pairs: Vec<(Key, R)>) -> Result<Vec<Pair<R>>> {
    if table.spec.primary.key_path.is_some() {
        return Err(invalid(table, "keeps the key in the record: leave the key argument out; nothing was written"));
    }
    Ok(pairs.into_iter().map(|(key, row)| (Some(key), row)).collect())
}

fn key_of<R: Row>(table: &Table, row: &R) -> Option<Key> {
    table.spec.primary.key_path.as_ref().and_then(|path| key_at(row, path))
}

async fn store_rows<S: Store>(
    open: &mut Open<S>,
    table: &Table,
    pairs: Vec<Pair<S::Row>>,
    only_new: bool,
) -> Result<Outcome> {
    let mut outcome = Outcome::default();
    let inexact = |row: &S::Row| table.spec.primary.key_path.as_ref().is_some_and(|path| !is_exact_key(row, path));
    let (refused, pairs): (Vec<_>, Vec<_>) = pairs.into_iter().enumerate().partition(|(_, (_, row))| inexact(row));
    for (position, (key, _)) in refused {
        let why = StoreError::InvalidKey("its text is not well-formed".to_owned());
        outcome.refuse(position, key, refusal(&table.spec.name, why));
    }
    let pairs = pairs.into_iter().map(|(at, (key, row))| (at, (key.or_else(|| key_of(table, &row)), row)));
    // What is new replaces nothing, so there is nothing to read.
    let rounds = if only_new { vec![pairs.collect()] } else { rounds(pairs, |(_, (key, _))| key.clone()) };
    for round in rounds {
        let known: Vec<Key> = round.iter().filter(|_| !only_new).filter_map(|(_, (key, _))| key.clone()).collect();
        let stored = open.tx.get_many(&table.spec.name, &known).await?;
        let old: OrderedMap<Key, S::Row> =
            known.into_iter().zip(stored).filter_map(|(key, row)| Some((key, row?))).collect();
        offer(open, table, round, old, only_new, &mut outcome).await?;
    }
    Ok(outcome)
}

async fn offer<S: Store>(
    open: &mut Open<S>,
    table: &Table,
    items: Vec<(usize, Pair<S::Row>)>,
    mut old: OrderedMap<Key, S::Row>,
    only_new: bool,
    outcome: &mut Outcome,
) -> Result<()> {
    let name = table.spec.name.as_str();
    let inbound = table.spec.primary.key_path.is_some();
    let (positions, pairs): (Vec<usize>, Vec<Pair<S::Row>>) = items.into_iter().unzip();
    let given: Vec<Pair<S::Row>> =
        pairs.iter().map(|(key, row)| (key.clone().filter(|_| !inbound), row.clone())).collect();
    let offered: Offered = open.tx.offer(name, &given, only_new).await?;
    for ((position, (known, row)), offered) in positions.into_iter().zip(pairs).zip(offered) {
        match offered {
            Ok(key) => {
                let old = old.remove(&key);
                let fields = old.as_ref().map(|old| differing(old, &row)).unwrap_or_default();
                outcome.created += usize::from(old.is_none());
                outcome.count += 1;
                outcome.keys.push(key.clone());
                let row = if known.is_none() && inbound { with_made_key(table, row, &key) } else { row };
                open.touched.push(Touched { table: name.to_owned(), key, old, new: Some(row), fields });
            }
            Err(error) => outcome.refuse(position, known, refusal(name, error)),
        }
    }
    Ok(())
}

/// The row as it is stored: with the key that IndexedDB made for it.
fn with_made_key<R: Row>(table: &Table, row: R, key: &Key) -> R {
    let Some(KeyPath::Single(path)) = &table.spec.primary.key_path else { return row };
    let mut stored = row.shallow_copy();
    // The path took a row as it is; at worst its key is missing here.
    let _ = set_path(&mut stored, path, Some(key.to_value()));
    stored
}

/// Why IndexedDB did not take a row, with what to do about it.
fn refusal(table: &str, error: StoreError) -> Error {
    match error {
        StoreError::Constraint(what) => Error::new(
            Kind::AlreadyExists,
            format!(
                "{table} has a record with this key, or with this entry of a unique index: {what}; it was not written"
            ),
        )
        .with(json!({ "table": table })),
        StoreError::InvalidKey(what) => Error::new(
            Kind::InvalidRecord,
            format!("the record has no valid key for {table}: {what}; it was not written"),
        )
        .with(json!({ "table": table })),
        other => other.into(),
    }
}

async fn update_rows<S: Store>(
    open: &mut Open<S>,
    table: &Table,
    items: Vec<(Key, S::Row)>,
    naming: Naming,
    create: bool,
) -> Result<Outcome> {
    let mut outcome = Outcome::default();
    for round in rounds(items.into_iter().enumerate(), |(_, (key, _))| Some(key.clone())) {
        let keys: Vec<Key> = round.iter().map(|(_, (key, _))| key.clone()).collect();
        let stored = open.tx.get_many(&table.spec.name, &keys).await?;
        let mut old = OrderedMap::new();
        let mut changed = Vec::with_capacity(round.len());
        for ((position, (key, changes)), stored) in round.into_iter().zip(stored) {
            if stored.is_none() && !create {
                continue;
            }
            match with_changes(table, &key, stored.as_ref(), (&changes, naming)) {
                Ok(row) => changed.push((position, (Some(key.clone()), row))),
                Err(error) => outcome.refuse(position, Some(key.clone()), error),
            }
            old.extend(stored.map(|row| (key, row)));
        }
        offer(open, table, changed, old, false, &mut outcome).await?;
    }
    Ok(outcome)
}

/// The stored row, or one with the key alone, with the changes made to it.
fn with_changes<R: Row>(table: &Table, key: &Key, stored: Option<&R>, (changes, naming): (&R, Naming)) -> Result<R> {
    let mut row = match stored {
        Some(stored) => stored.shallow_copy(),
        None => keyed(table, key)?,
    };
    for path in changes.named() {
        set_named(&mut row, naming, &path, changes.get(&path))?;
    }
    if table.spec.primary.key_path.is_some() && key_of(table, &row).as_ref() != Some(key) {
        let field = table.spec.primary.name.as_str();
        let message =
            format!("{field} is the record's key: add the record anew under another one; nothing was written");
        return Err(Error::new(Kind::ImmutableField, message).with(json!({ "field": field })));
    }
    Ok(row)
}

fn keyed<R: Row>(table: &Table, key: &Key) -> Result<R> {
    use crate::model::KeyPath;
    let mut row = R::empty();
    match (&table.spec.primary.key_path, key) {
        (None, _) => {}
        (Some(KeyPath::Single(path)), key) => set_path(&mut row, path, Some(key.to_value()))?,
        (Some(KeyPath::Compound(paths)), Key::List(parts)) => {
            for (path, part) in paths.iter().zip(parts) {
                set_path(&mut row, path, Some(part.to_value()))?;
            }
        }
        (Some(KeyPath::Compound(_)), _) => {
            return Err(invalid(table, "has keys of several parts: the key must be a list; nothing was written"));
        }
    }
    Ok(row)
}

async fn delete_rows<S: Store>(open: &mut Open<S>, table: &Table, keys: Vec<Key>) -> Result<Outcome> {
    let name = table.spec.name.as_str();
    let unique: Vec<Key> = keys.iter().cloned().collect::<OrderedSet<_>>().into_iter().collect();
    let stored = open.tx.get_many(name, &unique).await?;
    let mut outcome = Outcome::naming(keys);
    for (key, old) in unique.into_iter().zip(stored) {
        let Some(old) = old else { continue };
        open.tx.delete(name, &key)?;
        open.touched.push(Touched { table: name.to_owned(), key, old: Some(old), new: None, fields: Vec::new() });
        outcome.count += 1;
    }
    Ok(outcome)
}

async fn clear<S: Store>(open: &mut Open<S>, table: &Table) -> Result<Outcome> {
    let name = table.spec.name.as_str();
    let rows = open.tx.scan(name, &Scan::default(), &|_| true).await?;
    open.tx.clear(name)?;
    let mut outcome = Outcome::naming(Vec::new());
    outcome.count = rows.len();
    for old in rows {
        // Rows with keys beside them do not say their keys; an empty list stands for any key.
        let key = key_of(table, &old).unwrap_or_else(|| Key::List(Vec::new()));
        open.touched.push(Touched { table: name.to_owned(), key, old: Some(old), new: None, fields: Vec::new() });
    }
    Ok(outcome)
}

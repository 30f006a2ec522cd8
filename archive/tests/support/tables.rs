//! What is in an archive, which the fuzz target asks, too.

use mana_archive::{Archive, Result};
use serde_json::Value;
use std::collections::BTreeMap;
use std::io::{Read, Seek};

/// Tables by name, each with its rows.
pub type Tables = BTreeMap<String, Vec<Value>>;

/// Everything that is in it.
pub fn tables<R: Read + Seek>(mut archive: Archive<R>) -> Result<Tables> {
    let names: Vec<String> = archive.tables().into_iter().map(|table| table.name).collect();
    let mut tables = Tables::new();
    for name in names {
        let rows = archive.rows(&name)?.map(|line| Ok(Value::Object(line?.object()?))).collect::<Result<_>>()?;
        tables.insert(name, rows);
    }
    Ok(tables)
}

//! Unpacking tables into files.

use super::{Done, Failure};
use mana_archive::{Archive, how_many_missing};
use serde_json::{Map, Value};
use std::fs::{self, File};
use std::io::{BufWriter, Read, Seek, Write};
use std::path::Path;

/// Writes every table into a file of its own.
pub fn extract<R: Read + Seek>(mut archive: Archive<R>, out: &Path, csv: bool) -> Done {
    fs::create_dir_all(out).map_err(|error| Failure::of(out, error))?;
    for table in archive.tables() {
        let path = out.join(format!("{}.{}", table.name, if csv { "csv" } else { "jsonl" }));
        let file = File::create_new(&path).map_err(|error| Failure::of(&path, error))?;
        let mut to = BufWriter::new(file);
        let rows = if csv {
            as_csv(&mut archive, &table.name, &mut to)?
        } else {
            as_lines(&mut archive, &table.name, &mut to)?
        };
        to.flush().map_err(|error| Failure::of(&path, error))?;
        println!("{}: {rows} rows", path.display());
    }
    let missing = how_many_missing(&archive.missing()?);
    if missing > 0 {
        println!(
            "incomplete: {missing} values could not be read when it was written; incomplete.json in the archive lists them"
        );
    }
    Ok(())
}

fn as_lines<R: Read + Seek>(archive: &mut Archive<R>, table: &str, to: &mut impl Write) -> Done<u64> {
    let mut rows = 0;
    for line in archive.rows(table)? {
        let line = line?;
        line.object()?;
        writeln!(to, "{}", line.text).map_err(|error| Failure(format!("failed: {table}: {error}")))?;
        rows += 1;
    }
    Ok(rows)
}

/// Reads the table twice: rows may have different fields, and the first line names all of them.
fn as_csv<R: Read + Seek>(archive: &mut Archive<R>, table: &str, to: &mut impl Write) -> Done<u64> {
    let mut columns: Vec<String> = Vec::new();
    for line in archive.rows(table)? {
        for name in line?.object()?.into_iter().map(|(name, _)| name) {
            if !columns.contains(&name) {
                columns.push(name);
            }
        }
    }
    columns.sort_by_key(|name| (name != "id", name.clone()));
    let failed = |error: csv::Error| Failure(format!("failed: {table}: {error}"));
    let mut writer = csv::Writer::from_writer(to);
    if !columns.is_empty() {
        writer.write_record(columns.iter().map(|name| inert(name))).map_err(failed)?;
    }
    let mut rows = 0;
    for line in archive.rows(table)? {
        let row = line?.object()?;
        writer.write_record(columns.iter().map(|name| cell(&row, name))).map_err(failed)?;
        rows += 1;
    }
    writer.flush().map_err(|error| failed(error.into()))?;
    Ok(rows)
}

/// Texts as they are, nothing for `null` and what is not there, everything else as JSON.
fn cell(row: &Map<String, Value>, name: &str) -> String {
    match row.get(name) {
        None | Some(Value::Null) => String::new(),
        Some(Value::String(text)) => inert(text),
        Some(other) => other.to_string(),
    }
}

/// A text that a spreadsheet would take for a formula gets an apostrophe before it, as OWASP's page on CSV injection advises.
fn inert(text: &str) -> String {
    let is_formula = text.starts_with(['=', '+', '-', '@', '\t', '\r']);
    if is_formula { format!("'{text}") } else { text.to_owned() }
}

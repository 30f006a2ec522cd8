//! Listing the rows of a table by primary key or index.

use super::Rows;
use crate::model::StoreSpec;
use crate::store::{Entry, JsonRow, Key, KeyRange, Scan, StoreError, index_keys};
use std::ops::Bound;

/// The rows a scan asks for, in its order.
pub fn listed(
    spec: &StoreSpec,
    scan: &Scan,
    rows: &Rows,
    keep: &dyn Fn(&JsonRow) -> bool,
) -> Result<Vec<JsonRow>, StoreError> {
    let by_primary = scan.index.as_deref().is_none_or(|name| name == spec.primary.name);
    if by_primary {
        if scan.range.as_ref().is_some_and(is_empty) {
            return Ok(Vec::new());
        }
        let (lower, upper) = bounds(scan.range.as_ref());
        let found = rows.range((lower, upper)).map(|(_, row)| row);
        return Ok(if scan.reverse { chosen(found.rev(), scan, keep) } else { chosen(found, scan, keep) });
    }
    let found = by_index(spec, scan, rows)?;
    let found = found.iter().map(|(_, _, row)| *row);
    Ok(if scan.reverse { chosen(found.rev(), scan, keep) } else { chosen(found, scan, keep) })
}

/// What a scan lists, with its keys, in its order.
pub fn entries(
    spec: &StoreSpec,
    scan: &Scan,
    rows: &Rows,
    keep: &dyn Fn(&Key, &JsonRow) -> bool,
) -> Result<Vec<Entry<JsonRow>>, StoreError> {
    let by_primary = scan.index.as_deref().is_none_or(|name| name == spec.primary.name);
    let mut found = if by_primary {
        let inside = |key: &Key| scan.range.as_ref().is_none_or(|range| range.contains(key));
        let found = rows.iter().filter(|(key, _)| inside(key));
        found.map(|(key, row)| (key.clone(), key, row)).collect()
    } else {
        by_index(spec, scan, rows)?
    };
    if scan.reverse {
        found.reverse();
    }
    let kept = found.into_iter().filter(|(key, _, row)| keep(key, row));
    let chosen = kept.skip(scan.offset).take(scan.limit.unwrap_or(usize::MAX));
    Ok(chosen.map(|(key, primary, row)| Entry { key, primary: primary.clone(), row: Some(row.clone()) }).collect())
}

fn chosen<'a>(rows: impl Iterator<Item = &'a JsonRow>, scan: &Scan, keep: &dyn Fn(&JsonRow) -> bool) -> Vec<JsonRow> {
    rows.filter(|row| keep(row)).skip(scan.offset).take(scan.limit.unwrap_or(usize::MAX)).cloned().collect()
}

/// A map's range panics where nothing can lie in it.
fn is_empty(range: &KeyRange) -> bool {
    match (&range.lower, &range.upper) {
        (Some((lower, open_lower)), Some((upper, open_upper))) => {
            lower > upper || (lower == upper && (*open_lower || *open_upper))
        }
        _ => false,
    }
}

fn bounds(range: Option<&KeyRange>) -> (Bound<&Key>, Bound<&Key>) {
    (as_bound(range.and_then(|range| range.lower.as_ref())), as_bound(range.and_then(|range| range.upper.as_ref())))
}

fn as_bound(end: Option<&(Key, bool)>) -> Bound<&Key> {
    match end {
        None => Bound::Unbounded,
        Some((key, true)) => Bound::Excluded(key),
        Some((key, false)) => Bound::Included(key),
    }
}

/// Rows with their index key and primary key, in order of both.
fn by_index<'a>(spec: &StoreSpec, scan: &Scan, rows: &'a Rows) -> Result<Vec<(Key, &'a Key, &'a JsonRow)>, StoreError> {
    let name = scan.index.as_deref().unwrap_or_default();
    let index = spec.index(name).ok_or_else(|| StoreError::NotFound(format!("{}.{name}", spec.name)))?;
    let inside = |key: &Key| scan.range.as_ref().is_none_or(|range| range.contains(key));
    let mut found = Vec::new();
    for (primary, row) in rows {
        for key in index_keys(row, index).into_iter().filter(|key| inside(key)) {
            found.push((key, primary, row));
        }
    }
    found.sort_by(|a, b| (&a.0, a.1).cmp(&(&b.0, b.1)));
    Ok(found)
}

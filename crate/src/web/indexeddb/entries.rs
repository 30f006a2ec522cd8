//! Entries of an index with their keys, and counts: cursors, and single requests where IndexedDB has one.

use super::error::store_error;
use super::keys::{key_from_js, range_to_js};
use super::request::Answer;
use super::scan::Source;
use super::shared::Shared;
use crate::store::{Entry, Key, KeyRange, Scan, StoreError};
use crate::web::JsRow;
use js_sys::Array;
use std::rc::Rc;
use wasm_bindgen::{JsCast, JsValue};
use web_sys::{IdbCursor, IdbCursorWithValue};

type Keep<'a> = &'a dyn Fn(&Key, Option<&JsRow>) -> bool;

/// A listing whose first request is on its way.
pub(super) enum Listing {
    /// Nothing can be found.
    Nothing,
    /// All primary keys of the range were asked for.
    Keys { answer: Answer, reverse: bool },
    /// A cursor goes over the range.
    Cursor { answer: Answer, rows: bool },
}

/// Makes the first request of a listing.
pub(super) fn start(shared: &Rc<Shared>, store: &str, scan: &Scan, rows: bool) -> Result<Listing, StoreError> {
    let source = Source::find(shared, store, scan.index.as_deref())?;
    if scan.limit == Some(0) || scan.range.as_ref().is_some_and(KeyRange::is_empty) {
        return Ok(Listing::Nothing);
    }
    let range = range_to_js(scan.range.as_ref())?;
    let all = if rows || scan.limit.is_some() { None } else { source.all_primary(&range) };
    let whole = all.is_some();
    let request = all.unwrap_or_else(|| {
        if rows { source.cursor(&range, scan.reverse) } else { source.key_cursor(&range, scan.reverse) }
    });
    let request = request.map_err(|thrown| store_error(&thrown, "entries"))?;
    let answer = Answer::new(shared, request, "entries");
    Ok(if whole { Listing::Keys { answer, reverse: scan.reverse } } else { Listing::Cursor { answer, rows } })
}

impl Listing {
    /// The entries that `keep` says yes to, without the first `offset`, at most `limit`.
    pub async fn entries(self, scan: &Scan, keep: Keep<'_>) -> Result<Vec<Entry<JsRow>>, StoreError> {
        match self {
            Self::Nothing => Ok(Vec::new()),
            Self::Keys { answer, reverse } => {
                let all: Array = answer.await?.unchecked_into();
                let mut keys = all.iter().map(|key| key_from_js(&key)).collect::<Result<Vec<_>, _>>()?;
                if reverse {
                    keys.reverse();
                }
                let kept = keys.into_iter().filter(|key| keep(key, None)).skip(scan.offset);
                Ok(kept.map(|key| Entry { key: key.clone(), primary: key, row: None }).collect())
            }
            Self::Cursor { answer, rows } => walk(answer, rows, scan, keep).await,
        }
    }
}

async fn walk(mut answer: Answer, rows: bool, scan: &Scan, keep: Keep<'_>) -> Result<Vec<Entry<JsRow>>, StoreError> {
    let failed = |thrown: JsValue| store_error(&thrown, "entries");
    let (mut entries, mut offset) = (Vec::new(), scan.offset);
    let limit = scan.limit.unwrap_or(usize::MAX);
    loop {
        let found = (&mut answer).await?;
        if found.is_null() {
            return Ok(entries);
        }
        let cursor: IdbCursor = found.unchecked_into();
        let key = key_from_js(&cursor.key().map_err(failed)?)?;
        let row = if rows {
            JsRow::found(cursor.unchecked_ref::<IdbCursorWithValue>().value().map_err(failed)?)
        } else {
            None
        };
        if keep(&key, row.as_ref()) {
            if offset > 0 {
                offset -= 1;
            } else {
                let primary = key_from_js(&cursor.primary_key().map_err(failed)?)?;
                entries.push(Entry { key, primary, row });
            }
        }
        if entries.len() >= limit {
            return Ok(entries);
        }
        cursor.continue_().map_err(failed)?;
        answer.again();
    }
}

/// Asks how many entries a range has; `None`: it cannot have any.
pub(super) fn count(
    shared: &Rc<Shared>,
    store: &str,
    index: Option<&str>,
    range: Option<&KeyRange>,
) -> Result<Option<Answer>, StoreError> {
    let source = Source::find(shared, store, index)?;
    if range.is_some_and(KeyRange::is_empty) {
        return Ok(None);
    }
    let request = source.count(&range_to_js(range)?).map_err(|thrown| store_error(&thrown, "count"))?;
    Ok(Some(Answer::new(shared, request, "count")))
}

//! Scans: everything of a range in one request, or row by row where few are wanted.

use super::error::store_error;
use super::keys::range_to_js;
use super::request::Answer;
use super::shared::Shared;
use super::upgrade::key_path_name;
use crate::store::{KeyRange, Scan, StoreError};
use crate::web::JsRow;
use js_sys::Array;
use std::rc::Rc;
use wasm_bindgen::{JsCast, JsValue};
use web_sys::{IdbCursorDirection, IdbCursorWithValue, IdbIndex, IdbObjectStore, IdbRequest};

enum Source {
    Store(IdbObjectStore),
    Index(IdbIndex),
}

impl Source {
    fn find(shared: &Shared, name: &str, index: Option<&str>) -> Result<Self, StoreError> {
        let store = shared.store(name, "scan")?;
        let Some(index) = index else { return Ok(Self::Store(store)) };
        let key_path = store.key_path().map_err(|thrown| store_error(&thrown, "scan"))?;
        if key_path_name(&key_path) == index {
            return Ok(Self::Store(store));
        }
        store.index(index).map(Self::Index).map_err(|thrown| match store_error(&thrown, "scan") {
            StoreError::NotFound(_) => StoreError::NotFound(format!("{name}.{index}")),
            other => other,
        })
    }

    fn all(&self, range: &JsValue) -> Result<IdbRequest, JsValue> {
        match self {
            Self::Store(store) => store.get_all_with_key(range),
            Self::Index(index) => index.get_all_with_key(range),
        }
    }

    fn cursor(&self, range: &JsValue, reverse: bool) -> Result<IdbRequest, JsValue> {
        let direction = if reverse { IdbCursorDirection::Prev } else { IdbCursorDirection::Next };
        match self {
            Self::Store(store) => store.open_cursor_with_range_and_direction(range, direction),
            Self::Index(index) => index.open_cursor_with_range_and_direction(range, direction),
        }
    }
}

/// A scan whose first request is on its way.
pub(super) enum Started {
    /// Nothing can be found.
    Nothing,
    /// All rows of the range were asked for.
    All {
        /// Their array.
        answer: Answer,
        /// Whether the last comes first.
        reverse: bool,
    },
    /// A cursor goes over the range until enough was found.
    Cursor {
        /// The cursor, each time it has moved.
        answer: Answer,
        /// Rows to pass over.
        offset: usize,
        /// Most rows.
        limit: usize,
    },
}

/// Makes the first request of a scan.
pub(super) fn start(shared: &Rc<Shared>, store: &str, scan: &Scan) -> Result<Started, StoreError> {
    let source = Source::find(shared, store, scan.index.as_deref())?;
    if scan.limit == Some(0) || scan.range.as_ref().is_some_and(KeyRange::is_empty) {
        return Ok(Started::Nothing);
    }
    let range = range_to_js(scan.range.as_ref())?;
    let whole = scan.limit.is_none() && scan.offset == 0;
    let request = if whole { source.all(&range) } else { source.cursor(&range, scan.reverse) };
    let answer = Answer::new(shared, request.map_err(|thrown| store_error(&thrown, "scan"))?, "scan");
    Ok(if whole {
        Started::All { answer, reverse: scan.reverse }
    } else {
        Started::Cursor { answer, offset: scan.offset, limit: scan.limit.unwrap_or(usize::MAX) }
    })
}

impl Started {
    /// The rows that `keep` says yes to.
    pub async fn rows(self, keep: &dyn Fn(&JsRow) -> bool) -> Result<Vec<JsRow>, StoreError> {
        match self {
            Self::Nothing => Ok(Vec::new()),
            Self::All { answer, reverse } => {
                let all: Array = answer.await?.unchecked_into();
                let mut rows: Vec<JsRow> = all.iter().filter_map(JsRow::found).filter(|row| keep(row)).collect();
                if reverse {
                    rows.reverse();
                }
                Ok(rows)
            }
            Self::Cursor { answer, offset, limit } => walk(answer, offset, limit, keep).await,
        }
    }
}

async fn walk(
    mut answer: Answer,
    mut offset: usize,
    limit: usize,
    keep: &dyn Fn(&JsRow) -> bool,
) -> Result<Vec<JsRow>, StoreError> {
    let mut rows = Vec::new();
    loop {
        let found = (&mut answer).await?;
        if found.is_null() {
            return Ok(rows);
        }
        let cursor: IdbCursorWithValue = found.unchecked_into();
        let value = cursor.value().map_err(|thrown| store_error(&thrown, "scan"))?;
        if let Some(row) = JsRow::found(value).filter(|row| keep(row)) {
            if offset > 0 {
                offset -= 1;
            } else {
                rows.push(row);
            }
        }
        if rows.len() >= limit {
            return Ok(rows);
        }
        cursor.continue_().map_err(|thrown| store_error(&thrown, "scan"))?;
        answer.again();
    }
}

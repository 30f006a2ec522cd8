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

/// Most rows asked for at once where they may turn out not to be wanted.
const MAX_PAGE: u32 = 1000;

pub(super) enum Source {
    Store(Rc<IdbObjectStore>),
    Index(IdbIndex),
}

impl Source {
    pub fn find(shared: &Shared, name: &str, index: Option<&str>) -> Result<Self, StoreError> {
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

    fn page(&self, range: &JsValue, rows: u32) -> Result<IdbRequest, JsValue> {
        match self {
            Self::Store(store) => store.get_all_with_key_and_limit(range, rows),
            Self::Index(index) => index.get_all_with_key_and_limit(range, rows),
        }
    }

    pub fn count(&self, range: &JsValue) -> Result<IdbRequest, JsValue> {
        match self {
            Self::Store(store) => store.count_with_key(range),
            Self::Index(index) => index.count_with_key(range),
        }
    }

    /// The primary keys of a store, in one request; an index does not give its own keys that way.
    pub fn all_primary(&self, range: &JsValue) -> Option<Result<IdbRequest, JsValue>> {
        match self {
            Self::Store(store) => Some(store.get_all_keys_with_key(range)),
            Self::Index(_) => None,
        }
    }

    pub fn key_cursor(&self, range: &JsValue, reverse: bool) -> Result<IdbRequest, JsValue> {
        let direction = if reverse { IdbCursorDirection::Prev } else { IdbCursorDirection::Next };
        match self {
            Self::Store(store) => store.open_key_cursor_with_range_and_direction(range, direction),
            Self::Index(index) => index.open_key_cursor_with_range_and_direction(range, direction),
        }
    }

    pub fn cursor(&self, range: &JsValue, reverse: bool) -> Result<IdbRequest, JsValue> {
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
    /// As many rows as are wanted were asked for; some may be filtered out, then a cursor starts again.
    Page {
        /// Their array.
        answer: Answer,
        /// How to ask again.
        walk: Walk,
    },
    /// A cursor goes over the range until enough was found.
    Cursor {
        /// The cursor, each time it has moved.
        answer: Answer,
        /// What it looks for.
        walk: Walk,
    },
}

/// A scan that may end before its range does.
pub(super) struct Walk {
    shared: Rc<Shared>,
    source: Source,
    range: JsValue,
    offset: usize,
    limit: usize,
}

/// Makes the first request of a scan.
pub(super) fn start(shared: &Rc<Shared>, store: &str, scan: &Scan) -> Result<Started, StoreError> {
    let source = Source::find(shared, store, scan.index.as_deref())?;
    if scan.limit == Some(0) || scan.range.as_ref().is_some_and(KeyRange::is_empty) {
        return Ok(Started::Nothing);
    }
    let range = range_to_js(scan.range.as_ref())?;
    let answer = |request: Result<IdbRequest, JsValue>| {
        request.map(|request| Answer::new(shared, request, "scan")).map_err(|thrown| store_error(&thrown, "scan"))
    };
    if scan.limit.is_none() && scan.offset == 0 {
        return Ok(Started::All { answer: answer(source.all(&range))?, reverse: scan.reverse });
    }
    let (offset, limit) = (scan.offset, scan.limit.unwrap_or(usize::MAX));
    let page = u32::try_from(offset.saturating_add(limit)).ok().filter(|page| *page <= MAX_PAGE && !scan.reverse);
    let request = match page {
        Some(page) => source.page(&range, page),
        None => source.cursor(&range, scan.reverse),
    };
    let answer = answer(request)?;
    let walk = Walk { shared: Rc::clone(shared), source, range, offset, limit };
    Ok(if page.is_some() { Started::Page { answer, walk } } else { Started::Cursor { answer, walk } })
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
            Self::Page { answer, walk } => walk.page(answer, keep).await,
            Self::Cursor { answer, walk } => walk.cursor(answer, keep).await,
        }
    }
}

impl Walk {
    async fn page(self, answer: Answer, keep: &dyn Fn(&JsRow) -> bool) -> Result<Vec<JsRow>, StoreError> {
        let page: Array = answer.await?.unchecked_into();
        let wanted = self.offset + self.limit;
        let kept: Vec<JsRow> = page.iter().filter_map(JsRow::found).filter(|row| keep(row)).collect();
        let whole_range = (page.length() as usize) < wanted;
        if whole_range || kept.len() == wanted {
            return Ok(kept.into_iter().skip(self.offset).collect());
        }
        let request = self.source.cursor(&self.range, false).map_err(|thrown| store_error(&thrown, "scan"))?;
        let answer = Answer::new(&self.shared, request, "scan");
        self.cursor(answer, keep).await
    }

    async fn cursor(self, mut answer: Answer, keep: &dyn Fn(&JsRow) -> bool) -> Result<Vec<JsRow>, StoreError> {
        let (mut rows, mut offset) = (Vec::new(), self.offset);
        loop {
            let found = (&mut answer).await?;
            if found.is_null() {
                return Ok(rows);
            }
            let cursor: IdbCursorWithValue = found.unchecked_into();
            let value = cursor.value().map_err(|thrown| store_error(&thrown, "scan"))?;
            match JsRow::found(value).filter(|row| keep(row)) {
                Some(_) if offset > 0 => offset -= 1,
                Some(row) => rows.push(row),
                None => {}
            }
            if rows.len() >= self.limit {
                return Ok(rows);
            }
            cursor.continue_().map_err(|thrown| store_error(&thrown, "scan"))?;
            answer.again();
        }
    }
}

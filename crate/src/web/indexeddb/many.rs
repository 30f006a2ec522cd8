//! Rows of many keys: one request for their range where they stand close together, one for each key elsewhere.
//!
//! A browser answers one request for a thousand rows some ten times faster than a thousand requests. How close keys stand
//! is only known when they are read, so a part of the range is asked for first. Where at least every second row of it was
//! wanted, the rest follows in the same way, and key by key elsewhere: whatever the table holds, few rows are read in vain.

use super::error::store_error;
use super::keys::{key_to_js, range_to_js};
use super::request::Answer;
use super::shared::Shared;
use super::upgrade::key_path_name;
use crate::model::sort_by;
use crate::store::{Key, KeyRange, Row, StoreError};
use crate::web::JsRow;
use js_sys::Array;
use std::rc::Rc;
use wasm_bindgen::JsCast;
use web_sys::{IdbObjectStore, IdbRequest};

/// Fewer keys are asked for one by one.
const FEWEST: usize = 8;
/// Rows in the first part of a range.
const PROBE: usize = 16;

/// Keys whose first request is on its way.
pub(super) struct Many {
    shared: Rc<Shared>,
    store: Rc<IdbObjectStore>,
    keys: Vec<Key>,
    asked: Asked,
}

enum Asked {
    Each(Each),
    Range(Range),
}

/// A part of the keys' range that was asked for.
struct Range {
    /// The rows' array.
    answer: Answer,
    /// Most rows in it.
    most: u32,
    /// The field that holds the key.
    field: String,
    /// The places of the keys that are asked for, in the order of the keys.
    order: Vec<usize>,
}

/// Requests for single keys. They are answered in order, so the last one's answer means all have theirs.
struct Each {
    requests: Vec<IdbRequest>,
    last: Option<Answer>,
}

impl Each {
    fn ask<'a>(
        shared: &Rc<Shared>,
        store: &IdbObjectStore,
        keys: impl Iterator<Item = &'a Key>,
    ) -> Result<Self, StoreError> {
        let ask = |key| store.get(&key_to_js(key)?).map_err(|thrown| store_error(&thrown, "get"));
        let requests = keys.map(ask).collect::<Result<Vec<_>, _>>()?;
        let last = requests.last().map(|request| Answer::new(shared, request.clone(), "get"));
        Ok(Self { requests, last })
    }

    async fn rows(self) -> Result<Vec<Option<JsRow>>, StoreError> {
        if let Some(last) = self.last {
            last.await?;
        }
        let rows = self.requests.iter().map(|request| request.result().map(JsRow::found));
        rows.collect::<Result<_, _>>().map_err(|thrown| store_error(&thrown, "get"))
    }
}

/// Asks for the rows of `keys`.
pub(super) fn start(shared: &Rc<Shared>, store: &str, keys: &[Key]) -> Result<Many, StoreError> {
    let store = shared.store(store, "get")?;
    let asked = match key_field(&store, keys.len())?.zip(increasing(keys)) {
        None => Asked::Each(Each::ask(shared, &store, keys.iter())?),
        Some((field, order)) => {
            let most = order.len().min(PROBE);
            Asked::Range(Range::ask(shared, &store, keys, field, order, most)?)
        }
    };
    Ok(Many { shared: Rc::clone(shared), store, keys: keys.to_vec(), asked })
}

impl Range {
    fn ask(
        shared: &Rc<Shared>,
        store: &IdbObjectStore,
        keys: &[Key],
        field: String,
        order: Vec<usize>,
        most: usize,
    ) -> Result<Self, StoreError> {
        let bound = |place: Option<&usize>| place.map(|place| (keys[*place].clone(), false));
        let range = range_to_js(Some(&KeyRange { lower: bound(order.first()), upper: bound(order.last()) }))?;
        let most = u32::try_from(most).unwrap_or(u32::MAX);
        let request = store.get_all_with_key_and_limit(&range, most);
        let request = request.map_err(|thrown| store_error(&thrown, "get"))?;
        Ok(Self { answer: Answer::new(shared, request, "get"), most, field, order })
    }
}

/// The field that holds the primary key, where rows can be told apart by it.
fn key_field(store: &IdbObjectStore, keys: usize) -> Result<Option<String>, StoreError> {
    if keys < FEWEST {
        return Ok(None);
    }
    let path = store.key_path().map_err(|thrown| store_error(&thrown, "get"))?;
    let field = path.is_string().then(|| key_path_name(&path));
    Ok(field.filter(|field| !field.is_empty() && !field.contains('.')))
}

/// The places of the keys in their order; `None` where one is named twice.
fn increasing(keys: &[Key]) -> Option<Vec<usize>> {
    let mut order: Vec<usize> = (0..keys.len()).collect();
    sort_by(&mut order, |a, b| keys[*a].cmp(&keys[*b]));
    order.windows(2).all(|pair| keys[pair[0]] < keys[pair[1]]).then_some(order)
}

impl Many {
    /// The rows, in the order of the keys.
    pub async fn rows(self) -> Result<Vec<Option<JsRow>>, StoreError> {
        let Self { shared, store, keys, asked } = self;
        let mut range = match asked {
            Asked::Each(each) => return each.rows().await,
            Asked::Range(range) => range,
        };
        let mut rows: Vec<Option<JsRow>> = keys.iter().map(|_| None).collect();
        let rest = loop {
            let Range { answer, most, field, mut order } = range;
            let page: Array = answer.await?.unchecked_into();
            let Some(Placed { known, found }) = place(&page, &field, &keys, &order, &mut rows) else { break order };
            if page.length() < most || known == order.len() {
                return Ok(rows);
            }
            order.drain(..known);
            if found * 2 < page.length() as usize || order.len() < FEWEST {
                break order;
            }
            let most = order.len();
            range = Range::ask(&shared, &store, &keys, field, order, most)?;
        };
        let found = Each::ask(&shared, &store, rest.iter().map(|place| &keys[*place]))?.rows().await?;
        for (place, row) in rest.into_iter().zip(found) {
            rows[place] = row;
        }
        Ok(rows)
    }
}

/// What a page told.
struct Placed {
    /// How many keys are not beyond its last row.
    known: usize,
    /// How many of its rows were wanted.
    found: usize,
}

/// Puts a page's rows, which come in the order of their keys, to the keys. `None` where a row's key cannot be told.
fn place(page: &Array, field: &str, keys: &[Key], order: &[usize], rows: &mut [Option<JsRow>]) -> Option<Placed> {
    let (mut known, mut found) = (0, 0);
    for row in page.iter().filter_map(JsRow::found) {
        let key = Key::stored(&row.get(field)?)?;
        while order.get(known).is_some_and(|place| keys[*place] < key) {
            known += 1;
        }
        if let Some(place) = order.get(known).filter(|place| keys[**place] == key) {
            rows[*place] = Some(row);
            known += 1;
            found += 1;
        }
    }
    Some(Placed { known, found })
}

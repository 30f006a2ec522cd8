//! Transactions: requests are fired at once, only reads are waited for, and what fails takes everything with it.

use super::entries;
use super::error::store_error;
use super::keys::{key_from_js, key_to_js};
use super::offer;
use super::request::Answer;
use super::shared::Shared;
use super::{many, scan};
use crate::store::{Entry, Key, KeyRange, Offered, Scan, StoreError, Transaction};
use crate::web::JsRow;
use std::future::Future;
use std::rc::Rc;
use web_sys::{IdbRequest, IdbTransaction};

/// A transaction of an [`super::IndexedDb`].
pub struct IndexedDbTransaction {
    shared: Rc<Shared>,
    committing: bool,
}

impl IndexedDbTransaction {
    pub(super) fn new(tx: IdbTransaction) -> Self {
        Self { shared: Shared::new(tx), committing: false }
    }

    fn ask(&self, store: &str, key: &Key) -> Result<IdbRequest, StoreError> {
        let key = key_to_js(key)?;
        self.shared.store(store, "get")?.get(&key).map_err(|thrown| store_error(&thrown, "get"))
    }

    fn request_put(
        &self,
        store: &str,
        call: &'static str,
        row: &JsRow,
        key: Option<&Key>,
    ) -> Result<IdbRequest, StoreError> {
        self.shared.write(store, call, |store| {
            Ok(match key {
                None => store.put(row.as_object()),
                Some(key) => store.put_with_key(row.as_object(), &key_to_js(key)?),
            })
        })
    }
}

impl Transaction for IndexedDbTransaction {
    type Row = JsRow;

    fn get(&self, store: &str, key: &Key) -> impl Future<Output = Result<Option<JsRow>, StoreError>> {
        let asked = self.ask(store, key).map(|request| Answer::new(&self.shared, request, "get"));
        async move { Ok(JsRow::found(asked?.await?)) }
    }

    fn get_many(&self, store: &str, keys: &[Key]) -> impl Future<Output = Result<Vec<Option<JsRow>>, StoreError>> {
        let started = many::start(&self.shared, store, keys);
        async move { started?.rows().await }
    }

    fn scan(
        &self,
        store: &str,
        scan: &Scan,
        keep: &dyn Fn(&JsRow) -> bool,
    ) -> impl Future<Output = Result<Vec<JsRow>, StoreError>> {
        let started = scan::start(&self.shared, store, scan);
        async move { started?.rows(keep).await }
    }

    fn entries(
        &self,
        store: &str,
        scan: &Scan,
        rows: bool,
        keep: &dyn Fn(&Key, Option<&JsRow>) -> bool,
    ) -> impl Future<Output = Result<Vec<Entry<JsRow>>, StoreError>> {
        let started = entries::start(&self.shared, store, scan, rows);
        async move { started?.entries(scan, keep).await }
    }

    fn count(
        &self,
        store: &str,
        index: Option<&str>,
        range: Option<&KeyRange>,
    ) -> impl Future<Output = Result<usize, StoreError>> {
        let asked = entries::count(&self.shared, store, index, range);
        async move {
            let Some(answer) = asked? else { return Ok(0) };
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a count is a whole number")]
            Ok(answer.await?.as_f64().unwrap_or_default() as usize)
        }
    }

    fn put(&self, store: &str, row: &JsRow, key: Option<&Key>) -> Result<(), StoreError> {
        self.request_put(store, "put", row, key).map(drop)
    }

    fn insert(&self, store: &str, row: &JsRow, key: Option<&Key>) -> impl Future<Output = Result<Key, StoreError>> {
        let asked = self.request_put(store, "insert", row, key);
        async move {
            let made = Answer::new(&self.shared, asked?, "insert").await?;
            key_from_js(&made).inspect_err(|error| self.shared.fail(error))
        }
    }

    fn offer(
        &self,
        store: &str,
        rows: &[(Option<Key>, JsRow)],
        only_new: bool,
    ) -> impl Future<Output = Result<Offered, StoreError>> {
        let asked = offer::ask(&self.shared, store, rows, only_new);
        async move { asked?.outcome().await }
    }

    fn delete(&self, store: &str, key: &Key) -> Result<(), StoreError> {
        self.shared.write(store, "delete", |store| Ok(store.delete(&key_to_js(key)?))).map(drop)
    }

    fn clear(&self, store: &str) -> Result<(), StoreError> {
        self.shared.write(store, "clear", |store| Ok(store.clear())).map(drop)
    }

    fn pulse(&self) -> impl Future<Output = ()> + 'static {
        // Which row does not matter, nor whether it is there.
        let asked = self
            .ask(&self.shared.any_store(), &Key::Number(0.0))
            .map(|request| Answer::new(&self.shared, request, "pulse"));
        async move {
            if let Ok(answer) = asked {
                // A transaction that has ended needs no pulse.
                let _ = answer.await;
            }
        }
    }

    async fn commit(mut self) -> Result<(), StoreError> {
        self.committing = true;
        self.shared.commit().await
    }

    async fn commit_with(mut self, store: &str, rows: &[JsRow]) -> Result<Vec<Key>, StoreError> {
        let asked =
            rows.iter().map(|row| self.request_put(store, "insert", row, None)).collect::<Result<Vec<_>, _>>()?;
        self.committing = true;
        self.shared.commit().await?;
        // Everything is stored, so every request has its answer.
        let made = asked.iter().map(|request| request.result().map_err(|thrown| store_error(&thrown, "insert")));
        made.map(|key| key_from_js(&key?)).collect()
    }

    fn abort(&self) {
        self.shared.fail(&StoreError::Aborted);
    }
}

impl Drop for IndexedDbTransaction {
    fn drop(&mut self) {
        if self.committing {
            self.shared.leave();
        } else {
            self.shared.fail(&StoreError::Aborted);
        }
    }
}

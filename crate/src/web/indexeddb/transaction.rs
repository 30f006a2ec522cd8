//! Transactions: requests are fired at once, only reads are waited for, and what fails takes everything with it.

use super::error::store_error;
use super::keys::{key_from_js, key_to_js};
use super::request::{Answer, Waiting};
use super::scan;
use crate::store::{Key, Scan, StoreError, Transaction};
use crate::web::JsRow;
use crate::web::registry::{Registration, Resource};
use js_sys::Function;
use std::cell::{Cell, RefCell};
use std::future::{Future, poll_fn};
use std::rc::{Rc, Weak};
use std::task::{Poll, Waker};
use wasm_bindgen::closure::Closure;
use wasm_bindgen::{JsCast, JsValue};
use web_sys::{Event, IdbObjectStore, IdbRequest, IdbTransaction};

enum Outcome {
    Running,
    Complete,
    Failed(StoreError),
}

/// A transaction and everything that waits for it.
pub(super) struct Shared {
    tx: IdbTransaction,
    outcome: RefCell<Outcome>,
    stores: RefCell<Vec<(Box<str>, IdbObjectStore)>>,
    pub(super) waiting: Waiting,
    committing: RefCell<Option<Waker>>,
    on_event: Closure<dyn Fn(Event)>,
    registration: Cell<Option<Registration>>,
}

impl Shared {
    fn new(tx: IdbTransaction) -> Rc<Self> {
        let shared = Rc::new_cyclic(|weak: &Weak<Self>| {
            let weak = weak.clone();
            Self {
                registration: Cell::new(Some(Registration::new(Resource::Transaction(tx.clone())))),
                tx,
                outcome: RefCell::new(Outcome::Running),
                stores: RefCell::default(),
                waiting: Waiting::default(),
                committing: RefCell::default(),
                on_event: Closure::new(move |event: Event| {
                    if let Some(shared) = weak.upgrade() {
                        shared.take_event(&event);
                    }
                }),
            }
        });
        shared.listen(Some(shared.handler()));
        shared
    }

    /// The one function all events come to.
    pub fn handler(&self) -> &Function {
        self.on_event.as_js_value().unchecked_ref()
    }

    fn listen(&self, handler: Option<&Function>) {
        self.tx.set_oncomplete(handler);
        self.tx.set_onabort(handler);
        self.tx.set_onerror(handler);
    }

    fn take_event(&self, event: &Event) {
        match event.type_().as_str() {
            "success" => {
                if let Some(request) = event.target() {
                    self.waiting.settle(&request);
                }
            }
            "error" => self.note_failed_request(event),
            "complete" => self.end(Outcome::Complete),
            // Every other event is the transaction's `abort`.
            _ => self.end(Outcome::Failed(self.reason())),
        }
    }

    /// The first request that fails is the reason why the transaction does; those after it only say `AbortError`.
    fn note_failed_request(&self, event: &Event) {
        let request = event.target().and_then(|target| target.dyn_into::<IdbRequest>().ok());
        let Some(error) = request.and_then(|request| request.error().ok().flatten()) else { return };
        let error = store_error(&error, "commit");
        let mut outcome = self.outcome.borrow_mut();
        if matches!(*outcome, Outcome::Running) && error != StoreError::Aborted {
            *outcome = Outcome::Failed(error);
        }
    }

    /// Why the browser aborted the transaction. Without a reason it was not asked to: the connection was cut.
    fn reason(&self) -> StoreError {
        match self.tx.error().map(|error| store_error(&error, "commit")) {
            Some(StoreError::Aborted) | None => {
                StoreError::ConnectionLost("the browser aborted the transaction".into())
            }
            Some(error) => error,
        }
    }

    fn end(&self, outcome: Outcome) {
        let mut current = self.outcome.borrow_mut();
        if matches!(*current, Outcome::Running) {
            *current = outcome;
        }
        drop(current);
        self.listen(None);
        self.registration.take();
        self.waiting.wake_all();
        if let Some(waker) = self.committing.take() {
            waker.wake();
        }
    }

    /// Aborts because of `error`, which becomes the outcome unless there is one.
    fn fail(&self, error: &StoreError) {
        if matches!(*self.outcome.borrow(), Outcome::Running) {
            // Throws where the transaction has finished and its `complete` is on the way.
            let _ = self.tx.abort();
        }
        self.end(Outcome::Failed(error.clone()));
    }

    /// Whether requests can still be made.
    pub fn check(&self, call: &'static str) -> Result<(), StoreError> {
        match &*self.outcome.borrow() {
            Outcome::Running => Ok(()),
            Outcome::Complete => Err(StoreError::Inactive(call)),
            Outcome::Failed(error) => Err(error.clone()),
        }
    }

    /// The named store.
    pub fn store(&self, name: &str, call: &'static str) -> Result<IdbObjectStore, StoreError> {
        self.check(call)?;
        let mut stores = self.stores.borrow_mut();
        if let Some((_, store)) = stores.iter().find(|(known, _)| **known == *name) {
            return Ok(store.clone());
        }
        let store = self.tx.object_store(name).map_err(|thrown| match store_error(&thrown, call) {
            StoreError::NotFound(_) => StoreError::NotFound(name.to_owned()),
            other => other,
        })?;
        stores.push((name.into(), store.clone()));
        Ok(store)
    }

    fn write(
        &self,
        store: &str,
        call: &'static str,
        request: impl FnOnce(&IdbObjectStore) -> Result<Result<IdbRequest, JsValue>, StoreError>,
    ) -> Result<IdbRequest, StoreError> {
        self.check(call)?;
        let made = self.store(store, call).and_then(|store| request(&store));
        made.and_then(|made| made.map_err(|thrown| store_error(&thrown, call))).inspect_err(|error| self.fail(error))
    }

    fn put(&self, store: &str, call: &'static str, row: &JsRow, key: Option<&Key>) -> Result<IdbRequest, StoreError> {
        self.write(store, call, |store| {
            Ok(match key {
                None => store.put(row.as_object()),
                Some(key) => store.put_with_key(row.as_object(), &key_to_js(key)?),
            })
        })
    }

    async fn ended(&self) -> Result<(), StoreError> {
        poll_fn(|cx| match &*self.outcome.borrow() {
            Outcome::Complete => Poll::Ready(Ok(())),
            Outcome::Failed(error) => Poll::Ready(Err(error.clone())),
            Outcome::Running => {
                *self.committing.borrow_mut() = Some(cx.waker().clone());
                Poll::Pending
            }
        })
        .await
    }
}

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

    /// Asks for all in this turn; requests are answered in order, so the last one's answer means all have theirs.
    fn ask_all(&self, store: &str, keys: &[Key]) -> Result<(Vec<IdbRequest>, Option<Answer>), StoreError> {
        let requests = keys.iter().map(|key| self.ask(store, key)).collect::<Result<Vec<_>, _>>()?;
        let last = requests.last().map(|request| Answer::new(&self.shared, request.clone(), "get"));
        Ok((requests, last))
    }
}

impl Transaction for IndexedDbTransaction {
    type Row = JsRow;

    fn get(&self, store: &str, key: &Key) -> impl Future<Output = Result<Option<JsRow>, StoreError>> {
        let asked = self.ask(store, key).map(|request| Answer::new(&self.shared, request, "get"));
        async move { Ok(JsRow::found(asked?.await?)) }
    }

    fn get_many(&self, store: &str, keys: &[Key]) -> impl Future<Output = Result<Vec<Option<JsRow>>, StoreError>> {
        let asked = self.ask_all(store, keys);
        async move {
            let (requests, last) = asked?;
            if let Some(last) = last {
                last.await?;
            }
            let rows = requests.iter().map(|request| request.result().map(JsRow::found));
            rows.collect::<Result<_, _>>().map_err(|thrown| store_error(&thrown, "get"))
        }
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

    fn put(&self, store: &str, row: &JsRow, key: Option<&Key>) -> Result<(), StoreError> {
        self.shared.put(store, "put", row, key).map(drop)
    }

    fn insert(&self, store: &str, row: &JsRow, key: Option<&Key>) -> impl Future<Output = Result<Key, StoreError>> {
        let asked = self.shared.put(store, "insert", row, key);
        async move {
            let made = Answer::new(&self.shared, asked?, "insert").await?;
            key_from_js(&made).inspect_err(|error| self.shared.fail(error))
        }
    }

    fn delete(&self, store: &str, key: &Key) -> Result<(), StoreError> {
        self.shared.write(store, "delete", |store| Ok(store.delete(&key_to_js(key)?))).map(drop)
    }

    fn clear(&self, store: &str) -> Result<(), StoreError> {
        self.shared.write(store, "clear", |store| Ok(store.clear())).map(drop)
    }

    async fn commit(mut self) -> Result<(), StoreError> {
        self.committing = true;
        // Saves the browser waiting for further requests. It throws where the transaction can no longer be used, which
        // then ends by itself, and is absent from old browsers, where every transaction does.
        #[expect(deprecated, reason = "web-sys marks what its source once lacked; browsers have had it since 2021")]
        let _ = self.shared.tx.commit();
        self.shared.ended().await
    }

    fn abort(&self) {
        self.shared.fail(&StoreError::Aborted);
    }
}

impl Drop for IndexedDbTransaction {
    fn drop(&mut self) {
        if self.committing {
            self.shared.listen(None);
        } else {
            self.shared.fail(&StoreError::Aborted);
        }
    }
}

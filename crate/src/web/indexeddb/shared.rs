//! The state of a transaction: its outcome, its stores, and everybody who waits for it.

use super::error::store_error;
use super::request::Waiting;
use crate::store::StoreError;
use crate::web::registry::{Registration, Resource};
use js_sys::Function;
use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::future::poll_fn;
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
    stores: RefCell<Vec<(Box<str>, Rc<IdbObjectStore>)>>,
    pub waiting: Waiting,
    committing: RefCell<Option<Waker>>,
    /// Requests that may fail alone, oldest first, as they will be answered.
    tolerated: RefCell<VecDeque<IdbRequest>>,
    on_event: Closure<dyn Fn(Event)>,
    registration: Cell<Option<Registration>>,
}

impl Shared {
    /// Listens to a transaction that has just begun.
    pub fn new(tx: IdbTransaction) -> Rc<Self> {
        let shared = Rc::new_cyclic(|weak: &Weak<Self>| {
            let weak = weak.clone();
            Self {
                registration: Cell::new(Some(Registration::new(Resource::Transaction(tx.clone())))),
                tx,
                outcome: RefCell::new(Outcome::Running),
                stores: RefCell::default(),
                waiting: Waiting::default(),
                committing: RefCell::default(),
                tolerated: RefCell::default(),
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
            "error" if self.tolerates(event) => {}
            "error" => self.note_failed_request(event),
            "complete" => self.end(Outcome::Complete),
            // Every other event is the transaction's `abort`.
            _ => self.end(Outcome::Failed(self.reason())),
        }
    }

    /// Lets a request that breaks a constraint fail without the transaction.
    pub fn tolerate(&self, request: &IdbRequest) {
        self.tolerated.borrow_mut().push_back(request.clone());
    }

    /// All of them have been answered.
    pub fn forget_tolerated(&self) {
        self.tolerated.borrow_mut().clear();
    }

    fn tolerates(&self, event: &Event) -> bool {
        let Some(request) = event.target().and_then(|target| target.dyn_into::<IdbRequest>().ok()) else {
            return false;
        };
        let mut tolerated = self.tolerated.borrow_mut();
        let Some(at) = tolerated.iter().position(|known| *known == request) else { return false };
        tolerated.drain(..=at);
        drop(tolerated);
        let error = request.error().ok().flatten().map(|error| store_error(&error, "offer"));
        if !matches!(error, Some(StoreError::Constraint(_))) {
            return false;
        }
        event.prevent_default();
        self.waiting.settle(&request);
        true
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
    pub fn fail(&self, error: &StoreError) {
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
    pub fn store(&self, name: &str, call: &'static str) -> Result<Rc<IdbObjectStore>, StoreError> {
        self.check(call)?;
        let mut stores = self.stores.borrow_mut();
        if let Some((_, store)) = stores.iter().find(|(known, _)| **known == *name) {
            return Ok(Rc::clone(store));
        }
        let store = self.tx.object_store(name).map_err(|thrown| match store_error(&thrown, call) {
            StoreError::NotFound(_) => StoreError::NotFound(name.to_owned()),
            other => other,
        })?;
        let store = Rc::new(store);
        stores.push((name.into(), Rc::clone(&store)));
        Ok(store)
    }

    /// The name of one of its stores.
    pub fn any_store(&self) -> String {
        self.tx.object_store_names().get(0).unwrap_or_default()
    }

    /// Makes a request that writes; a failure aborts the transaction.
    pub fn write(
        &self,
        store: &str,
        call: &'static str,
        request: impl FnOnce(&IdbObjectStore) -> Result<Result<IdbRequest, JsValue>, StoreError>,
    ) -> Result<IdbRequest, StoreError> {
        self.check(call)?;
        let made = self.store(store, call).and_then(|store| request(&store));
        made.and_then(|made| made.map_err(|thrown| store_error(&thrown, call))).inspect_err(|error| self.fail(error))
    }

    /// Lets the browser end the transaction once its requests are done, and stops listening to it.
    pub fn leave(&self) {
        self.listen(None);
    }

    /// Asks the browser to end the transaction now, and waits until it is stored or undone.
    pub async fn commit(&self) -> Result<(), StoreError> {
        // Saves the browser waiting for further requests. It throws where the transaction can no longer be used, which
        // then ends by itself, and is absent from old browsers, where every transaction does.
        #[expect(deprecated, reason = "web-sys marks what its source once lacked; browsers have had it since 2021")]
        let _ = self.tx.commit();
        self.ended().await
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

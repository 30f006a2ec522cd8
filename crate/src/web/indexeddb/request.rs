//! The answers of a transaction's requests, as futures.
//!
//! All handlers of a transaction are one closure, which it owns; a request gets it as its `onsuccess`. Failures arrive at
//! the transaction itself, because errors bubble.

use super::error::store_error;
use super::shared::Shared;
use crate::store::StoreError;
use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use wasm_bindgen::JsValue;
use web_sys::IdbRequest;

struct Waiter {
    request: IdbRequest,
    done: Cell<bool>,
    waker: RefCell<Option<Waker>>,
}

impl Waiter {
    fn wake(&self) {
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }
}

/// The requests somebody waits for, oldest first, as they will be answered.
#[derive(Default)]
pub(super) struct Waiting(RefCell<VecDeque<Rc<Waiter>>>);

impl Waiting {
    /// A request has succeeded.
    pub fn settle(&self, target: &JsValue) {
        let mut waiting = self.0.borrow_mut();
        let found = waiting.iter().position(|waiter| *AsRef::<JsValue>::as_ref(&waiter.request) == *target);
        let Some(waiter) = found.and_then(|place| waiting.remove(place)) else { return };
        drop(waiting);
        waiter.done.set(true);
        waiter.wake();
    }

    /// The transaction has ended.
    pub fn wake_all(&self) {
        self.0.take().into_iter().for_each(|waiter| waiter.wake());
    }

    fn add(&self, waiter: &Rc<Waiter>) {
        self.0.borrow_mut().push_back(Rc::clone(waiter));
    }

    fn remove(&self, waiter: &Rc<Waiter>) {
        self.0.borrow_mut().retain(|other| !Rc::ptr_eq(other, waiter));
    }
}

/// Resolves with a request's result when it has one, or with the transaction's failure.
pub(super) struct Answer {
    shared: Rc<Shared>,
    waiter: Rc<Waiter>,
    call: &'static str,
}

impl Answer {
    /// Waits for `request`, made by `call`.
    pub fn new(shared: &Rc<Shared>, request: IdbRequest, call: &'static str) -> Self {
        request.set_onsuccess(Some(shared.handler()));
        let waiter = Rc::new(Waiter { request, done: Cell::new(false), waker: RefCell::default() });
        shared.waiting.add(&waiter);
        Self { shared: Rc::clone(shared), waiter, call }
    }

    /// Waits again, after a cursor was told to continue.
    pub fn again(&mut self) {
        self.waiter.done.set(false);
        self.shared.waiting.add(&self.waiter);
    }
}

impl Future for Answer {
    type Output = Result<JsValue, StoreError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        if self.waiter.done.get() {
            let result = self.waiter.request.result();
            return Poll::Ready(result.map_err(|thrown| store_error(&thrown, self.call)));
        }
        if let Err(error) = self.shared.check(self.call) {
            return Poll::Ready(Err(error));
        }
        *self.waiter.waker.borrow_mut() = Some(cx.waker().clone());
        Poll::Pending
    }
}

impl Drop for Answer {
    fn drop(&mut self) {
        if !self.waiter.done.get() {
            self.waiter.request.set_onsuccess(None);
            self.shared.waiting.remove(&self.waiter);
        }
    }
}

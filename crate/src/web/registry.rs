//! What must be ended when the engine panics: a trap runs no destructors, so the browser would keep it all alive.
//!
//! Open transactions would commit half of what they were to write, locks would never be released, and connections would
//! call into an instance that is dead.

use crate::model::OrderedMap;
use js_sys::Function;
use std::cell::{Cell, RefCell};
use web_sys::{AbortController, BroadcastChannel, IdbDatabase, IdbTransaction, WebSocket};

/// Something the browser holds for this instance.
pub enum Resource {
    /// Aborted.
    Transaction(IdbTransaction),
    /// Closed.
    Database(IdbDatabase),
    /// Closed.
    Channel(BroadcastChannel),
    /// Closed.
    Socket(WebSocket),
    /// Taken back.
    Request(AbortController),
    /// Released by calling the function.
    Lock(Function),
}

thread_local! {
    static HELD: RefCell<OrderedMap<u64, Resource>> = const { RefCell::new(OrderedMap::new()) };
    static ISSUED: Cell<u64> = const { Cell::new(0) };
    static DEAD: Cell<bool> = const { Cell::new(false) };
}

/// Keeps a resource in the registry until it is dropped.
pub struct Registration(u64);

impl Registration {
    /// Enters a resource.
    pub fn new(resource: Resource) -> Self {
        let id = ISSUED.get() + 1;
        ISSUED.set(id);
        HELD.with_borrow_mut(|held| held.insert(id, resource));
        Self(id)
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        // Also runs while the thread's values are taken down, and from within a panic hook.
        let _ = HELD.try_with(|held| held.try_borrow_mut().map(|mut held| held.remove(&self.0)));
    }
}

/// Whether everything was ended by [`end_everything`].
pub fn is_dead() -> bool {
    DEAD.get()
}

/// Whether a transaction has not finished.
pub fn has_open_transaction() -> bool {
    HELD.with_borrow(|held| held.values().any(|resource| matches!(resource, Resource::Transaction(_))))
}

/// Aborts every transaction that has not finished, as the panic hook does: nothing half-written is kept.
pub fn abort_open_transactions() {
    each(|resource| {
        if let Resource::Transaction(tx) = resource {
            end(resource);
            // What still fires must not call into this instance.
            tx.set_oncomplete(None);
            tx.set_onabort(None);
            tx.set_onerror(None);
        }
    });
}

/// Ends all that is registered, transactions first.
pub fn end_everything() {
    DEAD.set(true);
    abort_open_transactions();
    each(end);
}

fn each(act: impl Fn(&Resource)) {
    // Where the panic came from the registry itself, there is nothing that can be done.
    let _ = HELD.try_with(|held| {
        if let Ok(held) = held.try_borrow() {
            held.values().for_each(act);
        }
    });
}

fn end(resource: &Resource) {
    match resource {
        Resource::Transaction(tx) => {
            // Fails where the transaction has finished.
            let _ = tx.abort();
        }
        Resource::Database(db) => {
            db.set_onversionchange(None);
            db.set_onclose(None);
            db.close();
        }
        Resource::Channel(channel) => channel.close(),
        Resource::Socket(socket) => {
            socket.set_onopen(None);
            socket.set_onmessage(None);
            socket.set_onclose(None);
            let _ = socket.close();
        }
        Resource::Request(controller) => controller.abort(),
        Resource::Lock(release) => {
            let _ = release.call0(&wasm_bindgen::JsValue::UNDEFINED);
        }
    }
}

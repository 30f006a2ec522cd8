//! Locks between tabs, through `navigator.locks`; where it is absent every tab counts as alone and gets what it asks.

use super::js;
use super::registry::{self, Registration, Resource};
use crate::engine::ports::LockGuard;
use futures_channel::oneshot;
use js_sys::{Function, Object, Promise, Reflect};
use std::cell::RefCell;
use std::rc::Rc;
use wasm_bindgen::JsValue;
use wasm_bindgen::closure::Closure;

/// Who may hold a lock beside whom.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LockMode {
    /// Alone.
    Exclusive,
    /// Together with others that share it.
    Shared,
    /// Alone, and at once, whoever holds it.
    Stolen,
}

/// A lock the browser keeps until this is dropped.
struct Held {
    release: Function,
    _registration: Registration,
}

impl Held {
    fn new(release: Function) -> Self {
        let registration = Registration::new(Resource::Lock(release.clone()));
        Self { release, _registration: registration }
    }
}

impl LockGuard for Held {}

impl Drop for Held {
    fn drop(&mut self) {
        let _ = self.release.call0(&JsValue::UNDEFINED);
    }
}

/// What every tab holds where there are no locks.
struct Alone;

impl LockGuard for Alone {
    fn keeps_out(&self) -> bool {
        false
    }
}

type Granted = Option<Box<dyn LockGuard>>;

/// Asks for a lock, in this turn. With `if_available`, `None` when somebody else holds it now.
pub fn request(name: &str, mode: LockMode, if_available: bool) -> impl Future<Output = Granted> + 'static {
    let (answer, answered) = oneshot::channel::<Granted>();
    let answer = Rc::new(RefCell::new(Some(answer)));
    if let Err(answer) = ask(name, mode, if_available, answer) {
        reply(&answer, Some(Box::new(Alone)));
    }
    async move { answered.await.unwrap_or(Some(Box::new(Alone))) }
}

type Answer = Rc<RefCell<Option<oneshot::Sender<Granted>>>>;

/// A lock nobody waits for any longer is dropped here, which releases it.
fn reply(answer: &Answer, granted: Granted) {
    if let Some(answer) = answer.take() {
        let _ = answer.send(granted);
    }
}

fn ask(name: &str, mode: LockMode, if_available: bool, answer: Answer) -> Result<(), Answer> {
    let locks = js::global("navigator").and_then(|navigator| js::property(&navigator, "locks"));
    let Some(locks) = locks else { return Err(answer) };
    let options = Object::new();
    let shared = if mode == LockMode::Shared { "shared" } else { "exclusive" };
    let flags = [("ifAvailable", if_available), ("steal", mode == LockMode::Stolen)];
    let flags = flags.map(|(option, value)| (option, JsValue::from_bool(value)));
    for (option, value) in flags.into_iter().chain([("mode", JsValue::from_str(shared))]) {
        // Setting a property of a new plain object cannot fail.
        let _ = Reflect::set(&options, &JsValue::from_str(option), &value);
    }
    let granting = Rc::clone(&answer);
    // The browser calls it when the lock is free, however long that takes, and holds the lock while its promise is open.
    let callback = Closure::once_into_js(move |lock: JsValue| grant(&lock, &granting));
    let Ok(asked) = js::call(&locks, "request", &[JsValue::from_str(name), options.into(), callback]) else {
        return Err(answer);
    };
    wasm_bindgen_futures::spawn_local(async move {
        // Ends when the lock is released. A document that is being left is refused; nothing depends on it any more.
        if js::settled(asked).await.is_err() {
            reply(&answer, Some(Box::new(Alone)));
        }
    });
    Ok(())
}

fn grant(lock: &JsValue, answer: &Answer) -> JsValue {
    if registry::is_dead() {
        // Asked for before a panic: returning lets it pass to others.
        return JsValue::UNDEFINED;
    }
    if lock.is_null() {
        reply(answer, None);
        return JsValue::UNDEFINED;
    }
    let mut release = None;
    let held = Promise::new(&mut |resolve, _| release = Some(resolve));
    reply(answer, release.map(|release| Box::new(Held::new(release)) as Box<dyn LockGuard>));
    held.into()
}

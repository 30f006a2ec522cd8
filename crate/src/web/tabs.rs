//! Other tabs of the same browser profile that have the same database: locks and a channel between them.

use super::js;
use super::locks::{self, LockMode};
use super::registry::{Registration, Resource};
use crate::engine::ports::{LockGuard, Tabs};
use futures_util::FutureExt;
use futures_util::future::LocalBoxFuture;
use std::cell::RefCell;
use wasm_bindgen::closure::Closure;
use wasm_bindgen::{JsCast, JsValue};
use web_sys::{BroadcastChannel, MessageEvent};

/// Gets every message of a channel.
type Listener = Closure<dyn Fn(MessageEvent)>;

const MESSAGE: &str = "message";

/// The tabs that share one database. Without `navigator.locks` every tab counts as alone; without `BroadcastChannel`
/// nothing is heard.
pub struct BrowserTabs {
    prefix: String,
    line: Option<Line>,
}

struct Line {
    channel: BroadcastChannel,
    listeners: RefCell<Vec<Listener>>,
    _registration: Registration,
}

impl BrowserTabs {
    /// The tabs that have `database` open. Locks and channel are named `mana:<database>`, locks with their own name after.
    #[must_use]
    pub fn new(database: &str) -> Self {
        let name = format!("mana:{database}");
        let channel = js::global("BroadcastChannel").and_then(|_| BroadcastChannel::new(&name).ok());
        let line = channel.map(|channel| Line {
            _registration: Registration::new(Resource::Channel(channel.clone())),
            listeners: RefCell::default(),
            channel,
        });
        Self { prefix: name, line }
    }

    fn named(&self, name: &str) -> String {
        format!("{}:{name}", self.prefix)
    }

    fn wait(&self, name: &str, mode: LockMode) -> LocalBoxFuture<'static, Box<dyn LockGuard>> {
        let granted = locks::request(&self.named(name), mode, false);
        granted
            .map(|granted| granted.expect("only a request for what is available is answered with nothing"))
            .boxed_local()
    }
}

impl Tabs for BrowserTabs {
    fn lock(&self, name: &str) -> LocalBoxFuture<'static, Box<dyn LockGuard>> {
        self.wait(name, LockMode::Exclusive)
    }

    fn try_lock(&self, name: &str) -> LocalBoxFuture<'static, Option<Box<dyn LockGuard>>> {
        locks::request(&self.named(name), LockMode::Exclusive, true).boxed_local()
    }

    fn steal_lock(&self, name: &str) -> LocalBoxFuture<'static, Box<dyn LockGuard>> {
        self.wait(name, LockMode::Stolen)
    }

    fn share_lock(&self, name: &str) -> LocalBoxFuture<'static, Box<dyn LockGuard>> {
        self.wait(name, LockMode::Shared)
    }

    fn post(&self, text: &str) {
        if let Some(line) = &self.line {
            // Throws only when the channel is closed, and then nobody listens.
            let _ = line.channel.post_message(&JsValue::from_str(text));
        }
    }

    fn listen(&self, on_text: Box<dyn Fn(String)>) {
        let Some(line) = &self.line else { return };
        let listener = Closure::new(move |event: MessageEvent| {
            if let Some(text) = event.data().as_string() {
                on_text(text);
            }
        });
        let function = listener.as_js_value().unchecked_ref();
        if line.channel.add_event_listener_with_callback(MESSAGE, function).is_ok() {
            line.listeners.borrow_mut().push(listener);
        }
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        for listener in self.listeners.take() {
            let function = listener.as_js_value().unchecked_ref();
            let _ = self.channel.remove_event_listener_with_callback(MESSAGE, function);
        }
        self.channel.close();
    }
}

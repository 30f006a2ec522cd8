//! What the browser signals: the network is back, the page is shown or hidden.

use js_sys::{Function, Reflect};
use wasm_bindgen::closure::Closure;
use wasm_bindgen::{JsCast, JsValue};

/// Listens until it is dropped.
pub struct Signals {
    targets: Vec<(JsValue, &'static str)>,
    handler: Closure<dyn Fn()>,
}

impl Signals {
    /// Calls `act` when the network comes back and whenever the page is shown or hidden.
    pub fn listen(act: impl Fn() + 'static) -> Self {
        let handler = Closure::new(act);
        let window: JsValue = js_sys::global().into();
        let document = Reflect::get(&window, &"document".into()).unwrap_or(JsValue::UNDEFINED);
        let mut targets = vec![(window, "online")];
        if document.is_object() {
            targets.push((document, "visibilitychange"));
        }
        let signals = Self { targets, handler };
        signals.each("addEventListener");
        signals
    }

    fn each(&self, method: &str) {
        for (target, event) in &self.targets {
            let function = Reflect::get(target, &method.into()).ok().and_then(|f| f.dyn_into::<Function>().ok());
            if let Some(function) = function {
                // Both methods take any event name; there is nothing they could refuse.
                let _ = function.call2(target, &(*event).into(), self.handler.as_js_value());
            }
        }
    }
}

impl Drop for Signals {
    fn drop(&mut self) {
        self.each("removeEventListener");
    }
}

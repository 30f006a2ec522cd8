//! What happens when the engine panics: everything the browser holds for it is ended, then the page is told.

use super::registry;
use js_sys::Function;
use std::cell::RefCell;
use std::panic::PanicHookInfo;
use std::sync::Once;
use wasm_bindgen::JsValue;

static INSTALLED: Once = Once::new();

thread_local! {
    static CALLBACK: RefCell<Option<Function>> = const { RefCell::new(None) };
}

/// Installs the panic hook, once, and sets what it calls with the panic's message; a later call replaces the callback.
/// An instance has one callback, because a panic ends all of it.
///
/// A panic traps: no destructor runs. Without the hook, a transaction that was between two writes would commit the
/// first alone.
pub fn on_panic(callback: Function) {
    CALLBACK.set(Some(callback));
    INSTALLED.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            registry::end_everything();
            tell(info);
            before(info);
        }));
    });
}

fn tell(info: &PanicHookInfo<'_>) {
    // Taken, so that a callback that comes back into this instance and panics again is not called for ever.
    let callback = CALLBACK.with(|callback| callback.try_borrow_mut().ok().and_then(|mut callback| callback.take()));
    if let Some(callback) = callback {
        let _ = callback.call1(&JsValue::UNDEFINED, &JsValue::from_str(&info.to_string()));
    }
}

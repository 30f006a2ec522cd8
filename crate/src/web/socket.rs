//! A WebSocket that carries nudges.

use super::js;
use super::registry::{Registration, Resource};
use crate::engine::ports::{Socket, SocketEvent};
use js_sys::Function;
use std::cell::Cell;
use std::rc::Rc;
use wasm_bindgen::closure::Closure;
use wasm_bindgen::{JsCast, JsValue};
use web_sys::{Event, WebSocket};

/// A connection; dropping it closes it, and nothing is reported from then on.
pub struct BrowserSocket {
    open: Option<Line>,
    live: Rc<Cell<bool>>,
}

struct Line {
    socket: WebSocket,
    _on_event: Closure<dyn Fn(Event)>,
    _registration: Registration,
}

impl BrowserSocket {
    /// Connects with the given constructor, or the global one. What goes wrong at once is reported as
    /// [`SocketEvent::Closed`], like everything else in a later turn.
    pub fn open(url: &str, constructor: Option<Function>, on_event: Box<dyn Fn(SocketEvent)>) -> Self {
        let live = Rc::new(Cell::new(true));
        let constructor = constructor.or_else(|| js::global_function("WebSocket"));
        let made = constructor.and_then(|make| js::construct(&make, &[JsValue::from_str(url)]).ok());
        let Some(socket) = made else {
            let waiting = Rc::clone(&live);
            wasm_bindgen_futures::spawn_local(async move {
                if waiting.replace(false) {
                    on_event(SocketEvent::Closed);
                }
            });
            return Self { open: None, live };
        };
        Self { open: Some(Line::new(socket.unchecked_into(), Rc::clone(&live), on_event)), live }
    }
}

impl Line {
    fn new(socket: WebSocket, live: Rc<Cell<bool>>, on_event: Box<dyn Fn(SocketEvent)>) -> Self {
        let handler = Closure::<dyn Fn(Event)>::new(move |event: Event| report(&event, &live, &*on_event));
        let function: Option<&Function> = Some(handler.as_js_value().unchecked_ref());
        socket.set_onopen(function);
        socket.set_onmessage(function);
        socket.set_onclose(function);
        let registration = Registration::new(Resource::Socket(socket.clone()));
        Self { socket, _on_event: handler, _registration: registration }
    }
}

fn report(event: &Event, live: &Cell<bool>, on_event: &dyn Fn(SocketEvent)) {
    if !live.get() {
        return;
    }
    match event.type_().as_str() {
        "open" => on_event(SocketEvent::Open),
        "message" => {
            // Frames that are not text mean nothing here.
            if let Some(text) = js::property(event, "data").and_then(|data| data.as_string()) {
                on_event(SocketEvent::Text(text));
            }
        }
        _ => {
            live.set(false);
            on_event(SocketEvent::Closed);
        }
    }
}

impl Socket for BrowserSocket {
    fn send(&self, text: &str) {
        if let Some(line) = self.open.as_ref().filter(|_| self.live.get()) {
            // Throws while connecting, which is as good as a connection that has ended.
            let _ = line.socket.send_with_str(text);
        }
    }
}

impl Drop for BrowserSocket {
    fn drop(&mut self) {
        self.live.set(false);
        if let Some(line) = &self.open {
            line.socket.set_onopen(None);
            line.socket.set_onmessage(None);
            line.socket.set_onclose(None);
            let _ = line.socket.close();
        }
    }
}

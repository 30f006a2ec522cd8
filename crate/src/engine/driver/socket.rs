//! A WebSocket that nudges.

use super::Driver;
use super::connection::{Open, on};
use crate::engine::ports::{Host, SocketEvent, Transport};
use crate::model::FromJson;
use crate::protocol::fallback::Ending;
use crate::protocol::machine::Input;
use crate::protocol::wire::{ClientFrame, ServerFrame};
use crate::store::Store;
use serde_json::Value;
use std::cell::Cell;
use std::rc::Rc;

/// A silent connection is asked for a sign of life this often, in milliseconds; one that gives none is opened anew.
const HEARTBEAT_MS: u64 = 30_000;

impl<S: Store, H: Host, T: Transport> Driver<S, H, T> {
    pub(super) fn open_socket(self: &Rc<Self>, number: u64) {
        let (weak, heard) = (Rc::downgrade(self), Rc::new(Cell::new(false)));
        let sign = Rc::clone(&heard);
        let on_event = move |event| {
            if let Some(driver) = on(&weak, number) {
                sign.set(true);
                driver.on_socket(event);
            }
        };
        let socket = self.transport.connect("/ws", Box::new(on_event));
        *self.connection.open.borrow_mut() = Some(Open::Socket(socket));
        self.watch_socket(number, heard);
    }

    fn on_socket(self: &Rc<Self>, event: SocketEvent) {
        match event {
            SocketEvent::Open => self.authenticate(),
            SocketEvent::Text(text) => self.on_frame(&text),
            SocketEvent::Closed => self.ended(Ending::Lost { retry_after_ms: None }),
        }
    }

    fn on_frame(self: &Rc<Self>, text: &str) {
        match serde_json::from_str(text).ok().and_then(ServerFrame::from_json) {
            Some(ServerFrame::AuthOk) => {
                self.note_accepted();
                // Subscribed first, read now: what was committed in between is not missed.
                self.feed(Input::Nudge);
            }
            Some(ServerFrame::SyncAvailable { .. } | ServerFrame::SpacesChanged) => self.feed(Input::Nudge),
            Some(ServerFrame::Error { tables }) => self.ended(ending(tables.first().map_or("", String::as_str))),
            Some(ServerFrame::Pong) | None => {}
        }
    }

    fn authenticate(&self) {
        let token = self.token.borrow().clone();
        self.connection.token.borrow_mut().clone_from(&token);
        self.send_frame(ClientFrame::Auth { token: token.unwrap_or_default() });
    }

    /// Says the new token on a socket that was accepted with another one.
    pub(super) fn renew_socket(&self) {
        if self.is_accepted() && *self.connection.token.borrow() != *self.token.borrow() {
            self.authenticate();
        }
    }

    fn send_frame(&self, frame: ClientFrame) {
        if let Some(Open::Socket(socket)) = &*self.connection.open.borrow() {
            socket.send(&Value::from(frame).to_string());
        }
    }

    /// Something before the server may hold back what is said, also while the connection is opened.
    fn watch_socket(self: &Rc<Self>, number: u64, heard: Rc<Cell<bool>>) {
        let weak = Rc::downgrade(self);
        let first = self.engine.host().sleep(HEARTBEAT_MS);
        self.engine.host().spawn(Box::pin(async move {
            let mut slept = first;
            loop {
                slept.await;
                let Some(driver) = on(&weak, number) else { return };
                if !heard.replace(false) {
                    driver.ended(Ending::Lost { retry_after_ms: None });
                    return;
                }
                driver.send_frame(ClientFrame::Ping);
                slept = driver.engine.host().sleep(HEARTBEAT_MS);
            }
        }));
    }
}

/// What a server's last frame says.
fn ending(reason: &str) -> Ending {
    match reason {
        "unauthorized" | "token_expired" => Ending::Unauthorized,
        "too_many_connections" => Ending::Refused,
        _ => Ending::Lost { retry_after_ms: None },
    }
}

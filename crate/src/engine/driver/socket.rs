//! The connection that carries nudges: a hint only, so whatever happens to it costs at most one poll.

use super::Driver;
use crate::engine::ports::{Host, SocketEvent, Transport};
use crate::model::FromJson;
use crate::protocol::backoff::wait_ms;
use crate::protocol::machine::Input;
use crate::protocol::wire::{ClientFrame, ServerFrame};
use crate::store::Store;
use serde_json::Value;
use std::rc::{Rc, Weak};

/// A silent connection is asked for a sign of life this often, in milliseconds; one that gives none is opened anew.
const HEARTBEAT_MS: u64 = 30_000;

impl<S: Store, H: Host, T: Transport> Driver<S, H, T> {
    /// Opens the connection for nudges.
    pub(super) fn open_socket(self: &Rc<Self>) {
        if !self.is_running() {
            return;
        }
        let line = self.line.get() + 1;
        self.line.set(line);
        let weak = Rc::downgrade(self);
        let socket = self.transport.connect("/ws", Box::new(move |event| socket_event(&weak, line, event)));
        *self.socket.borrow_mut() = Some(socket);
    }

    /// Whether that connection is the present one.
    fn is_on(&self, line: u64) -> bool {
        self.line.get() == line && self.socket.borrow().is_some()
    }

    fn on_socket(self: &Rc<Self>, event: SocketEvent) {
        self.heard.set(true);
        match event {
            SocketEvent::Open => {
                let token = self.token.borrow().clone().unwrap_or_default();
                self.send_frame(ClientFrame::Auth { token });
            }
            SocketEvent::Text(text) => self.on_frame(&text),
            SocketEvent::Closed => self.reopen_socket(),
        }
    }

    fn on_frame(self: &Rc<Self>, text: &str) {
        match serde_json::from_str(text).ok().and_then(ServerFrame::from_json) {
            Some(ServerFrame::AuthOk) => {
                self.socket_failures.set(0);
                // Subscribed first, read now: what was committed in between is not missed.
                self.feed(Input::Nudge);
                self.keep_alive();
            }
            Some(ServerFrame::SyncAvailable { .. } | ServerFrame::SpacesChanged) => self.feed(Input::Nudge),
            Some(ServerFrame::Pong | ServerFrame::Error { .. }) | None => {}
        }
    }

    fn send_frame(&self, frame: ClientFrame) {
        if let Some(socket) = &*self.socket.borrow() {
            socket.send(&Value::from(frame).to_string());
        }
    }

    fn keep_alive(self: &Rc<Self>) {
        let (weak, line) = (Rc::downgrade(self), self.line.get());
        let first = self.engine.host().sleep(HEARTBEAT_MS);
        self.engine.host().spawn(Box::pin(async move {
            let mut slept = first;
            loop {
                slept.await;
                let Some(driver) = weak.upgrade().filter(|driver| driver.is_on(line)) else {
                    return;
                };
                if !driver.heard.replace(false) {
                    driver.reopen_socket();
                    return;
                }
                driver.send_frame(ClientFrame::Ping);
                slept = driver.engine.host().sleep(HEARTBEAT_MS);
            }
        }));
    }

    fn reopen_socket(self: &Rc<Self>) {
        self.socket.borrow_mut().take();
        let failures = self.socket_failures.get() + 1;
        self.socket_failures.set(failures);
        let mut random = [0; 8];
        self.engine.host().unique(&mut random);
        let slept = self.engine.host().sleep(wait_ms(failures, None, u64::from_le_bytes(random)));
        let (weak, run) = (Rc::downgrade(self), self.run.get());
        self.engine.host().spawn(Box::pin(async move {
            slept.await;
            if let Some(driver) = weak.upgrade().filter(|d| d.run.get() == run && d.socket.borrow().is_none()) {
                driver.open_socket();
            }
        }));
    }
}

fn socket_event<S: Store, H: Host, T: Transport>(driver: &Weak<Driver<S, H, T>>, line: u64, event: SocketEvent) {
    if let Some(driver) = driver.upgrade().filter(|driver| driver.is_on(line)) {
        driver.on_socket(event);
    }
}

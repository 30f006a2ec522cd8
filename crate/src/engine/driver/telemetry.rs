//! What the loop did, for an app that measures it: how many changes of which apps, how long it took and why it failed, and
//! nothing of what they say.

use super::Driver;
use crate::engine::apply::Applied;
use crate::engine::events::{Event, Telemetry, TelemetryName};
use crate::engine::ports::{Host, Transport};
use crate::model::OrderedSet;
use crate::protocol::machine::{Effect, Input};
use crate::store::Store;
use serde_json::Value;
use std::cell::Cell;

/// What is measured.
#[derive(Default)]
pub(super) struct Measure {
    /// When the last request was begun, by the host's monotonic clock.
    begun: Cell<f64>,
}

/// A request whose answer came.
#[derive(Clone, Copy)]
pub(super) enum Exchange {
    Push,
    Pull,
}

impl Exchange {
    /// The request that an input answers.
    pub(super) const fn of(input: &Input) -> Option<Self> {
        match input {
            Input::Pushed(_) => Some(Self::Push),
            Input::Pulled(_) => Some(Self::Pull),
            _ => None,
        }
    }
}

/// How many changes, and the apps that they name, each once.
#[derive(Default)]
pub(super) struct Counted {
    count: usize,
    apps: Vec<String>,
}

impl Counted {
    /// Counts changes as the wire carries them.
    pub(super) fn of(changes: &[Value]) -> Self {
        let named: OrderedSet<&str> = changes.iter().filter_map(|change| change["app"].as_str()).collect();
        Self { count: changes.len(), apps: named.into_iter().map(str::to_owned).collect() }
    }
}

impl<S: Store, H: Host, T: Transport> Driver<S, H, T> {
    pub(super) fn monotonic_ms(&self) -> f64 {
        self.engine.host().monotonic_ms()
    }

    /// More changes of one time than can be asked for: some of them do not come.
    pub(super) fn tell_stuck(&self, app: &str) {
        let counted = Counted { count: 0, apps: vec![app.to_owned()] };
        self.tell(TelemetryName::PullError, counted, None, Some("cursor_stuck".to_owned()));
    }

    fn tell(&self, name: TelemetryName, Counted { count, apps }: Counted, ms: Option<f64>, code: Option<String>) {
        self.engine.emit(Event::Telemetry(Telemetry { name, apps, count, ms, code }));
    }

    /// Time runs from here.
    pub(super) fn measure(&self) {
        self.measure.begun.set(self.monotonic_ms());
    }

    /// A request leaves.
    pub(super) fn tell_begun(&self, exchange: Exchange, changes: &[Value]) {
        self.measure();
        let name = match exchange {
            Exchange::Push => TelemetryName::PushStart,
            Exchange::Pull => TelemetryName::PullStart,
        };
        self.tell(name, Counted::of(changes), None, None);
    }

    /// Its answer came, and led to these effects.
    pub(super) fn tell_answered(&self, exchange: Exchange, effects: &[Effect]) {
        let ms = Some(self.monotonic_ms() - self.measure.begun.get());
        let code = self.machine.borrow().failed_with();
        let pulled = effects.iter().find_map(|effect| if let Effect::Apply(page) = effect { Some(page) } else { None });
        let counted = match exchange {
            Exchange::Push => self.batch.borrow().as_ref().map(|batch| Counted::of(&batch.changes)),
            Exchange::Pull => pulled.map(|page| Counted::of(&page.changes)),
        };
        let name = match (exchange, code.is_none()) {
            (Exchange::Push, true) => TelemetryName::PushOk,
            (Exchange::Push, false) => TelemetryName::PushError,
            (Exchange::Pull, true) => TelemetryName::PullOk,
            (Exchange::Pull, false) => TelemetryName::PullError,
        };
        self.tell(name, counted.unwrap_or_default(), ms, code);
    }

    /// A page was applied.
    pub(super) fn tell_applied(&self, counted: Counted, began: f64, applied: &Applied) {
        self.tell(TelemetryName::ApplyDone, counted, Some(self.monotonic_ms() - began), None);
        for (reason, count) in &applied.aside {
            let counted = Counted { count: *count, apps: Vec::new() };
            self.tell(TelemetryName::ApplyQuarantined, counted, None, Some(reason.as_str().to_owned()));
        }
    }
}

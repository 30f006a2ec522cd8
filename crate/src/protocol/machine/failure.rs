//! What ends an exchange before its time: answers that are none, refusals, a store that fails.

use super::messages::{Effect, Problem};
use super::{Machine, Phase};
use crate::model::{EventId, OrderedSet};
use crate::probe::{Probe, hit};
use crate::protocol::backoff::wait_ms;
use crate::protocol::reply::{Failure, Settlement};
use crate::protocol::state::State;
use crate::protocol::wire::{Rejection, RejectionCode};

impl Machine {
    pub(super) fn succeeded(&mut self) {
        self.failures = 0;
        self.token_refused = false;
    }

    pub(super) fn failed(&mut self, failure: Failure, now: u64, random: u64) -> Vec<Effect> {
        match failure {
            Failure::Unauthorized if self.token_refused => {
                self.block(State::NeedsAuth, "needs_auth", "the server refused a fresh token: sign in again")
            }
            Failure::Unauthorized => {
                self.token_doubted = false;
                self.has_token = false;
                self.token_refused = true;
                self.next_exchange()
            }
            Failure::PaymentRequired => {
                hit(Probe::LoopBilling);
                self.block(State::BillingRequired, "billing_required", "the account must be paid for")
            }
            Failure::Refused { code, message, retry_after_ms } => {
                hit(Probe::LoopRefused);
                self.rest_after(State::Error, code, message, retry_after_ms, now, random)
            }
            Failure::Expired(_) => {
                self.rest_after(State::Error, "bad_answer".into(), "410 outside a pull".into(), None, now, random)
            }
            Failure::Later { code, message, retry_after_ms } => {
                hit(match (code, retry_after_ms) {
                    ("offline", _) => Probe::LoopOffline,
                    (_, Some(_)) => Probe::LoopRetryAfter,
                    (_, None) => Probe::LoopLater,
                });
                let shown = if code == "offline" { State::Offline } else { State::Error };
                self.rest_after(shown, code.into(), message, retry_after_ms, now, random)
            }
        }
    }

    pub(super) fn storage_failed(
        &mut self,
        code: String,
        message: String,
        full: bool,
        now: u64,
        random: u64,
    ) -> Vec<Effect> {
        if matches!(self.phase, Phase::Stopped | Phase::Resting { .. } | Phase::Blocked) {
            return Vec::new();
        }
        hit(Probe::LoopStorageFailed);
        let shown = if full { State::StorageFull } else { State::Error };
        self.rest_after(shown, code, message, None, now, random)
    }

    pub(super) fn rest_after(
        &mut self,
        shown: State,
        code: String,
        message: String,
        retry_after_ms: Option<u64>,
        now: u64,
        random: u64,
    ) -> Vec<Effect> {
        let at = self.rest(retry_after_ms, now, random);
        vec![Effect::Status(shown, Some(Problem { code, message, retry_at: Some(at) })), Effect::WakeAt(at)]
    }

    /// Rests after a failure; gives until when.
    pub(super) fn rest(&mut self, retry_after_ms: Option<u64>, now: u64, random: u64) -> u64 {
        self.pause_isolating();
        // A wait that an answer to a push asked for is no shorter because something else failed since.
        let owed = self.refused.take().and_then(|refused| refused.owed_ms(now));
        let asked = retry_after_ms.max(owed);
        self.failures += 1;
        self.phase = Phase::Resting { failed: true };
        let at = now + wait_ms(self.failures, asked, random);
        self.not_before = if asked.is_some() { at } else { 0 };
        at
    }

    pub(super) fn block(&mut self, shown: State, code: &str, message: &str) -> Vec<Effect> {
        self.phase = Phase::Blocked;
        self.has_token = false;
        self.isolating = None;
        self.refused = None;
        let problem = Problem { code: code.to_owned(), message: message.to_owned(), retry_at: None };
        vec![Effect::Status(shown, Some(problem))]
    }
}

/// What the server will not even read is refused as such; sent again it would be refused for ever.
pub(super) fn refused(sent: &OrderedSet<EventId>, code: RejectionCode, message: &str) -> Settlement {
    let refuse = |id: &EventId| Rejection { event_id: id.to_string(), code, message: message.to_owned() };
    Settlement { accepted: OrderedSet::new(), rejected: sent.iter().map(refuse).collect(), receipt: None, server_ms: 0 }
}

//! A push that was not taken: others are heard first, then it is waited, for as long as the answer asked for at least.

use super::messages::{Effect, Problem};
use super::{Machine, POLL_MS, Phase};
use crate::probe::{Probe, hit};
use crate::protocol::backoff::left_ms;
use crate::protocol::reply::Failure;
use crate::protocol::state::State;

/// Why a push was not taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    code: String,
    message: String,
    /// How long the answer asks to wait, in milliseconds.
    pub retry_after_ms: Option<u64>,
    /// Until when nothing is pushed, by the device's clock, in milliseconds since 1970; set once the round has ended.
    until: Option<u64>,
}

impl Refused {
    fn of(failure: &Failure) -> Option<Self> {
        let (code, message) = match failure {
            Failure::Refused { code, message, .. } => (code.clone(), message.clone()),
            Failure::Later { code: code @ ("server_error" | "bad_request" | "too_large"), message, .. } => {
                ((*code).to_owned(), message.clone())
            }
            Failure::Later { .. } | Failure::Unauthorized | Failure::PaymentRequired | Failure::Expired(_) => {
                return None;
            }
        };
        Some(Self { code, message, retry_after_ms: failure.retry_after_ms(), until: None })
    }

    /// How long the answer asks to wait from now on, in milliseconds.
    pub fn owed_ms(&self, now: u64) -> Option<u64> {
        self.until.map(|until| left_ms(until, now)).or(self.retry_after_ms)
    }
}

impl Machine {
    /// Somebody whose changes are not taken, over a quota for one, still hears of everybody else's.
    pub(super) fn push_failed(&mut self, failure: Failure, now: u64, random: u64) -> Vec<Effect> {
        let Some(refused) = Refused::of(&failure) else { return self.failed(failure, now, random) };
        self.pause_isolating();
        self.hear_others(refused)
    }

    /// What follows a failure that may be the batch's fault: `effects`, once the server does not ask to wait any more.
    pub(super) fn after_wait(&mut self, failure: &Failure, effects: Vec<Effect>) -> Vec<Effect> {
        let Some(refused) = Refused::of(failure).filter(|refused| refused.retry_after_ms.is_some()) else {
            return effects;
        };
        if self.phase == Phase::Settling {
            // A change is set aside first; whatever is frozen then waits.
            self.refused = Some(refused);
            return effects;
        }
        self.hear_others(refused)
    }

    fn hear_others(&mut self, refused: Refused) -> Vec<Effect> {
        hit(Probe::LoopPushRefused);
        self.refused = Some(refused);
        self.refusals += 1;
        self.phase = Phase::Pulling;
        vec![Effect::Pull]
    }

    /// Whether an answer of this round asked to wait with the next push.
    pub(super) fn must_wait(&self) -> bool {
        self.refused.as_ref().is_some_and(|refused| refused.retry_after_ms.is_some())
    }

    /// Whether a push waits for its time, after the round in which it was refused.
    pub(super) fn is_held(&self) -> bool {
        self.refused.as_ref().is_some_and(|refused| refused.until.is_some())
    }

    /// Lets a push go out again: its time has come, or it is `asked` for.
    pub(super) fn release_push(&mut self, asked: bool, now: u64) {
        if self.is_held() && (asked || self.refused.as_ref().and_then(|refused| refused.owed_ms(now)) == Some(0)) {
            self.refused = None;
        }
    }

    /// Waits for the next push, and hears of others meanwhile where that was asked for as a time.
    pub(super) fn rest_refused(&mut self, now: u64, random: u64) -> Vec<Effect> {
        let Some(mut refused) = self.refused.take() else { return Vec::new() };
        let at = refused.until.filter(|until| left_ms(*until, now) > 0).unwrap_or_else(|| {
            self.failures = self.refusals.saturating_sub(1);
            // The push that failed has said already whether what is known of its fault stays known.
            let known = self.isolating.take();
            let at = self.rest(refused.retry_after_ms, now, random);
            self.isolating = known;
            at
        });
        self.phase = Phase::Resting { failed: true };
        let Refused { code, message, .. } = refused.clone();
        let problem = Problem { code, message, retry_at: Some(at) };
        let shown = Effect::Status(State::Error, Some(problem));
        if refused.retry_after_ms.is_none() {
            return vec![shown, Effect::WakeAt(at)];
        }
        refused.until = Some(at);
        self.refused = Some(refused);
        vec![shown, Effect::WakeAt(at.min(now + POLL_MS))]
    }
}

//! A push that was not taken: others are heard first, then it is waited, for as long as the answer asked for at least.

use super::messages::Effect;
use super::{Machine, Phase};
use crate::probe::{Probe, hit};
use crate::protocol::reply::Failure;
use crate::protocol::state::State;

/// Why a push was not taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    code: String,
    message: String,
    /// How long the answer asks to wait, in milliseconds.
    pub retry_after_ms: Option<u64>,
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
        Some(Self { code, message, retry_after_ms: failure.retry_after_ms() })
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

    pub(super) fn rest_refused(&mut self, now: u64, random: u64) -> Vec<Effect> {
        let Some(Refused { code, message, retry_after_ms }) = self.refused.take() else { return Vec::new() };
        self.failures = self.refusals.saturating_sub(1);
        // The push that failed has said already whether what is known of its fault stays known.
        let known = self.isolating.take();
        let effects = self.rest_after(State::Error, code, message, retry_after_ms, now, random);
        self.isolating = known;
        effects
    }
}

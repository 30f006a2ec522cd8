//! How a round begins: with a token, and with the offset to the server's clock.

use super::messages::Effect;
use super::{Machine, Phase};
use crate::probe::{Probe, hit};
use crate::protocol::http::{NoAnswer, Response};
use crate::protocol::reply::health_answer;
use crate::protocol::state::State;

/// Two samples of the server's clock must agree this well, in milliseconds.
const AGREEMENT_MS: u64 = 5000;
/// So many pages in a row may make the time be measured anew at once.
const MAX_DOUBTS: u32 = 2;

impl Machine {
    pub(super) fn token(&mut self, found: bool) -> Vec<Effect> {
        if self.phase != Phase::Token {
            return Vec::new();
        }
        self.token_doubted = false;
        if found {
            hit(if self.token_refused { Probe::LoopTokenRefused } else { Probe::LoopToken });
            self.has_token = true;
            return self.next_exchange();
        }
        hit(Probe::LoopNeedsAuth);
        self.block(State::NeedsAuth, "needs_auth", "there is no valid token: sign in again")
    }

    /// What a connection was told of its token. An exchange that is under way with the same one finds out by itself.
    pub(super) fn doubt_token(&mut self, now: u64) -> Vec<Effect> {
        if !matches!(self.phase, Phase::Token | Phase::Blocked) {
            self.token_doubted = true;
        }
        self.hint(now, 0)
    }

    pub(super) fn drop_doubted_token(&mut self) {
        if std::mem::take(&mut self.token_doubted) && self.has_token {
            hit(Probe::LoopTokenDoubted);
            self.has_token = false;
            self.token_refused = true;
        }
    }

    pub(super) fn token_failed(&mut self, message: String, now: u64, random: u64) -> Vec<Effect> {
        if self.phase != Phase::Token {
            return Vec::new();
        }
        hit(Probe::LoopTokenFailed);
        self.rest_after(State::Offline, "offline".into(), message, None, now, random)
    }

    pub(super) fn time(
        &mut self,
        reply: Result<Response, NoAnswer>,
        asked_at: u64,
        now: u64,
        random: u64,
    ) -> Vec<Effect> {
        if self.phase != Phase::Asking {
            return Vec::new();
        }
        let health = match health_answer(reply) {
            Ok(health) => health,
            Err(failure) => return self.failed(failure, now, random),
        };
        let server = health.timestamp.ms();
        let device = u64::midpoint(asked_at, now);
        let offset = i64::try_from(server).unwrap_or(0) - i64::try_from(device).unwrap_or(0);
        let agreed = self.samples.back().is_some_and(|last| last.abs_diff(offset) <= AGREEMENT_MS);
        if !agreed && !self.samples.is_empty() {
            hit(Probe::LoopTimeDisagrees);
        }
        self.samples.push_back(offset);
        if !agreed {
            hit(Probe::LoopAskTime);
            return vec![Effect::AskTime];
        }
        self.samples.clear();
        self.phase = Phase::SettlingClock;
        vec![Effect::SettleClock { offset, server_ms: server }]
    }

    /// The clock was set, or a page is of another time than the one that was measured: that is measured anew. A server whose times
    /// contradict each other is no answer.
    pub(super) fn clock_doubted(&mut self, now: u64, random: u64) -> Vec<Effect> {
        if matches!(self.phase, Phase::Applying { .. }) {
            self.doubts = self.doubts.saturating_add(1);
            if self.doubts > MAX_DOUBTS {
                self.clock_known = false;
                self.samples.clear();
                self.failures = self.doubts - MAX_DOUBTS - 1;
                let message = "the server's times contradict each other".to_owned();
                return self.rest_after(State::Error, "bad_answer".into(), message, None, now, random);
            }
        }
        self.clock_unknown()
    }

    pub(super) fn clock_unknown(&mut self) -> Vec<Effect> {
        if !matches!(self.phase, Phase::Freezing | Phase::Applying { .. } | Phase::SettlingClock) {
            return Vec::new();
        }
        hit(Probe::LoopClockUnknown);
        self.clock_known = false;
        self.samples.clear();
        self.next_exchange()
    }

    pub(super) fn clock_settled(&mut self) -> Vec<Effect> {
        if self.phase != Phase::SettlingClock {
            return Vec::new();
        }
        self.clock_known = true;
        self.next_exchange()
    }
}

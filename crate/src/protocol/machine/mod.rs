//! The sync loop as a state machine: inputs in, effects out; nothing here waits, stores or sends.
//!
//! One exchange is under way at a time: the clock's offset when it is unknown, then pushes until the log is empty, then
//! pulls while there is more, then rest. A failure waits with full jitter and starts over; nothing but a typed answer
//! makes the machine drop, reject or expire anything.

mod failure;
mod isolating;
mod messages;
mod opening;
mod pages;
mod refusal;

use failure::refused;
use isolating::Isolating;
pub use messages::{Effect, Input, Part, Problem, SettledAs};
pub use pages::Pages;
use refusal::Refused;

use super::backoff::left_ms;
use super::http::{NoAnswer, Response};
use super::reply::{Failure, pull_answer, push_answer};
use super::state::State;
use super::wire::{ExpiryReason, RejectionCode};
use crate::model::{EventId, OrderedSet};
use crate::probe::{Probe, hit};
use std::collections::VecDeque;

/// A push goes out this many milliseconds after the last write. Short, because what is written while a push is under
/// way travels together anyway, and people watch two screens.
const DEBOUNCE_MS: u64 = 150;
/// Steady writing does not put a push off for longer than this many milliseconds.
const MAX_DEBOUNCE_MS: u64 = 1000;
/// Without nudges the server is asked this often, in milliseconds.
const POLL_MS: u64 = 30_000;
/// After so many pushes in a row a pull has its turn.
const MAX_PUSHES: u32 = 8;

#[derive(Debug, Clone, PartialEq, Eq)]
enum Phase {
    Stopped,
    /// Waiting for a timer or a hint; after a failure hints do not cut the wait short, except `SyncNow`.
    Resting {
        failed: bool,
    },
    Token,
    Asking,
    SettlingClock,
    Freezing,
    Pushing(OrderedSet<EventId>),
    Settling,
    Pulling,
    Applying {
        more: bool,
    },
    Rebasing,
    Ending,
    /// Nothing goes on until the app does something.
    Blocked,
}

/// The loop's state.
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own, and all combinations occur")]
#[derive(Debug)]
pub struct Machine {
    phase: Phase,
    has_token: bool,
    token_refused: bool,
    /// Somebody else than the loop was told that the token is not good: the next round gets another one first.
    token_doubted: bool,
    clock_known: bool,
    samples: VecDeque<i64>,
    /// How many pages in a row were not of the time that was measured.
    doubts: u32,
    failures: u32,
    /// A hint came while an exchange was under way: once more round, soon.
    again: bool,
    /// The same for what does not wait: `syncNow`, and a round that was cut short.
    urged: bool,
    /// Pushes of this round.
    pushes: u32,
    /// How many pushes in a row brought changes back that go out again.
    returned: u32,
    /// Why this round's push was refused.
    refused: Option<Refused>,
    /// How many pushes in a row were refused as a whole.
    refusals: u32,
    /// When the first write not yet pushed was logged.
    waiting_since: Option<u64>,
    /// How many pushes in a row the server failed at.
    batch_failures: u32,
    /// It is being found out at what the server fails.
    isolating: Option<Isolating>,
    /// Changes of this round go out again: not before others were heard.
    came_back: bool,
    /// A full pull was begun, and no page of it has come.
    began_anew: bool,
    pages: Pages,
    /// Until then the server asked to be left alone, in milliseconds since 1970; somebody who asks for sync goes before that.
    not_before: u64,
    /// Why the last push or pull was not answered as it should be.
    failed_with: Option<String>,
}

impl Default for Machine {
    fn default() -> Self {
        Self {
            phase: Phase::Stopped,
            has_token: false,
            token_refused: false,
            token_doubted: false,
            clock_known: true,
            samples: VecDeque::new(),
            doubts: 0,
            failures: 0,
            again: false,
            urged: false,
            pushes: 0,
            returned: 0,
            refused: None,
            refusals: 0,
            waiting_since: None,
            batch_failures: 0,
            isolating: None,
            came_back: false,
            began_anew: false,
            pages: Pages::default(),
            not_before: 0,
            failed_with: None,
        }
    }
}

impl Machine {
    /// Takes one input; `now` is the device's time in ms since 1970, `random` any 64 random bits.
    pub fn step(&mut self, input: Input, now: u64, random: u64) -> Vec<Effect> {
        match input {
            Input::Stop => self.stop(),
            _ if self.phase == Phase::Stopped && !matches!(input, Input::Start) => Vec::new(),
            Input::Woken if matches!(self.phase, Phase::Resting { .. }) && left_ms(self.not_before, now) > 0 => {
                self.hint(now, 0)
            }
            Input::Start | Input::SyncNow | Input::Woken => self.urge(now),
            Input::Logged => self.hint(now, DEBOUNCE_MS),
            Input::Nudge => self.hint(now, 0),
            Input::Timer => self.timer(now),
            Input::Token(found) => self.token(found),
            Input::TokenRefused => self.doubt_token(now),
            Input::TokenFailed(message) => self.token_failed(message, now, random),
            Input::Time(reply, asked_at) => self.time(reply, asked_at, now, random),
            Input::ClockSettled => self.clock_settled(),
            Input::Frozen(ids) => self.frozen(ids, now, random),
            Input::ClockUnknown => self.clock_doubted(now, random),
            Input::Pushed(reply) => self.pushed(reply, now, random),
            Input::Settled(how) => self.settled(how),
            Input::Pulled(reply) => self.pulled(reply, now, random),
            Input::Applied => self.applied(),
            Input::Overtaken => self.overtaken(),
            Input::RebaseStep => self.rebased(now, random),
            Input::StorageFailed { code, message, full } => self.storage_failed(code, message, full, now, random),
        }
    }

    /// Why the last push or pull was not answered as it should be; `None`: it was.
    #[must_use]
    pub fn failed_with(&self) -> Option<String> {
        self.failed_with.clone()
    }

    fn stop(&mut self) -> Vec<Effect> {
        *self = Self::default();
        vec![Effect::Status(State::Local, None)]
    }

    /// Start and `syncNow` cut every wait short.
    fn urge(&mut self, now: u64) -> Vec<Effect> {
        self.release_push(true, now);
        match self.phase {
            Phase::Stopped | Phase::Resting { .. } | Phase::Blocked => self.begin(now),
            _ => {
                hit(Probe::LoopUrgedBusy);
                self.urged = true;
                Vec::new()
            }
        }
    }

    fn hint(&mut self, now: u64, delay: u64) -> Vec<Effect> {
        match self.phase {
            Phase::Resting { failed } if delay == 0 && (!failed || self.is_held()) => {
                hit(Probe::LoopHint);
                self.begin(now)
            }
            Phase::Resting { failed: false } => {
                if self.waiting_since.is_some() {
                    hit(Probe::LoopDebounced);
                }
                let since = *self.waiting_since.get_or_insert(now);
                vec![Effect::WakeAt((now + delay).min(since + MAX_DEBOUNCE_MS))]
            }
            Phase::Stopped | Phase::Resting { failed: true } | Phase::Blocked => {
                hit(Probe::LoopHintFailed);
                Vec::new()
            }
            _ => {
                hit(Probe::LoopHintBusy);
                self.again = true;
                Vec::new()
            }
        }
    }

    fn timer(&mut self, now: u64) -> Vec<Effect> {
        match self.phase {
            Phase::Resting { .. } => self.begin(now),
            _ => Vec::new(),
        }
    }

    fn begin(&mut self, now: u64) -> Vec<Effect> {
        self.release_push(false, now);
        self.again = false;
        self.urged = false;
        self.pushes = 0;
        self.came_back = false;
        self.pages.begin();
        self.waiting_since = None;
        self.drop_doubted_token();
        // Why nothing is pushed stays to be seen while others are heard.
        let shown = (!self.is_held()).then_some(Effect::Status(State::Syncing, None));
        shown.into_iter().chain(self.next_exchange()).collect()
    }

    fn next_exchange(&mut self) -> Vec<Effect> {
        if !self.has_token {
            self.phase = Phase::Token;
            return vec![Effect::GetToken(self.token_refused)];
        }
        if !self.clock_known {
            self.phase = Phase::Asking;
            return vec![Effect::AskTime];
        }
        // A clock that has to be measured anew brings the round back here, a server's wish to wait does not end there.
        if self.came_back || self.must_wait() {
            self.phase = Phase::Pulling;
            return vec![Effect::Pull];
        }
        self.phase = Phase::Freezing;
        vec![self.part().map_or(Effect::Freeze, Effect::FreezePart)]
    }

    fn frozen(&mut self, ids: OrderedSet<EventId>, now: u64, random: u64) -> Vec<Effect> {
        if self.phase != Phase::Freezing {
            return Vec::new();
        }
        // What was refused before a token was renewed is said anew, or is not there any more.
        self.refused = None;
        if ids.is_empty() {
            if let Some(failure) = self.nothing_else() {
                return self.push_failed(failure, now, random);
            }
            self.pause_isolating();
            self.phase = Phase::Pulling;
            return vec![Effect::Pull];
        }
        self.phase = Phase::Pushing(ids);
        vec![Effect::Push]
    }

    fn pushed(&mut self, reply: Result<Response, NoAnswer>, now: u64, random: u64) -> Vec<Effect> {
        let Phase::Pushing(sent) = &self.phase else { return Vec::new() };
        let sent = sent.clone();
        let answer = push_answer(reply, &sent);
        self.failed_with = answer.as_ref().err().map(|failure| failure.code().to_owned());
        match answer {
            // With a time to come back at it is no word for good (RFC 9110, 15.5.14).
            Err(Failure::Refused { code, message, retry_after_ms: None }) if code == "too_large" && sent.len() == 1 => {
                self.taken(false);
                vec![Effect::Settle(refused(&sent, RejectionCode::TooLarge, &message))]
            }
            Err(failure) => match self.isolate(&sent, &failure) {
                Some(effects) => self.after_wait(&failure, effects),
                None => self.push_failed(failure, now, random),
            },
            Ok(settlement) => {
                hit(Probe::LoopPushed);
                self.refusals = 0;
                self.taken(!settlement.accepted.is_empty());
                vec![Effect::Settle(settlement)]
            }
        }
    }

    fn settled(&mut self, how: SettledAs) -> Vec<Effect> {
        if self.phase != Phase::Settling {
            return Vec::new();
        }
        match how {
            SettledAs::Done => {
                self.returned = 0;
                self.pushes += 1;
                if self.pushes < MAX_PUSHES {
                    return self.next_exchange();
                }
                // What others wrote is not kept waiting for as long as this device writes; the rest follows at once.
                hit(Probe::LoopManyPushes);
                self.urged = true;
                self.phase = Phase::Pulling;
                vec![Effect::Pull]
            }
            SettledAs::Again => {
                // What the server said no to may be in what it has to say: that is heard first.
                hit(Probe::LoopReturned);
                self.returned += 1;
                self.came_back = true;
                self.urged = true;
                self.phase = Phase::Pulling;
                vec![Effect::Pull]
            }
            SettledAs::UpdateRequired => {
                hit(Probe::LoopUpdateRequired);
                let message = "this version of the app is too old to sync: update it";
                self.block(State::UpdateRequired, "update_required", message)
            }
        }
    }

    fn pulled(&mut self, reply: Result<Response, NoAnswer>, now: u64, random: u64) -> Vec<Effect> {
        if !matches!(self.phase, Phase::Pulling | Phase::SettlingClock) {
            return Vec::new();
        }
        let answer = pull_answer(reply);
        self.failed_with = answer.as_ref().err().map(|failure| failure.code().to_owned());
        match answer {
            // The keyring, which settling the clock needed: a failure to read it is one like others.
            Err(failure) if self.phase == Phase::SettlingClock => self.failed(failure, now, random),
            Ok(_) if self.phase == Phase::SettlingClock => self.clock_unknown(),
            // A server that refuses the beginning, too, is asked again later, not at once.
            Err(Failure::Expired(_)) if self.began_anew => {
                self.began_anew = false;
                let message = "the server refuses to begin anew".to_owned();
                self.rest_after(State::Error, "cursor_expired".into(), message, None, now, random)
            }
            Err(Failure::Expired(reason)) => {
                self.began_anew = true;
                hit(match reason {
                    ExpiryReason::Restored => Probe::LoopExpiredRestored,
                    ExpiryReason::Retention => Probe::LoopExpiredRetention,
                });
                self.phase = Phase::Rebasing;
                vec![Effect::BeginRebase(reason)]
            }
            Err(failure) => self.failed(failure, now, random),
            Ok(page) if page.has_more && self.pages.was_at(&page.cursor) => self.led_in_a_circle(now, random),
            Ok(page) => {
                hit(if page.has_more { Probe::LoopMore } else { Probe::LoopPulled });
                self.succeeded();
                self.began_anew = false;
                if !page.has_more {
                    self.pages.ended();
                }
                self.phase = Phase::Applying { more: page.has_more };
                vec![Effect::Apply(page)]
            }
        }
    }

    fn applied(&mut self) -> Vec<Effect> {
        self.doubts = 0;
        match self.phase {
            Phase::Applying { more: true } => {
                self.phase = Phase::Pulling;
                vec![Effect::Pull]
            }
            Phase::Applying { more: false } => {
                self.phase = Phase::Ending;
                vec![Effect::EndRebase]
            }
            _ => Vec::new(),
        }
    }

    fn overtaken(&mut self) -> Vec<Effect> {
        if !matches!(self.phase, Phase::Applying { .. } | Phase::Ending) {
            return Vec::new();
        }
        self.pages.begin();
        self.phase = Phase::Pulling;
        vec![Effect::Pull]
    }

    fn rebased(&mut self, now: u64, random: u64) -> Vec<Effect> {
        match self.phase {
            Phase::Ending if self.refused.is_some() => self.rest_refused(now, random),
            Phase::Rebasing => {
                self.phase = Phase::Pulling;
                vec![Effect::Pull]
            }
            Phase::Ending if self.returned > 1 => {
                hit(Probe::LoopReturnedOften);
                let message = "the server keeps sending changes back".to_owned();
                self.failures = self.returned - 2;
                self.rest_after(State::Error, "changes_returned".into(), message, None, now, random)
            }
            Phase::Ending if self.urged => {
                hit(Probe::LoopRoundAgain);
                self.begin(now)
            }
            Phase::Ending => {
                hit(Probe::LoopSynced);
                self.phase = Phase::Resting { failed: false };
                let next = if self.again { DEBOUNCE_MS } else { POLL_MS };
                vec![Effect::Status(State::Synced, None), Effect::RoundDone, Effect::WakeAt(now + next)]
            }
            _ => Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests;

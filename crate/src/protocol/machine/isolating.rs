//! A batch that the server fails at while it works on others: smaller and smaller parts of it are sent, and what fails alone
//! is set aside, again and again right after another change was taken. A server that fails at everything, at everything that
//! is written, or now and then sets nothing aside, nor does a proxy in front of it.

use super::messages::{Effect, Part};
use super::{Machine, Phase};
use crate::model::{EventId, OrderedSet};
use crate::probe::{Probe, hit};
use crate::protocol::limits::MAX_PUSH_CHANGES;
use crate::protocol::reply::Failure;
use crate::protocol::wire::RejectionCode;

/// So many failures of the server at pushes in a row may be the batch's fault.
const FAILURES: u32 = 8;
/// So often another change must be taken while the oldest fails alone, before and after each of them. None waits for that.
const TAKEN: u32 = 8;
/// So many others are tried in between.
const OTHERS: u32 = 8;

/// What is known of the batch's fault.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Isolating {
    /// Rows of the log that go into a push.
    most: usize,
    /// What of the oldest failed alone, and how often another row was taken since.
    alone: OrderedSet<EventId>,
    taken: u32,
    /// Another row is tried, for the so-manieth time.
    other: Option<u32>,
    /// The last failure.
    failure: Failure,
    code: RejectionCode,
}

impl Machine {
    /// Works a failure of a push in that may be the batch's fault. `None`: it is nobody's but the server's.
    pub(super) fn isolate(&mut self, sent: &OrderedSet<EventId>, failure: &Failure) -> Option<Vec<Effect>> {
        let (code, limit) = match failure {
            Failure::Refused { code, .. } if code == "too_large" => (RejectionCode::TooLarge, 1),
            Failure::Later { code: "too_large", .. } => (RejectionCode::TooLarge, 1),
            Failure::Later { code: "bad_request", .. } => (RejectionCode::InvalidChange, 1),
            Failure::Later { code: "server_error", .. } => (RejectionCode::InvalidChange, FAILURES),
            _ => return None,
        };
        self.batch_failures += 1;
        let Some(mut known) = self.isolating.take() else {
            let most = sent.len().div_ceil(2);
            let begun =
                Isolating { most, alone: OrderedSet::new(), taken: 0, other: None, failure: failure.clone(), code };
            self.isolating = (self.batch_failures >= limit).then_some(begun);
            return self.isolating.is_some().then(|| self.next_exchange());
        };
        (known.failure, known.code) = (failure.clone(), code);
        if known.other.is_none() && known.most == 1 && known.alone != *sent {
            (known.alone, known.taken) = (sent.clone(), if known.alone.is_empty() { known.taken } else { 0 });
        }
        let is_hopeless = known.other.is_some_and(|tried| tried + 1 >= OTHERS);
        match known.other {
            Some(tried) => known.other = Some(tried + 1).filter(|_| !is_hopeless),
            None if known.most > 1 => {
                hit(Probe::LoopHalved);
                known.most = known.most.div_ceil(2);
            }
            // A row of several changes is not all at fault: it waits, and holds up nothing.
            None if known.taken >= TAKEN && sent.len() == 1 => return Some(self.set_aside(known, sent)),
            None => known.other = Some(0),
        }
        self.isolating = Some(known);
        (!is_hopeless).then(|| self.next_exchange())
    }

    fn set_aside(&mut self, known: Isolating, sent: &OrderedSet<EventId>) -> Vec<Effect> {
        hit(Probe::LoopSetAside);
        let message = "the server fails at this change, and takes others before and after it";
        let settlement = super::failure::refused(sent, known.code, message);
        let was_too_large = known.code == RejectionCode::TooLarge;
        self.isolating = Some(known);
        self.taken(false);
        if let Some(known) = self.isolating.as_mut().filter(|_| was_too_large) {
            // Who was shown not to take something of a size is not asked so often about the next of its kind.
            known.taken = TAKEN;
        }
        vec![Effect::Settle(settlement)]
    }

    /// What is to be frozen next.
    pub(super) fn part(&self) -> Option<Part> {
        let known = self.isolating.as_ref()?;
        Some(known.other.map_or(Part::First(known.most), Part::Other))
    }

    /// There is no other change that could show that the server takes any.
    pub(super) fn nothing_else(&mut self) -> Option<Failure> {
        let known = self.isolating.as_ref().filter(|known| known.other.is_some())?;
        Some(known.failure.clone().without_wait())
    }

    /// A wait begins: of a change that fails alone it stays known how often it did, and nothing of any other. Who answers
    /// after it may be somebody else.
    pub(super) fn pause_isolating(&mut self) {
        self.isolating = self.isolating.take().filter(|known| known.most == 1);
        if let Some(known) = &mut self.isolating {
            known.other = None;
            if known.alone.is_empty() {
                known.taken = 0;
            }
        }
    }

    /// What was pushed is dealt with; `stored`: the server has some of it. Of a batch that is sent in parts, the next may be
    /// twice as large.
    pub(super) fn taken(&mut self, stored: bool) {
        self.succeeded();
        self.phase = Phase::Settling;
        self.batch_failures = 0;
        let Some(mut known) = self.isolating.take() else { return };
        if known.other.take().is_some() {
            known.taken += u32::from(stored);
        } else {
            (known.most, known.taken) = (known.most * 2, 0);
            known.alone = OrderedSet::new();
        }
        self.isolating = (known.most < MAX_PUSH_CHANGES).then_some(known);
    }
}

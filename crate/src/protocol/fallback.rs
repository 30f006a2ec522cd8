//! Which transport brings news: the first of a list that works, and in time the better ones again.
//!
//! All of them carry hints; the loop asks by itself every 30 s whatever becomes of them.

use super::backoff::wait_ms;
use crate::model::words;

/// After so many failures in a row the next transport has its turn.
const MAX_FAILURES: u32 = 3;
/// A connection that served this long, in milliseconds, is no failure when it ends.
const STEADY_MS: u64 = 60_000;
/// Failures of a connection wait as so many more failures of a request would: a server that starts anew is not left for
/// the next transport at once.
const PATIENCE: u32 = 3;
/// How long a worse transport serves before better ones are tried again, in milliseconds, and how much more at most.
const BETTER_AFTER_MS: u64 = 5 * 60_000;
const BETTER_SPREAD_MS: u64 = 60_000;

words! {
    /// A way in which a client hears that there is news.
    pub enum TransportKind {
        /// A WebSocket that nudges.
        WebSocket = "websocket",
        /// Server-sent events with pages.
        Stream = "stream",
        /// None: the client asks from time to time.
        Poll = "poll",
    }
}

impl TransportKind {
    /// All of them, best first.
    pub const ALL: [Self; 3] = [Self::WebSocket, Self::Stream, Self::Poll];
}

/// Why a connection ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// It was cut, silent, or not answered as the protocol says; another one may do better.
    Lost {
        /// How long the server asks to wait, in milliseconds.
        retry_after_ms: Option<u64>,
    },
    /// Its token was refused.
    Unauthorized,
    /// Who answers does not serve this transport, or not to this person now.
    Refused,
}

/// What follows the end of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// The same transport, after so many milliseconds.
    Again(u64),
    /// The next one, now; so many milliseconds later the better ones are tried again.
    Worse(u64),
}

/// How the transports of a list have done.
#[derive(Debug)]
pub struct Fallback {
    /// Each with its failures in a row.
    kinds: Vec<(TransportKind, u32)>,
    at: usize,
}

impl Fallback {
    /// Begins with the first of the list; polling follows the last.
    #[must_use]
    pub fn new(kinds: &[TransportKind]) -> Self {
        Self { kinds: kinds.iter().map(|kind| (*kind, 0)).collect(), at: 0 }
    }

    /// The transport whose turn it is.
    #[must_use]
    pub fn present(&self) -> TransportKind {
        self.kinds.get(self.at).map_or(TransportKind::Poll, |(kind, _)| *kind)
    }

    /// A connection of the present transport ended; it had served for `served_ms` milliseconds. `random` is any 64 random
    /// bits.
    pub fn ended(&mut self, ending: Ending, served_ms: u64, random: u64) -> Next {
        let worse = Next::Worse(BETTER_AFTER_MS + random % BETTER_SPREAD_MS);
        let Some((_, failures)) = self.kinds.get_mut(self.at) else { return worse };
        let before = if served_ms >= STEADY_MS { 0 } else { *failures };
        *failures = if ending == Ending::Refused { MAX_FAILURES } else { before + 1 };
        if *failures >= MAX_FAILURES {
            self.at += 1;
            return worse;
        }
        let asked = match ending {
            Ending::Lost { retry_after_ms } => retry_after_ms,
            Ending::Unauthorized | Ending::Refused => None,
        };
        Next::Again(wait_ms(*failures + PATIENCE, asked, random))
    }

    /// Goes back to the first transport; those that failed are tried once. Whether there was a better one.
    pub fn try_better(&mut self) -> bool {
        for (_, failures) in &mut self.kinds[..self.at] {
            *failures = MAX_FAILURES - 1;
        }
        std::mem::take(&mut self.at) > 0
    }

    /// Forgets all failures: the network is another one.
    pub fn forgive(&mut self) {
        for (_, failures) in &mut self.kinds {
            *failures = 0;
        }
        self.at = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOST: Ending = Ending::Lost { retry_after_ms: None };

    fn worse(next: Next) -> bool {
        matches!(next, Next::Worse(_))
    }

    #[test]
    fn the_next_transport_has_its_turn_after_three_failures_in_a_row() {
        let mut fallback = Fallback::new(&TransportKind::ALL);
        for kind in [TransportKind::WebSocket, TransportKind::Stream] {
            assert_eq!(fallback.present(), kind);
            assert_eq!(fallback.ended(LOST, 0, 4_000), Next::Again(4_000));
            assert_eq!(fallback.ended(Ending::Unauthorized, 0, 8_000), Next::Again(8_000));
            assert_eq!(fallback.ended(LOST, 0, 0), Next::Worse(300_000));
        }
        assert_eq!(fallback.present(), TransportKind::Poll);
    }

    #[test]
    fn a_refusal_needs_no_second_one() {
        let mut fallback = Fallback::new(&[TransportKind::Stream]);
        assert!(worse(fallback.ended(Ending::Refused, 600_000, 0)));
        assert_eq!(fallback.present(), TransportKind::Poll, "which every list ends with");
    }

    #[test]
    fn connections_that_served_a_while_may_end_as_often_as_they_like() {
        let mut fallback = Fallback::new(&TransportKind::ALL);
        for _ in 0..100 {
            assert_eq!(fallback.ended(LOST, 60_000, 0), Next::Again(0));
        }
        assert!(!worse(fallback.ended(LOST, 59_999, 0)));
        assert!(worse(fallback.ended(LOST, 59_999, 0)), "those that close right after opening may not");
    }

    #[test]
    fn a_server_may_ask_for_more_patience() {
        let asked = Ending::Lost { retry_after_ms: Some(9_000) };
        assert_eq!(Fallback::new(&TransportKind::ALL).ended(asked, 0, 1), Next::Again(9_000));
    }

    #[test]
    fn better_transports_are_tried_once_more_each() {
        let mut fallback = Fallback::new(&TransportKind::ALL);
        assert!(!fallback.try_better(), "there is none better than the first");
        assert!(worse(fallback.ended(Ending::Refused, 0, 0)));
        assert!(fallback.try_better());
        assert_eq!(fallback.present(), TransportKind::WebSocket);
        assert!(worse(fallback.ended(LOST, 0, 0)));
        assert_eq!(fallback.ended(LOST, 0, 0), Next::Again(0), "what has not failed is not on trial");
        fallback.try_better();
        assert_eq!(fallback.ended(LOST, 60_000, 0), Next::Again(0), "a trial that was passed");
        fallback.forgive();
        assert_eq!(fallback.ended(LOST, 0, 0), Next::Again(0));
    }
}

//! What the machine is told, and what it wants done.

use crate::model::{EventId, OrderedSet};
use crate::protocol::http::{NoAnswer, Response};
use crate::protocol::reply::Settlement;
use crate::protocol::state::State;
use crate::protocol::wire::{ExpiryReason, PullAnswer};

/// What the machine is told.
#[derive(Debug, Clone)]
pub enum Input {
    /// Begin.
    Start,
    /// End; whatever is under way is forgotten.
    Stop,
    /// Push and pull now, whatever timers say.
    SyncNow,
    /// The network is back, or the page is looked at: the same, but not before the time that the server named.
    Woken,
    /// A local write was logged.
    Logged,
    /// The server, the network or another tab hints that there is news.
    Nudge,
    /// The time asked for with [`Effect::WakeAt`] has come.
    Timer,
    /// The token, or that there is none.
    Token(bool),
    /// A connection for nudges was told that the token is not good (any more).
    TokenRefused,
    /// The app could not get a token now.
    TokenFailed(String),
    /// The answer to [`Effect::AskTime`], with the device's time when it was asked.
    Time(Result<Response, NoAnswer>, u64),
    /// The offset is stored and unsent rows carry it.
    ClockSettled,
    /// The answer to [`Effect::Freeze`]: the ids of the frozen changes; empty when nothing waits.
    Frozen(OrderedSet<EventId>),
    /// The clock's offset is not known (any more).
    ClockUnknown,
    /// The answer to [`Effect::Push`].
    Pushed(Result<Response, NoAnswer>),
    /// The log says what the answer meant: whether the app is too old.
    Settled(SettledAs),
    /// The answer to [`Effect::Pull`].
    Pulled(Result<Response, NoAnswer>),
    /// The page is stored.
    Applied,
    /// The page is not, or it was the last one and a full pull begins now: the pull goes on elsewhere.
    Overtaken,
    /// A full pull has begun, or ended.
    RebaseStep,
    /// Storage failed; `full`: the device has no room.
    StorageFailed {
        /// A stable code.
        code: String,
        /// A sentence for people.
        message: String,
        /// Whether the device has no room.
        full: bool,
    },
}

/// A part of the log that is sent by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// At most so many rows, from the oldest on.
    First(usize),
    /// One row other than the oldest: the newest at 0, then ones that are half as far from the oldest each.
    Other(u32),
}

/// What settling a push found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SettledAs {
    /// Everything named was taken off.
    Done,
    /// Some changes go out again, under new ids.
    Again,
    /// The server knows this app only in a newer version.
    UpdateRequired,
}

/// What the machine wants done. All but `WakeAt`, `Status` and `RoundDone` answer with an input.
#[derive(Debug, Clone, PartialEq)]
pub enum Effect {
    /// Get a token; `true`: the last one was refused.
    GetToken(bool),
    /// `GET /health`.
    AskTime,
    /// Store the offset (server time minus device time, ms) and bring unsent rows up to it.
    SettleClock {
        /// The measured offset in milliseconds.
        offset: i64,
        /// The server's clock now, in milliseconds since 1970.
        server_ms: u64,
    },
    /// Freeze the next batch.
    Freeze,
    /// The same, of a part of the log.
    FreezePart(Part),
    /// Send the frozen batch.
    Push,
    /// Take what the answer names off the log.
    Settle(Settlement),
    /// Ask for the page after the stored cursor.
    Pull,
    /// Store a page.
    Apply(PullAnswer),
    /// Begin a full pull.
    BeginRebase(ExpiryReason),
    /// End a full pull, if one is under way: what did not come is dealt with.
    EndRebase,
    /// Send [`Input::Timer`] at this device time (ms since 1970); replaces an earlier wish.
    WakeAt(u64),
    /// Show this.
    Status(State, Option<Problem>),
    /// Everything was pushed and pulled once since the requests so far.
    RoundDone,
}

/// A failure to show.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// A stable code.
    pub code: String,
    /// A sentence for people.
    pub message: String,
    /// When it is tried again, in device time.
    pub retry_at: Option<u64>,
}

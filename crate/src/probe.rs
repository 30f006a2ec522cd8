//! Probes: places in merging and in the sync loop that simulations count, so that a weak schedule cannot pass for a
//! strong one. Without the feature `probes` they are nothing.

macro_rules! probes {
    ($($probe:ident = $name:literal,)*) => {
        /// A place worth reaching.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Probe { $(#[doc = $name] $probe,)* }

        impl Probe {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$probe,)*];

            /// What is reached there.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$probe => $name,)* }
            }
        }
    };
}

probes! {
    MergeCreate = "merge: an insert makes its record",
    MergePark = "merge: a change waits for its record's insert",
    MergeUnparked = "merge: an insert brings what waited for it",
    MergeNewField = "merge: a field without a stamp takes any",
    MergeEcho = "merge: the same value again",
    MergeFollows = "merge: a newer value whose writer had seen the stored one",
    MergeNewer = "merge: a newer value whose writer had not seen the stored one",
    MergeOlder = "merge: an older value loses",
    MergeTieKind = "merge: a tie between kinds",
    MergeTieWon = "merge: a tie by bytes, won",
    MergeTieLost = "merge: a tie by bytes, lost",
    MergeAuthorEarlier = "merge: an earlier insert gives the author",
    MergeAuthorKept = "merge: a later insert does not give the author",
    ApplyConflict = "apply: a conflict is told",
    ApplyMatched = "apply: another value came under a waiting edit's stamp",
    ApplySuspect = "apply: a conflict with a value never sent",
    ApplyKeptBefore = "apply: an older value becomes what a discarded edit falls back to",
    ApplyOvertaken = "apply: a page that was asked for elsewhere",
    ApplyClockUnknown = "apply: refused while the clock's offset is unknown",
    LogCoalesced = "log: unsent updates travel as one",
    LogResent = "log: a frozen row is sent again",
    LogPartly = "log: an answer names a part of a row",
    LogAgain = "log: a refused change goes out again under a new id",
    LogParked = "log: a change waits behind a dead letter of its record",
    LogAhead = "log: a change waits for its time",
    LogAfterUpdate = "log: a refused change waits for an update of the app",
    ClockEpoch = "clock: a jump begins an epoch",
    ClockDoubted = "clock: an answer's time does not fit",
    ClockRestamped = "clock: an unsent change is stamped anew",
    ClockHeldBack = "clock: a change of an earlier epoch is held at server time",
    LeadLost = "lead: a tab that led finds that another one does",
    LoopToken = "loop: a token is got",
    LoopTokenRefused = "loop: a refused token is replaced",
    LoopNeedsAuth = "loop: no token, blocked",
    LoopTokenDoubted = "loop: a token that a connection was refused with is replaced",
    LoopStreamed = "loop: a page that came by stream answers a pull",
    LoopToProtocol1 = "loop: the server speaks protocol 1",
    LoopToProtocol2 = "loop: the server speaks protocol 2 again",
    LoopTimeStuck = "loop: more rows than a page holds have one time",
    LoopStreamedApart = "loop: a page that came by stream goes on elsewhere",
    LoopTokenFailed = "loop: no token now, later",
    LoopAskTime = "loop: the server's time is asked",
    LoopTimeDisagrees = "loop: two samples of the time disagree",
    LoopClockUnknown = "loop: the offset is not known any more",
    LoopPushed = "loop: a push is answered",
    LoopHalved = "loop: a smaller part of a batch is tried",
    LoopSetAside = "loop: what the server fails at alone is set aside",
    LoopPushRefused = "loop: a push is refused as a whole, pull first",
    LoopManyPushes = "loop: a pull has its turn among pushes",
    LoopReturned = "loop: changes came back, pull first",
    LoopReturnedOften = "loop: changes keep coming back, wait",
    LoopUpdateRequired = "loop: the app is too old, blocked",
    LoopPulled = "loop: a page is answered",
    LoopMore = "loop: there is another page",
    LoopExpiredRestored = "loop: the cursor expired, the server was restored",
    LoopExpiredRetention = "loop: the cursor expired, behind the horizon",
    LoopRelogged = "loop: a restored server lacks changes, logged again",
    LoopBilling = "loop: payment required, blocked",
    LoopRefused = "loop: a typed refusal, later",
    LoopLater = "loop: anything else, later",
    LoopRetryAfter = "loop: the server says when",
    LoopOffline = "loop: no answer",
    LoopStorageFailed = "loop: storage failed",
    LoopHint = "loop: a hint while at rest",
    LoopHintBusy = "loop: a hint while something is under way",
    LoopHintFailed = "loop: a hint after a failure, no use",
    LoopUrgedBusy = "loop: urged while something is under way",
    LoopDebounced = "loop: steady writing, put off once",
    LoopSynced = "loop: a round is done",
    LoopRoundAgain = "loop: once more round",
}

#[cfg(feature = "probes")]
mod counting {
    use super::Probe;
    use std::cell::RefCell;

    thread_local! {
        static COUNTS: RefCell<Vec<u64>> = RefCell::new(vec![0; Probe::ALL.len()]);
    }

    pub fn hit(probe: Probe) {
        COUNTS.with_borrow_mut(|counts| counts[probe as usize] += 1);
    }

    /// How often each probe was reached on this thread since the last call.
    #[must_use]
    pub fn take() -> Vec<(Probe, u64)> {
        let counts = COUNTS.with_borrow_mut(|counts| std::mem::replace(counts, vec![0; Probe::ALL.len()]));
        Probe::ALL.iter().copied().zip(counts).collect()
    }
}

#[cfg(feature = "probes")]
pub use counting::take;

/// Counts, where probes are counted.
#[cfg(feature = "probes")]
pub(crate) fn hit(probe: Probe) {
    counting::hit(probe);
}

/// Counts nothing.
#[cfg(not(feature = "probes"))]
#[inline]
pub(crate) const fn hit(_: Probe) {}

//! A device's clocks, randomness and tasks.

use super::executor::{Executor, Owner};
use super::random::Random;
use futures_util::future::LocalBoxFuture;
use mana_sync_engine::engine::ports::Host;
use std::cell::Cell;
use std::rc::Rc;

/// A device's wall clock: true time plus what it is wrong by. Clones share it.
#[derive(Clone, Default)]
pub struct WallClock(Rc<Cell<i64>>);

impl WallClock {
    /// A clock that is wrong by this many milliseconds.
    #[must_use]
    pub fn new(offset_ms: i64) -> Self {
        Self(Rc::new(Cell::new(offset_ms)))
    }

    /// Sets the clock, as a person or a time service does.
    pub fn jump(&self, offset_ms: i64) {
        self.0.set(offset_ms);
    }

    /// What the clock shows at this true time; a clock before 1970 shows 1970.
    #[must_use]
    pub fn read(&self, true_ms: u64) -> u64 {
        true_ms.saturating_add_signed(self.0.get())
    }
}

/// The host of one running tab.
pub struct SimHost {
    executor: Executor,
    owner: Owner,
    wall: WallClock,
    random: Random,
    started: u64,
}

impl SimHost {
    /// The host of a tab that starts now.
    #[must_use]
    pub fn new(executor: &Executor, owner: Owner, wall: &WallClock, random: Random) -> Self {
        Self { executor: executor.clone(), owner, wall: wall.clone(), random, started: executor.monotonic() }
    }
}

impl Host for SimHost {
    fn now_ms(&self) -> u64 {
        self.wall.read(self.executor.now())
    }

    #[expect(clippy::cast_precision_loss, reason = "simulated years stay far below 2^53 ms")]
    fn monotonic_ms(&self) -> f64 {
        (self.executor.monotonic() - self.started) as f64
    }

    fn random(&self, bytes: &mut [u8]) {
        self.random.fill(bytes);
    }

    fn sleep(&self, ms: u64) -> LocalBoxFuture<'static, ()> {
        Box::pin(self.executor.sleep(ms))
    }

    fn spawn(&self, task: LocalBoxFuture<'static, ()>) {
        self.executor.spawn(self.owner, task);
    }
}

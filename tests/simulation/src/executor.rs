//! A single-threaded executor in virtual time: tasks run in the order they were woken; when none can run, the clock
//! jumps to the next timer.

use futures_util::future::LocalBoxFuture;
use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::future::{Future, poll_fn};
use std::rc::Rc;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Wake, Waker};

/// Whose task it is: a running tab, which may be killed with all its tasks.
pub type Owner = u64;

struct Task {
    owner: Owner,
    future: LocalBoxFuture<'static, ()>,
}

#[derive(Default)]
struct Inner {
    now: Cell<u64>,
    last: Cell<u64>,
    tasks: RefCell<BTreeMap<u64, Task>>,
    timers: RefCell<BTreeMap<(u64, u64), Waker>>,
    ready: Arc<Mutex<Ready>>,
    /// Owners whose tasks do not run, and the tasks of theirs that would.
    frozen: RefCell<BTreeMap<Owner, Vec<u64>>>,
    /// Owners whose tasks end between this turn and the next.
    doomed: RefCell<Vec<Owner>>,
    /// How long monotonic clocks stood still, in milliseconds.
    stood: Cell<u64>,
}

/// Tasks to be run, each once.
#[derive(Default)]
struct Ready {
    queue: VecDeque<u64>,
    queued: BTreeSet<u64>,
}

impl Ready {
    fn push(&mut self, task: u64) {
        if self.queued.insert(task) {
            self.queue.push_back(task);
        }
    }

    fn pop(&mut self) -> Option<u64> {
        let task = self.queue.pop_front()?;
        self.queued.remove(&task);
        Some(task)
    }
}

/// The executor; clones share it.
#[derive(Clone, Default)]
pub struct Executor(Rc<Inner>);

struct TaskWaker {
    task: u64,
    ready: Arc<Mutex<Ready>>,
}

impl Wake for TaskWaker {
    fn wake(self: Arc<Self>) {
        self.ready.lock().unwrap_or_else(PoisonError::into_inner).push(self.task);
    }
}

impl Executor {
    /// An executor whose clock shows `now`, in milliseconds since 1970.
    #[must_use]
    pub fn new(now: u64) -> Self {
        let executor = Self::default();
        executor.0.now.set(now);
        executor
    }

    /// True time, in milliseconds since 1970.
    #[must_use]
    pub fn now(&self) -> u64 {
        self.0.now.get()
    }

    fn number(&self) -> u64 {
        self.0.last.set(self.0.last.get() + 1);
        self.0.last.get()
    }

    /// Runs a task beside others, from the next turn on.
    pub fn spawn(&self, owner: Owner, future: LocalBoxFuture<'static, ()>) {
        let task = self.number();
        self.0.tasks.borrow_mut().insert(task, Task { owner, future });
        self.0.ready.lock().unwrap_or_else(PoisonError::into_inner).push(task);
    }

    /// What a monotonic clock that began with the simulation shows, in milliseconds.
    #[must_use]
    pub fn monotonic(&self) -> u64 {
        self.now() - self.0.stood.get()
    }

    /// Lets `ms` milliseconds go by in which nothing runs, as while a machine sleeps; some machines' monotonic clocks
    /// stand still meanwhile.
    pub fn skip(&self, ms: u64, monotonic_runs: bool) {
        self.0.now.set(self.now() + ms);
        if !monotonic_runs {
            self.0.stood.set(self.0.stood.get() + ms);
        }
    }

    /// Lets no task of an owner run until it is thawed, as browsers do with tabs that nobody sees.
    pub fn freeze(&self, owner: Owner) {
        self.0.frozen.borrow_mut().entry(owner).or_default();
    }

    /// Lets a frozen owner's tasks go on.
    pub fn thaw(&self, owner: Owner) {
        let waiting = self.0.frozen.borrow_mut().remove(&owner).unwrap_or_default();
        let mut ready = self.0.ready.lock().unwrap_or_else(PoisonError::into_inner);
        for task in waiting {
            ready.push(task);
        }
    }

    /// Ends every task of an owner before the next turn; may be called by one of them.
    pub fn doom(&self, owner: Owner) {
        self.0.doomed.borrow_mut().push(owner);
    }

    fn end_doomed(&self) {
        loop {
            let next = self.0.doomed.borrow_mut().pop();
            let Some(owner) = next else { return };
            self.kill(owner);
        }
    }

    /// Ends every task of an owner where it stands. Called between turns only.
    pub fn kill(&self, owner: Owner) {
        let mut tasks = self.0.tasks.borrow_mut();
        let dead: Vec<u64> = tasks.iter().filter(|(_, task)| task.owner == owner).map(|(id, _)| *id).collect();
        let dropped: Vec<Task> = dead.iter().filter_map(|id| tasks.remove(id)).collect();
        // What a task holds may wake others or look at the executor while it is dropped.
        drop(tasks);
        drop(dropped);
    }

    /// Resolves `ms` milliseconds from now.
    pub fn sleep(&self, ms: u64) -> impl Future<Output = ()> + 'static {
        let executor = self.clone();
        let (at, id) = (self.now() + ms, self.number());
        let guard = Timer { executor: self.clone(), key: (at, id) };
        poll_fn(move |cx| {
            let _ = &guard;
            if executor.now() >= at {
                return Poll::Ready(());
            }
            executor.0.timers.borrow_mut().insert((at, id), cx.waker().clone());
            Poll::Pending
        })
    }

    fn turn(&self) -> bool {
        self.end_doomed();
        let next = self.0.ready.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let Some(id) = next else { return false };
        let owner = self.0.tasks.borrow().get(&id).map(|task| task.owner);
        let mut frozen = self.0.frozen.borrow_mut();
        if let Some(waiting) = owner.and_then(|owner| frozen.get_mut(&owner)) {
            waiting.push(id);
            return true;
        }
        drop(frozen);
        let Some(mut task) = self.0.tasks.borrow_mut().remove(&id) else { return true };
        let waker = Waker::from(Arc::new(TaskWaker { task: id, ready: Arc::clone(&self.0.ready) }));
        if task.future.as_mut().poll(&mut Context::from_waker(&waker)).is_pending() {
            self.0.tasks.borrow_mut().insert(id, task);
        }
        true
    }

    /// Lets time pass up to `until`, or until `done` says so; says whether it did.
    pub fn run(&self, until: u64, done: impl Fn() -> bool) -> bool {
        loop {
            if done() {
                return true;
            }
            if self.turn() {
                continue;
            }
            if !self.ring(until) {
                self.0.now.set(self.now().max(until));
                return done();
            }
        }
    }

    /// Goes to the next timer, if it is not later than `until`, and wakes who waits for it.
    fn ring(&self, until: u64) -> bool {
        let next = self.0.timers.borrow().first_key_value().map(|(key, _)| *key).filter(|(at, _)| *at <= until);
        let Some(key) = next else { return false };
        self.0.now.set(self.now().max(key.0));
        let waker = self.0.timers.borrow_mut().remove(&key);
        waker.into_iter().for_each(Waker::wake);
        true
    }

    /// Takes so many turns, within `ms` milliseconds, and stops in the middle of whatever goes on.
    pub fn stroll(&self, turns: u64, ms: u64) {
        let until = self.now() + ms;
        let mut taken = 0;
        while taken < turns && (self.turn() || self.ring(until)) {
            taken += 1;
        }
    }

    /// Runs `future` for at most `limit` milliseconds, or until its owner is gone; `None` when it did not end.
    pub fn block_on<T: 'static>(
        &self,
        owner: Owner,
        limit: u64,
        future: impl Future<Output = T> + 'static,
    ) -> Option<T> {
        let output = Rc::new(RefCell::new(None));
        let slot = Rc::clone(&output);
        self.spawn(
            owner,
            Box::pin(async move {
                let value = future.await;
                *slot.borrow_mut() = Some(value);
            }),
        );
        // The task holds the other handle to the slot: when it is gone, nobody fills it any more.
        self.run(self.now() + limit, || output.borrow().is_some() || Rc::strong_count(&output) == 1);
        output.take()
    }
}

/// A timer that is forgotten when nobody waits for it any more.
struct Timer {
    executor: Executor,
    key: (u64, u64),
}

impl Drop for Timer {
    fn drop(&mut self) {
        self.executor.0.timers.borrow_mut().remove(&self.key);
    }
}

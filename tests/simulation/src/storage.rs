//! A memory store that can stop between any two operations, as a killed tab does.
//!
//! When the power goes, waiting calls never answer and nothing reaches the store any more; what was committed before
//! is what the next tab finds.

use super::executor::{Executor, Owner};
use super::tabs::Profile;
use mana_sync_engine::engine::Kind;
use mana_sync_engine::model::IndexSpec;
use mana_sync_engine::store::{
    CHANGE_LOG, Entry, JsonRow, Key, KeyRange, MemoryStore, Mode, Offered, Scan, Store, StoreError, Transaction,
};
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::future::{Future, pending, poll_fn};
use std::rc::Rc;
use std::task::Poll;

/// Whose a transaction is: the tab, and the call of a person it was begun for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Whose {
    /// The tab.
    pub owner: Owner,
    /// The person's call, where it was begun for one.
    pub call: Option<u64>,
    /// Whether it and everything before it outlive a power cut.
    pub durable: bool,
}

/// Whose the transactions of a database are, by their numbers.
pub type Transactions = Rc<RefCell<BTreeMap<u64, Whose>>>;

thread_local! {
    /// Whether stores of this thread lose rows of the change log now and then.
    static LOSES_LOG_ROWS: Cell<bool> = const { Cell::new(false) };
}

/// Makes the stores of this thread lose every 20th row of the change log, so that tests can see that it is noticed.
pub fn lose_log_rows(lose: bool) {
    LOSES_LOG_ROWS.set(lose);
}

/// What a browser's database may do instead of what it was asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trouble {
    /// The connection is gone, and stays gone until the database is opened again.
    Lost,
    /// The transaction is aborted.
    Abort,
    /// There is no room left; the transaction is aborted.
    Quota,
    /// Another connection holds the stores for two minutes.
    Blocked,
    /// The answer takes half a minute.
    Slow,
    /// An error without meaning; the transaction is aborted.
    Undefined,
}

impl Trouble {
    /// Whether calls fail by it.
    #[must_use]
    pub fn is_error(self) -> bool {
        self.error().is_some()
    }

    /// What calls of the engine say of it; of one that only takes long, nothing.
    #[must_use]
    pub fn codes(self) -> &'static [Kind] {
        match self {
            // A connection may go after the commit: nobody knows.
            Self::Lost => &[Kind::ConnectionLost, Kind::Closed],
            Self::Abort => &[Kind::TransactionAborted],
            Self::Quota => &[Kind::QuotaExceeded],
            Self::Undefined => &[Kind::Internal],
            Self::Blocked | Self::Slow => &[],
        }
    }

    /// What the call says, where the trouble is an error.
    fn error(self) -> Option<StoreError> {
        match self {
            Self::Lost => Some(StoreError::ConnectionLost("gone".to_owned())),
            Self::Abort => Some(StoreError::Aborted),
            Self::Quota => Some(StoreError::Quota),
            Self::Undefined => Some(StoreError::Other("UnknownError".to_owned(), "undefined".to_owned())),
            Self::Blocked | Self::Slow => None,
        }
    }

    const fn delay_ms(self) -> u64 {
        if matches!(self, Self::Blocked) { 120_000 } else { 30_000 }
    }
}

/// Counts storage operations and stops them at the planned one.
#[derive(Clone)]
pub struct Power(Rc<PowerState>);

struct PowerState {
    operations: Cell<u64>,
    stop_at: Cell<Option<u64>>,
    out: Cell<bool>,
    silent: Cell<bool>,
    /// How many commits are to fail, after how many that do not.
    failing: Cell<(u64, u64)>,
    /// The operation that meets trouble, and which.
    trouble: Cell<Option<(u64, Trouble)>>,
    lost: Cell<bool>,
    owner: Owner,
    executor: Executor,
    profile: Rc<Profile>,
}

impl Power {
    /// The power supply of the tab `owner`: when it goes out, the tab's tasks end and its locks are released.
    #[must_use]
    pub fn new(owner: Owner, executor: &Executor, profile: &Rc<Profile>) -> Self {
        Self(Rc::new(PowerState {
            operations: Cell::new(0),
            stop_at: Cell::new(None),
            out: Cell::new(false),
            silent: Cell::new(false),
            failing: Cell::default(),
            trouble: Cell::default(),
            lost: Cell::default(),
            owner,
            executor: executor.clone(),
            profile: Rc::clone(profile),
        }))
    }

    /// Goes out before the `operations`-th operation from now; 0 is the next one.
    pub fn fail_after(&self, operations: u64) {
        self.0.stop_at.set(Some(self.0.operations.get() + operations));
    }

    /// Makes `count` commits fail for want of room, after `after` that do not.
    pub fn fail_commits(&self, after: u64, count: u64) {
        self.0.failing.set((after, count));
    }

    /// Answers nothing from now on, while the tab's timers run on.
    pub fn fall_silent(&self) {
        self.0.silent.set(true);
    }

    /// Has the `operations`-th operation from now meet trouble; 0 is the next one.
    pub fn trouble_after(&self, operations: u64, trouble: Trouble) {
        self.0.trouble.set(Some((self.0.operations.get() + operations, trouble)));
    }

    /// Whether the planned trouble was met.
    #[must_use]
    pub fn met_trouble(&self) -> bool {
        self.0.trouble.get().is_none()
    }

    /// Whether the connection is gone.
    #[must_use]
    pub fn is_lost(&self) -> bool {
        self.0.lost.get()
    }

    /// The trouble this operation meets.
    fn trouble(&self) -> Option<Trouble> {
        self.trouble_that(|_| true)
    }

    fn trouble_that(&self, may_be: impl Fn(Trouble) -> bool) -> Option<Trouble> {
        if self.0.lost.get() {
            return Some(Trouble::Lost);
        }
        let due = self.0.trouble.get().filter(|(at, trouble)| *at < self.0.operations.get() && may_be(*trouble));
        let (_, trouble) = due?;
        self.0.trouble.set(None);
        self.0.lost.set(trouble == Trouble::Lost);
        Some(trouble)
    }

    /// Plans no failure any more.
    pub fn steady(&self) {
        self.0.stop_at.set(None);
        self.0.failing.set((0, 0));
    }

    fn takes_commit(&self) -> bool {
        match self.0.failing.get() {
            (0, 0) => true,
            (0, count) => {
                self.0.failing.set((0, count - 1));
                false
            }
            (after, count) => {
                self.0.failing.set((after - 1, count));
                true
            }
        }
    }

    /// Operations so far.
    #[must_use]
    pub fn operations(&self) -> u64 {
        self.0.operations.get()
    }

    /// Whether it went out.
    #[must_use]
    pub fn is_out(&self) -> bool {
        self.0.out.get()
    }

    /// Counts one operation; false when nothing works any more.
    fn step(&self) -> bool {
        if self.0.stop_at.get().is_some_and(|at| self.0.operations.get() >= at) && !self.0.out.replace(true) {
            let (owner, profile) = (self.0.owner, Rc::clone(&self.0.profile));
            self.0.executor.doom(owner);
            self.0.executor.spawn(0, Box::pin(async move { profile.forget(owner) }));
        }
        self.0.operations.set(self.0.operations.get() + 1);
        !self.0.out.get()
    }

    async fn step_or_hang(&self) {
        if !self.step() || self.0.silent.get() {
            pending::<()>().await;
        }
        // Others have their turns between the operations of a transaction.
        if self.0.operations.get().is_multiple_of(3) {
            yield_once().await;
        }
    }

    /// Waits where the trouble is to wait; says what it is otherwise.
    async fn meet(&self, trouble: Option<Trouble>) -> Result<(), StoreError> {
        let Some(trouble) = trouble else { return Ok(()) };
        if let Some(error) = trouble.error() {
            return Err(error);
        }
        self.0.executor.sleep(trouble.delay_ms()).await;
        Ok(())
    }
}

async fn yield_once() {
    let mut yielded = false;
    poll_fn(|cx| {
        if std::mem::replace(&mut yielded, true) {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

/// The store of one running tab.
#[derive(Clone)]
pub struct SimStore {
    memory: MemoryStore,
    power: Power,
    transactions: Transactions,
    call: Rc<Cell<Option<u64>>>,
    closed: Rc<Cell<bool>>,
}

impl SimStore {
    /// A store over `memory` that stops with `power`, and notes whose its transactions are.
    #[must_use]
    pub fn new(memory: MemoryStore, power: Power, transactions: &Transactions) -> Self {
        let transactions = Rc::clone(transactions);
        Self { memory, power, transactions, call: Rc::default(), closed: Rc::default() }
    }

    /// Says for which call of a person the next transactions are begun.
    pub fn set_call(&self, call: Option<u64>) {
        self.call.set(call);
    }
}

impl Store for SimStore {
    type Row = JsonRow;
    type Tx = SimTransaction;

    fn begin(&self, mode: Mode, stores: &[&str]) -> Result<SimTransaction, StoreError> {
        if self.closed.get() {
            return Err(StoreError::Closed);
        }
        self.power.step();
        if self.power.is_lost() {
            return Err(StoreError::ConnectionLost("gone".to_owned()));
        }
        // What is asked of a silent connection reaches no database, and so keeps nobody waiting.
        let tx = if self.power.0.silent.get() {
            self.memory.begin(Mode::Read, &[])?
        } else {
            self.memory.begin(mode, stores)?
        };
        if mode != Mode::Read {
            let whose = Whose { owner: self.power.0.owner, call: self.call.get(), durable: mode == Mode::Durable };
            self.transactions.borrow_mut().insert(tx.id(), whose);
        }
        let transactions = Rc::clone(&self.transactions);
        let broken = Cell::new(None);
        Ok(SimTransaction { number: tx.id(), tx: Some(tx), power: self.power.clone(), transactions, broken })
    }

    fn unique_indexes(&self, store: &str) -> Vec<IndexSpec> {
        self.memory.unique_indexes(store)
    }

    fn close(&self) {
        self.closed.set(true);
    }
}

/// A transaction of a [`SimStore`].
pub struct SimTransaction {
    number: u64,
    /// Until it is committed.
    tx: Option<<MemoryStore as Store>::Tx>,
    power: Power,
    transactions: Transactions,
    /// The trouble an operation met that nobody waited for: the next one says so.
    broken: Cell<Option<Trouble>>,
}

impl SimTransaction {
    /// Performs an operation that is waited for.
    async fn step(&self) -> Result<(), StoreError> {
        self.power.step_or_hang().await;
        let trouble = self.broken.take().or_else(|| self.power.trouble());
        if trouble.is_some_and(|trouble| trouble.error().is_some()) {
            self.broken.set(trouble);
            self.tx().abort();
        }
        self.power.meet(trouble).await
    }

    /// Performs an operation that nobody waits for.
    fn send(&self) {
        self.power.step();
        if self.broken.get().is_none() {
            self.broken.set(self.power.trouble());
        }
    }

    fn tx(&self) -> &<MemoryStore as Store>::Tx {
        self.tx.as_ref().expect("a transaction is used until it is committed")
    }
}

impl Drop for SimTransaction {
    fn drop(&mut self) {
        self.transactions.borrow_mut().remove(&self.number);
    }
}

impl Transaction for SimTransaction {
    type Row = JsonRow;

    async fn get(&self, store: &str, key: &Key) -> Result<Option<JsonRow>, StoreError> {
        self.step().await?;
        self.tx().get(store, key).await
    }

    async fn get_many(&self, store: &str, keys: &[Key]) -> Result<Vec<Option<JsonRow>>, StoreError> {
        self.step().await?;
        self.tx().get_many(store, keys).await
    }

    async fn scan(
        &self,
        store: &str,
        scan: &Scan,
        keep: &dyn Fn(&JsonRow) -> bool,
    ) -> Result<Vec<JsonRow>, StoreError> {
        self.step().await?;
        self.tx().scan(store, scan, keep).await
    }

    async fn entries(
        &self,
        store: &str,
        scan: &Scan,
        rows: bool,
        keep: &dyn Fn(&Key, Option<&JsonRow>) -> bool,
    ) -> Result<Vec<Entry<JsonRow>>, StoreError> {
        self.step().await?;
        self.tx().entries(store, scan, rows, keep).await
    }

    async fn count(&self, store: &str, index: Option<&str>, range: Option<&KeyRange>) -> Result<usize, StoreError> {
        self.step().await?;
        self.tx().count(store, index, range).await
    }

    fn put(&self, store: &str, row: &JsonRow, key: Option<&Key>) -> Result<(), StoreError> {
        self.send();
        self.tx().put(store, row, key)
    }

    async fn insert(&self, store: &str, row: &JsonRow, key: Option<&Key>) -> Result<Key, StoreError> {
        self.step().await?;
        if LOSES_LOG_ROWS.get() && store == CHANGE_LOG && self.power.operations().is_multiple_of(20) {
            return Ok(Key::Number(0.0));
        }
        self.tx().insert(store, row, key).await
    }

    async fn offer(&self, store: &str, rows: &[(Option<Key>, JsonRow)], only_new: bool) -> Result<Offered, StoreError> {
        self.step().await?;
        self.tx().offer(store, rows, only_new).await
    }

    fn delete(&self, store: &str, key: &Key) -> Result<(), StoreError> {
        self.send();
        self.tx().delete(store, key)
    }

    fn clear(&self, store: &str) -> Result<(), StoreError> {
        self.send();
        self.tx().clear(store)
    }

    fn pulse(&self) -> impl Future<Output = ()> + 'static {
        self.tx().pulse()
    }

    async fn commit(mut self) -> Result<(), StoreError> {
        self.step().await?;
        let tx = self.tx.take().expect("a transaction is committed once");
        if !self.power.takes_commit() {
            tx.abort();
            return Err(StoreError::Quota);
        }
        let committed = tx.commit().await;
        // Committed, and nobody hears of it.
        self.power.step_or_hang().await;
        let trouble = self.power.trouble_that(|trouble| trouble == Trouble::Lost || trouble.error().is_none());
        self.power.meet(trouble).await?;
        committed
    }

    fn abort(&self) {
        self.tx().abort();
    }
}

//! A memory store that can stop between any two operations, as a killed tab does.
//!
//! When the power goes, waiting calls never answer and nothing reaches the store any more; what was committed before
//! is what the next tab finds.

use mana_sync_engine::store::{JsonRow, Key, MemoryStore, Mode, Scan, Store, StoreError, Transaction};
use std::cell::Cell;
use std::future::{Future, pending};
use std::rc::Rc;

/// Counts storage operations and stops them at the planned one.
#[derive(Clone, Default)]
pub struct Power(Rc<PowerState>);

#[derive(Default)]
struct PowerState {
    operations: Cell<u64>,
    stop_at: Cell<Option<u64>>,
    out: Cell<bool>,
}

impl Power {
    /// Goes out before the `operations`-th operation from now; 0 is the next one.
    pub fn fail_after(&self, operations: u64) {
        self.0.stop_at.set(Some(self.0.operations.get() + operations));
    }

    /// Plans no failure any more.
    pub fn steady(&self) {
        self.0.stop_at.set(None);
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
        if self.0.stop_at.get().is_some_and(|at| self.0.operations.get() >= at) {
            self.0.out.set(true);
        }
        self.0.operations.set(self.0.operations.get() + 1);
        !self.0.out.get()
    }

    async fn step_or_hang(&self) {
        if !self.step() {
            pending::<()>().await;
        }
    }
}

/// The store of one running tab.
#[derive(Clone)]
pub struct SimStore {
    memory: MemoryStore,
    power: Power,
}

impl SimStore {
    /// A store over `memory` that stops with `power`.
    #[must_use]
    pub fn new(memory: MemoryStore, power: Power) -> Self {
        Self { memory, power }
    }
}

impl Store for SimStore {
    type Row = JsonRow;
    type Tx = SimTransaction;

    fn begin(&self, mode: Mode, stores: &[&str]) -> Result<SimTransaction, StoreError> {
        self.power.step();
        Ok(SimTransaction { tx: self.memory.begin(mode, stores)?, power: self.power.clone() })
    }

    fn close(&self) {
        self.memory.close();
    }
}

/// A transaction of a [`SimStore`].
pub struct SimTransaction {
    tx: <MemoryStore as Store>::Tx,
    power: Power,
}

impl Transaction for SimTransaction {
    type Row = JsonRow;

    async fn get(&self, store: &str, key: &Key) -> Result<Option<JsonRow>, StoreError> {
        self.power.step_or_hang().await;
        self.tx.get(store, key).await
    }

    async fn get_many(&self, store: &str, keys: &[Key]) -> Result<Vec<Option<JsonRow>>, StoreError> {
        self.power.step_or_hang().await;
        self.tx.get_many(store, keys).await
    }

    async fn scan(
        &self,
        store: &str,
        scan: &Scan,
        keep: &dyn Fn(&JsonRow) -> bool,
    ) -> Result<Vec<JsonRow>, StoreError> {
        self.power.step_or_hang().await;
        self.tx.scan(store, scan, keep).await
    }

    fn put(&self, store: &str, row: &JsonRow, key: Option<&Key>) -> Result<(), StoreError> {
        self.power.step();
        self.tx.put(store, row, key)
    }

    async fn insert(&self, store: &str, row: &JsonRow, key: Option<&Key>) -> Result<Key, StoreError> {
        self.power.step_or_hang().await;
        self.tx.insert(store, row, key).await
    }

    fn delete(&self, store: &str, key: &Key) -> Result<(), StoreError> {
        self.power.step();
        self.tx.delete(store, key)
    }

    fn clear(&self, store: &str) -> Result<(), StoreError> {
        self.power.step();
        self.tx.clear(store)
    }

    fn pulse(&self) -> impl Future<Output = ()> + 'static {
        self.tx.pulse()
    }

    async fn commit(self) -> Result<(), StoreError> {
        self.power.step_or_hang().await;
        let committed = self.tx.commit().await;
        // Committed, and nobody hears of it.
        self.power.step_or_hang().await;
        committed
    }

    fn abort(&self) {
        self.tx.abort();
    }
}

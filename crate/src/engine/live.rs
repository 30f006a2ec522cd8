//! Live queries: re-run when a commit touches their table and key range, all of one commit in one flush.
//!
//! All queries a commit concerns are read in one transaction and called back in one turn, so that two queries never
//! disagree on screen.

use super::events::TableChange;
use super::ports::Host;
use super::query::{Found, Query, Want};
use super::{Engine, Result, Touched};
use crate::model::StoreSpec;
use crate::store::{Mode, Row, Store};
use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

type Callback<R> = Rc<dyn Fn(Result<Vec<Found<R>>>)>;

type Dirty<R> = (Subscription, Query, Want, Callback<R>);

/// Names a live query, to end it.
pub type Subscription = u32;

struct LiveQuery<R> {
    query: Query,
    want: Want,
    spec: StoreSpec,
    callback: Callback<R>,
    dirty: bool,
}

/// The live queries of an engine.
pub struct Live<R> {
    queries: RefCell<BTreeMap<Subscription, LiveQuery<R>>>,
    last: Cell<Subscription>,
    flushing: Cell<bool>,
}

impl<R> Default for Live<R> {
    fn default() -> Self {
        Self { queries: RefCell::default(), last: Cell::new(0), flushing: Cell::new(false) }
    }
}

impl<R: Row> Live<R> {
    /// Marks the queries whose result the touched records may change.
    pub fn mark(&self, touched: &[Touched<R>]) {
        for live in self.queries.borrow_mut().values_mut() {
            live.dirty = live.dirty || touched.iter().any(|record| live.query.concerns(&live.spec, record));
        }
    }

    /// Marks by keys alone: rows are not known, so only ranges of the primary key can be told apart.
    pub fn mark_tables(&self, changes: &[TableChange]) {
        for live in self.queries.borrow_mut().values_mut() {
            let concerned = changes.iter().filter(|change| change.table == live.query.table);
            live.dirty =
                live.dirty || concerned.flat_map(|change| &change.keys).any(|key| live.query.may_list(&live.spec, key));
        }
    }

    /// Marks every query.
    pub fn invalidate_all(&self) {
        self.queries.borrow_mut().values_mut().for_each(|live| live.dirty = true);
    }

    /// Ends every query.
    pub fn clear(&self) {
        self.queries.borrow_mut().clear();
    }

    fn take_dirty(&self) -> Vec<Dirty<R>> {
        let mut queries = self.queries.borrow_mut();
        let dirty = queries.iter_mut().filter_map(|(id, live)| {
            std::mem::take(&mut live.dirty).then(|| (*id, live.query.clone(), live.want, Rc::clone(&live.callback)))
        });
        dirty.collect()
    }
}

impl<S: Store, H: Host> Engine<S, H> {
    /// Calls `callback` with the query's rows soon, and again after every commit that may change them.
    pub fn subscribe(
        self: &Rc<Self>,
        query: Query,
        want: Want,
        callback: impl Fn(Result<Vec<Found<S::Row>>>) + 'static,
    ) -> Result<Subscription> {
        self.explain(&query)?;
        let spec = self.config().table(&query.table)?.spec.clone();
        let id = self.live.last.get() + 1;
        self.live.last.set(id);
        let live = LiveQuery { query, want, spec, callback: Rc::new(callback), dirty: true };
        self.live.queries.borrow_mut().insert(id, live);
        schedule(self);
        Ok(id)
    }

    /// Ends a live query; its callback is not called again.
    pub fn unsubscribe(&self, id: Subscription) {
        self.live.queries.borrow_mut().remove(&id);
    }

    async fn flush(&self) {
        loop {
            let dirty = self.live.take_dirty();
            if dirty.is_empty() {
                self.live.flushing.set(false);
                return;
            }
            let results = self.read_all(&dirty).await;
            for ((id, _, _, callback), result) in dirty.into_iter().zip(results) {
                // A query may have been ended while it was read.
                let wanted = self.live.queries.borrow().contains_key(&id);
                if wanted {
                    callback(result);
                }
            }
        }
    }

    async fn read_all(&self, dirty: &[Dirty<S::Row>]) -> Vec<Result<Vec<Found<S::Row>>>> {
        let tables: BTreeSet<&str> = dirty.iter().map(|(_, query, ..)| query.table.as_str()).collect();
        let tables: Vec<&str> = tables.into_iter().collect();
        match self.store.begin(Mode::Read, &tables) {
            Err(error) => dirty.iter().map(|_| Err(error.clone().into())).collect(),
            Ok(tx) => {
                let reads = dirty.iter().map(|(_, query, want, _)| self.find_in(&tx, query, *want));
                futures_util::future::join_all(reads).await
            }
        }
    }
}

/// Runs a flush soon, unless one is running: that one goes on until nothing is marked.
pub fn schedule<S: Store, H: Host>(engine: &Rc<Engine<S, H>>) {
    if engine.live.flushing.replace(true) {
        return;
    }
    let flushed = Rc::clone(engine);
    engine.host.spawn(Box::pin(async move { flushed.flush().await }));
}

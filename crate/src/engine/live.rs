//! Live queries: re-run when a commit touches their table and key range, all of one commit in one flush.
//!
//! All queries a commit concerns are called back in one turn, so that two queries never disagree on screen: those that
//! can follow the commit without reading, or, when one of them cannot, all of them, read in one transaction.

mod kept;

use super::config::Config;
use super::events::TableChange;
use super::ports::Host;
use super::query::{Found, Query, Want};
use super::read::Sight;
use super::{Engine, Result, Touched};
use crate::model::{OrderedMap, OrderedSet, StoreSpec};
use crate::store::{Mode, Row, Store};
use kept::Kept;
use std::cell::{Cell, RefCell};
use std::rc::Rc;

type Callback<R> = Rc<dyn Fn(Result<Vec<Found<R>>>)>;

/// Names a live query, to end it.
pub type Subscription = u32;

struct LiveQuery<R> {
    query: Query,
    /// The same as it was read last, with spaces named as records name them.
    read: Query,
    want: Want,
    spec: StoreSpec,
    callback: Callback<R>,
    /// It has to be read.
    dirty: bool,
    /// What was read last, where it follows commits; `None` while the query is being read.
    kept: Option<Kept<R>>,
    /// What is kept was not called back with.
    followed: bool,
}

/// The live queries of an engine.
pub struct Live<R> {
    queries: RefCell<OrderedMap<Subscription, LiveQuery<R>>>,
    last: Cell<Subscription>,
    flushing: Cell<bool>,
}

impl<R> Default for Live<R> {
    fn default() -> Self {
        Self { queries: RefCell::default(), last: Cell::new(0), flushing: Cell::new(false) }
    }
}

impl<R: Row> Live<R> {
    /// Has the queries whose result the touched records may change follow them, or be read. `sight` says what a query may
    /// see.
    pub fn mark(&self, touched: &[Touched<R>], sight: impl Fn(&Query) -> Option<Sight>) {
        for live in self.queries.borrow_mut().values_mut() {
            if !live.dirty && touched.iter().any(|record| live.read.concerns(&live.spec, record)) {
                live.follow(touched, sight(&live.query));
            }
        }
    }

    /// Marks by keys alone: rows are not known, so only ranges of the primary key can be told apart.
    pub fn mark_tables(&self, changes: &[TableChange]) {
        for live in self.queries.borrow_mut().values_mut() {
            let concerned = changes.iter().filter(|change| change.table == live.query.table);
            live.dirty =
                live.dirty || concerned.flat_map(|change| &change.keys).any(|key| live.read.may_list(&live.spec, key));
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

    /// The queries to call back, all to be read when one of them has to be.
    fn take_due(&self, config: &Config) -> Due<R> {
        let mut queries = self.queries.borrow_mut();
        let reads = queries.values().any(|live| live.dirty);
        let due = queries.iter_mut().filter(|(_, live)| live.dirty || live.followed);
        if !reads {
            let due = due.map(|(id, live)| (*id, live.take_followed()));
            return Due::Followed(due.collect());
        }
        let due = due.map(|(id, live)| {
            (live.dirty, live.followed, live.kept) = (false, false, None);
            live.read = live.query.stored(config).into_owned();
            Reading { id: *id, query: live.read.clone(), want: live.want }
        });
        Due::Read(due.collect())
    }

    fn callback(&self, id: Subscription) -> Option<(String, Callback<R>)> {
        self.queries.borrow().get(&id).map(|live| (live.query.table.clone(), Rc::clone(&live.callback)))
    }

    fn keep(&self, id: Subscription, kept: Kept<R>) {
        // Where it was marked meanwhile, what was read may be outdated.
        if let Some(live) = self.queries.borrow_mut().get_mut(&id).filter(|live| !live.dirty) {
            live.kept = Some(kept);
        }
    }
}

/// What a flush does.
enum Due<R> {
    /// These have followed; their rows.
    Followed(Vec<(Subscription, Vec<R>)>),
    /// These have to be read.
    Read(Vec<Reading>),
}

/// A live query that is read.
struct Reading {
    id: Subscription,
    query: Query,
    want: Want,
}

impl<R: Row> LiveQuery<R> {
    fn follow(&mut self, touched: &[Touched<R>], sight: Option<Sight>) {
        let kept = self.kept.as_mut().zip(sight);
        if let Some(Ok(changed)) = kept.map(|(kept, sight)| kept.follow(&self.query.table, &sight, touched)) {
            self.followed |= changed;
        } else {
            self.kept = None;
            self.dirty = true;
        }
    }

    fn take_followed(&mut self) -> Vec<R> {
        self.followed = false;
        self.kept.as_ref().map(Kept::rows).unwrap_or_default()
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
        let callback = Rc::new(callback);
        let live =
            LiveQuery { read: query.clone(), query, want, spec, callback, dirty: true, kept: None, followed: false };
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
            let due = self.live.take_due(&self.config());
            match due {
                Due::Followed(due) if due.is_empty() => {
                    self.live.flushing.set(false);
                    return;
                }
                Due::Followed(due) => {
                    for (id, rows) in due {
                        self.call_back(id, Ok(rows.into_iter().map(Found::row).collect()));
                    }
                }
                Due::Read(due) => {
                    let results = self.read_all(&due).await;
                    for (reading, result) in due.into_iter().zip(results) {
                        self.keep(&reading, &result);
                        self.call_back(reading.id, result);
                    }
                }
            }
        }
    }

    /// A query may have been ended while it was read, or by the callback before.
    fn call_back(&self, id: Subscription, result: Result<Vec<Found<S::Row>>>) {
        let callback = self.live.callback(id);
        if let Some((table, callback)) = callback {
            callback(result.map(|found| self.opened_found(&table, found)));
        }
    }

    async fn read_all(&self, due: &[Reading]) -> Vec<Result<Vec<Found<S::Row>>>> {
        let tables: OrderedSet<&str> = due.iter().map(|reading| reading.query.table.as_str()).collect();
        let tables: Vec<&str> = tables.into_iter().collect();
        match self.store.begin(Mode::Read, &tables) {
            Err(error) => due.iter().map(|_| Err(error.clone().into())).collect(),
            Ok(tx) => {
                let reads = due.iter().map(|reading| self.find_stored_in(&tx, &reading.query, reading.want));
                futures_util::future::join_all(reads).await
            }
        }
    }

    fn keep(&self, reading: &Reading, result: &Result<Vec<Found<S::Row>>>) {
        let (Ok(found), Ok((table, sight))) = (result, self.sight_of(&reading.query)) else { return };
        let rows = found.iter().filter_map(|found| found.row.clone()).collect();
        if let Some(kept) = Kept::of(&table, &sight, &reading.query, reading.want, rows) {
            self.live.keep(reading.id, kept);
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

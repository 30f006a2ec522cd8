//! `RawTx`: a transaction that an app's own code drives.

use super::convert;
use super::error::{invalid, thrown};
use crate::engine::ports::Host;
use crate::engine::{Engine, Error, Found, Kind, Want, Writer};
use crate::store::{Mode, Store};
use crate::web::{BrowserHost, IndexedDb};
use js_sys::{Function, Promise};
use std::cell::RefCell;
use std::future::Future;
use std::rc::Rc;
use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::wasm_bindgen;

/// The engine as the browser has it.
pub type SharedEngine = Rc<Engine<IndexedDb, BrowserHost>>;

type Tx = <IndexedDb as Store>::Tx;

/// Reading needs no log and no stamps.
#[derive(Clone)]
pub enum Inner {
    /// A read-only transaction.
    Read(Rc<Tx>),
    /// A transaction that writes.
    Write(Rc<Writer<IndexedDb, BrowserHost>>),
}

impl Inner {
    /// Begins a read-only transaction.
    pub fn read(engine: &SharedEngine, tables: &[&str]) -> crate::engine::Result<Self> {
        for table in tables {
            engine.config().table(table)?;
        }
        Ok(Self::Read(Rc::new(engine.store().begin(Mode::Read, tables)?)))
    }
}

/// A transaction.
#[wasm_bindgen]
pub struct RawTx {
    engine: SharedEngine,
    inner: RefCell<Option<Inner>>,
    abandoned: Rc<RefCell<Option<Function>>>,
}

impl RawTx {
    pub(super) fn new(engine: SharedEngine, inner: Inner) -> Self {
        Self { engine, inner: RefCell::new(Some(inner)), abandoned: Rc::default() }
    }

    /// A promise of what `task` makes of the transaction, which is aborted if its caller then awaits anything else.
    fn promise<F>(&self, task: impl FnOnce(SharedEngine, Inner) -> F) -> Promise
    where
        F: Future<Output = Result<JsValue, JsValue>> + 'static,
    {
        let Some(inner) = self.inner.borrow().clone() else { return Promise::reject(&over()) };
        let engine = Rc::clone(&self.engine);
        let task = Box::pin(task(Rc::clone(&engine), inner.clone()));
        super::started(Box::pin(watched(engine, inner, Rc::clone(&self.abandoned), task)))
    }
}

#[wasm_bindgen]
impl RawTx {
    /// The live rows of these keys, in their order.
    #[wasm_bindgen(js_name = getMany)]
    pub fn get_many(&self, table: String, keys: JsValue) -> Promise {
        self.promise(move |engine, inner| async move {
            let keys = convert::keys(&keys)?;
            let rows = match &inner {
                Inner::Read(tx) => engine.get_many_in(tx, &table, &keys).await,
                Inner::Write(writer) => writer.read(async |tx: &Tx| engine.get_many_in(tx, &table, &keys).await).await,
            };
            Ok(convert::rows_out(rows.map_err(|e| thrown(&e))?))
        })
    }

    /// The rows of a query.
    pub fn read(&self, query: JsValue) -> Promise {
        self.promise(move |engine, inner| async move {
            Ok(convert::found_rows(find(&engine, &inner, &query, Want::ROWS).await?))
        })
    }

    /// Rows and keys of a query.
    pub fn find(&self, query: JsValue, want: JsValue) -> Promise {
        self.promise(move |engine, inner| async move {
            let want = convert::want(&want);
            Ok(convert::found(find(&engine, &inner, &query, want).await?, want))
        })
    }

    /// The number of rows of a query.
    pub fn count(&self, query: JsValue) -> Promise {
        self.promise(move |engine, inner| async move {
            let query = convert::query(&query)?;
            let count = match &inner {
                Inner::Read(tx) => engine.count_in(tx, &query).await,
                Inner::Write(writer) => writer.read(async |tx: &Tx| engine.count_in(tx, &query).await).await,
            };
            Ok(convert::count(count.map_err(|e| thrown(&e))?))
        })
    }

    /// How a query is answered.
    pub fn explain(&self, query: &JsValue) -> Result<JsValue, JsValue> {
        let explained = self.engine.explain(&convert::query(query)?).map_err(|e| thrown(&e))?;
        Ok(convert::explanation(&explained))
    }

    /// One write.
    pub fn write(&self, kind: String, table: String, items: JsValue, bulk: bool) -> Promise {
        self.promise(move |_, inner| async move {
            let Inner::Write(writer) = &inner else {
                let message = "this transaction only reads: begin it with 'rw'; nothing was written";
                return Err(thrown(&Error::new(Kind::ReadOnlyTransaction, message)));
            };
            let write = convert::write(&kind, &items)?;
            let written = if bulk { writer.write_bulk(&table, write).await } else { writer.write(&table, write).await };
            written.map(|written| convert::written(&written)).map_err(|e| thrown(&e))
        })
    }

    /// Has `call` called when the transaction is aborted because its code awaits something else.
    #[wasm_bindgen(js_name = onAbandoned)]
    pub fn on_abandoned(&self, call: Function) {
        self.abandoned.replace(Some(call));
    }

    /// Ends the transaction; resolves when all of it is stored.
    pub fn commit(&self) -> Promise {
        #[cfg(feature = "planted-faults")]
        super::plant_what_is_asked_for();
        let inner = self.inner.borrow_mut().take();
        super::promise_of(async move {
            match inner.ok_or_else(over)? {
                Inner::Read(_) => Ok(convert::written(&crate::engine::Written::default())),
                Inner::Write(writer) => {
                    writer.commit().await.map(|written| convert::written(&written)).map_err(|e| thrown(&e))
                }
            }
        })
    }

    /// Ends the transaction and undoes all of it.
    pub fn abort(&self) {
        if let Some(Inner::Write(writer)) = self.inner.borrow_mut().take() {
            self.engine.host().spawn(Box::pin(async move { writer.abort().await }));
        }
    }
}

async fn watched(
    engine: SharedEngine,
    inner: Inner,
    abandoned: Rc<RefCell<Option<Function>>>,
    task: super::Task,
) -> Result<JsValue, JsValue> {
    let result = task.await;
    if let Inner::Write(writer) = inner {
        engine.host().spawn(Box::pin(async move {
            let call = if writer.watch().await { abandoned.take() } else { None };
            if let Some(call) = call {
                // The shim's, which does not throw.
                let _ = call.call0(&JsValue::UNDEFINED);
            }
        }));
    }
    result
}

async fn find(
    engine: &SharedEngine,
    inner: &Inner,
    query: &JsValue,
    want: Want,
) -> Result<Vec<Found<crate::web::JsRow>>, JsValue> {
    let query = convert::query(query)?;
    let found = match inner {
        Inner::Read(tx) => engine.find_in(tx, &query, want).await,
        Inner::Write(writer) => writer.read(async |tx: &Tx| engine.find_in(tx, &query, want).await).await,
    };
    found.map_err(|e| thrown(&e))
}

fn over() -> JsValue {
    invalid("the transaction is over: begin another one")
}

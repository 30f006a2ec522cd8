//! Adoption: taking over a database that an app on Dexie made and filled, without losing or doubling anything.
//!
//! What holds, wherever it is interrupted:
//!
//! 1. Nothing that lay in the old database's rows or in its queue, and could travel, is lost. Records stay where they are;
//!    the queue becomes rows of the change log in the one transaction that empties it; what was never queued is logged
//!    after a pull from the beginning has shown that the server does not have it. What cannot travel becomes a dead letter
//!    that says why, and stays in its record.
//! 2. Nothing is sent twice under two ids. What lies in the log, was accepted, or was set aside is not logged again; a
//!    queued change that has an id already is sent as it was, under that id.
//! 3. A record edited before adoption beats what comes only where its stamp is later. Stamps are those the old app gave:
//!    a field without one counts as old as the row's own times say, else older than everything; a stamp in the future
//!    counts as now.
//!
//! There are three steps, each one transaction, or many that can be repeated: *found* (the first opening that syncs a table notes it),
//! *taken over* (records, queue, and the wish for a full pull, in one durable transaction), and the full pull of
//! `rebase`, whose end logs what did not come. A database whose queue holds rows again, because the app went back to
//! Dexie for a while, is taken over again.

mod clamp;
mod letter;
mod queue;
mod row;
mod take_over;

pub(super) use letter::Letter;
pub use take_over::{EPOCH, take_over};

use super::config::Upgrading;
use super::error::Result;
use super::{Config, rows};
use crate::model::record;
use crate::store::{ENGINE, Mode, Scan, Store, StoreError, Transaction};

/// The replaced app's queue: a row per change, keys counted.
const QUEUE: &str = "_pendingChanges";
/// The row that says how far adoption is.
const ADOPTION: &str = "adoption";

/// The row that says which tables sync.
const SYNCED: &str = "synced";

/// Found, and waiting for a user to sign in.
const FOUND: &str = "found";
/// The full pull has not come to its end.
const PULLING: &str = "pulling";
/// Nothing is left to do.
const DONE: &str = "done";

record! {
    /// How far the adoption of a database is, and what it came to.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct Adoption {
        /// `found`, `pulling` or `done`.
        pub phase: String = "phase",
        /// Records brought into the engine's form.
        pub records: usize = "records" or 0,
        /// Changes taken over from the old queue.
        pub queued: usize = "queued" or 0,
        /// What cannot travel, or belongs nowhere.
        pub letters: usize = "letters" or 0,
        /// Changes logged because the server did not have them.
        pub logged: usize = "logged" or 0,
    }
}

record! {
    /// The tables whose rows the engine knows as ones that sync.
    #[derive(Default)]
    struct Synced {
        tables: Vec<String> = "tables",
    }
}

impl Adoption {
    fn at(phase: &str) -> Self {
        Self { phase: phase.to_owned(), records: 0, queued: 0, letters: 0, logged: 0 }
    }
}

/// Notes a database that holds records which the engine has never seen as ones that sync: an older app's, when it is
/// opened for the first time, and those of a table that did not sync until now.
pub async fn find<S: Store>(store: &S, config: &Config) -> Result<()> {
    let tables = synced(config);
    let tx = store.begin(Mode::Read, &[ENGINE])?;
    let known = rows::read::<_, Synced>(&tx, SYNCED, "").await?;
    drop(tx);
    let (is_first, known) = (known.is_none(), known.unwrap_or_default().tables);
    let new: Vec<&str> =
        tables.iter().map(|(name, _)| name.as_str()).filter(|name| !known.iter().any(|k| k == name)).collect();
    if !is_first && new.is_empty() {
        return Ok(());
    }
    let (tx, has_queue) = begin(store, Mode::Write, &tables)?;
    for name in new.iter().copied().chain((is_first && has_queue).then_some(QUEUE)) {
        if has_rows(&tx, name).await? {
            rows::write(&tx, ADOPTION, "", Adoption::at(FOUND))?;
            break;
        }
    }
    if !is_first {
        // What came of such an app before was without these tables.
        let is_new = |(name, _): &&(String, _)| new.contains(&name.as_str());
        let of = |(_, table): &(String, std::rc::Rc<super::Table>)| Some(table.sync.as_ref()?.app.to_string());
        super::apps::fill_again(&tx, tables.iter().filter(is_new).filter_map(of)).await?;
    }
    let tables = known.iter().map(String::as_str).chain(new).map(str::to_owned).collect();
    rows::write(&tx, SYNCED, "", Synced { tables })?;
    Ok(tx.commit().await?)
}

/// Whether there is something to take over.
async fn is_wanted<S: Store>(store: &S) -> Result<bool> {
    let (tx, has_queue) = begin(store, Mode::Read, &Tables::new())?;
    let is_found = state(&tx).await?.is_some_and(|adoption| adoption.phase == FOUND);
    Ok(is_found || has_queue && has_rows(&tx, QUEUE).await?)
}

async fn has_rows<Tx: Transaction>(tx: &Tx, store: &str) -> Result<bool> {
    Ok(!tx.scan(store, &Scan { limit: Some(1), ..Scan::default() }, &|_| true).await?.is_empty())
}

/// How far the adoption is; `None`: this database was the engine's from the beginning.
pub async fn state<Tx: Transaction>(tx: &Tx) -> Result<Option<Adoption>> {
    rows::read(tx, ADOPTION, "").await
}

/// What of it an upgrade of the data finds.
pub async fn upgrading<Tx: Transaction>(tx: &Tx) -> Result<Upgrading> {
    let phase = state(tx).await?.map(|adoption| adoption.phase);
    Ok(match phase.as_deref() {
        Some(FOUND) => Upgrading::Found,
        Some(PULLING) => Upgrading::Pulling,
        _ => Upgrading::Settled,
    })
}

/// Notes, in the transaction that ends the full pull, what it came to.
pub async fn finish<Tx: Transaction>(tx: &Tx, logged: usize, letters: usize) -> Result<Option<Adoption>> {
    let Some(state) = state(tx).await? else { return Ok(None) };
    let done = Adoption { phase: DONE.to_owned(), logged, letters: state.letters + letters, ..state };
    rows::write(tx, ADOPTION, "", done.clone())?;
    Ok(Some(done))
}

type Tables = Vec<(String, std::rc::Rc<super::Table>)>;

fn synced(config: &Config) -> Tables {
    config
        .tables
        .iter()
        .filter(|(_, table)| table.sync.is_some())
        .map(|(name, table)| (name.clone(), std::rc::Rc::clone(table)))
        .collect()
}

/// A transaction over everything that adoption touches; the second part says whether there is an old queue.
fn begin<S: Store>(store: &S, mode: Mode, tables: &Tables) -> Result<(S::Tx, bool)> {
    let own = [ENGINE, crate::store::CHANGE_LOG];
    let mut stores: Vec<&str> = tables.iter().map(|(name, _)| name.as_str()).chain(own).collect();
    stores.push(QUEUE);
    match store.begin(mode, &stores) {
        Ok(tx) => Ok((tx, true)),
        Err(StoreError::NotFound(name)) if name == QUEUE => {
            stores.pop();
            Ok((store.begin(mode, &stores)?, false))
        }
        Err(other) => Err(other.into()),
    }
}

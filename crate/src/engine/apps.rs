//! Which apps this database pulls, and which of them are here: the eager ones, and lazy ones once they were asked for.
//!
//! An app is asked for by `ensure`, by the first query over one of its tables, and in the transaction of the first write to
//! one; it stays so for this database. So there is no record here of an app that was not asked for: a full pull names every
//! app that it judges.

use super::config::Config;
use super::error::Result;
use super::ports::Host;
use super::progress::Progress;
use super::{Engine, Table, Touched, rows};
use crate::model::{OrderedSet, record};
use crate::store::{ENGINE, Mode, Store, Transaction};
use serde_json::{Map, Value};

record! {
    /// The apps that were asked for.
    #[derive(Debug, Clone, Default, PartialEq)]
    pub struct Apps {
        /// By app, whether all of it was pulled once.
        here: Map<String, Value> = "here",
    }
}

impl Apps {
    /// Whether an app is pulled.
    pub fn is_asked(&self, app: &str) -> bool {
        self.here.contains_key(app)
    }

    /// Whether all of an app was pulled once.
    pub fn is_here(&self, app: &str) -> bool {
        self.here.get(app) == Some(&Value::Bool(true))
    }

    /// The apps of this version that are asked for and not here yet.
    pub fn filling(&self, config: &Config) -> Vec<String> {
        let mut apps = config.apps();
        apps.retain(|app| self.is_asked(app) && !self.is_here(app));
        apps
    }

    /// Notes that an app is asked for; whether that is news.
    fn ask(&mut self, app: &str) -> bool {
        let is_news = !self.is_asked(app);
        if is_news {
            self.here.insert(app.to_owned(), false.into());
        }
        is_news
    }

    fn write<Tx: Transaction>(self, tx: &Tx) -> Result<()> {
        rows::write(tx, rows::APPS, "", self)
    }
}

/// The apps that were asked for.
pub async fn of<Tx: Transaction>(tx: &Tx) -> Result<Apps> {
    Ok(rows::read(tx, rows::APPS, "").await?.unwrap_or_default())
}

/// Asks for the eager apps; gives the lazy ones that nobody has asked for. A database of the time before this was noted
/// has pulled every app.
pub async fn begin<Tx: Transaction>(tx: &Tx, config: &Config) -> Result<OrderedSet<String>> {
    let stored: Option<Apps> = rows::read(tx, rows::APPS, "").await?;
    let mut apps = match stored.clone() {
        Some(apps) => apps,
        None => pulled_before(tx, config).await?,
    };
    for app in config.apps() {
        if !config.lazy.contains(app.as_str()) {
            apps.ask(&app);
        }
    }
    let unasked = config.apps().into_iter().filter(|app| !apps.is_asked(app)).collect();
    if stored.as_ref() != Some(&apps) {
        apps.write(tx)?;
    }
    Ok(unasked)
}

async fn pulled_before<Tx: Transaction>(tx: &Tx, config: &Config) -> Result<Apps> {
    let cursors: Vec<(String, Progress)> = rows::read_all(tx, rows::CURSOR).await?;
    let has_pulled = cursors.iter().any(|(_, progress)| progress.cursor.is_some());
    let here = config.apps().into_iter().filter(|_| has_pulled).map(|app| (app, true.into()));
    Ok(Apps { here: here.collect() })
}

/// Asks for apps, in a transaction.
pub async fn ask<Tx: Transaction>(tx: &Tx, asked: impl IntoIterator<Item = String>) -> Result<()> {
    let mut apps = of(tx).await?;
    let mut is_news = false;
    for app in asked {
        is_news |= apps.ask(&app);
    }
    if is_news { apps.write(tx) } else { Ok(()) }
}

/// Notes that not all of these apps is here any more, where it was: they have more tables now.
pub async fn fill_again<Tx: Transaction>(tx: &Tx, apps: impl IntoIterator<Item = String>) -> Result<()> {
    let Some(mut known) = rows::read::<_, Apps>(tx, rows::APPS, "").await? else { return Ok(()) };
    for app in apps {
        if known.is_here(&app) {
            known.here.insert(app, false.into());
        }
    }
    known.write(tx)
}

/// Notes that everything came of these apps, in the transaction of the last page.
pub async fn arrived<Tx: Transaction>(tx: &Tx, filled: Vec<String>) -> Result<()> {
    if filled.is_empty() {
        return Ok(());
    }
    let mut apps = of(tx).await?;
    for app in filled {
        apps.here.insert(app, true.into());
    }
    apps.write(tx)
}

impl<S: Store, H: Host> Engine<S, H> {
    /// Asks for an app; says whether all of it is here.
    pub async fn ask_for(&self, app: &str) -> Result<bool> {
        let tx = self.store.begin(Mode::Read, &[ENGINE])?;
        let apps = of(&tx).await?;
        drop(tx);
        if !apps.is_asked(app) {
            let tx = self.store.begin(Mode::Write, &[ENGINE])?;
            ask(&tx, [app.to_owned()]).await?;
            tx.commit().await?;
        }
        self.unasked.borrow_mut().remove(app);
        Ok(apps.is_here(app))
    }

    /// Whether all of an app was pulled once.
    pub async fn is_here(&self, app: &str) -> Result<bool> {
        let tx = self.store.begin(Mode::Read, &[ENGINE])?;
        Ok(of(&tx).await?.is_here(app))
    }

    /// A query reads a table: its app is to be asked for, where nobody has.
    pub(super) fn uses(&self, table: &Table) {
        let Some(sync) = &table.sync else { return };
        if self.config().upgrading.is_none() && self.unasked.borrow_mut().remove(sync.app.as_str()) {
            self.emit(super::Event::AppUsed(sync.app.to_string()));
        }
    }

    /// Asking for an app that a query uses has failed: the next query tries again.
    pub(super) fn forget_use(&self, app: String) {
        self.unasked.borrow_mut().insert(app);
    }

    /// Asks for the apps of records that are written, in their transaction; gives those that nobody has asked for in this tab.
    pub(super) async fn ask_in(&self, tx: &S::Tx, touched: &[Touched<S::Row>]) -> Result<Vec<String>> {
        if self.unasked.borrow().is_empty() {
            return Ok(Vec::new());
        }
        let mut apps: Vec<String> = Vec::new();
        for one in touched {
            let table = self.config().table(&one.table)?;
            let app = table.sync.as_ref().map(|sync| sync.app.to_string());
            apps.extend(app.filter(|app| self.unasked.borrow().contains(app.as_str()) && !apps.contains(app)));
        }
        if !apps.is_empty() {
            ask(tx, apps.clone()).await?;
        }
        Ok(apps)
    }

    /// Takes note of the apps that are asked for: another tab may have.
    pub(super) fn note_asked(&self, apps: &Apps) {
        let asked: Vec<String> = self.unasked.borrow().iter().filter(|app| apps.is_asked(app)).cloned().collect();
        for app in asked {
            self.unasked.borrow_mut().remove(app.as_str());
        }
    }
}

//! Bringing a database to the version of the app's data: records, what waits to be sent, dead letters and what a full pull
//! noted, in one durable transaction with the note that says so (docs/schema-versions.md).
//!
//! What holds: records are the merge of all their changes, each brought to the noted version. A step is no edit: no stamp
//! is made, nothing is logged, nobody is told.

mod log;
mod row;

use super::config::{Config, Upgrading};
use super::error::{Error, Kind, Result};
use super::ports::Host;
use super::{Table, adopt, guests, rebase, rows};
use crate::model::{OrderedMap, OrderedSet, Step, TableSync, record, steps_from};
use crate::store::{CHANGE_LOG, DATA_VERSION, ENGINE, Mode, Scan, Store, Transaction};
use log::Collisions;
pub(super) use log::says_something;
use serde_json::{Value, json};
use std::rc::Rc;

/// Kind of the rows that note the version of an app's records, by app.
const KIND: &str = "appVersion";

record! {
    /// The version of an app's records.
    #[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
    struct Noted {
        version: u32 = "version",
        /// The last version that had a step: below it, an app would write under names that are no more.
        shaped: u32 = "shaped",
    }
}

/// The tables of an app that sync.
struct App<'a> {
    version: u32,
    tables: Vec<(&'a str, &'a TableSync)>,
}

type Apps<'a> = OrderedMap<String, App<'a>>;
type Known = OrderedMap<String, Noted>;

impl App<'_> {
    /// The last version up to this app's that has a step.
    fn shaped(&self) -> u32 {
        let steps = self.tables.iter().flat_map(|(_, sync)| steps_from(&sync.migrations, 0));
        steps.map(|step| step.to).max().unwrap_or(0)
    }

    fn noted(&self, known: Noted) -> Noted {
        Noted { version: known.version.max(self.version), shaped: known.shaped.max(self.shaped()) }
    }
}

/// The steps of a table on the wire, from a version on.
pub(super) fn steps<'a>(config: &'a Config, app: &str, table: &str) -> &'a [Step] {
    let sync = config.local_table(app, table).and_then(|(_, table)| table.sync.as_ref());
    sync.map_or(&[], |sync| &sync.migrations)
}

/// Brings the database to the app's version. Fails with [`Kind::SchemaTooNew`] where it is of a later one, and with
/// [`Kind::InvalidSchema`] where tabs of the older version may be open. What an older app left stays as it is until it
/// is taken over.
pub async fn run<S: Store>(store: &S, host: &impl Host, config: &Config) -> Result<()> {
    let apps = apps(config);
    if apps.is_empty() {
        return Ok(());
    }
    let tx = store.begin(Mode::Read, &[ENGINE])?;
    let known: Known = rows::read_all(&tx, KIND).await?.into_iter().collect();
    if behind(&apps, &known)?.is_empty() || adopt::upgrading(&tx).await? == Upgrading::Found {
        return Ok(());
    }
    check_alone(&tx, config, &apps, &known).await?;
    drop(tx);
    let tables = apps.values().flat_map(|app| app.tables.iter().map(|(name, _)| *name));
    let stores: Vec<&str> = tables.chain([ENGINE, CHANGE_LOG]).collect();
    let tx = store.begin(Mode::Durable, &stores)?;
    // Another tab may have done it meanwhile.
    let known: Known = rows::read_all(&tx, KIND).await?.into_iter().collect();
    let behind = behind(&apps, &known)?;
    let mut collisions = Collisions::new();
    for (id, from) in &behind {
        let Some(app) = apps.get(id) else { continue };
        for (name, sync) in &app.tables {
            records(&tx, name, sync, from.version, &mut collisions).await?;
        }
        rows::write(&tx, KIND, id, app.noted(*from))?;
    }
    if behind.iter().any(|(id, from)| apps.get(id).is_some_and(|app| app.shaped() > from.version)) {
        log::waiting(&tx, host, config, &collisions).await?;
        let from = |name: &str| {
            let sync = config.tables.get(name).and_then(|table| table.sync.as_ref());
            let from = sync.and_then(|sync| behind.iter().find(|(id, _)| id == sync.app.as_str()));
            sync.zip(from).map(|(sync, (_, from))| steps_from(&sync.migrations, from.version).collect())
        };
        rebase::migrate_seen(&tx, from).await?;
    }
    Ok(tx.commit().await?)
}

/// Has every step run again: what an older app wrote is taken over.
pub(super) async fn forget<Tx: Transaction>(tx: &Tx) -> Result<()> {
    for (app, _) in rows::read_all::<_, Value>(tx, KIND).await? {
        rows::remove(tx, KIND, &app)?;
    }
    Ok(())
}

fn apps(config: &Config) -> Apps<'_> {
    let mut apps = Apps::new();
    let of = |table: &'_ Rc<Table>| table.sync.is_some();
    for (name, table) in config.tables.iter().filter(|(_, table)| of(table)) {
        let Some(sync) = &table.sync else { continue };
        let app = apps.entry(sync.app.to_string()).or_insert_with(|| App { version: 0, tables: Vec::new() });
        app.version = app.version.max(sync.schema_version);
        app.tables.push((name, sync));
    }
    apps
}

/// The apps whose records are of an older version, with what was noted of them. A database that says nothing was never
/// opened with steps, so all of them are ahead of it.
fn behind(apps: &Apps<'_>, known: &Known) -> Result<Vec<(String, Noted)>> {
    let mut behind = Vec::new();
    for (id, app) in apps {
        let noted = known.get(id).copied().unwrap_or_default();
        if noted.shaped > app.version {
            let message = format!(
                "the records of {id} are of version {}, and this app knows version {}: load the newest version of the app",
                noted.version, app.version
            );
            let details = json!({ "app": id, "stored": noted.version, "wanted": app.version });
            return Err(Error::new(Kind::SchemaTooNew, message).with(details));
        }
        // Nothing is noted of an app that never had a step.
        if noted != app.noted(noted) && app.shaped() > 0 {
            behind.push((id.clone(), noted));
        }
    }
    Ok(behind)
}

/// Refuses a step where tabs with the older version may be open: only a higher version of the schema closes them.
async fn check_alone<Tx: Transaction>(tx: &Tx, config: &Config, apps: &Apps<'_>, known: &Known) -> Result<()> {
    record! {
        struct DataVersion {
            version: u32 = "version",
        }
    }
    let stored = rows::read::<_, DataVersion>(tx, DATA_VERSION, "").await?.map(|row| row.version);
    let is_raised = stored.is_none_or(|stored| config.data_version.is_none_or(|version| version > stored));
    let is_new = rows::read::<_, Value>(tx, rows::INSTALL, "").await?.is_none();
    let is_adopted_now = !matches!(adopt::upgrading(tx).await?, Upgrading::Settled);
    if is_raised || is_new || is_adopted_now {
        return Ok(());
    }
    let has_step = |(id, app): &(&String, &App<'_>)| app.shaped() > known.get(*id).map_or(0, |noted| noted.version);
    match apps.iter().find(has_step) {
        Some((id, app)) => {
            let message = format!(
                "migrations of {id} lead to version {}: raise schema.version, too, so that tabs with the older app close first",
                app.version
            );
            let details = json!({ "app": id, "version": app.version, "table": null, "field": null });
            Err(Error::new(Kind::InvalidSchema, message).with(details))
        }
        None => Ok(()),
    }
}

/// Takes the steps from `version` on with every record of a table, whoever it belongs to, and with those of guests that
/// were set aside.
async fn records<Tx: Transaction>(
    tx: &Tx,
    name: &str,
    sync: &TableSync,
    version: u32,
    collisions: &mut Collisions,
) -> Result<()> {
    let steps: Vec<&Step> = steps_from(&sync.migrations, version).collect();
    if steps.is_empty() {
        return Ok(());
    }
    for stored in tx.scan(name, &Scan::default(), &|_| true).await? {
        let (changed, united) = row::migrated(&stored, &steps);
        if let Some(changed) = changed {
            tx.put(name, &changed, None)?;
        }
        if !united.is_empty() {
            collisions.extend(log::named(sync, &stored, united));
        }
    }
    guests::migrate_aside(tx, name, |row: &Tx::Row| row::migrated(row, &steps).0).await
}

/// Fields that had two names, one of which an unsent change knows: what they were before is known no more.
type United = OrderedSet<String>;

//! Upgrades of the app's data: each runs in one durable transaction that also notes the version it reaches, so the data
//! are of one version or of the next, and an upgrade that was interrupted begins anew.

use super::error::Result;
use super::ports::Host;
use super::{Engine, Writer, rows};
use crate::model::{Actor, record};
use crate::store::{DATA_VERSION, ENGINE, Mode, Store, Transaction};
use serde_json::json;
use std::rc::Rc;

record! {
    struct DataVersion {
        version: u32 = "version",
    }
}

impl<S: Store, H: Host> Engine<S, H> {
    /// The schema version the rows were written under; `None`: whoever made the stores did not say.
    pub async fn data_version(&self) -> Result<Option<u32>> {
        let tx = self.store.begin(Mode::Read, &[ENGINE])?;
        Ok(rows::read::<_, DataVersion>(&tx, DATA_VERSION, "").await?.map(|row| row.version))
    }

    /// Notes that the rows are those of `version`: nothing had to be changed in them.
    pub async fn note_data_version(&self, version: u32) -> Result<()> {
        let tx = self.store.begin(Mode::Write, &[ENGINE])?;
        note(&tx, version)?;
        Ok(tx.commit().await?)
    }
}

impl<S: Store, H: Host> Writer<S, H> {
    /// Begins the transaction that brings the data to `version`, over all tables. What it writes is logged like any
    /// other write, by the app itself (`migration`).
    pub async fn begin_upgrade(engine: &Rc<Engine<S, H>>, version: u32) -> Result<Self> {
        let names: Vec<String> = engine.config().tables.keys().cloned().collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let actor = Actor::parse(json!({ "kind": "system", "principalId": "schema", "migration": true }))?;
        let writer = Self::begin_in(engine, Mode::Durable, &names, Some(actor))?;
        // Noted last: a browser commits what was asked for so far when the app's function awaits something else.
        writer.reach(version);
        // A transaction without requests ends with the turn it was begun in.
        writer.read(async |tx: &S::Tx| Ok(rows::read::<_, DataVersion>(tx, DATA_VERSION, "").await?)).await?;
        Ok(writer)
    }
}

/// Notes, in the transaction, that the rows are those of `version`.
pub(super) fn note<T: Transaction>(tx: &T, version: u32) -> Result<()> {
    rows::write(tx, DATA_VERSION, "", DataVersion { version })
}

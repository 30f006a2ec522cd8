//! Upgrades of the app's data: each runs in one durable transaction that also notes the version it reaches, so the data
//! are of one version or of the next, and an upgrade that was interrupted begins anew.
//!
//! An upgrade is of the database, not of whoever opens it: it reaches every row, since it is never run again. It runs as
//! the user whose database it is, also where nobody is signed in; what it may say to others of a row is decided in
//! `write/saying.rs`.

use super::config::{Config, User};
use super::error::Result;
use super::ports::Host;
use super::{Engine, Owner, Writer, adopt, own_space, rows, spaces};
use crate::model::{Actor, UserId, record};
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

    /// What upgrades go by: all rows are seen, and where nobody is signed in, the owner of the database acts.
    async fn upgrading(&self) -> Result<Config> {
        let tx = self.store.begin(Mode::Read, &[ENGINE])?;
        let phase = adopt::upgrading(&tx).await?;
        let owner: Option<Owner> = rows::read(&tx, rows::OWNER, "").await?;
        drop(tx);
        let mut config = Config { upgrading: Some(phase), ..self.config().clone() };
        if let Some(owner) = owner.filter(|_| config.user.is_none()) {
            config.spaces = spaces::kept(&self.store, &owner.user_id).await?;
            config.user = Some(User { id: UserId::parse(owner.user_id)?, display_name: None });
        }
        if config.personal_space().is_none() {
            config.spaces.extend(own_space::known(&self.store, config.user_id()).await?);
        }
        Ok(config)
    }
}

/// The time in which upgrades run, while the engine opens and nobody else uses it.
pub struct Upgrade<S: Store, H: Host> {
    engine: Rc<Engine<S, H>>,
    /// What the engine goes by before and after.
    opener: Config,
    pending: usize,
}

impl<S: Store, H: Host> Upgrade<S, H> {
    /// From here on, until it is dropped, the engine reads and writes as upgrades do.
    pub async fn begin(engine: &Rc<Engine<S, H>>) -> Result<Self> {
        let config = engine.upgrading().await?;
        let (engine, pending) = (Rc::clone(engine), engine.pending());
        let opener = engine.config.replace(config);
        Ok(Self { engine, opener, pending })
    }

    /// Begins the transaction that brings the data to `version`, over all tables. What it writes is logged like any
    /// other write, by the app itself (`migration`), where it may be said.
    pub async fn to(&self, version: u32) -> Result<Writer<S, H>> {
        let names: Vec<String> = self.engine.config().tables.keys().cloned().collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let actor = Actor::parse(json!({ "kind": "system", "principalId": "schema", "migration": true }))?;
        let writer = Writer::begin_in(&self.engine, Mode::Durable, &names, Some(actor))?;
        // Noted last: a browser commits what was asked for so far when the app's function awaits something else.
        writer.reach(version);
        // A transaction without requests ends with the turn it was begun in.
        writer.read(async |tx: &S::Tx| Ok(rows::read::<_, DataVersion>(tx, DATA_VERSION, "").await?)).await?;
        Ok(writer)
    }
}

impl<S: Store, H: Host> Drop for Upgrade<S, H> {
    fn drop(&mut self) {
        let acting = self.engine.config.replace(self.opener.clone());
        if acting.user != self.opener.user {
            // What was logged is the owner's, not the opener's.
            self.engine.pending.set(self.pending);
        }
    }
}

/// Notes, in the transaction, that the rows are those of `version`.
pub(super) fn note<T: Transaction>(tx: &T, version: u32) -> Result<()> {
    rows::write(tx, DATA_VERSION, "", DataVersion { version })
}

//! This database's identity, and the one whose place it took after the browser had lost it.

use super::error::Result;
use super::ports::Host;
use super::{Engine, epoch, rows};
use crate::model::record;
use crate::store::{ENGINE, Mode, Store, Transaction};

record! {
    /// The row.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct Install {
        /// Made together with the database.
        pub id: String = "id",
        /// The identity of the lost database before it, once the app was told of the loss.
        pub replaces: Option<String> = "replaces",
    }
}

/// Reads the row, or makes it.
pub async fn read_or_make<Tx: Transaction>(tx: &Tx, host: &impl Host) -> Result<Install> {
    if let Some(install) = rows::read(tx, rows::INSTALL, "").await? {
        return Ok(install);
    }
    let install = Install { id: epoch::fresh_id(host), replaces: None };
    rows::write(tx, rows::INSTALL, "", install.clone())?;
    Ok(install)
}

impl<S: Store, H: Host> Engine<S, H> {
    /// Calls `tell`, unless it was called for the loss of the database with this id before: what a browser keeps beside a
    /// database may be some seconds old after a kill, and then still speak of it.
    pub async fn tell_once_lost(&self, lost: &str, tell: impl FnOnce()) -> Result<()> {
        let tx = self.store.begin(Mode::Write, &[ENGINE])?;
        let mut install = read_or_make(&tx, &self.host).await?;
        if install.replaces.as_deref() == Some(lost) {
            return Ok(());
        }
        install.replaces = Some(lost.to_owned());
        rows::write(&tx, rows::INSTALL, "", install)?;
        tell();
        Ok(tx.commit().await?)
    }
}

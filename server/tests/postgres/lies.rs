//! A log that acts as one person whatever the rules over it believe.

use mana_sync::log::postgres::PostgresLog;
use mana_sync::log::{Caller, ChangeLog, Epoch, LogError};

/// Ignores whom it is asked for.
pub struct ActingAs {
    pub log: PostgresLog,
    pub caller: Caller,
}

impl ChangeLog for ActingAs {
    type Snapshot = <PostgresLog as ChangeLog>::Snapshot;
    type Transaction = <PostgresLog as ChangeLog>::Transaction;

    fn epoch(&self) -> Epoch {
        self.log.epoch()
    }

    async fn snapshot(&self, _: &Caller) -> Result<Self::Snapshot, LogError> {
        self.log.snapshot(&self.caller).await
    }

    async fn transaction(&self, _: &Caller) -> Result<Self::Transaction, LogError> {
        self.log.transaction(&self.caller).await
    }
}

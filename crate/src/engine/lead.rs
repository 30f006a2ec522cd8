//! Which tab exchanges with the server: one generation after the other, told by a row that every transaction of the
//! exchange reads first.
//!
//! A tab that was frozen, or that nobody hears, may still believe that it leads when it runs again. IndexedDB runs
//! transactions that write the engine's rows one after the other, so whatever it does after another tab took the lead
//! finds the other's generation, and writes nothing.

use super::epoch::{self, Epoch};
use super::error::{Error, Kind, Result};
use super::events::Event;
use super::ports::Host;
use super::{Engine, rows};
use crate::model::record;
use crate::probe::{Probe, hit};
use crate::store::{ENGINE, Mode, Store, Transaction};
use futures_util::future::join;
use std::cell::Cell;

record! {
    struct Generation {
        generation: u64 = "generation",
    }
}

/// The generation in which this tab leads, or led last. `None`: it never did, and whoever works without tabs is not asked.
#[derive(Default)]
pub struct Lead(Cell<Option<u64>>);

async fn generation<Tx: Transaction>(tx: &Tx, user: &str) -> Result<u64> {
    Ok(rows::read::<_, Generation>(tx, rows::LEAD, user).await?.map_or(0, |row| row.generation))
}

impl<S: Store, H: Host> Engine<S, H> {
    /// From here on this tab leads; gives the generation.
    pub(super) async fn take_lead(&self) -> Result<u64> {
        let user = self.config().user_id().to_owned();
        let tx = self.store.begin(Mode::Write, &[ENGINE])?;
        let generation = generation(&tx, &user).await?.saturating_add(1);
        rows::write(&tx, rows::LEAD, &user, Generation { generation })?;
        tx.commit().await?;
        self.lead.0.set(Some(generation));
        Ok(generation)
    }

    /// The generation in which this tab leads, or led last.
    pub(super) fn led(&self) -> Option<u64> {
        self.lead.0.get()
    }

    /// The clock's epoch; fails where another tab has taken the lead.
    pub(super) async fn epoch_led(&self, tx: &S::Tx) -> Result<Epoch> {
        let (led, epoch) = join(self.check_lead(tx), epoch::current(tx, &self.host, &self.watch)).await;
        led.and(epoch)
    }

    /// Fails where another tab has taken the lead since: nothing of the transaction may be committed then.
    pub(super) async fn check_lead(&self, tx: &S::Tx) -> Result<()> {
        let Some(led) = self.lead.0.get() else { return Ok(()) };
        let user = self.config().user_id().to_owned();
        if generation(tx, &user).await? == led {
            return Ok(());
        }
        hit(Probe::LeadLost);
        self.emit(Event::LeadLost);
        Err(Error::new(Kind::SyncFailed, "another tab exchanges with the server by now"))
    }
}

//! What a session does with keys: rotation, which needs the server, and sealing anew.

use super::Session;
use crate::crypto::MasterKey;
use crate::engine::NewKey;
use crate::engine::error::{Error, Kind, Result};
use crate::engine::keyring::{RotationOutcome, in_progress, under_way};
use crate::engine::ports::{Host, Tabs, Transport};
use crate::store::Store;
use std::rc::Rc;

impl<S: Store, H: Host, T: Transport, B: Tabs> Session<S, H, T, B> {
    /// Makes `new` the user's newest key. `persist` is asked to keep it before anything is written; from its end on, both
    /// keys are needed until this has ended. What is stored is sealed anew afterwards.
    pub async fn rotate(
        self: &Rc<Self>,
        new: MasterKey,
        persist: impl AsyncFnOnce(NewKey) -> Result<()>,
    ) -> Result<()> {
        self.engine.check_rotation(&new)?;
        // What other devices did with keys is known before.
        self.sync_now().await?;
        if !self.engine.is_time_known().await? {
            // The clock was set meanwhile: another round measures it.
            self.sync_now().await?;
        }
        self.engine.read_keyring().await?;
        self.engine.check_rotation(&new)?;
        let new = self.engine.prepare_rotation(new).await?;
        let name = new.name;
        if let Err(error) = persist(new).await {
            return Err(if self.engine.forget_rotation(name).await? { error } else { under_way(&error) });
        }
        self.engine.log_rotation(name).await?;
        let synced = self.sync_now().await;
        match (self.engine.rotation_outcome(name).await?, synced) {
            (RotationOutcome::InForce, _) => Ok(()),
            (RotationOutcome::Refused, _) => Err(in_progress()),
            (RotationOutcome::UnderWay, Err(error)) => Err(under_way(&error)),
            (RotationOutcome::UnderWay, Ok(())) => {
                Err(under_way(&Error::new(Kind::SyncFailed, "the server did not say what it makes of it")))
            }
        }
    }

    /// The key came: changes may have waited for it to be stamped anew, and what is stored to be sealed.
    pub(super) fn unlocked(self: &Rc<Self>) {
        self.watch_idle();
        self.hurry();
        if self.driver.is_some() && self.running().is_none() {
            // The tab that leads does it.
            return;
        }
        let (engine, synced) = (Rc::clone(&self.engine), self.driver.is_some());
        self.engine.host().spawn(Box::pin(async move {
            // Where it fails, the next round tries it again.
            let _ = engine.tend_sealed(synced).await;
        }));
    }
}

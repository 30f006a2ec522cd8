//! Two keys of one generation: a server that forgot of a rotation takes another one. The key with the greater id is the
//! newest then, and what the other has sealed is opened by it once that one lies under it. Who has both sees to that: the
//! device on which the vault was unlocked with the one after the other, as soon as it knows of both.

use super::{Fact, Known, record_of, tell};
use crate::crypto::{KeyName, KeyringRecord, MasterKey};
use crate::engine::error::Result;
use crate::engine::ports::Host;
use crate::engine::{Engine, epoch};
use crate::model::Origin;
use crate::store::{CHANGE_LOG, ENGINE, Mode, Store, Transaction};
use std::rc::Rc;

/// How many keys are kept with which the vault was unlocked before.
const MAX_FORMER: usize = 8;

impl Known {
    /// The name of a key that the vault was unlocked with before, where it is to lie under the newest. `None`: it never was
    /// the user's, or there is nothing to do.
    ///
    /// A server can name any key as it likes, and whoever made a key can have it open whatever is told with it. What cannot
    /// be made up without having it is an older key that both of them open. Where one of them opens the other, that one was
    /// given up.
    fn lesser(
        &self,
        record: &KeyringRecord,
        (newest, key): (KeyName, &MasterKey),
        former: &MasterKey,
    ) -> Option<KeyName> {
        let name = self.sealing().filter(|name| name.id == former.id() && *name < newest).max()?;
        let [ring, opened] = [key, former].map(|key| self.opened_by(record, key.copy()));
        let has_common = opened.names().filter_map(|name| opened.key(name)).any(|older| ring.holds(older));
        (has_common && !ring.holds(former) && !opened.holds(key)).then_some(name)
    }
}

impl<S: Store, H: Host> Engine<S, H> {
    /// Keeps the key that is here, where `key` takes its place: the vault may be unlocked with the newest before this device
    /// hears that it is.
    pub(in crate::engine) fn keep_former(&self, key: &MasterKey) {
        let former = self.vault.ring().newest_key().map(MasterKey::copy);
        let mut kept = self.vault.former.borrow_mut();
        kept.retain(|known| former.as_ref() != Some(known));
        kept.extend(former);
        kept.retain(|known| known != key);
        let excess = kept.len().saturating_sub(MAX_FORMER);
        kept.drain(..excess);
    }

    /// Drops keys with which the vault was unlocked before and that the ring leads to by now, and has others united with it.
    pub(super) fn tend_former(self: &Rc<Self>, known: &Known) {
        let ring = self.vault.ring();
        self.vault.former.borrow_mut().retain(|former| !ring.holds(former));
        drop(ring);
        if self.lesser(known).is_some() {
            let engine = Rc::clone(self);
            self.host.spawn(Box::pin(async move {
                // Where it fails, it is tried again with what is heard next.
                let _ = engine.unite_keys().await;
            }));
        }
    }

    /// A key that was here before and is to lie under the one that is.
    fn lesser(&self, known: &Known) -> Option<(KeyName, MasterKey)> {
        self.vault.check_sealing().ok()?;
        let (ring, record) = (self.vault.ring(), record_of(self.config().user_id())?);
        let newest = (ring.newest()?, ring.newest_key()?);
        let former = self.vault.former.borrow();
        former.iter().find_map(|former| Some((known.lesser(&record, newest, former)?, former.copy())))
    }

    /// Has the lesser of two keys of the user's lie under the newest. While the store is waited for, no key is held that a
    /// lock would not drop.
    async fn unite_keys(self: &Rc<Self>) -> Result<()> {
        let user = self.config().user_id().to_owned();
        let tx = self.store.begin(Mode::Durable, &[ENGINE, CHANGE_LOG])?;
        let epoch = epoch::current(&tx, &self.host, &self.watch).await?;
        let known = Known::read(&tx, &user).await?;
        let Some(fact) = self.united(&known, &epoch)? else { return Ok(()) };
        tell(&tx, &user, vec![fact], epoch::fresh_id(&self.host)).await?;
        tx.commit().await?;
        self.keyring_changed().await?;
        self.committed(&[], Origin::System, 1);
        Ok(())
    }

    /// The fact that the lesser of two keys lies under the newest.
    fn united(&self, known: &Known, epoch: &epoch::Epoch) -> Result<Option<Fact>> {
        let Some((name, key)) = self.lesser(known) else { return Ok(None) };
        let Some(record) = record_of(self.config().user_id()) else { return Ok(None) };
        let at = self.clock.borrow_mut().tick(Some(epoch), self.host.now_ms(), None);
        let random = |bytes: &mut [u8]| self.host.random(bytes);
        let value = self.vault.ring().seal_key(&record, (name, &key), at, &random)?;
        Ok(Some(Fact { name: KeyringRecord::field_of(name)?.into(), value, at }))
    }
}

//! What the keys that are here come to, by what is known of the user's keys: which of them seals, and which older ones
//! they open.

use super::{Known, Phase, record_of};
use crate::crypto::{Keyring, KeyringRecord, MasterKey, SealedKey};
use crate::engine::Engine;
use crate::engine::events::Event;
use crate::engine::ports::Host;
use crate::model::FieldName;
use crate::store::Store;
use std::rc::Rc;

impl<S: Store, H: Host> Engine<S, H> {
    /// Takes over what is known now of the user's keys. Where that makes a difference to the app, live queries run again.
    pub(in crate::engine) fn know(self: &Rc<Self>, known: Known) {
        *self.vault.known.borrow_mut() = known;
        let state = || (self.vault.outdated.get(), self.vault.ring().names().count());
        let before = state();
        let is_new = self.settle_ring();
        if before != state() {
            self.vault_changed();
        }
        if is_new {
            // The other tabs need the new key of the rotation.
            self.emit(Event::VaultKey(self.vault.handover()));
        }
        self.tend_former(&self.vault.known.borrow());
    }

    /// Names the keys that are here, opens the older ones, and finds out whether they may seal. Gives whether the new key
    /// of a rotation came into force.
    pub(in crate::engine) fn settle_ring(self: &Rc<Self>) -> bool {
        let known = self.vault.known.borrow();
        let record = record_of(self.config().user_id()).filter(|_| !self.vault.is_locked());
        let Some(record) = record else { return false };
        self.take_up_rotation(&known, &record);
        let newest = known.newest();
        let mut ring = self.vault.ring_mut();
        self.vault.next.borrow_mut().take_if(|(name, _)| known.is_refused(*name));
        let next = self.vault.next.borrow_mut().take_if(|(name, key)| {
            newest.is_some_and(|newest| newest.id == name.id) && known.is_over(&record, key, ring.newest_key())
        });
        let is_new = next.is_some();
        if let Some((name, key)) = next {
            // The former key is opened by it, and seals no more.
            ring.clear();
            ring.insert(name.generation, key);
        }
        let is_newest = newest.is_none_or(|newest| !known.is_given_up(newest.id) && ring.name_newest(newest));
        known.open_older(&record, &mut ring);
        drop(ring);
        self.vault.outdated.set(!is_newest);
        self.sum_uses(&known);
        is_new
    }

    /// While a rotation of this device is under way, its new key opens the older one, which seals until the server knows
    /// of the rotation.
    fn take_up_rotation(&self, known: &Known, record: &KeyringRecord) {
        let Some(rotation) = known.rotation.as_ref().filter(|one| !known.facts.contains(&one.fact)) else { return };
        let (Some(name), Ok(field)) = (rotation.name(), FieldName::parse(rotation.fact.name.as_str())) else { return };
        let mut ring = self.vault.ring_mut();
        let Some(new) = ring.newest_key().filter(|key| key.id() == name.id).map(MasterKey::copy) else { return };
        let mut opened = Keyring::new();
        opened.insert(name.generation, new.copy());
        let sealed = SealedKey { field: &field, at: rotation.fact.at, text: &rotation.fact.value };
        let older = opened.open_key(record, sealed).ok();
        let older = older.and_then(|older| Some((older, opened.key(older)?.copy())));
        ring.clear();
        let Some((older, key)) = older else {
            ring.insert(name.generation, new);
            return;
        };
        ring.insert(older.generation, key);
        if rotation.phase != Phase::Refused {
            self.vault.next.replace(Some((name, new)));
        }
    }
}

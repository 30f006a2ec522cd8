//! What the keys that are here come to, by what is known of the user's keys: which of them seals, and which older ones
//! they open.

use super::{Known, Phase, record_of};
use crate::crypto::{KeyName, Keyring, KeyringRecord, MasterKey, SealedKey};
use crate::engine::Engine;
use crate::engine::events::Event;
use crate::engine::ports::Host;
use crate::engine::vault::FIRST_GENERATION;
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
        let is_next = newest.is_some() && self.vault.next.borrow().as_ref().map(|(name, _)| *name) == newest;
        if let Some((name, key)) = self.vault.next.borrow_mut().take_if(|_| is_next) {
            ring.insert(name.generation, key);
        }
        let is_newest = newest.is_none_or(|newest| ring.also_of(newest));
        open_older(&mut ring, &known, &record);
        drop(ring);
        self.vault.outdated.set(!is_newest);
        self.sum_uses(&known);
        is_next
    }

    /// While a rotation of this device is under way, its new key opens the older one, which seals until the server knows
    /// of the rotation.
    fn take_up_rotation(&self, known: &Known, record: &KeyringRecord) {
        let Some(rotation) = &known.rotation else { return };
        let (Some(name), Ok(field)) = (rotation.name(), FieldName::parse(rotation.fact.name.as_str())) else { return };
        let mut ring = self.vault.ring_mut();
        if known.newest() == Some(name) || !ring.also_of(name) {
            return;
        }
        let copied = |ring: &Keyring, name| MasterKey::from_bytes(ring.key(name)?.expose()).ok();
        let (Some(new), Some(key)) = (copied(&ring, name), copied(&ring, name)) else { return };
        let mut opened = Keyring::new();
        opened.insert(name.generation, key);
        let sealed = SealedKey { field: &field, at: rotation.fact.at, text: &rotation.fact.value };
        let older = opened.open_key(record, sealed).ok();
        let older = older.and_then(|older| Some((older, copied(&opened, older)?)));
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

/// Opens the older keys that the ring leads to. A device that knew nothing of the record yet took the key that it had
/// for the first one, so each is looked for as that, too.
fn open_older(ring: &mut Keyring, known: &Known, record: &KeyringRecord) {
    let fields: Vec<(FieldName, &super::Fact)> =
        known.named("key:").filter_map(|(_, fact)| Some((FieldName::parse(fact.name.as_str()).ok()?, fact))).collect();
    let sealed: Vec<SealedKey<'_>> =
        fields.iter().map(|(field, fact)| SealedKey { field, at: fact.at, text: &fact.value }).collect();
    for name in sealed.iter().filter_map(|sealed| KeyringRecord::key_in(sealed.field)) {
        ring.also_of(name);
    }
    ring.open_keys(record, &sealed);
    for name in ring.names().collect::<Vec<_>>() {
        ring.also_of(KeyName { generation: FIRST_GENERATION, ..name });
    }
}

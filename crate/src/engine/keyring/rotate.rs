//! Rotation: the app keeps the new key, the server is told of it by a change of which it takes one per generation, and
//! from then on the new key seals.
//!
//! The older key, sealed under the new one, is kept on this device before the app is asked to keep the new key, so
//! whoever is killed in between can go on with either.

use super::{Known, Phase, ROTATION, Rotation, log, record_of};
use crate::crypto::{Format, KeyName, Keyring, MasterKey, RecoveryCode, WrappedKey};
use crate::engine::error::{Error, Kind, Result};
use crate::engine::ports::Host;
use crate::engine::{Engine, epoch, rows};
use crate::model::{EventId, Origin, Stamp};
use crate::store::{CHANGE_LOG, ENGINE, Mode, Store, Transaction};
use serde_json::json;
use std::rc::Rc;

/// What an app is to keep of a new key before it is used.
pub struct NewKey {
    /// Its generation and id.
    pub name: KeyName,
    /// A new recovery code, for the person to keep: the former one opens the former key only.
    pub code: RecoveryCode,
    /// The new key, wrapped with it.
    pub wrapped: WrappedKey,
}

/// What became of a rotation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The new key seals.
    InForce,
    /// The server does not know of it yet.
    UnderWay,
    /// Another device's was first.
    Refused,
}

/// What is said when another rotation is under way, or was first.
pub fn in_progress() -> Error {
    Error::new(
        Kind::RotationInProgress,
        "another rotation is under way or was first: sync, and unlock with the newest key before you rotate again; throw \
         this new key away then",
    )
}

impl<S: Store, H: Host> Engine<S, H> {
    /// Refuses what cannot come to a rotation.
    pub(in crate::engine) fn check_rotation(&self, new: &MasterKey) -> Result<()> {
        self.vault.check_sealing()?;
        if self.config().format != Format::Two {
            return Err(Error::new(
                Kind::InvalidArgument,
                "rotate needs encryption.format 2: envelopes of format 1 do not say which key opens them; nothing was written",
            ));
        }
        let is_known = self.vault.ring().names().any(|name| name.id == new.id());
        if is_known || self.vault.known.borrow().is_given_up(new.id()) {
            return Err(Error::new(
                Kind::InvalidArgument,
                "the new key is one the user has already: make a fresh one; nothing was written",
            ));
        }
        let is_logged = |rotation: &Rotation| rotation.phase == Phase::Logged;
        if self.vault.known.borrow().rotation.as_ref().is_some_and(is_logged) { Err(in_progress()) } else { Ok(()) }
    }

    /// Whether the server's time is known. The stamp of a rotation is sealed with the key, so no correction moves it.
    pub(in crate::engine) async fn is_time_known(&self) -> Result<bool> {
        let tx = self.store.begin(Mode::Read, &[ENGINE])?;
        let epoch: Option<epoch::Epoch> = rows::read(&tx, rows::CLOCK, "").await?;
        Ok(epoch.is_some_and(|epoch| epoch.offset.is_some() && !self.watch.jumped(&self.host, &epoch.epoch)))
    }

    /// Keeps the older key, sealed under the new one, on this device; gives what the app is to keep.
    pub(in crate::engine) async fn prepare_rotation(self: &Rc<Self>, new: MasterKey) -> Result<NewKey> {
        let locks = self.locks();
        let user = self.config().user_id().to_owned();
        let tx = self.store.begin(Mode::Durable, &[ENGINE])?;
        let epoch = epoch::current(&tx, &self.host, &self.watch).await?;
        if epoch.offset.is_none() {
            return Err(Error::new(
                Kind::SyncFailed,
                "the device's clock was set just now: rotate again; nothing was written",
            ));
        }
        let known = Known::read(&tx, &user).await?;
        let older = self.vault.ring().newest().filter(|older| known.newest().is_none_or(|newest| newest == *older));
        let older = older.ok_or_else(crate::engine::vault::outdated)?;
        if known.rotation.is_some_and(|rotation| rotation.phase == Phase::Logged) {
            return Err(in_progress());
        }
        let at = self.clock.borrow_mut().tick(Some(&epoch), self.host.now_ms(), None);
        let generation = older.generation.checked_add(1).ok_or_else(crate::engine::vault::outdated)?;
        let name = KeyName { generation, id: new.id() };
        let rotation = self.sealed_under(&user, older, (name, &new), at)?;
        let random = |bytes: &mut [u8]| self.host.random(bytes);
        let code = RecoveryCode::generate(&random)?;
        let wrapped = code.wrap(&new, &random)?;
        rows::write(&tx, ROTATION, &user, rotation)?;
        tx.commit().await?;
        self.read_keyring().await?;
        if self.locks() != locks {
            return Err(crate::engine::vault::locked());
        }
        self.vault.next.replace(Some((name, new)));
        Ok(NewKey { name, code, wrapped })
    }

    fn sealed_under(
        &self,
        user: &str,
        older: KeyName,
        (name, new): (KeyName, &MasterKey),
        at: Stamp,
    ) -> Result<Rotation> {
        let mut successor = Keyring::new();
        successor.insert(name.generation, new.copy());
        let ring = self.vault.ring();
        let key = ring.newest_key().filter(|key| key.id() == older.id).ok_or_else(crate::engine::vault::locked)?;
        let record = record_of(user).ok_or_else(crate::engine::vault::locked)?;
        let random = |bytes: &mut [u8]| self.host.random(bytes);
        let value = successor.seal_key(&record, (older, key), at, &random)?;
        let event_id = EventId::named(&format!("{user}/rotate/{}", name.generation)).to_string();
        let fact = super::Fact { name: crate::crypto::KeyringRecord::field_of(older)?.into(), value, at };
        Ok(Rotation { phase: Phase::Prepared, key: name.to_string(), fact, event_id })
    }

    /// Forgets a rotation that the app did not keep the key of. False where it goes on all the same: somebody unlocked another
    /// tab with the new key.
    pub(in crate::engine) async fn forget_rotation(self: &Rc<Self>, name: KeyName) -> Result<bool> {
        let user = self.config().user_id().to_owned();
        let tx = self.store.begin(Mode::Durable, &[ENGINE])?;
        let rotation: Option<Rotation> = rows::read(&tx, ROTATION, &user).await?;
        let is_forgotten = match rotation {
            Some(one) if one.name() == Some(name) => one.phase == Phase::Prepared,
            Some(_) => return Ok(true),
            None => false,
        };
        if is_forgotten {
            rows::remove(&tx, ROTATION, &user)?;
        }
        tx.commit().await?;
        if is_forgotten {
            self.vault.next.borrow_mut().take_if(|(next, _)| *next == name);
        }
        self.read_keyring().await?;
        Ok(is_forgotten)
    }

    /// Logs the prepared rotation, now that the app keeps the new key.
    pub(in crate::engine) async fn log_rotation(self: &Rc<Self>, name: KeyName) -> Result<()> {
        let user = self.config().user_id().to_owned();
        let tx = self.store.begin(Mode::Durable, &[ENGINE, CHANGE_LOG])?;
        let rotation: Option<Rotation> = rows::read(&tx, ROTATION, &user).await?;
        let is_prepared = |one: &Rotation| one.phase == Phase::Prepared && one.name() == Some(name);
        let Some(rotation) = rotation.filter(is_prepared) else { return Ok(()) };
        let newest = Known::read(&tx, &user).await?.newest().map_or(0, |newest| newest.generation);
        let is_first = rotation.name().is_some_and(|name| newest < name.generation);
        let phase = if is_first { Phase::Logged } else { Phase::Refused };
        if is_first {
            log(&tx, &user, std::slice::from_ref(&rotation.fact), rotation.event_id.clone()).await?;
        }
        rows::write(&tx, ROTATION, &user, Rotation { phase, ..rotation })?;
        tx.commit().await?;
        self.keyring_changed().await?;
        if is_first {
            self.committed(&[], Origin::System, 1);
            return Ok(());
        }
        Err(in_progress())
    }

    /// What became of the rotation to that key. Only the fact itself, which the new key opens, tells that it is in force: an
    /// app throws its former key away then.
    pub(in crate::engine) async fn rotation_outcome(self: &Rc<Self>, name: KeyName) -> Result<Outcome> {
        self.keyring_changed().await?;
        let known = self.vault.known.borrow();
        let Some(record) = record_of(self.config().user_id()) else { return Ok(Outcome::UnderWay) };
        Ok(match known.rotation.as_ref().filter(|one| one.name() == Some(name)).map(|one| one.phase) {
            Some(Phase::Prepared | Phase::Logged) => Outcome::UnderWay,
            Some(Phase::Refused) => Outcome::Refused,
            None => match &*self.vault.next.borrow() {
                Some((next, key)) if *next == name => {
                    let is_over = known.is_over(&record, key, self.vault.ring().newest_key());
                    if is_over { Outcome::InForce } else { Outcome::Refused }
                }
                _ if self.vault.ring().newest().is_some_and(|newest| newest.id == name.id) => Outcome::InForce,
                // The vault was locked meanwhile, say.
                _ => Outcome::UnderWay,
            },
        })
    }

    /// The rotation that waits to be logged whose new key is here: the app has kept it.
    pub(in crate::engine) fn rotation_to_continue(&self) -> Option<KeyName> {
        let known = self.vault.known.borrow();
        let name = self.vault.next.borrow().as_ref().map(|(name, _)| *name)?;
        let is_prepared = |one: &Rotation| one.phase == Phase::Prepared && one.name() == Some(name);
        known.rotation.as_ref().is_some_and(is_prepared).then_some(name)
    }
}

/// What a rotation that has no answer yet says.
pub fn under_way(reason: &Error) -> Error {
    Error::new(
        reason.kind(),
        format!(
            "the rotation was begun and goes on by itself when the server answers: keep both keys, and unlock with the new \
             one ({reason})"
        ),
    )
    .with(json!({ "begun": true }))
}

//! The user's keys while they are here: unlocked in one tab, they are in all of them, until the vault is locked.

use super::error::{Error, Kind, Result};
use super::events::Event;
use super::ports::Host;
use super::{Engine, live};
use crate::crypto::{Format, Keyring, MasterKey, PassphraseWrapped, Place, RecoveryCode, Unopened, WrappedKey};
use crate::model::Stamp;
use crate::store::Store;
use futures_channel::oneshot;
use futures_util::future::{Either, select};
use serde_json::Value;
use std::cell::{Cell, RefCell};
use std::rc::Rc;
use zeroize::Zeroizing;

/// The generation of a user's first key.
const FIRST_GENERATION: u16 = 1;

/// How long a write waits for the vault to be unlocked, in milliseconds.
pub const DEFAULT_WAIT_MS: u64 = 2_000;

/// The vault.
#[derive(Default)]
pub struct Vault {
    ring: RefCell<Keyring>,
    waiting: RefCell<Vec<oneshot::Sender<()>>>,
    /// The other tabs were asked for the key, and nothing was said of it since.
    asked: Cell<bool>,
}

impl Vault {
    /// Whether there is no key.
    pub fn is_locked(&self) -> bool {
        self.ring.borrow().is_empty()
    }

    /// Seals a value with the newest key.
    pub fn seal(
        &self,
        format: Format,
        place: &Place<'_>,
        at: Stamp,
        value: &Value,
        random: &dyn Fn(&mut [u8]),
    ) -> Result<String> {
        Ok(self.ring.borrow().seal(format, place, at, value, random)?)
    }

    /// Opens a sealed text.
    pub fn open(&self, place: &Place<'_>, at: Stamp, text: &str) -> std::result::Result<Value, Unopened> {
        self.ring.borrow().open(place, at, text)
    }

    /// Fails while there is no key.
    pub fn check_unlocked(&self) -> Result<()> {
        if self.is_locked() { Err(locked()) } else { Ok(()) }
    }

    /// Drops the keys.
    pub fn clear(&self) {
        self.ring.borrow_mut().clear();
    }

    /// A hex text of the key, for the other tabs of this browser profile.
    fn handover(&self) -> Option<String> {
        let ring = self.ring.borrow();
        let key = ring.newest().and_then(|name| ring.key(name))?;
        Some(key.expose().iter().fold(String::with_capacity(64), |mut hex, byte| {
            hex.push(char::from_digit(u32::from(byte >> 4), 16).unwrap_or('0'));
            hex.push(char::from_digit(u32::from(byte & 15), 16).unwrap_or('0'));
            hex
        }))
    }
}

/// How the vault is unlocked.
pub enum Unlock {
    /// By the key itself: 32 bytes.
    Raw(MasterKey),
    /// By a recovery code and the key that is wrapped with it.
    Recovery(RecoveryCode, WrappedKey),
    /// By a passphrase, as typed and normalized (NFKC), and the key that is wrapped with it.
    Passphrase {
        /// As the person typed it.
        typed: String,
        /// The same, NFKC-normalized.
        normalized: String,
        /// The wrapped key.
        wrapped: PassphraseWrapped,
    },
}

impl Unlock {
    fn key(self) -> Result<MasterKey> {
        Ok(match self {
            Self::Raw(key) => key,
            Self::Recovery(code, wrapped) => code.unwrap(&wrapped)?,
            Self::Passphrase { typed, normalized, wrapped } => {
                wrapped.unwrap(crate::crypto::Passphrase { typed: &typed, nfkc: &normalized })?
            }
        })
    }
}

/// What a call says that needs the key while it is not here.
pub fn locked() -> Error {
    Error::new(
        Kind::VaultLocked,
        "the vault is locked, and what is written here is sealed: unlock it first; nothing was written",
    )
}

impl<S: Store, H: Host> Engine<S, H> {
    /// Whether the user's key is not here.
    pub fn is_locked(&self) -> bool {
        self.vault.is_locked()
    }

    /// Unlocks the vault in this tab and tells the others. Live queries run again.
    pub fn unlock(self: &Rc<Self>, unlock: Unlock) -> Result<()> {
        if self.config().user.is_none() {
            return Err(Error::new(Kind::InvalidArgument, "a guest has no vault: sign a user in first"));
        }
        self.take_key(unlock.key()?);
        self.emit(Event::VaultKey(self.vault.handover()));
        Ok(())
    }

    /// Locks the vault in this tab and tells the others. What was decrypted is dropped: live queries run again.
    pub fn lock(self: &Rc<Self>) {
        self.drop_keys();
        self.emit(Event::VaultKey(None));
    }

    /// A new recovery code, and the newest key wrapped with it.
    pub fn create_recovery_code(&self) -> Result<(RecoveryCode, WrappedKey)> {
        let random = |bytes: &mut [u8]| self.host.random(bytes);
        let code = RecoveryCode::generate(&random)?;
        let ring = self.vault.ring.borrow();
        let key = ring.newest().and_then(|name| ring.key(name)).ok_or_else(locked)?;
        let wrapped = code.wrap(key, &random)?;
        Ok((code, wrapped))
    }

    /// What another tab said of a user's vault: the key, or that it is locked. Another user's is none of this tab's.
    pub(super) fn key_from_elsewhere(self: &Rc<Self>, user: &str, key: Option<&str>) {
        if self.config().user_id() != user || self.config().user.is_none() {
            return;
        }
        match key.map(|hex| MasterKey::from_bytes(&Zeroizing::new(bytes_of(hex)))) {
            Some(Ok(key)) => self.take_key(key),
            Some(Err(_)) => {}
            None => self.drop_keys(),
        }
    }

    /// The key, as this tab asked for it. An answer that comes after the vault was locked is too late.
    pub(super) fn key_given(self: &Rc<Self>, user: &str, key: &str) {
        if self.vault.asked.get() {
            self.key_from_elsewhere(user, Some(key));
        }
    }

    /// What a tab that was just opened by that user is told.
    pub(super) fn key_for(&self, user: &str) -> Option<String> {
        if self.config().user_id() == user { self.vault.handover() } else { None }
    }

    /// Whether the other tabs are to be asked for the key.
    pub(super) fn wants_key(&self) -> bool {
        let wants = self.config().user.is_some() && self.vault.is_locked() && self.has_sealed_fields();
        self.vault.asked.set(wants);
        wants
    }

    /// Only one key is in use: a wrong one that was tried before does not stay.
    fn take_key(self: &Rc<Self>, key: MasterKey) {
        self.vault.clear();
        self.vault.ring.borrow_mut().insert(FIRST_GENERATION, key);
        self.vault_changed();
    }

    pub(super) fn drop_keys(self: &Rc<Self>) {
        self.vault.ring.borrow_mut().clear();
        self.vault_changed();
    }

    fn vault_changed(self: &Rc<Self>) {
        self.vault.asked.set(false);
        let locked = self.vault.is_locked();
        if !locked {
            // The receiver is gone when nobody waits any more.
            for waiting in self.vault.waiting.take() {
                let _ = waiting.send(());
            }
        }
        self.live.invalidate_all();
        live::schedule(self);
        self.emit(Event::Vault { locked });
    }

    /// Whether any table has fields that are sealed.
    pub(super) fn has_sealed_fields(&self) -> bool {
        self.config().seals_fields()
    }

    /// Waits for the vault to be unlocked, at most `ms` milliseconds; gives whether it is.
    pub async fn unlocked_within(&self, ms: u64) -> bool {
        if !self.vault.is_locked() {
            return true;
        }
        let (sender, receiver) = oneshot::channel();
        self.vault.waiting.borrow_mut().push(sender);
        matches!(select(receiver, self.host.sleep(ms)).await, Either::Left(_))
    }
}

fn bytes_of(hex: &str) -> Vec<u8> {
    let digits: Vec<u8> = hex.chars().filter_map(|c| u8::try_from(c.to_digit(16)?).ok()).collect();
    digits.chunks_exact(2).map(|pair| pair[0] << 4 | pair[1]).collect()
}

//! The user's keys while they are here: unlocked in one tab, they are in all of them, until the vault is locked.

use super::error::{Error, Kind, Result};
use super::events::Event;
use super::key_text::KeyText;
use super::keyring::Known;
use super::ports::Host;
use super::{Engine, live};
use crate::crypto::{KeyName, Keyring, MasterKey, PassphraseWrapped, Random, RecoveryCode, WrappedKey};
use crate::store::Store;
use futures_channel::oneshot;
use futures_util::future::{Either, select};
use std::cell::{Cell, Ref, RefCell, RefMut};
use std::rc::Rc;
use zeroize::Zeroizing;

/// The generation of a user's first key.
pub const FIRST_GENERATION: u16 = 1;

/// The vault.
#[derive(Default)]
pub struct Vault {
    ring: RefCell<Keyring>,
    waiting: RefCell<Vec<oneshot::Sender<()>>>,
    /// The other tabs were asked for the key, and nothing was said of it since.
    asked: Cell<bool>,
    /// What is known of the user's keys without having any.
    pub(super) known: RefCell<Known>,
    /// The keys that are here are not the user's newest: they read, and seal nothing.
    pub(super) outdated: Cell<bool>,
    /// The new key of a rotation that the server does not know of yet.
    pub(super) next: RefCell<Option<(KeyName, MasterKey)>>,
    /// Keys with which it was unlocked before, until it is locked: one of them may come to lie under the one that is here.
    /// They open nothing before that.
    pub(super) former: RefCell<Vec<MasterKey>>,
    /// Sealing anew is under way.
    pub(super) tending: Cell<bool>,
    /// Up to how many uses of the newest key were counted.
    pub(super) charged: Cell<u64>,
    /// How often it was locked.
    locks: Cell<u64>,
    /// The app was asked for a rotation.
    asked_for_rotation: Cell<bool>,
    /// Tables and fields in which something was read that these keys do not open.
    unreadable: RefCell<Vec<(String, String)>>,
}

impl Vault {
    /// Whether there is no key.
    pub fn is_locked(&self) -> bool {
        self.ring.borrow().is_empty()
    }

    /// The keys.
    pub fn ring(&self) -> Ref<'_, Keyring> {
        self.ring.borrow()
    }

    pub(super) fn ring_mut(&self) -> RefMut<'_, Keyring> {
        self.ring.borrow_mut()
    }

    /// Fails while there is no key that may seal.
    pub fn check_sealing(&self) -> Result<()> {
        match (self.is_locked(), self.outdated.get()) {
            (true, _) => Err(locked()),
            (false, true) => Err(outdated()),
            (false, false) => Ok(()),
        }
    }

    /// A key that somebody was about to bring comes too late.
    pub(super) fn count_lock(&self) {
        self.locks.set(self.locks.get() + 1);
    }

    /// Drops the keys.
    pub fn clear(&self) {
        self.ring.borrow_mut().clear();
        self.next.take();
        self.outdated.set(false);
        self.charged.set(0);
        self.unreadable.take();
    }

    /// Drops the keys, and those that it was unlocked with before.
    pub fn forget(&self) {
        self.clear();
        self.former.take();
    }

    /// Whether this is the first value of a field that the keys which are here do not open.
    pub(super) fn is_first_unreadable(&self, table: &str, field: &str) -> bool {
        let mut told = self.unreadable.borrow_mut();
        let is_first = !told.iter().any(|(one, of)| one == table && of == field);
        if is_first {
            told.push((table.to_owned(), field.to_owned()));
        }
        is_first
    }

    /// Whether the app is to be asked for a rotation: once.
    pub(super) fn asks_for_rotation(&self) -> bool {
        !self.asked_for_rotation.replace(true)
    }

    /// The key as a text, for the other tabs of this browser profile.
    pub(super) fn handover(&self) -> Option<KeyText> {
        self.ring().newest_key().map(KeyText::of)
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
        typed: Zeroizing<String>,
        /// The same, NFKC-normalized.
        normalized: Zeroizing<String>,
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

/// What a call says that needs the newest key while an older one is here.
pub fn outdated() -> Error {
    Error::new(
        Kind::KeyOutdated,
        "the vault was unlocked with a key that is not the user's newest, and seals nothing with it: unlock it with the \
         newest key, which opens everything; nothing was written",
    )
}

impl<S: Store, H: Host> Engine<S, H> {
    /// Whether the keys that are here read older values only.
    pub fn is_outdated(&self) -> bool {
        self.vault.outdated.get()
    }

    /// Whether the user's key is not here.
    pub fn is_locked(&self) -> bool {
        self.vault.is_locked()
    }

    /// Unlocks the vault in this tab and tells the others. Live queries run again.
    pub fn unlock(self: &Rc<Self>, unlock: Unlock) -> Result<()> {
        if self.config().user.is_none() {
            return Err(Error::new(Kind::InvalidArgument, "a guest has no vault: sign a user in first"));
        }
        let key = unlock.key()?;
        self.keep_former(&key);
        // The others get the key that the person gave, whatever this tab makes of it: it may not have heard of a rotation.
        let given = KeyText::of(&key);
        self.take_key(key);
        self.emit(Event::VaultKey(Some(given)));
        let engine = Rc::clone(self);
        self.host.spawn(Box::pin(async move {
            // Where a tab died before it told, what is stored says more. Where that fails, the next call does.
            let _ = engine.read_keyring().await;
            if let Some(name) = engine.rotation_to_continue() {
                // Where it fails, the next unlock tries it again.
                let _ = engine.log_rotation(name).await;
            }
        }));
        Ok(())
    }

    /// Locks the vault in this tab and tells the others. What was decrypted is dropped: live queries run again.
    pub fn lock(self: &Rc<Self>) {
        self.drop_keys();
        self.lock_elsewhere();
    }

    /// Has the other tabs lock the user's vault.
    pub fn lock_elsewhere(&self) {
        self.emit(Event::VaultKey(None));
    }

    /// A new recovery code, and the user's newest key wrapped with it.
    pub fn create_recovery_code(&self) -> Result<(RecoveryCode, WrappedKey)> {
        self.wrap_key(|key, random| {
            let code = RecoveryCode::generate(random)?;
            let wrapped = code.wrap(key, random)?;
            Ok((code, wrapped))
        })
    }

    /// Has `wrap` wrap the user's newest key.
    pub fn wrap_key<T>(
        &self,
        wrap: impl FnOnce(&MasterKey, Random<'_>) -> std::result::Result<T, crate::crypto::Error>,
    ) -> Result<T> {
        self.vault.check_sealing()?;
        let ring = self.vault.ring();
        Ok(wrap(ring.newest_key().ok_or_else(locked)?, &|bytes| self.host.random(bytes))?)
    }

    /// What another tab said of a user's vault: the key, or that it is locked. Another user's is none of this tab's.
    pub(super) fn key_from_elsewhere(self: &Rc<Self>, user: &str, key: Option<&KeyText>) {
        if self.config().user_id() != user || self.config().user.is_none() {
            return;
        }
        let Some(text) = key else { return self.drop_keys() };
        if let Some(key) = text.key() {
            self.take_key(key);
        }
    }

    /// The key, as this tab asked for it. An answer that comes after the vault was locked is too late.
    pub(super) fn key_given(self: &Rc<Self>, user: &str, key: &KeyText) {
        if self.vault.asked.get() {
            self.key_from_elsewhere(user, Some(key));
        }
    }

    /// What a tab that was just opened by that user is told.
    pub(super) fn key_for(&self, user: &str) -> Option<KeyText> {
        if self.config().user_id() == user { self.vault.handover() } else { None }
    }

    /// Whether the other tabs are to be asked for the key.
    pub(super) fn wants_key(&self) -> bool {
        let wants = self.config().user.is_some() && self.vault.is_locked() && self.config().seals_fields();
        self.vault.asked.set(wants);
        wants
    }

    /// Only one key is in use, and what it opens: a wrong one that was tried before opens nothing any more. Until something is
    /// known of the user's keys, it is taken for the first one.
    fn take_key(self: &Rc<Self>, key: MasterKey) {
        self.vault.clear();
        self.vault.ring.borrow_mut().insert(FIRST_GENERATION, key);
        self.settle_ring();
        self.vault_changed();
    }

    /// How often the vault was locked, by whoever, since the engine was opened.
    pub fn locks(&self) -> u64 {
        self.vault.locks.get()
    }

    pub(super) fn drop_keys(self: &Rc<Self>) {
        self.vault.count_lock();
        self.vault.forget();
        self.vault_changed();
    }

    pub(super) fn vault_changed(self: &Rc<Self>) {
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
        self.emit(Event::Vault { locked, outdated: self.vault.outdated.get() });
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

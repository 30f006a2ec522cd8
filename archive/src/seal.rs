//! The seal: AES-256-GCM under a key that PBKDF2 makes of a passphrase (NIST SP 800-38D, RFC 8018).

use crate::manifest::SealParameters;
use crate::{Archive, Error, Limits, Manifest, Result};
use aes_gcm::aead::{AeadInOut, KeyInit};
use aes_gcm::{Aes256Gcm, Nonce};
use hmac::{Hmac, Mac};
use sha2::{Digest, Sha256};
use std::io::{Cursor, Read, Seek, SeekFrom};
use unicode_normalization::UnicodeNormalization;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

/// Iterations of a new seal: OWASP's for PBKDF2-HMAC-SHA256 (Password Storage Cheat Sheet).
pub const ITERATIONS: u32 = 600_000;
/// What the key check is made of.
const KEY_CHECK: &[u8] = b"mana key check v1";
/// Bytes that are hashed at once.
const PIECE: usize = 64 * 1024;

/// The random bytes of one archive, each used once.
#[derive(Debug, Clone, Copy)]
pub struct SealRandom {
    /// PBKDF2's salt: NIST SP 800-132, 5.1, asks for 16 bytes.
    pub salt: [u8; 16],
    /// AES-GCM's initialization vector.
    pub iv: [u8; 12],
    /// Goes into what is sealed, so that its hash in the manifest confirms nobody's guess of it.
    pub blind: [u8; 16],
}

impl From<[u8; 44]> for SealRandom {
    fn from(bytes: [u8; 44]) -> Self {
        let part = |from: usize, to: usize| &bytes[from..to];
        let (salt, iv, blind) = (part(0, 16), part(16, 28), part(28, 44));
        let fits = "the parts have these sizes";
        Self {
            salt: salt.try_into().expect(fits),
            iv: iv.try_into().expect(fits),
            blind: blind.try_into().expect(fits),
        }
    }
}

/// The key of one archive.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct SealKey([u8; 32]);

impl std::fmt::Debug for SealKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SealKey")
    }
}

impl SealKey {
    /// What `PBKDF2-HMAC-SHA256` makes of the passphrase's NFKC form. Takes as long as the iterations do.
    #[must_use]
    pub fn derive(passphrase: &str, salt: &[u8], iterations: u32) -> Self {
        let normal: Zeroizing<String> = Zeroizing::new(passphrase.nfkc().collect());
        Self::derive_exactly(&normal, salt, iterations)
    }

    /// The same of the passphrase as it was typed: for archives of programs that do not normalise.
    #[must_use]
    pub fn derive_exactly(passphrase: &str, salt: &[u8], iterations: u32) -> Self {
        Self(pbkdf2::pbkdf2_hmac_array::<Sha256, 32>(passphrase.as_bytes(), salt, iterations))
    }

    /// What was derived elsewhere.
    #[must_use]
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Its bytes.
    #[must_use]
    pub fn to_bytes(&self) -> Zeroizing<[u8; 32]> {
        Zeroizing::new(self.0)
    }

    /// What stands in the manifest, and no other key gives.
    #[must_use]
    pub fn check(&self) -> [u8; 16] {
        let Ok(mut mac) = <Hmac<Sha256> as KeyInit>::new_from_slice(&self.0) else {
            unreachable!("HMAC takes keys of any length");
        };
        mac.update(KEY_CHECK);
        let mut check = [0; 16];
        check.copy_from_slice(&mac.finalize().into_bytes()[..16]);
        check
    }

    fn cipher(&self) -> Aes256Gcm {
        Aes256Gcm::new(&self.0.into())
    }

    /// Seals `body` in place, with its tag behind it.
    pub(crate) fn seal(&self, iv: [u8; 12], body: &mut Vec<u8>) -> Result<()> {
        let sealed = self.cipher().encrypt_in_place(&Nonce::from(iv), b"", body);
        sealed.map_err(|_| Error::TooLarge("more than AES-GCM seals".to_owned()))
    }
}

/// What opens a sealed body, but for the passphrase and the body itself.
#[derive(Debug)]
pub struct Lock {
    manifest: Manifest,
    parameters: SealParameters,
    limits: Limits,
    words: Option<Vec<u8>>,
}

impl Lock {
    /// `words` are those beside the body, where all around it is as it was written.
    pub(crate) fn new(manifest: Manifest, parameters: SealParameters, limits: Limits, words: Option<Vec<u8>>) -> Self {
        Self { manifest, parameters, limits, words }
    }

    /// How the body is sealed.
    #[must_use]
    pub fn parameters(&self) -> &SealParameters {
        &self.parameters
    }

    /// [`Error::WrongPassphrase`] where the archive's key check says that a key is another one.
    pub fn check(&self, key: &SealKey) -> Result<()> {
        let is_other = self.parameters.key_check.is_some_and(|check| check != key.check());
        if is_other { Err(Error::WrongPassphrase) } else { Ok(()) }
    }

    /// Opens a body in place. [`Error::WrongPassphrase`] when the key is another one, [`Error::Damaged`] when it is this one and the
    /// body is not as it was, [`Error::WrongPassphraseOrDamaged`] when the archive does not say which.
    pub fn decrypt(&self, key: &SealKey, body: &mut Vec<u8>) -> Result<()> {
        self.check(key)?;
        let opened = key.cipher().decrypt_in_place(&Nonce::from(self.parameters.iv), b"", body);
        opened.map_err(|_| match self.parameters.key_check {
            Some(_) => Error::damaged("its sealed body was changed"),
            None => Error::WrongPassphraseOrDamaged,
        })
    }

    /// Goes on with a body that was opened, here or by whatever does AES-GCM, with a key that [`Self::check`] took: checks that it
    /// is what was sealed.
    pub fn opened<R: Read + Seek>(self, mut body: R) -> Result<Archive<R>> {
        if let Some(said) = self.parameters.plaintext_sha256
            && hash_of(&mut body)? != said
        {
            return Err(Error::damaged("its hash says that something else was sealed"));
        }
        Archive::inside(body, self.manifest, self.limits, self.words.as_deref())
    }
}

fn hash_of<R: Read + Seek>(body: &mut R) -> Result<[u8; 32]> {
    body.seek(SeekFrom::Start(0))?;
    let (mut hash, mut piece) = (Sha256::new(), vec![0; PIECE]);
    loop {
        match body.read(&mut piece)? {
            0 => return Ok(hash.finalize().into()),
            count => hash.update(&piece[..count]),
        }
    }
}

/// A sealed body, and what opens it but for the passphrase.
#[derive(Debug)]
pub struct Sealed {
    lock: Lock,
    body: Vec<u8>,
}

impl Sealed {
    pub(crate) fn new(lock: Lock, body: Vec<u8>) -> Self {
        Self { lock, body }
    }

    /// The two, for a program that does AES-GCM by other means.
    #[must_use]
    pub fn into_parts(self) -> (Lock, Vec<u8>) {
        (self.lock, self.body)
    }

    /// Opens it with a passphrase, in NFKC or as it was typed. Takes as long as the iterations do, twice where the two differ.
    pub fn open(self, passphrase: &str) -> Result<Archive<Cursor<Vec<u8>>>> {
        let SealParameters { salt, iterations, .. } = self.lock.parameters;
        let key = SealKey::derive(passphrase, &salt, iterations);
        if passphrase.nfkc().eq(passphrase.chars()) || self.fits(&key) {
            return self.open_with(&key);
        }
        let typed = SealKey::derive_exactly(passphrase, &salt, iterations);
        let fitting = if self.fits(&typed) { typed } else { key };
        self.open_with(&fitting)
    }

    /// Opens it with a key; fails as [`Lock::decrypt`] does.
    pub fn open_with(mut self, key: &SealKey) -> Result<Archive<Cursor<Vec<u8>>>> {
        self.lock.decrypt(key, &mut self.body)?;
        self.lock.opened(Cursor::new(self.body))
    }

    /// Whether it opens with a key, as far as can be told.
    fn fits(&self, key: &SealKey) -> bool {
        match self.lock.parameters.key_check {
            Some(_) => self.lock.check(key).is_ok(),
            None => self.lock.decrypt(key, &mut self.body.clone()).is_ok(),
        }
    }
}

//! Master keys wrapped with a passphrase.

use super::kdf::pbkdf2_sha256;
use super::secret::{Random, random_bytes};
use super::{Error, MasterKey, WrapKey, WrappedKey, base64};
use crate::model::{Fields, Object};
use serde_json::Value;
use std::ops::RangeInclusive;

/// The only derivation there is.
const KDF: &str = "PBKDF2-SHA256";
/// Iterations of a new wrap: what OWASP's Password Storage Cheat Sheet asks of PBKDF2-HMAC-SHA256.
pub const ITERATIONS: u32 = 600_000;
/// Iterations of a wrap that is opened: from what RFC 8018, 4.2, asks at least, to ten seconds or so of a slow device.
/// A wrapped key comes from a server; without an upper bound that could make the app hang.
const OPENABLE_ITERATIONS: RangeInclusive<u32> = 1_000..=10_000_000;
/// Bytes of a new wrap's salt: NIST SP 800-132, 5.1, asks for 16.
const SALT_BYTES: usize = 16;
/// Bytes of a salt that is opened: RFC 8018, 4.1, asks for at least 8.
const OPENABLE_SALT_BYTES: RangeInclusive<usize> = 8..=64;

/// A passphrase as it was typed, and in the Unicode form NFKC (`text.normalize('NFKC')`): keyboards and systems differ in
/// how they spell one letter.
#[derive(Clone, Copy)]
pub struct Passphrase<'a> {
    /// What wraps are made with, and what is tried first.
    pub nfkc: &'a str,
    /// What is tried second, for wraps by programs that do not normalise.
    pub typed: &'a str,
}

impl std::fmt::Debug for Passphrase<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Passphrase")
    }
}

/// A master key sealed with a passphrase, and how that becomes a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PassphraseWrapped {
    iterations: u32,
    salt: Vec<u8>,
    wrapped: WrappedKey,
}

impl PassphraseWrapped {
    /// Reads `{ kdf, iterations, salt, iv, ciphertext }`; [`Error::WrappedKeyMalformed`] names the part that is not what
    /// it should be, or out of bounds.
    pub fn parse(json: Value) -> Result<Self, Error> {
        let mut fields = Fields::of(json).ok_or(Error::WrappedKeyMalformed("not an object"))?;
        let mut text = |name| fields.take::<String>(name).map_err(Error::WrappedKeyMalformed);
        let (kdf, salt, iv, ciphertext) = (text("kdf")?, text("salt")?, text("iv")?, text("ciphertext")?);
        let iterations = fields.take("iterations").ok().filter(|many| OPENABLE_ITERATIONS.contains(many));
        let salt = base64::decode(&salt).filter(|salt| OPENABLE_SALT_BYTES.contains(&salt.len()));
        if kdf != KDF {
            return Err(Error::WrappedKeyMalformed("kdf"));
        }
        Ok(Self {
            iterations: iterations.ok_or(Error::WrappedKeyMalformed("iterations"))?,
            salt: salt.ok_or(Error::WrappedKeyMalformed("salt"))?,
            wrapped: WrappedKey::parse(&iv, &ciphertext)?,
        })
    }

    /// A salt for [`Self::wrap_with`].
    pub fn salt_of(random: Random<'_>) -> Result<[u8; SALT_BYTES], Error> {
        random_bytes(random)
    }

    /// Seals a master key with a passphrase under a fresh salt. Takes as long as [`ITERATIONS`] do.
    pub fn wrap(passphrase: Passphrase<'_>, key: &MasterKey, random: Random<'_>) -> Result<Self, Error> {
        let salt = Self::salt_of(random)?;
        Self::wrap_with(&derive(passphrase.nfkc, &salt, ITERATIONS), salt.to_vec(), ITERATIONS, key, random)
    }

    /// Seals a master key with what was derived elsewhere from the passphrase's NFKC form, this salt and so many
    /// iterations; what could not be opened again is refused.
    pub fn wrap_with(
        derived: &WrapKey,
        salt: Vec<u8>,
        iterations: u32,
        key: &MasterKey,
        random: Random<'_>,
    ) -> Result<Self, Error> {
        if !OPENABLE_ITERATIONS.contains(&iterations) {
            return Err(Error::WrappedKeyMalformed("iterations"));
        }
        if !OPENABLE_SALT_BYTES.contains(&salt.len()) {
            return Err(Error::WrappedKeyMalformed("salt"));
        }
        Ok(Self { iterations, salt, wrapped: derived.wrap(key, random)? })
    }

    /// Opens the master key; [`Error::PassphraseWrong`] when neither form of the passphrase does.
    pub fn unwrap(&self, passphrase: Passphrase<'_>) -> Result<MasterKey, Error> {
        let first = self.unwrap_with(&derive(passphrase.nfkc, &self.salt, self.iterations));
        if first.is_ok() || passphrase.typed == passphrase.nfkc {
            return first;
        }
        self.unwrap_with(&derive(passphrase.typed, &self.salt, self.iterations))
    }

    /// Opens the master key with what was derived elsewhere from the passphrase, [`Self::salt`] and [`Self::iterations`].
    pub fn unwrap_with(&self, derived: &WrapKey) -> Result<MasterKey, Error> {
        derived.unwrap(&self.wrapped).ok_or(Error::PassphraseWrong)
    }

    /// How often the derivation repeats.
    #[must_use]
    pub fn iterations(&self) -> u32 {
        self.iterations
    }

    /// The derivation's salt.
    #[must_use]
    pub fn salt(&self) -> &[u8] {
        &self.salt
    }

    /// `{ kdf, iterations, salt, iv, ciphertext }`, bytes in standard base64.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let object = Object::new().with("kdf", KDF).with("iterations", self.iterations);
        let object = object.with("salt", base64::encode(&self.salt)).with("iv", self.wrapped.iv());
        object.with("ciphertext", self.wrapped.ciphertext()).into()
    }
}

fn derive(passphrase: &str, salt: &[u8], iterations: u32) -> WrapKey {
    WrapKey::filled(|bytes| pbkdf2_sha256(passphrase.as_bytes(), salt, iterations, bytes))
}

//! A master key sealed for safekeeping, with a key that somebody derives from what a person knows.

use super::cipher::{Cipher, IV_BYTES, TAG_BYTES};
use super::secret::{KEY_BYTES, Random, Secret, cleanly, random_bytes};
use super::{Error, MasterKey, base64};
use zeroize::{ZeroizeOnDrop, Zeroizing};

/// A key that seals master keys and nothing else; overwritten when it is dropped.
pub struct WrapKey(Secret);

impl WrapKey {
    /// The key with these 32 bytes, such as `crypto.subtle.deriveBits` gives; [`Error::KeyMalformed`] for another number.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Error> {
        Secret::copied(bytes).map(Self).ok_or(Error::KeyMalformed)
    }

    pub(crate) fn filled(fill: impl FnOnce(&mut [u8; KEY_BYTES])) -> Self {
        Self(Secret::filled(fill))
    }

    /// Seals a master key under a fresh IV.
    pub fn wrap(&self, key: &MasterKey, random: Random<'_>) -> Result<WrappedKey, Error> {
        let iv = random_bytes(random)?;
        let mut buffer = Vec::with_capacity(KEY_BYTES + TAG_BYTES);
        buffer.extend_from_slice(key.expose());
        // A cipher works on copies of what it seals and opens, and here that is a key.
        cleanly(|| Cipher::new(self.0.expose()).seal(&iv, &[], &mut buffer));
        Ok(WrappedKey { iv, ciphertext: buffer })
    }

    /// Opens a wrapped master key; `None` when it was wrapped with another key, or damaged.
    #[must_use]
    pub fn unwrap(&self, wrapped: &WrappedKey) -> Option<MasterKey> {
        let mut buffer = Zeroizing::new(wrapped.ciphertext.clone());
        let opened = cleanly(|| Cipher::new(self.0.expose()).open(&wrapped.iv, &[], &mut buffer));
        opened.then(|| MasterKey::from_bytes(&buffer).ok()).flatten()
    }
}

impl ZeroizeOnDrop for WrapKey where Secret: ZeroizeOnDrop {}

impl std::fmt::Debug for WrapKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("WrapKey")
    }
}

/// A sealed master key: the IV, and the ciphertext of 32 bytes with its tag.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WrappedKey {
    iv: [u8; IV_BYTES],
    ciphertext: Vec<u8>,
}

impl WrappedKey {
    /// Reads IV and ciphertext in standard base64; [`Error::WrappedKeyMalformed`] names the part that is something else.
    pub fn parse(iv: &str, ciphertext: &str) -> Result<Self, Error> {
        let iv = base64::decode_exactly(iv).ok_or(Error::WrappedKeyMalformed("iv"))?;
        let ciphertext = base64::decode_exactly::<{ KEY_BYTES + TAG_BYTES }>(ciphertext);
        Ok(Self { iv, ciphertext: ciphertext.ok_or(Error::WrappedKeyMalformed("ciphertext"))?.to_vec() })
    }

    /// The IV in standard base64.
    #[must_use]
    pub fn iv(&self) -> String {
        base64::encode(&self.iv)
    }

    /// The ciphertext in standard base64.
    #[must_use]
    pub fn ciphertext(&self) -> String {
        base64::encode(&self.ciphertext)
    }
}

//! A user's master key, its id and its name.

use super::cipher::Cipher;
use super::kdf::hkdf_sha256;
use super::secret::{KEY_BYTES, Random, Secret, wipe_stack};
use super::{Error, IV_BYTES};
use zeroize::ZeroizeOnDrop;

/// Says to HKDF that a key id is derived, so that nothing else derived from the key tells anything of it or is told.
const ID_INFO: &[u8] = b"mana-key-id-v1";

/// Tells keys apart without telling anything about them: four bytes that HKDF derives, written as eight lower-case
/// hexadecimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyId(u32);

impl std::fmt::Display for KeyId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:08x}", self.0)
    }
}

/// What an envelope says of its key: the generation (the first is 1, each rotation takes the next) and the key's id.
/// A greater name is a newer key; of two keys of one generation the one with the greater id counts as newer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyName {
    /// How many keys there had been, counting this one.
    pub generation: u16,
    /// Which of them it is.
    pub id: KeyId,
}

impl KeyName {
    /// Reads twelve lower-case hexadecimal digits.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        if text.len() != 12 || !text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')) {
            return None;
        }
        let (generation, id) = text.split_at(4);
        Some(Self {
            generation: u16::from_str_radix(generation, 16).ok()?,
            id: KeyId(u32::from_str_radix(id, 16).ok()?),
        })
    }
}

impl std::fmt::Display for KeyName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:04x}{}", self.generation, self.id)
    }
}

/// The key that seals a user's values: 32 bytes that are overwritten when it is dropped.
pub struct MasterKey {
    secret: Secret,
    cipher: Cipher,
    id: KeyId,
}

impl MasterKey {
    /// A fresh key.
    pub fn generate(random: Random<'_>) -> Result<Self, Error> {
        Secret::random(random).map(Self::of)
    }

    /// The key with these 32 bytes; [`Error::KeyMalformed`] for another number. The caller overwrites its own copy.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Error> {
        Secret::copied(bytes).map(Self::of).ok_or(Error::KeyMalformed)
    }

    fn of(secret: Secret) -> Self {
        let mut id = [0; 4];
        let derived = hkdf_sha256(secret.expose(), &[], ID_INFO, &mut id);
        debug_assert!(derived, "HKDF gives four bytes");
        let cipher = Cipher::new(secret.expose());
        Self { secret, cipher, id: KeyId(u32::from_be_bytes(id)) }
    }

    /// Another copy of the key, overwritten when that is dropped.
    #[must_use]
    pub fn copy(&self) -> Self {
        Self::of(self.secret.copy())
    }

    /// The key's id.
    #[must_use]
    pub fn id(&self) -> KeyId {
        self.id
    }

    /// The key itself, for handing it to `WebCrypto` or another tab.
    #[must_use]
    pub fn expose(&self) -> &[u8; KEY_BYTES] {
        self.secret.expose()
    }

    pub(super) fn seal(&self, iv: &[u8; IV_BYTES], associated: &[u8], buffer: &mut Vec<u8>) {
        self.cipher.seal(iv, associated, buffer);
    }

    pub(super) fn open(&self, iv: &[u8; IV_BYTES], associated: &[u8], buffer: &mut Vec<u8>) -> bool {
        self.cipher.open(iv, associated, buffer)
    }
}

impl Drop for MasterKey {
    fn drop(&mut self) {
        // The key's own parts overwrite themselves; this is for what sealing and opening left on the stack.
        wipe_stack();
    }
}

impl ZeroizeOnDrop for MasterKey {}

impl PartialEq for MasterKey {
    fn eq(&self, other: &Self) -> bool {
        self.expose() == other.expose()
    }
}

impl std::fmt::Debug for MasterKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "MasterKey({})", self.id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_has_one_spelling() {
        let name = KeyName::parse("000a01abcdef").unwrap();
        assert_eq!((name.generation, name.to_string()), (10, "000a01abcdef".to_owned()));
        for other in ["000A01abcdef", "000a01abcde", "000a01abcdef0", "+00a01abcdef", "000a+1abcdef", "00é01abcdef", ""]
        {
            assert_eq!(KeyName::parse(other), None, "{other}");
        }
    }

    #[test]
    fn newer_names_are_greater() {
        let name = |text| KeyName::parse(text).unwrap();
        assert!(name("000200000000") > name("0001ffffffff"));
        assert!(name("000200000001") > name("000200000000"));
    }

    #[test]
    fn a_key_has_32_bytes() {
        for length in [0, 16, 31, 33, 64] {
            assert_eq!(MasterKey::from_bytes(&vec![1; length]).err(), Some(Error::KeyMalformed));
        }
        assert_eq!(MasterKey::from_bytes(&[1; 32]).unwrap().expose(), &[1; 32]);
    }
}

//! AES-256-GCM (NIST SP 800-38D, RFC 5116) with IVs of 12 bytes and tags of 16.

use super::secret::{KEY_BYTES, cleanly};
use aes_gcm::aead::{AeadInOut, KeyInit};
use aes_gcm::{Aes256Gcm, Nonce, Tag};
use zeroize::ZeroizeOnDrop;

/// Bytes of an initialisation vector.
pub const IV_BYTES: usize = 12;
/// Bytes of an authentication tag.
pub const TAG_BYTES: usize = 16;

/// A key, prepared for sealing and opening. It does not count its uses and takes any IV.
pub struct Cipher {
    // In one place of the heap, where dropping it overwrites it.
    aes: Box<Aes256Gcm>,
}

impl Cipher {
    /// Prepares a key.
    #[must_use]
    pub fn new(key: &[u8; KEY_BYTES]) -> Self {
        cleanly(|| Self { aes: Box::new(Aes256Gcm::new(key.into())) })
    }

    /// Turns plaintext into ciphertext, with the tag behind it.
    ///
    /// # Panics
    /// When the plaintext has more than 64 GiB.
    pub fn seal(&self, iv: &[u8; IV_BYTES], associated: &[u8], buffer: &mut Vec<u8>) {
        let tag = self
            .aes
            .encrypt_inout_detached(&Nonce::from(*iv), associated, buffer.as_mut_slice().into())
            .expect("a text in memory has less than 64 GiB");
        // Only now may the buffer move: what stays behind is ciphertext.
        buffer.extend_from_slice(&tag);
    }

    /// Turns ciphertext with its tag into plaintext. `false`, with the buffer as it was, when key, IV, associated data
    /// and ciphertext do not belong together.
    #[must_use]
    pub fn open(&self, iv: &[u8; IV_BYTES], associated: &[u8], buffer: &mut Vec<u8>) -> bool {
        let Some(length) = buffer.len().checked_sub(TAG_BYTES) else { return false };
        let (text, tag) = buffer.split_at_mut(length);
        let Ok(tag) = Tag::try_from(&*tag) else { return false };
        let opened = self.aes.decrypt_inout_detached(&Nonce::from(*iv), associated, text.into(), &tag).is_ok();
        if opened {
            buffer.truncate(length);
        }
        opened
    }
}

// Both parts of the cipher overwrite themselves.
impl ZeroizeOnDrop for Cipher where Aes256Gcm: ZeroizeOnDrop {}

impl std::fmt::Debug for Cipher {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Cipher")
    }
}

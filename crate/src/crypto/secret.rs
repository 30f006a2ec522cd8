//! Bytes that are overwritten when they are no longer needed, and randomness as an argument.

use super::Error;
use zeroize::{Zeroize, ZeroizeOnDrop};

/// Bytes of every key.
pub const KEY_BYTES: usize = 32;

/// Fills bytes from a cryptographic source, such as `crypto.getRandomValues`.
pub type Random<'a> = &'a dyn Fn(&mut [u8]);

/// Thirty-two secret bytes in one place of the heap: moving the owner leaves no copy behind, dropping it overwrites them.
pub struct Secret(Box<[u8; KEY_BYTES]>);

impl Secret {
    /// A secret made in place.
    pub fn filled(fill: impl FnOnce(&mut [u8; KEY_BYTES])) -> Self {
        let mut secret = Self(Box::new([0; KEY_BYTES]));
        fill(&mut secret.0);
        secret
    }

    /// A random secret.
    pub fn random(random: Random<'_>) -> Result<Self, Error> {
        let secret = Self::filled(|bytes| random(bytes));
        check_filled(&*secret.0)?;
        Ok(secret)
    }

    /// A copy of exactly so many bytes; `None` of any other number.
    pub fn copied(bytes: &[u8]) -> Option<Self> {
        (bytes.len() == KEY_BYTES).then(|| Self::filled(|secret| secret.copy_from_slice(bytes)))
    }

    /// Another copy, overwritten on its own.
    pub fn copy(&self) -> Self {
        Self::filled(|secret| *secret = *self.0)
    }

    pub fn expose(&self) -> &[u8; KEY_BYTES] {
        &self.0
    }
}

impl Drop for Secret {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl ZeroizeOnDrop for Secret {}

/// Random bytes that are not secret: initialisation vectors and salts.
pub fn random_bytes<const N: usize>(random: Random<'_>) -> Result<[u8; N], Error> {
    let mut bytes = [0; N];
    random(&mut bytes);
    check_filled(&bytes)?;
    Ok(bytes)
}

/// A source that does nothing leaves zeros. Sealing with them would give away everything; that 12 or more random bytes
/// are all zero happens once in 2^96.
fn check_filled(bytes: &[u8]) -> Result<(), Error> {
    if bytes.iter().all(|byte| *byte == 0) { Err(Error::RandomnessFailed) } else { Ok(()) }
}

/// Does work with keys, then overwrites the part of the stack it used: ciphers and hashes keep state there, and copies of
/// what they work on, that is moved about without being overwritten.
#[inline(never)]
pub fn cleanly<T>(work: impl FnOnce() -> T) -> T {
    let result = aside(work);
    wipe_stack();
    result
}

#[inline(never)]
fn aside<T>(work: impl FnOnce() -> T) -> T {
    work()
}

/// Overwrites 8 KiB of the stack below the caller; key schedules and hash states take less than 2.
#[inline(never)]
pub fn wipe_stack() {
    let mut below = [0_u64; 1024];
    below.zeroize();
    std::hint::black_box(&mut below);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_that_does_nothing_is_found_out() {
        assert_eq!(Secret::random(&|_| ()).err(), Some(Error::RandomnessFailed));
        assert_eq!(random_bytes::<12>(&|_| ()), Err(Error::RandomnessFailed));
        assert_eq!(random_bytes::<12>(&|bytes| bytes.fill(7)), Ok([7; 12]));
    }

    #[test]
    fn a_secret_has_32_bytes() {
        assert!(Secret::copied(&[1; 31]).is_none());
        assert!(Secret::copied(&[1; 33]).is_none());
        assert_eq!(Secret::copied(&[1; 32]).unwrap().expose(), &[1; 32]);
    }
}

//! Keys from keys (HKDF, RFC 5869) and from passphrases (PBKDF2, RFC 8018), both with HMAC-SHA256.

use super::secret::cleanly;
use hkdf::Hkdf;
use sha2::Sha256;

/// Most bytes that HKDF-SHA256 gives.
const MAX_HKDF_BYTES: usize = 255 * 32;

/// Fills `out` with HKDF-SHA256 of a key; `false`, with `out` as it was, when it has more than 8,160 bytes.
#[must_use]
pub fn hkdf_sha256(key: &[u8], salt: &[u8], info: &[u8], out: &mut [u8]) -> bool {
    out.len() <= MAX_HKDF_BYTES && cleanly(|| Hkdf::<Sha256>::new(Some(salt), key).expand(info, out).is_ok())
}

/// Fills `out` with PBKDF2-HMAC-SHA256 of a passphrase. Takes about a microsecond for each iteration in WebAssembly;
/// `crypto.subtle.deriveBits` gives the same bytes in a third of the time.
pub fn pbkdf2_sha256(passphrase: &[u8], salt: &[u8], iterations: u32, out: &mut [u8]) {
    cleanly(|| pbkdf2::pbkdf2_hmac::<Sha256>(passphrase, salt, iterations, out));
}

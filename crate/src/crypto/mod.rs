//! Sealing values with keys: envelopes, keys and their ring, recovery codes and passphrases.
//!
//! Formats and their sources are in docs/encryption.md. Keys, randomness and time are arguments; nothing here waits or
//! keeps random state. What holds a key overwrites it when it is dropped, and shows its id at most in `Debug`; no error
//! names a key or a plaintext.

pub(crate) mod base64;
mod chain;
mod cipher;
mod envelope;
mod error;
mod kdf;
mod key;
mod keyring;
mod passphrase;
mod place;
mod recovery;
mod secret;
mod wrapped;

pub use chain::{KeyringRecord, SealedKey};
pub use cipher::{Cipher, IV_BYTES, TAG_BYTES};
pub use envelope::{Envelope, Format};
pub use error::{Error, Unopened};
pub use kdf::{hkdf_sha256, pbkdf2_sha256};
pub use key::{KeyId, KeyName, MasterKey};
pub use keyring::{Keyring, MAX_USES, ROTATE_AT_USES};
pub use passphrase::{ITERATIONS, Passphrase, PassphraseWrapped};
pub use place::Place;
pub use recovery::RecoveryCode;
pub use secret::{KEY_BYTES, Random};
pub use wrapped::{WrapKey, WrappedKey};

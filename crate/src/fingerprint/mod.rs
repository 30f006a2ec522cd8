//! Fingerprints: whether a device and the server hold the same, told by stamps alone.
//!
//! What is hashed is said in docs/protocol.md ("Check"). Both sides hash here; the device what it stores, the server what
//! a log's changes come to ([`Fold`]). No value is hashed, so neither side needs a key, and ciphertext plays no part.

mod fold;

pub use fold::Fold;

use crate::model::{FromJson, ID, Malformed, SPACE_ID, Stamp, USER_ID, is_hidden, sort};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest as _, Sha256};

/// The first bytes of everything that is hashed: nothing else that is hashed anywhere begins so.
const DOMAIN: &[u8] = b"mana check v1\n";

/// How many records there are, and the XOR of their hashes: the order in which they were added leaves no trace.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Fingerprint {
    /// How many live records were added.
    pub records: u64,
    /// The XOR of their hashes.
    pub hash: Hash,
}

/// 32 bytes; 64 small hexadecimal digits in JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(try_from = "Value", into = "Value")]
pub struct Hash(pub [u8; 32]);

impl Fingerprint {
    /// Adds a live record: its id and the stamps of its fields, in any order. Fields that play no part are passed over.
    pub fn add<'a>(&mut self, id: &str, stamps: impl Iterator<Item = (&'a str, Stamp)>) {
        let hash = hash_of(id, stamps);
        self.records += 1;
        for (sum, byte) in self.hash.0.iter_mut().zip(hash.0) {
            *sum ^= byte;
        }
    }
}

/// Whether a field plays a part. The others are the same in all of a record's changes, or made anew on every device.
fn counts(field: &str) -> bool {
    !is_hidden(field) && !matches!(field, ID | SPACE_ID | USER_ID)
}

/// The hash of one record.
fn hash_of<'a>(id: &str, stamps: impl Iterator<Item = (&'a str, Stamp)>) -> Hash {
    let mut stamps: Vec<(&str, Stamp)> = stamps.filter(|(field, _)| counts(field)).collect();
    sort(&mut stamps);
    let mut bytes = DOMAIN.to_vec();
    put(&mut bytes, id);
    for (field, at) in stamps {
        put(&mut bytes, field);
        put(&mut bytes, &at.to_string());
    }
    Hash(Sha256::digest(&bytes).into())
}

/// A text behind its length in bytes, of 4 bytes, the greatest first.
fn put(bytes: &mut Vec<u8>, text: &str) {
    // Ids and names have at most 255 bytes.
    let length = u32::try_from(text.len()).unwrap_or(u32::MAX);
    bytes.extend_from_slice(&length.to_be_bytes());
    bytes.extend_from_slice(text.as_bytes());
}

impl From<Hash> for Value {
    fn from(hash: Hash) -> Self {
        let digit = |nibble: u8| char::from(b"0123456789abcdef"[usize::from(nibble)]);
        hash.0.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect::<String>().into()
    }
}

impl FromJson for Hash {
    fn from_json(value: Value) -> Option<Self> {
        let digits = value.as_str()?.as_bytes();
        let value_of = |digit: u8| match digit {
            b'0'..=b'9' => Some(digit - b'0'),
            b'a'..=b'f' => Some(digit - b'a' + 10),
            _ => None,
        };
        let mut hash = Self::default();
        if digits.len() != 2 * hash.0.len() {
            return None;
        }
        for (byte, pair) in hash.0.iter_mut().zip(digits.chunks_exact(2)) {
            *byte = value_of(pair[0])? << 4 | value_of(pair[1])?;
        }
        Some(hash)
    }
}

impl TryFrom<Value> for Hash {
    type Error = Malformed;
    fn try_from(value: Value) -> Result<Self, Malformed> {
        Self::from_json(value).ok_or_else(|| Malformed::new("hash", "must be 64 small hexadecimal digits"))
    }
}

#[cfg(test)]
mod tests;

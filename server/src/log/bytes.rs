//! Byte strings of fixed length: tags, epochs, content hashes; hexadecimal wherever they are text.

use mana_sync_engine::model::{Change, Malformed, USER_ID, canonical_bytes};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

macro_rules! bytes {
    ($(#[$doc:meta])* $name:ident, $length:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(pub [u8; $length]);

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(&to_hex(&self.0))
            }
        }

        impl From<$name> for String {
            fn from(bytes: $name) -> Self {
                bytes.to_string()
            }
        }

        impl TryFrom<String> for $name {
            type Error = Malformed;
            fn try_from(text: String) -> Result<Self, Malformed> {
                parse_hex(&text).map(Self).ok_or_else(|| Malformed::new(stringify!($name), "is not of its length in hex"))
            }
        }
    };
}

bytes!(
    /// A random value stored with a row. The row at a cursor's position has another one when the log was restored from
    /// a backup and written on, so such a cursor is noticed.
    Tag,
    8
);
bytes!(
    /// A random value that names a log for as long as its data lives.
    Epoch,
    16
);
bytes!(
    /// SHA-256 of a change as it was sent: tells a retry from an event id used twice.
    ContentHash,
    32
);

impl ContentHash {
    /// The hash of a change, whatever the order of its keys; the verified author is no part of it.
    #[must_use]
    pub fn of(change: &Change) -> Self {
        let mut sent = change.to_json();
        if let Some(fields) = sent.as_object_mut() {
            fields.remove(USER_ID);
        }
        Self(Sha256::digest(canonical_bytes(&sent)).into())
    }
}

fn to_hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let pair = |byte: &u8| [DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]];
    bytes.iter().flat_map(pair).map(char::from).collect()
}

fn parse_hex<const N: usize>(text: &str) -> Option<[u8; N]> {
    let digits = text.as_bytes();
    if digits.len() != N * 2 {
        return None;
    }
    let mut bytes = [0; N];
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        let digit = |at: usize| char::from(pair[at]).to_digit(16).and_then(|d| u8::try_from(d).ok());
        *byte = digit(0)? << 4 | digit(1)?;
    }
    Some(bytes)
}

//! What can go wrong with keys and envelopes, without saying anything that is secret.

use super::KeyName;

/// Why a key could not be made, wrapped, unwrapped or used for sealing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Error {
    /// A key that does not have 32 bytes.
    KeyMalformed,
    /// The key has sealed as many values as it may.
    KeyExhausted(KeyName),
    /// There is no key to seal with.
    NoKey,
    /// The random source gave nothing but zeros.
    RandomnessFailed,
    /// The passphrase does not open the wrapped key, or that is damaged.
    PassphraseWrong,
    /// A recovery code without 64 hexadecimal digits.
    RecoveryCodeMalformed,
    /// The recovery code does not open the wrapped key, or that is damaged.
    RecoveryCodeWrong,
    /// The named part of a wrapped key is not what it should be.
    WrappedKeyMalformed(&'static str),
}

impl std::fmt::Display for Error {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let text = match self {
            Self::KeyMalformed => "the key does not have 32 bytes: pass the user's key as it was handed out",
            Self::KeyExhausted(_) => {
                "the key has sealed as many values as it safely may, and nothing was written: rotate the key, then write again"
            }
            Self::NoKey => "the vault is locked and nothing was written: unlock it, then write again",
            Self::RandomnessFailed => {
                "the device's random source failed and nothing was written: restart the browser, then try again"
            }
            Self::PassphraseWrong => {
                "the passphrase does not open this key: try another spelling, or unlock with the recovery code"
            }
            Self::RecoveryCodeMalformed => {
                "a recovery code is 16 groups of 4 digits from 0-9 and A-F: look for missing or mistaken characters"
            }
            Self::RecoveryCodeWrong => {
                "the recovery code does not open this key: it is another account's, of before a rotation, or mistyped"
            }
            Self::WrappedKeyMalformed(part) => {
                return write!(f, "the wrapped key cannot be read ({part}): fetch it again from where it is kept");
            }
        };
        f.write_str(text)
    }
}

impl std::error::Error for Error {}

/// Why a text did not become a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unopened {
    /// It is not an envelope: a text of the user's own, whatever it begins with.
    NotAnEnvelope,
    /// No key here has the id that it names, or there are no keys at all.
    UnknownKey,
    /// A key has the name, yet does not open it: it was changed, or sealed for another place or stamp. Without a name
    /// (`enc:1`): no key here opens it.
    DoesNotOpen,
    /// It opened, but its contents are not JSON.
    NotJson,
}

impl std::fmt::Display for Unopened {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let text = match self {
            Self::NotAnEnvelope => "the value is not sealed",
            Self::UnknownKey => "the value is sealed with a key that is not here: unlock the vault with the newest key",
            Self::DoesNotOpen => "the value does not open: it was changed, moved, or sealed with another key",
            Self::NotJson => "the value opened, but holds no JSON",
        };
        f.write_str(text)
    }
}

impl std::error::Error for Unopened {}

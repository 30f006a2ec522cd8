//! Envelopes: sealed values as texts, in two formats. Every envelope has one spelling.

use super::{IV_BYTES, KeyName, TAG_BYTES, base64};

/// How a value is sealed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Format {
    /// `enc:1`: names no key and is bound to no place.
    One,
    /// `enc:2`: names its key and is bound to its place and stamp.
    Two,
}

const ONE: &str = "enc:1:";
const TWO: &str = "enc:2:";
/// Characters of a key's name.
const NAME_LENGTH: usize = 12;
/// Characters of an IV: 12 bytes in base64.
const IV_LENGTH: usize = 16;

/// A sealed value: which key sealed it, the IV, and the ciphertext with its tag.
#[derive(Clone, PartialEq, Eq)]
pub struct Envelope {
    key: Option<KeyName>,
    iv: [u8; IV_BYTES],
    ciphertext: Vec<u8>,
}

impl Envelope {
    /// An envelope of format 2 when it names its key, else of format 1; `None` when `ciphertext` is shorter than a tag.
    #[must_use]
    pub fn of(key: Option<KeyName>, iv: [u8; IV_BYTES], ciphertext: Vec<u8>) -> Option<Self> {
        (ciphertext.len() >= TAG_BYTES).then_some(Self { key, iv, ciphertext })
    }

    /// What a cipher made, which put a tag behind it.
    pub(super) fn sealed(key: Option<KeyName>, iv: [u8; IV_BYTES], ciphertext: Vec<u8>) -> Self {
        Self { key, iv, ciphertext }
    }

    /// Whether a text begins as an envelope does: what does not is none.
    #[must_use]
    pub fn is_like(text: &str) -> bool {
        text.starts_with(ONE) || text.starts_with(TWO)
    }

    /// Reads an envelope; every text that is not exactly one is a text of the user's own.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (key, body) = match text.strip_prefix(TWO) {
            Some(rest) => {
                let body = rest.get(NAME_LENGTH..)?.strip_prefix('.')?;
                (Some(KeyName::parse(&rest[..NAME_LENGTH])?), body)
            }
            None => (None, text.strip_prefix(ONE)?),
        };
        let ciphertext = body.get(IV_LENGTH..)?.strip_prefix('.')?;
        Self::of(key, base64::decode_exactly(&body[..IV_LENGTH])?, base64::decode(ciphertext)?)
    }

    /// Its format.
    #[must_use]
    pub fn format(&self) -> Format {
        if self.key.is_some() { Format::Two } else { Format::One }
    }

    /// The key it names; format 1 names none.
    #[must_use]
    pub fn key(&self) -> Option<KeyName> {
        self.key
    }

    /// Its initialisation vector.
    #[must_use]
    pub fn iv(&self) -> &[u8; IV_BYTES] {
        &self.iv
    }

    /// Its ciphertext, with the tag at the end.
    #[must_use]
    pub fn ciphertext(&self) -> &[u8] {
        &self.ciphertext
    }

    pub(super) fn into_ciphertext(self) -> Vec<u8> {
        self.ciphertext
    }

    /// Its one spelling.
    #[must_use]
    pub fn to_text(&self) -> String {
        let mut text =
            String::with_capacity(TWO.len() + NAME_LENGTH + 2 + IV_LENGTH + self.ciphertext.len().div_ceil(3) * 4);
        match self.key {
            Some(key) => {
                text.push_str(TWO);
                text.push_str(&key.to_string());
                text.push('.');
            }
            None => text.push_str(ONE),
        }
        base64::append(&self.iv, &mut text);
        text.push('.');
        base64::append(&self.ciphertext, &mut text);
        text
    }
}

impl std::fmt::Debug for Envelope {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Envelope({:?}, {:?}, {} bytes)", self.format(), self.key, self.ciphertext.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TAG: &str = "AAAAAAAAAAAAAAAAAAAAAA==";

    #[test]
    fn an_envelope_has_one_spelling() {
        for text in [format!("enc:1:AAAAAAAAAAAAAAAA.{TAG}"), format!("enc:2:00ffdeadbeef.AAAAAAAAAAAAAAAA.{TAG}")] {
            assert_eq!(Envelope::parse(&text).unwrap().to_text(), text);
        }
    }

    #[test]
    fn whatever_is_not_exactly_an_envelope_is_a_text() {
        let loose = [
            "",
            "enc:",
            "enc:1:",
            "enc:1:.",
            "enc:2:",
            "enc:2:00ffdeadbeef",
            "enc:2:00ffdeadbeef.",
            "ENC:1:AAAAAAAAAAAAAAAA.$",
            "enc:9:AAAAAAAAAAAAAAAA.$",
            "enc:1:AAAAAAAAAAAAAAAA.",
            "enc:1:AAAAAAAAAAAAAAAA$",
            " enc:1:AAAAAAAAAAAAAAAA.$",
            "enc:1:AAAAAAAAAAAAAAAA.$ ",
            "enc:1:AAAAAAAAAAAAAAAA. $",
            "enc:1:AAAAAAAAAAAAAAAA.$.$",
            "enc:1:AAAAAAAAAAAAAAA=.$",
            "enc:1:AAAAAAAAAAAA.$",
            "enc:1:AAAAAAAAAAAAAAAAAAAA.$",
            "enc:1:AAAAAAAAAAAAAAAA.AAAA",
            "enc:1:AAAAAAAAAAAAAAAA.AAAAAAAAAAAAAAAAAAAAAA",
            "enc:1:AAAAAAAAAAAAAAAA.AAAAAAAAAAAAAAAAAAAAAB==",
            "enc:1:AAAAAAAAAAAAAAAA.AAAAAAAAAAAAAAAAAAAAAA==\n",
            "enc:1:----------------.$",
            "enc:1:00ffdeadbeef.AAAAAAAAAAAAAAAA.$",
            "enc:2:AAAAAAAAAAAAAAAA.$",
            "enc:2:00FFdeadbeef.AAAAAAAAAAAAAAAA.$",
            "enc:2:0ffdeadbeef.AAAAAAAAAAAAAAAA.$",
            "enc:2:+0ffdeadbeef.AAAAAAAAAAAAAAAA.$",
            "enc:2:00ffdeadbee\u{e9}.AAAAAAAAAAAAAAAA.$",
            "enc:2:00ffdeadbeefAAAAAAAAAAAAAAAA.$",
            "enc:1:AAAAAAAAAAAAAAA\u{e9}.$",
        ];
        for text in loose {
            let text = text.replace('$', TAG);
            assert_eq!(Envelope::parse(&text), None, "{text}");
        }
    }
}

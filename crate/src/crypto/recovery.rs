//! Recovery codes: 32 random bytes on paper that open a wrapped master key.

use super::kdf::hkdf_sha256;
use super::secret::{KEY_BYTES, Random, Secret};
use super::{Error, MasterKey, WrapKey, WrappedKey};
use zeroize::{ZeroizeOnDrop, Zeroizing};

/// Says to HKDF what the key is derived for.
const WRAP_INFO: &[u8] = b"mana-recovery-v1";
/// Hexadecimal digits between two dashes.
const GROUP: usize = 4;
const HEX: &[u8; 16] = b"0123456789ABCDEF";

/// A code that is shown once and kept by the person. It has no checksum: a mistyped one is found out by the wrapped key.
pub struct RecoveryCode(Secret);

impl RecoveryCode {
    /// A fresh code.
    pub fn generate(random: Random<'_>) -> Result<Self, Error> {
        Secret::random(random).map(Self)
    }

    /// Reads 64 hexadecimal digits of either case, whatever white space and dashes stand between them;
    /// [`Error::RecoveryCodeMalformed`] for everything else.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let mut malformed = false;
        let code = Secret::filled(|bytes| malformed = read(text, bytes).is_none());
        if malformed { Err(Error::RecoveryCodeMalformed) } else { Ok(Self(code)) }
    }

    /// Sixteen groups of four upper-case digits, with dashes between them: 79 characters.
    #[must_use]
    pub fn to_text(&self) -> Zeroizing<String> {
        let mut text = Zeroizing::new(String::with_capacity(KEY_BYTES * 2 + KEY_BYTES * 2 / GROUP));
        let digits = self.0.expose().iter().flat_map(|byte| [byte >> 4, byte & 15]);
        for (at, digit) in digits.enumerate() {
            if at > 0 && at.is_multiple_of(GROUP) {
                text.push('-');
            }
            text.push(char::from(HEX[usize::from(digit)]));
        }
        text
    }

    /// Seals a master key for this code.
    pub fn wrap(&self, key: &MasterKey, random: Random<'_>) -> Result<WrappedKey, Error> {
        self.wrap_key().wrap(key, random)
    }

    /// Opens the master key that was sealed for this code; [`Error::RecoveryCodeWrong`] when it was not.
    pub fn unwrap(&self, wrapped: &WrappedKey) -> Result<MasterKey, Error> {
        self.wrap_key().unwrap(wrapped).ok_or(Error::RecoveryCodeWrong)
    }

    fn wrap_key(&self) -> WrapKey {
        WrapKey::filled(|bytes| {
            let derived = hkdf_sha256(self.0.expose(), &[], WRAP_INFO, bytes);
            debug_assert!(derived, "HKDF gives 32 bytes");
        })
    }
}

impl ZeroizeOnDrop for RecoveryCode where Secret: ZeroizeOnDrop {}

impl std::fmt::Debug for RecoveryCode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("RecoveryCode")
    }
}

fn read(text: &str, bytes: &mut [u8; KEY_BYTES]) -> Option<()> {
    let mut digits = text.chars().filter(|c| !is_separator(*c)).map(|c| c.to_digit(16));
    for byte in bytes.iter_mut() {
        let (high, low) = (digits.next()??, digits.next()??);
        *byte = u8::try_from(high << 4 | low).ok()?;
    }
    digits.next().is_none().then_some(())
}

/// White space, and the dashes that word processors make of `-`.
fn is_separator(c: char) -> bool {
    c.is_whitespace() || matches!(c, '-' | '\u{2010}'..='\u{2015}' | '\u{2212}')
}

#[cfg(test)]
mod tests {
    use super::*;

    const CODE: &str = "2D55-5A29-F30C-4F36-411F-BF95-AB69-F35A-B35C-C4DE-B525-96F7-1934-8A2C-9A07-9D4D";

    #[test]
    fn a_code_is_read_in_every_way_people_write_it() {
        let digits = CODE.replace('-', "");
        for way in [
            CODE.to_owned(),
            CODE.to_lowercase(),
            digits.clone(),
            CODE.replace('-', " "),
            CODE.replace('-', " \u{2013}\n"),
            CODE.replace('-', "\u{a0}\u{2212} "),
            format!("\t{CODE}\r\n"),
            format!("--{digits}-"),
        ] {
            assert_eq!(RecoveryCode::parse(&way).unwrap().to_text().as_str(), CODE, "{way:?}");
        }
    }

    #[test]
    fn what_has_other_or_more_or_fewer_digits_is_malformed() {
        let cut = &CODE[..CODE.len() - 1];
        for other in [
            cut,
            &format!("{CODE}0"),
            &format!("{cut}G"),
            &format!("{cut}\u{ff14}"),
            &format!("{cut}_"),
            "",
            "-",
            &CODE.replace('0', "O"),
        ] {
            assert_eq!(RecoveryCode::parse(other).err(), Some(Error::RecoveryCodeMalformed), "{other:?}");
        }
    }
}

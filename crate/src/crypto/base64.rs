//! Standard base64 with padding (RFC 4648, 4), read strictly: every sequence of bytes has one spelling.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// The one spelling of these bytes.
pub fn encode(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}

/// Appends the spelling of these bytes.
pub fn append(bytes: &[u8], to: &mut String) {
    STANDARD.encode_string(bytes, to);
}

/// The bytes of a text that spells them as [`encode`] does; `None` for every other text.
pub fn decode(text: &str) -> Option<Vec<u8>> {
    STANDARD.decode(text).ok()
}

/// The same for a known number of bytes.
pub fn decode_exactly<const N: usize>(text: &str) -> Option<[u8; N]> {
    decode(text)?.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_have_one_spelling() {
        assert_eq!(encode(&[0xfb, 0xff, 0xfe, 1]), "+//+AQ==");
        assert_eq!(decode("+//+AQ=="), Some(vec![0xfb, 0xff, 0xfe, 1]));
        for loose in [
            "+//+AQ",
            "+//+AQ=",
            "+//+AQ===",
            "+//+AR==",
            " +//+AQ==",
            "+//+AQ==\n",
            "+//+ AQ==",
            "-__-AQ==",
            "+//+AQ=A",
        ] {
            assert_eq!(decode(loose), None, "{loose:?}");
        }
        assert_eq!(decode_exactly::<3>("AAAA"), Some([0; 3]));
        assert_eq!(decode_exactly::<2>("AAAA"), None);
    }
}

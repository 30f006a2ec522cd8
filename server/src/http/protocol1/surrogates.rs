//! Halves of surrogate pairs in JSON, which JavaScript's texts can hold and its `JSON.stringify` escapes.
//!
//! They are no Unicode, and readers of JSON may refuse them (RFC 8259, section 8.2). One such text would keep an older client from
//! sending anything; so they become U+FFFD, as the server before this one had it.

/// The document with U+FFFD in place of each escaped half that stands alone.
pub(super) fn replaced(document: &[u8]) -> Vec<u8> {
    let mut text = document.to_vec();
    let mut at = 0;
    while at < text.len() {
        if text[at] != b'\\' {
            at += 1;
            continue;
        }
        let is_pair =
            matches!(unit(&text, at), Some(0xd800..0xdc00)) && matches!(unit(&text, at + 6), Some(0xdc00..0xe000));
        match unit(&text, at) {
            Some(_) if is_pair => at += 12,
            Some(0xd800..0xe000) => {
                text[at + 2..at + 6].copy_from_slice(b"fffd");
                at += 6;
            }
            Some(_) => at += 6,
            // Another escape, of two characters.
            None => at += 2,
        }
    }
    text
}

/// The UTF-16 unit that is escaped here, if one is.
fn unit(text: &[u8], at: usize) -> Option<u16> {
    let digits = text.get(at..at + 6)?.strip_prefix(b"\\u")?;
    u16::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn halves_are_replaced_and_nothing_else() {
        for (before, after) in [
            (r#"{"a":"\ud83d"}"#, r#"{"a":"\ufffd"}"#),
            (r#""\ude00x\ud83d\ud83d\ude00""#, r#""\ufffdx\ufffd\ud83d\ude00""#),
            (r#""\\ud83d \" \u0041 \n""#, r#""\\ud83d \" \u0041 \n""#),
            (r#""\ud83"#, r#""\ud83"#),
            ("\\", "\\"),
        ] {
            assert_eq!(String::from_utf8(replaced(before.as_bytes())).unwrap(), after);
        }
    }
}

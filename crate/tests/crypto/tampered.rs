//! A sealed value with anything changed does not open.

use crate::support::{at, head, key, ring, sealed, spelt, spot};
use mana_sync_engine::crypto::{Envelope, Format, Keyring, Unopened};
use serde_json::{Value, json};

fn values() -> [Value; 4] {
    [json!("secret"), json!(null), json!({ "a": [1, "ü", null] }), json!("0123456789abcdef".repeat(5))]
}

/// Envelopes of both formats around several values, from a ring of two keys.
fn envelopes(many: u64) -> (Keyring, Vec<String>) {
    let mut ring = ring(1);
    ring.insert(2, key(2));
    let texts = (0..many).map(|n| {
        let format = if n % 4 == 0 { Format::One } else { Format::Two };
        sealed(&ring, format, &values()[usize::try_from(n / 4 % 4).unwrap()], n + 100)
    });
    let texts = texts.collect();
    (ring, texts)
}

fn opens(ring: &Keyring, text: &str) -> bool {
    ring.open_json(&spot().place(), at(), text).is_ok()
}

#[test]
fn any_flipped_bit_of_iv_ciphertext_and_tag_is_refused() {
    let (ring, texts) = envelopes(1000);
    let mut flips = 0;
    for text in &texts {
        assert!(opens(&ring, text));
        let envelope = Envelope::parse(text).unwrap();
        let whole = [envelope.iv().as_slice(), envelope.ciphertext()].concat();
        for bit in 0..whole.len() * 8 {
            let mut changed = whole.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            assert!(!opens(&ring, &spelt(head(text), &changed[..12], &changed[12..])), "bit {bit} of {text}");
            flips += 1;
        }
    }
    assert_eq!(flips, 448_576, "of lengths that differ");
}

/// What envelopes of format 2 begin with, before the generation.
const TWO: &str = "enc:2:";

#[test]
fn any_flipped_bit_of_the_text_is_refused() {
    let (ring, texts) = envelopes(40);
    for text in &texts {
        for bit in 0..text.len() * 8 {
            let mut changed = text.clone().into_bytes();
            changed[bit / 8] ^= 1 << (bit % 8);
            let Ok(changed) = String::from_utf8(changed) else { continue };
            // What a key is called is not sealed: it is opened all the same, by the key of that id.
            let is_called_otherwise = text.starts_with(TWO)
                && (TWO.len()..TWO.len() + 4).contains(&(bit / 8))
                && Envelope::parse(&changed).is_some();
            assert_eq!(opens(&ring, &changed), is_called_otherwise, "{changed}");
        }
    }
}

#[test]
fn a_text_cut_anywhere_is_refused() {
    let (ring, texts) = envelopes(8);
    for text in texts {
        for length in 0..text.len() {
            assert!(!opens(&ring, &text[..length]), "{}", &text[..length]);
            assert!(!opens(&ring, &text[length + 1..]), "{}", &text[length + 1..]);
            let hole = format!("{}{}", &text[..length], &text[length + 1..]);
            // One of two equal characters in a row is the same as the other.
            assert!(hole == text || !opens(&ring, &hole), "{hole}");
        }
    }
}

#[test]
fn a_ciphertext_cut_or_lengthened_by_whole_bytes_is_refused() {
    let (ring, texts) = envelopes(8);
    for text in texts {
        let envelope = Envelope::parse(&text).unwrap();
        let ciphertext = envelope.ciphertext();
        for length in 0..ciphertext.len() {
            assert!(!opens(&ring, &spelt(head(&text), envelope.iv(), &ciphertext[..length])));
        }
        assert!(!opens(&ring, &spelt(head(&text), envelope.iv(), &[ciphertext, &[0]].concat())));
        assert!(!opens(&ring, &spelt(head(&text), &envelope.iv()[..11], ciphertext)));
    }
}

#[test]
fn eight_loose_spellings_of_each_of_1_000_envelopes_are_texts() {
    let (ring, texts) = envelopes(1000);
    for text in texts {
        let (front, body) = text.rsplit_once('.').unwrap();
        let unpadded = body.trim_end_matches('=');
        let stray = format!("{front}.{}", with_stray_bits(unpadded));
        let other = match body.len() - unpadded.len() {
            0 => [format!("{text}="), format!("{text}====")],
            _ => [format!("{front}.{unpadded}"), stray],
        };
        let spaced = format!("{front}. {body}");
        let url = text.replace('+', "-").replace('/', "_").replace('=', "");
        let rest =
            [format!("{text}\n"), format!(" {text}"), spaced, format!("{text}=="), text.replacen("enc", "ENC", 1), url];
        for loose in other.iter().chain(&rest).filter(|loose| **loose != text) {
            let opened = ring.open_json(&spot().place(), at(), loose);
            assert_eq!(opened.err(), Some(Unopened::NotAnEnvelope), "{loose}");
        }
    }
}

/// The last character with a bit set that no byte needs.
fn with_stray_bits(unpadded: &str) -> String {
    const ALPHABET: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let (front, last) = unpadded.split_at(unpadded.len() - 1);
    let at = ALPHABET.find(last).unwrap() | 1;
    let padding = "=".repeat((4 - unpadded.len() % 4) % 4);
    format!("{front}{}{padding}", &ALPHABET[at..=at])
}

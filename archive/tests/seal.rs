//! Of a sealed archive nothing can be changed, and why it does not open is said rightly.

mod support;

use mana_archive::{Manifest, SealKey};
use serde_json::json;
use support::raw_zip::crc32;
use support::{Tables, figure, key, numbers, random, sealed, tables, unseal};
use unicode_normalization::UnicodeNormalization;

/// Rows of which little is left to pack, so many bytes of them.
fn incompressible(bytes: usize) -> Tables {
    let mut next = numbers(0x9e37_79b9_7f4a_7c15);
    let mut word = || format!("{:016x}", next());
    let rows =
        (0..bytes / 72).map(|n| json!({ "id": n, "words": (0..8).map(|_| word()).collect::<String>() })).collect();
    Tables::from([("tasks".to_owned(), rows)])
}

fn everything(bytes: &[u8], key: &SealKey) -> Result<(Manifest, Tables), &'static str> {
    let opened = unseal(bytes, key).map_err(|error| error.code())?;
    let manifest = opened.manifest().clone();
    Ok((manifest, tables(opened).map_err(|error| error.code())?))
}

#[test]
fn no_bit_can_be_changed_with_an_effect() {
    let bytes = sealed(&incompressible(figure("SEALED_BYTES", 20_000)));
    let whole = everything(&bytes, &key()).unwrap();
    let mut refused = 0;
    for bit in 0..bytes.len() * 8 {
        let mut changed = bytes.clone();
        changed[bit / 8] ^= 1 << (bit % 8);
        match everything(&changed, &key()) {
            // A time that nobody reads, for one.
            Ok(read) => assert_eq!(read, whole, "bit {bit}"),
            Err(_) => refused += 1,
        }
    }
    assert!(bytes.len() * 8 > 160_000 || figure("SEALED_BYTES", 20_000) < 20_000, "{} bytes", bytes.len());
    assert!(refused > bytes.len() * 8 - 3000, "{refused} of {} bits", bytes.len() * 8);
}

/// Where the sealed body lies, and where its checksum stands.
fn body_of(bytes: &[u8]) -> (std::ops::Range<usize>, [usize; 2]) {
    let name = b"data.sealed";
    let mut places = (0..bytes.len()).filter(|at| bytes[*at..].starts_with(name));
    let (local, entry) = (places.next().unwrap() - 30, places.next_back().unwrap() - 46);
    let size = u32::from_le_bytes(bytes[local + 18..][..4].try_into().unwrap());
    (local + 41..local + 41 + usize::try_from(size).unwrap(), [local + 14, entry + 16])
}

#[test]
fn a_thousand_wrong_keys_and_a_thousand_kinds_of_damage_are_told_apart() {
    let bytes = sealed(&incompressible(4000));
    let (body, sums) = body_of(&bytes);
    for n in 0..1000_u16 {
        let mut other = [7; 32];
        let [low, high] = (n + 1).to_le_bytes();
        (other[usize::from(n % 31)], other[31]) = (7 ^ low, 7 ^ high);
        assert_eq!(everything(&bytes, &SealKey::from_bytes(other)).unwrap_err(), "wrong_passphrase", "key {n}");
    }
    for n in 0..1000 {
        let mut changed = bytes.clone();
        let bit = n * 7919 % (body.len() * 8);
        changed[body.start + bit / 8] ^= 1 << (bit % 8);
        // The checksum, which anybody can make right, says nothing then.
        let sum = crc32(&changed[body.clone()]).to_le_bytes();
        for at in sums {
            changed[at..at + 4].copy_from_slice(&sum);
        }
        assert_eq!(everything(&changed, &key()).unwrap_err(), "archive_damaged", "bit {bit} of the body");
    }
}

#[test]
fn fifty_passphrases_are_one_each_however_their_letters_are_spelt() {
    let letters = "äöüàâçéèêëîïôûùñãõåøÅßąćęłńóśźżčďěňřšťůžőűğışẞﬁΆΈΌий\u{ac00}\u{304c}㌔Ⅷ";
    let words: Vec<String> = letters.chars().take(50).map(|letter| format!("pass {letter} word {letter}")).collect();
    assert_eq!(words.len(), 50);
    for passphrase in words {
        let derived = |text: String| *SealKey::derive(&text, &random().salt, 2).to_bytes();
        let usual = derived(passphrase.clone());
        assert_eq!(derived(passphrase.nfd().collect()), usual, "{passphrase}");
        assert_eq!(derived(passphrase.nfkc().collect()), usual, "{passphrase}");
    }
}

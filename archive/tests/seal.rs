//! Of a sealed archive nothing can be changed, and why it does not open is said rightly.

mod support;

use mana_archive::{Manifest, SealKey};
use serde_json::json;
use support::raw_zip::crc32;
use support::{Tables, figure, fixture, is_idle, key, numbers, open, random, sealed, tables, unseal};
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

/// The bits of an archive that can be flipped without anything being read otherwise: none of the others can be.
fn bits_without_effect(bytes: &[u8], key: &SealKey) -> Vec<usize> {
    let whole = everything(bytes, key).unwrap();
    let mut without = Vec::new();
    for bit in 0..bytes.len() * 8 {
        let mut changed = bytes.to_vec();
        changed[bit / 8] ^= 1 << (bit % 8);
        if let Ok(read) = everything(&changed, key) {
            assert_eq!(read, whole, "bit {bit}");
            without.push(bit);
        }
    }
    without
}

#[test]
fn no_bit_can_be_changed() {
    let bytes = sealed(&incompressible(figure("SEALED_BYTES", 20_000)));
    assert!(bytes.len() * 8 > 160_000 || figure("SEALED_BYTES", 20_000) < 20_000, "{} bytes", bytes.len());
    assert_eq!(bits_without_effect(&bytes, &key()), [0; 0], "of {} bits", bytes.len() * 8);
}

#[test]
fn what_can_be_changed_in_an_archive_of_another_program_is_what_nobody_reads() {
    let bytes = fixture("sealed.mana");
    let manifest = open(&bytes).unwrap().manifest().clone();
    let seal = manifest.seal.unwrap();
    let key = SealKey::derive("correct horse battery staple", &seal.salt, seal.iterations);
    let bits = bits_without_effect(&bytes, &key);
    assert_eq!(bits.iter().find(|bit| !is_idle(&bytes, **bit)), None);
    // Of each of three entries 44 of the directory; and what is left of the last bytes of the two that are packed.
    assert_eq!(bits.len(), 3 * 44 + 12);
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

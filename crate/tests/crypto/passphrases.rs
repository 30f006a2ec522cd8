//! Master keys wrapped with passphrases and recovery codes.

use crate::support::{key, random};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use mana_sync_engine::crypto::{
    Error, ITERATIONS, Passphrase, PassphraseWrapped, RecoveryCode, WrapKey, WrappedKey, pbkdf2_sha256,
};
use serde_json::{Value, json};

fn typed(text: &str) -> Passphrase<'_> {
    Passphrase { nfkc: text, typed: text }
}

/// Wrapped with few iterations, for speed.
fn wrapped(passphrase: &str) -> PassphraseWrapped {
    let mut derived = [0; 32];
    pbkdf2_sha256(passphrase.as_bytes(), &[7; 16], 1000, &mut derived);
    let derived = WrapKey::from_bytes(&derived).unwrap();
    PassphraseWrapped::wrap_with(&derived, vec![7; 16], 1000, &key(1), &random(2)).unwrap()
}

#[test]
fn a_key_wrapped_with_a_passphrase_opens_with_it_only() {
    let wrapped = PassphraseWrapped::wrap(typed("correct horse"), &key(1), &random(2)).unwrap();
    assert_eq!((wrapped.iterations(), wrapped.salt().len()), (ITERATIONS, 16));
    let again = PassphraseWrapped::parse(wrapped.to_json()).unwrap();
    assert_eq!(again, wrapped);
    assert_eq!(again.unwrap(typed("correct horse")), Ok(key(1)));
    assert_eq!(again.unwrap(typed("Correct horse")), Err(Error::PassphraseWrong));
}

#[test]
fn the_normal_form_is_tried_first_and_what_was_typed_second() {
    let (composed, decomposed) = ("Gr\u{fc}\u{df}e", "Gru\u{308}\u{df}e");
    let pasted = Passphrase { nfkc: composed, typed: decomposed };
    assert_eq!(wrapped(composed).unwrap(pasted), Ok(key(1)));
    assert_eq!(wrapped(decomposed).unwrap(pasted), Ok(key(1)), "made by a program that does not normalise");
    assert_eq!(wrapped(decomposed).unwrap(typed(composed)), Err(Error::PassphraseWrong));
}

#[test]
fn what_was_derived_elsewhere_opens_and_wraps_too() {
    let wrapped = wrapped("horse");
    let mut derived = [0; 32];
    pbkdf2_sha256(b"horse", wrapped.salt(), wrapped.iterations(), &mut derived);
    assert_eq!(wrapped.unwrap_with(&WrapKey::from_bytes(&derived).unwrap()), Ok(key(1)));
    assert_eq!(wrapped.unwrap_with(&WrapKey::from_bytes(&[1; 32]).unwrap()), Err(Error::PassphraseWrong));
    assert_eq!(WrapKey::from_bytes(&[1; 31]).err(), Some(Error::KeyMalformed));
    let derived = WrapKey::from_bytes(&derived).unwrap();
    for (salt, iterations, part) in [(16, 999, "iterations"), (16, 10_000_001, "iterations"), (7, 1000, "salt")] {
        let refused = PassphraseWrapped::wrap_with(&derived, vec![1; salt], iterations, &key(1), &random(3));
        assert_eq!(refused, Err(Error::WrappedKeyMalformed(part)));
    }
}

#[test]
fn a_wrapped_key_that_cannot_be_read_names_the_part() {
    let good = wrapped("horse").to_json();
    assert!(PassphraseWrapped::parse(good.clone()).is_ok());
    let salt = |bytes: usize| json!(STANDARD.encode(vec![1; bytes]));
    let most = json!({ "iterations": 10_000_000, "salt": salt(64) });
    let least = json!({ "iterations": 1000, "salt": salt(8) });
    for bounds in [most, least] {
        assert!(PassphraseWrapped::parse(with(&good, &bounds)).is_ok());
    }
    for (change, part) in [
        (json!({ "kdf": "PBKDF2-SHA512" }), "kdf"),
        (json!({ "kdf": null }), "kdf"),
        (json!({ "iterations": 999 }), "iterations"),
        (json!({ "iterations": 10_000_001 }), "iterations"),
        (json!({ "iterations": 4_294_967_296_u64 }), "iterations"),
        (json!({ "iterations": -1 }), "iterations"),
        (json!({ "iterations": 1000.5 }), "iterations"),
        (json!({ "iterations": "600000" }), "iterations"),
        (json!({ "salt": salt(7) }), "salt"),
        (json!({ "salt": salt(65) }), "salt"),
        (json!({ "salt": "not base64" }), "salt"),
        (json!({ "iv": salt(11) }), "iv"),
        (json!({ "iv": 1 }), "iv"),
        (json!({ "ciphertext": salt(47) }), "ciphertext"),
        (json!({ "ciphertext": salt(49) }), "ciphertext"),
    ] {
        let refused = PassphraseWrapped::parse(with(&good, &change));
        assert_eq!(refused, Err(Error::WrappedKeyMalformed(part)), "{change}");
    }
    assert!(PassphraseWrapped::parse(json!("text")).is_err());
}

fn with(good: &Value, change: &Value) -> Value {
    let mut json = good.clone();
    for (name, value) in change.as_object().unwrap() {
        json[name] = value.clone();
    }
    json
}

#[test]
fn any_flipped_bit_of_a_wrapped_key_is_refused() {
    let wrapped = wrapped("horse");
    let mut derived = [0; 32];
    pbkdf2_sha256(b"horse", wrapped.salt(), wrapped.iterations(), &mut derived);
    let derived = WrapKey::from_bytes(&derived).unwrap();
    let json = wrapped.to_json();
    let bytes = |name: &str| STANDARD.decode(json[name].as_str().unwrap()).unwrap();
    let whole = [bytes("iv"), bytes("ciphertext")].concat();
    for bit in 0..whole.len() * 8 {
        let mut changed = whole.clone();
        changed[bit / 8] ^= 1 << (bit % 8);
        let (iv, ciphertext) = (STANDARD.encode(&changed[..12]), STANDARD.encode(&changed[12..]));
        let changed = WrappedKey::parse(&iv, &ciphertext).unwrap();
        assert!(derived.unwrap(&changed).is_none(), "bit {bit}");
    }
}

#[test]
fn a_recovery_code_opens_what_was_wrapped_for_it_only() {
    let code = RecoveryCode::generate(&random(3)).unwrap();
    let text = code.to_text();
    assert_eq!((text.len(), text.split('-').count()), (79, 16));
    let wrapped = code.wrap(&key(1), &random(4)).unwrap();
    let kept = WrappedKey::parse(&wrapped.iv(), &wrapped.ciphertext()).unwrap();
    assert_eq!(RecoveryCode::parse(&text).unwrap().unwrap(&kept), Ok(key(1)));
    let other = RecoveryCode::generate(&random(5)).unwrap();
    assert_eq!(other.unwrap(&kept), Err(Error::RecoveryCodeWrong));
    let fresh = code.wrap(&key(1), &random(6)).unwrap();
    assert_ne!(fresh, wrapped, "every wrap has its own IV");
}

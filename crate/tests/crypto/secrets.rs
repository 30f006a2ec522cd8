//! Keys, codes, passphrases and plaintexts stand in no error and no `Debug`, and are overwritten.

use crate::support::{at, key, random, ring, sealed, spot};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use mana_sync_engine::crypto::{
    Cipher, Envelope, Error, Format, Keyring, KeyringRecord, MasterKey, Passphrase, PassphraseWrapped, RecoveryCode,
    SealedKey, Unopened, WrapKey, WrappedKey,
};
use mana_sync_engine::model::{FieldName, UserId};
use serde_json::{Value, json};
use std::fmt::{Debug, Write};
use zeroize::ZeroizeOnDrop;

const PLAINTEXT: &str = "a plaintext nobody may read";
const PASSPHRASE: &str = "correct horse battery";

/// Everything that is said anywhere, in every form in which it could be said.
#[derive(Default)]
pub struct Said(pub String);

impl Said {
    fn debug(&mut self, value: &impl Debug) {
        write!(self.0, "{value:?}\n{value:#?}\n").unwrap();
    }

    pub fn error(&mut self, error: &(impl std::error::Error + ?Sized)) {
        write!(self.0, "{error}\n{error:?}\n{error:#?}\n").unwrap();
    }
}

/// The ways in which bytes may stand in a text.
pub fn spellings(bytes: &[u8]) -> Vec<String> {
    let hex: String = bytes.iter().fold(String::new(), |hex, byte| hex + &format!("{byte:02x}"));
    let listed = format!("{bytes:?}");
    let mut ways =
        vec![hex, listed[1..listed.len() - 1].to_owned(), STANDARD.encode(bytes), URL_SAFE_NO_PAD.encode(bytes)];
    ways.extend(std::str::from_utf8(bytes).ok().map(str::to_owned));
    ways
}

#[test]
fn nothing_secret_stands_in_any_debug_or_error() {
    let mut said = Said::default();
    say_what_holds_secrets(&mut said);
    say_every_error(&mut said);
    assert!(said.0.len() > 1000);
    let (master, code) = (key(1), RecoveryCode::generate(&random(3)).unwrap());
    let code = code.to_text();
    let code_bytes = crate::vectors::unhex(&code.replace('-', ""));
    for secret in [master.expose(), code.as_bytes(), &code_bytes, PASSPHRASE.as_bytes(), PLAINTEXT.as_bytes(), &[9; 32]]
    {
        // A part of a secret is one, too; twelve bytes begin at a character of base64.
        for part in secret.chunks_exact(12) {
            for spelling in spellings(part) {
                let said = said.0.replace(['\n', ' '], "").to_lowercase();
                let spelling = spelling.trim_end_matches('=').replace(' ', "").to_lowercase();
                assert!(!said.contains(&spelling), "{spelling}");
            }
        }
    }
}

fn say_what_holds_secrets(said: &mut Said) {
    let (ring, code) = (ring(1), RecoveryCode::generate(&random(3)).unwrap());
    said.debug(&key(1));
    said.debug(&ring);
    said.debug(&code);
    said.debug(&Cipher::new(key(1).expose()));
    said.debug(&WrapKey::from_bytes(&[9; 32]).unwrap());
    said.debug(&code.wrap(&key(1), &random(4)).unwrap());
    let passphrase = Passphrase { nfkc: PASSPHRASE, typed: PASSPHRASE };
    said.debug(&passphrase);
    let derived = WrapKey::from_bytes(&[9; 32]).unwrap();
    said.debug(&PassphraseWrapped::wrap_with(&derived, vec![7; 16], 1000, &key(1), &random(5)).unwrap());
    for format in [Format::One, Format::Two] {
        said.debug(&Envelope::parse(&sealed(&ring, format, &json!(PLAINTEXT), 6)).unwrap());
    }
}

fn say_every_error(said: &mut Said) {
    let other = ring(2);
    let ring = ring(1);
    let text = sealed(&ring, Format::Two, &json!(PLAINTEXT), 7);
    let no_json =
        ring.seal_json(Format::Two, &spot().place(), at(), format!("\"{PLAINTEXT}").into(), &random(8)).unwrap();
    let unopened = [
        ring.open(&spot().place(), at().next(), &text),
        ring.open(&spot().place(), at(), &no_json),
        ring.open(&spot().place(), at(), PLAINTEXT),
        other.open(&spot().place(), at(), &text),
    ]
    .map(Result::unwrap_err);
    let every = [Unopened::DoesNotOpen, Unopened::NotJson, Unopened::NotAnEnvelope, Unopened::UnknownKey];
    assert_eq!(unopened, every);
    for error in &unopened {
        said.error(error);
    }
    let errors = errors();
    assert_eq!(errors.len(), 8);
    for error in &errors {
        said.error(error);
    }
}

/// One of every kind, each from a call that was given something secret.
fn errors() -> Vec<Error> {
    let ring = ring(1);
    let name = ring.newest().unwrap();
    ring.add_uses(name, u64::MAX);
    let seal = |ring: &Keyring, random: &dyn Fn(&mut [u8])| {
        ring.seal(Format::Two, &spot().place(), at(), &json!(PLAINTEXT), random).unwrap_err()
    };
    let code = RecoveryCode::generate(&random(3)).unwrap();
    let wrapped = code.wrap(&key(1), &random(4)).unwrap();
    let derived = WrapKey::from_bytes(&[9; 32]).unwrap();
    let by_passphrase = PassphraseWrapped::wrap_with(&derived, vec![7; 16], 1000, &key(1), &random(5)).unwrap();
    vec![
        MasterKey::from_bytes(&key(1).expose()[1..]).unwrap_err(),
        seal(&ring, &random(1)),
        seal(&Keyring::new(), &random(1)),
        seal(&crate::support::ring(1), &|_| ()),
        by_passphrase.unwrap(Passphrase { nfkc: PASSPHRASE, typed: PLAINTEXT }).unwrap_err(),
        RecoveryCode::parse(&code.to_text()[1..]).unwrap_err(),
        RecoveryCode::generate(&random(6)).unwrap().unwrap(&wrapped).unwrap_err(),
        WrappedKey::parse(&STANDARD.encode(key(1).expose()), PASSPHRASE).unwrap_err(),
    ]
}

#[test]
fn an_error_says_what_to_do() {
    for error in errors() {
        assert!(error.to_string().contains(": "), "{error}");
    }
}

#[test]
fn what_holds_a_key_overwrites_it_when_it_is_dropped() {
    fn overwrites<T: ZeroizeOnDrop>() {}
    overwrites::<MasterKey>();
    overwrites::<Keyring>();
    overwrites::<Cipher>();
    overwrites::<WrapKey>();
    overwrites::<RecoveryCode>();
}

#[test]
fn no_input_makes_sealing_or_opening_panic() {
    let mut ring = ring(1);
    let record = KeyringRecord::of(&UserId::parse("ada").unwrap()).unwrap();
    let odd =
        ["enc:2:é", "enc:2:0001deadbeeé.", "enc:1:éééééééé.", "enc:1:AAAAAAAAAAAAAAA\u{10000}.", "enc:2:", "\0", "é"];
    for text in odd {
        assert!(ring.open(&spot().place(), at(), text).is_err());
        assert!(RecoveryCode::parse(text).is_err());
        assert!(WrappedKey::parse(text, text).is_err());
        assert!(PassphraseWrapped::parse(Value::from(text)).is_err());
        let field = FieldName::parse(format!("key:{}", text.replace('\0', ""))).unwrap();
        assert!(ring.open_key(&record, SealedKey { field: &field, at: at(), text }).is_err());
    }
}

//! Errors of random keys, codes and envelopes say nothing of them.

use crate::secrets::{Said, spellings};
use crate::support::{at, key, random, ring, sealed, spot};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use mana_sync_engine::crypto::{
    Error, Format, Keyring, MasterKey, PassphraseWrapped, RecoveryCode, WrapKey, WrappedKey,
};
use serde_json::json;
use std::collections::BTreeMap;

#[test]
fn ten_thousand_errors_of_random_keys_codes_and_envelopes_hold_nothing_secret() {
    let mut kinds = BTreeMap::new();
    for seed in 0..10_000 {
        let secrets = Secrets::of(seed);
        let mut said = Said::default();
        *kinds.entry(secrets.fail(seed, &mut said)).or_insert(0) += 1;
        let said = said.0.replace(['\n', ' '], "").to_lowercase();
        for secret in secrets.bytes() {
            for part in secret.chunks_exact(12) {
                for spelling in spellings(part) {
                    let spelling = spelling.trim_end_matches('=').replace(' ', "").to_lowercase();
                    assert!(!said.contains(&spelling), "SEED={seed}: {spelling} in {said}");
                }
            }
        }
    }
    assert_eq!((kinds.len(), kinds.values().sum::<u32>()), (11, 10_000), "{kinds:?}");
    assert!(kinds.values().all(|count| *count > 500), "{kinds:?}");
}

/// What must not be told, by a number.
struct Secrets {
    ring: Keyring,
    code: RecoveryCode,
    words: String,
}

impl Secrets {
    fn of(seed: u64) -> Self {
        let mut words = [0; 24];
        random(seed ^ 0x77_6f72_6473)(&mut words);
        let code = RecoveryCode::generate(&random(seed ^ 0x636f_6465)).unwrap();
        Self { ring: ring(seed), code, words: STANDARD.encode(words) }
    }

    fn key(&self) -> &MasterKey {
        self.ring.newest_key().unwrap()
    }

    fn bytes(&self) -> Vec<Vec<u8>> {
        let code = self.code.to_text();
        let digits = crate::vectors::unhex(&code.replace('-', ""));
        vec![self.key().expose().to_vec(), code.as_bytes().to_vec(), digits, self.words.as_bytes().to_vec()]
    }

    /// Fails in one of the ways there are, says how, and names it.
    fn fail(&self, seed: u64, said: &mut Said) -> String {
        let named = match seed % 4 {
            0 => return self.fail_to_open(seed / 4, said),
            1 => self.fail_to_wrap(seed / 4),
            2 => self.fail_to_read(seed / 4),
            _ => self.fail_to_seal(seed / 4),
        };
        said.error(&named);
        let engines = mana_sync_engine::engine::Error::from(named);
        said.error(&engines);
        engines.kind().code().to_owned()
    }

    fn fail_to_open(&self, seed: u64, said: &mut Said) -> String {
        let text = sealed(&self.ring, Format::Two, &json!(self.words), seed);
        let unreadable = format!("\"{}", self.words).into();
        let unopened = match seed % 4 {
            0 => self.ring.open(&spot().place(), at().next(), &text),
            1 => ring(seed ^ 1 << 40).open(&spot().place(), at(), &text),
            2 => self.ring.open(&spot().place(), at(), &self.words),
            _ => {
                let text = self.ring.seal_json(Format::Two, &spot().place(), at(), unreadable, &random(seed)).unwrap();
                self.ring.open(&spot().place(), at(), &text)
            }
        };
        let unopened = unopened.unwrap_err();
        said.error(&unopened);
        format!("{unopened:?}")
    }

    fn fail_to_wrap(&self, seed: u64) -> Error {
        let wrapped = self.code.wrap(self.key(), &random(seed)).unwrap();
        let other = WrapKey::from_bytes(key(seed ^ 1 << 41).expose()).unwrap();
        if seed.is_multiple_of(2) {
            return RecoveryCode::generate(&random(seed ^ 1 << 42)).unwrap().unwrap(&wrapped).unwrap_err();
        }
        let own = WrapKey::from_bytes(self.key().expose()).unwrap();
        let wrapped = PassphraseWrapped::wrap_with(&own, vec![7; 16], 1000, self.key(), &random(seed)).unwrap();
        wrapped.unwrap_with(&other).unwrap_err()
    }

    fn fail_to_read(&self, seed: u64) -> Error {
        let code = self.code.to_text();
        let cut = usize::try_from(seed).unwrap() % 31;
        match seed % 3 {
            0 => MasterKey::from_bytes(&self.key().expose()[cut + 1..]).unwrap_err(),
            1 => RecoveryCode::parse(&code[cut * 2 + 1..]).unwrap_err(),
            _ => WrappedKey::parse(&STANDARD.encode(self.key().expose()), &self.words).unwrap_err(),
        }
    }

    fn fail_to_seal(&self, seed: u64) -> Error {
        let seal = |ring: &Keyring, random: &dyn Fn(&mut [u8])| {
            ring.seal(Format::Two, &spot().place(), at(), &json!(self.words), random).unwrap_err()
        };
        if seed.is_multiple_of(2) {
            return seal(&self.ring, &|_| ());
        }
        self.ring.add_uses(self.ring.newest().unwrap(), u64::MAX);
        seal(&self.ring, &random(seed))
    }
}

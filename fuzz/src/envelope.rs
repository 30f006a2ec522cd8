//! Texts that claim to be sealed values, recovery codes or wrapped keys: read, written again, and opened with keys that
//! are here.

use super::limit;
use mana_sync_engine::crypto::{
    Envelope, Keyring, KeyringRecord, MasterKey, PassphraseWrapped, Place, RecoveryCode, WrappedKey,
};
use mana_sync_engine::model::{AppId, FieldName, RecordId, Stamp, TableName};

/// All that was ever sealed with the keys here for the place here.
const SEALED: [&str; 3] = [
    "enc:1:oKGio6Slpqeoqaqr.xF8O7vkIndpA/VhxTATMGQppq103CXyOvA==",
    "enc:2:0001b856b0b4.oKGio6Slpqeoqaqr.xF8O7vkIndpAcu7/WZmst2jeZdwYGxyqSA==",
    "enc:2:0002b856b0b4.oKGio6Slpqeoqaqr.xF8O7vkIndpAcu7/WZmst2jeZdwYGxyqSA==",
];
/// Its wrapped keys ask for so many iterations at most.
const MOST_ITERATIONS: u32 = 10_000_000;

/// Takes an input for each of the things it may be.
///
/// # Panics
/// When a text has two spellings, or something opens that nobody sealed.
pub fn run(input: &[u8]) {
    limit::within_a_second(|| {
        let Ok(text) = std::str::from_utf8(input) else { return };
        envelope(text);
        recovery_code(text);
        wrapped(text);
        let _ = FieldName::parse(text).map(|field| KeyringRecord::key_in(&field));
    });
}

fn envelope(text: &str) {
    let envelope = Envelope::parse(text);
    if let Some(envelope) = &envelope {
        assert_eq!(envelope.to_text(), text, "an envelope has one spelling");
    }
    let names = (AppId::parse("todo"), TableName::parse("tasks"), FieldName::parse("title"));
    let (Ok(app), Ok(table), Ok(field)) = names else { panic!("the names are valid") };
    let record = RecordId::parse("0198c0de-0000-7000-8000-000000000001").expect("the id is valid");
    let at = Stamp::parse("2026-03-01T12:00:00.000007Z").expect("the stamp is valid");
    let opened = ring().open(&Place::new(&app, &table, &record, &field), at, text);
    assert_eq!(opened.is_ok(), SEALED.contains(&text), "{text} opens only if it was sealed");
}

/// One key as the first and the second generation.
fn ring() -> Keyring {
    let bytes: Vec<u8> = (0..32).collect();
    let mut ring = Keyring::new();
    for generation in [1, 2] {
        ring.insert(generation, MasterKey::from_bytes(&bytes).expect("a key has 32 bytes"));
    }
    ring
}

fn recovery_code(text: &str) {
    if let Ok(code) = RecoveryCode::parse(text) {
        let written = code.to_text();
        let again = RecoveryCode::parse(&written).expect("a code that was written is read");
        assert_eq!(again.to_text(), written, "a code comes back as it was");
    }
}

fn wrapped(text: &str) {
    if let Some((iv, ciphertext)) = text.split_once('.')
        && let Ok(wrapped) = WrappedKey::parse(iv, ciphertext)
    {
        assert_eq!((wrapped.iv().as_str(), wrapped.ciphertext().as_str()), (iv, ciphertext), "a wrap has one spelling");
    }
    let Ok(json) = serde_json::from_str(text) else { return };
    if let Ok(wrapped) = PassphraseWrapped::parse(json) {
        assert!(wrapped.iterations() <= MOST_ITERATIONS, "nothing hangs the app");
        assert_eq!(PassphraseWrapped::parse(wrapped.to_json()), Ok(wrapped), "a wrap comes back as it was");
    }
}

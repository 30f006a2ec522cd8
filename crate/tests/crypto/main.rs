//! Sealing held to known answers, and to what it promises against whoever changes or moves what is sealed.

#![cfg(not(target_arch = "wasm32"))]

mod errors;
mod example;
mod moved;
mod nonces;
mod passphrases;
mod ring;
mod round_trips;
mod secrets;
mod support;
mod tampered;
#[path = "../vectors/mod.rs"]
mod vectors;

#[test]
fn aes_gcm_gives_the_known_answers_and_takes_no_other_sizes() {
    assert_eq!(vectors::aes_gcm(), (66, 250));
}

#[test]
fn hkdf_gives_the_known_answers() {
    assert_eq!(vectors::hkdf(), 86);
}

#[test]
fn pbkdf2_gives_the_known_answers() {
    assert_eq!(vectors::pbkdf2(), 60);
}

#[test]
fn every_envelope_of_the_older_app_opens_with_its_key_only() {
    assert_eq!(vectors::older_app(), 14);
}

#[test]
fn ten_thousand_values_are_sealed_as_every_build_seals_them_and_open_again() {
    assert_eq!(vectors::generated::sealed_alike(), 10_000);
}

#[test]
fn the_older_apps_recovery_code_opens_its_key() {
    vectors::older_recovery_code();
}

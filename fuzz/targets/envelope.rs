//! Texts that claim to be sealed values, codes or wrapped keys.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| mana_sync_fuzz::envelope::run(input));

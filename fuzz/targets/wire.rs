//! Everything that comes in from the network, through the readers of both sides.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| mana_sync_fuzz::wire::run(input));

//! Cursors that no server wrote, read and followed.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| mana_sync_fuzz::cursor::run(input));

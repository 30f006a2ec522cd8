//! Streams of server-sent events, in any pieces.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| mana_sync_fuzz::sse::run(input));

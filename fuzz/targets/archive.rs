//! Files that claim to be archives, and bodies that claim to have been sealed ones.

#![no_main]

#[path = "../src/archive.rs"]
mod archive;
use mana_sync_fuzz::limit;

libfuzzer_sys::fuzz_target!(|input: &[u8]| archive::run(input));

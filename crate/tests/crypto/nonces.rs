//! No two values are sealed under one IV. `IVS`: how many values are sealed (100,000 when unset).

use crate::support::{at, key, spot};
use mana_sync_engine::crypto::{Envelope, Format, Keyring};
use serde_json::Value;
use std::cell::RefCell;
use std::fs::File;
use std::io::Read;

#[test]
fn no_iv_comes_twice() {
    let many = std::env::var("IVS").map_or(100_000, |text| text.parse::<usize>().expect("a number"));
    let source = RefCell::new(File::open("/dev/urandom").expect("the system's random source"));
    // Asked anew each time, as browsers are.
    let random = |bytes: &mut [u8]| source.borrow_mut().read_exact(bytes).expect("it never ends");
    let mut ring = Keyring::new();
    ring.insert(1, key(1));
    let mut ivs: Vec<[u8; 12]> = Vec::with_capacity(many);
    for n in 0..many {
        let format = if n % 2 == 0 { Format::One } else { Format::Two };
        let text = ring.seal(format, &spot().place(), at(), &Value::Null, &random).expect("sealed");
        ivs.push(*Envelope::parse(&text).expect("an envelope").iv());
    }
    ivs.sort_unstable();
    assert!(ivs.windows(2).all(|pair| pair[0] != pair[1]));
    assert_eq!((ivs.len(), ring.uses(ring.newest().expect("a key"))), (many, many as u64));
}

//! No two values are sealed under one IV. `IVS`, where it was set when this was compiled: how many values are sealed (20,000
//! else).

use mana_sync_engine::crypto::{Envelope, Format, Keyring, MasterKey, Place};
use mana_sync_engine::engine::ports::Host;
use mana_sync_engine::model::{AppId, FieldName, RecordId, Stamp, TableName};
use mana_sync_engine::web::BrowserHost;
use serde_json::Value;
use wasm_bindgen_test::wasm_bindgen_test;

/// How many are sealed before the page has a moment for other things.
const TURN: usize = 100_000;

#[wasm_bindgen_test]
async fn no_iv_comes_twice() {
    let many = option_env!("IVS").map_or(20_000, |text| text.parse::<usize>().expect("a number"));
    let (app, table) = (AppId::parse("todo").unwrap(), TableName::parse("tasks").unwrap());
    let (record, field) = (RecordId::parse("r").unwrap(), FieldName::parse("title").unwrap());
    let place = Place::new(&app, &table, &record, &field);
    let random = |bytes: &mut [u8]| BrowserHost.random(bytes);
    let mut ring = Keyring::new();
    ring.insert(1, MasterKey::generate(&random).unwrap());
    let mut ivs: Vec<[u8; 12]> = Vec::with_capacity(many);
    for n in 0..many {
        let text = ring.seal(Format::Two, &place, Stamp::EPOCH, &Value::Null, &random).unwrap();
        ivs.push(*Envelope::parse(&text).unwrap().iv());
        if n % TURN == TURN - 1 {
            BrowserHost.sleep(0).await;
        }
    }
    ivs.sort_unstable();
    assert!(ivs.windows(2).all(|pair| pair[0] != pair[1]));
    assert_eq!((ivs.len(), ring.uses(ring.newest().unwrap())), (many, many as u64));
}

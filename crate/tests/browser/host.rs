//! Time, randomness and tasks.

use crate::support::{Heard, Patched, js};
use futures_util::FutureExt;
use mana_sync_engine::engine::ports::Host;
use mana_sync_engine::web::BrowserHost;
use wasm_bindgen_test::wasm_bindgen_test;

#[wasm_bindgen_test]
fn clocks_are_those_of_the_browser() {
    let _date = Patched::new("Date", "now", "{ value: () => 1234.5, writable: true }");
    assert_eq!(BrowserHost.now_ms(), 1234);
    let before = BrowserHost.monotonic_ms();
    assert!(BrowserHost.monotonic_ms() >= before);
    assert!(before < 1e9, "counts from the page's start, not from 1970");
}

#[wasm_bindgen_test]
fn large_buffers_are_filled_too() {
    let mut bytes = vec![0; 200_000];
    BrowserHost.random(&mut bytes);
    for part in bytes.chunks(1000) {
        assert!(part.iter().any(|byte| *byte != 0));
    }
}

#[wasm_bindgen_test]
async fn a_sleep_ends_and_a_dropped_one_stops_its_timer() {
    BrowserHost.sleep(1).await;
    js("globalThis.cleared = 0");
    let _clear = Patched::new(
        "globalThis",
        "clearTimeout",
        "{ value: (timer) => { cleared++; before.call(globalThis, timer) }, writable: true }",
    );
    let mut sleep = BrowserHost.sleep(1_000_000);
    assert!((&mut sleep).now_or_never().is_none());
    drop(sleep);
    assert_eq!(js("cleared"), 1);
}

#[wasm_bindgen_test]
async fn sleeps_longer_than_a_timer_can_be_are_made_of_several() {
    js("globalThis.waits = []");
    let _timers = Patched::new(
        "globalThis",
        "setTimeout",
        "{ value: (act, ms) => { waits.push(ms); return before.call(globalThis, act, 0) }, writable: true }",
    );
    BrowserHost.sleep(i32::MAX as u64 + 5).await;
    assert_eq!(js("waits.join()"), "2147483647,5");
}

#[wasm_bindgen_test]
async fn tasks_start_after_the_present_turn() {
    let heard = Heard::new();
    let inside = heard.clone();
    BrowserHost.spawn(async move { inside.note(1) }.boxed_local());
    assert!(heard.all().is_empty());
    heard.wait_for(1).await;
}

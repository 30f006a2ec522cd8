//! Locks and messages between tabs of one database.

use crate::support::{Heard, Patched, fresh_name};
use futures_util::FutureExt;
use mana_sync_engine::engine::ports::Tabs;
use mana_sync_engine::web::BrowserTabs;
use wasm_bindgen_test::wasm_bindgen_test;

#[wasm_bindgen_test]
async fn one_tab_holds_a_lock_and_the_next_gets_it_when_it_is_dropped() {
    let name = fresh_name();
    let (a, b) = (BrowserTabs::new(&name), BrowserTabs::new(&name));
    let held = a.lock("leader").await;
    assert!(b.try_lock("leader").await.is_none());
    assert!(b.try_lock("another").await.is_some());
    let order = Heard::new();
    for (tabs, number) in [(&b, 1), (&a, 2)] {
        let (waiting, order) = (tabs.lock("leader"), order.clone());
        wasm_bindgen_futures::spawn_local(async move {
            let _held = waiting.await;
            order.note(number);
        });
    }
    drop(held);
    assert_eq!(order.wait_for(2).await, [1, 2], "in the order they asked");
    drop(a.lock("leader").await);
}

#[wasm_bindgen_test]
async fn a_lock_nobody_waits_for_any_longer_is_passed_on() {
    let tabs = BrowserTabs::new(&fresh_name());
    let held = tabs.lock("leader").await;
    let mut given_up = tabs.lock("leader");
    assert!((&mut given_up).now_or_never().is_none());
    drop(given_up);
    drop(held);
    drop(tabs.lock("leader").await);
}

#[wasm_bindgen_test]
async fn a_shared_lock_excludes_only_those_who_want_it_alone() {
    let name = fresh_name();
    let (a, b) = (BrowserTabs::new(&name), BrowserTabs::new(&name));
    let first = a.share_lock("epoch").await;
    let second = b.share_lock("epoch").await;
    assert!(a.try_lock("epoch").await.is_none());
    drop(first);
    assert!(a.try_lock("epoch").await.is_none());
    drop(second);
    drop(a.lock("epoch").await);
}

#[wasm_bindgen_test]
async fn another_database_has_other_locks() {
    let (a, b) = (BrowserTabs::new(&fresh_name()), BrowserTabs::new(&fresh_name()));
    let _held = a.lock("leader").await;
    assert!(b.try_lock("leader").await.is_some());
}

#[wasm_bindgen_test]
async fn without_locks_every_tab_counts_as_alone() {
    let _patch = Patched::new("navigator", "locks", "{ value: undefined }");
    let tabs = BrowserTabs::new(&fresh_name());
    let _held = tabs.lock("leader").await;
    assert!(tabs.try_lock("leader").await.is_some());
    let _shared = tabs.share_lock("leader").await;
}

#[wasm_bindgen_test]
async fn other_tabs_of_the_database_hear_what_is_posted() {
    let name = fresh_name();
    let (a, b) = (BrowserTabs::new(&name), BrowserTabs::new(&name));
    let elsewhere = BrowserTabs::new(&fresh_name());
    let heard = Heard::new();
    for (tabs, who) in [(&a, "a"), (&b, "b"), (&b, "b again"), (&elsewhere, "elsewhere")] {
        let heard = heard.clone();
        tabs.listen(Box::new(move |text| heard.note(format!("{who}: {text}"))));
    }
    a.post("hello");
    assert_eq!(heard.wait_for(2).await, ["b: hello", "b again: hello"]);
    b.post("back");
    assert_eq!(heard.wait_for(3).await[2], "a: back", "nobody hears themselves");
}

#[wasm_bindgen_test]
async fn without_channels_nothing_is_heard_and_nothing_breaks() {
    let _patch = Patched::new("globalThis", "BroadcastChannel", "{ value: undefined }");
    let tabs = BrowserTabs::new(&fresh_name());
    tabs.listen(Box::new(|_| {}));
    tabs.post("hello");
}

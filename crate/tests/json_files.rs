//! Every file of `JSONTestSuite` as the value of a field that was pulled, natively and in a browser.

#[path = "../../tests/vectors/json/mod.rs"]
mod json;

use mana_sync_engine::model::Change;
use mana_sync_engine::protocol::http::Response;
use mana_sync_engine::protocol::reply::pull_answer;
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

#[cfg(target_arch = "wasm32")]
wasm_bindgen_test::wasm_bindgen_test_configure!(run_in_browser);

/// A page whose one change has the value.
fn page(value: &str) -> String {
    let names = r#""eventId":"0190b5f0-0000-7000-8000-000000000001","app":"todo","schemaVersion":1,"table":"tasks","id":"t","op":"insert""#;
    let change = format!(r#"{{{names},"at":"2026-01-01T00:00:00.000000Z","data":{{"id":"t","v":{value}}}}}"#);
    let end = r#""cursor":"c","hasMore":false,"serverTime":"2026-01-01T00:00:00.000000Z""#;
    format!(r#"{{"protocol":2,"changes":[{change}],{end}}}"#)
}

fn accepts(bytes: &[u8]) -> bool {
    // As a body comes from `fetch`: what is no UTF-8 is replaced (Encoding Standard, 6).
    let body = page(&String::from_utf8_lossy(bytes));
    let answer = Response { status: 200, content_type: "application/json".to_owned(), retry_after_ms: None, body };
    let changes = pull_answer(Ok(answer)).map(|page| page.changes).unwrap_or_default();
    changes.len() == 1 && changes.into_iter().all(|change| Change::parse(change).is_ok())
}

#[test]
fn the_engine_accepts_what_it_should_and_nothing_else() {
    let replaced = |name: &str, bytes| name.starts_with("i_string") && std::str::from_utf8(bytes).is_err();
    assert_eq!(json::mistaken(|name, bytes| !replaced(name, bytes) && accepts(bytes)), json::REFUSED_IN_CHANGES);
}

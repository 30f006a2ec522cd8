//! Rows that are JavaScript objects.

use crate::support::{call, js, object};
use mana_sync_engine::store::{Key, Row, RowValue};
use mana_sync_engine::web::JsRow;
use wasm_bindgen::JsValue;
use wasm_bindgen_test::wasm_bindgen_test;

#[wasm_bindgen_test]
fn only_own_fields_that_are_defined_are_there() {
    let row = object("{ a: 1, gone: undefined, none: null }");
    assert_eq!(row.get("a"), Some(JsValue::from_f64(1.0)));
    assert_eq!(row.get("none"), Some(JsValue::NULL));
    for absent in ["gone", "b", "constructor", "toString", "__proto__", "hasOwnProperty"] {
        assert_eq!(row.get(absent), None, "{absent}");
    }
    assert_eq!(row.names(), ["a", "none"]);
}

#[wasm_bindgen_test]
fn fields_are_set_and_taken_away() {
    let mut row = JsRow::empty();
    row.set("a", JsValue::from_f64(1.0));
    row.set_text("b", "text");
    row.set("constructor", JsValue::TRUE);
    assert_eq!(row.names(), ["a", "b", "constructor"]);
    row.remove("a");
    row.remove("never there");
    assert_eq!(row.get("a"), None);
    assert_eq!(row.text("b").as_deref(), Some("text"));
    assert_eq!(row.get("constructor"), Some(JsValue::TRUE));
}

#[wasm_bindgen_test]
fn a_field_named_proto_is_a_field() {
    let mut row = JsRow::empty();
    row.set("__proto__", js("{ polluted: true }"));
    assert!(row.get("polluted").is_none());
    assert!(row.get("__proto__").is_some());
    let copy = row.shallow_copy();
    assert!(copy.get("__proto__").is_some() && copy.get("polluted").is_none());
    assert_eq!(call("() => ({}).polluted", &[]), JsValue::UNDEFINED);
}

#[wasm_bindgen_test]
fn a_copy_has_its_own_fields_and_the_same_values() {
    let row = object("Object.freeze({ id: 'a', due: new Date(0), inner: {} })");
    let mut copy = row.shallow_copy();
    copy.set_text("id", "b");
    assert_eq!(row.text("id").as_deref(), Some("a"));
    assert_eq!(copy.get("due"), row.get("due"), "the very same date");
    assert_eq!(copy.get("inner"), row.get("inner"), "the very same object");
}

#[wasm_bindgen_test]
fn a_field_that_fails_to_be_read_breaks_nothing() {
    let row = object("{ a: 1, get b() { throw new Error('no') } }");
    assert_eq!(row.get("b"), None);
    assert_eq!(row.names(), ["a"]);
    assert_eq!(row.shallow_copy().text("id"), None);
    assert_eq!(Row::to_json(&row.shallow_copy()).expect_err("is refused").path, ".b");
}

#[wasm_bindgen_test]
fn values_are_told_apart() {
    assert_eq!(js("'a'").as_text().as_deref(), Some("a"));
    assert_eq!(js("'\\ud800'").as_text(), None, "no text that Rust can hold");
    assert_eq!(js("1.5").as_number(), Some(1.5));
    assert_eq!(js("'1'").as_number(), None);
    assert!(RowValue::is_null(&js("undefined")) && RowValue::is_null(&js("null")));
    assert_eq!(js("new Date(5)").as_date_ms(), Some(5.0));
    assert_eq!(js("[1, 2]").as_list().map(|list| list.len()), Some(2));
    assert!(js("[1]").as_row().is_none() && js("() => 1").as_row().is_none() && js("'a'").as_row().is_none());
    assert!(js("{ a: 1 }").as_row().is_some());
    assert_eq!(JsValue::list(vec![JsValue::TRUE]).as_list(), Some(vec![JsValue::TRUE]));
}

#[wasm_bindgen_test]
fn binary_values_give_the_bytes_they_show() {
    for (expression, bytes) in [
        ("new Uint8Array([1, 2]).buffer", vec![1, 2]),
        ("new Uint8Array([1, 2, 3]).subarray(1)", vec![2, 3]),
        ("new Uint16Array([258])", vec![2, 1]),
        ("new DataView(new Uint8Array([1, 2, 3]).buffer, 2)", vec![3]),
    ] {
        assert_eq!(js(expression).as_bytes(), Some(bytes), "{expression}");
    }
    assert_eq!(js("[1]").as_bytes(), None);
}

#[wasm_bindgen_test]
fn values_that_are_no_keys_are_none() {
    for stray in ["true", "null", "{}", "NaN", "new Date(NaN)", "['a', null]", "'\\udfff'"] {
        assert!(Key::of(&js(stray)).is_none(), "{stray}");
    }
    assert_eq!(
        Key::of(&js("['a', new Date(1), new Uint8Array([7])]")),
        Some(Key::List(vec![Key::text("a"), Key::Date(1.0), Key::Bytes(vec![7]),]))
    );
}

//! What JavaScript values are as JSON, and which are refused, with their path.

use crate::support::js;
use mana_sync_engine::store::RowValue;
use serde_json::{Value, json};
use wasm_bindgen::JsValue;
use wasm_bindgen_test::wasm_bindgen_test;

fn json_of(expression: &str) -> Value {
    RowValue::to_json(&js(expression)).unwrap_or_else(|refused| panic!("{expression}: {refused}"))
}

fn refused(expression: &str) -> String {
    RowValue::to_json(&js(expression)).map_or_else(|refused| refused.path, |json| panic!("{expression} became {json}"))
}

#[wasm_bindgen_test]
fn plain_values_are_what_they_are() {
    assert_eq!(
        json_of("({ a: [1, 'two', null, true, 1.5], b: {} })"),
        json!({ "a": [1, "two", null, true, 1.5], "b": {} })
    );
    assert_eq!(json_of("[-0, 0.1, 2 ** 53, -(2 ** 53)]"), json!([0, 0.1, 1_i64 << 53, -(1_i64 << 53)]));
    assert_eq!(json_of("2 ** 60"), json!(1_152_921_504_606_846_976.0_f64), "beyond 2^53 a number is a double");
    assert_eq!(json_of("'\\u{1F600} \\ufffd'"), json!("\u{1F600} \u{FFFD}"), "a real replacement character is text");
    assert_eq!(json_of("Object.create(null)"), json!({}));
    assert_eq!(json_of("Object.assign(Object.create(null), { a: 1 })"), json!({ "a": 1 }));
    assert_eq!(json_of("({ get a() { return 1 } })"), json!({ "a": 1 }));
    assert_eq!(json_of("({ [Symbol('s')]: 1, a: 1 })"), json!({ "a": 1 }));
    assert_eq!(json_of("({ a: undefined, b: 1 })"), json!({ "b": 1 }));
    assert_eq!(json_of("JSON.parse('{\"__proto__\": {\"x\": 1}}')"), json!({ "__proto__": { "x": 1 } }));
    assert_eq!(json_of("undefined"), Value::Null);
}

#[wasm_bindgen_test]
fn objects_of_another_realm_are_plain_too() {
    let frame = "(() => { const frame = document.createElement('iframe'); document.body.append(frame);
        const made = frame.contentWindow.eval('({ a: [1, { b: 2 }] })'); frame.remove(); return made })()";
    assert_eq!(json_of(frame), json!({ "a": [1, { "b": 2 }] }));
}

#[wasm_bindgen_test]
fn what_json_would_change_is_refused_with_its_path() {
    for (expression, path) in [
        ("'\\ud800'", ""),
        ("({ a: 'x\\udc00' })", ".a"),
        ("NaN", ""),
        ("[1, -Infinity]", "[1]"),
        ("({ a: [1, { b: 1n }] })", ".a[1].b"),
        ("({ a: () => 1 })", ".a"),
        ("({ a: Symbol('s') })", ".a"),
        ("[undefined]", "[0]"),
        ("[1, , 3]", "[1]"),
        ("new Array(4294967295)", "[0]"),
        ("({ a: new Date() })", ".a"),
        ("new Map()", ""),
        ("new Set()", ""),
        ("new Blob([])", ""),
        ("new Uint8Array(2)", ""),
        ("new (class A {})()", ""),
        ("new (class A { constructor() { return Object.create((class extends null {}).prototype) } })()", ""),
        ("new String('s')", ""),
        ("Promise.resolve()", ""),
        ("({ a: { get b() { throw new Error('no') } } })", ".a.b"),
        ("(() => { const p = Proxy.revocable({}, {}); p.revoke(); return { a: p.proxy } })()", ".a"),
    ] {
        assert_eq!(refused(expression), path, "{expression}");
    }
    let name = js("({ ['\\ud800']: 1 })");
    assert!(RowValue::to_json(&name).is_err(), "a name that is not well-formed");
}

#[wasm_bindgen_test]
fn cycles_and_depth_end_without_overflow() {
    assert!(refused("(() => { const a = {}; a.a = a; return a })()").starts_with(".a.a.a"));
    assert!(refused("(() => { const a = []; a.push([a]); return a })()").starts_with("[0][0]"));
    let nested = |depth: u32| format!("(() => {{ let v = 1; for (let i = 0; i < {depth}; i++) v = [v]; return v }})()");
    json_of(&nested(64));
    assert_eq!(refused(&nested(65)), "[0]".repeat(64));
    assert_eq!(refused(&nested(100_000)), "[0]".repeat(64));
}

#[wasm_bindgen_test]
fn values_travel_as_they_are_or_not_at_all() {
    let travels = |expression: &str| js(expression).travelling("f").unwrap_or_else(|e| panic!("{expression}: {e}"));
    assert_eq!(travels("'text'"), js("'text'"));
    assert_eq!(travels("null"), JsValue::NULL);
    assert_eq!(travels("undefined"), JsValue::NULL);
    assert!(js_sys::Object::is(&travels("-0"), &js("0")), "negative zero becomes zero");
    let copied = travels("{ a: [-0, { b: 'x', c: undefined }] }");
    assert_eq!(js_sys::JSON::stringify(&copied).unwrap(), "{\"a\":[0,{\"b\":\"x\"}]}");
    for (expression, path) in [
        ("'\\ud800'", "f"),
        ("'a\\0'", "f"),
        ("NaN", "f"),
        ("1n", "f"),
        ("() => 1", "f"),
        ("{ a: ['\\0'] }", "f.a[0]"),
        ("{ a: new Date() }", "f.a"),
        ("JSON.parse('{\"__proto__\": 1}')", "f.__proto__"),
    ] {
        assert_eq!(js(expression).travelling("f").expect_err(expression).path, path, "{expression}");
    }
}

#[wasm_bindgen_test]
fn values_weigh_what_they_take_as_json_or_little_more() {
    for expression in [
        "''",
        "'plain text ~'",
        "'a \"quoted\" \\\\ line\\n\\u0001'",
        "'Grüße'.repeat(400)",
        "'\\ud83d\\ude00'",
        "-1.2345678901234567e-308",
        "12",
        "true",
        "null",
        "{ a: ['ü', 0.1, null], 'b\"': { c: '\\t' } }",
    ] {
        let value = js(expression);
        let bytes = json_of(expression).to_string().len();
        let (_, travelling) = value.travelling_weighed("f").expect(expression);
        assert_eq!(travelling, value.weight(), "{expression}");
        let most = if value.is_string() || value.is_object() { bytes } else { bytes + 24 };
        assert!((bytes..=most).contains(&travelling), "{expression}: {travelling} for {bytes}");
    }
    assert_eq!(js("'\\ud800'").weight(), 0);
}

#[wasm_bindgen_test]
fn json_becomes_what_javascript_would_parse() {
    for text in
        ["null", "true", "1.5", "9007199254740993", "\"\u{1F600}\"", "[1,{\"a\":[]}]", "{\"__proto__\":{\"x\":1}}"]
    {
        let value = JsValue::from_json(&serde_json::from_str(text).unwrap());
        let parsed = js_sys::JSON::parse(text).unwrap();
        assert_eq!(js_sys::JSON::stringify(&value).unwrap(), js_sys::JSON::stringify(&parsed).unwrap(), "{text}");
    }
    assert!(!js("'x' in {}").is_truthy(), "no prototype was changed");
}

#[wasm_bindgen_test]
fn sameness_is_that_of_json() {
    let same = |a: &str, b: &str| js(a).same(&js(b));
    for (a, b) in [("1", "1"), ("0", "-0"), ("'a'", "'a'"), ("null", "undefined"), ("false", "false")] {
        assert!(same(a, b) && same(b, a), "{a} and {b}");
    }
    assert!(same("{ a: 1, b: [1, { c: null }] }", "{ b: [1, { c: null }], a: 1, d: undefined }"));
    for (a, b) in
        [("1", "'1'"), ("0", "false"), ("null", "0"), ("'a'", "'b'"), ("[1]", "[2]"), ("[]", "{}"), ("1", "[1]")]
    {
        assert!(!same(a, b) && !same(b, a), "{a} and {b}");
    }
    for stray in ["NaN", "Infinity", "'\\ud800'", "1n", "new Date(0)", "() => 1", "Symbol.iterator"] {
        let value = js(stray);
        assert!(!value.same(&value), "{stray} is not even the same as itself");
    }
}

//! Values that JavaScript, WebAssembly, JSON parsers and databases treat differently, as JSON texts, and odd names.

/// Each with what it is; what has a `false` can be written by nobody.
pub fn differences() -> [(&'static str, bool, String); 27] {
    let text = |inner: &str| format!("\"{inner}\"");
    let long = |inner: &str, times: usize| format!("\"{}\"", inner.repeat(times));
    [
        ("a lone high surrogate", false, text(r"a\ud800b")),
        ("a lone low surrogate", false, text(r"a\udc00b")),
        ("surrogates in the wrong order", false, text(r"\ude00\ud83d")),
        ("an escaped pair of surrogates, and the character itself", true, text("\\ud83d\\ude00 \u{1f600}")),
        ("noncharacters", true, text("\u{ffff}\u{fffe}\\uffff\u{10ffff}")),
        ("the replacement character", true, text("\u{fffd}")),
        ("a byte order mark", true, text("\u{feff}a\u{feff}")),
        ("line and paragraph separators", true, text("a\u{2028}b\u{2029}c")),
        ("control characters", true, text("\\u0001\\u001f\u{7f}\u{85}\\t\\r\\n")),
        ("composed and decomposed letters", true, "[\"\u{e9}\", \"e\u{301}\"]".to_owned()),
        ("escaped and raw characters", true, text("\\/ / \\u0041A \\u00e9\u{e9} \\\" \\\\")),
        ("no value", true, "null".to_owned()),
        ("letters of other cases and directions", true, text("\u{130}\u{131}\u{17f}\u{df} \u{202e}abc\u{200d}")),
        ("a text of 1 MiB", true, long("m", 1 << 20)),
        ("a text of 6 MiB", true, long("x", 6 << 20)),
        ("a text of 8 MiB", false, long("x", 8 << 20)),
        ("a text of 2 MiB that has 12 as JSON", false, long(r"\u0001", 2 << 20)),
        ("a key twice", true, r#"{"a": 1, "a": 2}"#.to_owned()),
        ("an empty key", true, r#"{"": 1}"#.to_owned()),
        ("the key __proto__", false, r#"{"__proto__": {"admin": true}}"#.to_owned()),
        ("the key constructor", false, r#"[{"constructor": {"a": 1}}]"#.to_owned()),
        ("the key prototype", false, r#"{"a": {"prototype": null}}"#.to_owned()),
        ("keys like numbers, in no order", true, r#"{"b": 1, "10": 2, "2": 3, "-1": 4, "a": 5, "01": 6}"#.to_owned()),
        ("keys that look alike", true, "{\"\u{e9}\": 1, \"e\u{301}\": 2, \"E\": 3, \"e\": 4}".to_owned()),
        ("nothing in many forms", true, r#"[[], {}, "", null, [null], {"a": null}, [[]], false, 0]"#.to_owned()),
        (
            "words, numbers and dates as texts",
            true,
            r#"["true", "null", "NaN", "1e400", "-0", "2026-01-01T00:00:00Z"]"#.to_owned(),
        ),
        ("what looks like an encrypted field", true, text("enc:1:aaaa.bbbb")),
    ]
}

/// Numbers as JSON texts; some are none.
pub const NUMBERS: [&str; 40] = [
    "0",
    "-0",
    "-0.0",
    "1",
    "1.0",
    "100",
    "1e2",
    "1E+2",
    "0.1",
    "0.30000000000000004",
    "1e-7",
    "0.000001",
    "1e20",
    "1e21",
    "123456789012345680000",
    "2147483648",
    "-2147483649",
    "4294967296",
    "9007199254740991",
    "9007199254740992",
    "9007199254740993",
    "-9007199254740993",
    "9223372036854775807",
    "9223372036854775808",
    "-9223372036854775808",
    "-9223372036854775809",
    "18446744073709551615",
    "18446744073709551616",
    "1.7976931348623157e308",
    "1.7976931348623159e308",
    "1e400",
    "-1e400",
    "1e-400",
    "5e-324",
    "2.2250738585072014e-308",
    "2.225073858507201e-308",
    "3.141592653589793238462643383279",
    "NaN",
    "-Infinity",
    "0x10",
];

/// Reserved and odd names.
pub const NAMES: [&str; 12] = [
    "__proto__",
    "constructor",
    "prototype",
    "toString",
    "hasOwnProperty",
    "__fieldMeta",
    "_updatedAtIndex",
    "updatedAt",
    "a.b",
    "a b",
    "",
    "\u{feff}\u{e9}",
];

/// How deep values are nested; up to 64 they travel.
pub const DEPTHS: [usize; 7] = [1, 63, 64, 65, 127, 128, 10_000];

/// A value nested `depth` levels, of arrays or of objects.
pub fn nested(depth: usize, objects: bool) -> String {
    let (open, close) = if objects { (r#"{"a":"#, "}") } else { ("[", "]") };
    format!("{}1{}", open.repeat(depth), close.repeat(depth))
}

/// U+0000 where it may stand in a value.
pub const NULS: [&str; 4] = [r#""\u0000""#, r#""a\u0000b""#, r#"{"a\u0000b": 1}"#, r#"[{"a": ["\u0000"]}]"#];

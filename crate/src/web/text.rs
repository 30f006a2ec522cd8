//! Texts that JavaScript has and Rust cannot hold: those with lone surrogates.

use js_sys::{Function, RegExp};
use wasm_bindgen::JsValue;

/// What encoding puts in place of a lone surrogate, and the first byte of that, which few texts have.
const REPLACEMENT: char = '\u{FFFD}';
const REPLACEMENT_BEGINS: u8 = 0xef;

/// A test that the browser runs over a text, without copying it here.
struct Pattern {
    test: Function,
    pattern: RegExp,
}

impl Pattern {
    fn new(pattern: &str) -> Self {
        // Read as Unicode, a pair is one character, and surrogates are found only where they are alone.
        let pattern = RegExp::new(pattern, "u");
        let test = super::js::function(&pattern, "test").expect("patterns can be tested");
        Self { test, pattern }
    }

    fn finds(&self, text: &JsValue) -> bool {
        self.test.call1(&self.pattern, text).is_ok_and(|found| found.is_truthy())
    }
}

thread_local! {
    static LONE: Pattern = Pattern::new("[\\ud800-\\udfff]");
}

/// Whether a text is free of lone surrogates.
pub fn is_well_formed(text: &JsValue) -> bool {
    LONE.with(|lone| !lone.finds(text))
}

/// Whether `text` is all of `value`, from which it was encoded.
pub fn is_faithful(text: &str, value: &JsValue) -> bool {
    !text.as_bytes().contains(&REPLACEMENT_BEGINS) || !text.contains(REPLACEMENT) || JsValue::from_str(text) == *value
}

/// The text a value is; `None` where it is none, or one that Rust cannot hold.
pub fn well_formed_text(value: &JsValue) -> Option<String> {
    value.as_string().filter(|text| is_faithful(text, value))
}

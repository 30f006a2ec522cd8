//! Names of fields and other words, in JavaScript and here: made once, because copying texts in and out is slow.

use js_sys::{Array, JsString};
use std::cell::RefCell;
use std::rc::Rc;
use wasm_bindgen::JsValue;

/// How many places there are; a schema's names take a tenth of them.
const PLACES: usize = 512;
/// How many words share a place before one is forgotten.
const WAYS: usize = 2;

type Kept = Option<(Box<str>, Rc<JsString>)>;

/// Most names of one object that are remembered.
const MAX_SHAPE: usize = 256;

thread_local! {
    /// The names of the last object that was read, in their order: the next one often has the same.
    static SHAPE: RefCell<Vec<(JsValue, Box<str>)>> = const { RefCell::new(Vec::new()) };
    static WORDS: RefCell<Vec<[Kept; WAYS]>> = const { RefCell::new(Vec::new()) };
}

/// The JavaScript string of a word that is used again and again. Words that meet in one place push each other out, so
/// that any number of them takes bounded memory.
pub(super) fn word(text: &str) -> Rc<JsString> {
    WORDS.with_borrow_mut(|words| {
        if words.is_empty() {
            words.resize_with(PLACES, Default::default);
        }
        let ways = &mut words[place(text)];
        for (known, made) in ways.iter().flatten() {
            if **known == *text {
                return Rc::clone(made);
            }
        }
        let made = Rc::new(JsString::from(text));
        ways.rotate_right(1);
        ways[0] = Some((text.into(), Rc::clone(&made)));
        made
    })
}

/// FNV-1a: names are short, and nothing depends on that they spread well.
fn place(text: &str) -> usize {
    let mixed = text.bytes().fold(0x811c_9dc5_u32, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193));
    (mixed ^ (mixed >> 16)) as usize % PLACES
}

/// The texts of an object's names, each with itself; what is no text is left out.
pub(super) fn spelled(names: &Array) -> Vec<(JsValue, String)> {
    SHAPE.with_borrow_mut(|shape| {
        let texts = names.iter().enumerate().filter_map(|(place, name)| {
            if let Some((known, text)) = shape.get(place)
                && *known == name
            {
                return Some((name, text.to_string()));
            }
            let text = name.as_string()?;
            shape.truncate(place);
            if shape.len() == place && place < MAX_SHAPE {
                shape.push((name.clone(), text.as_str().into()));
            }
            Some((name, text))
        });
        texts.collect()
    })
}

//! A page that no parser takes as a whole, read change by change.
//!
//! A number such as `1e400`, half a pair of surrogates or nesting of hundreds of levels in one change makes the whole text
//! unreadable. Asked for again the page would come again, and nothing behind that change would ever arrive. So each
//! change is read by itself, and one that cannot be read stands there as its text, which is no change and is put aside.

use serde_json::Value;

/// The object that `text` is, with its `changes` read one by one; `None` when it is cut, or something else is wrong.
pub fn read(text: &str) -> Option<Value> {
    let bytes = text.as_bytes();
    let changes = member(bytes, "\"changes\"")?;
    let read = |(from, to)| {
        let change: &str = text.get(from..to)?;
        Some(serde_json::from_str(change).unwrap_or_else(|_| change.into()))
    };
    let items = items(bytes, changes)?.into_iter().map(read).collect::<Option<Vec<Value>>>()?;
    let rest = [text.get(..changes.0)?, "[]", text.get(changes.1..)?].concat();
    let mut page: Value = serde_json::from_str(&rest).ok()?;
    *page.get_mut("changes")? = items.into();
    Some(page)
}

/// Where something begins and ends.
type Place = (usize, usize);

/// The value of a member of the object that the text is; `name` with its quotes.
fn member(bytes: &[u8], name: &str) -> Option<Place> {
    let mut at = mark(bytes, 0, b'{')?;
    loop {
        let key = value(bytes, at)?;
        let found = value(bytes, mark(bytes, key.1, b':')?)?;
        if bytes.get(key.0..key.1) == Some(name.as_bytes()) {
            return Some(found);
        }
        at = mark(bytes, found.1, b',')?;
    }
}

/// The items of a list.
fn items(bytes: &[u8], list: Place) -> Option<Vec<Place>> {
    let mut at = mark(bytes, list.0, b'[')?;
    let mut items = Vec::new();
    if mark(bytes, at, b']').is_some() {
        return Some(items);
    }
    loop {
        let item = value(bytes, at)?;
        items.push(item);
        match mark(bytes, item.1, b',') {
            Some(next) => at = next,
            None => return mark(bytes, item.1, b']').map(|_| items),
        }
    }
}

fn skip_space(bytes: &[u8], mut at: usize) -> usize {
    while bytes.get(at).is_some_and(u8::is_ascii_whitespace) {
        at += 1;
    }
    at
}

/// The place after `mark`, if that is what comes next.
fn mark(bytes: &[u8], at: usize, mark: u8) -> Option<usize> {
    let at = skip_space(bytes, at);
    (bytes.get(at) == Some(&mark)).then_some(at + 1)
}

/// The next value, found without looking into it: brackets and quotes are counted, so no depth is too deep.
fn value(bytes: &[u8], at: usize) -> Option<Place> {
    let from = skip_space(bytes, at);
    let (mut at, mut depth) = (from, 0usize);
    loop {
        match *bytes.get(at)? {
            b'"' => at = text_end(bytes, at)?,
            b'{' | b'[' => (at, depth) = (at + 1, depth + 1),
            b'}' | b']' => (at, depth) = (at + 1, depth.checked_sub(1)?),
            _ if depth > 0 => at += 1,
            _ => {
                let rest = bytes.get(at..)?;
                let length = rest.iter().position(|byte| b",]}: \n\r\t".contains(byte))?;
                return (length > 0).then_some((from, at + length));
            }
        }
        if depth == 0 {
            return Some((from, at));
        }
    }
}

fn text_end(bytes: &[u8], from: usize) -> Option<usize> {
    let mut at = from + 1;
    loop {
        match *bytes.get(at)? {
            b'"' => return Some(at + 1),
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    #[test]
    fn what_cannot_be_read_stands_as_its_text_among_what_can() {
        let deep = format!("{}1{}", "[".repeat(10_000), "]".repeat(10_000));
        for odd in ["1e400", r#"{"a":"\ud800"}"#, r#"{"a":[1e999,"]}\"{"]}"#, &deep] {
            let text = format!(r#"{{"a":{{"changes":[]}}, "changes" : [ {{"n":1}},{odd} , 3], "cursor":"c]"}}"#);
            assert!(serde_json::from_str::<Value>(&text).is_err());
            let page = json!({ "a": { "changes": [] }, "changes": [{ "n": 1 }, odd, 3], "cursor": "c]" });
            assert_eq!(read(&text), Some(page));
        }
    }

    #[test]
    fn what_is_cut_or_odd_outside_its_changes_is_not_read() {
        let whole = r#"{"changes":[{"a":1e400}],"cursor":"c"}"#;
        for end in 0..whole.len() {
            assert_eq!(read(&whole[..end]), None, "{}", &whole[..end]);
        }
        for text in
            ["[]", "{}", "null", r#"{"changes":7}"#, r#"{"changes":[1],"cursor":1e400}"#, r#"{"changes":[1 2]}"#]
        {
            assert_eq!(read(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in r#"[\[\]{}":,\\a0 é]{0,40}"#) {
            let _ = read(&text);
            let _ = read(&format!(r#"{{"changes":{text}}}"#));
        }

        #[test]
        fn a_page_that_can_be_read_as_a_whole_is_read_alike(numbers in prop::collection::vec(any::<f64>(), 0..5), text in ".*") {
            let page = json!({ "cursor": text, "changes": [numbers, text, { (text.as_str()): null }], "hasMore": false });
            prop_assert_eq!(read(&page.to_string()), Some(page));
        }
    }
}

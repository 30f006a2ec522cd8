//! Keys and key ranges in IndexedDB's order: numbers, dates, texts, bytes, lists.

use super::row::{Row, RowValue};
use crate::model::{IndexSpec, KeyPath, MAX_DEPTH, sort};
use std::cmp::Ordering;

/// The last moment a date can hold, in milliseconds since 1970; the first is as far on the other side.
const LAST_DATE: f64 = 8.64e15;

/// A key of a store or an index.
#[derive(Debug, Clone)]
pub enum Key {
    /// A number; `NaN` is no key.
    Number(f64),
    /// A date, in milliseconds since 1970.
    Date(f64),
    /// A text, ordered by its UTF-16 code units.
    Text(String),
    /// Bytes.
    Bytes(Vec<u8>),
    /// A list of keys.
    List(Vec<Key>),
}

impl Key {
    /// A text key.
    #[must_use]
    pub fn text(text: &str) -> Self {
        Self::Text(text.to_owned())
    }

    /// A list of two text keys, as `[kind+key]` wants.
    #[must_use]
    pub fn pair(first: &str, second: &str) -> Self {
        Self::List(vec![Self::text(first), Self::text(second)])
    }

    /// The key a value is; `None` for values that are no keys (booleans, `null`, objects), and for lists that are nested
    /// deeper than values that sync.
    #[must_use]
    pub fn of<V: RowValue>(value: &V) -> Option<Self> {
        Self::within(value, V::as_text, 0)
    }

    /// The same of a stored value: texts that Rust cannot hold, with lone surrogates, are shown with U+FFFD, so that one of them
    /// does not keep the others from being read.
    #[must_use]
    pub fn stored<V: RowValue>(value: &V) -> Option<Self> {
        Self::within(value, V::as_shown_text, 0)
    }

    fn within<V: RowValue>(value: &V, text_of: fn(&V) -> Option<String>, depth: usize) -> Option<Self> {
        if let Some(text) = text_of(value) {
            return Some(Self::Text(text));
        }
        if let Some(number) = value.as_number() {
            return (!number.is_nan()).then_some(Self::Number(number));
        }
        if let Some(ms) = value.as_date_ms() {
            return (!ms.is_nan()).then_some(Self::Date(ms));
        }
        if let Some(bytes) = value.as_bytes() {
            return Some(Self::Bytes(bytes));
        }
        if depth >= MAX_DEPTH {
            return None;
        }
        let items = value.as_list()?;
        items.iter().map(|item| Self::within(item, text_of, depth + 1)).collect::<Option<Vec<_>>>().map(Self::List)
    }

    /// The key as a value of a field.
    #[must_use]
    pub fn to_value<V: RowValue>(&self) -> V {
        match self {
            Self::Number(number) => V::number(*number),
            Self::Date(ms) => V::date(*ms),
            Self::Text(text) => V::text(text),
            Self::Bytes(bytes) => V::bytes(bytes),
            Self::List(keys) => V::list(keys.iter().map(Self::to_value).collect()),
        }
    }

    /// The smallest key that is greater than this one. Nothing lies between the two, so that "up to and with everything
    /// that begins with this" is a range.
    #[must_use]
    pub fn successor(&self) -> Self {
        match self {
            Self::Number(number) if *number == f64::INFINITY => Self::Date(-LAST_DATE),
            Self::Number(number) => Self::Number(number.next_up()),
            Self::Date(ms) if *ms >= LAST_DATE => Self::Text(String::new()),
            Self::Date(ms) => Self::Date(ms + 1.0),
            Self::Text(text) => Self::Text(format!("{text}\0")),
            Self::Bytes(bytes) => Self::Bytes(bytes.iter().copied().chain([0]).collect()),
            Self::List(keys) => Self::List(keys.iter().cloned().chain([Self::Number(f64::NEG_INFINITY)]).collect()),
        }
    }

    fn rank(&self) -> u8 {
        match self {
            Self::Number(_) => 0,
            Self::Date(_) => 1,
            Self::Text(_) => 2,
            Self::Bytes(_) => 3,
            Self::List(_) => 4,
        }
    }
}

impl Ord for Key {
    fn cmp(&self, other: &Self) -> Ordering {
        match (self, other) {
            // `0.0 + x` makes negative zero equal to zero.
            (Self::Number(a), Self::Number(b)) | (Self::Date(a), Self::Date(b)) => (0.0 + a).total_cmp(&(0.0 + b)),
            (Self::Text(a), Self::Text(b)) => a.encode_utf16().cmp(b.encode_utf16()),
            (Self::Bytes(a), Self::Bytes(b)) => a.cmp(b),
            (Self::List(a), Self::List(b)) => a.cmp(b),
            _ => self.rank().cmp(&other.rank()),
        }
    }
}

impl PartialOrd for Key {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Key {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Key {}

/// A range of keys; a bound that is missing is open to that side.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct KeyRange {
    /// The lower bound, and whether it is left out itself.
    pub lower: Option<(Key, bool)>,
    /// The upper bound, and whether it is left out itself.
    pub upper: Option<(Key, bool)>,
}

impl KeyRange {
    /// Exactly one key.
    #[must_use]
    pub fn only(key: Key) -> Self {
        Self { lower: Some((key.clone(), false)), upper: Some((key, false)) }
    }

    /// Whether the key lies inside.
    #[must_use]
    pub fn contains(&self, key: &Key) -> bool {
        let above = self.lower.as_ref().is_none_or(|(bound, open)| key > bound || (!open && key == bound));
        let below = self.upper.as_ref().is_none_or(|(bound, open)| key < bound || (!open && key == bound));
        above && below
    }

    /// Whether no key can lie inside; IndexedDB refuses to make such a range.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        match (&self.lower, &self.upper) {
            (Some((lower, open)), Some((upper, closed))) => lower > upper || (lower == upper && (*open || *closed)),
            _ => false,
        }
    }
}

/// The value at a path such as `a.b`.
fn value_at<R: Row>(row: &R, path: &str) -> Option<R::Value> {
    match path.split_once('.') {
        None => row.get(path),
        Some((head, rest)) => value_within(&row.get(head)?, rest),
    }
}

fn value_within<V: RowValue>(value: &V, path: &str) -> Option<V> {
    let (head, rest) = path.split_once('.').map_or((path, None), |(head, rest)| (head, Some(rest)));
    let found = value.as_row().and_then(|row| row.get(head)).or_else(|| value.native_property(head))?;
    rest.map_or(Some(found.clone()), |rest| value_within(&found, rest))
}

/// The key a key path finds in a row; `None` when a part is missing or is no key.
#[must_use]
pub fn key_at<R: Row>(row: &R, path: &KeyPath) -> Option<Key> {
    match path {
        KeyPath::Single(path) => Key::stored(&value_at(row, path)?),
        KeyPath::Compound(paths) => {
            paths.iter().map(|path| Key::stored(&value_at(row, path)?)).collect::<Option<Vec<_>>>().map(Key::List)
        }
    }
}

/// Whether a row's key says exactly what stands in the row: no text in it has lone surrogates.
#[must_use]
pub fn is_exact_key<R: Row>(row: &R, path: &KeyPath) -> bool {
    let paths = match path {
        KeyPath::Single(path) => std::slice::from_ref(path),
        KeyPath::Compound(paths) => paths,
    };
    let mut values = paths.iter().filter_map(|path| value_at(row, path));
    values.all(|value| Key::of(&value).is_some() || Key::stored(&value).is_none())
}

/// The keys under which an index lists a row: none, one, or one per distinct element of a multi-entry array.
#[must_use]
pub fn index_keys<R: Row>(row: &R, index: &IndexSpec) -> Vec<Key> {
    let Some(path) = &index.key_path else { return Vec::new() };
    if let (true, KeyPath::Single(path)) = (index.multi_entry, path)
        && let Some(items) = value_at(row, path).and_then(|value| value.as_list())
    {
        let mut keys: Vec<Key> = items.iter().filter_map(Key::stored).collect();
        sort(&mut keys);
        keys.dedup();
        return keys;
    }
    key_at(row, path).into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::StoreSpec;
    use crate::store::JsonRow;
    use serde_json::json;

    fn row(value: &serde_json::Value) -> JsonRow {
        JsonRow::from_json(value).unwrap()
    }

    #[test]
    fn keys_sort_as_indexeddb_sorts_them() {
        let order = [
            Key::Number(-1.0),
            Key::Number(0.0),
            Key::Number(2.0),
            Key::Date(0.0),
            Key::text(""),
            Key::text("a"),
            Key::text("\u{1F600}"),
            Key::text("\u{FFFD}"),
            Key::Bytes(vec![1]),
            Key::List(vec![]),
            Key::List(vec![Key::Number(1.0)]),
        ];
        assert!(order.is_sorted());
        assert_eq!(Key::Number(0.0), Key::Number(-0.0));
    }

    #[test]
    fn a_list_without_end_is_no_key() {
        let nested =
            (0..10_000).fold(crate::store::JsonValue::Null, |inner, _| crate::store::JsonValue::List([inner].into()));
        assert!(Key::of(&nested).is_none());
        // Dropping it one level at a time: the depth is the test's, not the engine's.
        let mut rest = nested;
        while let Some(inner) = rest.as_list().and_then(|mut items| items.pop()) {
            rest = inner;
        }
    }

    #[test]
    fn nothing_lies_between_a_key_and_its_successor() {
        let pairs = [
            (Key::Number(1.0), Key::Number(1.000_000_000_000_000_2)),
            (Key::Number(f64::INFINITY), Key::Date(-LAST_DATE)),
            (Key::Date(5.0), Key::Date(6.0)),
            (Key::Date(LAST_DATE), Key::text("")),
            (Key::text("a"), Key::text("a\0")),
            (Key::Bytes(vec![7]), Key::Bytes(vec![7, 0])),
            (Key::List(vec![]), Key::List(vec![Key::Number(f64::NEG_INFINITY)])),
        ];
        for (key, next) in pairs {
            assert!(key < next);
            assert_eq!(key.successor(), next);
        }
    }

    #[test]
    fn multi_entry_lists_a_row_once_per_element() {
        let store = StoreSpec::parse("t", "id, *tags, [a+b], n.x").unwrap();
        let row = row(&json!({ "id": "1", "tags": ["b", "a", "b", true], "a": 1, "n": { "x": "deep" } }));
        assert_eq!(index_keys(&row, store.index("tags").unwrap()), [Key::text("a"), Key::text("b")]);
        assert!(index_keys(&row, store.index("[a+b]").unwrap()).is_empty());
        assert_eq!(index_keys(&row, store.index("n.x").unwrap()), [Key::text("deep")]);
    }

    #[test]
    fn a_path_may_end_in_a_length() {
        let store = StoreSpec::parse("t", "id, tags.length, title.length, n.length").unwrap();
        let row = row(&json!({ "id": "1", "tags": ["a", "b"], "title": "\u{1F600}!", "n": { "length": 7 } }));
        let keys = |index| index_keys(&row, store.index(index).unwrap());
        assert_eq!(keys("tags.length"), [Key::Number(2.0)]);
        assert_eq!(keys("title.length"), [Key::Number(3.0)]);
        assert_eq!(keys("n.length"), [Key::Number(7.0)]);
    }

    #[test]
    fn an_empty_range_is_known_as_one() {
        let range = |lo: f64, hi: f64, open| KeyRange {
            lower: Some((Key::Number(lo), open)),
            upper: Some((Key::Number(hi), false)),
        };
        assert!(range(2.0, 1.0, false).is_empty());
        assert!(range(1.0, 1.0, true).is_empty());
        assert!(!range(1.0, 1.0, false).is_empty());
        assert!(range(1.0, 2.0, true).contains(&Key::Number(2.0)));
        assert!(!range(1.0, 2.0, true).contains(&Key::Number(1.0)));
    }
}

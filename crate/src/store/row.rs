//! `Row`: how the engine touches the few fields of a record it needs without parsing the rest.
//!
//! In the browser a row is a JavaScript object and a value is a handle to a JavaScript value: dates, maps and blobs in
//! untouched fields survive, because nothing converts them. Elsewhere both are parsed JSON.

use crate::model::{Malformed, check_travels, json_bytes};
use serde_json::Value;

/// The field of objects that stand for sealed values: hidden, so no app has it.
pub const SEALED: &str = "__sealed";

/// A value of a field: a cheap handle.
pub trait RowValue: Clone + 'static {
    /// Objects of such values.
    type Row: Row<Value = Self>;

    /// A value from JSON.
    fn from_json(json: &Value) -> Self;
    /// The value as JSON; an error with its path where JSON cannot carry it.
    fn to_json(&self) -> Result<Value, Malformed>;
    /// A list of values.
    fn list(items: Vec<Self>) -> Self;
    /// The items, where this is a list.
    fn as_list(&self) -> Option<Vec<Self>>;
    /// The object, where this is one.
    fn as_row(&self) -> Option<Self::Row>;
    /// The object, where this is a plain one: no date, map or binary value.
    fn as_plain_row(&self) -> Option<Self::Row> {
        self.as_row()
    }
    /// The text, where this is one.
    fn as_text(&self) -> Option<String>;
    /// The text, where this is one; what Rust cannot hold of it (lone surrogates) is shown as U+FFFD.
    fn as_shown_text(&self) -> Option<String> {
        self.as_text()
    }
    /// Whether this is a text that many rows share, such as the id of a space.
    fn is_word(&self, word: &str) -> bool {
        self.as_text().as_deref() == Some(word)
    }
    /// What IndexedDB reads of values that are no objects with fields: the `length` of texts and lists, and of files what
    /// they say of themselves.
    fn native_property(&self, name: &str) -> Option<Self> {
        if name != "length" {
            return None;
        }
        let length = self.as_text().map(|text| text.encode_utf16().count());
        let length = length.or_else(|| self.as_list().map(|items| items.len()))?;
        Some(Self::from_json(&Value::from(length)))
    }
    /// The number, where this is one.
    fn as_number(&self) -> Option<f64>;
    /// Whether this is `null` (or `undefined`).
    fn is_null(&self) -> bool;
    /// Whether both are the same JSON; values JSON cannot carry are never the same.
    fn same(&self, other: &Self) -> bool;
    /// Milliseconds since 1970, where this is a date.
    fn as_date_ms(&self) -> Option<f64>;
    /// The bytes, where this is a binary value that can be a key.
    fn as_bytes(&self) -> Option<Vec<u8>>;
    /// The value as it can travel: negative zero made zero, strays refused by path (`path` is the field's name).
    fn travelling(&self, path: &str) -> Result<Self, Malformed> {
        self.travelling_weighed(path).map(|(value, _)| value)
    }
    /// The same, with its [`RowValue::weight`].
    fn travelling_weighed(&self, path: &str) -> Result<(Self, usize), Malformed> {
        travelling(self, path)
    }
    /// The bytes the value takes as JSON, or some twenty more; 0 where JSON cannot carry it.
    fn weight(&self) -> usize {
        self.to_json().map_or(0, |json| json_bytes(&json))
    }
    /// Stands for a sealed value that cannot be opened now.
    #[must_use]
    fn sealed() -> Self {
        Self::from_json(&serde_json::json!({ SEALED: true }))
    }
    /// Whether this stands for a sealed value.
    fn is_sealed(&self) -> bool {
        self.as_row().is_some_and(|row| row.get(SEALED).is_some())
    }
    /// A text value.
    #[must_use]
    fn text(text: &str) -> Self {
        Self::from_json(&Value::String(text.to_owned()))
    }
    /// A date, in milliseconds since 1970; where values are JSON, its number.
    #[must_use]
    fn date(ms: f64) -> Self {
        Self::number(ms)
    }
    /// A binary value; where values are JSON, the list of its bytes.
    #[must_use]
    fn bytes(bytes: &[u8]) -> Self {
        Self::list(bytes.iter().map(|byte| Self::number(f64::from(*byte))).collect())
    }
    /// The `null` value.
    #[must_use]
    fn null() -> Self {
        Self::from_json(&Value::Null)
    }
    /// A number; a whole one is whole in JSON, too.
    #[must_use]
    fn number(number: f64) -> Self {
        #[expect(clippy::cast_possible_truncation, reason = "checked to be whole and below 2^53")]
        let json = match number {
            whole if whole.fract() == 0.0 && whole.abs() < 9_007_199_254_740_992.0 => Value::from(whole as i64),
            other => serde_json::Number::from_f64(other).map_or(Value::Null, Value::Number),
        };
        Self::from_json(&json)
    }
}

/// The general way of [`RowValue::travelling_weighed`]: through JSON, checked, and back.
pub fn travelling<V: RowValue>(value: &V, path: &str) -> Result<(V, usize), Malformed> {
    let json = value.to_json().map_err(|inner| Malformed::new(join(path, &inner.path), inner.reason))?;
    check_travels(&json, path)?;
    Ok((V::from_json(&json), json_bytes(&json)))
}

fn join(path: &str, inner: &str) -> String {
    format!("{path}{inner}")
}

/// A record or another object with named fields. Cloning makes another handle to the same object.
pub trait Row: Clone + 'static {
    /// Values of its fields.
    type Value: RowValue<Row = Self>;

    /// A new object without fields.
    fn empty() -> Self;
    /// The value of an own field; `None` when it is absent or `undefined`.
    fn get(&self, field: &str) -> Option<Self::Value>;
    /// Gives a field a value.
    fn set(&mut self, field: &str, value: Self::Value);
    /// Takes a field away.
    fn remove(&mut self, field: &str);
    /// The names of its own fields, in their order.
    fn names(&self) -> Vec<String>;
    /// Its own fields, in their order.
    fn fields(&self) -> Vec<(String, Self::Value)> {
        let names = self.names().into_iter();
        names.filter_map(|name| self.get(&name).map(|value| (name, value))).collect()
    }
    /// The names of its own fields, those included whose value is `undefined`: changes take such fields away.
    fn named(&self) -> Vec<String> {
        self.names()
    }
    /// Another object with the same fields and the same values.
    #[must_use]
    fn shallow_copy(&self) -> Self;
    /// The object as a value.
    fn into_value(self) -> Self::Value;

    /// The text of a field.
    fn text(&self, field: &str) -> Option<String> {
        self.get(field).and_then(|value| value.as_text())
    }
    /// Gives a field a text.
    fn set_text(&mut self, field: &str, text: &str) {
        self.set(field, Self::Value::text(text));
    }
    /// Gives a field a text that many rows share, such as the name of a table.
    fn set_word(&mut self, field: &str, word: &str) {
        self.set_text(field, word);
    }
    /// The whole object as JSON.
    fn to_json(&self) -> Result<Value, Malformed> {
        self.clone().into_value().to_json()
    }
    /// An object from JSON; `None` when it is not one.
    #[must_use]
    fn from_json(json: &Value) -> Option<Self> {
        Self::Value::from_json(json).as_row()
    }
}

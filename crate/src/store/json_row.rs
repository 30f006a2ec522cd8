//! Rows of parsed JSON, for the memory store, simulations and tests.
//!
//! Like a JavaScript object, a row is a handle: reading a field, copying a row or handing one on shares what is in it.
//! Simulations read a record's metadata many times for every change, so a deep copy at each read would be most of their
//! time.

use super::row::{Row, RowValue};
use crate::model::{Malformed, same_json, sort_by};
use serde_json::{Map, Number, Value};
use std::rc::Rc;

/// A value of parsed JSON; cloning makes another handle.
#[derive(Debug, Clone, PartialEq)]
pub enum JsonValue {
    /// `null`.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A number.
    Number(Number),
    /// A text.
    Text(Rc<str>),
    /// A list.
    List(Rc<[JsonValue]>),
    /// An object.
    Object(JsonRow),
}

/// An object of parsed JSON: its fields, in the order of their names.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct JsonRow(Rc<Vec<(Rc<str>, JsonValue)>>);

impl JsonRow {
    fn of(map: &Map<String, Value>) -> Self {
        let mut fields: Vec<(Rc<str>, JsonValue)> =
            map.iter().map(|(name, value)| (Rc::from(name.as_str()), JsonValue::of(value))).collect();
        sort_by(&mut fields, |a, b| a.0.cmp(&b.0));
        Self(Rc::new(fields))
    }

    fn find(&self, field: &str) -> Result<usize, usize> {
        self.0.binary_search_by(|(name, _)| (**name).cmp(field))
    }

    /// The row as a JSON object.
    #[must_use]
    pub fn to_map(&self) -> Map<String, Value> {
        self.0.iter().map(|(name, value)| (name.to_string(), value.to_value())).collect()
    }

    /// A field's text, without a copy of it.
    #[must_use]
    pub fn str(&self, field: &str) -> Option<&str> {
        match &self.0[self.find(field).ok()?].1 {
            JsonValue::Text(text) => Some(text),
            _ => None,
        }
    }

    /// A field that is an object, without a copy of it.
    #[must_use]
    pub fn object(&self, field: &str) -> Option<&Self> {
        match &self.0[self.find(field).ok()?].1 {
            JsonValue::Object(row) => Some(row),
            _ => None,
        }
    }

    /// The fields, in the order of their names.
    pub fn fields(&self) -> impl Iterator<Item = (&str, &JsonValue)> {
        self.0.iter().map(|(name, value)| (&**name, value))
    }
}

impl From<Map<String, Value>> for JsonRow {
    fn from(map: Map<String, Value>) -> Self {
        Self::of(&map)
    }
}

impl JsonValue {
    fn of(json: &Value) -> Self {
        match json {
            Value::Null => Self::Null,
            Value::Bool(value) => Self::Bool(*value),
            Value::Number(number) => Self::Number(number.clone()),
            Value::String(text) => Self::Text(text.as_str().into()),
            Value::Array(items) => Self::List(items.iter().map(Self::of).collect()),
            Value::Object(map) => Self::Object(JsonRow::of(map)),
        }
    }

    /// The value as JSON.
    #[must_use]
    pub fn to_value(&self) -> Value {
        match self {
            Self::Null => Value::Null,
            Self::Bool(value) => Value::Bool(*value),
            Self::Number(number) => Value::Number(number.clone()),
            Self::Text(text) => Value::String(text.to_string()),
            Self::List(items) => Value::Array(items.iter().map(Self::to_value).collect()),
            Self::Object(row) => Value::Object(row.to_map()),
        }
    }
}

impl Row for JsonRow {
    type Value = JsonValue;

    fn empty() -> Self {
        Self::default()
    }
    fn get(&self, field: &str) -> Option<JsonValue> {
        self.find(field).ok().map(|at| self.0[at].1.clone())
    }
    fn set(&mut self, field: &str, value: JsonValue) {
        let found = self.find(field);
        let fields = Rc::make_mut(&mut self.0);
        match found {
            Ok(at) => fields[at].1 = value,
            Err(at) => fields.insert(at, (field.into(), value)),
        }
    }
    fn remove(&mut self, field: &str) {
        if let Ok(at) = self.find(field) {
            Rc::make_mut(&mut self.0).remove(at);
        }
    }
    fn names(&self) -> Vec<String> {
        self.0.iter().map(|(name, _)| name.to_string()).collect()
    }
    fn shallow_copy(&self) -> Self {
        self.clone()
    }
    fn into_value(self) -> JsonValue {
        JsonValue::Object(self)
    }
    fn text(&self, field: &str) -> Option<String> {
        self.str(field).map(str::to_owned)
    }
}

impl RowValue for JsonValue {
    type Row = JsonRow;

    fn from_json(json: &Value) -> Self {
        Self::of(json)
    }
    fn to_json(&self) -> Result<Value, Malformed> {
        Ok(self.to_value())
    }
    fn list(items: Vec<Self>) -> Self {
        Self::List(items.into())
    }
    fn as_list(&self) -> Option<Vec<Self>> {
        if let Self::List(items) = self { Some(items.to_vec()) } else { None }
    }
    fn as_row(&self) -> Option<JsonRow> {
        if let Self::Object(row) = self { Some(row.clone()) } else { None }
    }
    fn as_text(&self) -> Option<String> {
        if let Self::Text(text) = self { Some(text.to_string()) } else { None }
    }
    fn as_number(&self) -> Option<f64> {
        if let Self::Number(number) = self { number.as_f64() } else { None }
    }
    fn is_null(&self) -> bool {
        matches!(self, Self::Null)
    }
    fn same(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Text(a), Self::Text(b)) => a == b,
            _ => same_json(&self.to_value(), &other.to_value()),
        }
    }
    fn as_date_ms(&self) -> Option<f64> {
        None
    }
    fn as_bytes(&self) -> Option<Vec<u8>> {
        None
    }
    fn text(text: &str) -> Self {
        Self::Text(text.into())
    }
    fn null() -> Self {
        Self::Null
    }
}

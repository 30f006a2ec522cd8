//! Rows of parsed JSON, for the memory store, simulations and tests.

use super::row::{Row, RowValue};
use crate::model::{Malformed, same_json};
use serde_json::{Map, Value};

/// An object of parsed JSON.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct JsonRow(pub Map<String, Value>);

impl Row for JsonRow {
    type Value = Value;

    fn empty() -> Self {
        Self::default()
    }
    fn get(&self, field: &str) -> Option<Value> {
        self.0.get(field).cloned()
    }
    fn set(&mut self, field: &str, value: Value) {
        self.0.insert(field.to_owned(), value);
    }
    fn remove(&mut self, field: &str) {
        self.0.remove(field);
    }
    fn names(&self) -> Vec<String> {
        self.0.keys().cloned().collect()
    }
    fn shallow_copy(&self) -> Self {
        self.clone()
    }
    fn into_value(self) -> Value {
        Value::Object(self.0)
    }
}

impl RowValue for Value {
    type Row = JsonRow;

    fn from_json(json: &Value) -> Self {
        json.clone()
    }
    fn to_json(&self) -> Result<Value, Malformed> {
        Ok(self.clone())
    }
    fn list(items: Vec<Self>) -> Self {
        Self::Array(items)
    }
    fn as_list(&self) -> Option<Vec<Self>> {
        self.as_array().cloned()
    }
    fn as_row(&self) -> Option<JsonRow> {
        self.as_object().cloned().map(JsonRow)
    }
    fn as_text(&self) -> Option<String> {
        self.as_str().map(str::to_owned)
    }
    fn as_number(&self) -> Option<f64> {
        self.as_f64()
    }
    fn is_null(&self) -> bool {
        Value::is_null(self)
    }
    fn same(&self, other: &Self) -> bool {
        same_json(self, other)
    }
    fn as_date_ms(&self) -> Option<f64> {
        None
    }
    fn as_bytes(&self) -> Option<Vec<u8>> {
        None
    }
}

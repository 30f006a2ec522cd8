//! RFC 8785 canonical JSON: one spelling of a value, for comparing values and breaking ties.

use serde_json::Value;
use std::cmp::Ordering;

/// The RFC 8785 bytes of a value: sorted keys, shortest numbers, no spaces.
#[must_use]
pub fn canonical_bytes(value: &Value) -> Vec<u8> {
    // Serialising a parsed JSON tree into memory has no failing case: keys are strings and numbers are finite.
    serde_json_canonicalizer::to_vec(value).unwrap_or_default()
}

/// Orders two values by their canonical bytes.
#[must_use]
pub fn canonical_cmp(a: &Value, b: &Value) -> Ordering {
    canonical_bytes(a).cmp(&canonical_bytes(b))
}

/// Whether two values are the same JSON: `1` and `1.0` are, whatever the order of keys.
#[must_use]
pub fn same_json(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Null, Value::Null) => true,
        (Value::Bool(a), Value::Bool(b)) => a == b,
        (Value::String(a), Value::String(b)) => a == b,
        (Value::Number(a), Value::Number(b)) => a.as_f64() == b.as_f64(),
        (Value::Array(a), Value::Array(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same_json(a, b)),
        (Value::Object(a), Value::Object(b)) => {
            a.len() == b.len() && a.iter().all(|(key, a)| b.get(key).is_some_and(|b| same_json(a, b)))
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn numbers_and_key_order_do_not_matter() {
        assert!(same_json(&json!({"a": 1, "b": [1.0]}), &json!({"b": [1], "a": 1.0})));
        assert_eq!(canonical_bytes(&json!({"b": 1e2, "a": "é"})), "{\"a\":\"é\",\"b\":100}".as_bytes());
        assert!(!same_json(&json!(null), &json!(false)));
    }

    #[test]
    fn canonical_order_is_total_over_kinds() {
        assert_eq!(canonical_cmp(&json!("a"), &json!("b")), Ordering::Less);
        assert_eq!(canonical_cmp(&json!(2), &json!(2.0)), Ordering::Equal);
    }
}

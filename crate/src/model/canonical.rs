//! RFC 8785 canonical JSON: one spelling of a value, for comparing values and breaking ties.

use serde_json::{Number, Value};
use std::cmp::Ordering;

/// The RFC 8785 bytes of a value: sorted keys, shortest numbers, no spaces.
#[must_use]
pub fn canonical_bytes(value: &Value) -> Vec<u8> {
    let mut out = Vec::new();
    write(&mut out, value);
    out
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

fn write(out: &mut Vec<u8>, value: &Value) {
    match value {
        Value::Number(number) => write_number(out, number),
        Value::Array(items) => {
            out.push(b'[');
            for (at, item) in items.iter().enumerate() {
                separate(out, at);
                write(out, item);
            }
            out.push(b']');
        }
        Value::Object(map) => {
            let mut keys: Vec<&str> = map.keys().map(String::as_str).collect();
            super::sort_by(&mut keys, |a, b| a.encode_utf16().cmp(b.encode_utf16()));
            out.push(b'{');
            for (at, key) in keys.into_iter().enumerate() {
                separate(out, at);
                write_plain(out, &Value::from(key));
                out.push(b':');
                write(out, &map[key]);
            }
            out.push(b'}');
        }
        Value::Null | Value::Bool(_) | Value::String(_) => write_plain(out, value),
    }
}

fn separate(out: &mut Vec<u8>, at: usize) {
    if at > 0 {
        out.push(b',');
    }
}

/// Words and texts are spelt as `serde_json` spells them.
fn write_plain(out: &mut Vec<u8>, value: &Value) {
    // Writing a word or a text into memory has no failing case.
    let _ = serde_json::to_writer(out, value);
}

/// A number as JavaScript prints it (ECMA-262, 6.1.6.1.20). All numbers are doubles there.
fn write_number(out: &mut Vec<u8>, number: &Number) {
    const MAX_EXACT: u64 = 1 << 53;
    if number.as_i64().is_some_and(|whole| whole.unsigned_abs() <= MAX_EXACT) {
        return write_plain(out, &Value::Number(number.clone()));
    }
    let mut text = Vec::new();
    write_plain(&mut text, &Value::from(number.as_f64().unwrap_or_default()));
    let (digits, point) = shortest(&text);
    if digits.is_empty() {
        return out.push(b'0');
    }
    if text.starts_with(b"-") {
        out.push(b'-');
    }
    lay_out(out, &digits, point);
}

/// The digits of a printed double without zeros at either end, and where the decimal point stands, counted from the first.
fn shortest(text: &[u8]) -> (Vec<u8>, i32) {
    let mut parts = text.split(|byte| *byte == b'e');
    let (mantissa, exponent) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    let exponent = std::str::from_utf8(exponent).ok().and_then(|text| text.parse().ok()).unwrap_or(0);
    let (mut digits, mut point, mut seen_point) = (Vec::new(), exponent, false);
    for byte in mantissa {
        match byte {
            b'.' => seen_point = true,
            b'0' if digits.is_empty() => point -= i32::from(seen_point),
            b'0'..=b'9' => {
                digits.push(*byte);
                point += i32::from(!seen_point);
            }
            _ => {}
        }
    }
    while digits.last() == Some(&b'0') {
        digits.pop();
    }
    (digits, point)
}

fn lay_out(out: &mut Vec<u8>, digits: &[u8], point: i32) {
    let count = i32::try_from(digits.len()).unwrap_or(i32::MAX);
    let zeros = |out: &mut Vec<u8>, many: i32| (0..many).for_each(|_| out.push(b'0'));
    match point {
        -5..=0 => {
            out.extend_from_slice(b"0.");
            zeros(out, -point);
            out.extend_from_slice(digits);
        }
        1..=21 if point >= count => {
            out.extend_from_slice(digits);
            zeros(out, point - count);
        }
        1..=21 => {
            let (before, after) = digits.split_at(point.unsigned_abs() as usize);
            out.extend_from_slice(before);
            out.push(b'.');
            out.extend_from_slice(after);
        }
        _ => {
            let (first, rest) = digits.split_at(1);
            out.extend_from_slice(first);
            if !rest.is_empty() {
                out.push(b'.');
                out.extend_from_slice(rest);
            }
            out.extend_from_slice(if point > 0 { b"e+" } else { b"e" });
            write_plain(out, &Value::from(point - 1));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
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

    #[test]
    fn numbers_are_printed_as_javascript_prints_them() {
        let printed = [
            (0.0, "0"),
            (-0.0, "0"),
            (-1.5, "-1.5"),
            (1e21, "1e+21"),
            (1e20, "100000000000000000000"),
            (123_456_789.5e12, "123456789500000000000"),
            (1e-6, "0.000001"),
            (1.5e-7, "1.5e-7"),
            (5e-324, "5e-324"),
            (f64::MAX, "1.7976931348623157e+308"),
            (9_007_199_254_740_994.0, "9007199254740994"),
        ];
        for (number, text) in printed {
            assert_eq!(String::from_utf8(canonical_bytes(&json!(number))).unwrap(), text);
        }
        assert_eq!(canonical_bytes(&json!(u64::MAX)), b"18446744073709552000");
    }

    fn any_json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<u64>().prop_map(Value::from),
            any::<u64>().prop_map(|bits| Value::from(f64::from_bits(bits))),
            (any::<i32>(), -30..30).prop_map(|(digits, power)| Value::from(f64::from(digits) * 10f64.powi(power))),
            any::<String>().prop_map(Value::from),
        ];
        leaf.prop_recursive(3, 20, 5, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
                prop::collection::vec((any::<String>(), inner), 0..5).prop_map(|all| all.into_iter().collect()),
            ]
        })
    }

    proptest! {
        #[test]
        fn the_bytes_are_those_of_another_implementation(value in any_json()) {
            prop_assert_eq!(canonical_bytes(&value), serde_json_canonicalizer::to_vec(&value).unwrap());
        }
    }
}

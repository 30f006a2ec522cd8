//! Dotted paths such as `address.city` and `tags.0`: giving a value to a part of a record.

use super::error::{Error, Kind, Result};
use crate::model::MAX_DEPTH;
use crate::store::{Row, RowValue};
use serde_json::json;

/// How changes name what they change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Naming {
    /// By paths: `a.b` is the field `b` of the object `a`.
    Paths,
    /// By the names of fields: `a.b` is a field of that name.
    Fields,
}

/// Gives a value to what a change names, or takes it away.
pub fn set_named<R: Row>(row: &mut R, naming: Naming, name: &str, value: Option<R::Value>) -> Result<()> {
    match (naming, value) {
        (Naming::Paths, value) => return set_path(row, name, value),
        (Naming::Fields, Some(value)) => row.set(name, value),
        (Naming::Fields, None) => row.remove(name),
    }
    Ok(())
}

/// Gives the value at a path, or takes it away. Objects and lists on the way are copied, what is missing is made an object;
/// a path through anything else (a text, a date) is refused, as are places past the end of a list.
pub fn set_path<R: Row>(row: &mut R, path: &str, value: Option<R::Value>) -> Result<()> {
    if path.bytes().filter(|byte| *byte == b'.').count() >= MAX_DEPTH {
        return Err(refused(path, "is longer than 64 steps"));
    }
    set(row, path, value).map_err(|reason| refused(path, reason))
}

fn refused(path: &str, reason: &str) -> Error {
    // A path is as long as the app makes it.
    let path: String = path.chars().take(200).collect();
    Error::new(Kind::InvalidArgument, format!("the path {path} {reason}; nothing was written"))
        .with(json!({ "path": path }))
}

type Refusable<T> = std::result::Result<T, &'static str>;

fn set<R: Row>(row: &mut R, path: &str, value: Option<R::Value>) -> Refusable<()> {
    match path.split_once('.') {
        Some((head, rest)) => {
            let inner = set_inside(row.get(head), rest, value)?;
            row.set(head, inner);
        }
        None => match value {
            Some(value) => row.set(path, value),
            None => row.remove(path),
        },
    }
    Ok(())
}

fn set_inside<V: RowValue>(target: Option<V>, path: &str, value: Option<V>) -> Refusable<V> {
    let Some(target) = target.filter(|target| !target.is_null()) else {
        let mut made = V::Row::empty();
        set(&mut made, path, value)?;
        return Ok(made.into_value());
    };
    if let Some(items) = target.as_list() {
        return set_item(items, path, value);
    }
    let row = target.as_plain_row().ok_or("leads through a value that is neither an object nor a list")?;
    let mut copy = row.shallow_copy();
    set(&mut copy, path, value)?;
    Ok(copy.into_value())
}

fn set_item<V: RowValue>(mut items: Vec<V>, path: &str, value: Option<V>) -> Refusable<V> {
    let (step, rest) = path.split_once('.').map_or((path, None), |(step, rest)| (step, Some(rest)));
    let at: usize = step.parse().map_err(|_| "leads into a list, whose places are numbers")?;
    if at > items.len() {
        return Err("leads past the end of a list");
    }
    let value = match rest {
        Some(rest) => Some(set_inside(items.get(at).cloned(), rest, value)?),
        None => value,
    };
    match value {
        Some(value) if at == items.len() => items.push(value),
        Some(value) => items[at] = value,
        None if at < items.len() => drop(items.remove(at)),
        None => {}
    }
    Ok(V::list(items))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{JsonRow, JsonValue};
    use serde_json::Value;

    fn after(row: &Value, path: &str, value: Option<&Value>) -> Result<Value> {
        let mut row = JsonRow::from_json(row).unwrap();
        set_path(&mut row, path, value.map(JsonValue::from_json))?;
        Ok(row.to_json().unwrap())
    }

    #[test]
    fn a_path_reaches_into_objects_and_lists() {
        let row = json!({ "a": { "b": [1, { "c": 2 }] }, "x": null });
        assert_eq!(after(&row, "a.b.1.c", Some(&json!(3))).unwrap()["a"]["b"], json!([1, { "c": 3 }]));
        assert_eq!(after(&row, "a.b.0", None).unwrap()["a"]["b"], json!([{ "c": 2 }]), "what follows moves up");
        assert_eq!(after(&row, "a.b.2", Some(&json!(4))).unwrap()["a"]["b"], json!([1, { "c": 2 }, 4]));
        assert_eq!(after(&row, "x.y.z", Some(&json!(5))).unwrap()["x"], json!({ "y": { "z": 5 } }));
        assert_eq!(after(&row, "new.deep", None).unwrap()["new"], json!({}));
    }

    #[test]
    fn a_name_with_a_dot_is_a_field_where_fields_are_named() {
        let mut row = JsonRow::from_json(&json!({ "x@y.com": 1, "x@y": { "com": 2 } })).unwrap();
        set_named(&mut row, Naming::Fields, "x@y.com", Some(JsonValue::from_json(&json!(3)))).unwrap();
        assert_eq!(row.to_json().unwrap(), json!({ "x@y.com": 3, "x@y": { "com": 2 } }));
        set_named(&mut row, Naming::Fields, "x@y.com", None).unwrap();
        set_named(&mut row, Naming::Paths, "x@y.com", Some(JsonValue::from_json(&json!(4)))).unwrap();
        assert_eq!(row.to_json().unwrap(), json!({ "x@y": { "com": 4 } }));
    }

    #[test]
    fn a_path_through_anything_else_is_refused_and_changes_nothing() {
        let row = json!({ "text": "abc", "list": [1] });
        for path in ["text.length", "list.first", "list.2", "list.0.x"] {
            let refused = after(&row, path, Some(&json!(1))).unwrap_err();
            assert_eq!((refused.kind(), &refused.details()["path"]), (Kind::InvalidArgument, &json!(path)));
        }
        assert!(after(&row, &"a.".repeat(100_000), Some(&json!(1))).is_err(), "and its length has a limit");
    }
}

//! Which values can travel: one grammar for JavaScript, WASM, the server and `jsonb`.

use super::Malformed;
use serde_json::Value;

/// Deepest nesting of arrays and objects in a synced value.
pub const MAX_DEPTH: usize = 64;

/// Refuses what some peer could not keep as it is: U+0000 (PostgreSQL), depth past [`MAX_DEPTH`] (recursive parsers),
/// keys that change an object's prototype (JavaScript). A parsed JSON tree cannot hold other strays.
pub fn check_travels(value: &Value, path: &str) -> Result<(), Malformed> {
    check(value, 0).map_err(|stray| inside(path, stray))
}

/// Paths are written on the way back from what is refused: written for every part, a long key would be copied as often
/// as there are values under it.
fn check(value: &Value, depth: usize) -> Result<(), Malformed> {
    match value {
        Value::String(text) if text.contains('\0') => refuse("holds U+0000"),
        Value::Number(number) if number.as_f64().is_none_or(|n| !n.is_finite()) => refuse("is not a finite number"),
        Value::Array(_) | Value::Object(_) if depth >= MAX_DEPTH => refuse("is nested deeper than 64 levels"),
        Value::Array(items) => items
            .iter()
            .enumerate()
            .try_for_each(|(at, item)| check(item, depth + 1).map_err(|stray| inside(&format!("[{at}]"), stray))),
        Value::Object(map) => map.iter().try_for_each(|(key, item)| {
            let checked = check_key(key).and_then(|()| check(item, depth + 1));
            checked.map_err(|stray| inside(&format!(".{key}"), stray))
        }),
        _ => Ok(()),
    }
}

fn check_key(key: &str) -> Result<(), Malformed> {
    match key {
        "__proto__" | "constructor" | "prototype" => refuse("is a reserved key"),
        _ if key.contains('\0') => refuse("holds U+0000"),
        _ => Ok(()),
    }
}

fn refuse(reason: &str) -> Result<(), Malformed> {
    Err(Malformed::new("", reason))
}

fn inside(place: &str, stray: Malformed) -> Malformed {
    Malformed { path: format!("{place}{}", stray.path), ..stray }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn nested(depth: usize) -> Value {
        (0..depth).fold(json!(1), |inner, _| json!([inner]))
    }

    #[test]
    fn sixty_four_levels_travel_and_sixty_five_do_not() {
        assert!(check_travels(&nested(64), "f").is_ok());
        assert!(check_travels(&nested(65), "f").is_err());
    }

    #[test]
    fn the_path_names_the_place() {
        let refused = check_travels(&json!({"a": [1, {"__proto__": 2}]}), "f").unwrap_err();
        assert_eq!(refused.path, "f.a[1].__proto__");
        assert_eq!(check_travels(&json!(["\0"]), "f").unwrap_err().path, "f[0]");
    }
}

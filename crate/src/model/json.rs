//! Parsed JSON into types and back, field by field: one small way for everything the engine stores, sends and receives.
//!
//! A derived reader is a program of its own for every type and every source; this is one program for all of them.

use serde_json::{Map, Value};

/// A type with a form in parsed JSON.
pub trait FromJson: Sized {
    /// The value as this type; `None` when it is not one. A field that is absent is read as `null`.
    fn from_json(value: Value) -> Option<Self>;
}

/// The fields of an object, taken out one by one.
pub struct Fields(Map<String, Value>);

impl Fields {
    /// The fields of an object; `None` when the value is something else.
    #[must_use]
    pub fn of(value: Value) -> Option<Self> {
        match value {
            Value::Object(map) => Some(Self(map)),
            _ => None,
        }
    }

    /// Takes a field; `Err` with its name when it is not what is wanted.
    pub fn take<T: FromJson>(&mut self, name: &'static str) -> Result<T, &'static str> {
        T::from_json(self.value(name)).ok_or(name)
    }

    /// Takes a field that may be absent.
    pub fn take_or<T: FromJson>(&mut self, name: &'static str, absent: T) -> Result<T, &'static str> {
        if self.0.contains_key(name) { self.take(name) } else { Ok(absent) }
    }

    #[inline(never)]
    fn value(&mut self, name: &str) -> Value {
        self.0.remove(name).unwrap_or_default()
    }
}

/// An object in the making.
#[derive(Debug, Default)]
pub struct Object(Map<String, Value>);

impl Object {
    /// An object without fields.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Gives it a field.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.put(name, value.into());
        self
    }

    /// Gives it a field if the value is not `null`.
    #[must_use]
    pub fn with_any(mut self, name: &str, value: Value) -> Self {
        if !value.is_null() {
            self.put(name, value);
        }
        self
    }

    #[inline(never)]
    fn put(&mut self, name: &str, value: Value) {
        self.0.insert(name.to_owned(), value);
    }
}

impl From<Object> for Value {
    fn from(object: Object) -> Self {
        Self::Object(object.0)
    }
}

impl FromJson for Value {
    fn from_json(value: Value) -> Option<Self> {
        Some(value)
    }
}

impl FromJson for String {
    fn from_json(value: Value) -> Option<Self> {
        match value {
            Value::String(text) => Some(text),
            _ => None,
        }
    }
}

impl FromJson for bool {
    fn from_json(value: Value) -> Option<Self> {
        value.as_bool()
    }
}

impl FromJson for f64 {
    fn from_json(value: Value) -> Option<Self> {
        value.as_f64()
    }
}

impl FromJson for u64 {
    fn from_json(value: Value) -> Option<Self> {
        value.as_u64()
    }
}

impl FromJson for i64 {
    fn from_json(value: Value) -> Option<Self> {
        value.as_i64()
    }
}

impl FromJson for u32 {
    fn from_json(value: Value) -> Option<Self> {
        value.as_u64()?.try_into().ok()
    }
}

impl FromJson for usize {
    fn from_json(value: Value) -> Option<Self> {
        value.as_u64()?.try_into().ok()
    }
}

impl FromJson for Map<String, Value> {
    fn from_json(value: Value) -> Option<Self> {
        match value {
            Value::Object(map) => Some(map),
            _ => None,
        }
    }
}

impl<T: FromJson> FromJson for Option<T> {
    fn from_json(value: Value) -> Option<Self> {
        if value.is_null() { Some(None) } else { T::from_json(value).map(Some) }
    }
}

impl<T: FromJson> FromJson for Vec<T> {
    fn from_json(value: Value) -> Option<Self> {
        let Value::Array(items) = value else { return None };
        let mut list = Self::new();
        for item in items {
            list.push(T::from_json(item)?);
        }
        Some(list)
    }
}

impl<A: FromJson, B: FromJson> FromJson for (A, B) {
    fn from_json(value: Value) -> Option<Self> {
        let mut items = Vec::<Value>::from_json(value)?.into_iter();
        let pair = (A::from_json(items.next()?)?, B::from_json(items.next()?)?);
        items.next().is_none().then_some(pair)
    }
}

/// Defines an enum whose variants have names in JSON: `as_str`, and reading. Every name stands once.
macro_rules! words {
    ($(#[$meta:meta])* $vis:vis enum $type:ident { $($(#[$doc:meta])* $name:ident = $text:literal),+ $(,)? }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
        $vis enum $type { $($(#[$doc])* #[serde(rename = $text)] $name),+ }

        impl $type {
            /// The name in records, in the log and on the wire.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$name => $text),+ }
            }

            /// The variant of that name.
            #[must_use]
            pub fn of(name: &str) -> Option<Self> {
                match name { $($text => Some(Self::$name),)+ _ => None }
            }
        }

        impl $crate::model::FromJson for $type {
            fn from_json(value: serde_json::Value) -> Option<Self> {
                Self::of(value.as_str()?)
            }
        }

        impl From<$type> for serde_json::Value {
            fn from(word: $type) -> Self {
                word.as_str().into()
            }
        }
    };
}

/// Defines a struct with its fields' names in JSON (`or`: what an absent one counts as), and its reader and writer; `None`
/// is left out.
macro_rules! record {
    ($(#[$meta:meta])* $vis:vis struct $type:ident { $($(#[$doc:meta])* $field_vis:vis $field:ident: $of:ty = $name:literal $(or $absent:expr)?),+ $(,)? }) => {
        $(#[$meta])*
        $vis struct $type { $($(#[$doc])* $field_vis $field: $of),+ }

        impl $crate::model::FromJson for $type {
            fn from_json(value: serde_json::Value) -> Option<Self> {
                let mut fields = $crate::model::Fields::of(value)?;
                Some(Self { $($field: $crate::model::record!(@take fields $name $($absent)?).ok()?),+ })
            }
        }

        impl From<$type> for serde_json::Value {
            fn from(record: $type) -> Self {
                let object = $crate::model::Object::new();
                $(let object = object.with_any($name, record.$field.into());)+
                object.into()
            }
        }
    };
    (@take $fields:ident $name:literal) => { $fields.take($name) };
    (@take $fields:ident $name:literal $absent:expr) => { $fields.take_or($name, $absent) };
}

pub(crate) use {record, words};

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn fields_are_taken_as_what_they_should_be_or_named() {
        let mut fields = Fields::of(json!({ "a": "x", "b": 3, "c": null, "d": [1, "2"] })).unwrap();
        assert_eq!(fields.take::<String>("a"), Ok("x".to_owned()));
        assert_eq!(fields.take::<String>("a"), Err("a"));
        assert_eq!(fields.take::<Option<u32>>("b"), Ok(Some(3)));
        assert_eq!(fields.take::<Option<u32>>("c"), Ok(None));
        assert_eq!(fields.take::<Vec<u32>>("d"), Err("d"));
        assert!(Fields::of(json!([])).is_none());
    }

    #[test]
    fn an_object_has_the_fields_it_was_given() {
        let object = Object::new().with("a", 1).with_any("b", Value::Null).with_any("c", "x".into());
        assert_eq!(Value::from(object), json!({ "a": 1, "c": "x" }));
    }
}

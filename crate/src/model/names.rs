//! One newtype per identity; a name that exists is valid.

use super::{FromJson, Malformed};
use serde::{Deserialize, Serialize};
use serde_json::Value;

macro_rules! name {
    ($(#[$doc:meta])* $name:ident, $check:path) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// Checks the text and makes a name of it.
            pub fn parse(text: impl Into<String>) -> Result<Self, Malformed> {
                checked(text.into(), stringify!($name), $check).map(Self)
            }

            /// The name as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromJson for $name {
            fn from_json(value: Value) -> Option<Self> {
                Self::parse(String::from_json(value)?).ok()
            }
        }

        impl From<$name> for Value {
            fn from(name: $name) -> Self {
                Self::String(name.0)
            }
        }

        impl TryFrom<String> for $name {
            type Error = Malformed;
            fn try_from(text: String) -> Result<Self, Malformed> {
                Self::parse(text)
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> Self {
                name.0
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }
    };
}

name!(
    /// An app (module) of the product, such as `todo`; part of every synced change.
    AppId,
    check_identifier
);
name!(
    /// A table: its local name in the store, or its sync name on the wire.
    TableName,
    check_table
);
name!(
    /// The primary key of a synced record.
    RecordId,
    check_id
);
name!(
    /// A top-level field of a record, the unit of merging.
    FieldName,
    check_field
);

impl std::borrow::Borrow<str> for FieldName {
    fn borrow(&self) -> &str {
        &self.0
    }
}
name!(
    /// A space (tenant) that records belong to; `_personal:<user>` is a person's own.
    SpaceId,
    check_id
);
name!(
    /// A person.
    UserId,
    check_id
);
name!(
    /// A change, once and for ever: a UUID made when it was written.
    EventId,
    check_uuid
);
name!(
    /// A running client, `<install id>.<session id>`.
    ClientId,
    check_id
);

/// Longest identifier in bytes; IndexedDB has no limit, URLs and database indexes do.
const MAX_ID_BYTES: usize = 255;

/// Names an object may not have as an own key without changing what the object is.
const RESERVED: [&str; 3] = ["__proto__", "constructor", "prototype"];

fn checked(text: String, what: &str, check: fn(&str) -> Result<(), &'static str>) -> Result<String, Malformed> {
    match check(&text) {
        Ok(()) => Ok(text),
        Err(reason) => Err(Malformed::new(what, reason)),
    }
}

fn check_identifier(text: &str) -> Result<(), &'static str> {
    if text.is_empty() || text.len() > 64 {
        return Err("must have 1 to 64 characters");
    }
    if !text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-') {
        return Err("may hold letters, digits, '_' and '-' only");
    }
    if RESERVED.contains(&text) { Err("is a reserved name") } else { Ok(()) }
}

fn check_table(text: &str) -> Result<(), &'static str> {
    check_identifier(text)?;
    if text.starts_with('_') { Err("names beginning with '_' belong to the engine") } else { Ok(()) }
}

fn check_id(text: &str) -> Result<(), &'static str> {
    if text.is_empty() || text.len() > MAX_ID_BYTES {
        return Err("must have 1 to 255 bytes");
    }
    if text.chars().any(|c| c.is_control() || c == '\u{FFFD}') {
        return Err("may not hold control or replacement characters");
    }
    if RESERVED.contains(&text) { Err("is a reserved name") } else { Ok(()) }
}

fn check_field(text: &str) -> Result<(), &'static str> {
    if text.is_empty() || text.len() > MAX_ID_BYTES {
        return Err("must have 1 to 255 bytes");
    }
    if text.contains('\0') {
        return Err("may not hold U+0000");
    }
    if RESERVED.contains(&text) { Err("is a reserved name") } else { Ok(()) }
}

fn check_uuid(text: &str) -> Result<(), &'static str> {
    match uuid::Uuid::try_parse(text) {
        Ok(parsed) if parsed.as_hyphenated().to_string() == text => Ok(()),
        _ => Err("must be a lower-case hyphenated UUID"),
    }
}

impl EventId {
    /// A UUIDv7 (RFC 9562, 5.7) from the milliseconds since 1970 and ten random bytes.
    #[must_use]
    pub fn from_parts(unix_ms: u64, random: &[u8; 10]) -> Self {
        Self(uuid_v7(unix_ms, random))
    }

    /// The id that every device gives the change of this name (a UUID of version 5, RFC 9562, 5.5): the server takes one of them.
    #[must_use]
    pub fn named(name: &str) -> Self {
        Self(uuid::Uuid::new_v5(&uuid::Uuid::NAMESPACE_OID, name.as_bytes()).as_hyphenated().to_string())
    }
}

impl RecordId {
    /// A fresh id: a UUIDv7 (RFC 9562, 5.7) from the milliseconds since 1970 and ten random bytes.
    #[must_use]
    pub fn from_parts(unix_ms: u64, random: &[u8; 10]) -> Self {
        Self(uuid_v7(unix_ms, random))
    }
}

impl RecordId {
    /// The id the record has after it was moved to a space, named as on the wire: a UUID of version 5 (RFC 9562,
    /// 5.5) of the space's name in the namespace of the record's id. An id that is no UUID stands in the namespace of object identifiers.
    #[must_use]
    pub fn in_space(&self, space: &str) -> Self {
        let namespace = uuid::Uuid::parse_str(&self.0)
            .unwrap_or_else(|_| uuid::Uuid::new_v5(&uuid::Uuid::NAMESPACE_OID, self.0.as_bytes()));
        Self(uuid::Uuid::new_v5(&namespace, space.as_bytes()).as_hyphenated().to_string())
    }
}

fn uuid_v7(unix_ms: u64, random: &[u8; 10]) -> String {
    uuid::Builder::from_unix_timestamp_millis(unix_ms, random).into_uuid().as_hyphenated().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reserved_names_are_refused_everywhere() {
        for reserved in RESERVED {
            assert!(FieldName::parse(reserved).is_err());
            assert!(TableName::parse(reserved).is_err());
            assert!(RecordId::parse(reserved).is_err());
        }
    }

    #[test]
    fn engine_names_are_not_table_names() {
        assert!(TableName::parse("_changeLog").is_err());
        assert!(TableName::parse("tasks").is_ok());
    }

    #[test]
    fn a_moved_record_has_the_same_id_wherever_it_is_moved_from_again() {
        let id = RecordId::parse("6ba7b810-9dad-11d1-80b4-00c04fd430c8").unwrap();
        // The example of RFC 9562, A.4.
        assert_eq!(id.in_space("www.example.com").as_str(), "2ed6657d-e927-568b-95e1-2665a8aea6a2");
        let named = RecordId::parse("t").unwrap();
        assert_eq!(named.in_space("club"), named.in_space("club"));
        assert_ne!(named.in_space("club"), named.in_space("team"));
    }

    #[test]
    fn event_ids_are_uuids_of_version_7() {
        let id = EventId::from_parts(1_700_000_000_000, &[7; 10]);
        assert_eq!(id.as_str().as_bytes()[14], b'7');
        assert!(EventId::parse(id.as_str()).is_ok());
        assert!(EventId::parse("not a uuid").is_err());
        assert!(EventId::parse(id.as_str().to_uppercase()).is_err());
    }
}

//! The nouns of sync: names, stamps, values, actors, spaces, changes and schemas, all parsed once and valid from then on.
//!
//! Nothing here knows the time, draws random numbers, waits or does I/O. What arrives from outside is brought into
//! these types at the border; a value of one of them needs no further check.

mod actor;
mod canonical;
mod change;
mod field_meta;
mod json;
mod migration;
mod names;
mod ordered;
mod schema;
mod size;
mod space;
mod stamp;
mod travel;

pub use actor::{Actor, Origin};
pub use canonical::{canonical_bytes, canonical_cmp, same_json};
pub use change::{Change, Edit, Op};
pub use field_meta::{
    AUTHOR_ID, DELETED_AT, FIELD_META, ID, MOVED_TO, OWN, PURGED, SHADOW, SHARE_PROOF, SPACE_ID, UPDATED_AT,
    UPDATED_AT_INDEX, USER_ID, VISIBILITY, is_hidden, is_immutable,
};
pub use json::{Fields, FromJson, Object};
pub(crate) use json::{record, words};
pub use migration::{Place, Step, steps_from};
pub use names::{AppId, ClientId, EventId, FieldName, RecordId, SpaceId, TableName, UserId};
pub use ordered::{Entry, OrderedMap, OrderedSet, sort, sort_by};
pub use schema::{BoundNames, IndexSpec, KeyPath, Scope, StoreSpec, TableSync};
pub use size::{json_bytes, text_bytes};
pub use space::{PERSONAL_PREFIX, Space, Visibility, personal_alias};
pub use stamp::Stamp;
pub use travel::{MAX_DEPTH, check_travels};

/// Why something from outside is not what it should be: a sentence for people, and where it was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Malformed {
    /// Path of the offending part, such as `fields.title.at`.
    pub path: String,
    /// What is wrong with it.
    pub reason: String,
}

impl Malformed {
    /// A complaint about `path`.
    pub fn new(path: impl Into<String>, reason: impl Into<String>) -> Self {
        Self { path: path.into(), reason: reason.into() }
    }
}

impl std::fmt::Display for Malformed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.path, self.reason)
    }
}

impl std::error::Error for Malformed {}

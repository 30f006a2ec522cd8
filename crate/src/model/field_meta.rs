//! Names of the fields the engine itself reads and writes in a record.

/// Primary key of a synced record.
pub const ID: &str = "id";
/// Owner of a user-level record.
pub const USER_ID: &str = "userId";
/// The space a record belongs to.
pub const SPACE_ID: &str = "spaceId";
/// Who created a record.
pub const AUTHOR_ID: &str = "authorId";
/// Who in the space may see a record.
pub const VISIBILITY: &str = "visibility";
/// The stamp of the deletion; `null` on a live record.
pub const DELETED_AT: &str = "deletedAt";
/// On a record that was deleted here because it was moved to another space: its id there.
pub const MOVED_TO: &str = "movedTo";
/// On a record that was its author's alone and is everybody's in its space: what says so by their key, as decided at the
/// stamp of `visibility`. Written by the engine only.
pub const SHARE_PROOF: &str = "shareProof";
/// Taken off on every write: derived from the stamps.
pub const UPDATED_AT: &str = "updatedAt";
/// Hidden: `{ [field]: { at, actor, origin } }`. Never sent.
pub const FIELD_META: &str = "__fieldMeta";
/// Hidden: the greatest stamp of the record, for indexes. Never sent.
pub const UPDATED_AT_INDEX: &str = "_updatedAtIndex";

/// Hidden: the record's values were taken off this device; it is not shown. Never sent.
pub const PURGED: &str = "__purged";

/// Hidden: the record was the user's alone when this device first had it, so its registered fields stay sealed whatever
/// others say of it since. Never sent.
pub const OWN: &str = "__own";

/// Hidden: of sealed fields, what stood there before the value that came from the server and has not been found to be the
/// user's: `{ [field]: { value, mark, code? } }`. Never sent.
pub const SHADOW: &str = "__shadow";

/// Whether a field never leaves the device: names beginning with `__`, and `_updatedAtIndex`.
#[must_use]
pub fn is_hidden(field: &str) -> bool {
    field.starts_with("__") || field == UPDATED_AT_INDEX
}

/// Whether a field keeps the value its record was created with.
#[must_use]
pub fn is_immutable(field: &str) -> bool {
    matches!(field, ID | USER_ID | SPACE_ID | AUTHOR_ID)
}

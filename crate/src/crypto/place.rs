//! Where a sealed value belongs: what an `enc:2` envelope is bound to, so that nobody can move it.

use crate::model::{AppId, FieldName, RecordId, Stamp, TableName};

/// What every associated data begins with.
const CONTEXT: &str = "mana/2";

/// A field of a record of a table of an app. A table or field that was renamed keeps the name its values are sealed
/// under.
#[derive(Debug, Clone, Copy)]
pub struct Place<'a> {
    app: &'a str,
    table: &'a str,
    record: &'a str,
    field: &'a str,
}

impl<'a> Place<'a> {
    /// A field, with its table's name on the wire.
    #[must_use]
    pub fn new(app: &'a AppId, sync_name: &'a TableName, record: &'a RecordId, field: &'a FieldName) -> Self {
        Self { app: app.as_str(), table: sync_name.as_str(), record: record.as_str(), field: field.as_str() }
    }

    /// The associated data of a value written here at that time: each part after its length in bytes, as four bytes,
    /// the greatest first. So no two places have the same.
    #[must_use]
    pub fn associated_data(&self, at: Stamp) -> Vec<u8> {
        let at = at.to_string();
        let mut bytes = Vec::new();
        for part in [CONTEXT, self.app, self.table, self.record, self.field, &at] {
            // Names have at most 255 bytes.
            bytes.extend_from_slice(&u32::try_from(part.len()).unwrap_or(u32::MAX).to_be_bytes());
            bytes.extend_from_slice(part.as_bytes());
        }
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_told_apart_by_their_lengths() {
        let (app, table) = (AppId::parse("todo").unwrap(), TableName::parse("tasks").unwrap());
        let (record, field) = (RecordId::parse("ä").unwrap(), FieldName::parse("title").unwrap());
        let at = Stamp::parse("2026-01-01T00:00:00.000Z").unwrap();
        assert_eq!(
            Place::new(&app, &table, &record, &field).associated_data(at),
            b"\0\0\0\x06mana/2\0\0\0\x04todo\0\0\0\x05tasks\0\0\0\x02\xc3\xa4\0\0\0\x05title\0\0\0\x182026-01-01T00:00:00.000Z"
        );
    }
}

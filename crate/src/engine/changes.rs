//! What a commit did, as apps hear it: records by table, kind of change and changed fields.

use super::Touched;
use super::config::Config;
use super::events::{ChangeOp, TableChange};
use super::prepare::is_deleted;
use crate::model::{OrderedMap, Origin, is_hidden};
use crate::store::{Key, Row, RowValue};

/// What is grouped: by the record's key, or by changed fields.
type Group<'a> = (&'a str, ChangeOp, Option<&'a Key>, &'a [String]);

/// The changes of a commit, in the order in which they were made; records that changed alike stand together. A record that
/// changed in the same way several times is one of them, with all fields.
pub fn of_commit<R: Row>(touched: &[Touched<R>], origin: Origin, config: &Config) -> Vec<TableChange> {
    let records = each_once(touched, config);
    let mut changes: Vec<TableChange> = Vec::new();
    let mut places: OrderedMap<Group<'_>, usize> = OrderedMap::new();
    for (table, op, key, fields) in &records {
        let place = *places.entry((table, *op, None, fields)).or_insert(changes.len());
        if place == changes.len() {
            let (table, fields) = ((*table).to_owned(), fields.clone());
            changes.push(TableChange { table, op: *op, origin, fields, keys: Vec::new() });
        }
        changes[place].keys.push((*key).clone());
    }
    changes
}

fn each_once<'a, R: Row>(touched: &'a [Touched<R>], config: &Config) -> Vec<(&'a str, ChangeOp, &'a Key, Vec<String>)> {
    let mut records: Vec<(&str, ChangeOp, &Key, Vec<String>)> = Vec::new();
    let mut places: OrderedMap<Group<'a>, usize> = OrderedMap::new();
    for record in touched {
        let synced = config.tables.get(&record.table).is_some_and(|table| table.sync.is_some());
        let op = op_of(record, synced);
        if !synced && op == ChangeOp::Update && is_as_before(record) {
            continue;
        }
        let place = *places.entry((&record.table, op, Some(&record.key), &[])).or_insert(records.len());
        if place == records.len() {
            records.push((&record.table, op, &record.key, Vec::new()));
        }
        if matches!(op, ChangeOp::Update | ChangeOp::Restore) {
            let known = &mut records[place].3;
            for field in &record.fields {
                if !known.contains(field) {
                    known.push(field.clone());
                }
            }
        }
    }
    records
}

/// Whether nothing differs. What has no fields, as a Blob, may be another one; of hidden fields nothing is known.
fn is_as_before<R: Row>(record: &Touched<R>) -> bool {
    let is_known = |row: &R| {
        let names = row.names();
        !names.is_empty() && !names.iter().any(|name| is_hidden(name))
    };
    record.fields.is_empty() && [&record.old, &record.new].into_iter().flatten().all(is_known)
}

fn op_of<R: Row>(record: &Touched<R>, synced: bool) -> ChangeOp {
    let is_live = |row: &R| !synced || !is_deleted(row);
    let was = record.old.as_ref().map(is_live);
    match (was, record.new.as_ref().map(is_live)) {
        (None, Some(true)) => ChangeOp::Insert,
        (Some(false), Some(true)) => ChangeOp::Restore,
        (Some(true), Some(true)) | (Some(false), Some(false)) => ChangeOp::Update,
        (Some(true) | None, Some(false)) | (_, None) => ChangeOp::Delete,
    }
}

/// The fields that differ between two rows; values that JSON cannot carry may be named although they are equal.
pub fn differing<R: Row>(old: &R, new: &R) -> Vec<String> {
    let mut names = old.names();
    names.extend(new.names().into_iter().filter(|name| old.get(name).is_none()));
    names.retain(|name| !is_hidden(name) && !alike(old.get(name), new.get(name)));
    names
}

fn alike<V: RowValue>(old: Option<V>, new: Option<V>) -> bool {
    match (old, new) {
        (Some(old), Some(new)) => {
            old.same(&new)
                || old.as_date_ms().is_some_and(|ms| new.as_date_ms() == Some(ms))
                || old.as_bytes().is_some_and(|bytes| new.as_bytes() == Some(bytes))
        }
        (None, None) => true,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::StoreSpec;
    use crate::store::JsonRow;
    use serde_json::{Value, json};

    fn touched(key: &str, old: Option<&Value>, new: Option<&Value>, fields: &[&str]) -> Touched<JsonRow> {
        let row = |json: Option<&Value>| json.map(|json| JsonRow::from_json(json).unwrap());
        let fields = fields.iter().map(ToString::to_string).collect();
        Touched { table: "t".into(), key: Key::text(key), old: row(old), new: row(new), fields }
    }

    #[test]
    fn records_that_changed_alike_stand_together() {
        let config = Config::new("db", vec![StoreSpec::parse("t", "id").unwrap()], []).unwrap();
        let (a, b) = (json!({ "x": 1 }), json!({ "x": 2 }));
        let all = [
            touched("1", None, Some(&a), &[]),
            touched("2", Some(&a), Some(&b), &["x"]),
            touched("3", None, Some(&a), &[]),
            touched("4", Some(&a), None, &[]),
            touched("5", Some(&a), Some(&b), &["y"]),
        ];
        let said: Vec<_> = of_commit(&all, Origin::User, &config)
            .into_iter()
            .map(|change| (change.op.as_str(), change.fields.join(","), change.keys.len()))
            .collect();
        let expected = [("insert", "", 2), ("update", "x", 1), ("delete", "", 1), ("update", "y", 1)];
        assert_eq!(said, expected.map(|(op, fields, count)| (op, fields.to_owned(), count)));
    }

    #[test]
    fn a_record_is_named_once_for_each_way_it_changed() {
        let config = Config::new("db", vec![StoreSpec::parse("t", "id").unwrap()], []).unwrap();
        let (a, b, none) = (json!({ "x": 1 }), json!({ "x": 2 }), json!({}));
        let all = [
            touched("1", Some(&a), Some(&b), &["x"]),
            touched("1", Some(&b), Some(&a), &["y", "x"]),
            touched("2", Some(&a), Some(&a), &[]),
            touched("3", Some(&none), Some(&none), &[]),
        ];
        let changes = of_commit(&all, Origin::User, &config);
        let said: Vec<_> = changes.iter().map(|change| (change.fields.join(","), change.keys.clone())).collect();
        // What has no fields may be a Blob in the place of another.
        assert_eq!(said, [("x,y".to_owned(), vec![Key::text("1")]), (String::new(), vec![Key::text("3")])]);
    }

    #[test]
    fn fields_that_came_went_or_differ_are_named() {
        let row = |json: Value| JsonRow::from_json(&json).unwrap();
        let old = row(json!({ "same": [1], "went": 1, "other": 1, "__fieldMeta": 1 }));
        let new = row(json!({ "same": [1], "came": 1, "other": 2, "__fieldMeta": 2 }));
        assert_eq!(differing(&old, &new), ["other", "went", "came"]);
    }
}

//! Merging unsent updates of one record, so that an hour of typing travels as one change.

use super::row::{LogRow, LoggedChange};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// What merging left behind.
pub struct Emptied {
    /// Rows without changes, to be deleted.
    pub seqs: Vec<f64>,
    /// Changes that went into earlier ones.
    pub merged: usize,
}

/// Where the newest update of a record stands that later ones may join: row and change.
type Open = BTreeMap<(String, String, String), (usize, usize)>;

/// Merges later updates into earlier ones of the same record, actor, origin and schema version, never across an
/// insert, a delete or a group. A merged change gets a fresh id; each field keeps the first `prev` and `before`
/// of an unbroken run of edits.
pub fn merge(rows: &mut Vec<LogRow>, mut fresh_id: impl FnMut() -> String) -> Emptied {
    let mut open = Open::new();
    let mut merged = 0;
    for at in 0..rows.len() {
        let changes = std::mem::take(&mut rows[at].changes);
        for change in changes {
            let record = (rows[at].app_id.clone(), change.table().to_owned(), change.id().to_owned());
            let may_join = change.op() == "update" && !change.is_grouped();
            let target = open.get(&record).copied().filter(|(row, _)| may_join && alike(&rows[*row], &rows[at]));
            if let Some((row, index)) = target {
                let stamp = change.at(&rows[at]);
                join(&mut rows[row].changes[index], change, &json!(stamp));
                rows[row].changes[index].set_event_id(fresh_id());
                merged += 1;
                if row != at {
                    let (seq, earlier) = (rows[at].seq, std::mem::take(&mut rows[at].absorbed));
                    rows[row].absorbed.push(seq);
                    rows[row].absorbed.extend(earlier);
                }
                continue;
            }
            if may_join {
                open.insert(record, (at, rows[at].changes.len()));
            } else {
                open.remove(&record);
            }
            rows[at].changes.push(change);
        }
    }
    let seqs = rows.iter().filter(|row| row.changes.is_empty()).map(|row| row.seq).collect();
    rows.retain(|row| !row.changes.is_empty());
    Emptied { seqs, merged }
}

fn alike(a: &LogRow, b: &LogRow) -> bool {
    a.actor == b.actor && a.origin == b.origin && a.schema_version == b.schema_version && a.clock_epoch == b.clock_epoch
}

/// Whether a later edit replaced the very value of an earlier one. Under the same stamp another device's value may have
/// come in between; what the edit replaced then says so.
fn replaced(later: &Value, earlier: &Map<String, Value>) -> bool {
    let before = &later["before"];
    let same_value = before["at"] != later["prev"] || Some(&before["value"]) == earlier.get("value");
    earlier.get("at") == later.get("prev") && same_value
}

fn join(earlier: &mut LoggedChange, mut later: LoggedChange, stamp: &Value) {
    let edits = later.fields_mut().map(std::mem::take).unwrap_or_default();
    if let Some(fields) = earlier.fields_mut() {
        for (name, mut edit) in edits {
            let first = fields.get(&name).and_then(Value::as_object);
            // An edit of another value than the earlier one's saw what came in between: it keeps its own account.
            let continues = |first: &Map<String, Value>| replaced(&edit, first);
            if let (Some(first), Some(edit)) = (first.filter(|first| continues(first)).cloned(), edit.as_object_mut()) {
                for kept in ["prev", "before"] {
                    match first.get(kept) {
                        Some(value) => edit.insert(kept.to_owned(), value.clone()),
                        None => edit.remove(kept),
                    };
                }
            }
            fields.insert(name, edit);
        }
    }
    earlier.0.insert("at".into(), stamp.clone());
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Joins an edit of `title` stamped 3, made over `seen` of stamp 2, with an earlier one that wrote "mine" at 2.
    fn joined(seen: &str) -> Value {
        let update = |fields: Value| LoggedChange(Map::from_iter([("fields".to_owned(), fields)]));
        let mut earlier = update(
            json!({ "title": { "at": "2", "value": "mine", "prev": "1", "before": { "at": "1", "value": "old" } } }),
        );
        let later = update(
            json!({ "title": { "at": "3", "value": "new", "prev": "2", "before": { "at": "2", "value": seen } } }),
        );
        join(&mut earlier, later, &json!("3"));
        earlier.0["fields"]["title"].clone()
    }

    #[test]
    fn an_edit_over_an_unsent_one_replaces_what_that_one_did() {
        let edit = joined("mine");
        assert_eq!(
            (&edit["value"], &edit["prev"], &edit["before"]["value"]),
            (&json!("new"), &json!("1"), &json!("old"))
        );
    }

    #[test]
    fn an_edit_over_another_devices_value_of_the_same_stamp_says_so() {
        let edit = joined("theirs");
        assert_eq!(
            (&edit["value"], &edit["prev"], &edit["before"]["value"]),
            (&json!("new"), &json!("2"), &json!("theirs"))
        );
    }
}

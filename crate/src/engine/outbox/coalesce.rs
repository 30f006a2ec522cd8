//! Merging unsent updates of one record, so that an hour of typing travels as one change.

use super::row::{LOST, LogRow, LoggedChange, MATCHED};
use crate::model::OrderedMap;
use serde_json::{Map, Value, json};

/// What merging left behind.
pub struct Emptied {
    /// Rows without changes, to be deleted.
    pub seqs: Vec<f64>,
    /// Changes that went into earlier ones.
    pub merged: usize,
}

/// Where the newest update of a record stands that later ones may join: row and change.
type Open = OrderedMap<(String, String, String), (usize, usize)>;

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
            let may_join = may_join(&change);
            let target = open.get(&record).copied().filter(|(row, index)| {
                let last = rows[*row].changes.get(*index);
                alike(&rows[*row], &rows[at]) && last.is_some_and(|last| joins(last, &change))
            });
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

/// Whether a change may be merged with others of its record.
pub fn may_join(change: &LoggedChange) -> bool {
    change.op() == "update" && !change.is_grouped()
}

/// Whether a later change may be merged into an earlier one of its record: by who sees the record, what they say is sealed.
pub fn joins(earlier: &LoggedChange, later: &LoggedChange) -> bool {
    may_join(later) && earlier.0.get("visibility") == later.0.get("visibility")
}

/// Whether changes of two rows are of one hand and one clock.
pub fn alike(a: &LogRow, b: &LogRow) -> bool {
    a.actor == b.actor && a.origin == b.origin && a.schema_version == b.schema_version && a.clock_epoch == b.clock_epoch
}

/// Whether a later edit replaced the very value of an earlier one. Under the same stamp another device's value may have
/// come in between; what the edit replaced then says so.
fn replaced(later: &Value, earlier: &Map<String, Value>) -> bool {
    let before = &later["before"];
    let same_value = before["at"] != later["prev"] || Some(&before["value"]) == earlier.get("value");
    earlier.get("at") == later.get("prev") && same_value
}

/// Merges a later change, written at `stamp`, into an earlier one of the same record.
pub fn join(earlier: &mut LoggedChange, mut later: LoggedChange, stamp: &Value) {
    let edits = later.fields_mut().map(std::mem::take).unwrap_or_default();
    for name in edits.keys() {
        // What others have under the earlier edit's stamp lost to the later one.
        let lost = later.other(LOST, name).max(earlier.other(MATCHED, name));
        for (list, at) in [(LOST, lost), (MATCHED, later.other(MATCHED, name))] {
            at.map(|at| earlier.note_other(list, name, at));
        }
    }
    if let Some(fields) = earlier.fields_mut() {
        for (name, mut edit) in edits {
            let first = fields.get(&name).and_then(Value::as_object);
            // An edit of another value than the earlier one's saw what came in between: it keeps its own account.
            let continues = |first: &Map<String, Value>| replaced(&edit, first);
            if let (Some(first), Some(edit)) = (first.filter(|first| continues(first)).cloned(), edit.as_object_mut()) {
                // What another wrote in between lost to the later edit alone: that falls back to it.
                let is_between = edit.get("before").and_then(|before| before.get("at")) != edit.get("prev");
                for kept in ["prev", "before"].into_iter().filter(|kept| *kept == "prev" || !is_between) {
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
    use crate::model::Stamp;

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
    fn what_another_wrote_between_two_edits_is_what_the_merged_one_falls_back_to() {
        let update = |edit: Value| {
            let fields = json!({ "title": edit });
            LoggedChange(Map::from_iter([("fields".to_owned(), fields)]))
        };
        let mut earlier =
            update(json!({ "at": "2", "value": "mine", "prev": "1", "before": { "at": "1", "value": "old" } }));
        let theirs = json!({ "at": "3", "value": "theirs" });
        join(&mut earlier, update(json!({ "at": "4", "value": "new", "prev": "2", "before": theirs })), &json!("4"));
        let edit = &earlier.0["fields"]["title"];
        assert_eq!((&edit["prev"], &edit["before"]["value"]), (&json!("1"), &json!("theirs")));
    }

    #[test]
    fn an_edit_over_another_devices_value_of_the_same_stamp_says_so() {
        let edit = joined("theirs");
        assert_eq!(
            (&edit["value"], &edit["prev"], &edit["before"]["value"]),
            (&json!("new"), &json!("2"), &json!("theirs"))
        );
    }
    #[test]
    fn what_had_an_earlier_edits_stamp_lost_to_the_later_edit() {
        let update = |at: &str| {
            let fields = json!({ "title": { "at": at, "value": at } });
            LoggedChange(Map::from_iter([("at".to_owned(), json!(at)), ("fields".to_owned(), fields)]))
        };
        let [first, second] = ["2026-01-01T00:00:00.000001Z", "2026-01-01T00:00:00.000002Z"];
        let [first_at, second_at] = [first, second].map(|text| Stamp::parse(text).expect("a stamp"));
        let (mut earlier, mut later) = (update(first), update(second));
        assert!(earlier.note_matched("title", first_at, Stamp::EPOCH));
        assert!(!earlier.note_matched("title", second_at, Stamp::EPOCH), "that is not its stamp");
        assert!(later.note_matched("title", second_at, Stamp::EPOCH));
        join(&mut earlier, later, &json!(second));
        assert_eq!(earlier.other(LOST, "title"), Some(first_at));
        assert_eq!(earlier.other(MATCHED, "title"), Some(second_at));
    }
}

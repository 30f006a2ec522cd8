//! What every replica must come to, found without any of the engine's storage, driver or network.

use super::device::Device;
use super::server::Server;
use mana_sync_engine::merge::tie_order;
use mana_sync_engine::model::{AUTHOR_ID, Change, Op, Stamp, is_hidden};
use serde_json::{Value, json};
use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};

/// Fields of records: (table, record) → field → (value, stamp). Fields that are `null` and fields that are not there
/// are the same, so only their stamps tell.
pub type Replica = BTreeMap<(String, String), BTreeMap<String, (Value, Stamp)>>;

/// What a device holds.
#[must_use]
pub fn replica(device: &Device) -> Replica {
    let mut replica = Replica::new();
    for table in device.synced_tables() {
        for row in device.store_rows(table) {
            let id = row["id"].as_str().expect("records have ids").to_owned();
            let marks = row["__fieldMeta"].as_object().cloned().unwrap_or_default();
            let field = |(name, mark): (String, Value)| {
                let at = Stamp::parse(mark["at"].as_str().expect("a stamp")).expect("a stamp");
                (name.clone(), (row[&name].clone(), at))
            };
            replica.insert((table.to_owned(), id), marks.into_iter().map(field).collect());
        }
    }
    replica
}

/// The first record that two devices hold differently: what the one has of it, and the other.
#[must_use]
pub fn difference(one: &Device, other: &Device) -> Option<String> {
    let (one, other) = (replica(one), replica(other));
    let differing = one.keys().chain(other.keys()).find(|key| one.get(*key) != other.get(*key))?;
    Some(format!("{differing:?}: {:?} and {:?}", one.get(differing), other.get(differing)))
}

/// What the server's log comes to: per field the greatest (stamp, value), for records whose insert is there.
#[must_use]
pub fn from_log(server: &Server, user: &str, like: &Device) -> Replica {
    merged(&server.changes(user, &like.synced_tables()))
}

/// What changes come to.
#[must_use]
pub fn merged(changes: &[Change]) -> Replica {
    let mut replica = Replica::new();
    for change in changes.iter().filter(|change| change.op == Op::Insert) {
        replica.entry(key(change)).or_default();
    }
    for change in changes {
        let Some(record) = replica.get_mut(&key(change)) else { continue };
        for (name, edit) in change.fields.iter().filter(|(name, _)| !is_hidden(name.as_str())) {
            let known = record.get(name.as_str());
            let order = known.map(|(value, at)| edit.at.cmp(at).then_with(|| tie_order(&edit.value, value)));
            let wins = match order {
                None => true,
                // The author is who inserted first.
                Some(order) if name.as_str() == AUTHOR_ID => change.op == Op::Insert && order == Ordering::Less,
                Some(order) => order == Ordering::Greater,
            };
            if wins {
                record.insert(name.to_string(), (edit.value.clone(), edit.at));
            }
        }
    }
    replica
}

fn key(change: &Change) -> (String, String) {
    (change.table.to_string(), change.id.to_string())
}

/// The server holds one row per event.
pub fn check_events_once(server: &Server, user: &str, like: &Device) {
    let changes = server.changes(user, &like.synced_tables());
    let ids: BTreeSet<&str> = changes.iter().map(|change| change.event_id.as_str()).collect();
    assert_eq!(ids.len(), changes.len(), "the server has one row per event id");
}

/// No record without its log entry, nor the reverse: every stamp of this device's own that the server does not know lies
/// in the log, and every logged edit is in its record, unless a greater one is.
pub fn check_log_and_records_agree(server: &Server, user: &str, device: &Device) {
    let changes = server.changes(user, &device.synced_tables());
    let known: BTreeSet<(String, String, String, Stamp)> = changes.iter().flat_map(edits_of).collect();
    let mut logged = BTreeSet::new();
    let replica = replica(device);
    for (row, change) in device.logged() {
        for (field, at) in logged_edits(&row, &change) {
            let (table, id) = (text(&change["table"]), text(&change["id"]));
            let stored = replica.get(&(table.clone(), id.clone())).and_then(|record| record.get(&field));
            let stored = stored.unwrap_or_else(|| panic!("{table}/{id}.{field} is logged and was not written"));
            assert!(stored.1 >= at || field == AUTHOR_ID, "{table}/{id}.{field} is logged at {at}, stored {stored:?}");
            logged.insert((table, id, field, at));
        }
    }
    for ((table, id), record) in replica {
        for (field, (_, at)) in record {
            let entry = (table.clone(), id.clone(), field.clone(), at);
            let is_author = field == AUTHOR_ID;
            assert!(
                is_author || known.contains(&entry) || logged.contains(&entry),
                "{entry:?} was written and is not logged"
            );
        }
    }
}

fn edits_of(change: &Change) -> Vec<(String, String, String, Stamp)> {
    let (table, id) = key(change);
    change.fields.iter().map(|(name, edit)| (table.clone(), id.clone(), name.to_string(), edit.at)).collect()
}

/// The fields a logged change writes, with their stamps.
#[must_use]
pub fn logged_edits(row: &Value, change: &Value) -> Vec<(String, Stamp)> {
    let at = if change["at"].is_null() { &row["at"] } else { &change["at"] };
    let stamp = |at: &Value| Stamp::parse(at.as_str().expect("a stamp")).expect("a stamp");
    let mut edits = Vec::new();
    if change["op"] == json!("delete") {
        edits.push(("deletedAt".to_owned(), stamp(at)));
    }
    for name in change["data"].as_object().into_iter().flat_map(|data| data.keys()) {
        edits.push((name.clone(), stamp(at)));
    }
    for (name, edit) in change["fields"].as_object().into_iter().flatten() {
        edits.push((name.clone(), stamp(&edit["at"])));
    }
    edits
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

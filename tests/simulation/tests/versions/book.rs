//! What was written, as somebody beside the device saw it, under the names of the last version.

use super::app::{LAST, later, name_in};
use mana_simulation::Device;
use mana_simulation::oracle::Replica;
use mana_sync_engine::model::{Change, FieldName, Stamp};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// A record and a field.
type Place = (String, String);

/// A write of a field.
struct Written {
    place: Place,
    value: Value,
    at: Stamp,
    /// Who wrote it; a program where nobody is named.
    device: Option<usize>,
    /// Whether it may be gone: with its database, or because a person discarded it.
    may_be_lost: bool,
}

/// The writes so far.
#[derive(Default)]
pub struct Book(Vec<Written>);

impl Book {
    /// Notes a write of a program, of that version.
    pub fn note(&mut self, version: usize, (record, field): (&str, &str), value: Value, at: Stamp) {
        self.add(None, version, (record, field), value, at);
    }

    /// Notes what is new in the records of a device of that version.
    pub fn note_all(&mut self, device: usize, version: usize, before: &Replica, after: &Replica) {
        for (key @ (_, record), fields) in after.iter().filter(|((table, _), _)| table == "tasks") {
            let known = before.get(key);
            for (name, (value, at)) in fields.iter().filter(|(name, _)| !is_the_engines(name)) {
                let is_new = known.and_then(|fields| fields.get(name)).is_none_or(|(_, before)| before != at);
                if is_new && *at != Stamp::EPOCH {
                    self.add(Some(device), version, (record, name), value.clone(), *at);
                }
            }
        }
    }

    fn add(&mut self, device: Option<usize>, version: usize, (record, field): (&str, &str), value: Value, at: Stamp) {
        let Some(field) = name_in(LAST, version, field) else { return };
        self.0.push(Written { place: (record.to_owned(), field), value, at, device, may_be_lost: false });
    }

    /// What of a device's the server does not have may be gone.
    pub fn may_lose(&mut self, device: usize, log: &[Change]) {
        let edits = log.iter().flat_map(|change| {
            let place = |name: &FieldName| (change.id.to_string(), name.to_string());
            change.fields.iter().map(move |(name, edit)| (place(name), edit.at, edit.value.to_string()))
        });
        let known: BTreeSet<(Place, Stamp, String)> = edits.collect();
        for written in self.0.iter_mut().filter(|written| written.device == Some(device)) {
            written.may_be_lost |= !known.contains(&(written.place.clone(), written.at, written.value.to_string()));
        }
    }

    /// All writes of a field, as text.
    fn story(&self, place: &Place) -> String {
        let all = self.0.iter().filter(|written| written.place == *place);
        let text = |one: &Written| format!("  {:?} {} {} {}", one.device, one.at, one.value, one.may_be_lost);
        all.map(text).collect::<Vec<_>>().join("\n")
    }

    /// A device holds the latest of all writes that are not lost, and nothing that nobody wrote.
    pub fn check(&self, number: usize, device: &Device, replica: &Replica) {
        let mut latest: BTreeMap<&Place, (Stamp, &Value)> = BTreeMap::new();
        for Written { place, value, at, .. } in self.0.iter().filter(|written| !written.may_be_lost) {
            let known = latest.entry(place).or_insert((*at, value));
            if later((*at, value), *known).is_gt() {
                *known = (*at, value);
            }
        }
        for (place @ (record, field), (at, value)) in latest {
            let held = replica.get(&("tasks".to_owned(), record.clone())).and_then(|fields| fields.get(field));
            let is_held = held.is_some_and(|(held, held_at)| later((*held_at, held), (at, value)).is_ge());
            assert!(
                is_held,
                "device {number}: {place:?} was {value} at {at}, and is {held:?}; all writes:\n{}",
                self.story(place)
            );
        }
        for ((_, record), fields) in replica.iter().filter(|((table, _), _)| table == "tasks") {
            for (field, (value, at)) in fields.iter().filter(|(name, _)| !is_the_engines(name)) {
                let is_it = |written: &Written| {
                    (&written.place.0, &written.place.1, written.at) == (record, field, *at) && written.value == *value
                };
                let was_written = *at == Stamp::EPOCH || self.0.iter().any(is_it);
                assert!(was_written, "device {number}: nobody wrote {field} of {record}: {value} at {at}");
            }
        }
        for row in device.rows("tasks").iter().filter(|row| row["label"].is_string()) {
            let shown = row["label"].as_str().unwrap_or_default();
            assert!(shown.starts_with("text "), "device {number} shows what was written: {row}");
        }
    }
}

fn is_the_engines(name: &str) -> bool {
    ["spaceId", "authorId", "userId", "visibility", "updatedAt", "id"].contains(&name)
}

//! What reaches the server: nothing but what was written, and under an event id always the same.

use super::{Books, Correction, Ledger, Origin, Write, WriteId, Written};
use crate::place::Record;
use crate::sealed::opened;
use mana_sync_engine::model::{Change, Stamp};
use mana_sync_engine::protocol::wire::PushAnswer;
use serde_json::Value;
use std::collections::BTreeSet;

impl Ledger {
    /// A push was worked on.
    pub fn pushed(&self, changes: &[Value], answer: &PushAnswer) {
        let mut books = self.0.borrow_mut();
        let accepted: BTreeSet<&str> = answer.accepted.iter().map(AsRef::as_ref).collect();
        for json in changes {
            let change = Change::parse(json.clone()).expect("devices push changes");
            if change.id.as_str().starts_with('s') {
                continue;
            }
            books.check_event(change.event_id.as_str(), json);
            crate::trace::line(format_args!("  server: {json}"));
            if accepted.contains(change.event_id.as_str()) {
                books.receive(&change);
            }
        }
        for rejection in &answer.rejected {
            books.count(rejection.code.as_str());
        }
    }
}

impl Books {
    /// Of rotations to one generation the server takes one, so they have one event id.
    fn check_event(&mut self, id: &str, json: &Value) {
        let is_named = id.as_bytes().get(14) == Some(&b'5');
        if json["table"] == "keyring" && is_named {
            return;
        }
        match self.events.get(id) {
            None => {
                self.events.insert(id.to_owned(), json.clone());
            }
            Some(first) => assert_eq!(first, json, "event {id} stands for one content"),
        }
    }

    fn receive(&mut self, change: &Change) {
        let Some(record) = Record::of(change.table.as_str(), change.id.as_str()) else { return };
        self.taken += 1;
        let taken = self.taken;
        for (name, edit) in &change.fields {
            let Some(place) = record.field(name.as_str()) else { continue };
            let found = self.find(place, edit.at, &opened(place, edit.at, &edit.value));
            let Some(id) = found else {
                panic!("{place}: {} of {} was pushed and nobody wrote it", edit.value, edit.at)
            };
            let write = &mut self.writes[id];
            write.receive_raw(edit.at, &edit.value);
            if write.received.is_none() {
                (write.received, write.pushed_prev) = (Some(taken), edit.prev);
            }
        }
    }

    /// Gives one device's writes the stamps that device corrected them to. What the server has, or another device made
    /// alike, keeps its own.
    pub(super) fn correct_for(&mut self, device: usize, commit: u64, moves: Vec<(WriteId, Stamp)>) {
        let is_shared = |write: &Written| write.received.is_some() || write.origins.iter().any(|o| o.device != device);
        let (shared, own): (Vec<_>, Vec<_>) = moves.into_iter().partition(|(id, _)| is_shared(&self.writes[*id]));
        let noted = own.iter().map(|(id, _)| Correction { device, commit, write: *id, from: self.writes[*id].at });
        let noted: Vec<_> = noted.collect();
        self.corrections.extend(noted);
        self.correct(&own);
        for (id, at) in shared {
            self.part(device, commit, id, at);
        }
    }

    fn part(&mut self, device: usize, commit: u64, id: WriteId, at: Stamp) {
        let write = self.writes[id].clone();
        let value = super::corrected(write.value.clone(), write.at, at);
        self.former.insert(super::key(write.place, write.at, &write.value), id);
        self.writes[id].origins.retain(|origin| origin.device != device);
        let made = Write { place: write.place, raw: value.clone(), value, at };
        let now = self.note(made, None, Origin { device, commit, undone: false });
        self.writes[now].raws.extend(write.raws);
        self.writes[now].saw.extend(write.saw);
        self.writes[now].alike = true;
        // What this device wrote over it, it wrote over its own.
        let of_device = |write: &&mut Written| write.origins.iter().all(|origin| origin.device == device);
        for later in self.writes.iter_mut().filter(of_device) {
            later.saw.iter_mut().filter(|saw| **saw == id && id != now).for_each(|saw| *saw = now);
        }
    }
}

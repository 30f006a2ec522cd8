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
            if books.check_event(change.event_id.as_str(), json) {
                books.send(&change);
            }
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
    /// An event id stands for one content; whether it is new. Of rotations to one generation the server takes one, so they
    /// have one event id.
    fn check_event(&mut self, id: &str, json: &Value) -> bool {
        let is_named = id.as_bytes().get(14) == Some(&b'5');
        if json["table"] == "keyring" && is_named {
            return false;
        }
        match self.events.get(id) {
            None => self.events.insert(id.to_owned(), json.clone()).is_none(),
            Some(first) => {
                assert_eq!(first, json, "event {id} stands for one content");
                false
            }
        }
    }

    /// An event reached the server for the first time, whatever that said of it: it brings what was written by then.
    fn send(&mut self, change: &Change) {
        for made in pushed_writes(change).map(|(made, _)| made) {
            let Some(id) = self.find(made.place, made.at, &made.value) else {
                panic!("{}: {} of {} was pushed and nobody wrote it", made.place, made.raw, made.at)
            };
            self.sent.insert((change.event_id.to_string(), made.place), id);
        }
    }

    fn receive(&mut self, change: &Change) {
        if Record::of(change.table.as_str(), change.id.as_str()).is_none() {
            return;
        }
        self.taken += 1;
        let taken = self.taken;
        for (made, prev) in pushed_writes(change) {
            let (at, raw) = (made.at, made.raw.clone());
            let id = self.find(made.place, at, &made.value).unwrap_or_else(|| self.arrive_again(change, &made));
            let write = &mut self.writes[id];
            write.receive_raw(at, &raw);
            if write.received.is_none() {
                (write.received, write.pushed_prev) = (Some(taken), prev);
            }
        }
    }

    /// The network brings a push once more that the server had refused, after its device corrected the stamps and took a
    /// new event id: the server has what was written under the former stamps, too, as if it had never refused it.
    fn arrive_again(&mut self, change: &Change, made: &Write) -> WriteId {
        self.count("a refused push arrived again after its stamps were corrected");
        let sent = self.sent.get(&(change.event_id.to_string(), made.place));
        let id = self.resolve(*sent.expect("the event was pushed before"));
        let origins = self.writes[id].origins.clone();
        self.note_alike(id, made, &origins)
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
        let now = self.note_alike(id, &made, &[Origin { device, commit, undone: false }]);
        // What this device wrote over it, it wrote over its own.
        let of_device = |write: &&mut Written| write.origins.iter().all(|origin| origin.device == device);
        for later in self.writes.iter_mut().filter(of_device) {
            later.saw.iter_mut().filter(|saw| **saw == id && id != now).for_each(|saw| *saw = now);
        }
    }

    /// Notes a write that these made as they made another, with another stamp.
    fn note_alike(&mut self, id: WriteId, made: &Write, origins: &[Origin]) -> WriteId {
        let devices: Vec<usize> = origins.iter().map(|origin| origin.device).collect();
        let Written { raws, seen_on, .. } = self.writes[id].clone();
        let saw = self.writes[id].saw_on(&devices);
        let noted = origins.iter().map(|origin| self.note(made.clone(), None, *origin)).last();
        let now = noted.expect("somebody made it");
        self.writes[now].raws.extend(raws);
        self.writes[now].seen_on.extend(seen_on.into_iter().filter(|(_, seen)| saw.contains(seen)));
        self.writes[now].saw.extend(saw);
        self.writes[now].alike = true;
        now
    }
}

/// What a change says of fields, each with the stamp it names as the one that it replaces.
fn pushed_writes(change: &Change) -> impl Iterator<Item = (Write, Option<Stamp>)> {
    let record = Record::of(change.table.as_str(), change.id.as_str());
    change.fields.iter().filter_map(move |(name, edit)| {
        let (place, at, raw) = (record?.field(name.as_str())?, edit.at, edit.value.clone());
        Some((Write { place, value: opened(place, at, &raw), raw, at }, edit.prev))
    })
}

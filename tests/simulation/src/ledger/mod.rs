//! The oracle: it sees every write that was ever committed, what its writer had seen, and what became of it, and so
//! knows what every replica must come to.
//!
//! It watches commits and pushes from outside; nothing here asks the engine what it thinks. A write is one value of one
//! field. It is *lost* when it was lost with its database before the server had it. A write is *replaced* when another
//! write that is not lost was made by somebody who had seen it, or who had seen one that replaced it.

mod commit;
mod conflicts;
mod end;
mod log_rows;
mod push;

pub use conflicts::Loss;
pub use end::End;

use super::device::Watch;
use super::model::Act;
use super::place::{Place, Record};
use super::storage::Whose;
use mana_sync_engine::merge::tie_order;
use mana_sync_engine::model::Stamp;
use mana_sync_engine::store::memory::Changed;
use serde_json::Value;
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// A write's number.
pub type WriteId = usize;

/// One value of one field.
#[derive(Debug, Clone)]
pub struct Written {
    /// The field.
    pub place: Place,
    /// The value.
    pub value: Value,
    /// When, as it stands now: until it is sent, the engine may correct it.
    pub at: Stamp,
    /// The writes whose values it replaced.
    pub saw: Vec<WriteId>,
    /// Which of them which device had seen, of a write that two made alike.
    seen_on: BTreeSet<(usize, WriteId)>,
    /// Who made it: two devices that delete at one moment make the same write.
    pub origins: Vec<Origin>,
    /// Whether more than one device made it at some time: what one of them had seen the other may not have.
    alike: bool,
    /// When the server first had it, counted in changes.
    pub received: Option<u64>,
    /// The stamp it named as the one it replaced, when it was pushed.
    pub pushed_prev: Option<Stamp>,
    /// How it was sealed, and under which stamps: two devices, a correction and a new key seal one value differently.
    raws: Vec<Raw>,
    /// Whether it became another write by a correction of stamps.
    merged_into: Option<WriteId>,
}

/// What a commit wrote of one field.
#[derive(Debug, Clone)]
pub(super) struct Write {
    /// The field.
    pub place: Place,
    /// The value.
    pub value: Value,
    /// The value as it is stored, sealed where it is.
    pub raw: Value,
    /// When.
    pub at: Stamp,
}

/// A write's value as a commit sealed it.
#[derive(Debug, Clone)]
struct Raw {
    at: Stamp,
    text: Value,
    origin: Origin,
    /// Whether the server has it.
    is_received: bool,
}

impl Written {
    /// What it replaced, as far as that may have been seen on these devices: not what is known of others alone.
    fn saw_on(&self, devices: &[usize]) -> Vec<WriteId> {
        let seen = |saw: WriteId, here: bool| {
            self.seen_on.iter().any(|(device, seen)| *seen == saw && devices.contains(device) == here)
        };
        self.saw.iter().copied().filter(|saw| seen(*saw, true) || !seen(*saw, false)).collect()
    }

    /// Notes how a commit sealed it under a stamp.
    fn keep_raw(&mut self, at: Stamp, text: Value, origin: Origin) {
        if text != self.value && !self.raws.iter().any(|known| known.at == at && known.text == text) {
            self.raws.push(Raw { at, text, origin, is_received: false });
        }
    }

    /// Notes that the server has it as it was sealed so.
    fn receive_raw(&mut self, at: Stamp, text: &Value) {
        self.raws.iter_mut().filter(|raw| raw.at == at && raw.text == *text).for_each(|raw| raw.is_received = true);
    }

    /// Whether it was sealed twice under its stamp.
    fn is_sealed_twice(&self) -> bool {
        self.raws.iter().filter(|raw| raw.at == self.at).count() > 1
    }

    /// What decides when another write has the same stamp: of the ways it is sealed, and that are not lost, the one that wins.
    fn rank(&self) -> &Value {
        let is_alive = |raw: &&Raw| raw.at == self.at && (raw.is_received || !raw.origin.undone);
        let now = self.raws.iter().filter(is_alive).map(|raw| &raw.text);
        now.max_by(|a, b| tie_order(a, b)).unwrap_or(&self.value)
    }

    /// Marks as gone what was made in these commits.
    fn undo(&mut self, gone: impl Fn(&Origin) -> bool) {
        let of_raws = self.raws.iter_mut().map(|raw| &mut raw.origin);
        self.origins.iter_mut().chain(of_raws).filter(|origin| gone(origin)).for_each(|origin| origin.undone = true);
    }
}

/// A commit that made a write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Origin {
    /// The device.
    pub device: usize,
    /// The number of the commit in its database.
    pub commit: u64,
    /// Whether the commit is gone, with its database or by a power cut.
    pub undone: bool,
}

/// A correction of a stamp, to be taken back when its commit is.
#[derive(Debug, Clone, Copy)]
struct Correction {
    device: usize,
    commit: u64,
    write: WriteId,
    from: Stamp,
}

/// A write that never leaves its device: a later one travels in its place, since this commit.
#[derive(Debug, Clone, Copy)]
struct Absorbed {
    device: usize,
    commit: u64,
    write: WriteId,
}

type Key = (Place, Stamp, String);

/// The ledger.
#[derive(Default)]
pub struct Ledger(RefCell<Books>);

#[derive(Default)]
struct Books {
    writes: Vec<Written>,
    index: HashMap<Key, WriteId>,
    /// Stamps that were corrected: people may have been told of them.
    former: HashMap<Key, WriteId>,
    corrections: Vec<Correction>,
    /// Writes that later ones of their device took the place of before anything was sent.
    absorbed: Vec<Absorbed>,
    /// What calls under way mean to do.
    calls: BTreeMap<u64, Vec<(Record, Act)>>,
    /// Calls whose commit was seen.
    committed: BTreeSet<u64>,
    /// How many changes the server took.
    taken: u64,
    /// What each event id stood for when it was first pushed.
    events: HashMap<String, Value>,
    /// The writes that each of them brought then.
    sent: HashMap<(String, Place), WriteId>,
    losses: Vec<Loss>,
    /// The apps that each device has asked for and not pulled whole.
    filling: BTreeMap<usize, BTreeSet<String>>,
    /// All that were ever pulled so.
    apps: BTreeSet<String>,
    /// How often things happened that schedules should reach.
    counts: BTreeMap<&'static str, u64>,
}

impl Watch for Ledger {
    fn committed(&self, device: usize, commit: u64, whose: Whose, changes: &[Changed]) {
        crate::trace::commit(device, commit, whose.call, changes);
        let mut books = self.0.borrow_mut();
        match whose.call {
            Some(call) => books.call_committed(device, commit, call, changes),
            None => books.engine_committed(device, commit, whose.owner, changes),
        }
        books.note_apps(device, changes);
    }
}

impl Ledger {
    /// Announces what a call means to do.
    pub fn announce(&self, call: u64, acts: Vec<(Record, Act)>) {
        self.0.borrow_mut().calls.insert(call, acts);
    }

    /// A call was answered with success: its commit must have been seen, unless nothing was to be changed.
    pub fn answered(&self, call: u64, changed: bool) {
        let books = self.0.borrow();
        assert_eq!(books.committed.contains(&call), changed, "call {call}: saved is what was committed");
    }

    /// A device's commits after this one are gone.
    pub fn forget(&self, device: usize, lasting: u64) {
        let mut books = self.0.borrow_mut();
        let gone = |d: usize, commit: u64| d == device && commit > lasting;
        for write in &mut books.writes {
            write.undo(|origin| gone(origin.device, origin.commit));
        }
        books.absorbed.retain(|absorbed| !gone(absorbed.device, absorbed.commit));
        while let Some(last) = books.corrections.iter().rev().find(|c| gone(c.device, c.commit)).map(|c| c.commit) {
            let of_last = |c: &mut Correction| c.device == device && c.commit == last;
            let taken: Vec<Correction> = books.corrections.extract_if(.., of_last).collect();
            books.take_back(device, &taken);
        }
    }

    /// A device's whole database is gone.
    pub fn lose(&self, device: usize) {
        let mut books = self.0.borrow_mut();
        for write in &mut books.writes {
            write.undo(|origin| origin.device == device);
        }
        books.corrections.retain(|correction| correction.device != device);
        books.absorbed.retain(|absorbed| absorbed.device != device);
    }

    /// How often things happened.
    #[must_use]
    pub fn counts(&self) -> BTreeMap<&'static str, u64> {
        self.0.borrow().counts.clone()
    }
}

impl Books {
    fn count(&mut self, what: &'static str) {
        *self.counts.entry(what).or_default() += 1;
    }

    fn find(&self, place: Place, at: Stamp, value: &Value) -> Option<WriteId> {
        self.index.get(&key(place, at, value)).copied()
    }

    /// Notes a write; the same write of two devices is one.
    fn note(&mut self, made: Write, saw: Option<WriteId>, origin: Origin) -> WriteId {
        let Write { place, value, raw, at } = made;
        if let Some(known) = self.find(place, at, &value) {
            let write = &mut self.writes[known];
            write.keep_raw(at, raw, origin);
            write.saw.extend(saw.filter(|saw| *saw != known));
            write.seen_on.extend(saw.map(|saw| (origin.device, saw)));
            write.alike |= write.origins.iter().any(|of| of.device != origin.device);
            write.origins.push(origin);
            return known;
        }
        let id = self.writes.len();
        self.index.insert(key(place, at, &value), id);
        let seen_on = saw.iter().map(|saw| (origin.device, *saw)).collect();
        let (saw, origins) = (saw.into_iter().collect(), vec![origin]);
        self.writes.push(Written {
            place,
            value,
            at,
            saw,
            seen_on,
            origins,
            alike: false,
            received: None,
            pushed_prev: None,
            raws: Vec::new(),
            merged_into: None,
        });
        self.writes[id].keep_raw(at, raw, origin);
        id
    }

    /// Gives writes the stamps the engine corrected them to, all at once: one may get the stamp another had.
    fn correct(&mut self, moves: &[(WriteId, Stamp)]) {
        for (id, _) in moves {
            let Written { place, value, at, .. } = &self.writes[*id];
            let key = key(*place, *at, value);
            self.index.remove(&key);
            self.former.insert(key, *id);
        }
        for (id, at) in moves {
            self.list_again(*id, *at);
        }
    }

    fn list_again(&mut self, id: WriteId, at: Stamp) {
        let Written { place, value, at: old, .. } = self.writes[id].clone();
        let value = corrected(value, old, at);
        if let Some(other) = self.find(place, at, &value).filter(|other| *other != id) {
            self.part_from_those_between(other, id);
            let Written { saw, seen_on, origins, raws, .. } = self.writes[id].clone();
            let write = &mut self.writes[other];
            write.raws.extend(raws);
            write.seen_on.extend(seen_on);
            write.alike |= origins.iter().any(|of| write.origins.iter().any(|known| known.device != of.device));
            write.saw.extend(saw);
            write.origins.extend(origins);
            self.writes[id].merged_into = Some(other);
            return;
        }
        self.index.insert(key(place, at, &value), id);
        (self.writes[id].at, self.writes[id].value) = (at, value);
    }

    /// Where `later` was written over `earlier` and becomes the same write: what came between them had seen what `earlier` had.
    /// Else each would have replaced the other.
    fn part_from_those_between(&mut self, earlier: WriteId, later: WriteId) {
        let had_seen = |id: &WriteId| self.writes[*id].saw.iter().any(|saw| self.resolve(*saw) == earlier);
        let is_between = |id: &WriteId| had_seen(id) && self.search(later, |seen| seen == *id, |_| true);
        let between: Vec<WriteId> = (0..self.writes.len()).filter(is_between).collect();
        let seen_before = self.writes[earlier].saw.clone();
        for id in between {
            let kept: Vec<WriteId> =
                self.writes[id].saw.iter().copied().filter(|saw| self.resolve(*saw) != earlier).collect();
            self.writes[id].saw = kept.into_iter().chain(seen_before.iter().copied()).collect();
        }
    }

    /// A device has forgotten that it corrected stamps. What the server has keeps the corrected ones.
    fn take_back(&mut self, device: usize, taken: &[Correction]) {
        let is_known = |c: &Correction| self.writes[c.write].received.is_some();
        let (kept, unknown): (Vec<Correction>, Vec<Correction>) = taken.iter().copied().partition(is_known);
        let moves: Vec<_> = unknown.iter().map(|c| (c.write, c.from)).collect();
        self.correct(&moves);
        for Correction { write, from, .. } in kept {
            let Written { place, value, at, saw, origins, raws, .. } = self.writes[write].clone();
            let value = corrected(value, at, from);
            for origin in origins.into_iter().filter(|origin| origin.device == device && !origin.undone) {
                let made = Write { place, value: value.clone(), raw: value.clone(), at: from };
                let again = self.note(made, None, origin);
                self.writes[again].raws.extend(raws.iter().cloned());
                self.writes[again].saw.extend(saw.iter().copied());
            }
        }
    }

    fn resolve(&self, mut id: WriteId) -> WriteId {
        while let Some(next) = self.writes[id].merged_into {
            id = next;
        }
        id
    }

    /// What who made a write has surely replaced of what others may have. Of a write that two devices made alike, the maker's own
    /// may never have left the device: then it saw what that one's maker had seen.
    fn seen_by(&self, id: WriteId) -> BTreeSet<WriteId> {
        let direct = |id: WriteId| self.writes[id].saw.iter().map(|saw| self.resolve(*saw));
        let (mut open, mut seen): (Vec<_>, _) = (direct(id).collect(), BTreeSet::new());
        while let Some(saw) = open.pop() {
            if seen.insert(saw) && self.is_others_alone(id, saw) {
                open.extend(direct(saw));
            }
        }
        seen.retain(|saw| !self.is_others_alone(id, *saw));
        seen
    }

    fn is_others_alone(&self, later: WriteId, write: WriteId) -> bool {
        let origins = &self.writes[later].origins;
        let stayed = |device: usize| self.absorbed.iter().any(|a| a.device == device && self.resolve(a.write) == write);
        let by_another = |device: usize| self.writes[write].origins.iter().any(|origin| origin.device != device);
        origins.iter().all(|origin| stayed(origin.device) && by_another(origin.device))
    }

    /// Whether who made `later` had seen `earlier`, or another value of the same stamp: a change says which stamp it
    /// replaced, and two values under one stamp are one to it.
    fn may_have_seen(&self, later: WriteId, earlier: WriteId) -> bool {
        let at = self.writes[self.resolve(earlier)].at;
        self.search(later, |id| self.writes[id].at == at, |_| true)
    }

    /// Whether who made `later` had seen `earlier`. Of a write that two devices made alike, one may have seen what the
    /// other had not.
    fn had_surely_seen(&self, later: WriteId, earlier: WriteId) -> bool {
        let of_one = |id: WriteId| self.writes[id].origins.len() == 1 && !self.writes[id].alike;
        of_one(earlier) && self.search(later, |id| id == earlier, of_one)
    }

    /// Searches a write and what its maker had seen, as far as `through` lets it.
    fn search(&self, later: WriteId, is: impl Fn(WriteId) -> bool, through: impl Fn(WriteId) -> bool) -> bool {
        let (mut open, mut done) = (vec![self.resolve(later)], BTreeSet::new());
        while let Some(id) = open.pop() {
            if is(id) {
                return true;
            }
            if done.insert(id) && through(id) {
                open.extend(self.writes[id].saw.iter().map(|saw| self.resolve(*saw)));
            }
        }
        false
    }
}

/// A value whose stamp was corrected: a deletion's value is its stamp.
pub(super) fn corrected(value: Value, from: Stamp, to: Stamp) -> Value {
    if value.as_str() == Some(&from.to_string()) { Value::from(to.to_string()) } else { value }
}

pub(super) fn key(place: Place, at: Stamp, value: &Value) -> Key {
    (place, at, value.as_str().map_or_else(|| value.to_string(), str::to_owned))
}

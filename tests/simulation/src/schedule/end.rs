//! The end of a schedule: every fault ends, everybody becomes quiet, and then the promises are checked.

use super::Schedule;
use crate::device::Device;
use crate::executor::Owner;
use crate::ledger::End;
use crate::model::{held, value_in};
use crate::oracle;
use crate::place::{FIELDS, LAZY, NEWER, Place, Record};
use crate::sealed;
use crate::world::World;
use mana_sync_engine::crypto::{Envelope, KeyName};
use mana_sync_engine::engine::{Conflict, Distrust, Event};
use mana_sync_engine::model::Stamp;
use mana_sync_engine::probe;
use mana_sync_engine::store::Key;
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};
use std::hash::{DefaultHasher, Hash, Hasher};

const DAY_MS: u64 = 24 * 3_600_000;

impl Schedule {
    /// Opens the first tab again where it is dead.
    pub(super) fn revive(&mut self, device: usize) {
        if !self.world.devices[device].is_open(0) {
            self.note_dead();
            self.world.devices[device].open();
            self.count("event: a crashed tab is opened again");
        }
    }

    /// Notes the tabs that died where they stood, and closes dead second tabs.
    pub(super) fn note_dead(&mut self) {
        for device in &self.world.devices {
            for tab in 0..2 {
                if device.power_at(tab).is_some_and(|power| power.is_out()) {
                    self.dead.extend(device.owner_at(tab));
                }
            }
            if !device.is_open(1) {
                device.close_at(1);
            }
        }
    }

    pub(super) fn note_dead_tabs_of(&mut self, device: usize) {
        let device = &self.world.devices[device];
        self.dead.extend((0..2).filter_map(|tab| device.owner_at(tab)));
    }

    pub(super) fn end_faults(&mut self) {
        self.world.server.forget_max_schema();
        self.world.server.deploys.end_all();
        if self.rolls && (self.disasters.restore || self.ahead_until > 0) {
            // A server of protocol 1 does not say that it was restored, nor at what time it holds what came from the future: that
            // shows when it speaks protocol 2 again.
            self.world.server.set_protocol_1(false);
        }
        if self.world.devices.iter().any(|device| device.has_table(NEWER)) {
            (0..self.world.devices.len()).for_each(|device| self.upgrade(device, u64::MAX));
        }
        for device in &self.world.devices {
            (0..2).filter_map(|tab| device.power_at(tab)).for_each(|power| power.steady());
        }
        // Who died since the last event is gone, with its locks.
        self.note_dead();
        for number in 0..self.world.devices.len() {
            let device = &self.world.devices[number];
            device.line.set_online(true);
            device.line.set_faulty(0);
            device.line.set_tokens_fail(false);
            device.line.set_signed_in(true);
            if self.seals {
                device.keep_key(sealed::key());
            }
            self.revive(number);
            (0..2).filter_map(|tab| self.world.devices[number].session_at(tab)).for_each(|session| session.hurry());
        }
    }

    /// Ends all faults, lets everybody become quiet, and checks what must be true.
    pub(super) fn end(&mut self) {
        self.check_unasked();
        self.end_faults();
        self.wait_for_the_future();
        self.open_apps();
        self.world.quiesce_with(find_keys);
        self.check_here();
        if self.new_keys > 0 {
            // What came under older keys is sealed anew.
            self.world.pass(70_000);
            self.world.quiesce_with(find_keys);
        }
        self.check_replicas();
        let expected = oracle::from_log(&self.world.server, "ada", &self.world.devices[0]);
        assert_eq!(oracle::replica(&self.world.devices[0]), expected, "replicas hold what the server's log comes to");
        oracle::check_events_once(&self.world.server, "ada", &self.world.devices[0]);
        if self.seals {
            self.check_shown();
        }
        self.check_nothing_is_left();
        // One of them: all hold the same, and each asks the server for all of it.
        let number = self.world.executor.now() % self.world.devices.len() as u64;
        self.world.check_device(usize::try_from(number).unwrap_or(0));
        self.check_told();
        self.tally();
    }

    /// Everything that came from the future is of its time, and what was kept for that day is due.
    fn wait_for_the_future(&self) {
        let now = self.world.executor.now();
        if self.ahead_until > now {
            self.world.executor.skip(self.ahead_until - now + 2 * DAY_MS, true);
        }
    }

    /// Of an app that nobody asked for, nothing is on the device.
    fn check_unasked(&mut self) {
        for (number, device) in self.world.devices.iter().enumerate().filter(|_| self.lazy) {
            if !device.is_asked(LAZY) {
                let rows = device.store_rows(LAZY);
                assert!(rows.is_empty(), "device {number} was not asked for {LAZY} and holds {rows:?}");
                *self.counts.entry("an app was not asked for").or_default() += 1;
            }
        }
    }

    /// Everybody opens every app.
    fn open_apps(&self) {
        for device in self.world.devices.iter().filter(|_| self.lazy) {
            device.begin_ensure(0, LAZY, |_| {});
        }
    }

    /// What was asked for is here.
    fn check_here(&self) {
        for (number, device) in self.world.devices.iter().enumerate() {
            let apps = device.engine_rows("apps").remove(0);
            let all: Vec<_> = apps["here"].as_object().expect("apps").values().cloned().collect();
            assert!(all.iter().all(|here| *here == json!(true)), "device {number} has pulled everything: {apps}");
        }
    }

    /// Every replica holds, field by field, what the ledger comes to.
    fn check_replicas(&self) {
        let first = fields_of(&self.world.devices[0]);
        for (number, device) in self.world.devices.iter().enumerate() {
            let is = fields_of(device);
            assert_eq!(is, first, "device {number} holds what device 0 holds");
        }
        if self.disasters.may_lose_everything() {
            return;
        }
        let expected = self.ledger.end();
        for place in Record::all().flat_map(Record::places) {
            let (is, must) = (first.get(&place), expected.get(&place));
            assert!(is == must, "{place} is {is:?} and must be {must:?}; all writes: {}", self.ledger.story(place));
        }
    }

    /// Nothing waits, nothing was put aside, no stamp is ahead of the server.
    fn check_nothing_is_left(&self) {
        let newest = Stamp::at_ms(self.world.executor.now() + 5 * 60_000);
        for (number, device) in self.world.devices.iter().enumerate() {
            assert_eq!(device.session().status().pending, 0, "device {number} counts nothing unsent");
            for kind in ["quarantine", "letter", "parked"] {
                // An update may wait for an insert that never came: a program's, or one that server and device both lost.
                let is_scripts = |row: &serde_json::Value| row["key"].as_str().is_some_and(|key| key.contains("/s"));
                let may_wait = |row: &serde_json::Value| self.disasters.may_lose_everything() || is_scripts(row);
                let rows = device.engine_rows(kind).into_iter().filter(|row| kind != "parked" || !may_wait(row));
                let rows: Vec<_> = rows.collect();
                assert!(rows.is_empty(), "device {number} has put nothing aside: {kind} {rows:?}");
            }
            let ahead = fields_of(device).into_iter().find(|(_, (_, at))| *at > newest);
            assert!(ahead.is_none(), "device {number} holds a stamp ahead of the server: {ahead:?}");
        }
    }

    /// Whether server and devices lost every trace of a key: what it sealed is read with it alone, which the person has.
    fn is_key_lost(&self, key: KeyName) -> bool {
        let is_told = || {
            let facts = self.world.server.keyring("ada");
            facts.iter().flat_map(|change| change.fields.keys()).any(|name| name.as_str().contains(&key.id.to_string()))
        };
        self.disasters.may_lose_everything() && self.world.server.newest_key("ada") != Some(key) && !is_told()
    }

    /// Every device shows what is sealed, and all of it lies under the newest key.
    fn check_shown(&self) {
        let mut names = BTreeSet::new();
        for (number, device) in self.world.devices.iter().enumerate() {
            for record in Record::all().filter(|record| device.has_table(record.table())) {
                let (place, id) = (Place { record, field: 0 }, json!(record.id()));
                let Some(row) = device.memory.borrow().row(record.table(), &Key::text(record.id())) else { continue };
                let shown = device.rows(record.table()).into_iter().find(|row| row["id"] == id);
                let shown = shown.map(|row| row[FIELDS[0]].clone());
                let key = value_in(&row, FIELDS[0]).as_str().and_then(Envelope::parse).and_then(|one| one.key());
                if key.is_some_and(|key| self.is_key_lost(key)) {
                    continue;
                }
                assert!(shown.is_none_or(|shown| shown == held(place, &row)), "device {number} shows {place}: {row:?}");
                names.extend(key);
            }
        }
        let newest = self.world.server.newest_key("ada");
        assert!(names.iter().all(|name| Some(*name) == newest), "all is sealed under {newest:?}: {names:?}");
    }

    fn check_told(&mut self) {
        let mut told: Vec<(usize, Owner, Conflict)> = Vec::new();
        for (number, device) in self.world.devices.iter().enumerate() {
            for (owner, event) in device.events.take() {
                match event {
                    Event::Conflict(conflict) => {
                        crate::trace::line(format_args!("device {number} was told: {conflict:?}"));
                        told.push((number, owner, conflict));
                    }
                    Event::DeadLetter { code, message, .. } => panic!("device {number}: {code} {message}"),
                    Event::Quarantine { code: "clock_ahead", .. } if self.ahead_until > 0 => {
                        *self.counts.entry("a value from the future was kept for later").or_default() += 1;
                    }
                    Event::Quarantine { code, .. } => panic!("device {number} put aside: {code}"),
                    Event::UpdateRequired { waiting } => panic!("device {number} is too old for {waiting} changes"),
                    // Unlocked with a newer key before it could hear of it, a device cannot tell that from a wrong one.
                    Event::Integrity { code: Distrust::DecryptFailed, .. } if self.new_keys > 0 => {}
                    Event::Integrity { code, .. } => panic!("device {number} trusts nobody: {code:?}"),
                    Event::Change { .. }
                    | Event::Settled { .. }
                    | Event::Status(_)
                    | Event::AppUsed(_)
                    | Event::ClockSkew { .. }
                    | Event::Spaces(_)
                    | Event::SpaceRemoved { .. }
                    | Event::Adoption(_)
                    | Event::Vault { .. }
                    | Event::VaultKey(_)
                    | Event::Keyring
                    | Event::LeadLost
                    | Event::RotationDue { .. }
                    | Event::Telemetry(_)
                    | Event::DatabaseLost { .. } => {}
                }
            }
        }
        if !self.disasters.restore {
            // Protocol 1 does not say what a writer had seen: a loss is told only while it is unsent.
            let is_all_known = self.disasters.are_none() && !self.rolls;
            self.ledger.check_conflicts(&told, &self.dead, is_all_known);
        }
    }

    fn tally(&mut self) {
        for what in self.rotated.take().into_iter().chain(self.opened.take()) {
            self.count(what);
        }
        for (probe, count) in probe::take() {
            *self.counts.entry(probe.name()).or_default() += count;
        }
        for (what, count) in self.ledger.counts() {
            *self.counts.entry(what).or_default() += count;
        }
        for device in &self.world.devices {
            for (fault, count) in device.line.met_by_name() {
                *self.counts.entry(fault).or_default() += count;
            }
            *self.counts.entry("a stream brought a page").or_default() += device.line.connections.events();
        }
        for (answer, count) in self.world.server.deploys.met_by_name() {
            *self.counts.entry(answer).or_default() += count;
        }
        *self.counts.entry("requests").or_default() += self.world.server.answers();
    }

    /// A number for everything that can be seen of a run: two runs of one schedule give one number.
    pub(super) fn fingerprint(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        self.world.executor.now().hash(&mut hasher);
        for device in &self.world.devices {
            format!("{:?}", oracle::replica(device)).hash(&mut hasher);
            format!("{:?}", device.store_rows("_engine")).hash(&mut hasher);
        }
        format!("{:?}", self.counts).hash(&mut hasher);
        hasher.finish()
    }
}

/// Who has an older key looks for the newest among those that the app kept.
fn find_keys(world: &World, round: usize) -> bool {
    let outdated: Vec<&Device> = world.devices.iter().filter(|device| device.engine().is_outdated()).collect();
    for device in &outdated {
        device.keep_key(sealed::kept_key(round));
    }
    outdated.is_empty()
}

fn fields_of(device: &Device) -> End {
    let mut fields = BTreeMap::new();
    for record in Record::all() {
        let Some(row) = device.memory.borrow().row(record.table(), &Key::text(record.id())) else { continue };
        let held = |place: Place| {
            let at = place.stamp(&row).and_then(|text| Stamp::parse(text).ok())?;
            Some((place, (held(place, &row), at)))
        };
        fields.extend(record.places().filter_map(held));
    }
    fields
}

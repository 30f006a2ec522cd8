//! Performing events.

use super::Schedule;
use crate::event::Event;
use crate::model::{Act, held, held_before, value_in};
use crate::place::{LAZY, NEWER, Place, Record};
use crate::sealed;
use mana_sync_engine::engine::{Kind, Result};
use mana_sync_engine::model::Stamp;
use mana_sync_engine::store::{JsonRow, Key};
use serde_json::{Value, json};
use std::rc::Rc;

impl Schedule {
    pub(super) fn perform(&mut self, event: &Event) {
        crate::trace::line(format_args!("{event:?}"));
        match event {
            Event::Write { device, tab, assistant, acts } => {
                self.count(if *assistant { "event: an assistant writes" } else { "event: a person writes" });
                self.interrupt();
                self.write(*device, *tab, *assistant, acts.clone());
            }
            Event::Form { device, tab, record, field, text } => {
                self.interrupt();
                self.form(*device, *tab, *record, *field, text);
            }
            Event::Clash { devices, record, field, text } => self.clash(devices, *record, *field, text),
            Event::Burst { device, record, text } => self.burst(*device, *record, text),
            Event::Script { record, insert } => self.script(record, *insert),
            Event::Ahead { record, insert, ms } => self.write_ahead(record, *insert, *ms),
            Event::Over { device, record } => self.write_over(*device, record),
            Event::Pass(ms) => self.world.pass(*ms),
            Event::Sleep { ms, monotonic } => {
                self.count("event: a long sleep");
                self.world.executor.skip(*ms, *monotonic);
            }
            Event::Online { .. } | Event::Faulty { .. } | Event::Clock { .. } => self.surroundings(event),
            Event::Crash { .. } | Event::Restart { .. } | Event::Second { .. } | Event::Full { .. } => self.tabs(event),
            Event::Handover { device, offset } => self.hand_over(*device, *offset),
            Event::Upgrade { device, operations } => self.upgrade(*device, *operations),
            Event::Freeze { device, ms } => self.freeze(*device, *ms),
            Event::Hurry { device } => self.hurry(*device),
            Event::Ensure { device, tab } => self.ensure(*device, *tab),
            Event::Vault { device, locked } => self.vault(*device, *locked),
            Event::Rotate { devices } => devices.iter().for_each(|device| self.rotate(*device)),
            Event::Nudge { device } => self.world.devices[*device].line.nudge(),
            Event::ExpireTokens | Event::Tokens { .. } | Event::Schema { .. } => self.service(event),
            Event::Deploy { answers, ms, drains } => {
                self.world.deploy(answers, *ms, *drains);
                let how = if *drains {
                    "event: a server is replaced bit by bit"
                } else {
                    "event: a server is replaced at once"
                };
                self.count(how);
            }
            Event::Backup | Event::Restore | Event::LoseDatabase { .. } | Event::CutPower { .. } => {
                self.disaster(event);
            }
        }
        self.note_dead();
    }

    /// People do not wait for a device to rest: half of the time they act in the middle of what it is doing.
    fn interrupt(&mut self) {
        let turns = (self.calls + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 57;
        if turns >= 64 {
            self.world.executor.stroll(turns - 63, 2000);
        }
    }

    /// A transaction of a person or an assistant; the first tab is opened again where it is dead.
    fn write(&mut self, number: usize, tab: usize, assistant: bool, acts: Vec<(Record, Act)>) {
        self.revive(number);
        let acts: Vec<_> = acts.into_iter().map(|(record, act)| (self.known(number, record), act)).collect();
        let device = &self.world.devices[number];
        let tab = if device.is_open(tab) { tab } else { 0 };
        if tab == 1 {
            *self.counts.entry("event: the second tab writes").or_default() += 1;
        }
        self.calls += 1;
        let actor = assistant.then(|| json!({ "kind": "ai", "principalId": "helper", "displayName": "Helper" }));
        // Devices that make one record at once may not agree on who is to see it.
        let is_private = |record: &Record| {
            let is_new = device.memory.borrow().row(record.table(), &Key::text(record.id())).is_none();
            is_new && record.table == 0 && self.calls.is_multiple_of(3)
        };
        let makes_private = acts.iter().any(|(record, _)| is_private(record));
        let writes =
            acts.iter().map(|(record, act)| (record.table(), act.write(*record, is_private(record)))).collect();
        self.ledger.announce(self.calls, acts);
        match device.transact_in(tab, Some(self.calls), actor, writes) {
            Some(Ok(written)) => self.ledger.answered(self.calls, written.count > 0),
            // The record came from another device in that moment, and is not private.
            Some(Err(error)) if makes_private && error.kind() == Kind::ImmutableField => {
                self.ledger.answered(self.calls, false);
            }
            // Another tab may have locked it a moment ago.
            Some(Err(error)) if self.seals && error.kind() == Kind::VaultLocked => {
                self.ledger.answered(self.calls, false);
                self.count("event: a write met a locked vault");
            }
            // Another device made a new key: the person unlocks with the one that the app kept last.
            Some(Err(error)) if self.new_keys > 0 && error.kind() == Kind::KeyOutdated => {
                self.ledger.answered(self.calls, false);
                self.world.devices[number].keep_key(sealed::key());
                self.count("event: a write met an older key");
            }
            Some(Err(error)) => {
                assert_eq!(error.kind(), Kind::QuotaExceeded, "writes of one's own records are taken: {error}");
                self.ledger.answered(self.calls, false);
                self.count("event: a write found no room");
            }
            None => self.count("event: a write's tab died over it"),
        }
    }

    /// The record, or one of another table where the device's version of the app does not have its table.
    fn known(&self, device: usize, record: Record) -> Record {
        if self.world.devices[device].has_table(record.table()) { record } else { Record { table: 0, ..record } }
    }

    fn form(&mut self, number: usize, tab: usize, record: Record, field: u8, text: &str) {
        self.count("event: a form is saved");
        let record = self.known(number, record);
        let stored = self.world.devices[number].memory.borrow().row(record.table(), &Key::text(record.id()));
        if self.seals && !self.shows_all(number, record, stored.as_ref()) {
            // What is sealed is not shown, and a form leaves it as it is.
            return self.write(number, tab, false, vec![(record, Act::Update(vec![(field, text.to_owned())]))]);
        }
        let mut fields = Vec::new();
        for name in 0..3 {
            let shown = stored.as_ref().map(|row| held(Place { record, field: name }, row));
            let shown = shown.and_then(|value| value.as_str().map(str::to_owned));
            let saved = if name == field { Some(text.to_owned()) } else { shown };
            fields.extend(saved.map(|text| (name, text)));
        }
        self.write(number, tab, false, vec![(record, Act::Put(fields))]);
    }

    /// Whether the device's person sees what is in the fields of a stored record: the keys that are there open them.
    fn shows_all(&self, number: usize, record: Record, stored: Option<&JsonRow>) -> bool {
        let device = &self.world.devices[number];
        let Some(byte) = device.key.get() else { return false };
        let rows = device.engine_rows("keyring").into_iter();
        let facts: Vec<Value> = rows.filter_map(|row| row["facts"].as_array().cloned()).flatten().collect();
        let is_shown = |row: &JsonRow, place: Place| {
            let at = place.stamp(row).and_then(|at| Stamp::parse(at).ok()).unwrap_or(Stamp::EPOCH);
            // While a key is on its way, the same write as it was sealed before stands for it.
            held_before(place, row).is_some()
                || sealed::opens_with(byte, &facts, place, at, &value_in(row, place.name()))
        };
        stored.is_none_or(|row| record.places().all(|place| is_shown(row, place)))
    }

    fn clash(&mut self, devices: &[usize], record: Record, field: u8, text: &str) {
        self.count("event: a clash");
        self.world.pass(1);
        for device in devices {
            let fields = vec![(field, format!("{text}.{device}"))];
            let act = if device % 2 == 0 { Act::Update(fields) } else { Act::Put(fields) };
            self.write(*device, 0, false, vec![(record, act)]);
        }
    }

    /// Whatever is written during a push follows it at once.
    fn burst(&mut self, device: usize, record: Record, text: &str) {
        self.count("event: a burst of writes");
        for number in 0..12 {
            let fields = vec![(number % 3, format!("{text}.{number}"))];
            self.write(device, 0, false, vec![(record, Act::Put(fields))]);
            self.world.pass(45);
        }
    }

    fn hand_over(&mut self, device: usize, offset: i64) {
        self.count("event: a second tab takes over");
        self.revive(device);
        self.world.devices[device].clock.jump(offset);
        self.tabs(&Event::Second { device, open: true });
        self.note_dead_tabs_of(device);
        self.world.devices[device].close();
    }

    pub(super) fn upgrade(&mut self, number: usize, operations: u64) {
        let device = &self.world.devices[number];
        if device.has_table(NEWER) {
            return;
        }
        self.note_dead_tabs_of(number);
        let device = &self.world.devices[number];
        let newer = device.setup.borrow().clone().upgraded();
        device.install_app(newer);
        // What it takes to open is not the same every time: some die over it, some later, some do not.
        device.open_doomed(operations);
        self.count("event: an app is updated");
    }

    fn surroundings(&mut self, event: &Event) {
        match event {
            Event::Online { device, online } => {
                self.world.devices[*device].line.set_online(*online);
                self.count(if *online { "event: online" } else { "event: offline" });
            }
            Event::Faulty { device, permille } => self.world.devices[*device].line.set_faulty(*permille),
            Event::Clock { device, offset } => {
                self.world.devices[*device].clock.jump(*offset);
                self.count(match offset.unsigned_abs() {
                    0 => "clock: right",
                    1..=10_000_000 => "clock: minutes off",
                    10_000_001..=100_000_000 => "clock: a day off",
                    _ if *offset < 0 => "clock: 1970",
                    _ => "clock: 2099",
                });
            }
            _ => {}
        }
    }

    fn tabs(&mut self, event: &Event) {
        match event {
            Event::Crash { device, tab, operations } => {
                if let Some(power) = self.world.devices[*device].power_at(*tab) {
                    power.fail_after(*operations);
                    self.count("event: a crash is planned");
                }
            }
            Event::Full { device, tab, after, count } => {
                if let Some(power) = self.world.devices[*device].power_at(*tab) {
                    power.fail_commits(*after, *count);
                }
            }
            Event::Restart { device } => {
                self.dead.extend(self.world.devices[*device].owner_at(0));
                self.world.devices[*device].restart();
                self.count("event: a restart");
            }
            Event::Second { device, open: true } => {
                self.revive(*device);
                self.open_second(*device);
            }
            Event::Second { device, open: false } => {
                self.dead.extend(self.world.devices[*device].owner_at(1));
                self.world.devices[*device].close_at(1);
            }
            _ => {}
        }
    }

    fn open_second(&mut self, number: usize) {
        // One that is open there ends where it stands.
        self.dead.extend(self.world.devices[number].owner_at(1));
        self.world.devices[number].open_tab(1);
        self.count("event: a second tab");
    }

    /// What the frozen tab had begun goes on when it is thawed, whatever another has done meanwhile.
    fn freeze(&mut self, number: usize, ms: u64) {
        self.revive(number);
        if !self.world.devices[number].is_open(1) {
            self.open_second(number);
        }
        self.hurry(number);
        self.interrupt();
        if let Some(owner) = self.world.devices[number].owner_at(0) {
            self.count("event: a tab is frozen");
            self.world.executor.freeze(owner);
            self.world.pass(ms);
            self.world.executor.thaw(owner);
        }
    }

    fn vault(&mut self, number: usize, locked: bool) {
        if !self.seals {
            return;
        }
        self.revive(number);
        let device = &self.world.devices[number];
        if locked {
            device.forget_key();
        } else {
            device.keep_key(sealed::key());
        }
        self.count(if locked { "event: the vault is locked" } else { "event: the vault is unlocked" });
    }

    /// A person makes a new key the newest; whatever comes of it comes while everything else goes on.
    fn rotate(&mut self, number: usize) {
        if !self.seals {
            return;
        }
        self.revive(number);
        let device = &self.world.devices[number];
        if device.is_locked() {
            return;
        }
        self.new_keys += 1;
        let byte = sealed::fresh_key(self.new_keys);
        let (kept, rotated) = (Rc::clone(&self.rotated), Rc::clone(&self.rotated));
        let key = Rc::clone(&device.key);
        let keep = move || {
            sealed::keep_key(byte);
            kept.borrow_mut().push("event: a new key is kept");
        };
        let tell = move |result: Result<()>| {
            rotated.borrow_mut().push(match result.map_err(|error| error.kind()) {
                Ok(()) => {
                    sealed::enforce(byte);
                    "event: a new key is the newest"
                }
                Err(Kind::RotationInProgress) => {
                    // It is thrown away.
                    key.set(key.get().map(|kept| if kept == byte { sealed::key() } else { kept }));
                    "event: a new key was refused"
                }
                // The server, the store, the token, or a key that is not the newest.
                Err(Kind::Offline | Kind::SyncFailed | Kind::QuotaExceeded | Kind::KeyOutdated | Kind::VaultLocked) => {
                    "event: a new key has to wait"
                }
                Err(other) => panic!("no rotation ends so: {other:?}"),
            });
        };
        device.begin_rotate(byte, keep, tell);
    }

    /// A person opens the app that this device may not have pulled: what it answers for is there.
    fn ensure(&mut self, number: usize, tab: usize) {
        if !self.lazy {
            return;
        }
        self.revive(number);
        let device = &self.world.devices[number];
        let (tab, opened) = (if device.is_open(tab) { tab } else { 0 }, Rc::clone(&self.opened));
        let is_new = !device.is_asked(LAZY);
        let holds = device.holder(LAZY);
        device.begin_ensure(tab, LAZY, move |answer| {
            opened.borrow_mut().push(match answer.map_err(|error| error.kind()) {
                Ok(()) => {
                    assert!(holds(), "an app is answered for when all of it was pulled");
                    if is_new { "event: an app is opened and comes" } else { "event: an app is opened that is here" }
                }
                Err(Kind::Offline | Kind::SyncFailed | Kind::QuotaExceeded | Kind::Closed) => {
                    "event: an app is opened and has to wait"
                }
                Err(other) => panic!("no app is opened so: {other:?}"),
            });
        });
    }

    fn hurry(&self, device: usize) {
        for tab in 0..2 {
            if self.world.devices[device].is_open(tab) {
                self.world.devices[device].session_at(tab).iter().for_each(|session| session.hurry());
            }
        }
    }

    fn service(&mut self, event: &Event) {
        match event {
            Event::ExpireTokens => {
                let newest = self.world.devices.iter().map(|device| device.line.next_token()).max();
                self.world.server.expire_tokens(newest.unwrap_or(0));
                self.world.devices.iter().for_each(|device| device.line.set_next_token(newest.unwrap_or(0)));
            }
            Event::Tokens { device, signed_in, fail } => {
                self.world.devices[*device].line.set_signed_in(*signed_in);
                self.world.devices[*device].line.set_tokens_fail(*fail);
            }
            Event::Schema { known: true } => self.world.server.forget_max_schema(),
            Event::Schema { known: false } => self.world.server.set_max_schema("todo", 0),
            _ => {}
        }
    }

    fn disaster(&mut self, event: &Event) {
        match event {
            Event::Backup => self.backup = Some(self.world.server.backup()),
            Event::Restore => {
                if let Some(backup) = self.backup.take() {
                    self.world.server.restore(&backup);
                    self.count("disaster: an older copy of the log");
                }
            }
            Event::LoseDatabase { device } => {
                self.note_dead_tabs_of(*device);
                self.world.devices[*device].lose_database();
                if !self.world.devices[*device].is_locked() {
                    // A rotation that was under way is gone.
                    self.world.devices[*device].keep_key(sealed::key());
                }
                self.ledger.lose(*device);
                self.world.devices[*device].open();
                self.count("disaster: a database is lost");
            }
            Event::CutPower { device, commits } => {
                self.note_dead_tabs_of(*device);
                let lasting = self.world.devices[*device].cut_power(*commits);
                self.ledger.forget(*device, lasting);
                self.world.devices[*device].open();
                self.count("disaster: a power cut");
            }
            _ => {}
        }
    }
}

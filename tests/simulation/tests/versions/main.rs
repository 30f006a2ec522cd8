//! Devices of three versions of an app that are updated at different times, one version or two at once, with kills at every
//! storage operation, refusals, full pulls, older copies of the server's log and a bad network (docs/schema-versions.md).
//!
//! An update changes what a device holds and what waits on it as `app` says, and nobody is told of an edit. In the end, all of
//! one version, the devices hold what the server's log comes to when each change in it is brought to that version, and of each
//! field the latest write that somebody beside them saw (`book`).
//!
//! `VERSIONS` schedules, 150 when unset; `SEED` repeats one, or is the first of them.

mod app;
mod book;
mod writes;

use app::{LAST, brought, name_in, setup, updated, watch_ids};
use book::Book;
use mana_simulation::{Device, World, oracle};
use mana_sync::log::memory::MemoryLog;
use mana_sync_engine::engine::Event;
use mana_sync_engine::model::{Change, Stamp};
use std::collections::{BTreeMap, BTreeSet};

const RECORDS: [&str; 4] = ["r0", "r1", "r2", "r3"];
/// Records of a program, which may write to one before it makes it.
const SCRIPTED: [&str; 2] = ["s0", "s1"];

struct Schedule {
    world: World,
    seals: bool,
    /// Whether the server goes on with older copies of its log; else devices lose their databases.
    restores: bool,
    backup: Option<MemoryLog>,
    /// The version of each device.
    versions: Vec<usize>,
    count: u64,
    updates: usize,
    inserted: BTreeSet<&'static str>,
    book: Book,
}

impl Schedule {
    fn new(seed: u64) -> Self {
        let (seals, restores) = (seed % 3 == 1, seed % 4 == 2);
        let versions = vec![1, 1, 2, 3];
        let world = World::with(seed, versions.iter().map(|version| setup(*version, seals)).collect());
        world.server.set_page(2 + usize::try_from(seed % 5).expect("small"));
        watch_ids(&world);
        if seals {
            world.devices.iter().for_each(|device| device.keep_key(7));
        }
        let (inserted, book) = (BTreeSet::new(), Book::default());
        Self { world, seals, restores, backup: None, versions, count: 0, updates: 0, inserted, book }
    }

    fn roll(&self, sides: usize) -> usize {
        usize::try_from(self.world.random.next() % sides as u64).expect("small")
    }

    /// Installs a later version; a tab may die over opening it, any number of times.
    fn update(&mut self, at: usize) {
        let from = self.versions[at];
        if from == LAST {
            return;
        }
        let to = if self.roll(3) == 0 { LAST } else { from + 1 };
        (self.versions[at], self.updates) = (to, self.updates + 1);
        let device = &self.world.devices[at];
        let was_online = device.line.is_online();
        device.line.set_online(false);
        device.close_all();
        drop(device.take_events());
        let (before, waited) = (oracle::replica(device), waiting(device));
        device.install_app(setup(to, self.seals));
        match self.roll(3) {
            0 => {}
            1 => {
                for _ in 0..self.roll(4) {
                    let _ = self.die_opening(at, self.world.random.next() % 30);
                }
            }
            _ => {
                let mut operations = self.roll(3) as u64;
                while !self.die_opening(at, operations) {
                    operations += 1 + self.roll(2) as u64;
                }
            }
        }
        device.open();
        assert_eq!(oracle::replica(device), updated(&before, from, to), "device {at} from {from} to {to}");
        let brought = waited.into_iter().filter_map(|((id, field), at)| Some(((id, name_in(to, from, &field)?), at)));
        let mut expected: BTreeMap<(String, String), Stamp> = BTreeMap::new();
        for (place, stamp) in brought {
            expected.entry(place).and_modify(|known| *known = stamp.max(*known)).or_insert(stamp);
        }
        assert_eq!(waiting(device), expected, "what waits on device {at} from {from} to {to}");
        let told = device.take_events();
        let is_edit = |event: &Event| matches!(event, Event::Change { .. } | Event::Conflict(_));
        assert!(!told.iter().any(is_edit), "nobody is told of an edit: {told:?}");
        device.line.set_online(was_online);
    }

    /// Opens a tab that dies after so many operations; gives whether it was open by then.
    fn die_opening(&self, at: usize, operations: u64) -> bool {
        let opened = self.world.devices[at].open_doomed(operations);
        self.world.devices[at].close_all();
        opened
    }

    fn settle_letter(&mut self, at: usize) {
        let device = &self.world.devices[at];
        let Some(letters) = (!device.power().is_out()).then(|| device.try_dead_letters()).flatten() else { return };
        let Some(letter) = letters.first() else { return };
        if self.roll(3) > 0 {
            let _ = device.try_retry_letter(&letter.id);
        } else {
            let _ = device.try_discard_letter(&letter.id);
            self.book.may_lose(at, &self.log());
        }
    }

    fn log(&self) -> Vec<Change> {
        self.world.server.changes("ada", &["tasks", "settings"]).into_iter().map(brought).collect()
    }

    fn step(&mut self) {
        let at = self.roll(self.world.devices.len());
        match self.roll(40) {
            0..=13 => self.write(at, RECORDS[self.roll(RECORDS.len())]),
            14..=16 => self.clash(),
            // What a program said and the server lost is known to no device for certain.
            17 | 18 if !self.restores => {
                let record = SCRIPTED[self.roll(SCRIPTED.len())];
                self.script(record, self.roll(4) == 0);
            }
            17..=19 => self.update(at),
            20 | 21 => self.settle_letter(at),
            22 => self.world.server.refuse_in("club", self.roll(2) == 0),
            23 | 24 => self.world.devices[at].line.set_online(self.roll(2) == 0),
            25 => self.world.devices[at].power().fail_after(self.world.random.next() % 40),
            26 => self.world.devices[at].line.set_faulty(300),
            27 => self.resync(at),
            28 if self.restores => self.restore(),
            28 => self.lose(at),
            _ => self.world.pass([1, 30, 1_000, 5_000, 40_000][self.roll(5)]),
        }
        self.reopen_dead();
    }

    fn reopen_dead(&self) {
        self.world.devices.iter().filter(|device| device.power().is_out()).for_each(Device::restart);
    }

    fn resync(&self, at: usize) {
        let device = &self.world.devices[at];
        device.power().steady();
        device.line.set_online(true);
        let _ = device.resync_in(0);
    }

    /// The browser loses the database, and with it what was not sent.
    fn lose(&mut self, at: usize) {
        self.book.may_lose(at, &self.log());
        self.world.devices[at].lose_database();
        self.world.devices[at].open();
    }

    /// The server's log is copied, or goes on from the copy.
    fn restore(&mut self) {
        match self.backup.take() {
            None => self.backup = Some(self.world.server.backup()),
            Some(backup) => {
                self.world.server.restore(&backup);
            }
        }
    }

    fn end(&mut self) {
        self.world.server.refuse_in("club", false);
        let missing: Vec<_> = SCRIPTED.into_iter().filter(|record| !self.inserted.contains(record)).collect();
        for record in missing {
            self.script(record, true);
        }
        for at in 0..self.versions.len() {
            while self.versions[at] < LAST {
                self.update(at);
            }
            let device = &self.world.devices[at];
            device.line.set_online(true);
            device.line.set_faulty(0);
            device.restart();
        }
        for _ in 0..20 {
            self.world.pass(40_000);
            for device in &self.world.devices {
                for letter in device.dead_letters() {
                    let _ = device.retry_letter(&letter.id);
                }
            }
        }
        self.world.quiesce();
        let expected = oracle::merged(&self.log());
        for (number, device) in self.world.devices.iter().enumerate() {
            let replica = oracle::replica(device);
            assert_eq!(replica, expected, "device {number} holds what the log comes to");
            self.book.check(number, device, &replica);
            let rest = ["letter", "waiting", "quarantine", "parked"].map(|kind| device.engine_rows(kind)).concat();
            assert!(rest.is_empty(), "device {number}: {rest:?}");
        }
    }
}

/// What waits to be sent: of each record and field the latest stamp, but for defaults.
fn waiting(device: &Device) -> BTreeMap<(String, String), Stamp> {
    let mut waiting = BTreeMap::new();
    for (row, change) in device.logged() {
        let id = change["id"].as_str().expect("an id");
        for (field, at) in oracle::logged_edits(&row, &change).into_iter().filter(|(_, at)| *at != Stamp::EPOCH) {
            let known = waiting.entry((id.to_owned(), field)).or_insert(at);
            *known = at.max(*known);
        }
    }
    waiting
}

#[test]
fn devices_that_are_updated_at_different_times_come_to_the_same() {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse().ok());
    let seeds = match number("SEED") {
        Some(seed) => seed..seed + number("VERSIONS").unwrap_or(1),
        None => 0..number("VERSIONS").unwrap_or(150),
    };
    let (whole, mut updates) = (seeds.end - seeds.start > 20, 0);
    for seed in seeds {
        println!("SEED={seed}");
        let mut schedule = Schedule::new(seed);
        for _ in 0..150 {
            schedule.step();
        }
        updates += schedule.updates;
        schedule.end();
    }
    assert!(!whole || updates > 60, "{updates} updates");
}

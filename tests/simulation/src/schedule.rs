//! A random schedule: what people, clocks, networks and crashes do to three devices, all of it decided by one seed, and
//! what must be true when it is over.

use super::device::{Setup, row};
use super::oracle;
use super::random::Random;
use super::world::{START_MS, World};
use mana_sync::log::memory::MemoryLog;
use mana_sync_engine::engine::Write;
use mana_sync_engine::model::Stamp;
use mana_sync_engine::store::{JsonRow, Key};
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};

const DEVICES: usize = 3;
const FIELDS: [&str; 3] = ["title", "note", "due"];
const HOUR: u64 = 3_600_000;

/// What a schedule may contain besides edits, drops, lost answers and crashes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Disaster {
    /// Nothing more.
    None,
    /// The server goes on with an older copy of its log.
    Restore,
    /// A device loses its database.
    DatabaseLoss,
}

/// One field of one record.
type Place = (&'static str, String, &'static str);

/// A schedule under way.
pub struct Schedule {
    world: World,
    random: Random,
    disaster: Disaster,
    backup: Option<MemoryLog>,
    /// Values given so far; each is unique.
    values: u64,
    /// Values that an acknowledged edit replaced after seeing them.
    replaced: BTreeSet<String>,
    /// What each device last wrote in a place; `None`: nothing that must be found, or not known.
    last: BTreeMap<(usize, Place), Option<String>>,
    /// How often each kind of event happened.
    pub counts: BTreeMap<&'static str, u64>,
}

impl Schedule {
    /// A world of three devices of one person.
    #[must_use]
    pub fn new(seed: u64, disaster: Disaster) -> Self {
        let world = World::with(seed, vec![Setup::of("ada"); DEVICES]);
        let random = world.random.fork();
        let (replaced, last, counts) = (BTreeSet::new(), BTreeMap::new(), BTreeMap::new());
        Self { world, random, disaster, backup: None, values: 0, replaced, last, counts }
    }

    /// Runs `events` events, ends all faults, and checks what must be true. Gives a fingerprint of the end.
    pub fn run(&mut self, events: usize) -> String {
        self.world.server.set_page(usize::try_from(3 + self.random.below(40)).unwrap_or(3));
        for _ in 0..events {
            self.event();
        }
        for device in &self.world.devices {
            device.power().steady();
            if device.power().is_out() {
                device.restart();
            }
        }
        self.world.converge("ada");
        self.check_edits();
        self.count_ties();
        let replica = oracle::replica(&self.world.devices[0]);
        format!("{} {replica:?} {}", self.world.executor.now(), self.world.server.answers())
    }

    fn event(&mut self) {
        let device = usize::try_from(self.random.below(DEVICES as u64)).unwrap_or(0);
        if self.world.devices[device].power().is_out() {
            self.restart(device);
        }
        match self.random.below(100) {
            0..=29 => self.update(device),
            30..=39 => self.put(device),
            40..=45 => self.flip(device),
            46..=50 => self.several(device),
            51..=69 => self.pass(),
            70..=77 => self.network(device),
            78..=81 => self.crash(device),
            82..=86 => self.clock(device),
            87..=92 => self.world.devices[device].session().hurry(),
            93..=95 => self.world.devices[device].line.nudge(),
            96..=97 => self.strike(device),
            _ => self.restart(device),
        }
    }

    fn count(&mut self, what: &'static str) {
        *self.counts.entry(what).or_default() += 1;
    }

    fn record(&self) -> (&'static str, String) {
        let table = if self.random.chance(800) { "tasks" } else { "settings" };
        (table, format!("r{}", self.random.below(5)))
    }

    fn value(&mut self) -> String {
        self.values += 1;
        // Envelopes travel as they are and rank above plaintext in a tie.
        let kind = ["", "", "", "enc:1:", "enc:2:0001", "enc:2:0002"];
        format!("{}v{}", self.random.pick(&kind), self.values)
    }

    fn update(&mut self, device: usize) {
        let (table, id) = self.record();
        let mut changes = Map::new();
        for field in FIELDS {
            if self.random.chance(400) {
                changes.insert(field.to_owned(), json!(self.value()));
            }
        }
        self.count("update");
        self.write(device, vec![(table, id, Act::Update(changes))]);
    }

    fn put(&mut self, device: usize) {
        let (table, id) = self.record();
        let mut record = Map::from_iter([("id".to_owned(), json!(id))]);
        for field in FIELDS {
            if self.random.chance(700) {
                record.insert(field.to_owned(), json!(self.value()));
            }
        }
        self.count("put");
        self.write(device, vec![(table, id, Act::Put(record))]);
    }

    fn flip(&mut self, device: usize) {
        let (table, id) = self.record();
        let act = if self.random.chance(600) { Act::Delete } else { Act::Restore };
        self.count("delete or restore");
        self.write(device, vec![(table, id, act)]);
    }

    fn several(&mut self, device: usize) {
        let mut acts = Vec::new();
        for _ in 0..2 + self.random.below(3) {
            let (table, id) = self.record();
            let fields = Map::from_iter([("title".to_owned(), json!(self.value()))]);
            acts.push((
                table,
                id.clone(),
                match self.random.below(4) {
                    0 => Act::Delete,
                    1 => Act::Put(fields.into_iter().chain([("id".to_owned(), json!(id))]).collect()),
                    _ => Act::Update(fields),
                },
            ));
        }
        self.count("transaction");
        self.write(device, acts);
    }

    /// Performs a transaction and notes what it replaced.
    fn write(&mut self, number: usize, acts: Vec<(&'static str, String, Act)>) {
        let device = &self.world.devices[number];
        let mut edits: Vec<(Place, Option<String>, Option<String>)> = Vec::new();
        for (table, id, act) in &acts {
            let stored = device.stored(table, id);
            let is_live = !stored.is_null() && stored["deletedAt"].is_null();
            for field in FIELDS {
                let written = match act {
                    Act::Update(fields) if is_live => fields.get(field).cloned(),
                    Act::Put(fields) => Some(fields.get(field).cloned().unwrap_or_default()),
                    _ => None,
                };
                if let Some(value) = written {
                    let seen = stored[field].as_str().map(str::to_owned);
                    edits.push(((*table, id.clone(), field), seen, value.as_str().map(str::to_owned)));
                }
            }
        }
        // What a transaction does to one record twice is not told apart here: its fields may hold anything after it.
        let mut seen = BTreeSet::new();
        let twice: BTreeSet<_> =
            acts.iter().map(|(table, id, _)| (*table, id.clone())).filter(|r| !seen.insert(r.clone())).collect();
        let is_twice = |place: &Place| twice.contains(&(place.0, place.1.clone()));
        for (table, id) in &twice {
            edits.extend(FIELDS.map(|field| ((*table, id.clone(), field), None, None)));
        }
        let writes = acts.into_iter().map(|(table, id, act)| (table, act.into_write(id))).collect();
        let acknowledged = match device.try_transact(None, writes) {
            Some(written) => {
                written.expect("writes of one's own records are taken");
                true
            }
            None => false,
        };
        for (place, seen, value) in edits {
            let told = acknowledged && !is_twice(&place);
            if let (Some(seen), true) = (seen, told) {
                self.replaced.insert(seen);
            }
            self.last.insert((number, place), value.filter(|_| told));
        }
    }

    fn pass(&mut self) {
        let long = if self.random.chance(200) { HOUR } else { 40_000 };
        let ms = *self.random.pick(&[0, 0, 1, 30, 200, 1000, 5000, long]);
        self.count("time");
        self.world.pass(ms);
    }

    fn network(&mut self, device: usize) {
        let line = &self.world.devices[device].line;
        match self.random.below(4) {
            0 => line.set_online(false),
            1 => line.set_faulty(0),
            2 => line.set_faulty(400),
            _ => line.set_online(true),
        }
        self.count("network");
    }

    fn clock(&mut self, device: usize) {
        let day = i64::try_from(24 * HOUR).unwrap_or(0);
        let to_1970 = -i64::try_from(START_MS).unwrap_or(0);
        let to_2099 = 73 * 365 * day;
        let offset = *self.random.pick(&[0, 0, 3000, -3000, 600_000, -600_000, day, -day, to_1970, to_2099]);
        self.world.devices[device].clock.jump(offset);
        self.count("clock");
    }

    fn crash(&mut self, device: usize) {
        self.world.devices[device].power().fail_after(self.random.below(60));
        self.count("crash");
    }

    fn restart(&mut self, number: usize) {
        self.count("restart");
        let device = &self.world.devices[number];
        device.close();
        device.try_open().expect("the engine opens");
        if self.disaster != Disaster::Restore {
            oracle::check_log_and_records_agree(&self.world.server, "ada", device);
        }
        device.session().sync_start();
    }

    fn strike(&mut self, number: usize) {
        match self.disaster {
            Disaster::None => {}
            Disaster::Restore => match self.backup.take() {
                Some(backup) => {
                    self.hear_of_all_pushes();
                    self.world.server.restore(&backup);
                    self.count("restored");
                }
                None => self.backup = Some(self.world.server.backup()),
            },
            Disaster::DatabaseLoss => {
                self.count("database lost");
                // Unsent changes are gone with it.
                self.last.iter_mut().filter(|((device, _), _)| *device == number).for_each(|(_, value)| *value = None);
                self.world.devices[number].lose_database();
                self.world.devices[number].open();
            }
        }
    }

    fn count_ties(&mut self) {
        let mut seen: BTreeMap<(String, String, Stamp), Value> = BTreeMap::new();
        for change in self.world.server.changes("ada", &["tasks", "settings"]) {
            for (field, edit) in &change.fields {
                let place = (format!("{}/{}", change.table, change.id), field.to_string(), edit.at);
                let other = seen.insert(place, edit.value.clone());
                if other.is_some_and(|other| other != edit.value) {
                    self.count("tie");
                }
            }
        }
    }

    /// A push whose answer a device has heard and whose echo it has not is in nobody's log when the server loses it.
    fn hear_of_all_pushes(&self) {
        for device in &self.world.devices {
            device.line.set_online(true);
            device.line.set_faulty(0);
            device.power().steady();
            if device.power().is_out() {
                device.restart();
            }
        }
        self.world.pass(200_000);
    }

    /// An edit made after seeing a value beats it, and every acknowledged edit reached the server, unless its own device
    /// replaced it first.
    fn check_edits(&self) {
        if self.disaster != Disaster::DatabaseLoss {
            for ((table, id), record) in oracle::replica(&self.world.devices[0]) {
                for (field, (value, at)) in record {
                    let beaten = value.as_str().is_some_and(|value| self.replaced.contains(value));
                    assert!(!beaten, "{table}/{id}.{field} is {value} of {at}, which an edit replaced after seeing it");
                }
            }
        }
        if self.disaster == Disaster::Restore {
            return;
        }
        let mut reached: BTreeSet<(String, String, String, String)> = BTreeSet::new();
        for change in self.world.server.changes("ada", &["tasks", "settings"]) {
            for (field, edit) in &change.fields {
                let value = edit.value.as_str().unwrap_or_default().to_owned();
                reached.insert((change.table.to_string(), change.id.to_string(), field.to_string(), value));
            }
        }
        for ((device, (table, id, field)), value) in &self.last {
            let Some(value) = value else { continue };
            let place = ((*table).to_owned(), id.clone(), (*field).to_owned(), value.clone());
            assert!(reached.contains(&place), "device {device} wrote {place:?}, and it never reached the server");
        }
        let newest = Stamp::at_ms(self.world.executor.now() + 5 * 60_000);
        let ahead = oracle::replica(&self.world.devices[0]).into_values().flatten();
        assert!(ahead.into_iter().all(|(_, (_, at))| at <= newest), "no stamp is ahead of the server");
    }
}

enum Act {
    Update(Map<String, Value>),
    Put(Map<String, Value>),
    Delete,
    Restore,
}

impl Act {
    fn into_write(self, id: String) -> Write<JsonRow> {
        let key = Key::Text(id);
        match self {
            Self::Update(fields) => Write::Update(vec![(key, JsonRow(fields))]),
            Self::Put(fields) => Write::Put(vec![row(Value::Object(fields))]),
            Self::Delete => Write::Delete(vec![key]),
            Self::Restore => Write::Restore(vec![key]),
        }
    }
}

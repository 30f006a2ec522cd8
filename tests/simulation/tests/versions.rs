//! Devices of three versions of an app that are updated at different times, with kills, refusals, full pulls and a bad
//! network: in the end, all of one version, they hold what the server's log comes to when each change in it is brought to
//! that version (docs/schema-versions.md). What becomes of a field is said here once more, by hand.
//!
//! `VERSIONS` schedules, 60 when unset; `SEED` repeats one, or is the first of them.

use mana_simulation::calls::row;
use mana_simulation::{Setup, World, oracle};
use mana_sync_engine::engine::Write;
use mana_sync_engine::merge::tie_order;
use mana_sync_engine::model::{Change, Edit, FieldName, Op, Space, SpaceId, Stamp};
use mana_sync_engine::store::{JsonRow, Key};
use serde_json::{Value, json};

const RECORDS: [&str; 4] = ["r0", "r1", "r2", "r3"];

/// The texts that a version of the app writes. `title` is renamed twice, `color` is dropped; a later `title` is another.
const FIELDS: [&[&str]; 3] = [&["title", "note", "color"], &["name", "note", "title"], &["label", "memo", "title"]];

fn setup(version: usize) -> Setup {
    let steps = [
        json!({}),
        json!({ "tasks": { "rename": { "title": "name" }, "drop": ["color"], "defaults": { "priority": 3 } } }),
        json!({ "tasks": { "rename": { "name": "label", "note": "memo" }, "defaults": { "stage": "new" } } }),
    ];
    let migrations = (2..=version).map(|to| (to.to_string(), steps[to - 1].clone())).collect();
    let space = |id: &str, kind: &str| Space {
        id: SpaceId::parse(id).expect("an id"),
        kind: Some(kind.to_owned()),
        role: Some("owner".to_owned()),
    };
    Setup {
        schema_version: u32::try_from(version).expect("small"),
        migrations: Value::Object(migrations),
        spaces: vec![space("home", "personal"), space("club", "family")],
        ..Setup::of("ada")
    }
}

/// The name that a field of that version has in the last one.
fn last_name(version: u32, field: &str) -> Option<&str> {
    match (version, field) {
        (1, "color") => None,
        (1, "title") | (2, "name") => Some("label"),
        (1 | 2, "note") => Some("memo"),
        (_, other) => Some(other),
    }
}

fn brought(mut change: Change) -> Change {
    for (name, edit) in std::mem::take(&mut change.fields) {
        let Some(name) = last_name(change.schema_version, name.as_str()) else { continue };
        let name = FieldName::parse(name).expect("a name");
        let is_later =
            |there: &Edit| (edit.at, tie_order(&edit.value, &there.value)) > (there.at, std::cmp::Ordering::Equal);
        if change.fields.get(&name).is_none_or(is_later) {
            change.fields.insert(name, edit);
        }
    }
    for (below, name, value) in [(2, "priority", json!(3)), (3, "stage", json!("new"))] {
        let name = FieldName::parse(name).expect("a name");
        if change.op == Op::Insert && change.schema_version < below && !change.fields.contains_key(&name) {
            change.fields.insert(name, Edit { value, at: Stamp::EPOCH, prev: None });
        }
    }
    change
}

struct Schedule {
    world: World,
    /// The version of each device.
    versions: Vec<usize>,
    count: u64,
    updates: usize,
}

impl Schedule {
    fn new(seed: u64) -> Self {
        let world = World::with(seed, vec![setup(1), setup(1), setup(2), setup(3)]);
        Self { world, versions: vec![1, 1, 2, 3], count: 0, updates: 0 }
    }

    fn roll(&self, sides: usize) -> usize {
        usize::try_from(self.world.random.next() % sides as u64).expect("small")
    }

    fn write(&mut self, at: usize) {
        let id = RECORDS[self.roll(RECORDS.len())];
        self.count += 1;
        let fields = FIELDS[self.versions[at] - 1];
        let (field, other) = (fields[self.roll(3)], fields[self.roll(3)]);
        let key = || vec![Key::text(id)];
        let edit = match self.roll(6) {
            0 if self.versions[at] > 1 => json!({ "priority": self.count }),
            1 if self.versions[at] > 2 => json!({ "stage": Value::Null }),
            _ => json!({ field: format!("{field} {}", self.count), other: format!("{other} {}", self.count) }),
        };
        let mut whole = edit.clone();
        // Of two spaces that claim one id one is shown: that is another matter.
        whole["spaceId"] = json!(if id == "r3" { "home" } else { "club" });
        whole["id"] = json!(id);
        let write: Write<JsonRow> = match self.roll(10) {
            0..=2 => Write::Put(vec![row(whole)]),
            3..=7 => Write::Update(vec![(Key::text(id), row(edit))]),
            8 => Write::Delete(key()),
            _ => Write::Restore(key()),
        };
        // Refused where there is no such record: that is no matter here.
        let _ = self.world.devices[at].try_transact(None, vec![("tasks", write)]);
    }

    /// Installs the next version; a tab may die over opening it, any number of times.
    fn update(&mut self, at: usize) {
        if self.versions[at] == 3 {
            return;
        }
        self.versions[at] += 1;
        self.updates += 1;
        let device = &self.world.devices[at];
        device.install_app(setup(self.versions[at]));
        for _ in 0..self.roll(4) {
            device.open_doomed(self.world.random.next() % 30);
            device.close_all();
        }
        device.open();
    }

    fn settle_letter(&self, at: usize) {
        let device = &self.world.devices[at];
        let Some(letters) = (!device.power().is_out()).then(|| device.try_dead_letters()).flatten() else { return };
        let Some(letter) = letters.first() else { return };
        let is_over = if self.roll(3) > 0 {
            device.try_retry_letter(&letter.id).is_none()
        } else {
            device.try_discard_letter(&letter.id).is_none()
        };
        if is_over {
            device.restart();
        }
    }

    fn step(&mut self) {
        let at = self.roll(self.world.devices.len());
        match self.roll(30) {
            0..=13 => self.write(at),
            14 => self.update(at),
            15 | 16 => self.settle_letter(at),
            17 => self.world.server.refuse_in("club", self.roll(2) == 0),
            18 | 19 => self.world.devices[at].line.set_online(self.roll(2) == 0),
            20 => self.world.devices[at].power().fail_after(self.world.random.next() % 40),
            21 => self.world.devices[at].line.set_faulty(300),
            22 => self.resync(at),
            23 => self.lose(at),
            _ => self.world.pass([30, 1_000, 5_000, 40_000][self.roll(4)]),
        }
        for device in self.world.devices.iter().filter(|device| device.power().is_out()) {
            device.restart();
        }
    }

    fn resync(&self, at: usize) {
        let device = &self.world.devices[at];
        device.power().steady();
        device.line.set_online(true);
        let _ = device.resync_in(0);
    }

    /// The browser loses the database, and with it what was not sent.
    fn lose(&self, at: usize) {
        self.world.devices[at].lose_database();
        self.world.devices[at].open();
    }

    fn end(&mut self) {
        self.world.server.refuse_in("club", false);
        for at in 0..self.versions.len() {
            while self.versions[at] < 3 {
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
        let changes = self.world.server.changes("ada", &["tasks", "settings"]);
        let expected = oracle::merged(&changes.into_iter().map(brought).collect::<Vec<_>>());
        for (number, device) in self.world.devices.iter().enumerate() {
            assert_eq!(oracle::replica(device), expected, "device {number} holds what the log comes to");
            let rest = ["letter", "waiting", "quarantine", "parked"].map(|kind| device.engine_rows(kind)).concat();
            assert!(rest.is_empty(), "device {number}: {rest:?}");
        }
    }
}

#[test]
fn devices_that_are_updated_at_different_times_come_to_the_same() {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse().ok());
    let seeds = match number("SEED") {
        Some(seed) => seed..seed + number("VERSIONS").unwrap_or(1),
        None => 0..number("VERSIONS").unwrap_or(60),
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

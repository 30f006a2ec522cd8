//! Trouble at each storage operation while a database is opened, upgraded or taken over from an older app: opening succeeds or
//! fails by a code, the next opening works, and nothing is lost or done twice by either.
//!
//! At every operation, or at as many of each kind as `OPENINGS` says (8).

use mana_simulation::figures::figure;
use mana_simulation::older_app::{check_sent_once, prepared, values};
use mana_simulation::place::NEWER;
use mana_simulation::storage::Trouble;
use mana_simulation::{Device, Setup, World, oracle};
use mana_sync_engine::engine::{Result, Upgrade, Write};
use mana_sync_engine::store::{JsonRow, Key};
use serde_json::{Value, json};

const ALL: [Trouble; 6] =
    [Trouble::Lost, Trouble::Abort, Trouble::Quota, Trouble::Undefined, Trouble::Blocked, Trouble::Slow];
/// Longer than any trouble lasts, in milliseconds of virtual time.
const LONG_MS: u64 = 300_000;

/// What is opened: a world with a device that is to meet trouble, and what the app does once it is open, before it syncs.
struct Case {
    world: fn() -> World,
    device: usize,
    then: fn(&World, &Device) -> Result<()>,
    check: fn(&World, &Device),
}

impl Case {
    /// Has every operation, or as many as are wanted, meet each trouble; there are `least` of them at least.
    fn meet(&self, least: u64) {
        let whole = (self.world)();
        let device = &whole.devices[self.device];
        self.run(&whole, device.try_open()).expect("nothing is in its way");
        whole.pass(5_000);
        let operations = device.power().operations();
        whole.converge("ada");
        (self.check)(&whole, device);
        let expected = values(device);
        assert!(operations >= least, "{operations} operations");
        let (tried, mut met) = (operations.min(wanted()), 0);
        for trouble in ALL {
            for number in 0..tried {
                met += u64::from(self.meet_at(number * operations / tried, trouble, &expected));
            }
        }
        let all = tried * ALL.len() as u64;
        println!("{met} of {all} met trouble, at {tried} of {operations} operations");
        assert!(met * 10 > all * 9, "{met} of {all} met trouble");
    }

    /// Whether the trouble was met.
    fn meet_at(&self, operation: u64, trouble: Trouble, expected: &Values) -> bool {
        let world = (self.world)();
        let device = &world.devices[self.device];
        if let Err(error) = self.run(&world, device.open_troubled(operation, trouble)) {
            assert!(trouble.codes().contains(&error.kind()), "{trouble:?} at {operation}: {error}");
        }
        world.pass(5_000);
        let met = device.power_at(0).is_none_or(|power| power.met_trouble());
        let again = self.run(&world, device.try_open());
        again.unwrap_or_else(|error| panic!("{trouble:?} at {operation}, then: {error}"));
        world.converge("ada");
        assert_eq!(values(device), *expected, "{trouble:?} at {operation}");
        oracle::check_log_and_records_agree(&world.server, "ada", device);
        (self.check)(&world, device);
        met
    }

    /// Does what an app does with a database that was opened.
    fn run(&self, world: &World, opened: Result<()>) -> Result<()> {
        opened?;
        let device = &world.devices[self.device];
        (self.then)(world, device)?;
        device.session().sync_start();
        Ok(())
    }
}

type Values = std::collections::BTreeMap<(String, String), std::collections::BTreeMap<String, Value>>;

fn wanted() -> u64 {
    figure("OPENINGS", 8)
}

/// A device whose tab was closed with changes that the server does not have.
fn with_unsent_changes() -> World {
    let world = World::of_ada(2);
    let device = &world.devices[0];
    for id in ["a", "b", "c"] {
        device.add("tasks", json!({ "id": id, "title": "new", "n": 0 })).expect("added");
    }
    world.pass(60_000);
    device.update("tasks", "a", json!({ "title": "unsent" })).expect("written");
    device.delete("tasks", "b").expect("deleted");
    device.add("tasks", json!({ "id": "d", "title": "unsent" })).expect("added");
    device.close();
    world
}

#[test]
fn a_database_with_unsent_changes_is_opened_or_fails_by_a_code_and_keeps_them() {
    let case = Case {
        world: with_unsent_changes,
        device: 0,
        then: |_, _| Ok(()),
        check: |world, device| {
            assert_eq!(device.stored("tasks", "a")["title"], "unsent");
            assert!(device.stored("tasks", "b")["deletedAt"].is_string());
            check_sent_once(world);
        },
    };
    case.meet(5);
}

#[test]
fn a_new_database_is_made_or_fails_by_a_code_and_is_made_then() {
    let case = Case {
        world: || {
            let mut world = World::of_ada(1);
            world.devices[0].add("tasks", json!({ "id": "theirs", "title": "theirs" })).expect("added");
            world.pass(60_000);
            world.add(Setup::of("ada"));
            world
        },
        device: 1,
        then: |_, _| Ok(()),
        check: |_, device| assert_eq!(device.stored("tasks", "theirs")["title"], "theirs"),
    };
    case.meet(5);
}

#[test]
fn a_version_with_a_table_more_is_opened_or_fails_by_a_code_and_loses_nothing() {
    let case = Case {
        world: || {
            let world = with_unsent_changes();
            for device in &world.devices {
                device.install_app(Setup::of("ada").upgraded());
            }
            world.devices[1].open();
            world
        },
        device: 0,
        then: |_, device| device.put(NEWER, json!({ "id": "n", "title": "in the new table" })).map(drop),
        check: |_, device| {
            assert_eq!(device.stored("tasks", "d")["title"], "unsent");
            assert_eq!(device.stored(NEWER, "n")["title"], "in the new table");
        },
    };
    case.meet(5);
}

/// Brings the data to version 2 as an app's upgrade does, unless they are there: counts every task up.
fn upgrade(world: &World, device: &Device) -> Result<()> {
    let engine = device.engine();
    let counts = ["a", "c"].map(|id| (Key::text(id), device.stored("tasks", id)["n"].as_u64().expect("a count")));
    let upgrading = async move {
        if engine.data_version().await?.is_none_or(|version| version >= 2) {
            return Ok(());
        }
        let upgrade = Upgrade::begin(&engine).await?;
        let writer = upgrade.to(2).await?;
        for (key, count) in counts {
            let Value::Object(changes) = json!({ "n": count + 1 }) else { unreachable!("it is an object") };
            writer.write("tasks", Write::Update(vec![(key, JsonRow::from(changes))])).await?;
        }
        writer.commit().await.map(drop)
    };
    world.executor.block_on(99, LONG_MS, upgrading).expect("it is answered")
}

#[test]
fn an_upgrade_of_the_rows_is_done_once_or_fails_by_a_code_and_is_done_then() {
    let case = Case {
        world: || {
            let world = with_unsent_changes();
            let device = &world.devices[0];
            device.try_open().expect("it opens");
            let engine = device.engine();
            let noting = async move { engine.note_data_version(1).await };
            world.executor.block_on(99, LONG_MS, noting).expect("it is answered").expect("noted");
            device.close();
            world
        },
        device: 0,
        then: upgrade,
        check: |world, device| {
            for id in ["a", "c"] {
                assert_eq!(device.stored("tasks", id)["n"], 1, "{id} was counted up once");
                let changes = world.server.changes("ada", &["tasks"]);
                let edits = changes.iter().filter(|change| change.id.as_str() == id);
                assert_eq!(
                    edits.filter(|change| change.fields.keys().any(|name| name.as_str() == "n")).count(),
                    2,
                    "made, and upgraded"
                );
            }
            assert_eq!(device.engine_rows("dataVersion")[0]["version"], 2);
        },
    };
    case.meet(5);
}

#[test]
fn an_adoption_that_meets_trouble_anywhere_comes_to_the_same_end() {
    let case = Case {
        world: prepared,
        device: 1,
        then: |_, _| Ok(()),
        check: |world, device| {
            assert_eq!(device.engine_rows("adoption")[0]["phase"], "done");
            assert_eq!(device.engine_rows("letter").len(), 2);
            assert!(device.store_rows("_pendingChanges").is_empty());
            assert_eq!(device.store_rows("notes").len(), 1);
            check_sent_once(world);
        },
    };
    case.meet(50);
}

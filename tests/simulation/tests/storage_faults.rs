//! Trouble at each storage operation of a script that writes and syncs: what a browser's database does instead of what it
//! was asked. Each call is answered, by success or by a code; what was saved is there, with its log entry; and the device
//! goes on by itself, or once it is opened again where its connection is gone.

use mana_simulation::figures::figure;
use mana_simulation::storage::Trouble;
use mana_simulation::{Setup, World, oracle};
use mana_sync_engine::engine::{Error, Result, Written};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// What a script did to the titles of its records: what was answered with success, and what may be there besides.
#[derive(Default)]
struct Told {
    saved: BTreeMap<String, Value>,
    unsure: BTreeMap<String, Vec<Value>>,
}

impl Told {
    fn note(&mut self, id: &str, title: Value, trouble: Trouble, answer: Result<Written>) {
        match answer {
            // A record whose making was refused is not there to be changed.
            Ok(written) if written.count == 0 => assert!(!self.saved.contains_key(id), "{trouble:?}: {id} is gone"),
            Ok(_) => {
                self.unsure.remove(id);
                self.saved.insert(id.to_owned(), title);
            }
            Err(error) => {
                check_code(trouble, &error);
                if trouble == Trouble::Lost {
                    self.unsure.entry(id.to_owned()).or_default().push(title);
                }
            }
        }
    }

    /// Reads what is there: all of it, or none of it and a code.
    fn read(&self, world: &World, id: &str, trouble: Trouble) {
        let device = &world.devices[0];
        let find = |rows: &[Value], id: &str| rows.iter().find(|row| row["id"] == id).map(|row| row["title"].clone());
        match device.try_rows("tasks") {
            Ok(rows) => {
                for (id, saved) in &self.saved {
                    self.agrees(id, saved, find(&rows, id).as_ref(), trouble);
                }
            }
            Err(error) => check_code(trouble, &error),
        }
        match device.try_look("tasks", id) {
            Ok((count, row)) => {
                assert!(count >= self.saved.len(), "{trouble:?}: {count} rows");
                let title = row.map(|row| row["title"].clone());
                self.saved.get(id).into_iter().for_each(|saved| self.agrees(id, saved, title.as_ref(), trouble));
            }
            Err(error) => check_code(trouble, &error),
        }
    }

    fn agrees(&self, id: &str, saved: &Value, read: Option<&Value>, trouble: Trouble) {
        let others = self.unsure.get(id);
        let may = read.is_some_and(|is| is == saved || others.is_some_and(|titles| titles.contains(is)));
        assert!(may, "{trouble:?}: {id} was saved as {saved} and read as {read:?}");
    }

    fn check(&self, world: &World, trouble: Trouble) {
        for device in &world.devices {
            for (id, title) in &self.saved {
                let is = &device.stored("tasks", id)["title"];
                let others = self.unsure.get(id);
                let may = is == title || others.is_some_and(|titles| titles.contains(is));
                assert!(may, "{trouble:?}: {id} was saved as {title}, and is {is}");
            }
        }
        let ids: Vec<String> = world.devices[0].store_rows("tasks").iter().map(|row| row["id"].to_string()).collect();
        let known = |id: &str| self.saved.contains_key(id) || self.unsure.contains_key(id) || id.starts_with("other");
        assert!(ids.iter().all(|id| known(id.trim_matches('"'))), "{trouble:?}: nothing that failed is there: {ids:?}");
    }
}

/// A call that meets trouble is refused by the code of that trouble, and by no other.
fn check_code(trouble: Trouble, error: &Error) {
    assert!(trouble.codes().contains(&error.kind()), "{trouble:?}: {error}");
}

/// Writes on one device while another does, and both sync.
fn script(world: &World, trouble: Trouble) -> Told {
    let (device, other) = (&world.devices[0], &world.devices[1]);
    let mut told = Told::default();
    for round in 0..6 {
        let id = format!("t{round}");
        told.note(&id, json!("new"), trouble, device.add("tasks", json!({ "id": id, "title": "new" })));
        let theirs = json!({ "id": format!("other{round}"), "title": "theirs" });
        other.add("tasks", theirs).expect("the other device has no trouble");
        world.pass(700);
        told.note(&id, json!("edited"), trouble, device.update("tasks", &id, json!({ "title": "edited" })));
        let note = device.update("tasks", &id, json!({ "note": round }));
        assert!(note.is_ok() || trouble.is_error(), "{trouble:?}: {note:?}");
        if !device.power().is_lost() {
            told.read(world, &id, trouble);
        }
        if device.power().is_lost() {
            device.restart();
        }
        world.pass(2_000);
        told.read(world, &id, trouble);
    }
    told
}

fn world(seed: u64) -> World {
    World::with(seed, vec![Setup::of("ada"); 2])
}

/// How many storage operations the script takes.
fn operations() -> u64 {
    let world = world(1);
    let before = world.devices[0].power().operations();
    script(&world, Trouble::Slow);
    world.devices[0].power().operations() - before
}

/// How many storage operations are tried with each kind of trouble: 60, or as many as `OPERATIONS` says.
fn wanted() -> u64 {
    figure("OPERATIONS", 60)
}

/// Has operations spread over several runs of the script meet trouble.
fn meet(trouble: Trouble) {
    let (wanted, operations) = (wanted(), operations());
    assert!(operations > 300, "{operations} operations");
    let mut met = 0;
    for number in 0..wanted {
        let at = if wanted < operations { number * operations / wanted } else { number % operations };
        let world = world(1 + number / operations);
        world.devices[0].power().trouble_after(at, trouble);
        let told = script(&world, trouble);
        met += u64::from(world.devices[0].power().met_trouble());
        if world.devices[0].power().is_lost() {
            world.devices[0].restart();
        }
        world.converge("ada");
        told.check(&world, trouble);
        oracle::check_log_and_records_agree(&world.server, "ada", &world.devices[0]);
    }
    assert!(met > wanted * 9 / 10, "{trouble:?}: met {met} times");
}

#[test]
fn a_connection_that_goes_at_any_operation_is_told_and_loses_nothing() {
    meet(Trouble::Lost);
}

#[test]
fn an_abort_of_any_operation_is_told_and_loses_nothing() {
    meet(Trouble::Abort);
}

#[test]
fn a_full_disk_at_any_operation_is_told_and_loses_nothing() {
    meet(Trouble::Quota);
}

#[test]
fn an_error_without_meaning_at_any_operation_is_told_and_loses_nothing() {
    meet(Trouble::Undefined);
}

#[test]
fn two_minutes_of_waiting_for_another_connection_lose_nothing() {
    meet(Trouble::Blocked);
}

#[test]
fn an_answer_that_takes_half_a_minute_loses_nothing() {
    meet(Trouble::Slow);
}

//! A device that compares itself with the server: what is the same is said to be, what differs is named, and nothing that
//! happens meanwhile is taken for a difference.

use super::letters::{agreed, cake, club, letter, may_write, refused};
use super::resync::{lacking, titles};
use super::sealed;
use mana_simulation::calls::{code, row};
use mana_simulation::{Device, Fault, Setup, World};
use mana_sync_engine::engine::{Check, CheckState, Page, Write};
use mana_sync_engine::model::Visibility;
use mana_sync_engine::store::Key;
use serde_json::{Value, json};
use std::cell::Cell;
use std::rc::Rc;

/// The tables of a check that differ.
fn different(check: &Check) -> Vec<&str> {
    check.tables.iter().filter(|table| !table.equal).map(|table| table.table.as_str()).collect()
}

fn check(device: &Device) -> Check {
    device.check().expect("a check is answered")
}

/// Two devices with a task and a setting each way.
fn world() -> World {
    let world = World::of_ada(2);
    world.devices[0].add("tasks", json!({ "id": "t", "title": "Milk" })).expect("added");
    world.devices[1].put("settings", json!({ "id": "s", "value": 1 })).expect("put");
    world.converge("ada");
    world
}

/// Gives a field of a stored record another stamp, past the engine.
fn restamp(device: &Device, table: &str, id: &str, field: &str, at: &str) {
    let mut stored = device.stored(table, id);
    stored["__fieldMeta"][field]["at"] = json!(at);
    device.close_all();
    device.store_put(table, stored);
    device.open();
}

#[test]
fn what_is_the_same_is_said_to_be_with_its_numbers() {
    let world = world();
    world.devices[0].add("tasks", json!({ "id": "gone", "title": "Rope" })).expect("added");
    world.devices[0].delete("tasks", "gone").expect("deleted");
    let checks = [check(&world.devices[0]), check(&world.devices[1])];
    for check in &checks {
        assert!(check.equal && check.state == CheckState::Equal && check.left_out == 0, "{check:?}");
        let tables: Vec<_> =
            check.tables.iter().map(|t| (t.table.as_str(), t.local.records, t.server.records)).collect();
        assert_eq!(tables, [("settings", 1, 1), ("tasks", 1, 1)], "without what is deleted");
    }
    assert_eq!(checks[0], checks[1]);
}

#[test]
fn one_stamp_that_was_changed_behind_the_engine_is_found_and_mended_by_reading_everything_again() {
    let world = world();
    let device = &world.devices[1];
    restamp(device, "tasks", "t", "title", "2020-01-01T00:00:00.000000Z");
    let found = check(device);
    assert_eq!((found.state, found.equal, different(&found)), (CheckState::Different, false, vec!["tasks"]));
    let tasks = found.tables.iter().find(|table| table.table == "tasks").expect("it is named");
    assert_eq!((tasks.local.records, tasks.server.records, &tasks.space), (1, 1, &None));
    assert!(check(&world.devices[0]).equal, "the other one is as it should be");
    device.resync_in(0).expect("everything came");
    assert!(check(device).equal);
}

#[test]
fn a_record_that_never_came_is_found_from_any_tab() {
    for tab in [0, 1] {
        let world = lacking();
        let device = &world.devices[1];
        device.open_tab(1);
        world.pass(1_000);
        device.line.set_online(true);
        let found = device.check_in(tab).expect("a check is answered");
        assert_eq!(different(&found), ["tasks"], "asked in tab {tab}");
        assert_eq!((found.tables[0].local.records, found.tables[0].server.records), (2, 3));
        assert_eq!(titles(&world).len(), 2, "a check changes nothing");
        device.resync_in(tab).expect("everything came");
        assert!(device.check_in(tab).expect("a check is answered").equal);
    }
}

#[test]
fn a_locked_vault_is_no_obstacle() {
    let world = sealed::world();
    let device = &world.devices[0];
    device.add("tasks", json!({ "id": "t", "title": sealed::SECRET })).expect("added");
    world.converge("ada");
    device.lock();
    let locked = check(device);
    assert!(locked.equal && device.is_locked(), "{locked:?}");
    assert_eq!(locked, check(&world.devices[1]));
    restamp(device, "tasks", "t", "title", "2020-01-01T00:00:00.000000Z");
    assert_eq!((different(&check(device)), device.is_locked()), (vec!["tasks"], true));
}

#[test]
fn what_the_server_refused_is_left_out_and_everything_else_is_compared() {
    let world = refused();
    let [device, other] = [&world.devices[0], &world.devices[1]];
    world.devices.iter().for_each(|device| device.unlock(7).expect("unlocked"));
    device.add("tasks", json!({ "id": "own", "title": "Mine" })).expect("added");
    let found = check(device);
    assert!(found.equal && found.left_out == 1, "{found:?}");
    assert_eq!(found.tables.iter().map(|table| table.local.records).sum::<u64>(), 1);
    assert_eq!((check(other).left_out, check(other).equal), (0, true));
    restamp(device, "tasks", "own", "title", "2020-01-01T00:00:00.000000Z");
    assert_eq!(different(&check(device)), ["tasks"]);
    device.discard_letter(&letter(device)).expect("discarded");
    device.resync_in(0).expect("everything came");
    assert_eq!((check(device).left_out, check(device).equal), (0, true));
    agreed(&world);
}

#[test]
fn what_was_put_aside_is_left_out() {
    let world = world();
    let device = &world.devices[0];
    let newer = |table: &str| {
        json!({ "eventId": format!("01a20350-9a75-7fb5-b364-84f6881a000{}", table.len()), "app": "todo", "schemaVersion": 9,
            "table": table, "id": "t", "op": "update", "at": "2026-01-01T00:00:00.000000Z", "spaceId": "_personal:ada",
            "fields": { "title": { "value": "x", "at": "2026-01-01T00:00:00.000000Z" } } })
    };
    let (engine, page) = (device.engine(), Page { changes: vec![newer("tasks"), newer("unheard")], ..Page::default() });
    world.executor.block_on(99, 10, async move { engine.apply(page).await }).expect("no wait").expect("applied");
    let found = check(device);
    assert!(found.equal && found.left_out == 1, "what belongs to no table of the app is no record left out: {found:?}");
    assert_eq!(found.tables.iter().map(|table| table.table.as_str()).collect::<Vec<_>>(), ["settings"]);
}

#[test]
fn whoever_writes_meanwhile_is_no_difference() {
    for pause in [20, 160, 700] {
        let world = world();
        let (done, told) = (Rc::new(Cell::new(false)), Rc::new(Cell::new(None)));
        let (ended, said) = (Rc::clone(&done), Rc::clone(&told));
        world.devices[0].line.plan("/v2/check", Fault::Delay(300));
        world.devices[0].begin_check(move |check| {
            ended.set(true);
            said.set(Some(check.expect("a check is answered")));
        });
        let mut number = 0;
        while !done.get() && number < 20_000 {
            number += 1;
            for device in &world.devices {
                let change = row(json!({ "title": format!("{number}"), "note": number }));
                device.begin_in(0, vec![("tasks", Write::Update(vec![(Key::text("t"), change)]))], |_| {});
            }
            world.pass(pause);
        }
        let check = told.take().expect("it ends");
        assert!(check.state != CheckState::Different, "writing every {pause} ms: {check:?}");
        assert_eq!(check.equal, check.state == CheckState::Equal);
        world.converge("ada");
        assert!(world.devices.iter().all(|device| self::check(device).equal));
    }
}

#[test]
fn another_members_private_record_is_no_difference_and_leaves_no_trace() {
    let of = |name: &str| Setup { spaces: vec![sealed::space("club", "family")], ..Setup::of(name) };
    let world = World::with(1, vec![of("ada"), of("bob")]);
    for user in ["ada", "bob"] {
        world.server.set_spaces(user, of(user).spaces);
    }
    let [adas, bobs] = [&world.devices[0], &world.devices[1]];
    world.pass(5_000);
    for id in ["open", "hidden"] {
        adas.add("tasks", cake(id)).expect("added");
    }
    world.pass(60_000);
    let before = check(bobs);
    assert!(before.equal && before.tables[0].server.records == 2, "{before:?}");
    assert_eq!(before.tables[0].space.as_deref(), Some("club"));
    adas.set_visibility("tasks", "hidden", Visibility::Private).expect("hidden");
    world.pass(60_000);
    let (hers, his) = (check(adas), check(bobs));
    assert!(hers.equal && his.equal);
    assert_eq!((hers.tables[0].server.records, his.tables[0].server.records), (2, 1));
}

#[test]
fn a_server_that_cannot_say_is_no_difference() {
    let world = world();
    let device = &world.devices[0];
    device.line.plan("/v2/check", Fault::DropRequest);
    assert_eq!(code(device.check()), "offline");
    for fault in [Fault::Html, Fault::Stranger, Fault::ServerError, Fault::Cut, Fault::Refused, Fault::Unpaid] {
        device.line.plan("/v2/check", fault);
        assert_eq!(code(device.check()), "sync_failed");
    }
    for fault in [Fault::Busy, Fault::Unauthorized] {
        device.line.plan("/v2/check", fault);
        assert!(check(device).equal, "it is asked again");
    }
    for _ in 0..9 {
        device.line.plan("/v2/check", Fault::Busy);
    }
    let refused = check(device);
    assert_eq!((refused.state, refused.tables), (CheckState::Moving, Vec::new()));
    device.session().sync_stop();
    assert_eq!(code(device.check()), "closed");
}

#[test]
fn too_much_that_waits_is_said_and_not_asked() {
    let world = club();
    let device = &world.devices[0];
    let letters: Vec<Value> = (0..=1000).map(|n| cake(&format!("r{n}"))).collect();
    let before = device.line.sent_to("/v2/check").len();
    may_write(&world, false);
    for part in letters.chunks(200) {
        device.transact(vec![("tasks", Write::Add(part.iter().cloned().map(row).collect()))]).expect("added");
    }
    world.pass(120_000);
    let found = check(device);
    assert_eq!((found.state, found.left_out, found.equal), (CheckState::Waiting, 1001, false));
    assert_eq!(device.line.sent_to("/v2/check").len(), before);
}

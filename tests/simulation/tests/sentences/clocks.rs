//! Devices whose clocks are wrong: an edit made after seeing another beats it, and no wrong clock wins for ever.

use mana_simulation::oracle;
use mana_simulation::world::START_MS;
use mana_simulation::{Fault, Setup, World};
use mana_sync_engine::engine::Kind;
use mana_sync_engine::model::Stamp;
use serde_json::{Value, json};

const DAY: i64 = 86_400_000;
const TO_1970: i64 = -1_767_225_600_000;
const TO_2099: i64 = 73 * 365 * DAY;

fn stamp(json: &Value) -> Stamp {
    Stamp::parse(json.as_str().expect("a stamp")).expect("a stamp")
}

/// Two devices with the task `t`; the second one's clock is wrong from its start.
fn with_wrong_clock(offset: i64) -> World {
    let mut world = World::with(7, vec![Setup::of("ada")]);
    world.devices[0].add("tasks", json!({ "id": "t", "title": "Milk" })).expect("added");
    world.add(Setup::of("ada")).clock.jump(offset);
    world.devices[1].open();
    world.converge("ada");
    world
}

#[test]
fn an_edit_after_seeing_wins_whatever_the_clock_says() {
    for offset in [-DAY, DAY, TO_1970, TO_2099, 3000, -3000] {
        let world = with_wrong_clock(offset);
        for round in 0..3 {
            for device in [1, 0] {
                let title = format!("{round} by {device}");
                world.devices[device].update("tasks", "t", json!({ "title": title })).expect("written");
                world.converge("ada");
                assert_eq!(world.devices[1 - device].rows("tasks")[0]["title"], title, "clock wrong by {offset} ms");
            }
        }
        let at = stamp(&world.devices[0].stored("tasks", "t")["__fieldMeta"]["title"]["at"]);
        assert!(at.ms() <= world.executor.now(), "{at} is ahead, clock wrong by {offset} ms");
    }
}

#[test]
fn edits_before_the_offset_is_known_are_brought_up_to_it_in_record_and_log() {
    for offset in [-DAY, DAY, TO_1970, TO_2099] {
        let mut world = World::with(7, vec![Setup::of("ada")]);
        let late = world.add(Setup::of("ada"));
        late.clock.jump(offset);
        late.line.set_online(false);
        late.open();
        late.add("tasks", json!({ "id": "t", "title": "A" })).expect("written");
        world.pass(1000);
        let late = &world.devices[1];
        late.update("tasks", "t", json!({ "title": "B" })).expect("written");
        late.delete("tasks", "t").expect("written");
        late.restore("tasks", "t").expect("written");
        let raw = stamp(&late.stored("tasks", "t")["__fieldMeta"]["deletedAt"]["at"]);
        assert!(raw.ms().abs_diff(world.executor.now()) > 80_000_000, "stamped by the device's own clock");
        // The offset becomes known, and nothing is sent yet.
        (0..9).for_each(|_| late.line.plan("/v2/push", Fault::DropRequest));
        late.line.set_online(true);
        late.session().hurry();
        world.pass(400);
        assert_eq!(late.logged().len(), 4);
        oracle::check_log_and_records_agree(&world.server, "ada", late);
        let stamps: Vec<Stamp> = late
            .logged()
            .iter()
            .flat_map(|(row, change)| oracle::logged_edits(row, change))
            .map(|(_, at)| at)
            .collect();
        assert!(stamps.is_sorted(), "in log order: {stamps:?}");
        assert!(stamps.iter().all(|at| (START_MS..=world.executor.now()).contains(&at.ms())), "{stamps:?}");
        let chained = &late.logged()[3].1["fields"]["deletedAt"];
        assert_eq!(chained["prev"], late.logged()[2].1["deletedAt"], "prev moved along");
        world.converge("ada");
        assert_eq!(world.devices[0].rows("tasks")[0]["title"], "B");
    }
}

#[test]
fn a_clock_that_is_set_while_the_app_runs_is_noticed() {
    for offset in [-DAY, DAY, TO_2099] {
        let world = with_wrong_clock(0);
        world.devices[1].clock.jump(offset);
        world.devices[1].update("tasks", "t", json!({ "title": "After the jump" })).expect("written");
        world.converge("ada");
        world.devices[0].update("tasks", "t", json!({ "title": "Seen" })).expect("written");
        world.converge("ada");
        assert_eq!(world.devices[1].rows("tasks")[0]["title"], "Seen");
        world.devices[1].clock.jump(0);
        world.devices[1].update("tasks", "t", json!({ "title": "Back" })).expect("written");
        world.converge("ada");
        assert_eq!(world.devices[0].rows("tasks")[0]["title"], "Back");
    }
}

#[test]
fn a_later_edit_elsewhere_beats_one_of_a_fast_clock() {
    let world = with_wrong_clock(TO_2099);
    world.devices[1].update("tasks", "t", json!({ "title": "From 2099" })).expect("written");
    world.pass(10_000);
    world.devices[0].line.set_online(false);
    world.pass(60_000);
    world.devices[0].update("tasks", "t", json!({ "title": "Later" })).expect("written");
    world.converge("ada");
    assert_eq!(world.devices[1].rows("tasks")[0]["title"], "Later");
}

#[test]
fn rows_of_an_earlier_run_with_a_fast_clock_are_held_at_server_time() {
    let mut world = World::with(7, vec![Setup::of("ada")]);
    let fast = world.add(Setup::of("ada"));
    fast.clock.jump(TO_2099);
    fast.line.set_online(false);
    fast.open();
    fast.add("tasks", json!({ "id": "t", "title": "A" })).expect("written");
    world.devices[1].restart();
    world.devices[1].update("tasks", "t", json!({ "title": "B" })).expect("written");
    world.devices[1].clock.jump(0);
    world.devices[1].restart();
    world.converge("ada");
    assert_eq!(world.devices[0].rows("tasks")[0]["title"], "B");
    world.devices[0].update("tasks", "t", json!({ "title": "C" })).expect("written");
    world.converge("ada");
    assert_eq!(world.devices[1].rows("tasks")[0]["title"], "C");
}

#[test]
fn a_record_put_over_a_tombstone_stays_above_it_when_a_fast_clock_is_corrected() {
    let world = with_wrong_clock(0);
    let fast = &world.devices[1];
    world.pass(50);
    fast.delete("tasks", "t").expect("deleted");
    fast.clock.jump(600_000);
    fast.put("tasks", json!({ "id": "t", "title": "Again" })).expect("written");
    world.converge("ada");
    assert_eq!(world.devices[0].rows("tasks")[0]["title"], "Again");
}

#[test]
fn nothing_is_sent_or_applied_before_the_offset_is_known() {
    let mut world = World::with(7, vec![Setup::of("ada")]);
    world.devices[0].add("tasks", json!({ "id": "t", "title": "Milk" })).expect("added");
    world.converge("ada");
    let late = world.add(Setup::of("ada"));
    (0..50).for_each(|_| late.line.plan("/health", Fault::Html));
    late.open();
    late.add("tasks", json!({ "id": "u", "title": "Eggs" })).expect("added");
    world.pass(10_000);
    let late = &world.devices[1];
    assert_eq!((late.line.sent_to("/v2/push").len(), late.line.sent_to("/v2/pull").len()), (0, 0));
    let engine = late.engine();
    let changes =
        world.server.changes("ada", &["tasks"]).iter().map(mana_sync_engine::model::Change::to_json).collect();
    let page = mana_sync_engine::engine::Page { changes, ..Default::default() };
    let applied = world.executor.block_on(99, 10, async move { engine.apply(page).await }).expect("no wait");
    assert_eq!(applied.map_err(|error| error.kind()), Ok::<_, Kind>(None));
    assert_eq!(late.rows("tasks").len(), 1);
    world.converge("ada");
    assert_eq!(world.devices[1].rows("tasks").len(), 2);
}

#[test]
fn a_change_that_is_stamped_anew_gets_a_new_id() {
    let world = World::of_ada(1);
    let device = &world.devices[0];
    device.line.set_online(false);
    device.clock.jump(DAY);
    device.add("tasks", json!({ "id": "t", "title": "Milk" })).expect("added");
    let (_, logged) = device.logged().remove(0);
    device.line.set_online(true);
    device.session().hurry();
    world.pass(5_000);
    let pushed: Value = serde_json::from_str(device.line.sent_to("/v2/push").last().expect("a push")).expect("JSON");
    let pushed = &pushed["changes"][0];
    assert_eq!(pushed["id"], logged["id"]);
    assert_ne!(pushed["eventId"], logged["eventId"], "an id stands for one content");
    assert!(stamp(&pushed["at"]).ms() <= world.executor.now());
}

#[test]
fn a_clock_set_while_the_last_tab_that_could_notice_was_closing_is_found_wrong() {
    let world = World::of_ada(2);
    let device = &world.devices[0];
    device.clock.jump(TO_1970);
    device.open_second().expect("it opens");
    device.close();
    device.session_at(1).expect("it is open").sync_start();
    world.devices[1].add("tasks", json!({ "id": "t", "title": "Milk" })).expect("added");
    world.pass(70_000);
    assert_eq!(device.stored("tasks", "t")["title"], "Milk", "it was applied and not put aside as from the future");
}

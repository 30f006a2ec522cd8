//! One tab of a device exchanges with the server, whatever browsers do to tabs: where that one is frozen another takes over,
//! and what the first does when it runs again changes nothing.

use mana_simulation::storage::Trouble;
use mana_simulation::{Device, Fault, World};
use mana_sync_engine::engine::{Event, State};
use mana_sync_engine::store::{CHANGE_LOG, Mode, Store as _, Transaction as _};
use serde_json::json;

/// A device with two tabs, of which the first leads, and another device.
fn with_two_tabs() -> World {
    let world = World::of_ada(2);
    world.devices[0].open_tab(1);
    world.pass(6_000);
    world
}

fn owner(device: &Device, tab: usize) -> u64 {
    device.owner_at(tab).expect("it is open")
}

fn add(device: &Device, tab: usize, id: &str) {
    device.add_in(tab, "tasks", json!({ "id": id, "title": id })).expect("added");
}

fn ids(device: &Device) -> Vec<String> {
    device.rows("tasks").iter().filter_map(|row| Some(row["id"].as_str()?.to_owned())).collect()
}

/// Whether a tab of the first device exchanges with the server when it is asked to, and no other one runs.
fn is_leading(world: &World, tab: usize) -> bool {
    let device = &world.devices[0];
    let others: Vec<u64> =
        [0, 1].into_iter().filter(|one| *one != tab).filter_map(|one| device.owner_at(one)).collect();
    for other in &others {
        world.executor.freeze(*other);
    }
    let asked = asks_when_woken(world, tab);
    for other in others {
        world.executor.thaw(other);
    }
    asked
}

/// Whether the first device exchanges with the server when one of its tabs is shown or hidden.
fn asks_when_woken(world: &World, tab: usize) -> bool {
    let device = &world.devices[0];
    let before = device.line.requests_to("/v2/pull");
    device.session_at(tab).expect("it is open").hurry();
    world.pass(200);
    device.line.requests_to("/v2/pull") > before
}

#[test]
fn a_tab_that_follows_and_is_shown_wakes_the_one_that_leads() {
    let world = with_two_tabs();
    let device = &world.devices[0];
    assert!(is_leading(&world, 0) && !is_leading(&world, 1));
    for tab in [0, 1] {
        device.line.set_online(false);
        world.pass(10 * 60_000);
        device.line.set_online(true);
        assert!(asks_when_woken(&world, tab), "{tab}: before its next attempt");
    }
}

#[test]
fn where_the_leading_tab_is_frozen_another_takes_over_within_fifteen_seconds() {
    let world = with_two_tabs();
    let [device, other] = [&world.devices[0], &world.devices[1]];
    world.executor.freeze(owner(device, 0));
    add(device, 1, "written while it is frozen");
    world.pass(15_000);
    assert_eq!(device.logged().len(), 0, "it was pushed");
    world.pass(31_000);
    assert_eq!(ids(other), ["written while it is frozen"]);
    // The frozen one runs again: it follows, and shows what the other one says.
    world.executor.thaw(owner(device, 0));
    world.pass(10_000);
    assert!(!is_leading(&world, 0) && is_leading(&world, 1));
    add(device, 0, "written after it");
    world.pass(5_000);
    assert_eq!(device.logged().len(), 0, "the other tab pushed it");
    assert_eq!(device.session_at(0).expect("open").status().state, State::Synced);
    // It leads again when the other one is closed.
    device.close_at(1);
    world.pass(5_000);
    assert!(is_leading(&world, 0));
}

#[test]
fn where_the_leading_tab_gets_no_answer_of_its_database_another_takes_over() {
    for unsent in [false, true] {
        let world = with_two_tabs();
        let [device, other] = [&world.devices[0], &world.devices[1]];
        device.line.set_online(!unsent);
        if unsent {
            // The leader knows of it, and needs no look at the log.
            add(device, 0, "written before");
        }
        device.power_at(0).expect("it is open").fall_silent();
        device.line.set_online(true);
        add(device, 1, "written after");
        world.pass(80_000);
        assert_eq!(device.logged().len(), 0, "the other tab pushed what there was");
        assert_eq!(ids(other).len(), if unsent { 2 } else { 1 });
    }
}

#[test]
fn a_tab_alone_says_that_its_database_answers_nothing() {
    let world = World::of_ada(1);
    let device = &world.devices[0];
    world.pass(5_000);
    device.power_at(0).expect("it is open").fall_silent();
    device.session().hurry();
    world.pass(50_000);
    assert_eq!(device.session().status().state, State::Syncing, "it may be slow");
    world.pass(30_000);
    let status = device.session().status();
    let code = status.trouble.map(|trouble| trouble.code);
    assert_eq!((status.state, code.as_deref()), (State::Error, Some("connection_lost")));
}

#[test]
fn where_the_database_of_the_leading_tab_is_slow_it_goes_on_leading() {
    let world = with_two_tabs();
    let device = &world.devices[0];
    for _ in 0..20 {
        device.power_at(0).expect("it is open").trouble_after(0, Trouble::Slow);
        world.pass(40_000);
        assert!(is_leading(&world, 0) && !is_leading(&world, 1));
    }
}

#[test]
fn what_a_thawed_tab_had_under_way_changes_nothing() {
    for answer_lost in [false, true] {
        let world = with_two_tabs();
        let device = &world.devices[0];
        device.line.plan("/v2/push", if answer_lost { Fault::LoseAnswer } else { Fault::Delay(1_000) });
        add(device, 0, "t");
        world.pass(400);
        // It waits for the answer to its push.
        assert_eq!(device.logged().len(), 1);
        world.executor.freeze(owner(device, 0));
        world.pass(30_000);
        assert_eq!(device.logged().len(), 0, "sent again by the other tab, and answered");
        add(device, 1, "u");
        let before = (device.logged(), device.engine_rows("cursor"));
        world.executor.thaw(owner(device, 0));
        world.pass(5);
        assert_eq!((device.logged(), device.engine_rows("cursor")), before, "the late answer is worked in by nobody");
        world.converge("ada");
        assert_eq!(world.server.changes("ada", &["tasks"]).len(), 2, "each was stored once");
        for tab in [0, 1] {
            assert_eq!(device.session_at(tab).expect("open").status().pending, 0);
        }
    }
}

#[test]
fn a_page_that_a_thawed_tab_had_asked_for_takes_nothing_back() {
    let world = with_two_tabs();
    let [device, other] = [&world.devices[0], &world.devices[1]];
    device.line.plan("/v2/pull", Fault::Delay(1_000));
    add(other, 0, "first");
    world.pass(300);
    device.line.nudge();
    // The answer is on its way.
    world.pass(1_500);
    world.executor.freeze(owner(device, 0));
    add(other, 0, "second");
    world.pass(60_000);
    assert_eq!(device.store_rows("tasks").len(), 2, "the other tab took over");
    let before = device.engine_rows("cursor");
    world.executor.thaw(owner(device, 0));
    world.pass(5);
    assert_eq!(device.engine_rows("cursor"), before, "the cursor is where the other tab put it");
}

#[test]
fn a_tab_that_was_frozen_itself_takes_nothing_from_a_leader_that_works() {
    let world = with_two_tabs();
    let device = &world.devices[0];
    for _ in 0..3 {
        world.executor.freeze(owner(device, 1));
        world.pass(120_000);
        world.executor.thaw(owner(device, 1));
        world.pass(9_000);
        assert!(is_leading(&world, 0) && !is_leading(&world, 1));
    }
}

#[test]
fn sync_now_reaches_the_server_while_the_lead_changes() {
    let world = with_two_tabs();
    let device = &world.devices[0];
    world.executor.freeze(owner(device, 0));
    add(device, 1, "t");
    let session = device.session_at(1).expect("open");
    let synced = world.executor.block_on(owner(device, 1), 61_000, async move { session.sync_now().await });
    assert_eq!(synced.map(|synced| synced.map_err(|error| error.kind())), Some(Ok(())));
    assert_eq!(device.logged().len(), 0);
}

#[test]
fn what_a_follower_shows_is_what_the_leader_says() {
    let world = with_two_tabs();
    let device = &world.devices[0];
    drop(device.take_events());
    for id in ["a", "b", "c"] {
        add(device, 1, id);
        world.pass(3_000);
    }
    let states = device.take_events().into_iter().filter_map(|event| match event {
        Event::Status(status) => Some(status.state),
        _ => None,
    });
    let states: Vec<State> = states.collect();
    assert!(!states.is_empty() && !states.contains(&State::Local), "sync goes on: {states:?}");
}

#[test]
fn what_a_tab_wrote_that_died_before_it_could_tell_is_pushed_soon() {
    let world = with_two_tabs();
    let device = &world.devices[0];
    device.line.set_online(false);
    add(device, 1, "t");
    let mut row = device.store_rows("_changeLog").remove(0);
    device.line.set_online(true);
    world.converge("ada");
    row["changes"][0]["eventId"] = json!("00000000-0000-7000-8000-000000000001");
    let engine = device.engine();
    let put = async move {
        let tx = engine.store().begin(Mode::Write, &[CHANGE_LOG])?;
        tx.put(CHANGE_LOG, &mana_simulation::calls::row(row), None)?;
        tx.commit().await
    };
    world.executor.block_on(owner(device, 0), 100, put).expect("it ends").expect("committed");
    world.pass(4_000);
    assert_eq!(device.logged().len(), 0);
}

#[test]
fn without_locks_the_tab_that_came_last_leads_and_the_others_let_it() {
    let world = World::of_ada(1);
    let device = &world.devices[0];
    device.profile.take_locks_away();
    for tab in [0, 1] {
        device.close_at(tab);
        device.open_tab(tab);
        world.pass(6_000);
    }
    let before = device.engine_rows("lead")[0]["generation"].clone();
    for id in ["a", "b"] {
        add(device, 0, id);
        world.pass(60_000);
    }
    assert_eq!(device.engine_rows("lead")[0]["generation"], before, "nobody takes it from the other");
    assert!(device.logged().is_empty() && is_leading(&world, 1) && !is_leading(&world, 0));
    device.close_at(1);
    world.pass(15_000);
    assert!(is_leading(&world, 0));
}

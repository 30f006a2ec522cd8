//! Pulling everything anew: a device that lacks something gets it, and loses and says nothing over it.

use mana_simulation::calls::code;
use mana_simulation::{Fault, World};
use serde_json::json;

/// Two devices of ada's; the second one lacks the record `t`, which the server did not show it, and has two of its own.
pub fn lacking() -> World {
    let world = World::of_ada(2);
    let [first, second] = [&world.devices[0], &world.devices[1]];
    first.add("tasks", json!({ "id": "seen", "title": "seen" })).expect("added");
    world.converge("ada");
    second.line.set_online(false);
    first.add("tasks", json!({ "id": "t", "title": "not shown" })).expect("added");
    world.pass(10_000);
    let hidden = world.server.changes("ada", &["tasks"]).into_iter().find(|change| change.id.as_str() == "t");
    world.server.withhold(hidden.expect("it is there").event_id);
    second.line.set_online(true);
    second.update("tasks", "seen", json!({ "title": "changed" })).expect("updated");
    world.pass(60_000);
    world.server.show_everything();
    world.pass(60_000);
    assert_eq!(titles(&world), ["changed"], "it comes by no other way");
    second.line.set_online(false);
    second.add("tasks", json!({ "id": "own", "title": "unsent" })).expect("added");
    world
}

/// What the second device shows.
pub fn titles(world: &World) -> Vec<String> {
    let rows = world.devices[1].rows("tasks");
    rows.iter().map(|row| row["title"].as_str().expect("a title").to_owned()).collect()
}

#[test]
fn it_brings_what_is_missing_from_any_tab_and_sends_only_what_was_not_sent() {
    for tab in [0, 1] {
        let world = lacking();
        let device = &world.devices[1];
        let before = world.server.row_count();
        device.open_tab(1);
        world.pass(1_000);
        device.line.set_online(true);
        device.resync_in(tab).expect("everything came");
        assert_eq!(titles(&world), ["unsent", "changed", "not shown"], "asked in tab {tab}");
        assert_eq!(world.server.row_count(), before + 1, "the unsent one");
        assert!(device.engine_rows("rebase").is_empty() && device.engine_rows("rebaseSeen").is_empty());
        world.converge("ada");
    }
}

#[test]
fn what_is_not_there_to_come_stays() {
    let world = lacking();
    let device = &world.devices[1];
    let told = world.server.changes("ada", &["tasks"]).into_iter().filter(|change| change.id.as_str() == "seen");
    told.for_each(|change| world.server.withhold(change.event_id));
    device.line.set_online(true);
    device.resync_in(0).expect("everything came");
    assert_eq!(titles(&world), ["unsent", "changed", "not shown"]);
}

#[test]
fn what_failed_goes_on_by_itself() {
    let world = lacking();
    let device = &world.devices[1];
    device.line.set_online(true);
    for _ in 0..3 {
        device.line.plan("/v2/pull", Fault::ServerError);
    }
    assert_eq!(code(device.resync_in(0)), "sync_failed");
    world.pass(120_000);
    assert_eq!(titles(&world), ["unsent", "changed", "not shown"]);
}

#[test]
fn where_nobody_syncs_it_says_so_and_does_nothing() {
    let world = lacking();
    let device = &world.devices[1];
    device.session().sync_stop();
    assert_eq!(code(device.resync_in(0)), "closed");
    assert!(device.engine_rows("rebase").is_empty());
}

/// Only the cursor tells that a server's log is an older copy.
#[test]
fn what_a_restored_server_lost_is_noticed_before_everything_is_pulled_anew() {
    let world = World::of_ada(1);
    let device = &world.devices[0];
    device.add("tasks", json!({ "id": "early", "title": "early" })).expect("added");
    world.converge("ada");
    let backup = world.server.backup();
    device.add("tasks", json!({ "id": "late", "title": "late" })).expect("added");
    world.converge("ada");
    device.line.set_online(false);
    world.server.restore(&backup);
    device.line.set_online(true);
    device.resync_in(0).expect("everything came");
    world.pass(10_000);
    assert!(
        world.server.changes("ada", &["tasks"]).iter().any(|change| change.id.as_str() == "late"),
        "it is said again"
    );
    world.converge("ada");
}

#[test]
fn what_a_server_lost_while_everything_is_pulled_anew_is_noticed_after_it() {
    for ms in (0..600).step_by(30) {
        let world = World::of_ada(1);
        let device = &world.devices[0];
        for id in ["a", "b", "c", "d"] {
            device.add("tasks", json!({ "id": id, "title": id })).expect("added");
        }
        world.converge("ada");
        let backup = world.server.backup();
        device.add("tasks", json!({ "id": "late", "title": "late" })).expect("added");
        world.converge("ada");
        world.server.set_page(1);
        let session = device.session();
        let asked = world.executor.block_on(99, ms, async move { session.resync().await });
        device.line.set_online(false);
        world.server.restore(&backup);
        device.line.set_online(true);
        drop(asked);
        world.converge("ada");
        let lost = !world.server.changes("ada", &["tasks"]).iter().any(|change| change.id.as_str() == "late");
        assert!(!lost, "restored after {ms} ms");
    }
}

#[test]
fn what_was_pushed_while_everything_was_pulled_anew_is_not_forgotten_by_a_server_unnoticed() {
    let world = World::of_ada(1);
    let device = &world.devices[0];
    for id in ["a", "b", "c", "d"] {
        device.add("tasks", json!({ "id": id, "title": id })).expect("added");
    }
    world.converge("ada");
    let backup = world.server.backup();
    world.server.set_page(1);
    let session = device.session();
    drop(world.executor.block_on(99, 1, async move { session.resync().await }));
    let is_begun = || device.engine_rows("rebase").first().is_some_and(|row| row["wished"] == false);
    assert!(world.executor.run(world.executor.now() + 10_000, is_begun));
    device.line.plan("/v2/pull", Fault::DropRequest);
    device.add("tasks", json!({ "id": "late", "title": "late" })).expect("added");
    let is_over = || device.engine_rows("rebase").is_empty() && device.logged().is_empty();
    assert!(world.executor.run(world.executor.now() + 120_000, is_over));
    world.server.restore(&backup);
    world.pass(40_000);
    assert!(world.server.changes("ada", &["tasks"]).iter().any(|change| change.id.as_str() == "late"));
    world.converge("ada");
}

//! When the server cannot follow a cursor any more: after a restore from an older copy, and after retention.

use mana_simulation::{Fault, Setup, World};
use serde_json::json;

fn add(world: &World, device: usize, id: &str, title: &str) {
    world.devices[device].add("tasks", json!({ "id": id, "title": title })).expect("added");
}

fn rebased(world: &World) -> bool {
    world.devices.iter().any(|device| !device.engine_rows("rebase").is_empty())
}

#[test]
fn what_a_restored_server_lacks_is_logged_again_and_then_all_is_quiet() {
    let world = World::of_ada(2);
    add(&world, 0, "kept", "in the backup");
    world.converge("ada");
    let backup = world.server.backup();
    add(&world, 0, "lost", "after the backup");
    world.devices[1].update("tasks", "kept", json!({ "title": "edited after it" })).expect("written");
    world.converge("ada");
    world.devices[1].line.set_online(false);
    world.devices[1].update("tasks", "lost", json!({ "note": "offline" })).expect("written");
    world.devices[1].add("tasks", json!({ "id": "new", "title": "offline" })).expect("written");
    let stamp = world.devices[0].stored("tasks", "lost")["__fieldMeta"]["title"]["at"].clone();
    world.server.restore(&backup);
    world.converge("ada");
    for device in &world.devices {
        assert_eq!(device.rows("tasks").len(), 3);
        assert_eq!(device.stored("tasks", "kept")["title"], "edited after it");
        assert_eq!(device.stored("tasks", "lost")["note"], "offline");
        assert_eq!(device.stored("tasks", "lost")["__fieldMeta"]["title"]["at"], stamp, "under its own stamp");
    }
    assert!(!rebased(&world));
    let rows = world.server.row_count();
    world.pass(600_000);
    assert_eq!(world.server.row_count(), rows, "nothing is logged again twice");
}

/// The device's cursor is still good, and its log is empty: the receipt alone tells.
#[test]
fn what_was_accepted_and_lost_before_it_came_back_is_logged_again() {
    for answers_lost in [0, 1, 2] {
        let world = World::of_ada(2);
        add(&world, 0, "kept", "in the backup");
        world.converge("ada");
        let backup = world.server.backup();
        let line = &world.devices[0].line;
        line.set_mix("/v2/pull", &[(Fault::DropRequest, 1000)]);
        (0..answers_lost).for_each(|_| line.plan("/v2/push", Fault::LoseAnswer));
        add(&world, 0, "lost", "after the backup");
        world.pass(60_000);
        assert!(world.devices[0].logged().is_empty(), "the server has accepted it");
        world.devices[0].restart();
        world.server.restore(&backup);
        line.set_mix("/v2/pull", &[]);
        add(&world, 1, "other", "written before anybody hears of the restore");
        world.converge("ada");
        assert_eq!(
            world.devices[1].stored("tasks", "lost")["title"],
            "after the backup",
            "{answers_lost} answers lost"
        );
        let shown = line.sent_to("/v2/pull").iter().filter(|body| body.contains("receipt")).count();
        let rows = world.server.row_count();
        world.devices[0].sync().expect("synced");
        let after = line.sent_to("/v2/pull");
        assert!(shown > 0 && !after.last().expect("a pull").contains("receipt"), "shown until it was answered");
        assert_eq!(world.server.row_count(), rows, "nothing is logged again twice");
    }
}

/// Until they are sent, stamps may still be corrected: a second copy in the log would keep the old ones.
#[test]
fn after_a_restore_what_waits_in_the_log_is_not_logged_a_second_time() {
    let world = World::of_ada(2);
    let backup = world.server.backup();
    add(&world, 0, "lost", "after the backup");
    world.converge("ada");
    let line = &world.devices[0].line;
    world.devices[1].line.set_online(false);
    world.server.restore(&backup);
    world.devices[0].session().hurry();
    let limit = world.executor.now() + 60_000;
    assert!(world.executor.run(limit, || rebased(&world)), "the full pull has begun");
    line.set_mix("/v2/push", &[(Fault::DropRequest, 1000)]);
    world.devices[0].update("tasks", "lost", json!({ "title": "waits" })).expect("written");
    add(&world, 0, "new", "waits, too");
    assert!(world.executor.run(limit, || !rebased(&world)), "it has ended");
    let logged = world.devices[0].logged();
    let of = |id: &str| logged.iter().filter(|(_, change)| change["id"] == id).collect::<Vec<_>>();
    assert_eq!(of("new").len(), 1, "its insert waits already");
    let inserts: Vec<_> = of("lost").into_iter().filter(|(_, change)| change["op"] == "insert").collect();
    assert_eq!(inserts.len(), 1, "the server has lost its insert");
    assert!(inserts[0].1["data"]["title"].is_null() && inserts[0].1["fields"]["title"].is_null(), "its title waits");
    line.set_mix("/v2/push", &[]);
    world.converge("ada");
    assert_eq!(world.devices[1].stored("tasks", "lost")["title"], "waits");
}

/// What the device pushed after the restore is on the server; that says nothing of what it had pushed before.
#[test]
fn a_push_after_the_restore_does_not_hide_what_was_lost() {
    let world = World::of_ada(2);
    let backup = world.server.backup();
    let line = &world.devices[0].line;
    line.set_mix("/v2/pull", &[(Fault::DropRequest, 1000)]);
    add(&world, 0, "lost", "after the backup");
    world.pass(60_000);
    world.server.restore(&backup);
    add(&world, 0, "kept", "after the restore");
    world.pass(60_000);
    assert!(world.devices[0].logged().is_empty(), "the server has accepted both");
    line.set_mix("/v2/pull", &[]);
    world.converge("ada");
    assert_eq!(world.devices[1].rows("tasks").len(), 2);
}

#[test]
fn a_fresh_device_gets_everything_from_a_restored_server() {
    let mut world = World::of_ada(1);
    let backup = world.server.backup();
    add(&world, 0, "t", "Milk");
    world.devices[0].update("tasks", "t", json!({ "note": "2 l" })).expect("written");
    world.devices[0].delete("tasks", "t").expect("written");
    world.devices[0].put("tasks", json!({ "id": "t", "title": "Oat milk" })).expect("written");
    world.converge("ada");
    world.server.restore(&backup);
    world.converge("ada");
    world.add(Setup::of("ada")).open();
    world.converge("ada");
    assert_eq!(world.devices[1].rows("tasks")[0]["title"], "Oat milk");
}

#[test]
fn a_record_whose_updates_alone_are_left_is_logged_again_whole() {
    let mut world = World::of_ada(1);
    let backup = world.server.backup();
    add(&world, 0, "t", "Milk");
    world.converge("ada");
    world.server.restore(&backup);
    // Pushed before the device hears of the restore.
    world.devices[0].update("tasks", "t", json!({ "note": "2 l" })).expect("written");
    world.converge("ada");
    world.add(Setup::of("ada")).open();
    world.converge("ada");
    assert_eq!(world.devices[1].rows("tasks")[0]["title"], "Milk");
}

#[test]
fn a_crash_during_a_full_pull_is_taken_up_where_it_stood() {
    for operations in (0..120).step_by(7) {
        let world = World::of_ada(2);
        world.server.set_page(3);
        let backup = world.server.backup();
        (0..10).for_each(|n| add(&world, n % 2, &format!("t{n}"), "Milk"));
        world.converge("ada");
        world.server.restore(&backup);
        world.devices[1].line.set_online(false);
        world.devices[0].power().fail_after(operations);
        world.devices[0].session().hurry();
        world.pass(3000);
        world.devices[0].restart();
        world.converge("ada");
        assert_eq!(world.devices[1].rows("tasks").len(), 10, "power out after {operations} operations");
    }
}

/// The last page is noted when the device dies; the next pull has nothing to add.
#[test]
fn a_crash_after_retention_takes_nothing_that_came() {
    for operations in 0..60 {
        let world = World::of_ada(2);
        (0..4).for_each(|n| add(&world, 0, &format!("t{n}"), "Milk"));
        world.converge("ada");
        let away = &world.devices[1];
        away.line.set_online(false);
        add(&world, 0, "later", "Bread");
        world.pass(60_000);
        world.server.retire("ada", &["t0"]);
        away.power().fail_after(operations);
        away.line.set_online(true);
        away.session().hurry();
        world.pass(3000);
        away.restart();
        world.pass(120_000);
        assert_eq!(away.rows("tasks").len(), 4, "power out after {operations} operations");
    }
}

#[test]
fn after_retention_what_did_not_come_is_gone_and_what_is_unsent_is_kept() {
    let world = World::of_ada(2);
    for id in ["stays", "old", "edited"] {
        add(&world, 0, id, "Milk");
    }
    world.converge("ada");
    let away = &world.devices[1];
    away.line.set_online(false);
    away.update("tasks", "edited", json!({ "title": "offline" })).expect("written");
    away.add("tasks", json!({ "id": "made", "title": "offline" })).expect("written");
    add(&world, 0, "later", "Bread");
    world.pass(60_000);
    world.server.retire("ada", &["old", "edited"]);
    away.line.set_online(true);
    world.pass(120_000);
    let ids: Vec<_> = away.rows("tasks").iter().map(|row| row["id"].clone()).collect();
    assert_eq!(ids, ["edited", "later", "made", "stays"]);
    assert!(away.logged().is_empty() && !rebased(&world));
    let changes = world.server.changes("ada", &["tasks"]);
    assert!(!changes.iter().any(|change| change.id.as_str() == "old"), "nothing else was logged again");
}

//! A device that has no room for what comes.

use mana_simulation::World;
use mana_sync_engine::engine::{Event, State};
use serde_json::json;

#[test]
fn a_page_for_which_there_is_no_room_is_not_applied_and_comes_when_there_is() {
    let world = World::of_ada(2);
    let [phone, laptop] = [&world.devices[0], &world.devices[1]];
    world.converge("ada");
    let before = (laptop.engine_rows("cursor"), laptop.store_rows("tasks"));
    drop(laptop.take_events());
    laptop.power_at(0).expect("it is open").fail_commits(0, u64::MAX);
    phone.add("tasks", json!({ "id": "t", "title": "Milk" })).expect("added");
    world.pass(120_000);
    assert_eq!((laptop.engine_rows("cursor"), laptop.store_rows("tasks")), before, "nothing of it was kept");
    let status = laptop.session().status();
    let code = status.trouble.map(|trouble| trouble.code);
    assert_eq!((status.state, code.as_deref()), (State::StorageFull, Some("quota_exceeded")));
    let is_told = |event: &Event| matches!(event, Event::Status(status) if status.state == State::StorageFull);
    assert!(laptop.take_events().iter().any(is_told));
    assert_eq!(laptop.rows("tasks").len(), 0, "reading goes on");
    let asked = laptop.line.requests_to("/v2/pull");
    world.pass(3_600_000);
    assert!(laptop.line.requests_to("/v2/pull") - asked < 130, "nobody is asked in a storm");
    laptop.power_at(0).expect("it is open").fail_commits(0, 0);
    world.pass(120_000);
    assert_eq!(laptop.session().status().state, State::Synced, "by itself");
    assert_eq!(laptop.rows("tasks")[0]["title"], "Milk");
    world.converge("ada");
}

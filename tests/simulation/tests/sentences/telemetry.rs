//! What the loop tells of its work: how much, how long, and why it failed, and nothing of what was written.

use mana_simulation::{Device, Fault, World};
use mana_sync_engine::engine::{Event, Telemetry};
use serde_json::json;

/// Name, count and code of what a device told since it was last asked.
fn told(device: &Device) -> Vec<(String, usize, Option<String>)> {
    let telemetry = device.take_events().into_iter().filter_map(|event| match event {
        Event::Telemetry(told) => Some(told),
        _ => None,
    });
    let checked = telemetry.inspect(|told: &Telemetry| {
        let is_start = told.name.as_str().ends_with(":start") || told.name.as_str() == "apply:quarantined";
        assert_eq!(told.ms.is_none(), is_start, "{told:?}");
        assert!(told.ms.is_none_or(|ms| (0.0..60_000.0).contains(&ms)), "{told:?}");
        assert!(!format!("{told:?}").contains("Milk"));
    });
    checked.map(|told| (told.name.as_str().to_owned(), told.count, told.code)).collect()
}

fn told_as(all: &[(&str, usize, Option<&str>)]) -> Vec<(String, usize, Option<String>)> {
    all.iter().map(|(name, count, code)| ((*name).to_owned(), *count, code.map(str::to_owned))).collect()
}

#[test]
fn a_round_is_told_step_by_step() {
    let world = World::of_ada(2);
    world.converge("ada");
    let [first, second] = [&world.devices[0], &world.devices[1]];
    world.devices.iter().for_each(|device| drop(told(device)));
    for id in ["a", "b"] {
        first.add("tasks", json!({ "id": id, "title": "Milk" })).expect("added");
    }
    world.pass(5_000);
    let pushed = [("push:start", 2, None), ("push:ok", 2, None)];
    let pulled = |count| [("pull:start", 0, None), ("pull:ok", count, None), ("apply:done", count, None)];
    assert_eq!(told(first)[..5], told_as(&[&pushed[..], &pulled(2)].concat()));
    second.sync().expect("synced");
    assert_eq!(told(second)[..3], told_as(&pulled(2)));
}

#[test]
fn a_failure_is_told_with_its_code() {
    let world = World::of_ada(1);
    world.converge("ada");
    let device = &world.devices[0];
    told(device);
    device.line.plan("/v2/push", Fault::ServerError);
    device.add("tasks", json!({ "id": "a", "title": "Milk" })).expect("added");
    world.pass(10_000);
    let steps = told(device);
    assert_eq!(steps[..2], told_as(&[("push:start", 1, None), ("push:error", 1, Some("server_error"))]));
    assert!(steps.contains(&("push:ok".to_owned(), 1, None)));
    world.server.expire_tokens(u64::MAX);
    device.add("tasks", json!({ "id": "b", "title": "Milk" })).expect("added");
    world.pass(1_000);
    assert!(told(device).contains(&("push:error".to_owned(), 1, Some("unauthorized".to_owned()))));
}

#[test]
fn what_is_set_aside_is_told_with_the_reason() {
    let world = World::of_ada(1);
    world.converge("ada");
    let device = &world.devices[0];
    told(device);
    world.server.on_pull(|changes| changes.extend([json!({ "no": "change" }), json!(7)]));
    device.sync().expect("synced");
    assert!(told(device).contains(&("apply:quarantined".to_owned(), 2, Some("malformed".to_owned()))));
}

//! A server that shows two devices two histories: each of them shows what the user wrote, as far as it was let see it, and
//! nothing else; both go on writing and syncing; and once the server says the same to both, they hold the same again.

use super::rotation::{filled, settle};
use super::sealed::{SECRET, shown, traces};
use super::shadows::title_of;
use mana_simulation::{Device, World};
use mana_sync_engine::engine::Event;
use serde_json::{Value, json};

/// Keeps every change of that record from a device, under cursors that pass it.
fn hide(device: &Device, id: &'static str) {
    device.line.forge(move |body| {
        let Ok(mut answer) = serde_json::from_str::<Value>(body) else { return body.to_owned() };
        if let Some(changes) = answer["changes"].as_array_mut() {
            changes.retain(|change| change["id"] != id);
        }
        answer.to_string()
    });
}

fn words(device: &Device, id: &str) -> Value {
    shown(device, "tasks", id)["title"].clone()
}

fn check_quiet(world: &World) {
    for device in &world.devices {
        assert!(device.logged().is_empty(), "{:?}", device.session().status());
        let told = device.take_events().into_iter().any(|event| matches!(event, Event::Integrity { .. }));
        assert!(!told, "nothing that is not the user's came");
        assert!(!traces(device).contains("marmalade"));
    }
}

#[test]
fn two_histories_show_nothing_but_what_the_user_wrote() {
    let world = filled();
    let [one, other] = [&world.devices[0], &world.devices[1]];
    hide(other, "a");
    one.update("tasks", "a", json!({ "title": format!("{SECRET} newer") })).expect("updated");
    one.update("tasks", "b", json!({ "title": format!("{SECRET} for both") })).expect("updated");
    world.pass(120_000);
    assert_eq!(
        (words(one, "a"), words(one, "b")),
        (json!(format!("{SECRET} newer")), json!(format!("{SECRET} for both")))
    );
    assert_eq!(words(other, "a"), format!("{SECRET} a"), "what it was not let see is as it was");
    assert_eq!(words(other, "b"), format!("{SECRET} for both"));
    other.update("tasks", "a", json!({ "note": "from the other branch" })).expect("it can be written");
    world.pass(120_000);
    check_quiet(&world);
    assert_eq!(shown(one, "tasks", "a")["note"], "from the other branch", "what it wrote is not taken for older");
    assert_eq!(title_of(other), format!("{SECRET} a"));
    // The server says the same to both again: with the next change of the field, they agree.
    other.line.forge(str::to_owned);
    one.update("tasks", "a", json!({ "title": format!("{SECRET} newest") })).expect("updated");
    settle(&world);
    check_quiet(&world);
    assert_eq!(words(other, "a"), format!("{SECRET} newest"));
}

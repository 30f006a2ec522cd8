//! Two devices of one person and a server: what people expect of them.

use mana_simulation::calls::row;
use mana_simulation::oracle;
use mana_simulation::{Fault, World};
use mana_sync_engine::engine::{Event, Write};
use mana_sync_engine::store::Key;
use serde_json::{Value, json};

fn task(id: &str, title: &str) -> Value {
    json!({ "id": id, "title": title, "done": false })
}

fn conflicts(events: &[Event]) -> Vec<(String, Value)> {
    let conflict = |event: &Event| match event {
        Event::Conflict(conflict) => Some((conflict.field.clone(), conflict.local.value.clone())),
        _ => None,
    };
    events.iter().filter_map(conflict).collect()
}

/// Two devices that both have the task `t`.
fn with_a_task() -> World {
    let world = World::of_ada(2);
    world.devices[0].add("tasks", task("t", "Milk")).expect("added");
    world.converge("ada");
    world.devices.iter().for_each(|device| drop(device.take_events()));
    world
}

fn offline(world: &World) {
    world.devices.iter().for_each(|device| device.line.set_online(false));
}

#[test]
fn what_one_device_adds_the_other_shows() {
    let world = World::of_ada(2);
    world.devices[0].add("tasks", task("t", "Milk")).expect("added");
    world.devices[1].add("settings", json!({ "id": "theme", "dark": true })).expect("added");
    world.converge("ada");
    assert_eq!(world.devices[1].rows("tasks")[0]["title"], "Milk");
    assert_eq!(world.devices[0].rows("settings")[0]["dark"], true);
}

#[test]
fn a_title_here_and_a_due_date_there_both_survive() {
    let world = with_a_task();
    let [phone, laptop] = &world.devices[..] else { panic!("two devices") };
    offline(&world);
    phone.update("tasks", "t", json!({ "title": "Oat milk" })).expect("written");
    laptop.update("tasks", "t", json!({ "due": "2026-02-01" })).expect("written");
    world.converge("ada");
    for device in &world.devices {
        let row = &device.rows("tasks")[0];
        assert_eq!((&row["title"], &row["due"]), (&json!("Oat milk"), &json!("2026-02-01")));
        assert_eq!(conflicts(&device.take_events()), []);
    }
}

#[test]
fn a_local_value_that_lost_unseen_is_reported_once_and_only_where_it_lost() {
    let world = with_a_task();
    let [phone, laptop] = &world.devices[..] else { panic!("two devices") };
    offline(&world);
    phone.update("tasks", "t", json!({ "title": "Oat milk" })).expect("written");
    world.pass(1000);
    laptop.update("tasks", "t", json!({ "title": "Soy milk" })).expect("written");
    world.converge("ada");
    assert_eq!(phone.rows("tasks")[0]["title"], "Soy milk");
    assert_eq!(conflicts(&phone.take_events()), [("title".to_owned(), json!("Oat milk"))]);
    assert_eq!(conflicts(&laptop.take_events()), []);
}

#[test]
fn an_edit_made_after_seeing_is_no_conflict() {
    let world = with_a_task();
    world.devices[0].update("tasks", "t", json!({ "title": "Oat milk" })).expect("written");
    world.converge("ada");
    world.devices[1].update("tasks", "t", json!({ "title": "Soy milk" })).expect("written");
    world.converge("ada");
    assert!(world.devices.iter().all(|device| conflicts(&device.take_events()).is_empty()));
}

#[test]
fn an_edit_after_seeing_is_no_conflict_even_when_an_unseen_one_came_before_it() {
    let world = with_a_task();
    let [phone, laptop] = &world.devices[..] else { panic!("two devices") };
    laptop.line.set_online(false);
    laptop.update("tasks", "t", json!({ "title": "Soy milk" })).expect("written");
    world.pass(1000);
    phone.update("tasks", "t", json!({ "title": "Oat milk" })).expect("written");
    world.pass(5000);
    // The laptop hears of the newer title while its pushes fail, and then writes a third one.
    for _ in 0..40 {
        laptop.line.plan("/v2/push", Fault::DropRequest);
    }
    laptop.line.set_online(true);
    let changes =
        world.server.changes("ada", &["tasks"]).iter().map(mana_sync_engine::model::Change::to_json).collect();
    let page = mana_sync_engine::engine::Page { changes, ..Default::default() };
    let engine = laptop.engine();
    let applied = world.executor.block_on(99, 1000, async move { engine.apply(page).await });
    applied.expect("no wait").expect("applied").expect("the clock is known");
    assert_eq!(laptop.rows("tasks")[0]["title"], "Oat milk");
    laptop.update("tasks", "t", json!({ "title": "Rice milk" })).expect("written");
    world.converge("ada");
    assert_eq!(phone.rows("tasks")[0]["title"], "Rice milk");
    assert_eq!(conflicts(&phone.take_events()), [], "the laptop had seen the phone's title");
}

#[test]
fn a_delete_here_and_an_edit_there_keep_both() {
    let world = with_a_task();
    let [phone, laptop] = &world.devices[..] else { panic!("two devices") };
    offline(&world);
    phone.delete("tasks", "t").expect("written");
    laptop.update("tasks", "t", json!({ "title": "Oat milk" })).expect("written");
    world.converge("ada");
    assert!(world.devices.iter().all(|device| device.rows("tasks").is_empty()));
    assert_eq!(phone.stored("tasks", "t")["title"], "Oat milk");
    laptop.restore("tasks", "t").expect("written");
    world.converge("ada");
    assert_eq!(phone.rows("tasks")[0]["title"], "Oat milk");
}

#[test]
fn a_put_over_a_tombstone_is_a_new_record_everywhere() {
    let world = with_a_task();
    let [phone, laptop] = &world.devices[..] else { panic!("two devices") };
    phone.delete("tasks", "t").expect("written");
    world.converge("ada");
    laptop.put("tasks", json!({ "id": "t", "note": "new" })).expect("written");
    world.converge("ada");
    for device in &world.devices {
        let row = &device.rows("tasks")[0];
        assert_eq!((&row["note"], &row["title"]), (&json!("new"), &Value::Null));
        assert!(device.add("tasks", task("t", "again")).is_err(), "it is there");
    }
}

#[test]
fn a_field_left_out_by_put_is_gone_everywhere() {
    let world = with_a_task();
    world.devices[0].put("tasks", json!({ "id": "t", "title": "Milk" })).expect("written");
    world.converge("ada");
    assert_eq!(world.devices[1].rows("tasks")[0]["done"], Value::Null);
}

#[test]
fn a_lost_push_answer_sends_the_same_again_and_stores_it_once() {
    let world = with_a_task();
    let phone = &world.devices[0];
    let (before, rows) = (phone.line.sent_to("/v2/push").len(), world.server.row_count());
    phone.line.plan("/v2/push", Fault::LoseAnswer);
    phone.line.plan("/v2/push", Fault::LoseAnswer);
    phone.update("tasks", "t", json!({ "title": "Oat milk" })).expect("written");
    world.pass(300);
    phone.update("tasks", "t", json!({ "title": "Soy milk" })).expect("written");
    world.converge("ada");
    let sent = &phone.line.sent_to("/v2/push")[before..];
    assert_eq!(sent.len(), 4, "twice lost, once heard, then the second edit");
    assert!(sent[0] == sent[1] && sent[1] == sent[2], "byte for byte");
    assert_eq!(world.server.row_count(), rows + 2);
}

#[test]
fn unsent_updates_travel_as_one_with_the_first_prev_and_never_across_a_delete() {
    let world = with_a_task();
    let phone = &world.devices[0];
    let before = phone.stored("tasks", "t")["__fieldMeta"]["title"]["at"].clone();
    phone.line.set_online(false);
    for title in ["A", "B", "C"] {
        phone.update("tasks", "t", json!({ "title": title })).expect("written");
    }
    let logged: Vec<Value> = phone.logged().into_iter().map(|(_, change)| change).collect();
    assert_eq!(logged.len(), 3);
    assert_eq!(logged[0]["fields"]["title"]["before"], json!({ "value": "Milk", "at": before }));
    phone.delete("tasks", "t").expect("written");
    phone.restore("tasks", "t").expect("written");
    phone.update("tasks", "t", json!({ "title": "D" })).expect("written");
    let rows = world.server.row_count();
    world.converge("ada");
    assert_eq!(world.server.row_count(), rows + 3, "updates, the delete, updates");
    let changes = world.server.changes("ada", &["tasks"]);
    let merged = changes[changes.len() - 3].to_json();
    assert_eq!(merged["fields"]["title"]["value"], "C");
    assert_eq!(merged["fields"]["title"]["prev"], before);
    assert!(!logged.iter().any(|change| change["eventId"] == merged["eventId"]), "under a new id");
}

#[test]
fn bulk_writes_and_small_pages_arrive_whole() {
    let world = World::of_ada(2);
    world.server.set_page(7);
    let rows = (0..450).map(|n| row(task(&format!("t{n}"), "x"))).collect();
    world.devices[0].transact(vec![("tasks", Write::Add(rows))]).expect("written");
    let keys = (0..450).step_by(3).map(|n| Key::text(&format!("t{n}"))).collect();
    world.devices[0].transact(vec![("tasks", Write::Delete(keys))]).expect("written");
    world.converge("ada");
    assert_eq!(world.devices[1].rows("tasks").len(), 300);
    assert_eq!(oracle::replica(&world.devices[1]).len(), 450);
}

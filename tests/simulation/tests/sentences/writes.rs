//! What a write refuses, and what it leaves alone; whose database it is.

use mana_simulation::calls::{code, row};
use mana_simulation::setup::user_named;
use mana_simulation::{Setup, World};
use mana_sync_engine::engine::{Event, Write};
use mana_sync_engine::model::{Space, SpaceId};
use serde_json::{Value, json};

fn space(id: &str, kind: &str, role: &str) -> Space {
    Space { id: SpaceId::parse(id).expect("a space"), kind: Some(kind.into()), role: Some(role.into()) }
}

fn member() -> Setup {
    let spaces =
        vec![space("home", "personal", "owner"), space("club", "club", "member"), space("hall", "club", "viewer")];
    Setup { spaces, ..Setup::of("ada") }
}

#[test]
fn a_refused_write_leaves_nothing_and_the_database_usable() {
    let world = World::with(1, vec![member()]);
    let device = &world.devices[0];
    device.line.set_online(false);
    device.add("tasks", json!({ "id": "t", "title": "Milk" })).expect("added");
    let before = (device.store_rows("tasks"), device.store_rows("_changeLog"));
    let nested = (0..70).fold(json!(1), |inner, _| json!([inner]));
    for (expected, record) in [
        ("unknown_space", json!({ "id": "a", "spaceId": "elsewhere" })),
        ("read_only_space", json!({ "id": "a", "spaceId": "hall" })),
        ("immutable_field", json!({ "id": "a", "authorId": "bob" })),
        ("reserved_field", json!({ "id": "a", "deletedAt": "2026-01-01T00:00:00.000Z" })),
        ("value_not_syncable", json!({ "id": "a", "title": "a\u{0}b" })),
        ("value_not_syncable", json!({ "id": "a", "deep": nested })),
        ("value_not_syncable", json!({ "id": "a", "odd": { "constructor": 1 } })),
        ("invalid_record", json!({ "id": 7 })),
        ("invalid_record", json!({ "id": "" })),
        ("invalid_record", json!({ "id": "__proto__" })),
        ("already_exists", json!({ "id": "t" })),
    ] {
        // A good write in the same transaction goes, too.
        let writes = vec![
            ("tasks", Write::Add(vec![row(json!({ "id": "good" }))])),
            ("tasks", Write::Add(vec![row(record.clone())])),
        ];
        assert_eq!(code(device.transact(writes)), expected, "{record}");
        assert_eq!((device.store_rows("tasks"), device.store_rows("_changeLog")), before, "{record}");
    }
    for (expected, changes) in [
        ("immutable_field", json!({ "spaceId": "club" })),
        ("immutable_field", json!({ "authorId": "bob" })),
        ("immutable_field", json!({ "id": "u" })),
        ("reserved_field", json!({ "deletedAt": "2026-01-01T00:00:00.000Z" })),
        ("value_not_syncable", json!({ "title": { "__proto__": 1 } })),
    ] {
        assert_eq!(code(device.update("tasks", "t", changes.clone())), expected, "{changes}");
    }
    assert_eq!(code(device.add("attic", json!({ "id": "a" }))), "unknown_table");
    assert_eq!((device.store_rows("tasks"), device.store_rows("_changeLog")), before);
    device.update("tasks", "t", json!({ "title": "Oat milk" })).expect("it goes on");
}

#[test]
fn a_value_that_cannot_travel_is_named_by_its_path() {
    let world = World::of_ada(1);
    let refused = world.devices[0].add("tasks", json!({ "id": "a", "list": [1, { "x": "\u{0}" }] })).unwrap_err();
    assert_eq!(refused.details()["path"], "list[1].x");
}

#[test]
fn a_write_that_changes_nothing_logs_nothing() {
    let world = World::of_ada(1);
    let device = &world.devices[0];
    device.line.set_online(false);
    device.add("tasks", json!({ "id": "t", "title": "Milk", "tags": { "a": 1, "b": [1.0] } })).expect("added");
    let log = device.logged().len();
    assert_eq!(
        device.update("tasks", "t", json!({ "title": "Milk", "tags": { "b": [1], "a": 1 } })).expect("taken").count,
        0
    );
    assert_eq!(
        device.put("tasks", json!({ "id": "t", "title": "Milk", "tags": { "a": 1, "b": [1] } })).expect("taken").count,
        0
    );
    assert_eq!(device.update("tasks", "none", json!({ "title": "x" })).expect("taken").count, 0);
    assert_eq!(device.delete("tasks", "none").expect("taken").count, 0);
    assert_eq!(device.restore("tasks", "t").expect("taken").count, 0);
    assert_eq!(device.logged().len(), log);
    let stamped = device.stored("tasks", "t")["__fieldMeta"]["title"].clone();
    device.update("tasks", "t", json!({ "title": "Milk", "done": true })).expect("taken");
    assert_eq!(device.stored("tasks", "t")["__fieldMeta"]["title"], stamped, "only what differs is stamped");
}

#[test]
fn new_records_carry_id_space_author_and_visibility() {
    let world = World::with(1, vec![member()]);
    let device = &world.devices[0];
    device.add("tasks", json!({ "title": "Milk" })).expect("added");
    device.add("settings", json!({ "id": "theme" })).expect("added");
    let task = &device.rows("tasks")[0];
    assert_eq!(task["id"].as_str().map(str::len), Some(36));
    assert_eq!(
        (&task["spaceId"], &task["authorId"], &task["visibility"]),
        (&json!("home"), &json!("ada"), &json!("space"))
    );
    assert_eq!(device.stored("settings", "theme")["userId"], "ada");
    assert_eq!(device.stored("settings", "theme")["spaceId"], Value::Null);
    world.converge("ada");
    let sent = world.server.changes("ada", &["tasks"])[0].to_json();
    assert_eq!(sent["spaceId"], "_personal:ada", "one's own space travels under its alias");
}

#[test]
fn a_handle_of_another_actor_marks_its_writes() {
    let world = World::of_ada(2);
    let actor = json!({ "kind": "ai", "principalId": "helper", "displayName": "Helper" });
    let write = Write::Add(vec![row(json!({ "id": "t", "title": "Milk" }))]);
    world.devices[0].try_transact(Some(actor.clone()), vec![("tasks", write)]).expect("alive").expect("added");
    let mark = world.devices[0].stored("tasks", "t")["__fieldMeta"]["title"].clone();
    assert_eq!((&mark["actor"], &mark["origin"]), (&actor, &json!("agent")));
    world.converge("ada");
    let mark = world.devices[1].stored("tasks", "t")["__fieldMeta"]["title"].clone();
    assert_eq!((&mark["actor"], &mark["origin"]), (&actor, &json!("server-replay")));
    world.devices[0].update("tasks", "t", json!({ "title": "Oat milk" })).expect("written");
    assert_eq!(world.devices[0].stored("tasks", "t")["__fieldMeta"]["title"]["actor"]["kind"], "user");
}

#[test]
fn a_deleted_record_stays_as_a_tombstone_that_reads_leave_out() {
    let world = World::of_ada(1);
    let device = &world.devices[0];
    device.add("tasks", json!({ "id": "t", "title": "Milk" })).expect("added");
    device.delete("tasks", "t").expect("deleted");
    assert!(device.rows("tasks").is_empty());
    let stored = device.stored("tasks", "t");
    assert_eq!(stored["deletedAt"], stored["__fieldMeta"]["deletedAt"]["at"]);
    assert_eq!(device.update("tasks", "t", json!({ "title": "x" })).expect("taken").count, 0);
    device.restore("tasks", "t").expect("restored");
    assert_eq!(device.rows("tasks")[0]["title"], "Milk");
}

#[test]
fn a_guest_writes_without_log_and_a_database_belongs_to_its_first_user() {
    let mut world = World::new(1);
    world.add(Setup { user: None, ..Setup::of("ada") }).open();
    let device = &world.devices[0];
    device.add("tasks", json!({ "id": "t", "title": "Milk" })).expect("added");
    assert!(device.logged().is_empty());
    assert_eq!(device.stored("tasks", "t")["__fieldMeta"]["title"]["actor"]["principalId"], "guest");
    let sign_in = |name: &'static str| {
        let engine = device.engine();
        let done = world.executor.block_on(99, 10, async move { engine.set_user(Some(user_named(name))).await });
        done.expect("no wait")
    };
    sign_in("ada").expect("the first user");
    assert_eq!(code(sign_in("bob")), "other_user");
    device.close();
    device.update_app(Setup::of("ada"));
    device.add("tasks", json!({ "id": "u", "title": "Bread" })).expect("added");
    device.close();
    let refused = std::panic::AssertUnwindSafe(|| device.update_app(Setup::of("bob")));
    assert!(std::panic::catch_unwind(refused).is_err(), "another user does not open it");
}

#[test]
fn local_tables_take_anything_and_never_sync() {
    let world = World::of_ada(2);
    let device = &world.devices[0];
    device.add("notes", json!({ "text": "\u{0}", "deletedAt": 1 })).expect("added");
    assert_eq!(device.rows("notes")[0]["id"], 1);
    world.converge("ada");
    assert!(device.logged().is_empty() && world.devices[1].rows("notes").is_empty());
}

#[test]
fn a_rejected_change_becomes_a_dead_letter_and_the_rest_is_stored() {
    let mut world = World::new(1);
    // The device believes in a membership that the server does not know of.
    world.add(member());
    world.server.set_spaces("ada", vec![space("home", "personal", "owner")]);
    world.devices[0].open();
    let device = &world.devices[0];
    device
        .transact(vec![
            ("tasks", Write::Add(vec![row(json!({ "id": "a", "title": "Mine" }))])),
            ("tasks", Write::Add(vec![row(json!({ "id": "b", "title": "Theirs", "spaceId": "club" }))])),
            ("tasks", Write::Add(vec![row(json!({ "id": "c", "title": "Mine, too" }))])),
        ])
        .expect("written");
    let ticket = device.add("tasks", json!({ "id": "d", "spaceId": "club" })).expect("written").ticket.expect("logged");
    let engine = device.engine();
    let synced = world.executor.block_on(99, 60_000, async move { engine.when_synced(ticket).await });
    assert_eq!(code(synced.expect("an answer comes")), "rejected");
    world.pass(60_000);
    assert!(device.logged().is_empty());
    assert_eq!(world.server.row_count(), 2);
    let letters = device.engine_rows("letter");
    assert_eq!(letters.len(), 2);
    assert!(letters.iter().all(|letter| letter["code"] == "not_a_member" && letter["change"]["data"].is_object()));
    let told = device.take_events().into_iter().filter(|event| matches!(event, Event::DeadLetter { .. })).count();
    assert_eq!((told, device.rows("tasks").len()), (2, 4));
}

#[test]
fn a_server_behind_the_apps_schema_stops_the_push_and_loses_nothing() {
    let world = World::of_ada(1);
    world.server.set_max_schema("todo", 0);
    world.devices[0].add("tasks", json!({ "id": "t", "title": "Milk" })).expect("added");
    world.pass(60_000);
    assert_eq!(world.devices[0].session().status().state.as_str(), "update-required");
    assert_eq!(world.devices[0].logged().len(), 1);
    world.server.set_max_schema("todo", 9);
    world.devices[0].session().hurry();
    world.converge("ada");
    assert_eq!(world.server.row_count(), 1);
}

#[test]
fn over_the_quota_a_device_still_hears_what_others_wrote() {
    let world = World::of_ada(2);
    let [phone, laptop] = &world.devices[..] else { panic!("two devices") };
    laptop.add("tasks", json!({ "id": "a", "title": "Milk" })).expect("added");
    world.converge("ada");
    phone.line.set_online(false);
    laptop.add("tasks", json!({ "id": "b", "title": "Oats" })).expect("added");
    world.pass(60_000);
    world.server.set_quota(Some(1));
    phone.add("tasks", json!({ "id": "c", "title": "Rye" })).expect("added");
    phone.line.set_online(true);
    phone.session().hurry();
    world.pass(60_000);
    let problem = phone.session().status().trouble.expect("it is told");
    assert_eq!((phone.session().status().state.as_str(), &*problem.code), ("error", "storage_quota_exceeded"));
    assert_eq!(phone.rows("tasks").len(), 3, "the laptop's came");
    assert_eq!(phone.logged().len(), 1, "its own stays");
    world.server.set_quota(None);
    world.converge("ada");
    assert_eq!(laptop.rows("tasks").len(), 3);
}

#[test]
fn a_token_that_ends_is_refreshed_once_and_a_signed_out_user_is_asked_for() {
    let world = World::of_ada(1);
    let device = &world.devices[0];
    world.server.expire_tokens(device.line.next_token());
    device.add("tasks", json!({ "id": "t", "title": "Milk" })).expect("added");
    world.converge("ada");
    let tokens = device.line.next_token();
    device.line.set_signed_in(false);
    world.server.expire_tokens(tokens + 100);
    device.update("tasks", "t", json!({ "title": "Oat milk" })).expect("written");
    world.pass(60_000);
    assert_eq!(device.session().status().state.as_str(), "needs-auth");
    assert_eq!(device.logged().len(), 1);
    device.line.set_signed_in(true);
    world.server.expire_tokens(0);
    device.session().hurry();
    world.converge("ada");
}

//! Whose records are whose in one database: a guest's, its owner's, and what the server refused of them.

use mana_simulation::calls::{code, row};
use mana_simulation::setup::user_named;
use mana_simulation::{Setup, World};
use mana_sync_engine::engine::Write;
use mana_sync_engine::model::{Space, SpaceId};
use serde_json::json;

fn guest() -> Setup {
    Setup { user: None, ..Setup::of("ada") }
}

/// A guest's device that ada signs in on, with what the guest wrote.
fn guest_who_becomes_ada() -> World {
    let mut world = World::new(3);
    world.add(guest()).open();
    let device = &world.devices[0];
    device.add("tasks", json!({ "id": "g", "title": "a guest's" })).expect("added");
    device.add("settings", json!({ "id": "theme", "value": "dark" })).expect("added");
    let session = device.session();
    let done = world.executor.block_on(99, 10, async move { session.set_user(Some(user_named("ada"))).await });
    done.expect("no wait").expect("the first user");
    world
}

#[test]
fn a_guests_records_outlive_a_rebase_and_are_never_sent() {
    let mut world = guest_who_becomes_ada();
    world.add(Setup::of("ada")).open();
    world.devices[1].add("tasks", json!({ "id": "old", "title": "Milk" })).expect("added");
    world.pass(60_000);
    let backup = world.server.backup();
    world.devices[1].add("tasks", json!({ "id": "new", "title": "Bread" })).expect("added");
    world.pass(60_000);
    world.server.restore(&backup);
    world.pass(120_000);
    world.server.retire("ada", &["old"]);
    world.devices[1].add("tasks", json!({ "id": "newer", "title": "Tea" })).expect("added");
    world.pass(120_000);
    assert_eq!(world.devices[0].stored("tasks", "g")["title"], "a guest's");
    assert_eq!(world.devices[0].stored("settings", "theme")["value"], "dark");
    let sent = world.server.changes("ada", &["tasks", "settings"]);
    assert!(sent.iter().all(|change| change.id.as_str() != "g" && change.id.as_str() != "theme"));
}

#[test]
fn a_user_does_not_write_over_what_a_guest_left() {
    let world = guest_who_becomes_ada();
    let device = &world.devices[0];
    let before = device.stored("settings", "theme");
    assert_eq!(code(device.put("settings", json!({ "id": "theme", "value": "light" }))), "other_user");
    assert_eq!(code(device.update("settings", "theme", json!({ "value": "light" }))), "other_user");
    assert_eq!(code(device.delete("settings", "theme")), "other_user");
    assert_eq!(code(device.update("tasks", "g", json!({ "title": "mine" }))), "other_user");
    assert_eq!(device.stored("settings", "theme"), before);
    assert!(device.logged().is_empty());
}

#[test]
fn a_private_record_of_another_member_is_not_written_over() {
    let mut world = World::new(3);
    let club = Space { id: SpaceId::parse("club").expect("an id"), kind: Some("family".to_owned()), role: None };
    world.add(Setup { spaces: vec![club], ..Setup::of("ada") });
    let device = &world.devices[0];
    device.open();
    device.add("tasks", json!({ "id": "p", "title": "a", "spaceId": "club", "visibility": "private" })).expect("added");
    let mut planted = device.stored("tasks", "p");
    device.update("tasks", "p", json!({ "title": "b" })).expect("her own");
    device.close();
    planted["authorId"] = json!("bob");
    planted["id"] = json!("q");
    device.store_put("tasks", planted.clone());
    device.open();
    let logged = device.logged().len();
    assert_eq!(code(device.update("tasks", "q", json!({ "title": "mine" }))), "other_user");
    assert_eq!(code(device.put("tasks", json!({ "id": "q", "title": "mine" }))), "other_user");
    assert_eq!(code(device.delete("tasks", "q")), "other_user");
    assert_eq!((device.stored("tasks", "q"), device.logged().len()), (planted, logged));
}

#[test]
fn a_guest_neither_sees_nor_changes_what_the_owner_left() {
    let world = World::of_ada(1);
    let device = &world.devices[0];
    device.add("tasks", json!({ "id": "t", "title": "ada's" })).expect("added");
    device.add("settings", json!({ "id": "theme", "value": "dark" })).expect("added");
    world.pass(60_000);
    device.close();
    device.update_app(guest());
    assert!(device.rows("tasks").is_empty() && device.rows("settings").is_empty());
    let engine = device.engine();
    let keys = [mana_sync_engine::store::Key::text("t")];
    let found = world.executor.block_on(99, 10, async move { engine.get_many("tasks", &keys).await });
    assert!(found.expect("no wait").expect("reads")[0].is_none());
    assert_eq!(code(device.update("tasks", "t", json!({ "title": "a guest's" }))), "unknown_space");
    assert_eq!(code(device.put("settings", json!({ "id": "theme", "value": "light" }))), "other_user");
    assert_eq!(device.stored("tasks", "t")["title"], "ada's");
}

#[test]
fn a_write_merged_into_a_refused_one_is_told_so_now_and_later() {
    let club = |role: &str| Space {
        id: SpaceId::parse("club").expect("a space"),
        kind: Some("club".into()),
        role: Some(role.into()),
    };
    let mut world = World::new(5);
    world.add(Setup { spaces: vec![club("member")], ..Setup::of("ada") });
    world.server.set_spaces("ada", vec![club("member")]);
    world.devices[0].open();
    let device = &world.devices[0];
    device.add("tasks", json!({ "id": "t", "title": "Milk", "spaceId": "club" })).expect("added");
    world.pass(60_000);
    world.server.set_spaces("ada", vec![club("viewer")]);
    device.line.set_online(false);
    let tickets = ["Oat milk", "Almond milk"]
        .map(|title| device.update("tasks", "t", json!({ "title": title })).expect("written").ticket.expect("logged"));
    let waiting = tickets.map(|ticket| {
        let engine = device.engine();
        (ticket, async move { engine.when_synced(ticket).await })
    });
    device.line.set_online(true);
    for (ticket, wait) in waiting {
        let synced = world.executor.block_on(99, 300_000, wait).expect("an answer comes");
        assert_eq!(code(synced), "rejected", "{ticket}");
        let engine = device.engine();
        let late = world.executor.block_on(99, 10, async move { engine.when_synced(ticket).await });
        assert_eq!(code(late.expect("no wait")), "rejected", "{ticket}, asked later");
    }
}

#[test]
fn a_transaction_that_ends_with_a_refused_row_writes_none() {
    let world = World::of_ada(1);
    let device = &world.devices[0];
    let tasks = vec![row(json!({ "id": "a" })), row(json!({ "id": "b" }))];
    device.transact(vec![("tasks", Write::Add(tasks))]).expect("added");
    let update = |id: &str, changes| (mana_sync_engine::store::Key::text(id), row(changes));
    let items = vec![update("a", json!({ "title": "new" })), update("b", json!({ "authorId": "bob" }))];
    assert_eq!(code(device.transact(vec![("tasks", Write::Update(items))])), "bulk_failed");
    assert!(device.stored("tasks", "a")["title"].is_null());
    let twice = vec![row(json!({ "id": "c" })), row(json!({ "id": "c" }))];
    assert_eq!(code(device.transact(vec![("tasks", Write::Add(twice))])), "bulk_failed");
    assert!(device.stored("tasks", "c").is_null());
}

#[test]
fn a_value_no_request_can_carry_is_refused_at_the_write() {
    let world = World::of_ada(1);
    let device = &world.devices[0];
    let large = "x".repeat(8 * 1024 * 1024);
    assert_eq!(code(device.add("tasks", json!({ "id": "a", "title": large }))), "value_not_syncable");
    device.add("tasks", json!({ "id": "b", "title": "small" })).expect("added");
}

#[test]
fn spaces_are_known_to_a_start_without_a_list_and_one_of_the_users_own_stays_so() {
    let space = |kind: &str| Space {
        id: SpaceId::parse("home").expect("an id"),
        kind: Some(kind.to_owned()),
        role: Some("owner".to_owned()),
    };
    let world = World::with(1, vec![Setup { spaces: vec![space("personal")], ..Setup::of("ada") }]);
    let device = &world.devices[0];
    let written = device.add("tasks", json!({ "id": "t", "title": "Milk", "spaceId": "home" }));
    written.expect("the space is known");
    device.update_app(Setup { spaces: vec![space("family")], ..Setup::of("ada") });
    let kinds = || device.engine().config().spaces.iter().map(|space| space.kind.clone()).collect::<Vec<_>>();
    assert_eq!(kinds(), [Some("personal".to_owned())], "opened with a list that says otherwise");
    assert_eq!(code(device.set_spaces(vec![space("family")])), "space_type_changed");
    device.update_app(Setup { lists_spaces: false, ..Setup::of("ada") });
    assert_eq!(kinds(), [Some("personal".to_owned())], "opened without a list");
}

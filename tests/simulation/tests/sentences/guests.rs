//! What a guest wrote is taken into the account of who signs in: once, whole, sealed, and over nothing that is there.

use super::sealed::{SECRET, setup, shown, traces};
use mana_simulation::calls::{code, row};
use mana_simulation::{Device, Setup, World};
use mana_sync_engine::crypto::Envelope;
use mana_sync_engine::engine::Write;
use mana_sync_engine::model::{SpaceId, Visibility};
use mana_sync_engine::store::Key;
use serde_json::{Value, json};

/// More than a page of them.
const TASKS: usize = 120;

fn guest() -> Setup {
    Setup { user: None, spaces: Vec::new(), ..setup() }
}

/// A world with the device of a guest, who will be ada, and other devices of hers with her key.
fn world_of(first: Setup, others: usize) -> World {
    let mut world = World::new(1);
    world.server.set_spaces("ada", setup().spaces);
    let device = world.add(setup());
    device.install_app(first);
    device.try_open().expect("it opens, and syncs with nobody");
    for _ in 0..others {
        let other = world.add(setup());
        other.open();
        other.unlock(7).expect("unlocked");
    }
    world.pass(5_000);
    world
}

fn system() -> Value {
    json!({ "kind": "system", "principalId": "starter" })
}

/// What a guest may have left.
fn write_as_guest(device: &Device) {
    let task = |n: usize| row(json!({ "id": format!("g{n:03}"), "title": format!("{SECRET} {n}"), "due": "plain" }));
    device.transact(vec![("tasks", Write::Add((0..TASKS).map(task).collect()))]).expect("added");
    device.add("settings", json!({ "id": "theme", "value": format!("{SECRET} dark") })).expect("added");
    let starters =
        vec![row(json!({ "id": "starter", "title": "Welcome" })), row(json!({ "id": "kept", "title": "Tour" }))];
    device.try_transact(Some(system()), vec![("tasks", Write::Add(starters))]).expect("it lives").expect("added");
    device.update("tasks", "kept", json!({ "note": format!("{SECRET} of mine") })).expect("updated");
    device.add("tasks", json!({ "id": "gone", "title": SECRET })).expect("added");
    device.delete("tasks", "gone").expect("deleted");
}

/// A guest's device, and one on which ada, who has an account, works.
fn world() -> World {
    let world = world_of(guest(), 1);
    write_as_guest(&world.devices[0]);
    let other = &world.devices[1];
    other.add("tasks", json!({ "id": "hers", "title": format!("{SECRET} of hers") })).expect("added");
    world.pass(5_000);
    world
}

/// Ada signs in where the guest was.
fn signed_in(world: &World) -> &Device {
    let device = &world.devices[0];
    device.update_app(setup());
    device.unlock(7).expect("unlocked");
    device
}

fn is_sealed(value: &Value) -> bool {
    value.as_str().is_some_and(|text| Envelope::parse(text).is_some())
}

/// No record of a guest's was sent twice.
fn check_said_once(world: &World) {
    let mut said: Vec<_> = world.server.changes("ada", &["tasks", "settings"]);
    said.retain(|change| change.id.as_str().starts_with('g') || change.id.as_str() == "theme");
    let count = said.len();
    said.sort_by_key(|change| change.id.to_string());
    said.dedup_by_key(|change| change.id.to_string());
    assert_eq!(said.len(), count, "a record is said once");
}

/// Everything has arrived, and nothing of it in plaintext.
fn check_arrived(world: &World) {
    check_said_once(world);
    for device in &world.devices {
        for n in [0, 99, 100, TASKS - 1] {
            let task = shown(device, "tasks", &format!("g{n:03}"));
            assert_eq!((&task["title"], &task["due"]), (&json!(format!("{SECRET} {n}")), &json!("plain")));
        }
        assert_eq!(shown(device, "settings", "theme")["value"], format!("{SECRET} dark"));
        assert_eq!(shown(device, "tasks", "kept")["note"], format!("{SECRET} of mine"));
        assert_eq!(device.stored("tasks", "starter"), Value::Null, "the account has its own");
        assert!(!traces(device).contains("marmalade"), "no trace of it");
    }
}

#[test]
fn what_a_guest_wrote_reaches_the_others_sealed_and_under_its_stamps() {
    let world = world();
    let before = world.devices[0].stored("tasks", "g000")["__fieldMeta"]["title"]["at"].clone();
    assert!(world.devices[0].logged().is_empty());
    let device = signed_in(&world);
    let expected = device.guest_data();
    assert_eq!((expected.adopted, expected.dropped), (TASKS + 2, 1));
    let data = device.adopt_guest_data().expect("adopted");
    assert_eq!((data.adopted, data.dropped, data.existing.len(), data.left.len()), (TASKS + 2, 1, 0, 0));
    let stored = device.stored("tasks", "g000");
    assert_eq!((&stored["spaceId"], &stored["authorId"]), (&json!("home"), &json!("ada")));
    assert!(is_sealed(&stored["title"]));
    assert_eq!(
        stored["__fieldMeta"]["title"]["at"], before,
        "edits made meanwhile win over it as they would have anyway"
    );
    assert_eq!(stored["__fieldMeta"]["title"]["actor"]["principalId"], "ada");
    assert_eq!(device.stored("tasks", "kept")["__fieldMeta"]["title"]["actor"], system());
    world.converge("ada");
    check_arrived(&world);
    device.update("tasks", "g000", json!({ "title": "mine" })).expect("it is the user's");
}

#[test]
fn adopting_again_does_nothing_and_needs_no_key() {
    let world = world();
    let device = signed_in(&world);
    device.adopt_guest_data().expect("adopted");
    world.converge("ada");
    let (rows, log) = (world.server.row_count(), device.logged().len());
    device.lock();
    let again = device.adopt_guest_data().expect("there is nothing to seal");
    assert_eq!((again.adopted, again.dropped), (0, 0));
    world.converge("ada");
    assert_eq!((world.server.row_count(), device.logged().len()), (rows, log));
}

#[test]
fn nothing_is_adopted_before_everything_was_pulled() {
    let world = world();
    let device = &world.devices[0];
    device.line.set_online(false);
    let device = signed_in(&world);
    assert_eq!(code(device.adopt_guest_data()), "offline");
    assert!(device.logged().is_empty() && device.guest_data().adopted == TASKS + 2);
    device.line.set_online(true);
    world.pass(60_000);
    device.adopt_guest_data().expect("adopted");
    world.converge("ada");
    check_arrived(&world);
}

#[test]
fn an_id_that_the_account_has_is_listed_and_stays_as_it_is() {
    let world = world();
    let (guests, other) = (&world.devices[0], &world.devices[1]);
    for (id, space) in [("both", "home"), ("club", "club")] {
        other.add("tasks", json!({ "id": id, "title": "the account's", "spaceId": space })).expect("added");
        guests.add("tasks", json!({ "id": id, "title": format!("{SECRET} {id}") })).expect("added");
    }
    other.put("settings", json!({ "id": "theme", "value": "light" })).expect("put");
    world.pass(60_000);
    guests.update("settings", "theme", json!({ "value": format!("{SECRET} night") })).expect("updated");
    let device = signed_in(&world);
    world.pass(5_000);
    assert_eq!(shown(device, "settings", "theme")["value"], "light", "the account's are shown at once");
    assert_eq!(device.guest_data().existing.len(), 3);
    let data = device.adopt_guest_data().expect("adopted");
    let listed = |table: &str, id: &str, field: &str| {
        let one = data.existing.iter().find(|one| (one.table.as_str(), one.id.as_str()) == (table, id));
        Value::Object(one.expect("listed").row.to_map().clone())[field].clone()
    };
    assert_eq!(data.existing.len(), 3);
    assert_eq!(listed("tasks", "both", "title"), format!("{SECRET} both"));
    assert_eq!(listed("settings", "theme", "value"), format!("{SECRET} night"));
    world.converge("ada");
    for device in &world.devices {
        assert_eq!(shown(device, "tasks", "both")["title"], "the account's");
        assert_eq!(device.stored("tasks", "club")["title"], "the account's");
        assert_eq!(shown(device, "settings", "theme")["value"], "light");
        assert!(!traces(device).contains("marmalade"), "what is kept aside is sealed, too");
    }
    let again = device.adopt_guest_data().expect("nothing to do");
    assert_eq!((again.adopted, again.existing), (0, data.existing), "listed until the app has dealt with them");
    assert_eq!(device.discard_guest_data().expect("discarded"), 3);
    assert!(device.guest_data().existing.is_empty());
}

#[test]
fn what_a_guest_wrote_twice_under_an_id_of_the_accounts_is_listed_twice() {
    let world = world();
    let (device, other) = (&world.devices[0], &world.devices[1]);
    other.put("settings", json!({ "id": "theme", "value": "light" })).expect("put");
    signed_in(&world);
    world.pass(60_000);
    // Retention takes the account's away, and the guest comes back.
    device.line.set_online(false);
    other.update("tasks", "hers", json!({ "due": "today" })).expect("updated");
    world.pass(60_000);
    world.server.retire("ada", &["theme"]);
    device.line.set_online(true);
    world.pass(120_000);
    assert_eq!(device.stored("settings", "theme"), Value::Null);
    device.update_app(guest());
    device.put("settings", json!({ "id": "theme", "value": format!("{SECRET} again") })).expect("put");
    other.delete("settings", "theme").expect("deleted");
    other.put("settings", json!({ "id": "theme", "value": "lighter" })).expect("put");
    signed_in(&world);
    world.pass(60_000);
    assert_eq!(shown(device, "settings", "theme")["value"], "lighter");
    let listed = device.guest_data().existing.into_iter().map(|one| Value::Object(one.row.to_map())["value"].clone());
    assert_eq!(listed.collect::<Vec<_>>(), [format!("{SECRET} dark"), format!("{SECRET} again")]);
}

#[test]
fn a_locked_vault_adopts_nothing_and_loses_nothing() {
    let world = world();
    let device = &world.devices[0];
    device.update_app(setup());
    world.pass(5_000);
    assert_eq!(code(device.adopt_guest_data()), "vault_locked");
    assert!(device.logged().is_empty());
    assert_eq!(device.guest_data().adopted, TASKS + 2);
    device.unlock(7).expect("unlocked");
    device.adopt_guest_data().expect("adopted");
    world.converge("ada");
    check_arrived(&world);
}

#[test]
fn two_tabs_that_adopt_at_once_say_each_record_once() {
    let world = world();
    let device = signed_in(&world);
    device.open_tab(1);
    world.pass(5_000);
    let sessions = [device.session(), device.session_at(1).expect("it is open")];
    let both = async move {
        let [one, other] = sessions;
        futures_util::future::join(one.adopt_guest_data(0), other.adopt_guest_data(0)).await
    };
    let (one, other) = world.executor.block_on(99, 60_000, both).expect("both end");
    assert_eq!(one.expect("adopted").adopted + other.expect("adopted").adopted, TASKS + 2);
    world.converge("ada");
    check_arrived(&world);
}

#[test]
fn an_adoption_killed_anywhere_goes_on_where_it_was() {
    let prepared = || {
        let world = world();
        signed_in(&world);
        world.pass(2_000);
        world
    };
    let whole = prepared();
    let before = whole.devices[0].power().operations();
    whole.devices[0].adopt_guest_data().expect("adopted");
    let all = whole.devices[0].power().operations() - before;
    assert!(all > 20, "{all} operations");
    let step = std::env::var("EVERY_OPERATION").map_or(12, |_| 1);
    for kill in (0..all).step_by(step) {
        let world = prepared();
        let device = &world.devices[0];
        device.power().fail_after(kill);
        if device.try_adopt_guest_data().is_some() {
            world.pass(70_000);
        }
        device.restart();
        device.unlock(7).expect("unlocked");
        world.pass(2_000);
        let rest = device.adopt_guest_data().expect("adopted");
        assert!(rest.adopted <= TASKS + 2 && rest.existing.is_empty(), "killed after {kill} operations");
        assert_eq!(device.guest_data().adopted, 0);
        world.converge("ada");
        check_arrived(&world);
    }
}

#[test]
fn who_signs_in_on_an_open_engine_adopts_as_well() {
    let world = world();
    let device = &world.devices[0];
    device.sign_in("ada").expect("signed in");
    device.session().sync_start();
    device.set_spaces(setup().spaces).expect("set");
    device.unlock(7).expect("unlocked");
    device.adopt_guest_data().expect("adopted");
    world.converge("ada");
    check_arrived(&world);
}

#[test]
fn what_a_guest_wrote_in_a_space_of_any_name_comes_to_the_users_own() {
    let world = world_of(Setup { spaces: vec![super::sealed::space("club", "personal")], ..guest() }, 0);
    let device = &world.devices[0];
    device.add("tasks", json!({ "id": "g", "title": SECRET, "spaceId": "club" })).expect("added");
    device.set_visibility("tasks", "g", Visibility::Private).expect("a guest may");
    let device = signed_in(&world);
    device.engine().set_active_space(Some(SpaceId::parse("club").expect("an id")));
    device.adopt_guest_data().expect("adopted");
    world.converge("ada");
    assert_eq!(device.stored("tasks", "g")["spaceId"], "home", "what was a guest's own is shared with nobody");
    assert!(!traces(device).contains("marmalade"));
}

#[test]
fn a_stamp_of_a_guests_clock_that_ran_ahead_counts_as_now() {
    let world = world_of(guest(), 1);
    let device = &world.devices[0];
    device.clock.jump(3_600_000);
    device.add("tasks", json!({ "id": "g", "title": "written in the future" })).expect("added");
    device.clock.jump(-3_600_000);
    let device = signed_in(&world);
    device.adopt_guest_data().expect("adopted");
    world.converge("ada");
    let other = &world.devices[1];
    assert_eq!(shown(other, "tasks", "g")["title"], "written in the future");
    other.update("tasks", "g", json!({ "title": "later" })).expect("updated");
    world.converge("ada");
    assert_eq!(shown(device, "tasks", "g")["title"], "later");
    assert!(device.stored("tasks", "g")["__fieldMeta"]["title"]["at"].as_str() < Some("2026-01-01T00:30"));
}

#[test]
fn what_cannot_be_sealed_stays_the_guests_and_is_named() {
    let world = world_of(guest(), 0);
    let device = &world.devices[0];
    device.add("tasks", json!({ "id": "large", "title": "x".repeat(6 * 1024 * 1024) })).expect("a guest seals nothing");
    device.add("tasks", json!({ "id": "small", "title": "x" })).expect("added");
    let device = signed_in(&world);
    let data = device.adopt_guest_data().expect("adopted");
    assert_eq!((data.adopted, data.left.len()), (1, 1));
    assert_eq!((data.left[0].id.as_str(), data.left[0].error.kind().code()), ("large", "value_not_syncable"));
    assert_eq!(device.stored("tasks", "large")["authorId"], "guest");
}

#[test]
fn a_guests_data_are_discarded_when_the_user_does_not_want_them() {
    let world = world();
    let device = signed_in(&world);
    world.pass(5_000);
    assert_eq!(device.discard_guest_data().expect("discarded"), TASKS + 3);
    assert_eq!(device.adopt_guest_data().expect("nothing is left").adopted, 0);
    assert_eq!(shown(device, "tasks", "hers")["title"], format!("{SECRET} of hers"), "the user's own stay");
    assert!(!format!("{:?}", device.store_rows("tasks")).contains(&format!("{SECRET} 1")));
}

#[test]
fn a_guest_has_no_account_to_adopt_into() {
    let world = world();
    assert_eq!(code(world.devices[0].adopt_guest_data()), "invalid_argument");
    assert_eq!(code(world.devices[0].discard_guest_data()), "invalid_argument");
}

#[test]
fn who_signs_out_on_an_open_engine_leaves_a_guest_nothing_to_see_or_change() {
    let world = world_of(setup(), 0);
    let device = &world.devices[0];
    device.unlock(7).expect("unlocked");
    for (id, space) in [("own", "home"), ("shared", "club")] {
        device.add("tasks", json!({ "id": id, "title": "hers", "due": "today", "spaceId": space })).expect("added");
    }
    device.sign_out().expect("signed out");
    assert!(device.rows("tasks").is_empty(), "her spaces are not the guest's");
    for id in ["own", "shared"] {
        assert_eq!(code(device.update("tasks", id, json!({ "due": "never" }))), "unknown_space");
    }
    device.add("tasks", json!({ "id": "g", "title": "the guest's" })).expect("added");
    device.sign_in("ada").expect("signed in");
    assert_eq!(shown(device, "tasks", "own")["due"], "today");
    assert_eq!(device.rows("tasks").len(), 2, "and the guest's is not hers yet");
}

#[test]
fn a_record_that_another_device_made_since_the_last_pull_is_not_written_over() {
    let world = world_of(setup(), 1);
    let (device, other) = (&world.devices[0], &world.devices[1]);
    device.unlock(7).expect("unlocked");
    device.session().sync_start();
    world.pass(5_000);
    device.sign_out().expect("signed out");
    device.line.set_online(false);
    other.add("settings", json!({ "id": "theme", "value": "light" })).expect("added");
    world.pass(60_000);
    device.add("settings", json!({ "id": "theme", "value": "dark" })).expect("added");
    device.sign_in("ada").expect("signed in");
    device.unlock(7).expect("unlocked");
    assert_eq!(code(device.adopt_guest_data()), "offline");
    device.line.set_online(true);
    world.pass(60_000);
    let data = device.adopt_guest_data().expect("adopted");
    assert_eq!((data.adopted, data.existing.len()), (0, 1));
    world.pass(60_000);
    assert_eq!(shown(other, "settings", "theme")["value"], "light");
}

#[test]
fn what_a_guest_wrote_in_a_space_that_the_user_has_is_not_theirs_before_it_is_taken_over() {
    let world = world_of(Setup { spaces: setup().spaces, ..guest() }, 0);
    let device = &world.devices[0];
    device.add("tasks", json!({ "id": "g", "title": SECRET, "spaceId": "home" })).expect("added");
    let device = signed_in(&world);
    assert!(device.rows("tasks").is_empty());
    assert_eq!(code(device.update("tasks", "g", json!({ "title": "mine" }))), "other_user");
    device.transact(vec![("tasks", Write::Purge(vec![Key::text("g")]))]).expect("there is nothing to purge");
    device.adopt_guest_data().expect("adopted");
    assert_eq!(shown(device, "tasks", "g")["title"], SECRET);
    device.update("tasks", "g", json!({ "title": "mine" })).expect("it is hers now");
}

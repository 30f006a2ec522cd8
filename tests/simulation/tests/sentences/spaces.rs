//! What the user may write in which space, and what becomes of a space that they are a member of no more.

use super::sealed::{setup, space};
use super::visibility::{family, settle};
use mana_simulation::calls::{code, row};
use mana_simulation::{Device, Setup, World};
use mana_sync_engine::engine::{Branch, Event, Kept, Query, Want, Write};
use mana_sync_engine::model::Space;
use mana_sync_engine::store::Key;
use serde_json::{Value, json};
use std::cell::RefCell;
use std::rc::Rc;

fn viewer(role: &str) -> Vec<Space> {
    let mut club = space("club", "family");
    club.role = Some(role.to_owned());
    vec![space("home", "personal"), club]
}

#[test]
fn a_live_query_by_the_name_of_the_own_space_follows_its_rows() {
    let mut world = World::new(4);
    world.add(Setup { spaces: vec![space("home", "personal")], ..Setup::of("ada") }).open();
    let device = &world.devices[0];
    device.add("tasks", json!({ "id": "t", "title": "a" })).expect("added");
    assert_eq!(device.stored("tasks", "t")["spaceId"], "home");
    let fields = [("id", "t"), ("spaceId", "_personal:ada")].map(|(field, key)| (field.to_owned(), Key::text(key)));
    let query = Query::of("tasks", Branch::equal(fields));
    let seen: Rc<RefCell<Vec<Value>>> = Rc::default();
    let told = Rc::clone(&seen);
    let subscribed = device.engine().subscribe(query, Want::ROWS, move |found| {
        let rows = found.expect("found").into_iter().filter_map(|one| one.row);
        told.borrow_mut().extend(rows.map(|row| row.to_map()["title"].clone()));
    });
    subscribed.expect("subscribed");
    world.pass(1_000);
    device.update("tasks", "t", json!({ "title": "b" })).expect("updated");
    world.pass(1_000);
    assert_eq!(*seen.borrow(), [json!("a"), json!("b")]);
}

#[test]
fn where_the_user_may_only_read_every_write_is_refused_and_nothing_written() {
    let world = family();
    let device = &world.devices[0];
    let record = |id: &str| json!({ "id": id, "title": "Cake", "spaceId": "club" });
    device.add("tasks", record("t")).expect("added");
    device.add("tasks", record("gone")).expect("added");
    device.delete("tasks", "gone").expect("deleted");
    device.add("tasks", json!({ "id": "own", "title": "mine" })).expect("added");
    settle(&world);
    for role in ["viewer", "reader", "guest"] {
        device.set_spaces(viewer(role)).expect("set");
        let before = (device.store_rows("tasks"), device.store_rows("_changeLog"));
        let key = || vec![Key::text("t")];
        let changes = || vec![(Key::text("t"), row(json!({ "title": "Tart" })))];
        let writes: Vec<Write<_>> = vec![
            Write::Add(vec![row(record("new"))]),
            Write::Add(vec![row(record("gone"))]),
            Write::Put(vec![row(record("new"))]),
            Write::Put(vec![row(json!({ "id": "t", "title": "Tart" }))]),
            Write::Update(changes()),
            Write::Upsert(changes()),
            Write::Upsert(vec![(Key::text("new"), row(record("new")))]),
            Write::Delete(key()),
            Write::Restore(vec![Key::text("gone")]),
        ];
        for write in writes {
            assert_eq!(code(device.transact(vec![("tasks", write)])), "read_only_space");
        }
        assert_eq!(code(device.move_to_space("tasks", "own", "club")), "read_only_space");
        assert_eq!(code(device.move_to_space("tasks", "t", "home")), "read_only_space");
        assert_eq!((device.store_rows("tasks"), device.store_rows("_changeLog")), before);
    }
    device.set_spaces(viewer("member")).expect("set");
    device.update("tasks", "t", json!({ "title": "Tart" })).expect("a member may");
}

/// A club of which ada has a private record, bob's, and one she has edited and not sent; and the server has thrown her out.
fn left() -> World {
    let world = family();
    let [one, other, bob] = [&world.devices[0], &world.devices[1], &world.devices[2]];
    for id in ["bobs", "edited"] {
        bob.add("tasks", json!({ "id": id, "title": "Cake", "spaceId": "club" })).expect("added");
    }
    other.add("tasks", json!({ "id": "shared", "title": "Cake", "spaceId": "club" })).expect("added");
    other
        .add("tasks", json!({ "id": "private", "title": "s", "spaceId": "club", "visibility": "private" }))
        .expect("added");
    other.add("tasks", json!({ "id": "own", "title": "mine" })).expect("added");
    settle(&world);
    one.line.set_online(false);
    one.update("tasks", "edited", json!({ "title": "not sent" })).expect("updated");
    world.server.set_spaces("ada", vec![space("home", "personal")]);
    world.pass(1_000);
    let _ = one.take_events();
    world
}

fn removed(device: &Device) -> Vec<(String, usize, Vec<Kept>)> {
    let told = device.take_events().into_iter().filter_map(|event| match event {
        Event::SpaceRemoved { space, removed, kept } => Some((space, removed, kept)),
        _ => None,
    });
    told.collect()
}

fn stored(device: &Device) -> Vec<String> {
    device.store_rows("tasks").iter().filter_map(|row| row["id"].as_str().map(str::to_owned)).collect()
}

#[test]
fn a_space_that_was_left_is_hidden_at_once_and_removed_when_that_is_sure() {
    let world = left();
    let device = &world.devices[0];
    device.line.set_online(true);
    world.pass(35_000);
    let shown = |device: &Device| device.rows("tasks").iter().map(|row| row["id"].clone()).collect::<Vec<_>>();
    assert_eq!(shown(device), [json!("own")], "hidden");
    assert_eq!(code(device.update("tasks", "bobs", json!({ "title": "x" }))), "unknown_space");
    assert_eq!((stored(device).len(), removed(device)), (5, Vec::new()), "and nothing is deleted yet");
    world.pass(120_000);
    let keeps = |id: &str, why| Kept { table: "tasks".to_owned(), id: id.to_owned(), why };
    let kept = vec![keeps("edited", "unsent"), keeps("private", "private")];
    assert_eq!(removed(device), [("club".to_owned(), 2, kept)]);
    assert_eq!(stored(device), ["edited", "own", "private"]);
    assert_eq!(device.stored("tasks", "edited")["title"], "not sent");
    let letters = device.engine_rows("letter");
    assert_eq!((letters.len(), &letters[0]["code"]), (1, &json!("not_a_member")), "what was not sent is not lost");
    assert_eq!(shown(device), [json!("own")]);
    // A list of the app's own does not bring it back, a new start does not, and neither does a full pull.
    device.set_spaces(setup().spaces).expect("set");
    assert_eq!(shown(device), [json!("own")]);
    device.close();
    world.devices[1].add("tasks", json!({ "id": "later", "title": "mine" })).expect("added");
    world.pass(60_000);
    world.server.retire("ada", &["own"]);
    device.open();
    world.pass(120_000);
    assert_eq!(stored(device), ["edited", "later", "private"], "what retention removed is gone");
    assert_eq!(shown(device), [json!("later")]);
    assert!(device.logged().is_empty() && device.engine_rows("letter").len() == 1);
}

#[test]
fn what_is_kept_of_a_space_goes_after_thirty_days() {
    let world = left();
    let device = &world.devices[0];
    device.line.set_online(true);
    world.pass(180_000);
    assert_eq!(stored(device).len(), 3);
    world.devices.iter().for_each(Device::close);
    world.pass(31 * 86_400_000);
    device.open();
    world.pass(120_000);
    assert_eq!(stored(device), ["own"]);
    assert!(device.engine_rows("letter").is_empty());
}

#[test]
fn whoever_comes_back_to_a_space_has_all_of_it_again() {
    for away in [35_000, 240_000] {
        let world = left();
        let device = &world.devices[0];
        device.line.set_online(true);
        world.pass(away);
        world.server.set_spaces("ada", setup().spaces);
        world.pass(180_000);
        let mut ids: Vec<Value> = device.rows("tasks").iter().map(|row| row["id"].clone()).collect();
        ids.sort_by_key(ToString::to_string);
        assert_eq!(ids, ["bobs", "edited", "own", "private", "shared"].map(|id| json!(id)), "after {away} ms");
        assert_eq!(device.rows("tasks").iter().find(|row| row["id"] == "private").expect("it")["title"], "s");
        device.update("tasks", "bobs", json!({ "title": "Tart" })).expect("it may be written");
    }
}

#[test]
fn a_space_that_no_answer_ever_named_is_the_apps_to_name() {
    let world = family();
    let device = &world.devices[0];
    let all = [setup().spaces, vec![space("elsewhere", "team")]].concat();
    device.set_spaces(all).expect("set");
    device.add("tasks", json!({ "id": "e", "title": "x", "spaceId": "elsewhere" })).expect("added");
    world.pass(300_000);
    assert_eq!(device.rows("tasks").len(), 1);
    assert_eq!(removed(device), []);
}

#[test]
fn a_full_pull_while_it_is_not_sure_that_a_space_was_left_removes_nothing_of_it() {
    let world = left();
    let device = &world.devices[0];
    world.devices[1].add("tasks", json!({ "id": "later", "title": "mine" })).expect("added");
    world.pass(10_000);
    world.server.retire("ada", &["own"]);
    device.line.set_online(true);
    world.pass(20_000);
    let kept = stored(device);
    assert!(["bobs", "edited", "private"].iter().all(|id| kept.iter().any(|one| one == id)), "{kept:?}");
    world.server.set_spaces("ada", setup().spaces);
    world.pass(180_000);
    assert!(device.rows("tasks").iter().any(|row| row["id"] == "edited"), "it was a mistake, and nothing is missing");
}

/// The ids of the tasks that an index on `spaceId` lists under a space.
fn listed_under(device: &Device, space: &str) -> Vec<Value> {
    let rows = device.store_rows("tasks").into_iter().filter(|row| row["spaceId"] == space);
    rows.map(|row| row["id"].clone()).collect()
}

#[test]
fn what_was_stored_before_the_own_space_had_a_name_is_listed_under_its_name() {
    let nameless = Setup { spaces: Vec::new(), ..setup() };
    let world = World::with(1, vec![nameless.clone(), nameless.clone(), nameless]);
    let [one, closed, older] = [&world.devices[0], &world.devices[1], &world.devices[2]];
    world.devices.iter().for_each(|device| device.unlock(7).expect("unlocked"));
    for n in 0..3 {
        one.add("tasks", json!({ "id": format!("t{n}"), "title": "Milk" })).expect("added");
    }
    world.converge("ada");
    assert_eq!(one.stored("tasks", "t0")["spaceId"], "_personal:ada");
    let stamps = one.stored("tasks", "t0")["__fieldMeta"].clone();
    one.set_spaces(setup().spaces).expect("set");
    closed.update_app(setup());
    older.fill_as_older_app(&[("tasks", json!({ "id": "old", "title": "Tea", "spaceId": "_personal:ada" }))]);
    older.update_app(setup());
    for device in [one, closed] {
        assert_eq!(listed_under(device, "home"), ["t0", "t1", "t2"]);
        assert!(device.logged().is_empty(), "and nothing is sent");
    }
    assert_eq!(one.stored("tasks", "t0")["__fieldMeta"], stamps, "no stamp moved");
    assert_eq!(listed_under(older, "home"), ["old"]);
    one.add("tasks", json!({ "id": "t3", "title": "Bread" })).expect("added");
    assert_eq!(listed_under(one, "home"), ["t0", "t1", "t2", "t3"]);
    let sent = one.line.sent_to("/v2/push").join("");
    assert!(!sent.contains("\"home\""), "on the wire it is the user's own");
}

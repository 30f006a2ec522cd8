//! What an archive is made of, and what becomes of it: the user's own, readable by them alone, and never over what was written later.

use super::sealed::{self, SECRET, setup, shown, space, traces};
use super::visibility::{family, settle};
use mana_simulation::calls::code;
use mana_simulation::{Device, Setup, World};
use mana_sync_engine::engine::{Import, ImportPage};
use mana_sync_engine::model::{Space, SpaceId, Stamp, Visibility};
use serde_json::{Value, json};

/// Later than all that is written here.
fn exported_at() -> Stamp {
    Stamp::parse("2027-01-01T00:00:00.000000Z").expect("a stamp")
}

pub fn merge() -> Import {
    Import { exported_at: Some(exported_at()), ..Import::default() }
}

fn overwrite() -> Import {
    Import { overwrite: true, ..merge() }
}

fn dry_run(how: Import) -> Import {
    Import { dry_run: true, ..how }
}

fn counts(page: &ImportPage) -> [usize; 5] {
    [page.new, page.changed, page.unchanged, page.deleted, page.left.len()]
}

pub fn export(device: &Device, table: &str) -> Vec<Value> {
    let (rows, unreadable) = device.export(table, &[]).expect("exported");
    assert_eq!(unreadable, 0);
    rows
}

/// Ada's records: four tasks, one of them deleted, and a setting.
fn filled() -> World {
    let world = sealed::world();
    let device = &world.devices[0];
    for id in ["a", "b", "c", "gone"] {
        device.add("tasks", json!({ "id": id, "title": format!("{SECRET} {id}"), "done": false })).expect("added");
    }
    device.delete("tasks", "gone").expect("deleted");
    device.add("tasks", json!({ "id": "cake", "title": "for all", "spaceId": "club" })).expect("added");
    device.add("settings", json!({ "id": "theme", "value": "dark" })).expect("added");
    settle(&world);
    world
}

/// Another person with two devices, and no space that is shared.
pub fn of_bob() -> World {
    let spaces = vec![space("bobs", "personal")];
    let world =
        World::with(2, vec![Setup { spaces: spaces.clone(), ..Setup { user: Some("bob".into()), ..setup() } }; 2]);
    world.server.set_spaces("bob", spaces);
    world.devices.iter().for_each(|device| device.unlock(9).expect("unlocked"));
    world
}

#[test]
fn it_holds_the_users_live_rows_opened_and_nothing_of_the_engines() {
    let world = filled();
    let rows = export(&world.devices[1], "tasks");
    let ids: Vec<&str> = rows.iter().map(|row| row["id"].as_str().unwrap()).collect();
    assert_eq!(ids, ["a", "b", "c"], "nothing deleted, and nothing of a shared space that was not named");
    assert_eq!(rows[0]["title"], format!("{SECRET} a"));
    assert_eq!(rows[0]["spaceId"], "_personal:ada");
    let names: Vec<&String> = rows[0].as_object().unwrap().keys().collect();
    assert_eq!(names, ["authorId", "done", "id", "spaceId", "title", "updatedAt", "visibility"], "all of one time");
    world.devices[1].update("tasks", "a", json!({ "done": true })).expect("written");
    let row = &export(&world.devices[1], "tasks")[0];
    assert_eq!(row["__stamps"]["title"], rows[0]["updatedAt"], "when the others were written: {row}");
    assert_ne!(row["updatedAt"], rows[0]["updatedAt"]);
    assert!(row["__stamps"]["deletedAt"].is_string() && row["__stamps"]["done"].is_null());
    let (with_club, _) = world.devices[1].export("tasks", &["club"]).expect("exported");
    assert_eq!(with_club.iter().filter(|row| row["spaceId"] == "club").count(), 1);
    assert_eq!(export(&world.devices[1], "settings")[0]["value"], "dark");
}

#[test]
fn without_the_key_nothing_goes_out_or_in() {
    let world = filled();
    let device = &world.devices[0];
    let rows = export(device, "tasks");
    device.lock();
    assert_eq!(code(device.export("tasks", &[])), "vault_locked");
    let before = (device.store_rows("tasks"), device.store_rows("_changeLog"));
    let renewed: Vec<Value> = rows.iter().map(|row| with(row, "title", "new")).collect();
    assert_eq!(code(device.import("tasks", &renewed, overwrite())), "vault_locked");
    assert_eq!(before, (device.store_rows("tasks"), device.store_rows("_changeLog")), "nothing was written");
}

fn with(row: &Value, field: &str, value: &str) -> Value {
    let mut row = row.clone();
    row[field] = value.into();
    row
}

#[test]
fn another_person_gets_the_records_as_their_own_sealed_under_their_key_on_all_their_devices() {
    let (adas, bobs) = (filled(), of_bob());
    let (tasks, settings) = (export(&adas.devices[0], "tasks"), export(&adas.devices[0], "settings"));
    let device = &bobs.devices[0];
    assert_eq!(counts(&device.import("tasks", &tasks, dry_run(merge())).expect("told")), [3, 0, 0, 0, 0]);
    assert!(device.store_rows("tasks").is_empty() && device.logged().is_empty(), "only told");
    assert_eq!(counts(&device.import("tasks", &tasks, merge()).expect("taken")), [3, 0, 0, 0, 0]);
    assert_eq!(counts(&device.import("settings", &settings, merge()).expect("taken")), [1, 0, 0, 0, 0]);
    settle(&bobs);
    for device in &bobs.devices {
        assert_eq!(shown(device, "tasks", "a")["title"], format!("{SECRET} a"));
        assert_eq!(shown(device, "settings", "theme")["value"], "dark");
        assert_eq!(device.stored("tasks", "a")["authorId"], "bob");
        assert!(!traces(device).contains(SECRET) && !traces(device).contains("ada"), "sealed, and nobody else's");
    }
    bobs.converge("bob");
}

#[test]
fn it_counts_as_written_when_it_was_so_what_is_newer_stands() {
    let world = filled();
    let device = &world.devices[0];
    let rows = export(device, "tasks");
    assert_eq!(counts(&device.import("tasks", &rows, merge()).expect("taken")), [0, 0, 3, 0, 0], "all is there");
    device.update("tasks", "a", json!({ "title": "later" })).expect("written");
    device.delete("tasks", "b").expect("deleted");
    let changed: Vec<Value> = rows.iter().map(|row| with(row, "title", "from the archive")).collect();
    assert_eq!(counts(&device.import("tasks", &changed, merge()).expect("taken")), [0, 0, 2, 1, 0]);
    settle(&world);
    for device in &world.devices {
        assert_eq!(shown(device, "tasks", "a")["title"], "later");
        assert_eq!(shown(device, "tasks", "b"), Value::Null, "stays deleted");
        assert_eq!(shown(device, "tasks", "c")["title"], format!("{SECRET} c"), "under one stamp what is there stays");
    }
    world.converge("ada");
}

#[test]
fn what_an_archive_says_of_later_is_taken_field_by_field() {
    let world = filled();
    let device = &world.devices[0];
    // Another program edited it, later than what is here and earlier than now.
    let row = json!({ "id": "a", "title": "edited", "note": "more", "updatedAt": "2026-01-01T00:00:30.000Z" });
    world.pass(60_000);
    let deleted = json!({ "id": "gone", "title": "back", "updatedAt": "2026-01-01T00:00:30.000Z" });
    assert_eq!(counts(&device.import("tasks", &[row.clone(), deleted], merge()).expect("taken")), [0, 2, 0, 0, 0]);
    assert_eq!(
        counts(&device.import("tasks", &[row], merge()).expect("taken")),
        [0, 0, 1, 0, 0],
        "again it says nothing"
    );
    device.update("tasks", "a", json!({ "title": "newest" })).expect("written");
    settle(&world);
    for device in &world.devices {
        let row = shown(device, "tasks", "a");
        assert_eq!((&row["title"], &row["note"], &row["done"]), (&json!("newest"), &json!("more"), &json!(false)));
        assert_eq!(shown(device, "tasks", "gone")["title"], "back");
    }
    world.converge("ada");
}

#[test]
fn a_time_to_come_counts_as_now() {
    let world = filled();
    let device = &world.devices[0];
    let row = json!({ "id": "a", "title": "from 2099", "updatedAt": "2099-01-01T00:00:00.000Z" });
    let how = Import { exported_at: Some(Stamp::parse("2098-01-01T00:00:00Z").expect("a stamp")), ..Import::default() };
    assert_eq!(counts(&device.import("tasks", &[row], how).expect("taken")), [0, 1, 0, 0, 0]);
    world.pass(1_000);
    device.update("tasks", "a", json!({ "title": "a second later" })).expect("written");
    settle(&world);
    assert_eq!(shown(&world.devices[1], "tasks", "a")["title"], "a second later");
    world.converge("ada");
}

#[test]
fn overwriting_takes_everything_back_deletions_too() {
    let world = filled();
    let device = &world.devices[0];
    let rows = export(device, "tasks");
    device.update("tasks", "a", json!({ "title": "later", "note": "kept" })).expect("written");
    device.delete("tasks", "b").expect("deleted");
    world.pass(10_000);
    let told = device.import("tasks", &rows, dry_run(overwrite())).expect("told");
    assert_eq!(device.import("tasks", &rows, overwrite()).expect("taken"), told);
    assert_eq!(counts(&told), [0, 2, 1, 0, 0]);
    settle(&world);
    for device in &world.devices {
        assert_eq!(shown(device, "tasks", "a")["title"], format!("{SECRET} a"));
        assert_eq!(shown(device, "tasks", "a")["note"], "kept", "what it does not name stays");
        assert_eq!(shown(device, "tasks", "b")["title"], format!("{SECRET} b"));
    }
    world.converge("ada");
}

#[test]
fn everything_goes_to_the_own_space_whatever_one_is_looked_at() {
    let (adas, bobs) = (filled(), of_bob());
    let (rows, _) = adas.devices[0].export("tasks", &["club"]).expect("exported");
    let device = &bobs.devices[0];
    // Bob is in a club of another name, and looks at it.
    let mut spaces = vec![space("bobs", "personal"), space("choir", "family")];
    bobs.server.set_spaces("bob", spaces.clone());
    device.set_spaces(spaces.clone()).expect("set");
    device.engine().set_active_space(Some(SpaceId::parse("choir").expect("an id")));
    let page = device.import("tasks", &rows, merge()).expect("taken");
    assert_eq!((page.new, page.renamed.len()), (4, 1), "what was the club's is another record here: {page:?}");
    assert!(device.store_rows("tasks").iter().all(|row| row["spaceId"] == "bobs"), "the club's, too: he is not in it");
    // Where a space is named, all of it goes there, in the clear.
    let named = Import { space: Some(SpaceId::parse("choir").expect("an id")), ..merge() };
    let page = device.import("tasks", &rows, named).expect("taken");
    assert_eq!((page.new, page.renamed.len()), (4, 4), "one id is one record: {page:?}");
    assert_eq!(device.store_rows("tasks").iter().filter(|row| row["spaceId"] == "choir").count(), 4);
    let again = Import { space: Some(SpaceId::parse("choir").expect("an id")), ..merge() };
    assert_eq!(counts(&device.import("tasks", &rows, again).expect("taken")), [0, 0, 4, 0, 0], "twice is once");
    // Where he may only read nothing is written.
    spaces[1].role = Some("viewer".to_owned());
    device.set_spaces(spaces).expect("set");
    let page = device.import(
        "tasks",
        &[json!({ "id": "new", "title": "x" })],
        Import { space: Some(SpaceId::parse("choir").expect("an id")), ..merge() },
    );
    let page = page.expect("told");
    assert_eq!((counts(&page), page.left[0].error.kind().code()), ([0, 0, 0, 0, 1], "read_only_space"));
    settle(&bobs);
    bobs.converge("bob");
}

#[test]
fn rows_of_a_space_that_one_is_in_stay_there_and_others_private_ones_are_in_no_archive() {
    let world = family();
    let [ada, _, bob] = &world.devices[..] else { panic!("three devices") };
    ada.add("tasks", json!({ "id": "cake", "title": "Cake", "spaceId": "club" })).expect("added");
    ada.add("tasks", json!({ "id": "gift", "title": SECRET, "spaceId": "club", "visibility": "private" }))
        .expect("added");
    settle(&world);
    let (bobs, _) = bob.export("tasks", &["club"]).expect("exported");
    assert_eq!(bobs.iter().map(|row| row["id"].as_str().unwrap()).collect::<Vec<_>>(), ["cake"]);
    let (rows, _) = ada.export("tasks", &["club"]).expect("exported");
    assert_eq!(rows.len(), 2);
    assert_eq!(code(ada.export("tasks", &["clbu"])), "unknown_space");
    ada.set_visibility("tasks", "cake", Visibility::Private).expect("hidden");
    ada.delete("tasks", "gift").expect("deleted");
    settle(&world);
    assert_eq!(counts(&ada.import("tasks", &rows, overwrite()).expect("taken")), [0, 1, 1, 0, 0]);
    settle(&world);
    assert_eq!(shown(ada, "tasks", "gift")["title"], SECRET);
    for id in ["cake", "gift"] {
        assert_eq!(ada.stored("tasks", id)["visibility"], "private", "an archive shows nobody anything");
        assert_eq!(shown(bob, "tasks", id), Value::Null);
    }
    assert!(!traces(bob).contains(SECRET));
}

#[test]
fn rows_that_are_none_are_named_and_the_others_taken() {
    let world = sealed::world();
    let device = &world.devices[0];
    let rows = [
        json!({ "title": "no id" }),
        json!({ "id": 7 }),
        json!([]),
        json!({ "id": "bad", "__proto__": { "polluted": true } }),
        json!({ "id": "a\u{0}b" }),
        json!({ "id": "good", "title": "Milk", "userId": "mallory", "authorId": "mallory", "deletedAt": null, "__fieldMeta": {} }),
    ];
    let page = device.import("tasks", &rows, merge()).expect("taken");
    let places: Vec<usize> = page.left.iter().map(|left| left.position).collect();
    assert!(page.new >= 1 && places.starts_with(&[0, 1, 2]) && places.contains(&4), "{page:?}");
    settle(&world);
    assert_eq!(world.devices[1].stored("tasks", "good")["authorId"], "ada");
    assert_eq!(code(device.import("notes", &[], merge())), "invalid_argument");
    world.converge("ada");
}

#[test]
fn a_guest_takes_it_in_for_themselves() {
    let mut world = World::new(3);
    world.add(Setup { user: None, spaces: Vec::<Space>::new(), ..setup() }).open();
    let device = &world.devices[0];
    let rows = [json!({ "id": "a", "title": "Milk", "updatedAt": "2026-01-01T00:00:00.000Z" })];
    assert_eq!(counts(&device.import("tasks", &rows, merge()).expect("taken")), [1, 0, 0, 0, 0]);
    assert_eq!(device.rows("tasks").len(), 1);
    assert_eq!(export(device, "tasks").len(), 1);
    assert!(device.logged().is_empty());
}

#[test]
fn what_a_guest_took_in_is_theirs_to_take_into_their_account() {
    let mut world = World::new(3);
    world.add(Setup { user: None, spaces: Vec::<Space>::new(), ..setup() }).open();
    let device = &world.devices[0];
    let rows = [json!({ "id": "a", "title": "Milk", "updatedAt": "2026-01-01T00:00:00.000Z" })];
    device.import("tasks", &rows, merge()).expect("taken");
    device.sign_in("ada").expect("signed in");
    device.unlock(7).expect("unlocked");
    let data = device.adopt_guest_data().expect("adopted");
    assert_eq!((data.adopted, data.dropped), (1, 0));
    assert_eq!(shown(device, "tasks", "a")["title"], "Milk");
}

#[test]
fn each_field_counts_as_written_when_it_was() {
    let world = filled();
    let [one, other] = &world.devices[..] else { panic!("two devices") };
    other.line.set_online(false);
    world.pass(60_000);
    other.update("tasks", "a", json!({ "title": "newer than in the archive" })).expect("written");
    other.delete("tasks", "b").expect("deleted");
    world.pass(60_000);
    one.update("tasks", "a", json!({ "done": true })).expect("written");
    one.update("tasks", "b", json!({ "done": true })).expect("written");
    let rows = export(one, "tasks");
    settle(&world);
    one.import("tasks", &rows, merge()).expect("taken");
    settle(&world);
    for device in &world.devices {
        let row = shown(device, "tasks", "a");
        assert_eq!((&row["title"], &row["done"]), (&json!("newer than in the archive"), &json!(true)));
        assert_eq!(shown(device, "tasks", "b"), Value::Null, "deleted later than it was made");
    }
    world.converge("ada");
    // On a device that has nothing of it, too.
    let bobs = of_bob();
    // The other world is as old by then.
    bobs.pass(600_000);
    bobs.devices[0].import("tasks", &rows, merge()).expect("taken");
    settle(&bobs);
    let (here, there) = (export(&bobs.devices[1], "tasks"), rows);
    assert_eq!(
        (&here[0]["updatedAt"], &here[0]["__stamps"]["title"]),
        (&there[0]["updatedAt"], &there[0]["__stamps"]["title"])
    );
    assert_eq!(shown(&bobs.devices[1], "tasks", "a")["done"], true);
    bobs.converge("bob");
}

#[test]
fn records_of_a_space_that_one_is_not_in_yet_get_other_ids() {
    let (adas, bobs) = (filled(), of_bob());
    let (rows, _) = adas.devices[0].export("tasks", &["club"]).expect("exported");
    let cake: Vec<Value> = rows.into_iter().filter(|row| row["id"] == "cake").collect();
    let device = &bobs.devices[0];
    let page = device.import("tasks", &cake, merge()).expect("taken");
    let [(from, to)] = &page.renamed[..] else { panic!("one: {page:?}") };
    assert!(from == "cake" && to != "cake");
    // Now he is invited, and the record itself comes.
    let spaces = vec![space("bobs", "personal"), space("club", "family")];
    bobs.server.set_spaces("bob", spaces.clone());
    bobs.server.set_spaces("ada", spaces.clone());
    bobs.devices.iter().for_each(|device| device.set_spaces(spaces.clone()).expect("set"));
    let change = json!({ "eventId": "019b76da-bb88-7000-8000-000000000001", "app": "todo", "schemaVersion": 1, "table": "tasks",
        "id": "cake", "op": "insert", "at": "2026-01-01T00:00:01.000000Z", "spaceId": "club", "visibility": "space",
        "origin": "user", "data": { "title": "for all", "authorId": "ada", "visibility": "space", "deletedAt": null } });
    bobs.server.push_as("ada", &[change]);
    settle(&bobs);
    assert_eq!(device.stored("tasks", "cake")["spaceId"], "club");
    assert_eq!(device.stored("tasks", to)["spaceId"], "bobs");
}

#[test]
fn what_another_member_made_and_is_not_here_is_theirs_to_bring_back() {
    let world = family();
    let [ada, _, bob] = &world.devices[..] else { panic!("three devices") };
    bob.add("tasks", json!({ "id": "diary", "title": "not for long", "spaceId": "club" })).expect("added");
    settle(&world);
    let (rows, _) = ada.export("tasks", &["club"]).expect("exported");
    bob.set_visibility("tasks", "diary", Visibility::Private).expect("hidden");
    settle(&world);
    for how in [merge(), overwrite()] {
        let page = ada.import("tasks", &rows, how).expect("told");
        assert_eq!((counts(&page), page.left[0].error.kind().code()), ([0, 0, 0, 0, 1], "not_the_author"));
    }
    settle(&world);
    assert!(ada.dead_letters().is_empty() && ada.rows("tasks").is_empty());
}

#[test]
fn one_row_that_cannot_be_sealed_does_not_hold_up_the_others() {
    let world = sealed::world();
    let device = &world.devices[0];
    let rows = [json!({ "id": "large", "title": "x".repeat(6 << 20) }), json!({ "id": "small", "title": "Milk" })];
    for how in [dry_run(merge()), merge()] {
        let page = device.import("tasks", &rows, how).expect("told");
        assert_eq!((counts(&page), page.left[0].position), ([1, 0, 0, 0, 1], 0));
    }
    device.lock();
    assert_eq!(code(device.import("tasks", &rows, dry_run(overwrite()))), "vault_locked", "and says so before");
}

#[test]
fn two_rows_that_come_to_one_id_are_one_record_everywhere() {
    let world = sealed::world();
    let device = &world.devices[0];
    device.add("tasks", json!({ "id": "x", "title": "moved", "done": false })).expect("added");
    let there = device.move_to_space("tasks", "x", "club").expect("moved");
    let rows = [
        json!({ "id": "x", "title": "of the one", "spaceId": "_personal:ada" }),
        json!({ "id": there, "note": "of the other", "spaceId": "club" }),
    ];
    let club = SpaceId::parse("club").expect("an id");
    let page = device.import("tasks", &rows, Import { space: Some(club), ..overwrite() }).expect("taken");
    assert_eq!(counts(&page), [0, 2, 0, 0, 0]);
    settle(&world);
    for device in &world.devices {
        let row = device.stored("tasks", &there);
        assert_eq!((&row["title"], &row["note"]), (&json!("of the one"), &json!("of the other")));
    }
    world.converge("ada");
}

#[test]
fn whoever_signs_in_meanwhile_gets_nothing_of_it_nor_gives_anything() {
    let world = filled();
    let device = &world.devices[0];
    let rows = export(device, "tasks");
    device.sign_out().expect("signed out");
    let adas = Import { user: Some("ada".to_owned()), ..overwrite() };
    assert_eq!(code(device.import("tasks", &rows, adas)), "other_user");
    assert_eq!(device.rows("tasks").len(), 0);
}

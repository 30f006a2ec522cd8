//! An archive from one device's file to another's records: what names a record still names it, and what was missing stays missing
//! and is told.

use super::archive::of_bob;
use super::sealed::{self, SECRET, shown, space, traces};
use super::visibility::settle;
use mana_simulation::archives::{self, Taken};
use mana_simulation::{Device, World};
use mana_sync_engine::engine::Import;
use mana_sync_engine::model::SpaceId;
use serde_json::json;

/// Later than all that is written here.
pub const EXPORTED_AT: &str = "2027-01-01T00:00:00.000Z";
const TABLES: [&str; 2] = ["tasks", "settings"];
const PROJECT: &str = "019b76da-bb88-7000-8000-000000000001";
const FIRST: &str = "019b76da-bb88-7000-8000-000000000002";
const SECOND: &str = "V1StGXR8_Z5jdHi6B-myT";

/// Ada's project, two tasks of it that name it and each other, and a setting that does.
fn with_references() -> World {
    let world = sealed::world();
    let device = &world.devices[0];
    let tasks = [
        json!({ "id": FIRST, "projectId": PROJECT, "after": [SECOND, FIRST, "other"], "title": SECRET }),
        json!({ "id": SECOND, "deep": { "of": { "project": PROJECT }, "text": format!("see {PROJECT}") } }),
        json!({ "id": PROJECT, "title": PROJECT, "note": { "first": FIRST }, "own": "short" }),
        json!({ "id": "short", "projectId": PROJECT }),
    ];
    for task in tasks {
        device.add("tasks", task).expect("added");
    }
    device.add("settings", json!({ "id": "opened-last-of-all", "value": PROJECT })).expect("added");
    settle(&world);
    world
}

fn into_choir(overwrite: bool, dry_run: bool) -> Import {
    Import { space: Some(SpaceId::parse("choir").expect("an id")), overwrite, dry_run, ..Import::default() }
}

/// Bob's, who is in a choir.
fn of_a_singer() -> World {
    let world = of_bob();
    let spaces = vec![space("bobs", "personal"), space("choir", "family")];
    world.server.set_spaces("bob", spaces.clone());
    world.devices.iter().for_each(|device| device.set_spaces(spaces.clone()).expect("set"));
    settle(&world);
    world
}

fn named_here(taken: &Taken, id: &str) -> String {
    let renamed = &taken.tables["tasks"].renamed;
    renamed.iter().find(|(from, _)| from == id).map(|(_, to)| to.clone()).expect("renamed")
}

/// Whether all that named a record in the archive names it where it is now.
fn assert_named(device: &Device, taken: &Taken) {
    let [project, first, second, short] = [PROJECT, FIRST, SECOND, "short"].map(|id| named_here(taken, id));
    let row = |id: &str| device.rows("tasks").into_iter().find(|row| row["id"] == *id).expect("it is here");
    let (task, other) = (row(&first), row(&second));
    assert_eq!((&task["projectId"], &task["after"]), (&json!(project), &json!([second, first, "other"])));
    assert_eq!(task["title"], SECRET);
    assert_eq!(other["deep"], json!({ "of": { "project": project }, "text": format!("see {PROJECT}") }));
    let of_project = row(&project);
    assert_eq!((&of_project["title"], &of_project["note"]), (&json!(project), &json!({ "first": first })));
    assert_eq!((&of_project["own"], &row(&short)["projectId"]), (&json!("short"), &json!(project)));
    assert_eq!(shown(device, "settings", "opened-last-of-all")["value"], project);
}

#[test]
fn what_names_a_record_that_gets_another_id_names_it_still_on_all_devices_however_often() {
    let (file, _) = with_references().devices[0].save(&TABLES, &[], None, EXPORTED_AT).expect("saved");
    for overwrite in [false, true] {
        let world = of_a_singer();
        let device = &world.devices[0];
        let stores = || [device.store_rows("tasks"), device.store_rows("settings"), device.store_rows("_changeLog")];
        let before = stores();
        let told = device.take(&file, None, &into_choir(overwrite, true)).expect("told");
        assert_eq!(stores(), before, "only told");
        let taken = device.take(&file, None, &into_choir(overwrite, false)).expect("taken");
        assert_eq!(taken, told);
        assert_eq!((taken.counts(), taken.references), ([5, 0, 0, 0, 0], 8));
        settle(&world);
        world.devices.iter().for_each(|device| assert_named(device, &taken));
        let before = device.store_rows("tasks");
        let again = device.take(&file, None, &into_choir(overwrite, false)).expect("taken");
        assert_eq!((again.counts(), again.references), ([0, 0, 5, 0, 0], 8));
        assert_eq!(device.store_rows("tasks"), before, "twice is once");
        // On the other device it comes to the same records.
        let there = world.devices[1].take(&file, None, &into_choir(overwrite, false)).expect("taken");
        assert_eq!(
            (there.counts(), there.tables["tasks"].renamed.clone()),
            ([0, 0, 5, 0, 0], taken.tables["tasks"].renamed.clone())
        );
        world.converge("bob");
    }
}

#[test]
fn records_that_keep_their_ids_are_named_as_ever() {
    let adas = with_references();
    let (file, _) = adas.devices[0].save(&TABLES, &[], None, EXPORTED_AT).expect("saved");
    let bobs = of_bob();
    let taken = bobs.devices[0].take(&file, None, &Import::default()).expect("taken");
    assert_eq!((taken.counts(), taken.references), ([5, 0, 0, 0, 0], 0));
    settle(&bobs);
    assert_eq!(shown(&bobs.devices[1], "tasks", FIRST)["projectId"], PROJECT);
    // What one's own archive finds is here, and stays.
    let taken = adas.devices[0].take(&file, None, &Import::default()).expect("taken");
    assert_eq!((taken.counts(), taken.references), ([0, 0, 5, 0, 0], 0));
}

#[test]
fn what_another_space_has_under_the_same_id_is_not_what_is_named() {
    let adas = with_references();
    let (file, _) = adas.devices[0].save(&["tasks"], &[], None, EXPORTED_AT).expect("saved");
    let world = of_a_singer();
    let device = &world.devices[0];
    // The choir has a project under that id: what comes goes by another one, and is what its tasks name.
    device.add("tasks", json!({ "id": PROJECT, "title": "the choir's", "spaceId": "choir" })).expect("added");
    settle(&world);
    let taken = device.take(&file, None, &Import::default()).expect("taken");
    let project = named_here(&taken, PROJECT);
    assert_eq!((taken.counts(), taken.references, taken.tables["tasks"].renamed.len()), ([4, 0, 0, 0, 0], 4, 1));
    settle(&world);
    for device in &world.devices {
        assert_eq!(shown(device, "tasks", FIRST)["projectId"], project);
        assert_eq!(device.stored("tasks", &project)["spaceId"], "bobs");
        assert_eq!(device.stored("tasks", PROJECT)["title"], "the choir's");
    }
    world.converge("bob");
}

#[test]
fn ids_of_users_and_spaces_and_of_records_that_keep_theirs_stay_where_a_record_of_that_id_moves() {
    const ADA: &str = "019b76da-bb88-7000-8000-00000000ada0";
    const BEES: &str = "019b76da-bb88-7000-8000-0000000000c0";
    const KEPT: &str = "019b76da-bb88-7000-8000-000000000009";
    let tasks = vec![
        // A profile, a board, and one whose id the setting has as well, which keeps it.
        json!({ "id": ADA, "title": "a profile", "authorId": ADA }),
        json!({ "id": BEES, "title": "a board", "spaceId": BEES }),
        json!({ "id": KEPT, "title": "a task" }),
        json!({ "id": FIRST, "assigneeId": ADA, "members": [ADA, SECOND], "at": { "spaceId": BEES }, "of": KEPT }),
        json!({ "id": SECOND, "after": FIRST }),
    ];
    let file = archives::file_of(&[("tasks", tasks), ("settings", vec![json!({ "id": KEPT, "value": "kept" })])]);
    let world = of_a_singer();
    let device = &world.devices[0];
    let taken = device.take(&file, None, &into_choir(false, false)).expect("taken");
    assert_eq!((taken.counts(), taken.references), ([6, 0, 0, 0, 0], 2));
    let task = shown(device, "tasks", &named_here(&taken, FIRST));
    assert_eq!((&task["assigneeId"], &task["members"]), (&json!(ADA), &json!([ADA, named_here(&taken, SECOND)])));
    assert_eq!((&task["at"], &task["of"]), (&json!({ "spaceId": BEES }), &json!(KEPT)));
    assert_eq!(shown(device, "tasks", &named_here(&taken, SECOND))["after"], named_here(&taken, FIRST));
}

#[test]
fn a_value_that_nothing_opens_is_missing_in_the_archive_and_stays_as_it_is_where_it_is_taken_in() {
    let world = sealed::world();
    let [one, other] = &world.devices[..] else { panic!("two devices") };
    one.add("tasks", json!({ "id": "old", "title": SECRET, "done": false })).expect("added");
    settle(&world);
    one.rotate(8).expect("rotated");
    one.add("tasks", json!({ "id": "new", "title": format!("{SECRET} anew"), "done": false })).expect("added");
    settle(&world);
    other.restart();
    other.unlock(7).expect("it reads what it can");
    let lost = vec![json!({ "table": "tasks", "id": "new", "field": "title" })];
    for key in [None, Some([3; 32])] {
        let (file, missing) = other.save(&TABLES, &[], key, EXPORTED_AT).expect("saved");
        assert_eq!(missing, lost, "named to whoever saves it");
        for overwrite in [false, true] {
            let taken = one.take(&file, key, &Import { overwrite, ..Import::default() }).expect("taken");
            assert_eq!((taken.counts(), &taken.missing), ([0, 0, 2, 0, 0], &lost), "and to whoever takes it in");
            assert_eq!(shown(one, "tasks", "new")["title"], format!("{SECRET} anew"));
        }
        let bobs = of_bob();
        let taken = bobs.devices[0].take(&file, key, &Import::default()).expect("taken");
        assert_eq!((taken.counts(), &taken.missing), ([2, 0, 0, 0, 0], &lost));
        settle(&bobs);
        for device in &bobs.devices {
            assert_eq!(shown(device, "tasks", "old")["title"], SECRET);
            let row = shown(device, "tasks", "new");
            assert!(row.get("title").is_none() && row["done"] == false, "nothing in its place: {row}");
            assert!(!traces(device).contains("marmalade"));
        }
    }
    settle(&world);
    assert_eq!(shown(one, "tasks", "new")["title"], format!("{SECRET} anew"));
}

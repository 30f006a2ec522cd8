//! An upgrade of the app's data reaches every row of the database, whoever opens it and whoever the row belongs to; and it says
//! to others only what the user may say.

use super::sealed::{SECRET, setup, space, traces};
use super::visibility::family;
use mana_simulation::calls::code;
use mana_simulation::older_app::{LATER, OLD, check_sent_once, queued, stamped};
use mana_simulation::{Device, Setup, World};
use serde_json::{Value, json};

const TABLES: [&str; 2] = ["tasks", "settings"];

/// An upgrade that counts every row up.
fn count_up(device: &Device) {
    let counted = |row: &Value| json!({ "n": row["n"].as_u64().unwrap_or_default() + 1 });
    device.upgrade(2, &TABLES, counted).expect("upgraded");
    assert_eq!(device.engine_rows("dataVersion")[0]["version"], 2);
}

/// Opens the app again with nobody signed in, and without syncing.
fn open_as(device: &Device, setup: Setup) {
    device.install_app(setup);
    device.try_open().expect("it opens");
}

fn guest() -> Setup {
    Setup { user: None, ..Setup::of("ada") }
}

fn n(device: &Device, table: &str, id: &str) -> Value {
    device.stored(table, id)["n"].clone()
}

fn stamp(device: &Device, id: &str, field: &str) -> Value {
    device.stored("tasks", id)["__fieldMeta"][field]["at"].clone()
}

fn origins(device: &Device) -> Vec<Value> {
    device.logged().into_iter().map(|(row, _)| row["origin"].clone()).collect()
}

#[test]
fn after_the_user_signed_out_it_upgrades_the_users_rows_and_logs_them_as_the_users() {
    let world = World::of_ada(2);
    let device = &world.devices[0];
    device.add("tasks", json!({ "id": "t", "title": "Milk", "n": 0 })).expect("added");
    device.put("settings", json!({ "id": "s", "n": 0 })).expect("put");
    device.add("tasks", json!({ "id": "gone", "n": 0 })).expect("added");
    device.delete("tasks", "gone").expect("deleted");
    world.converge("ada");
    device.sign_out().expect("signed out");
    device.add("tasks", json!({ "id": "g", "n": 0 })).expect("added by the guest");
    open_as(device, guest());
    count_up(device);
    assert_eq!(
        (device.rows("tasks").len(), device.engine().pending()),
        (1, 0),
        "the guest has nothing more than before"
    );
    let logged = device.logged();
    assert_eq!(logged.len(), 2, "{logged:?}");
    for (row, change) in &logged {
        assert_eq!((&row["userId"], &row["origin"]), (&json!("ada"), &json!("migration")));
        assert!(change["table"] == "settings" || change["spaceId"] == "_personal:ada", "{change}");
    }
    assert_eq!(n(device, "tasks", "g"), 1, "a guest's row is brought to the new shape, too");
    assert_eq!(n(device, "tasks", "gone"), 0, "what was deleted stays as it was");
    device.update_app(Setup::of("ada"));
    assert_eq!(device.discard_guest_data().expect("discarded"), 1);
    world.converge("ada");
    for device in &world.devices {
        assert_eq!((n(device, "tasks", "t"), n(device, "settings", "s")), (json!(1), json!(1)));
    }
}

#[test]
fn an_older_apps_rows_that_a_guest_upgraded_are_upgraded_for_whoever_signs_in() {
    let mut world = World::of_ada(1);
    world.server.set_spaces("ada", setup().spaces);
    world.devices[0].set_spaces(setup().spaces).expect("set");
    let mut synced = stamped("synced", OLD, &json!({ "title": "on the server", "n": 8 }));
    synced["userId"] = "ada".into();
    // What the server has of it is newer than what the older app left, but older than the upgrade.
    world.devices[0].add("tasks", json!({ "id": "synced", "title": "on the server", "n": 9 })).expect("added");
    world.devices[0].add("tasks", json!({ "id": "bare", "title": "newer", "n": 9 })).expect("added");
    world.converge("ada");
    let mut before = json!({ "id": "before", "n": 1, "title": "stamped", "updatedAt": LATER, "spaceId": "club",
        "authorId": "ada", "visibility": "space", "__fieldTimestamps": { "title": LATER, "n": OLD } });
    before["__lastActor"] = json!({ "kind": "user", "principalId": "ada" });
    let device = world.add(Setup::of("ada"));
    device.install_app(guest());
    device.fill_as_older_app(&[
        ("tasks", synced),
        ("tasks", before),
        ("tasks", json!({ "id": "bare", "title": "Milk", "note": "of LATER", "updatedAt": LATER, "createdAt": OLD })),
        ("settings", json!({ "id": "prefs", "n": 4, "userId": "ada", "updatedAt": OLD })),
        queued("tasks", "synced", "update", LATER, &json!({ "fields": { "n": { "value": 8, "at": LATER } } })),
    ]);
    let device = &world.devices[1];
    device.try_open().expect("it opens");
    count_up(device);
    assert!(device.logged().is_empty(), "nobody is there whose rows they are");
    assert_eq!((n(device, "tasks", "synced"), n(device, "settings", "prefs")), (json!(9), json!(5)));
    device.sign_in("ada").expect("signed in");
    device.set_spaces(setup().spaces).expect("set");
    assert_eq!(stamp(device, "bare", "note"), LATER, "the upgrade makes no other field of the row older");
    device.session().sync_start();
    world.converge("ada");
    check_sent_once(&world);
    for device in &world.devices {
        let counts = ["synced", "before", "bare"].map(|id| n(device, "tasks", id));
        assert_eq!(counts, [json!(9), json!(2), json!(1)]);
        assert_eq!(device.stored("tasks", "bare")["title"], "newer");
        assert_eq!(device.stored("tasks", "bare")["note"], "of LATER");
        assert_eq!(n(device, "settings", "prefs"), 5);
        assert_eq!(device.stored("tasks", "before")["__fieldMeta"]["n"]["actor"]["principalId"], "schema");
    }
}

#[test]
fn rows_of_spaces_that_are_not_known_yet_are_upgraded_and_logged_at_the_end_of_an_adoption() {
    let mut world = World::of_ada(1);
    world.server.set_spaces("ada", setup().spaces);
    world.devices[0].set_spaces(setup().spaces).expect("set");
    let mut own = stamped("own", OLD, &json!({ "n": 4 }));
    own["spaceId"] = "club".into();
    world.add(Setup::of("ada")).fill_as_older_app(&[("tasks", own)]);
    let device = &world.devices[1];
    device.try_open().expect("it opens");
    count_up(device);
    assert!(device.logged().is_empty(), "nobody said yet that ada is a member");
    device.set_spaces(setup().spaces).expect("set");
    device.session().sync_start();
    world.converge("ada");
    check_sent_once(&world);
    assert_eq!(n(&world.devices[0], "tasks", "own"), 5);
}

#[test]
fn rows_that_the_user_may_not_write_get_the_new_shape_here_and_are_nobodys_edit() {
    let world = family();
    let [one, other, bob] = [&world.devices[0], &world.devices[1], &world.devices[2]];
    one.add("tasks", json!({ "id": "mine", "due": "plain", "n": 0 })).expect("added");
    bob.add("tasks", json!({ "id": "bobs", "n": 0, "spaceId": "club" })).expect("added");
    world.pass(60_000);
    let before = one.stored("tasks", "bobs");
    open_as(one, Setup { spaces: Vec::new(), ..setup() });
    count_up(one);
    assert_eq!((n(one, "tasks", "mine"), n(one, "tasks", "bobs")), (json!(1), json!(1)));
    let logged: Vec<_> =
        one.logged().into_iter().map(|(_, change)| (change["id"].clone(), change["spaceId"].clone())).collect();
    assert_eq!(
        logged,
        [(json!("mine"), json!("_personal:ada"))],
        "what lies in the own space, whatever it is stored under"
    );
    for kept in ["__fieldMeta", "_updatedAtIndex", "__own"] {
        assert_eq!(one.stored("tasks", "bobs")[kept], before[kept], "{kept}");
    }
    one.set_spaces(setup().spaces).expect("set");
    one.unlock(7).expect("unlocked");
    one.session().sync_start();
    world.pass(60_000);
    bob.update("tasks", "bobs", json!({ "n": 7 })).expect("written");
    world.pass(180_000);
    for device in [one, other, bob] {
        assert_eq!(n(device, "tasks", "bobs"), 7, "a real edit counts, and was lost to nothing");
    }
}

#[test]
fn where_the_user_may_only_read_an_upgrade_does_not_fail() {
    let world = family();
    let [one, _, bob] = [&world.devices[0], &world.devices[1], &world.devices[2]];
    bob.add("tasks", json!({ "id": "bobs", "n": 0, "spaceId": "club" })).expect("added");
    world.pass(60_000);
    let mut club = space("club", "family");
    club.role = Some("viewer".to_owned());
    open_as(one, Setup { spaces: vec![space("home", "personal"), club], ..setup() });
    let mut private = stamped("private", OLD, &json!({ "n": 0 }));
    (private["spaceId"], private["authorId"], private["visibility"]) = ("club".into(), "bob".into(), "private".into());
    count_up(one);
    assert_eq!((n(one, "tasks", "bobs"), one.logged().len()), (json!(1), 0));
    open_as(one, setup());
    one.close();
    one.store_put("tasks", private);
    one.try_open().expect("it opens");
    count_up(one);
    assert_eq!(n(one, "tasks", "private"), 1, "another's private row, too");
    let logged: Vec<_> = one.logged().into_iter().map(|(_, change)| change["id"].clone()).collect();
    assert_eq!(logged, ["bobs"], "as a member the user says it");
    assert_eq!(origins(one), ["migration"]);
}

#[test]
fn a_guests_row_that_the_user_upgraded_is_taken_over_in_its_new_shape() {
    let mut world = World::new(1);
    world.server.set_spaces("ada", setup().spaces);
    let device = world.add(setup());
    open_as(device, Setup { user: None, spaces: Vec::new(), ..setup() });
    device.add("tasks", json!({ "id": "g", "title": SECRET, "n": 0 })).expect("added");
    device.add("tasks", json!({ "id": "gp", "visibility": "private", "title": SECRET, "n": 0 })).expect("added");
    device.put("settings", json!({ "id": "theme", "value": SECRET, "n": 0 })).expect("put");
    open_as(device, setup());
    device.upgrade(2, &["tasks"], |_| json!({ "n": 1, "title": format!("{SECRET} too") })).expect("upgraded");
    device.upgrade(3, &["settings"], |_| json!({ "n": 1 })).expect("upgraded");
    assert!(device.logged().is_empty());
    assert_eq!(device.stored("tasks", "g")["title"], format!("{SECRET} too"), "a guest's row is in plaintext");
    assert!(device.rows("tasks").is_empty(), "and the user has it only when it is taken over");
    device.unlock(7).expect("unlocked");
    device.session().sync_start();
    let data = device.adopt_guest_data().expect("adopted");
    assert_eq!((data.adopted, data.dropped), (3, 0));
    world.add(setup()).open();
    world.devices[1].unlock(7).expect("unlocked");
    world.converge("ada");
    for device in &world.devices {
        assert_eq!((n(device, "tasks", "g"), n(device, "settings", "theme")), (json!(1), json!(1)));
        assert!(!traces(device).contains("marmalade"), "it was sealed on the way");
    }
}

#[test]
fn what_is_or_may_be_sealed_is_neither_shown_to_an_upgrade_nor_written_by_it() {
    let world = family();
    let one = &world.devices[0];
    one.add("tasks", json!({ "id": "own", "title": SECRET, "n": 0 })).expect("added");
    one.add("tasks", json!({ "id": "private", "title": SECRET, "n": 0, "spaceId": "club", "visibility": "private" }))
        .expect("added");
    one.add("tasks", json!({ "id": "club", "title": "Cake", "n": 0, "spaceId": "club" })).expect("added");
    world.pass(60_000);
    for (app, spaces) in [(None, Vec::new()), (Some("ada".to_owned()), Vec::new())] {
        open_as(one, Setup { user: app, spaces, ..setup() });
        let before = one.store_rows("tasks");
        let renamed = |shown: &Value| {
            assert!(!shown.to_string().contains("enc:"), "{shown}");
            json!({ "title": "over it" })
        };
        assert_eq!(code(one.upgrade(2, &["tasks"], renamed)), "vault_locked");
        assert_eq!(one.store_rows("tasks"), before, "and nothing of it is done");
        assert!(one.engine_rows("dataVersion").iter().all(|row| row["version"] != 2));
        // What is shown in the place of a sealed value says, written back, that it is as it was.
        one.upgrade(2, &["tasks"], |shown| json!({ "n": 1, "title": shown["title"] })).expect("upgraded");
        let after = one.store_rows("tasks");
        for (before, after) in before.iter().zip(&after) {
            assert_eq!((&before["title"], &before["__own"]), (&after["title"], &after["__own"]));
            assert_eq!(after["n"], 1);
        }
        one.store_put("_engine", json!({ "kind": "dataVersion", "key": "", "version": 1 }));
        one.upgrade(2, &["tasks"], |_| json!({ "n": 0 })).expect("back again");
    }
}

//! A new key takes the place of the old one on all devices: whoever has the newest reads everything, whoever has an
//! older one is told, and what is stored is sealed anew without a stamp or an edit lost.

use super::sealed::{SECRET, setup, shown, space, traces, world};
use mana_simulation::calls::code;
use mana_simulation::{Device, Setup, World};
use mana_sync::log::memory::MemoryLog;
use mana_sync_engine::crypto::Envelope;
use mana_sync_engine::engine::{Event, Kind};
use serde_json::{Value, json};

const TABLES: [&str; 2] = ["tasks", "settings"];

/// The generations of the keys under which a device stores its sealed values; `None` where one is in plaintext.
pub fn generations(device: &Device) -> Vec<Option<u16>> {
    let fields = ["title", "note", "value"];
    let rows = TABLES.iter().flat_map(|table| device.store_rows(table));
    let values = rows.flat_map(|row| fields.map(|field| row[field].clone())).filter(|value| !value.is_null());
    let name = |value: Value| Envelope::parse(value.as_str()?)?.key();
    values.map(|value| name(value).map(|name| name.generation)).collect()
}

pub fn all_under(device: &Device, generation: u16) -> bool {
    let all = generations(device);
    !all.is_empty() && all.iter().all(|of| *of == Some(generation))
}

/// Lets pushes, pulls and sealing anew come to rest on all devices.
pub fn settle(world: &World) {
    world.converge("ada");
    world.pass(70_000);
    world.converge("ada");
}

fn fill(device: &Device) {
    for id in ["a", "b", "c"] {
        device.add("tasks", json!({ "id": id, "title": format!("{SECRET} {id}"), "note": [id] })).expect("added");
    }
    device.put("settings", json!({ "id": "s", "value": SECRET })).expect("put");
}

pub fn reads_all(device: &Device) -> bool {
    let is_read = |id: &str| {
        let row = shown(device, "tasks", id);
        row["title"] == format!("{SECRET} {id}") && row["note"] == json!([id])
    };
    ["a", "b", "c"].into_iter().all(is_read) && shown(device, "settings", "s")["value"] == SECRET
}

/// Two devices with the key 7, three sealed tasks and a setting.
pub fn filled() -> World {
    let world = world();
    fill(&world.devices[0]);
    settle(&world);
    world
}

fn stamps(device: &Device) -> Vec<Value> {
    TABLES.iter().flat_map(|table| device.store_rows(table)).map(|row| row["__fieldMeta"].clone()).collect()
}

#[test]
fn the_newest_key_opens_everything_and_everything_is_sealed_anew() {
    let world = filled();
    let [one, other] = [&world.devices[0], &world.devices[1]];
    let before: Vec<String> = stamps(other).iter().map(|meta| meta["title"]["at"].to_string()).collect();
    one.rotate(8).expect("rotated");
    settle(&world);
    assert!(all_under(one, 2) && all_under(other, 2), "{:?} {:?}", generations(one), generations(other));
    assert!(reads_all(one));
    let after: Vec<String> = stamps(other).iter().map(|meta| meta["title"]["at"].to_string()).collect();
    assert_eq!(before, after, "no stamp moved");
    other.unlock(8).expect("unlocked");
    assert!(reads_all(other));
    other.update("tasks", "a", json!({ "title": "after" })).expect("written");
    settle(&world);
    assert_eq!(shown(one, "tasks", "a")["title"], "after");
    assert!(!traces(one).contains("marmalade") && !traces(other).contains("marmalade"));
}

#[test]
fn the_keyring_is_no_business_of_the_apps() {
    let world = filled();
    let [one, other] = [&world.devices[0], &world.devices[1]];
    let _ = (one.take_events(), other.take_events());
    one.rotate(8).expect("rotated");
    settle(&world);
    for event in one.take_events().into_iter().chain(other.take_events()) {
        match event {
            Event::Change { changes, .. } => assert!(changes.iter().all(|change| TABLES.contains(&&*change.table))),
            Event::Conflict(_) | Event::Quarantine { .. } | Event::DeadLetter { .. } => panic!("{event:?}"),
            _ => {}
        }
    }
    assert!(world.server.changes("ada", &TABLES).iter().all(|change| change.app.as_str() == "todo"));
}

#[test]
fn an_older_key_reads_what_it_can_says_so_and_seals_nothing() {
    let world = filled();
    let [one, other] = [&world.devices[0], &world.devices[1]];
    one.rotate(8).expect("rotated");
    settle(&world);
    assert!(other.engine().is_outdated() && !other.engine().is_locked());
    let told = other.take_events().into_iter().rev().find_map(|event| match event {
        Event::Vault { outdated, .. } => Some(outdated),
        _ => None,
    });
    assert_eq!(told, Some(true), "the app is told");
    let logged = other.logged().len();
    assert_eq!(code(other.update("tasks", "a", json!({ "title": "x" }))), "key_outdated");
    assert_eq!(code(other.rotate(9)), "key_outdated");
    assert_eq!(code(other.engine().create_recovery_code()), "key_outdated", "it would open the older key only");
    assert_eq!(other.logged().len(), logged, "nothing was written");
    other.update("tasks", "a", json!({ "due": "today" })).expect("needs no key");
    // The same after a restart, with the older key once more, and with one that was never the user's.
    other.restart();
    for byte in [7, 99] {
        other.unlock(byte).expect("it reads what it can");
        assert!(other.engine().is_outdated());
        assert_eq!(code(other.add("tasks", json!({ "title": "x" }))), "key_outdated");
    }
    other.unlock(8).expect("unlocked");
    assert!(!other.engine().is_outdated() && reads_all(other));
}

#[test]
fn what_is_sealed_anew_under_a_key_that_is_not_here_yet_is_shown_on_and_said_again_by_nobody() {
    let world = filled();
    let [one, other] = [&world.devices[0], &world.devices[1]];
    let form = shown(other, "tasks", "b");
    one.rotate(8).expect("rotated");
    settle(&world);
    assert!(all_under(other, 2) && other.engine().is_outdated());
    assert!(reads_all(other), "what it knew it shows on");
    let mut saved = form;
    saved["due"] = json!("today");
    other.put("tasks", saved).expect("needs no key: no sealed field is another");
    other.unlock(8).expect("unlocked");
    settle(&world);
    let logged = world.server.changes("ada", &["tasks"]);
    let last = logged.last().expect("the form's");
    let fields: Vec<&str> = last.fields.keys().map(mana_sync_engine::model::FieldName::as_str).collect();
    assert_eq!((last.id.as_str(), fields), ("b", vec!["due"]));
    assert!(reads_all(other));
}

#[test]
fn what_an_offline_device_wrote_under_the_older_key_is_read_and_sealed_anew() {
    let world = filled();
    let [one, late] = [&world.devices[0], &world.devices[1]];
    late.line.set_online(false);
    late.add("tasks", json!({ "id": "late", "title": format!("{SECRET} late") })).expect("added");
    late.update("tasks", "a", json!({ "note": "from the train" })).expect("updated");
    one.rotate(8).expect("rotated");
    one.update("tasks", "b", json!({ "title": "new" })).expect("updated");
    world.pass(60_000);
    late.update("tasks", "b", json!({ "note": "from the train, too" })).expect("it does not know yet");
    late.line.set_online(true);
    settle(&world);
    assert_eq!(shown(one, "tasks", "late")["title"], format!("{SECRET} late"));
    assert_eq!(shown(one, "tasks", "a")["note"], "from the train");
    let b = shown(one, "tasks", "b");
    assert_eq!((&b["title"], &b["note"]), (&json!("new"), &json!("from the train, too")), "no edit was lost");
    assert!(all_under(one, 2) && all_under(late, 2), "{:?}", generations(late));
    late.unlock(8).expect("unlocked");
    assert_eq!(shown(late, "tasks", "b")["title"], "new");
}

#[test]
fn of_two_rotations_at_once_the_second_is_refused() {
    let world = filled();
    let [one, other] = [&world.devices[0], &world.devices[1]];
    other.line.set_online(false);
    assert_eq!(code(other.rotate(9)), "offline", "a rotation needs the server");
    assert!(other.engine_rows("rotation").is_empty() && !other.engine().is_outdated());
    other.line.set_online(true);
    world.pass(70_000);
    // While the other device's app keeps its key, this one rotates.
    let (faster, slower) = (one.session(), other.session());
    let key = |byte: u8| mana_sync_engine::crypto::MasterKey::from_bytes(&[byte; 32]).expect("a key");
    let first = async move |_| faster.rotate(key(8), async |_| Ok(())).await;
    let both = async move { slower.rotate(key(9), first).await };
    let refused = world.executor.block_on(99, 100_000, both).expect("it ends");
    assert_eq!(refused.map_err(|error| error.kind()), Err(Kind::RotationInProgress));
    settle(&world);
    for (byte, outdated) in [(9, true), (8, false)] {
        other.unlock(byte).expect("unlocked");
        assert_eq!(other.engine().is_outdated(), outdated);
    }
    assert!(reads_all(other) && all_under(other, 2));
    assert!(other.logged().is_empty() && other.engine_rows("letter").is_empty());
}

#[test]
fn an_app_that_cannot_keep_the_new_key_keeps_the_old_one() {
    let world = filled();
    let [one, other] = [&world.devices[0], &world.devices[1]];
    let failed = || Err(mana_sync_engine::engine::Error::new(Kind::Offline, "no room"));
    assert_eq!(code(one.try_rotate(8, failed).expect("the tab lives")), "offline");
    settle(&world);
    assert!(one.engine_rows("rotation").is_empty());
    one.add("tasks", json!({ "id": "d", "title": "still" })).expect("added");
    settle(&world);
    assert!(all_under(other, 1) && reads_all(other));
}

#[test]
fn a_rotation_after_a_rotation_opens_what_both_sealed() {
    let world = filled();
    let [one, other] = [&world.devices[0], &world.devices[1]];
    other.line.set_online(false);
    for (byte, title) in [(8, "second"), (9, "third")] {
        one.rotate(byte).expect("rotated");
        one.update("tasks", "b", json!({ "note": title })).expect("updated");
    }
    assert_eq!(code(one.rotate(8)), "invalid_argument", "no key is used twice");
    settle(&world);
    other.line.set_online(true);
    other.restart();
    other.unlock(9).expect("unlocked");
    settle(&world);
    assert!(all_under(one, 3) && all_under(other, 3));
    assert_eq!(shown(other, "tasks", "b")["note"], "third");
    assert_eq!(shown(other, "tasks", "a")["title"], format!("{SECRET} a"));
}

#[test]
fn a_new_device_knows_the_newest_key_before_it_has_anything_else() {
    let mut world = filled();
    world.devices[0].rotate(8).expect("rotated");
    settle(&world);
    world.server.set_page(1);
    let fresh = world.add(setup());
    fresh.try_open().expect("opened");
    fresh.unlock(8).expect("unlocked");
    // It writes before it has heard anything of generations.
    fresh.add("tasks", json!({ "id": "early", "title": format!("{SECRET} early") })).expect("added");
    fresh.session().sync_start();
    settle(&world);
    let fresh = &world.devices[2];
    assert!(reads_all(fresh) && all_under(fresh, 2), "{:?}", generations(fresh));
    assert_eq!(shown(&world.devices[0], "tasks", "early")["title"], format!("{SECRET} early"));
    // What was sealed under its guess is read after a restart, too, before it was sealed anew.
    fresh.restart();
    fresh.unlock(8).expect("unlocked");
    assert_eq!(shown(fresh, "tasks", "early")["title"], format!("{SECRET} early"));
}

#[test]
fn all_tabs_have_the_new_key() {
    let world = filled();
    let device = &world.devices[0];
    device.open_second().expect("opened");
    device.session_at(1).expect("open").sync_start();
    world.pass(5_000);
    device.rotate(8).expect("rotated");
    world.pass(5_000);
    device.add_in(1, "tasks", json!({ "id": "t", "title": "second tab" })).expect("the key was handed over");
    settle(&world);
    assert!(all_under(device, 2));
    device.lock();
    world.pass(10);
    assert_eq!(code(device.add_in(1, "tasks", json!({ "title": "x" }))), "vault_locked");
}

#[test]
fn a_vault_that_nobody_uses_is_locked_in_all_tabs() {
    let world = filled();
    let device = &world.devices[0];
    device.open_second().expect("opened");
    world.pass(10);
    let sessions = [device.session(), device.session_at(1).expect("open")];
    for session in &sessions {
        session.lock_after(60_000);
    }
    device.unlock(7).expect("unlocked");
    for _ in 0..10 {
        world.pass(30_000);
        sessions[1].vault_used();
    }
    assert!(sessions.iter().all(|session| !session.engine().is_locked()), "used in one tab, it stays open in both");
    world.pass(50_000);
    assert!(sessions.iter().all(|session| !session.engine().is_locked()));
    world.pass(11_000);
    assert!(sessions.iter().all(|session| session.engine().is_locked()));
    device.unlock(7).expect("unlocked");
    device.lock();
    device.unlock(7).expect("unlocked");
    world.pass(61_000);
    assert!(sessions.iter().all(|session| session.engine().is_locked()), "and so again");
}

/// Devices of a user whose key was changed since the server's backup was made.
fn rotated_since_a_backup() -> (World, MemoryLog) {
    let world = filled();
    let backup = world.server.backup();
    world.devices[0].rotate(8).expect("rotated");
    settle(&world);
    world.devices[1].unlock(8).expect("unlocked");
    (world, backup)
}

#[test]
fn a_server_from_a_backup_is_told_of_the_keys_again() {
    let (world, backup) = rotated_since_a_backup();
    world.server.restore(&backup);
    settle(&world);
    let mut world = world;
    let fresh = world.add(setup());
    fresh.open();
    fresh.unlock(8).expect("unlocked");
    settle(&world);
    assert!(reads_all(&world.devices[2]) && all_under(&world.devices[2], 2));
}

#[test]
fn a_server_from_a_backup_is_told_of_every_version_of_a_fact_again() {
    let (world, backup) = rotated_since_a_backup();
    // Garbage is shown after the real one, and something else between the two.
    let keyring = world.server.keyring("ada");
    let held = keyring.iter().flat_map(|change| &change.fields).find(|(name, _)| name.as_str().starts_with("key:"));
    let (name, value) = held.map(|(name, edit)| (name.as_str().to_owned(), edit.value.clone())).expect("a key");
    let fact = |number: u64, name: &str, value: &Value| {
        let at = format!("2026-01-01T00:00:{number:02}.000000Z");
        json!({ "eventId": format!("00000000-0000-7000-8000-{number:012}"), "app": "_mana", "schemaVersion": 1,
            "table": "keyring", "id": "ada", "op": "insert", "at": at, "origin": "user", "visibility": "space",
            "fields": { name: { "value": value, "at": at } } })
    };
    world.server.push_as("ada", &[fact(1, "sealed:todo/other/title", &value), fact(2, &name, &value)]);
    settle(&world);
    world.server.restore(&backup);
    settle(&world);
    let versions = world.server.keyring("ada");
    let versions = versions.iter().filter(|change| change.fields.keys().any(|field| field.as_str() == name));
    assert!(versions.count() >= 2, "one for each");
    let mut world = world;
    let fresh = world.add(setup());
    fresh.open();
    fresh.unlock(8).expect("unlocked");
    assert!(world.devices[..2].iter().all(reads_all));
    settle(&world);
    let fresh = &world.devices[2];
    assert!(reads_all(fresh));
    let facts = fresh.engine_rows("keyring")[0]["facts"].clone();
    let real =
        facts.as_array().into_iter().flatten().filter(|fact| fact["name"] == json!(name) && fact["value"] == value);
    assert!(real.count() >= 2, "{facts}");
}

#[test]
fn taking_away_what_is_still_in_plaintext_takes_the_key() {
    let world = World::with(1, vec![Setup { sealed: Vec::new(), ..setup() }]);
    world.server.set_spaces("ada", setup().spaces);
    let device = &world.devices[0];
    device.add("tasks", json!({ "id": "t", "title": "of before" })).expect("added");
    device.update_app(setup());
    let cleared = json!({ "title": null });
    assert_eq!(code(device.update("tasks", "t", cleared.clone())), "vault_locked", "others would call it a stranger's");
    device.unlock(7).expect("unlocked");
    device.update("tasks", "t", cleared).expect("cleared");
    assert!(device.stored("tasks", "t")["title"].as_str().is_some_and(|text| text.starts_with("enc:2:")));
}

#[test]
fn rows_in_plaintext_are_sealed_under_their_stamps_and_shared_ones_left_alone() {
    let plain = Setup { sealed: Vec::new(), ..setup() };
    let world = World::with(1, vec![plain.clone(), plain]);
    let [one, other] = [&world.devices[0], &world.devices[1]];
    fill(one);
    one.add("tasks", json!({ "id": "shared", "title": "for all", "spaceId": "club" })).expect("added");
    one.add("tasks", json!({ "id": "private", "title": SECRET, "spaceId": "club", "visibility": "private" }))
        .expect("added");
    settle(&world);
    let before = stamps(one);
    one.update_app(setup());
    other.update_app(setup());
    settle(&world);
    assert_eq!(one.stored("tasks", "a")["title"], format!("{SECRET} a"), "nothing is sealed without the key");
    one.unlock(7).expect("unlocked");
    settle(&world);
    let at = |rows: &[Value]| rows.iter().map(|meta| meta["title"]["at"].clone()).collect::<Vec<_>>();
    assert_eq!(at(&stamps(one)), at(&before));
    for device in [one, other] {
        assert_eq!(device.stored("tasks", "shared")["title"], "for all");
        let stored = ["_changeLog", "tasks", "settings"].map(|store| format!("{:?}", device.store_rows(store)));
        assert!(!stored.join("").contains("marmalade"), "what another device sealed is sealed here, too");
    }
    other.unlock(7).expect("unlocked");
    assert!(reads_all(other));
    assert_eq!(shown(other, "tasks", "private")["title"], SECRET);
    assert!(one.engine_rows("sweep")[0]["done"] == true && !one.engine_rows("keyring").is_empty());
}

#[test]
fn plaintext_that_comes_after_a_field_was_sealed_is_not_taken_for_the_users() {
    let world = filled();
    let device = &world.devices[0];
    world.pass(700_000);
    let at = "2026-01-01T00:12:00.000000Z";
    world.server.push_as(
        "ada",
        &[json!({ "eventId": "00000000-0000-7000-8000-000000000009", "app": "todo", "schemaVersion": 1, "table": "tasks",
            "id": "a", "op": "update", "at": at, "origin": "user", "spaceId": "_personal:ada", "visibility": "space",
            "fields": { "title": { "value": "made up", "at": at } } })],
    );
    settle(&world);
    assert_eq!(device.stored("tasks", "a")["title"], "made up", "it is not sealed as if the user had written it");
}

#[test]
fn a_key_that_was_used_too_often_asks_for_another() {
    let world = filled();
    let device = &world.devices[0];
    let id = Envelope::parse(device.stored("tasks", "a")["title"].as_str().expect("sealed")).expect("an envelope");
    let id = id.key().expect("it names one").id.to_string();
    let nearly = json!({ "kind": "keyUses", "key": format!("ada/{id}"), "count": (1u64 << 31) - 1, "told": 0 });
    device.close_all();
    device.store_put("_engine", nearly);
    device.open();
    device.unlock(7).expect("unlocked");
    world.pass(5_000);
    let _ = device.take_events();
    device.add("tasks", json!({ "id": "d", "title": "one more" })).expect("added");
    settle(&world);
    let asked = |device: &Device| device.take_events().into_iter().any(|e| matches!(e, Event::RotationDue { .. }));
    assert!(asked(device));
    // The other devices hear of it, also after a restart.
    let other = &world.devices[1];
    other.restart();
    other.unlock(7).expect("unlocked");
    assert!(asked(other), "counts are summed over devices");
    other.line.set_online(false);
    other.update("tasks", "b", json!({ "note": "late" })).expect("written");
    device.rotate(8).expect("rotated");
    world.pass(5_000);
    device.restart();
    let _ = device.take_events();
    device.unlock(8).expect("unlocked");
    assert!(!asked(device), "the new key is fresh");
    device.close_all();
    let spent = json!({ "kind": "keyUses", "key": format!("ada/{}", newest(device)), "count": 1u64 << 32, "told": 0 });
    device.store_put("_engine", spent);
    device.open();
    device.unlock(8).expect("unlocked");
    assert_eq!(code(device.add("tasks", json!({ "title": "x" }))), "key_exhausted");
    // What another device wrote under the former key cannot be sealed anew, and everything else goes on.
    settle(&world);
    assert_eq!(shown(device, "tasks", "b")["note"], "late");
}

fn newest(device: &Device) -> String {
    let text = device.stored("tasks", "a")["title"].as_str().expect("sealed").to_owned();
    Envelope::parse(&text).and_then(|envelope| envelope.key()).expect("a key").id.to_string()
}

#[test]
fn nothing_is_written_under_a_rotation_that_the_format_does_not_carry() {
    let world = filled();
    let device = &world.devices[0];
    let other = Setup { spaces: vec![space("home", "personal")], ..setup() };
    device.update_app(Setup { format_one: true, ..other });
    device.unlock(7).expect("unlocked");
    assert_eq!(code(device.rotate(8)), "invalid_argument");
    assert!(device.engine_rows("rotation").is_empty());
}

#[test]
fn a_key_that_was_never_the_users_does_not_come_to_lie_under_the_newest() {
    let world = filled();
    let device = &world.devices[0];
    device.rotate(8).expect("rotated");
    settle(&world);
    let facts = |device: &Device| device.engine_rows("keyring")[0]["facts"].clone();
    let before = facts(device);
    for byte in [99, 8, 7, 8] {
        device.unlock(byte).expect("a key is a key");
        settle(&world);
    }
    assert_eq!(facts(device), before);
}

#[test]
fn the_newest_key_opens_what_waits_for_the_clock_to_be_set_right_before_the_keyring_is_known() {
    let world = filled();
    let [one, other] = [&world.devices[0], &world.devices[1]];
    other.line.set_online(false);
    other.lose_database();
    other.open();
    other.unlock(7).expect("unlocked");
    other.add("tasks", json!({ "id": "late", "title": format!("{SECRET} late") })).expect("added");
    one.rotate(8).expect("rotated");
    other.unlock(8).expect("it knows of no keys yet");
    other.clock.jump(-86_400_000);
    // The token that it has is good for nothing any more.
    let newest = world.devices.iter().map(|device| device.line.next_token()).max().unwrap_or(0);
    world.server.expire_tokens(newest);
    world.devices.iter().for_each(|device| device.line.set_next_token(newest));
    other.line.set_online(true);
    settle(&world);
    assert!(other.logged().is_empty() && reads_all(other));
    assert_eq!(shown(one, "tasks", "late")["title"], format!("{SECRET} late"));
    assert!(all_under(one, 2) && all_under(other, 2));
}

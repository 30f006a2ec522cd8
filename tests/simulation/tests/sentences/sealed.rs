//! What is the user's alone is sealed before it is stored, by the record's own space; what arrives turns none of it into
//! plaintext; and without the key nothing is read or written, and nothing is lost.

use mana_simulation::calls::code;
use mana_simulation::{Device, Setup, World};
use mana_sync_engine::crypto::Envelope;
use mana_sync_engine::engine::{Event, Page};
use mana_sync_engine::model::{Space, SpaceId};
use serde_json::{Value, json};

pub const SECRET: &str = "unheard-of marmalade";

pub fn space(id: &str, kind: &str) -> Space {
    Space { id: SpaceId::parse(id).expect("an id"), kind: Some(kind.to_owned()), role: Some("owner".to_owned()) }
}

pub fn setup() -> Setup {
    let spaces = vec![space("home", "personal"), space("club", "family")];
    let sealed = vec![("tasks", "title"), ("tasks", "note"), ("settings", "value")];
    Setup { spaces, sealed, ..Setup::of("ada") }
}

/// Two devices of ada's with the key.
pub fn world() -> World {
    let world = World::with(1, vec![setup(); 2]);
    world.server.set_spaces("ada", setup().spaces);
    world.devices.iter().for_each(|device| device.unlock(7).expect("unlocked"));
    world
}

pub fn shown(device: &Device, table: &str, id: &str) -> Value {
    device.rows(table).into_iter().find(|row| row["id"] == id).unwrap_or_default()
}

fn is_sealed(value: &Value) -> bool {
    value.as_str().is_some_and(|text| Envelope::parse(text).is_some())
}

/// Everything that a device has stored, and everything it ever sent.
pub fn traces(device: &Device) -> String {
    let stores = ["tasks", "settings", "_changeLog", "_engine"];
    let rows: Vec<String> = stores.iter().map(|store| format!("{:?}", device.store_rows(store))).collect();
    rows.join("") + &device.line.sent_to("/v2/push").join("")
}

#[test]
fn what_is_the_users_alone_is_sealed_everywhere_but_where_the_app_reads_it() {
    let world = world();
    let [one, other] = [&world.devices[0], &world.devices[1]];
    one.add("tasks", json!({ "id": "t", "title": SECRET, "note": { "deep": [SECRET] }, "due": "plain" }))
        .expect("added");
    one.put("settings", json!({ "id": "s", "value": SECRET })).expect("put");
    one.update("tasks", "t", json!({ "title": format!("{SECRET} again") })).expect("updated");
    let waiting = traces(one);
    world.converge("ada");
    for device in [one, other] {
        assert!(!(traces(device) + &waiting).contains("marmalade"), "no trace of it");
        assert!(
            is_sealed(&device.stored("tasks", "t")["title"]) && is_sealed(&device.stored("settings", "s")["value"])
        );
        let row = shown(device, "tasks", "t");
        assert_eq!((&row["title"], &row["note"]), (&json!(format!("{SECRET} again")), &json!({ "deep": [SECRET] })));
        assert_eq!((&row["due"], &shown(device, "settings", "s")["value"]), (&json!("plain"), &json!(SECRET)));
    }
}

#[test]
fn the_records_own_space_decides_and_not_the_one_looked_at() {
    let world = world();
    let device = &world.devices[0];
    device.engine().set_active_space(Some(SpaceId::parse("club").expect("an id")));
    device.add("tasks", json!({ "id": "own", "title": SECRET, "spaceId": "home" })).expect("added");
    device.add("tasks", json!({ "id": "shared", "title": "for all" })).expect("added");
    device.add("tasks", json!({ "id": "private", "title": SECRET, "visibility": "private" })).expect("added");
    device.update("tasks", "own", json!({ "note": SECRET })).expect("updated");
    let stored = |id: &str| device.stored("tasks", id);
    assert!(
        is_sealed(&stored("own")["title"])
            && is_sealed(&stored("own")["note"])
            && is_sealed(&stored("private")["title"])
    );
    assert_eq!(stored("shared")["title"], "for all");
    // In a shared row an envelope is a text.
    let text = stored("own")["title"].clone();
    device.update("tasks", "shared", json!({ "title": text })).expect("updated");
    assert_eq!(shown(device, "tasks", "shared")["title"], text);
}

#[test]
fn writing_the_same_again_is_no_edit_and_taking_away_is_sealed() {
    let world = world();
    let [device, other] = [&world.devices[0], &world.devices[1]];
    device.add("tasks", json!({ "id": "t", "title": SECRET, "note": null })).expect("added");
    assert_eq!(device.stored("tasks", "t")["note"], Value::Null, "what never was sealed shows that there is nothing");
    let before = device.stored("tasks", "t");
    assert_eq!(device.update("tasks", "t", json!({ "title": SECRET })).expect("taken").count, 0);
    assert_eq!(device.put("tasks", json!({ "id": "t", "title": SECRET })).expect("taken").count, 0);
    assert_eq!(device.stored("tasks", "t"), before);
    device.update("tasks", "t", json!({ "title": null })).expect("updated");
    assert!(is_sealed(&device.stored("tasks", "t")["title"]));
    world.converge("ada");
    assert_eq!(shown(other, "tasks", "t")["title"], Value::Null);
    device.put("tasks", json!({ "id": "t", "due": "tomorrow" })).expect("put");
    assert_eq!(shown(device, "tasks", "t")["title"], Value::Null);
    // Deleted and made anew, nothing of before shows.
    device.delete("tasks", "t").expect("deleted");
    device.add("tasks", json!({ "id": "t", "note": SECRET })).expect("added");
    world.converge("ada");
    assert_eq!(shown(other, "tasks", "t")["note"], SECRET);
    assert!(!traces(device).contains("marmalade"));
}

#[test]
fn a_locked_vault_shows_and_takes_only_what_is_not_sealed() {
    let world = world();
    let device = &world.devices[0];
    device.add("tasks", json!({ "id": "t", "title": SECRET, "due": "today" })).expect("added");
    device.lock();
    let row = shown(device, "tasks", "t");
    assert_eq!(row["due"], "today");
    assert!(!row.to_string().contains("enc:") && !row.to_string().contains("marmalade"), "{row}");
    let logged = device.logged().len();
    assert_eq!(code(device.add("tasks", json!({ "id": "u", "title": "x" }))), "vault_locked");
    assert_eq!(code(device.update("tasks", "t", json!({ "title": "x" }))), "vault_locked");
    assert_eq!((device.logged().len(), device.stored("tasks", "u")), (logged, Value::Null), "nothing was written");
    device.update("tasks", "t", json!({ "due": "tomorrow" })).expect("needs no key");
    // Written back as it was shown, what is sealed stays.
    let put = device.put("tasks", json!({ "id": "t", "title": row["title"], "due": "later" })).expect("needs no key");
    assert_eq!(put.count, 1);
    assert_eq!(code(device.put("tasks", json!({ "id": "t", "due": row["title"] }))), "value_not_syncable");
    assert_eq!(code(device.add("tasks", json!({ "id": "v", "title": row["title"] }))), "value_not_syncable");
    device.unlock(7).expect("unlocked");
    let row = shown(device, "tasks", "t");
    assert_eq!((&row["title"], &row["due"]), (&json!(SECRET), &json!("later")));
}

#[test]
fn a_key_is_in_all_tabs_until_it_is_locked_in_one() {
    let world = world();
    let device = &world.devices[0];
    device.add("tasks", json!({ "id": "t", "title": SECRET })).expect("added");
    device.open_second().expect("opened");
    world.pass(10);
    let add = |id: &str| device.add_in(1, "tasks", json!({ "id": id, "title": SECRET }));
    add("u").expect("the second tab was handed the key");
    device.lock();
    world.pass(10);
    assert_eq!(code(add("v")), "vault_locked");
    device.session_at(1).expect("open").engine().unlock(mana_simulation::calls::raw_key(7)).expect("unlocked");
    world.pass(10);
    assert_eq!(shown(device, "tasks", "t")["title"], SECRET, "and the first tab from the second");
}

#[test]
fn who_signs_out_in_one_tab_takes_the_key_from_all() {
    let world = world();
    let device = &world.devices[0];
    device.add("tasks", json!({ "id": "t", "title": SECRET })).expect("added");
    device.open_second().expect("opened");
    world.pass(10);
    let other = device.session_at(1).expect("open");
    assert!(!other.engine().is_locked());
    device.sign_out().expect("signed out");
    world.pass(10);
    assert!(other.engine().is_locked());
    assert_eq!(code(device.add_in(1, "tasks", json!({ "id": "u", "title": SECRET }))), "vault_locked");
    // A guest who signs in has no key to take away.
    device.session_at(1).expect("open").engine().unlock(mana_simulation::calls::raw_key(7)).expect("unlocked");
    device.sign_in("ada").expect("signed in");
    world.pass(10);
    assert!(!other.engine().is_locked());
}

#[test]
fn what_does_not_open_is_told_once_for_each_field_and_breaks_no_other() {
    let world = world();
    let device = &world.devices[0];
    for id in ["t", "u"] {
        device.add("tasks", json!({ "id": id, "title": SECRET, "note": id, "due": "today" })).expect("added");
    }
    world.converge("ada");
    device.close_all();
    for id in ["t", "u"] {
        let mut row = device.stored("tasks", id);
        let text = row["title"].as_str().expect("sealed").to_owned();
        row["title"] = changed(&text).into();
        device.store_put("tasks", row);
    }
    device.open();
    let told = || {
        let of = |event: Event| match event {
            Event::Integrity { code, table, field, kept, .. } => Some((code.as_str(), table, field, kept.is_some())),
            _ => None,
        };
        device.take_events().into_iter().filter_map(of).collect::<Vec<_>>()
    };
    assert_eq!(shown(device, "tasks", "t")["note"]["__sealed"], true);
    assert_eq!(told(), [], "without a key, nothing is known");
    for _ in 0..2 {
        device.unlock(7).expect("unlocked");
        for _ in 0..2 {
            let [t, u] = ["t", "u"].map(|id| shown(device, "tasks", id));
            assert_eq!((&t["title"]["__sealed"], &u["title"]["__sealed"]), (&json!(true), &json!(true)));
            assert_eq!((&t["note"], &u["note"], &u["due"]), (&json!("t"), &json!("u"), &json!("today")));
        }
        assert_eq!(
            told(),
            [("decrypt_failed", "tasks".to_owned(), "title".to_owned(), false)],
            "and once for each key"
        );
    }
}

/// An envelope with a bit of its ciphertext changed.
fn changed(text: &str) -> String {
    let at = text.len() - 8;
    let other = if text.as_bytes()[at] == b'A' { "B" } else { "A" };
    format!("{}{other}{}", &text[..at], &text[at + 1..])
}

#[test]
fn a_wrong_key_reads_nothing_and_destroys_nothing() {
    let world = world();
    let [one, other] = [&world.devices[0], &world.devices[1]];
    one.add("tasks", json!({ "id": "t", "title": SECRET })).expect("added");
    other.lock();
    other.unlock(8).expect("a key is a key");
    world.converge("ada");
    assert!(!shown(other, "tasks", "t").to_string().contains("marmalade"));
    other.update("tasks", "t", json!({ "due": "today" })).expect("updated");
    world.converge("ada");
    assert_eq!(shown(one, "tasks", "t")["title"], SECRET);
    assert_eq!(shown(one, "tasks", "t")["due"], "today");
}

#[test]
fn a_sealed_value_is_sealed_anew_when_its_stamp_is_corrected() {
    for offset in [-86_400_000, 86_400_000, 3_000] {
        let mut world = world();
        let late = world.add(setup());
        late.clock.jump(offset);
        late.line.set_online(false);
        late.open();
        late.unlock(7).expect("unlocked");
        late.add("tasks", json!({ "id": "t", "title": SECRET, "note": "n" })).expect("added");
        late.update("tasks", "t", json!({ "title": format!("{SECRET}!") })).expect("updated");
        late.lock();
        late.restart();
        late.line.set_online(true);
        world.pass(30_000);
        let late = &world.devices[2];
        let was = late.stored("tasks", "t")["__fieldMeta"]["title"]["at"].clone();
        late.unlock(7).expect("unlocked");
        world.converge("ada");
        for device in &world.devices {
            let row = shown(device, "tasks", "t");
            assert_eq!(
                (&row["title"], &row["note"]),
                (&json!(format!("{SECRET}!")), &json!("n")),
                "off by {offset} ms"
            );
            assert!(!traces(device).contains("marmalade"));
        }
        let is = late.stored("tasks", "t")["__fieldMeta"]["title"]["at"].clone();
        assert!(offset < 86_400_000 || is != was, "a stamp a day ahead is corrected");
    }
}

#[test]
fn a_lost_edit_is_told_and_given_back_in_plaintext() {
    let world = world();
    let [one, other] = [&world.devices[0], &world.devices[1]];
    one.add("tasks", json!({ "id": "t", "title": "first" })).expect("added");
    world.converge("ada");
    one.line.set_online(false);
    one.update("tasks", "t", json!({ "title": SECRET })).expect("updated");
    world.pass(5);
    other.update("tasks", "t", json!({ "title": "theirs" })).expect("updated");
    world.pass(5_000);
    let _ = one.take_events();
    one.line.set_online(true);
    world.converge("ada");
    let told = one.take_events().into_iter().find_map(|event| match event {
        Event::Conflict(conflict) => Some(conflict),
        _ => None,
    });
    let told = told.expect("the person is told");
    assert_eq!((&told.local.value, &told.incoming.value), (&json!(SECRET), &json!("theirs")));
}

#[test]
fn what_a_server_makes_up_is_shown_to_nobody_as_the_users_words() {
    let world = world();
    let [one, other] = [&world.devices[0], &world.devices[1]];
    for id in ["a", "b"] {
        one.add("tasks", json!({ "id": id, "title": format!("{SECRET} {id}"), "note": "n" })).expect("added");
    }
    world.converge("ada");
    // A value of one record under another, of one field in another, or an old one under a new stamp.
    let moved = |field: &str, from: &Value, at: &str| {
        json!({ "eventId": format!("00000000-0000-7000-8000-{:012}", at.len() * 7 + field.len()), "app": "todo",
            "schemaVersion": 1, "table": "tasks", "id": "b", "op": "update", "at": at, "origin": "user",
            "spaceId": "_personal:ada", "visibility": "space", "fields": { field: { "value": from, "at": at } } })
    };
    let stored = one.stored("tasks", "a");
    let later = "2026-01-01T00:10:00.000000Z";
    world.pass(700_000);
    world.server.push_as("ada", &[moved("title", &stored["title"], later), moved("note", &stored["title"], later)]);
    world.converge("ada");
    for device in [one, other] {
        let row = shown(device, "tasks", "b").to_string();
        assert!(!row.contains("marmalade a"), "{row}");
        assert!(shown(device, "tasks", "a").to_string().contains("marmalade a"), "the other one reads on");
    }
}

#[test]
fn what_was_sealed_once_stays_so_when_the_server_says_that_everybody_sees_the_record() {
    let world = world();
    let device = &world.devices[0];
    let private = json!({ "id": "p", "title": SECRET, "spaceId": "club", "visibility": "private" });
    device.add("tasks", private).expect("added");
    world.converge("ada");
    world.pass(700_000);
    let at = "2026-01-01T00:10:00.000000Z";
    let flip = json!({ "eventId": "00000000-0000-7000-8000-000000000001", "app": "todo", "schemaVersion": 1,
        "table": "tasks", "id": "p", "op": "update", "at": at, "origin": "user", "spaceId": "club",
        "visibility": "space", "fields": { "visibility": { "value": "space", "at": at } } });
    // No honest server would say so.
    let (engine, page) = (device.engine(), Page { changes: vec![flip], ..Page::default() });
    let applied = world.executor.block_on(99, 10, async move { engine.apply(page).await });
    applied.expect("no wait").expect("applied").expect("the clock is known");
    assert_eq!(device.stored("tasks", "p")["visibility"], "space", "the device believes it");
    device.update("tasks", "p", json!({ "title": format!("{SECRET} again") })).expect("updated");
    assert!(is_sealed(&device.stored("tasks", "p")["title"]), "{}", device.stored("tasks", "p"));
    assert!(!traces(device).contains("marmalade"));
}

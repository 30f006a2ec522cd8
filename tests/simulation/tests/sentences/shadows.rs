//! What a server sends in place of a sealed value: it can withhold values, and show two devices two histories; it cannot
//! have another value shown than one that the user wrote there. Who has the key is told, once; what was there is shown on,
//! other fields and records are not affected, and all devices still hold the same.

use super::rotation::{filled, settle};
use super::sealed::{SECRET, setup, shown, space, traces};
use mana_simulation::calls::{code, row};
use mana_simulation::{Device, Setup, World};
use mana_sync_engine::crypto::{Format, Keyring, MasterKey, Place};
use mana_sync_engine::engine::{Branch, Conflict, Distrust, Event, Page, Query, Want, Write};
use mana_sync_engine::model::{AppId, BoundNames, FieldName, RecordId, Stamp, TableName, Visibility};
use mana_sync_engine::store::Key;
use serde_json::{Value, json};
use std::cell::RefCell;
use std::rc::Rc;

const LATER: &str = "2026-01-01T00:20:00.000000Z";
/// The user's words in the field that is attacked.
fn words() -> Value {
    json!(format!("{SECRET} a"))
}

pub fn title_of(device: &Device) -> Value {
    shown(device, "tasks", "a")["title"].clone()
}

/// What a key of the user's seals for a place, as nobody but the user could.
fn sealed_at(format: Format, (app, table, id, field): (&str, &str, &str, &str), at: &str, value: &Value) -> Value {
    let mut ring = Keyring::new();
    ring.insert(1, MasterKey::from_bytes(&[7; 32]).expect("a key"));
    let (app, table) = (AppId::parse(app).expect("an app"), TableName::parse(table).expect("a table"));
    let (id, field) = (RecordId::parse(id).expect("an id"), FieldName::parse(field).expect("a field"));
    let random = |bytes: &mut [u8]| bytes.fill(9);
    let place = Place::new(&app, &table, &id, &field);
    let at = Stamp::parse(at).expect("a stamp");
    ring.seal(format, &place, at, value, &random).expect("sealed").into()
}

/// Has the server say of the title of `a` what it likes.
fn send(world: &World, number: u64, value: &Value, at: &str) {
    world.server.push_as(
        "ada",
        &[json!({ "eventId": format!("00000000-0000-7000-8000-{number:012}"), "app": "todo", "schemaVersion": 1,
            "table": "tasks", "id": "a", "op": "update", "at": at, "origin": "user", "spaceId": "_personal:ada",
            "visibility": "space", "fields": { "title": { "value": value, "at": at } } })],
    );
}

type Told = (Distrust, String, String, Option<Box<Conflict>>);

/// What the app was told of values that are not the user's.
fn told(device: &Device) -> Vec<Told> {
    let events = device.take_events().into_iter();
    let told = events.filter_map(|event| match event {
        Event::Integrity { code, table, id, field, kept } => Some((code, format!("{table}/{id}"), field, kept)),
        _ => None,
    });
    told.collect()
}

fn codes(device: &Device) -> Vec<Distrust> {
    told(device).into_iter().map(|(code, ..)| code).collect()
}

/// Everything a server may put in place of a title, with what is said of it.
fn attacks(device: &Device) -> Vec<(&'static str, Value, Distrust)> {
    use Distrust::{Downgrade, ForgedValue};
    let stored = |table: &str, id: &str, field: &str| device.stored(table, id)[field].clone();
    let here = ("todo", "tasks", "a", "title");
    let own = stored("tasks", "a", "title");
    let flipped = own.as_str().expect("sealed").to_owned();
    let at = flipped.len() - 8;
    let other = if flipped.as_bytes()[at] == b'A' { "B" } else { "A" };
    let flipped = format!("{}{other}{}", &flipped[..at], &flipped[at + 1..]);
    let prefix = &own.as_str().expect("sealed")[..19];
    vec![
        ("of another record", stored("tasks", "b", "title"), ForgedValue),
        ("of another field", stored("tasks", "a", "note"), ForgedValue),
        ("of another table", stored("settings", "s", "value"), ForgedValue),
        ("of another app", sealed_at(Format::Two, ("chat", "tasks", "a", "title"), LATER, &json!("x")), ForgedValue),
        ("an older one under a new stamp", own.clone(), ForgedValue),
        ("with a bit changed", json!(flipped), ForgedValue),
        ("cut short", json!(format!("{prefix}oKGio6Slpqeoqaqr.AAAAAAAAAAAAAAAAAAAAAA==")), ForgedValue),
        ("plaintext", json!("made up"), Downgrade),
        ("nothing", Value::Null, Downgrade),
        ("format 1", sealed_at(Format::One, here, LATER, &json!("an old value")), Downgrade),
        ("garbage in format 1", json!("enc:1:oKGio6Slpqeoqaqr.AAAAAAAAAAAAAAAAAAAAAA=="), Downgrade),
        ("a format of tomorrow", json!("enc:9:oKGio6Slpqeoqaqr.AAAA"), Downgrade),
        ("loose base64", json!("enc:2:0001b856b0b4.oKGio6Slpqeoqaqr.AAAA AAAA"), Downgrade),
        ("a number", json!(5), Downgrade),
        ("an object", json!({ "deep": ["made", "up"] }), Downgrade),
    ]
}

#[test]
fn nothing_a_server_puts_in_its_place_is_shown_for_a_sealed_value() {
    for number in 0..attacks(&filled().devices[0]).len() {
        for locked in [false, true] {
            let world = filled();
            let [one, other] = [&world.devices[0], &world.devices[1]];
            let (what, value, expected) = attacks(one).swap_remove(number);
            let what = format!("{what}, locked: {locked}");
            world.pass(1_300_000);
            let _ = (one.take_events(), other.take_events());
            if locked {
                one.lock();
            }
            send(&world, 1, &value, LATER);
            settle(&world);
            assert_eq!(one.stored("tasks", "a")["title"], value, "{what}: it is merged as ever");
            if locked {
                assert_ne!(title_of(one), value, "{what}: it is not shown while nobody can tell");
                one.unlock(7).expect("unlocked");
            }
            assert_eq!(title_of(one), words(), "{what}");
            world.pass(5_000);
            assert_eq!(title_of(one), words(), "{what}: and so it stays");
            for id in ["b", "c"] {
                assert_eq!(shown(one, "tasks", id)["title"], format!("{SECRET} {id}"), "{what}");
            }
            assert_eq!(shown(one, "tasks", "a")["note"], json!(["a"]), "{what}");
            for device in [one, other] {
                let told = told(device);
                let [(code, record, field, kept)] = told.as_slice() else { panic!("{what}: told once: {told:?}") };
                assert_eq!((*code, &**record, &**field), (expected, "tasks/a", "title"), "{what}");
                assert_eq!(kept.as_ref().expect("it is kept").local.value, words(), "{what}");
                assert!(device.engine_rows("unseen").is_empty(), "{what}");
            }
            one.restart();
            one.unlock(7).expect("unlocked");
            settle(&world);
            assert_eq!((title_of(one), codes(one)), (words(), Vec::new()), "{what}: once, also after a restart");
        }
    }
}

#[test]
fn what_the_user_wrote_elsewhere_is_taken_however_it_was_sealed() {
    let good = [
        sealed_at(Format::Two, ("todo", "tasks", "a", "title"), LATER, &json!("mine")),
        // A client of before has sealed it once more.
        sealed_at(
            Format::One,
            ("todo", "tasks", "a", "title"),
            LATER,
            &sealed_at(Format::Two, ("todo", "tasks", "a", "title"), LATER, &json!("mine")),
        ),
    ];
    for (value, locked) in good.iter().flat_map(|value| [(value, false), (value, true)]) {
        let world = filled();
        let one = &world.devices[0];
        world.pass(1_300_000);
        if locked {
            one.lock();
        }
        send(&world, 1, value, LATER);
        settle(&world);
        one.unlock(7).expect("unlocked");
        assert_eq!(title_of(one), "mine");
        settle(&world);
        assert_eq!((title_of(one), codes(one)), (json!("mine"), Vec::new()));
        assert!(one.engine_rows("unseen").is_empty() && one.stored("tasks", "a").get("__shadow").is_none());
    }
}

#[test]
fn what_was_found_to_be_the_users_outlives_any_number_of_others_while_the_vault_is_locked() {
    let world = filled();
    let one = &world.devices[0];
    world.pass(1_300_000);
    one.lock();
    let forged = one.stored("tasks", "b")["title"].clone();
    for second in 0..5 {
        send(&world, second, &forged, &format!("2026-01-01T00:20:0{second}.000000Z"));
        world.pass(40_000);
    }
    one.restart();
    settle(&world);
    one.unlock(7).expect("unlocked");
    assert_eq!(title_of(one), words());
    settle(&world);
    assert_eq!(codes(one), [Distrust::ForgedValue]);
    // And the next one that is the user's takes its place.
    let mine = sealed_at(Format::Two, ("todo", "tasks", "a", "title"), "2026-01-01T00:21:00.000000Z", &json!("mine"));
    world.pass(100_000);
    send(&world, 9, &mine, "2026-01-01T00:21:00.000000Z");
    settle(&world);
    assert_eq!((title_of(one), codes(one)), (json!("mine"), Vec::new()));
    assert!(one.stored("tasks", "a").get("__shadow").is_none());
}

#[test]
fn a_key_that_is_not_here_says_nothing_until_it_comes() {
    let world = filled();
    let [one, other] = [&world.devices[0], &world.devices[1]];
    one.rotate(8).expect("rotated");
    one.update("tasks", "a", json!({ "title": "under the new key" })).expect("updated");
    let _ = other.take_events();
    settle(&world);
    assert!(other.engine().is_outdated());
    assert!(codes(other).is_empty() && !other.engine_rows("unseen").is_empty());
    assert!(title_of(other).is_object(), "it is locked: {}", title_of(other));
    other.unlock(8).expect("unlocked");
    assert_eq!(title_of(other), "under the new key");
    settle(&world);
    assert!(codes(other).is_empty() && other.engine_rows("unseen").is_empty());
    assert!(other.store_rows("tasks").iter().all(|row| row.get("__shadow").is_none()));
    // A key that was never the user's is no judge.
    world.pass(1_300_000);
    send(&world, 1, &one.stored("tasks", "b")["title"], LATER);
    other.restart();
    other.unlock(99).expect("a key is a key");
    settle(&world);
    assert!(codes(other).is_empty());
    other.unlock(8).expect("unlocked");
    settle(&world);
    assert_eq!((title_of(other), codes(other)), (json!("under the new key"), vec![Distrust::ForgedValue]));
}

/// A device whose title of `a` was replaced by plaintext, which it was told of; and what it was told.
fn attacked(value: &Value) -> (World, Box<Conflict>) {
    let world = filled();
    world.pass(1_300_000);
    let _ = world.devices[0].take_events();
    send(&world, 1, value, LATER);
    settle(&world);
    let kept = told(&world.devices[0]).swap_remove(0).3.expect("it is kept");
    (world, kept)
}

#[test]
fn writes_are_compared_with_what_is_shown_and_stamped_above_what_is_stored() {
    let (world, kept) = attacked(&json!("made up"));
    let [one, other] = [&world.devices[0], &world.devices[1]];
    assert_eq!((&kept.local.value, &kept.incoming.value), (&words(), &json!("made up")));
    let row = shown(one, "tasks", "a");
    assert!(row.get("__shadow").is_none(), "the app has nothing to do with it: {row}");
    assert_eq!(one.put("tasks", row).expect("taken").count, 0, "written back as shown, nothing changes");
    assert_eq!(one.update("tasks", "a", json!({ "title": words() })).expect("taken").count, 0);
    one.update("tasks", "a", json!({ "due": "today" })).expect("updated");
    settle(&world);
    assert_eq!(title_of(one), words());
    one.update("tasks", "a", json!({ "title": "anew" })).expect("updated");
    settle(&world);
    for device in [one, other] {
        assert_eq!(title_of(device), "anew");
        assert!(device.stored("tasks", "a").get("__shadow").is_none());
        assert!(device.stored("tasks", "a")["__fieldMeta"]["title"]["at"].as_str() > Some(LATER));
        assert!(!traces(device).contains("marmalade"));
    }
}

#[test]
fn taking_away_what_is_shown_is_sealed_though_plaintext_is_stored() {
    for value in [json!("made up"), Value::Null] {
        let (world, _) = attacked(&value);
        let [one, other] = [&world.devices[0], &world.devices[1]];
        one.update("tasks", "a", json!({ "title": null })).expect("updated");
        settle(&world);
        assert!(one.stored("tasks", "a")["title"].as_str().expect("sealed").starts_with("enc:2:"));
        assert_eq!((title_of(one), title_of(other), codes(other).len()), (Value::Null, Value::Null, 1));
    }
}

#[test]
fn what_is_kept_can_be_written_again_for_all_devices() {
    let (world, kept) = attacked(&json!("made up"));
    let [one, other] = [&world.devices[0], &world.devices[1]];
    let again = vec![(Key::text("a"), row(json!({ kept.field: kept.local.value })))];
    assert_eq!(one.transact(vec![("tasks", Write::Restate(again))]).expect("written").count, 1);
    settle(&world);
    for device in [one, other] {
        assert_eq!(title_of(device), words());
        assert!(device.stored("tasks", "a")["title"].as_str().expect("sealed").starts_with("enc:2:"));
        assert!(device.stored("tasks", "a").get("__shadow").is_none());
    }
    let mut world = world;
    let fresh = world.add(setup());
    fresh.open();
    fresh.unlock(7).expect("unlocked");
    settle(&world);
    assert_eq!(title_of(&world.devices[2]), words(), "also for one that never had it");
}

#[test]
fn a_live_query_shows_on_what_it_showed() {
    let world = filled();
    let one = &world.devices[0];
    let seen: Rc<RefCell<Vec<Vec<Value>>>> = Rc::default();
    let told_rows = Rc::clone(&seen);
    let query = Query { across_spaces: true, ..Query::of("tasks", Branch::default()) };
    let subscribed = one.engine().subscribe(query, Want::ROWS, move |found| {
        let rows = found.expect("it is not broken").into_iter().filter_map(|found| found.row);
        told_rows.borrow_mut().push(rows.map(|row| row.to_map()["title"].clone()).collect());
    });
    subscribed.expect("subscribed");
    world.pass(1_300_000);
    for (number, (_, value, _)) in (1..).zip(attacks(one)) {
        send(&world, number, &value, &format!("2026-01-01T00:20:00.{number:06}Z"));
        world.pass(40_000);
    }
    one.update("tasks", "b", json!({ "title": "on it goes" })).expect("updated");
    world.pass(5_000);
    let seen = seen.borrow();
    assert!(seen.iter().all(|rows| rows.len() == 3 && rows[0] == words()), "{seen:?}");
    assert_eq!(seen.last().expect("called")[1], "on it goes");
}

#[test]
fn sealing_anew_never_makes_the_users_what_is_not() {
    let old = sealed_at(Format::One, ("todo", "tasks", "a", "title"), LATER, &json!("an old value"));
    for value in [json!("made up"), old] {
        let (world, _) = attacked(&value);
        let [one, other] = [&world.devices[0], &world.devices[1]];
        one.rotate(8).expect("rotated");
        other.unlock(8).expect("unlocked");
        settle(&world);
        for device in [one, other] {
            assert_eq!(device.stored("tasks", "a")["title"], value, "it is not sealed as if the user had written it");
            assert_eq!(title_of(device), words(), "the former key still opens what is kept");
            assert_eq!(shown(device, "tasks", "b")["title"], format!("{SECRET} b"));
        }
    }
}

#[test]
fn a_moved_record_takes_what_is_shown_along_and_leaves_the_rest() {
    for value in [json!("made up"), json!("enc:9:tomorrow")] {
        let (world, _) = attacked(&value);
        let [one, other] = [&world.devices[0], &world.devices[1]];
        let id = one.move_to_space("tasks", "a", "club").expect("moved");
        settle(&world);
        for device in [one, other] {
            assert_eq!(shown(device, "tasks", &id)["title"], words());
        }
        // What is said of it later where it was is not made there.
        world.pass(100_000);
        let late = "2026-01-01T00:23:00.000000Z";
        send(&world, 2, &value, late);
        settle(&world);
        for device in [one, other] {
            assert_eq!(shown(device, "tasks", &id)["title"], words());
        }
    }
}

#[test]
fn a_server_from_a_backup_is_told_what_the_user_wrote_and_not_what_it_made_up() {
    let world = filled();
    let one = &world.devices[0];
    let backup = world.server.backup();
    one.update("tasks", "a", json!({ "title": "newer" })).expect("updated");
    settle(&world);
    world.pass(1_300_000);
    send(&world, 1, &json!("made up"), LATER);
    settle(&world);
    assert_eq!(title_of(one), "newer");
    world.server.restore(&backup);
    world.pass(180_000);
    let pushed = one.line.sent_to("/v2/push").join("");
    assert!(!pushed.contains("made up"), "{pushed}");
    let mut world = world;
    let fresh = world.add(setup());
    fresh.open();
    fresh.unlock(7).expect("unlocked");
    world.pass(180_000);
    assert_eq!(title_of(&world.devices[2]), "newer");
}

#[test]
fn nothing_of_a_shadow_stays_where_the_record_does_not() {
    let (world, _) = attacked(&json!("made up"));
    let one = &world.devices[0];
    assert!(one.stored("tasks", "a").get("__shadow").is_some());
    one.transact(vec![("tasks", Write::Purge(vec![Key::text("a")]))]).expect("purged");
    assert!(one.stored("tasks", "a").get("__shadow").is_none());
    // What comes for it afterwards is not kept either.
    world.pass(100_000);
    send(&world, 2, &json!("again"), "2026-01-01T00:23:00.000000Z");
    world.pass(180_000);
    assert!(one.stored("tasks", "a").get("__shadow").is_none());
    assert!(codes(one).is_empty());
    // The same of a space that was left.
    let private = json!({ "id": "p", "title": SECRET, "spaceId": "club", "visibility": "private" });
    one.add("tasks", private).expect("added");
    world.pass(180_000);
    one.lock();
    let at = "2026-01-01T01:00:00.000000Z";
    world.pass(2_400_000);
    world.server.push_as(
        "ada",
        &[json!({ "eventId": "00000000-0000-7000-8000-000000000003", "app": "todo", "schemaVersion": 1,
            "table": "tasks", "id": "p", "op": "update", "at": at, "origin": "user", "spaceId": "club",
            "visibility": "private", "fields": { "title": { "value": "made up", "at": at } } })],
    );
    world.pass(180_000);
    assert_eq!(one.engine_rows("unseen").len(), 1);
    world.server.set_spaces("ada", vec![space("home", "personal")]);
    world.pass(200_000);
    world.devices.iter().for_each(Device::close);
    world.pass(31 * 86_400_000);
    one.open();
    world.pass(120_000);
    assert_eq!((one.stored("tasks", "p"), one.engine_rows("unseen").len()), (Value::Null, 0));
}

#[test]
fn a_whole_record_in_another_space_does_not_take_a_private_one_back_in_time() {
    let world = filled();
    let one = &world.devices[0];
    let private = json!({ "id": "p", "title": "first", "spaceId": "club", "visibility": "private" });
    one.add("tasks", private).expect("added");
    settle(&world);
    let first = one.stored("tasks", "p");
    one.update("tasks", "p", json!({ "title": SECRET })).expect("updated");
    settle(&world);
    world.pass(1_300_000);
    let _ = one.take_events();
    let at = first["__fieldMeta"]["title"]["at"].clone();
    world.server.push_as(
        "ada",
        &[json!({ "eventId": "00000000-0000-7000-8000-000000000001", "app": "todo", "schemaVersion": 1,
            "table": "tasks", "id": "p", "op": "insert", "at": LATER, "origin": "user", "spaceId": "_personal:ada",
            "visibility": "space", "fields": { "title": { "value": first["title"], "at": at },
                "authorId": { "value": "ada", "at": LATER }, "visibility": { "value": "space", "at": LATER } } })],
    );
    world.pass(180_000);
    assert_eq!(shown(one, "tasks", "p")["title"], SECRET, "{}", one.stored("tasks", "p"));
    assert_eq!(codes(one), [Distrust::ForgedValue]);
    // A change that only names another space is put aside.
    let _ = one.take_events();
    let other = json!({ "eventId": "00000000-0000-7000-8000-000000000002", "app": "todo", "schemaVersion": 1,
        "table": "tasks", "id": "a", "op": "update", "at": LATER, "origin": "user", "spaceId": "club",
        "visibility": "space", "fields": { "title": { "value": "made up", "at": LATER } } });
    let _ = world.server.try_push_as("ada", &[other]);
    world.pass(180_000);
    assert_eq!(title_of(one), words());
}

#[test]
fn what_was_never_opened_here_is_told_and_nothing_is_shown_for_it() {
    let mut world = filled();
    world.pass(1_300_000);
    let forged = world.devices[0].stored("tasks", "b")["title"].clone();
    send(&world, 1, &forged, LATER);
    settle(&world);
    let fresh = world.add(setup());
    fresh.open();
    fresh.unlock(7).expect("unlocked");
    settle(&world);
    let fresh = &world.devices[2];
    let told = told(fresh);
    assert!(matches!(told.as_slice(), [(Distrust::ForgedValue, _, _, None)]), "{told:?}");
    assert!(title_of(fresh).is_object());
    assert_eq!(code(fresh.put("tasks", json!({ "id": "x", "due": title_of(fresh) }))), "value_not_syncable");
}

#[test]
fn what_was_sealed_before_a_field_got_another_name_opens_under_the_names_that_the_schema_keeps() {
    let title = ("title".to_owned(), FieldName::parse("headline").expect("a field"));
    let aad = BoundNames { table: Some(TableName::parse("todos").expect("a table")), fields: [title].into() };
    let renamed = Setup { aad, ..setup() };
    let world = World::with(1, vec![renamed.clone(), renamed]);
    world.devices.iter().for_each(|device| device.unlock(7).expect("unlocked"));
    let [one, other] = [&world.devices[0], &world.devices[1]];
    one.add("tasks", json!({ "id": "a", "title": "new", "note": "n" })).expect("added");
    settle(&world);
    world.pass(1_300_000);
    let before = sealed_at(Format::Two, ("todo", "todos", "a", "headline"), LATER, &words());
    send(&world, 1, &before, LATER);
    settle(&world);
    assert_eq!((title_of(one), title_of(other), codes(one).len()), (words(), words(), 0));
    // Under the present name it is not for this place.
    let at = "2026-01-01T00:23:00.000000Z";
    world.pass(100_000);
    send(&world, 2, &sealed_at(Format::Two, ("todo", "tasks", "a", "title"), at, &json!("x")), at);
    settle(&world);
    assert_eq!((title_of(one), codes(one)), (words(), vec![Distrust::ForgedValue]));
    let facts = one.engine_rows("keyring")[0]["facts"].to_string();
    assert!(facts.contains("sealed:todo/todos/headline") && !facts.contains("tasks/title"), "{facts}");
}

/// Applies what only a dishonest server would send: of a private record of the club.
fn apply_to_private(world: &World, op: &str, fields: &Value) {
    let change = json!({ "eventId": "00000000-0000-7000-8000-000000000077", "app": "todo", "schemaVersion": 1,
        "table": "tasks", "id": "p", "op": op, "at": LATER, "origin": "user", "spaceId": "club", "visibility": "space",
        "fields": fields });
    let (engine, page) = (world.devices[0].engine(), Page { changes: vec![change], ..Page::default() });
    let applied = world.executor.block_on(99, 10, async move { engine.apply(page).await });
    applied.expect("no wait").expect("applied").expect("the clock is known");
}

#[test]
fn a_record_said_to_be_everybodys_shows_nothing_that_is_not_its_authors() {
    let edit = |value: Value| json!({ "value": value, "at": LATER });
    let visible = json!({ "title": edit(json!("made up")), "visibility": edit(json!("space")) });
    let proven = json!({ "title": edit(json!("made up")), "visibility": edit(json!("space")),
        "shareProof": edit(sealed_at(Format::Two, ("todo", "tasks", "q", "shareProof"), LATER, &json!("space"))) });
    let by_another = json!({ "title": edit(json!("made up")), "visibility": edit(json!("space")),
        "authorId": { "value": "bob", "at": "2025-01-01T00:00:00.000000Z" } });
    for (op, fields) in [("update", &visible), ("insert", &visible), ("update", &proven), ("insert", &by_another)] {
        for locked in [false, true] {
            let world = filled();
            let one = &world.devices[0];
            let private = json!({ "id": "p", "title": SECRET, "spaceId": "club", "visibility": "private" });
            one.add("tasks", private).expect("added");
            settle(&world);
            world.pass(1_300_000);
            let _ = one.take_events();
            if locked {
                one.lock();
            }
            apply_to_private(&world, op, fields);
            assert_ne!(shown(one, "tasks", "p")["title"], "made up", "{op}, locked: {locked}");
            one.unlock(7).expect("unlocked");
            world.pass(5_000);
            assert_eq!(shown(one, "tasks", "p")["title"], SECRET, "{op}, locked: {locked}");
            assert_eq!(codes(one), [Distrust::Downgrade]);
        }
    }
}

#[test]
fn a_space_said_to_be_shared_has_nothing_else_shown_in_it() {
    let world = filled();
    let one = &world.devices[0];
    world.pass(1_300_000);
    let said = vec![space("home", "family"), space("club", "family")];
    world.server.set_spaces("ada", said.clone());
    world.pass(60_000);
    assert_eq!(code(one.set_spaces(said)), "space_type_changed");
    let _ = one.take_events();
    send(&world, 1, &json!("made up"), LATER);
    world.pass(60_000);
    assert_eq!((title_of(one), codes(one)), (words(), vec![Distrust::Downgrade]));
}

#[test]
fn what_its_author_shared_is_taken_by_their_other_devices_and_told_by_none() {
    for locked in [false, true] {
        let world = filled();
        let [one, other] = [&world.devices[0], &world.devices[1]];
        let private = json!({ "id": "p", "title": "for all", "spaceId": "club", "visibility": "private" });
        one.add("tasks", private).expect("added");
        settle(&world);
        let _ = other.take_events();
        if locked {
            other.lock();
        }
        one.set_visibility("tasks", "p", Visibility::Space).expect("set");
        settle(&world);
        assert_eq!(shown(other, "tasks", "p")["title"] == "for all", !locked);
        other.unlock(7).expect("unlocked");
        settle(&world);
        assert_eq!(shown(other, "tasks", "p")["title"], "for all");
        other.lock();
        assert_eq!(shown(other, "tasks", "p")["title"], "for all", "from then on without the key");
        assert_eq!(codes(other), []);
    }
}

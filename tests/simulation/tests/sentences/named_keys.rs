//! A server can name any key the newest, and whoever made a key can seal whatever is told with it. Neither makes a device
//! seal with a key that was given up, or hand the user's key to who does not have it.

use super::rotation::{filled, reads_all, settle};
use super::sealed::setup;
use mana_simulation::calls::code;
use mana_simulation::server::Server;
use mana_simulation::{Device, World};
use mana_sync_engine::crypto::{Envelope, Format, KeyId, KeyName, Keyring, KeyringRecord, MasterKey};
use mana_sync_engine::engine::{Error, Kind, Unlock};
use mana_sync_engine::model::{EventId, FieldName, Stamp, UserId};
use serde_json::{Value, json};
use std::rc::Rc;

fn key(byte: u8) -> MasterKey {
    MasterKey::from_bytes(&[byte; 32]).expect("a key")
}

fn id(byte: u8) -> KeyId {
    key(byte).id()
}

/// Has the server tell of a fact of the keyring, as if a device had.
fn tell(server: &Server, number: u64, name: &str, value: &str, at: Stamp) {
    tell_as(server, &format!("00000000-0000-7000-8000-{number:012}"), name, value, at);
}

fn tell_as(server: &Server, event_id: &str, name: &str, value: &str, at: Stamp) {
    let change = json!({ "eventId": event_id, "app": "_mana", "schemaVersion": 1,
        "table": "keyring", "id": "ada", "op": "insert", "at": at, "origin": "user", "visibility": "space",
        "fields": { name: { "value": value, "at": at } } });
    server.push_as("ada", &[change]);
}

/// Has the server name a key the newest, with a fact that nobody can open.
fn name_newest(server: &Server, number: u64, generation: u16, byte: u8) {
    tell(server, number, "sealed:todo/other/title", &garbage(generation, byte), Stamp::at_ms(1_767_225_600_000));
}

fn garbage(generation: u16, byte: u8) -> String {
    let name = KeyName { generation, id: id(byte) };
    Envelope::of(Some(name), [1; 12], vec![2; 40]).expect("it is long enough").to_text()
}

/// The ids of the keys under which a device stores its tasks.
fn sealed_with(device: &Device) -> Vec<KeyId> {
    let values =
        device.store_rows("tasks").into_iter().flat_map(|row| ["title", "note"].map(|field| row[field].clone()));
    let mut ids: Vec<KeyId> =
        values.filter_map(|value: Value| Some(Envelope::parse(value.as_str()?)?.key()?.id)).collect();
    ids.sort_unstable();
    ids.dedup();
    ids
}

/// The facts that a device, or the server, has of keys that lie under others: which, and under which.
fn laid_under(world: &World) -> Vec<(KeyName, KeyName)> {
    let facts = world.server.keyring("ada").into_iter().flat_map(|change| change.fields);
    let pair = |(name, edit): (FieldName, mana_sync_engine::model::Edit)| {
        Some((KeyringRecord::key_in(&name)?, Envelope::parse(edit.value.as_str()?)?.key()?))
    };
    facts.filter_map(pair).collect()
}

/// A fact sealed by whoever has the key.
fn sealed_by(newest: (u16, u8), older: Option<(u16, u8)>, field: &str, at: Stamp) -> String {
    let mut ring = Keyring::new();
    ring.insert(newest.0, key(newest.1));
    let record = KeyringRecord::of(&UserId::parse("ada").expect("a user")).expect("a record");
    let random = |bytes: &mut [u8]| bytes.fill(5);
    let field = FieldName::parse(field).expect("a field");
    match older {
        Some((generation, byte)) => {
            ring.seal_key(&record, (KeyName { generation, id: id(byte) }, &key(byte)), at, &random)
        }
        None => ring.seal(Format::Two, &record.place(&field), at, &json!(1), &random),
    }
    .expect("sealed")
}

#[test]
fn a_key_that_was_given_up_never_seals_again_whatever_the_server_calls_it() {
    let world = filled();
    let [one, other] = [&world.devices[0], &world.devices[1]];
    one.rotate(8).expect("rotated");
    settle(&world);
    name_newest(&world.server, 1, 6, 7);
    settle(&world);
    one.update("tasks", "a", json!({ "note": "after" })).expect("it has the newest key");
    assert_eq!(sealed_with(one), [id(8)]);
    // Whoever has the former key only is not told that it is the newest, before a restart and after it.
    assert!(other.engine().is_outdated());
    other.restart();
    other.unlock(7).expect("it reads what it can");
    settle(&world);
    assert!(other.engine().is_outdated());
    other.unlock(8).expect("unlocked");
    settle(&world);
    assert!(reads_all_but_a(other) && sealed_with(other) == [id(8)]);
}

fn reads_all_but_a(device: &Device) -> bool {
    device.update("tasks", "a", json!({ "note": ["a"] })).expect("updated");
    reads_all(device)
}

#[test]
fn a_generation_that_was_made_up_outlives_no_rotation() {
    for before in [true, false] {
        let world = filled();
        let [one, other] = [&world.devices[0], &world.devices[1]];
        if before {
            name_newest(&world.server, 1, 6, 7);
            settle(&world);
            one.update("tasks", "b", json!({ "note": ["b"] })).expect("the key is the user's");
            settle(&world);
            one.rotate(8).expect("rotated");
        } else {
            // It is told while the app keeps the new key.
            let server = Rc::clone(&world.server);
            let persist = move || {
                name_newest(&server, 1, 6, 7);
                Ok(())
            };
            one.try_rotate(8, persist).expect("the tab lives").expect("rotated");
        }
        settle(&world);
        one.update("tasks", "c", json!({ "note": ["c"] })).expect("it has the newest key");
        settle(&world);
        assert_eq!(sealed_with(one), [id(8)], "{before}");
        assert!(other.engine().is_outdated());
        other.unlock(8).expect("unlocked");
        settle(&world);
        assert!([one, other].into_iter().all(reads_all) && sealed_with(other) == [id(8)]);
    }
}

/// A device whose rotation to the key 8 the server refused, while it called that key the newest.
fn refused() -> World {
    let world = filled();
    let device = &world.devices[0];
    let server = Rc::clone(&world.server);
    let persist = move || {
        let (event_id, at) = (EventId::named("ada/rotate/2").to_string(), Stamp::at_ms(1_767_225_600_000));
        tell_as(&server, &event_id, "sealed:todo/other/title", &garbage(2, 8), at);
        Ok(())
    };
    assert_eq!(code(device.try_rotate(8, persist).expect("the tab lives")), "rotation_in_progress");
    settle(&world);
    world
}

#[test]
fn a_rotation_that_the_server_refuses_is_not_in_force_whatever_it_calls_the_new_key() {
    let world = refused();
    let device = &world.devices[0];
    for byte in [7, 8] {
        assert!(reads_all(device), "{byte}: nothing was sealed under a key that is thrown away");
        device.restart();
        device.unlock(byte).expect("unlocked");
        settle(&world);
    }
    assert!(reads_all(device), "who has the new key has the former one, too");
    assert_eq!(sealed_with(device), [id(7)]);
}

#[test]
fn a_rotation_that_was_refused_stays_so_whatever_is_shown_later() {
    let world = refused();
    let device = &world.devices[0];
    let fact = &device.engine_rows("rotation")[0]["fact"];
    let text = |part: &str| fact[part].as_str().expect("a text");
    tell(&world.server, 2, text("name"), text("value"), Stamp::parse(text("at")).expect("a stamp"));
    settle(&world);
    assert_eq!(sealed_with(device), [id(7)], "the app was told to throw the new key away");
    device.restart();
    device.unlock(7).expect("unlocked");
    settle(&world);
    assert!(reads_all(device));
}

#[test]
fn a_rotation_that_another_tab_took_up_is_not_called_off_by_the_app_that_could_not_keep_its_key() {
    let world = filled();
    let device = &world.devices[0];
    device.open_second().expect("opened");
    world.pass(1_000);
    let (first, second, executor) = (device.session(), device.session_at(1).expect("open"), world.executor.clone());
    let rotated = async move {
        let persist = async |_| {
            second.engine().unlock(Unlock::Raw(key(8)))?;
            executor.sleep(2_000).await;
            Err(Error::new(Kind::Offline, "kept, and yet it failed"))
        };
        first.rotate(key(8), persist).await
    };
    let failed = world.executor.block_on(device.owner_at(0).expect("open"), 100_000, rotated).expect("it ends");
    let failed = failed.expect_err("persist failed");
    assert_eq!(failed.details()["begun"], true, "{failed}: keep both keys");
    settle(&world);
    device.unlock(8).expect("unlocked");
    settle(&world);
    assert!(!device.engine().is_outdated() && reads_all(device) && sealed_with(device) == [id(8)]);
}

#[test]
fn a_former_key_that_is_called_a_newer_one_is_sealed_over_all_the_same() {
    let world = filled();
    let [one, other] = [&world.devices[0], &world.devices[1]];
    // The other device is told so, and nobody else, and seals everything under that name.
    other.line.forge(|body| body.replace("enc:2:0001", "enc:2:0009"));
    let newest = Stamp::at_ms(1_767_225_600_000);
    tell(&world.server, 1, "sealed:todo/other/title", &garbage(1, 7), newest);
    settle(&world);
    other.line.forge(str::to_owned);
    one.rotate(8).expect("rotated");
    settle(&world);
    other.unlock(8).expect("unlocked");
    settle(&world);
    for device in [one, other] {
        assert!(reads_all(device) && sealed_with(device) == [id(8)], "{:?}", sealed_with(device));
    }
}

/// The user was talked into unlocking with that key, and unlocks with the own one then.
fn check_own_is_kept(world: &World, orders: &[[u8; 2]], own: u8) {
    settle(world);
    for keys in orders {
        for byte in *keys {
            world.devices[0].unlock(byte).expect("a key is a key");
        }
        settle(world);
        let under = laid_under(world).into_iter().filter(|(older, _)| older.id == id(own));
        assert_eq!(under.count(), 0, "nobody is handed the key");
    }
}

#[test]
fn the_users_key_never_comes_to_lie_under_one_that_is_not_the_users() {
    let world = filled();
    world.devices[0].rotate(8).expect("rotated");
    settle(&world);
    // Whoever has the foreign key made facts with it, which the server tells.
    let at = Stamp::at_ms(1_767_225_700_000);
    tell(&world.server, 1, "sealed:todo/other/title", &sealed_by((6, 66), None, "sealed:todo/other/title", at), at);
    let field = KeyringRecord::field_of(KeyName { generation: 1, id: id(67) }).expect("a field");
    tell(&world.server, 2, field.as_str(), &sealed_by((6, 66), Some((1, 67)), field.as_str(), at), at);
    check_own_is_kept(&world, &[[66, 8], [8, 66]], 8);
}

#[test]
fn a_key_never_goes_under_one_that_was_here_before_it_also_where_that_opens_a_key_that_leaked() {
    let world = filled();
    world.devices[0].rotate(8).expect("rotated");
    settle(&world);
    let (at, field) = (Stamp::at_ms(1_767_225_700_000), KeyringRecord::field_of(KeyName { generation: 1, id: id(7) }));
    let field = field.expect("a field");
    tell(&world.server, 1, field.as_str(), &sealed_by((6, 66), Some((1, 7)), field.as_str(), at), at);
    check_own_is_kept(&world, &[[66, 8]], 8);
}

#[test]
fn the_users_key_never_comes_to_lie_under_one_that_was_given_up() {
    let mut world = filled();
    for byte in [8, 9] {
        world.devices[0].rotate(byte).expect("rotated");
        settle(&world);
    }
    // The key in the middle opens the first one, as the newest does, and is called a newer one.
    name_newest(&world.server, 1, 6, 8);
    check_own_is_kept(&world, &[[8, 9], [9, 8]], 9);
    let fresh = world.add(setup());
    fresh.open();
    fresh.unlock(9).expect("unlocked");
    settle(&world);
    assert!(reads_all(&world.devices[2]));
}

//! What nobody should hand over, and what older data hold: each is answered by its code, and nothing else breaks by it.

use super::rotation::{filled, reads_all, settle};
use super::sealed::{SECRET, setup, shown, world};
use mana_simulation::calls::code;
use mana_simulation::{Setup, World};
use mana_sync_engine::crypto::{MasterKey, RecoveryCode};
use mana_sync_engine::engine::{Branch, Distrust, Error, Event, Page, Query, Unlock, Want};
use mana_sync_engine::store::{Row, RowValue};
use serde_json::{Value, json};
use std::cell::Cell;
use std::rc::Rc;

const MEBIBYTE: usize = 1024 * 1024;

#[test]
fn fields_of_old_rows_that_are_no_texts_are_read_sealed_and_read_again() {
    let values =
        [json!(5), json!(true), json!({ "a": [1, null] }), json!([]), json!(""), json!("enc:9:mine"), json!(null)];
    let world = World::with(1, vec![Setup { sealed: Vec::new(), ..setup() }]);
    let device = &world.devices[0];
    for (number, value) in values.iter().enumerate() {
        device.add("tasks", json!({ "id": format!("t{number}"), "title": value, "note": SECRET })).expect("added");
    }
    settle(&world);
    device.update_app(setup());
    settle(&world);
    let title = |number: usize| shown(device, "tasks", &format!("t{number}"))["title"].clone();
    assert!(values.iter().enumerate().all(|(number, value)| title(number) == *value), "while the vault is locked");
    device.unlock(7).expect("unlocked");
    settle(&world);
    for (number, value) in values.iter().enumerate() {
        assert_eq!(title(number), *value);
        let stored = device.stored("tasks", &format!("t{number}"))["title"].clone();
        assert_eq!(stored.as_str().is_some_and(|text| text.starts_with("enc:2:")), !value.is_null(), "{stored}");
        assert_eq!(shown(device, "tasks", &format!("t{number}"))["note"], SECRET);
    }
    assert!(!device.take_events().iter().any(|event| matches!(event, Event::Integrity { .. })));
}

#[test]
fn a_field_of_32_mebibytes_is_refused_where_it_is_written() {
    let world = filled();
    let device = &world.devices[0];
    let large = "x".repeat(32 * MEBIBYTE);
    let logged = device.logged().len();
    assert_eq!(code(device.add("tasks", json!({ "id": "l", "title": large }))), "value_not_syncable");
    assert_eq!(code(device.update("tasks", "a", json!({ "title": large, "due": "today" }))), "value_not_syncable");
    assert_eq!(device.logged().len(), logged);
    assert!(reads_all(device) && shown(device, "tasks", "a")["due"].is_null());
}

#[test]
fn one_of_32_mebibytes_that_comes_breaks_nothing_else() {
    let world = filled();
    let device = &world.devices[0];
    world.pass(1_300_000);
    let _ = device.take_events();
    let seen = Rc::new(Cell::new(0));
    let (query, told) = (Query { across_spaces: true, ..Query::of("tasks", Branch::default()) }, Rc::clone(&seen));
    let subscribed = device.engine().subscribe(query, Want::ROWS, move |found| {
        let titles = found.expect("it is not broken").into_iter().filter_map(|found| found.row?.get("title"));
        told.set(titles.filter(|title| title.as_text().is_some_and(|text| text.starts_with(SECRET))).count());
    });
    subscribed.expect("subscribed");
    let prefix = device.stored("tasks", "a")["title"].as_str().expect("sealed")[..19].to_owned();
    let at = "2026-01-01T00:20:00.000000Z";
    let large = format!("{prefix}oKGio6Slpqeoqaqr.{}", "A".repeat(32 * MEBIBYTE));
    let change = json!({ "eventId": "00000000-0000-7000-8000-000000000001", "app": "todo", "schemaVersion": 1,
        "table": "tasks", "id": "a", "op": "update", "at": at, "origin": "user", "spaceId": "_personal:ada",
        "visibility": "space", "fields": { "title": { "value": large, "at": at } } });
    let (engine, page) = (device.engine(), Page { changes: vec![change], ..Page::default() });
    let applied = world.executor.block_on(99, 10, async move { engine.apply(page).await });
    applied.expect("no wait").expect("applied").expect("the clock is known");
    world.pass(1_000);
    assert!(reads_all(device), "what was there is shown on");
    assert_eq!(seen.get(), 3, "the live query, too");
    let codes = device.take_events().into_iter().filter_map(|event| match event {
        Event::Integrity { code, .. } => Some(code),
        _ => None,
    });
    assert_eq!(codes.collect::<Vec<_>>(), [Distrust::ForgedValue]);
}

#[test]
fn what_is_no_key_and_no_code_is_refused_and_the_vault_stays_as_it_was() {
    let refused = |error| Error::from(error).kind().code();
    for bytes in [0, 16, 31, 33, 64] {
        assert_eq!(refused(MasterKey::from_bytes(&vec![1; bytes]).expect_err("no key")), "key_malformed");
    }
    let world = filled();
    let device = &world.devices[0];
    let (code_of_key, wrapped) = device.engine().create_recovery_code().expect("made");
    let text = code_of_key.to_text().to_string();
    for malformed in
        ["", "hello", &text[1..], &format!("{text}0"), &text.replace('-', "_"), &text.replacen(&text[..1], "O", 1)]
    {
        assert_eq!(
            refused(RecoveryCode::parse(malformed).expect_err("no code")),
            "recovery_code_malformed",
            "{malformed}"
        );
    }
    let last = if text.ends_with('0') { "1" } else { "0" };
    let mistyped = RecoveryCode::parse(&format!("{}{last}", &text[..text.len() - 1])).expect("its shape is right");
    assert_eq!(code(device.engine().unlock(Unlock::Recovery(mistyped, wrapped))), "recovery_code_wrong");
    assert!(!device.engine().is_locked() && reads_all(device), "the key that was there is there");
    device.add("tasks", json!({ "id": "d", "title": "on it goes" })).expect("added");
}

#[test]
fn envelopes_that_were_damaged_on_the_disk_are_shown_as_locked_and_harm_no_other_field() {
    let damaged = |text: &str| {
        let cut = &text[..text.len() - 4];
        let id = &text["enc:2:0001".len()..text.find('.').expect("a body")];
        [json!(cut), json!(format!("{cut}AAAA")), json!(text.replacen(id, "00000000", 1))]
    };
    for number in 0..3 {
        let world = world();
        let device = &world.devices[0];
        device.add("tasks", json!({ "id": "t", "title": SECRET, "note": SECRET })).expect("added");
        let mut row = device.stored("tasks", "t");
        row["title"] = damaged(row["title"].as_str().expect("sealed"))[number].clone();
        device.close_all();
        device.store_put("tasks", row.clone());
        device.open();
        device.unlock(7).expect("unlocked");
        let seen: Value = shown(device, "tasks", "t");
        // What is no envelope any more is a text of nobody's.
        assert!(seen["title"].is_object() || seen["title"] == row["title"], "{seen}");
        assert_eq!(seen["note"], SECRET);
        device.update("tasks", "t", json!({ "title": "written anew" })).expect("updated");
        assert_eq!(shown(device, "tasks", "t")["title"], "written anew");
    }
}

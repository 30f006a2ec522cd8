//! Batches of which the server does not take everything: what it takes is there once, what it refuses becomes a letter,
//! and nothing waits behind either.

use mana_simulation::calls::row;
use mana_simulation::{Setup, World};
use mana_sync_engine::engine::Write;
use mana_sync_engine::model::{Space, SpaceId};
use mana_sync_engine::store::{JsonRow, Key, Row as _};
use serde_json::{Value, json};

const BATCH: usize = 200;

/// A member of a club, of which the server does not know.
fn world() -> World {
    let club =
        Space { id: SpaceId::parse("club").expect("a space"), kind: Some("club".into()), role: Some("member".into()) };
    let world = World::with(1, vec![Setup { spaces: vec![club], ..Setup::of("ada") }]);
    world.server.set_spaces("ada", Vec::new());
    world
}

fn record(n: usize) -> JsonRow {
    row(json!({ "id": format!("t{n}"), "title": "Milk" }))
}

/// The ids of the records the server has rows of, in their order.
fn on_server(world: &World) -> Vec<String> {
    world.server.changes("ada", &["tasks"]).iter().map(|change| change.id.to_string()).collect()
}

fn letters(world: &World) -> Vec<(String, Value)> {
    let letters = world.devices[0].engine_rows("letter").into_iter();
    letters
        .map(|letter| (letter["change"]["id"].as_str().unwrap_or_default().to_owned(), letter["code"].clone()))
        .collect()
}

#[test]
fn one_refused_change_at_any_position_leaves_the_others_stored_once() {
    for position in 0..BATCH {
        let world = world();
        let device = &world.devices[0];
        device.line.set_online(false);
        let mut rows: Vec<JsonRow> = (0..BATCH).map(record).collect();
        rows[position].set_text("spaceId", "club");
        device.transact(vec![("tasks", Write::Add(rows))]).expect("added");
        device.line.set_online(true);
        for _ in 0..2 {
            device.sync().expect("a refusal is no failure");
            let wanted: Vec<String> = (0..BATCH).filter(|n| *n != position).map(|n| format!("t{n}")).collect();
            assert_eq!((on_server(&world), world.server.row_count()), (wanted, BATCH - 1), "position {position}");
            assert_eq!(letters(&world), [(format!("t{position}"), json!("not_a_member"))]);
            assert!(device.logged().is_empty(), "nothing waits");
        }
        assert_eq!(device.line.requests_to("/v2/push"), 1, "position {position}: nothing is sent again");
    }
}

#[test]
fn one_record_of_11_mb_becomes_a_letter_and_the_others_are_stored_once() {
    let world = World::of_ada(1);
    let device = &world.devices[0];
    device.line.set_online(false);
    let mut rows: Vec<JsonRow> = (0..BATCH).map(record).collect();
    for field in ["text", "more"] {
        rows[100].set_text(field, &"x".repeat(11 << 19));
    }
    device.transact(vec![("tasks", Write::Add(rows))]).expect("added");
    device.line.set_online(true);
    device.sync().expect("a refusal is no failure");
    assert_eq!(world.server.row_count(), BATCH - 1);
    assert!(!on_server(&world).contains(&"t100".to_owned()));
    assert_eq!(letters(&world), [("t100".to_owned(), json!("too_large"))]);
    assert!(device.logged().is_empty(), "nothing waits");
}

#[test]
fn records_made_long_in_the_transaction_that_adds_them_are_sent_in_parts() {
    let world = World::of_ada(2);
    let device = &world.devices[0];
    let long = |n: usize| (Key::text(&format!("t{n}")), row(json!({ "text": "x".repeat(100_000) })));
    let writes = vec![
        ("tasks", Write::Add((0..BATCH).map(record).collect())),
        ("tasks", Write::Update((0..BATCH).map(long).collect())),
    ];
    device.transact(writes).expect("written");
    device.sync().expect("20 MB are more than a request may have, and are sent");
    assert_eq!(world.server.row_count(), BATCH);
    world.converge("ada");
}

#[test]
fn changes_by_an_actor_who_says_much_are_sent_in_parts() {
    let world = World::of_ada(2);
    let device = &world.devices[0];
    let actor = json!({ "kind": "ai", "principalId": "helper", "prompt": "x".repeat(100_000) });
    let write = Write::Add((0..BATCH).map(record).collect());
    device.try_transact(Some(actor), vec![("tasks", write)]).expect("alive").expect("added");
    device.sync().expect("20 MB are more than a request may have, and are sent");
    assert_eq!(world.server.row_count(), BATCH);
    world.converge("ada");
}

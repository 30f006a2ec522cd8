//! Streams of a server of protocol 1, of which there is one to an app: browsers open few connections to a host.

use mana_simulation::{Setup, World};
use mana_sync_engine::model::Scope;
use mana_sync_engine::protocol::fallback::TransportKind;
use serde_json::json;

#[test]
fn two_of_three_apps_have_a_stream_and_the_third_is_asked_within_half_a_minute() {
    let mut setup =
        Setup { transports: vec![TransportKind::Stream], apps: vec!["settings", "habits"], ..Setup::of("ada") };
    setup.tables.push(("habits", Scope::Space));
    let mut world = World::new(7);
    world.server.keep_times();
    world.server.set_protocol_1(true);
    for _ in 0..2 {
        world.add(setup.clone()).open();
    }
    let [phone, laptop] = &world.devices[..] else { panic!("two devices") };
    world.pass(60_000);
    assert_eq!(laptop.line.connections.streams(), 2, "of three apps");
    for (table, within_ms) in [("habits", 3_000), ("settings", 3_000), ("tasks", 35_000)] {
        phone.add(table, json!({ "id": "t", "title": "t" })).expect("added");
        world.pass(within_ms);
        assert_eq!(laptop.rows(table).len(), 1, "{table} within {within_ms} ms");
    }
    world.pass(600_000);
    assert_eq!(laptop.line.connections.streams(), 2, "they stay open");
    assert_eq!(laptop.line.requests_to("/sync/stream"), 2);
}

#[test]
fn sockets_that_close_right_after_opening_are_left_for_a_stream() {
    let setup = Setup { transports: vec![TransportKind::WebSocket, TransportKind::Stream], ..Setup::of("ada") };
    let mut world = World::new(7);
    world.server.keep_times();
    world.server.set_protocol_1(true);
    for _ in 0..2 {
        world.add(setup.clone()).line.connections.close_sockets(true);
    }
    world.devices.iter().for_each(mana_simulation::Device::open);
    let [phone, laptop] = &world.devices[..] else { panic!("two devices") };
    world.pass(60_000);
    let opened = laptop.line.connections.sockets();
    assert!((3..=4).contains(&opened), "three, and one before the server said what it speaks: {opened}");
    world.pass(240_000);
    assert_eq!(laptop.line.connections.sockets(), opened, "it stays with the stream");
    phone.add("tasks", json!({ "id": "t", "title": "t" })).expect("added");
    world.pass(3_000);
    assert_eq!(laptop.rows("tasks").len(), 1, "told of it by the stream");
}

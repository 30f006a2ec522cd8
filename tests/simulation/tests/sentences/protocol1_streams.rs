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

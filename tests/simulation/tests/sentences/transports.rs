//! How devices hear of news: over sockets, streams, or by asking, whatever stands in between.

use super::sealed::space;
use mana_simulation::{Device, Setup, World};
use mana_sync_engine::engine::{Event, State};
use mana_sync_engine::model::EventId;
use mana_sync_engine::protocol::fallback::TransportKind;
use serde_json::json;
use std::cell::Cell;
use std::collections::BTreeSet;
use std::rc::Rc;

/// The loop asks at least this often, in milliseconds.
const INTERVAL_MS: u64 = 30_000;
/// What requests take on their way in a round, in milliseconds.
const ROUND_MS: u64 = 1_000;

/// Ada's device that hears of news over `transports`; what others write comes from the server itself.
fn hearing(transports: &[TransportKind]) -> World {
    let setup = Setup { transports: transports.to_vec(), ..Setup::of("ada") };
    World::with(7, vec![setup])
}

fn streaming() -> World {
    let world = hearing(&[TransportKind::Stream]);
    world.pass(ROUND_MS);
    assert_eq!(world.devices[0].line.connections.streams(), 1);
    world
}

/// The `n`-th task of another device of Ada's reaches the server.
fn arrive(world: &World, n: u32) {
    arrive_all(world, n..n + 1);
}

fn arrive_all(world: &World, numbers: std::ops::Range<u32>) {
    let at = mana_sync_engine::model::Stamp::at_ms(world.executor.now());
    let change = |n: u32| {
        let event = EventId::from_parts(u64::from(n), &[1; 10]);
        let data = json!({ "title": format!("{n}"), "authorId": "ada", "visibility": "space" });
        json!({ "eventId": event, "app": "todo", "schemaVersion": 1, "table": "tasks", "id": name(n), "op": "insert",
            "at": at, "data": data, "spaceId": "_personal:ada", "visibility": "space" })
    };
    world.server.push_as("ada", &numbers.map(change).collect::<Vec<_>>());
}

fn name(n: u32) -> String {
    format!("task-{n}")
}

fn has(device: &Device, n: u32) -> bool {
    !device.stored("tasks", &name(n)).is_null()
}

fn assert_whole(device: &Device, count: u32, when: &str) {
    let there: BTreeSet<String> =
        device.store_rows("tasks").iter().filter_map(|task| task["id"].as_str().map(str::to_owned)).collect();
    let missing: Vec<u32> = (0..count).filter(|n| !there.contains(&name(*n))).collect();
    assert!(missing.is_empty(), "{when}: {missing:?} are missing");
}

fn pulls(device: &Device) -> usize {
    device.line.requests_to("/v2/pull")
}

#[test]
fn what_a_stream_brings_is_there_at_once_and_not_asked_for_again() {
    let world = streaming();
    let device = &world.devices[0];
    let before = pulls(device);
    for n in 0..20 {
        arrive(&world, n);
        world.pass(ROUND_MS);
        assert!(has(device, n), "{n}");
    }
    assert_eq!(pulls(device), before, "pages came by stream alone");
    world.server.set_page(3);
    arrive_all(&world, 20..80);
    world.pass(5 * ROUND_MS);
    assert_whole(device, 80, "in small pages");
    assert_eq!(pulls(device), before, "pages that follow another, too");
    world.converge("ada");
    assert_eq!(device.line.connections.streams(), 1, "it lives on heartbeats");
}

#[test]
fn a_device_on_a_stream_pushes_and_is_quiet_again() {
    let world = streaming();
    let device = &world.devices[0];
    for n in 0..10 {
        device.add("tasks", json!({ "id": name(n), "title": "own" })).expect("added");
        world.pass(5 * ROUND_MS);
    }
    let quiet = pulls(device);
    assert!(quiet <= 40, "{quiet} pulls");
    world.pass(10 * INTERVAL_MS);
    assert!(pulls(device) - quiet <= 11, "it asks from time to time");
    world.converge("ada");
    assert_eq!(device.line.connections.streams(), 1);
}

#[test]
fn a_stream_tells_of_spaces_without_a_change() {
    let world = streaming();
    let device = &world.devices[0];
    let (before, _) = (pulls(device), device.take_events());
    world.server.set_spaces("ada", vec![space("club", "club")]);
    world.pass(ROUND_MS);
    let is_told = |event: &Event| matches!(event, Event::Spaces(spaces) if spaces.len() == 1);
    assert!(device.take_events().iter().any(is_told));
    assert_eq!(pulls(device), before);
}

#[test]
fn a_stream_of_a_server_that_was_restored_ends_and_everything_is_pulled_anew() {
    let world = streaming();
    let device = &world.devices[0];
    arrive(&world, 0);
    let backup = world.server.backup();
    arrive(&world, 1);
    world.pass(ROUND_MS);
    assert!(has(device, 1));
    world.server.restore(&backup);
    world.pass(INTERVAL_MS);
    world.converge("ada");
    arrive(&world, 2);
    world.pass(ROUND_MS);
    assert!(has(device, 2), "over a new stream");
    assert!(device.line.connections.streams() <= 3);
}

/// Ada's device reads 50 pages, of which the token ends behind the one of this number; gives the device's world.
fn token_ends_behind(page: u32, kind: TransportKind, is_live: bool) -> World {
    let mut world = World::new(u64::from(page));
    world.server.set_page(2);
    if !is_live {
        arrive_all(&world, 0..100);
    }
    world.add(Setup { transports: vec![kind], ..Setup::of("ada") }).open();
    if is_live {
        world.pass(5 * ROUND_MS);
    }
    let (line, server, pages) = (Rc::clone(&world.devices[0].line), Rc::clone(&world.server), Cell::new(0));
    world.server.on_pull(move |changes| {
        if changes.is_empty() {
            return;
        }
        if pages.replace(pages.get() + 1) == page {
            server.expire_tokens(line.next_token());
            line.end_expired_sockets();
        }
    });
    if is_live {
        arrive_all(&world, 0..100);
    }
    world.pass(20 * ROUND_MS);
    world
}

#[test]
fn a_token_that_ends_behind_any_page_is_replaced_once_and_nothing_is_missed() {
    for page in 0..50 {
        for (kind, is_live) in
            [(TransportKind::WebSocket, false), (TransportKind::Stream, false), (TransportKind::Stream, true)]
        {
            let world = token_ends_behind(page, kind, is_live);
            let device = &world.devices[0];
            assert_whole(device, 100, &format!("page {page}, {kind:?}, {is_live}"));
            assert_eq!(device.line.next_token(), 2, "page {page}, {kind:?}, {is_live}: one more token");
            arrive(&world, 100);
            device.line.nudge();
            world.pass(ROUND_MS);
            assert!(has(device, 100), "page {page}, {kind:?}, {is_live}: it is told of news again");
        }
    }
}

#[test]
fn a_token_that_ends_at_rest_is_replaced_once_over_either_connection() {
    for kind in [TransportKind::WebSocket, TransportKind::Stream] {
        let world = hearing(&[kind]);
        let device = &world.devices[0];
        for n in 1..5 {
            world.pass(100 * ROUND_MS);
            world.server.expire_tokens(device.line.next_token());
            device.line.end_expired_sockets();
            world.pass(2 * ROUND_MS);
            assert_eq!(device.line.next_token(), u64::from(n) + 1, "{kind:?}");
            arrive(&world, n);
            device.line.nudge();
            world.pass(ROUND_MS);
            assert!(has(device, n), "{kind:?}: it is told of news again");
        }
    }
}

#[test]
fn what_is_said_of_a_token_that_was_replaced_meanwhile_replaces_no_other() {
    let world = streaming();
    let device = &world.devices[0];
    device.line.connections.hold(5 * ROUND_MS);
    world.server.expire_tokens(device.line.next_token());
    device.sync().expect("with another token");
    world.pass(10 * ROUND_MS);
    assert_eq!((device.line.next_token(), device.line.connections.streams()), (2, 2));
}

#[test]
fn a_socket_is_told_the_token_that_replaces_its_own() {
    let world = hearing(&[TransportKind::WebSocket]);
    let device = &world.devices[0];
    world.server.expire_tokens(device.line.next_token());
    device.sync().expect("with another token");
    world.pass(ROUND_MS);
    device.line.end_expired_sockets();
    world.pass(ROUND_MS);
    assert_eq!((device.line.next_token(), device.line.connections.sockets()), (2, 1));
}

#[test]
fn a_connection_that_refuses_every_token_has_one_replaced_and_no_more() {
    let world = hearing(&[TransportKind::Stream]);
    let device = &world.devices[0];
    device.line.connections.refuse_streams(Some((401, "unauthorized")));
    device.line.set_online(false);
    world.pass(ROUND_MS);
    device.line.set_online(true);
    for _ in 0..20 {
        world.pass(2 * INTERVAL_MS);
    }
    assert_eq!(device.line.next_token(), 2);
    assert!(device.line.requests_to("/v2/stream") < 12, "{}", device.line.requests_to("/v2/stream"));
    assert_eq!(device.session().status().state, State::Synced);
}

#[test]
fn a_stream_that_is_cut_at_any_event_misses_nothing() {
    let world = streaming();
    let device = &world.devices[0];
    for n in 0..200 {
        device.line.connections.cut([device.line.connections.events()]);
        arrive(&world, n);
        world.pass(6 * ROUND_MS);
        assert_whole(device, n + 1, "behind a cut");
        world.pass(60 * ROUND_MS);
    }
    assert_eq!(device.line.connections.streams(), 201, "each was followed by another");
    world.converge("ada");
}

#[test]
fn a_page_of_a_stream_that_cannot_be_stored_is_read_again() {
    let world = streaming();
    let device = &world.devices[0];
    world.server.set_page(1);
    for n in 0..200 {
        device.power().fail_commits(0, 1);
        // The next one follows while the first one waits to be tried again.
        arrive_all(&world, 2 * n..2 * n + 2);
        world.pass(3 * ROUND_MS);
        assert_whole(device, 2 * n + 2, "behind a failure");
    }
    world.converge("ada");
}

#[test]
fn of_many_pages_in_a_row_any_may_fail_or_be_cut() {
    for n in (0..200).step_by(9) {
        for is_cut in [true, false] {
            let world = streaming();
            let device = &world.devices[0];
            world.server.set_page(1);
            if is_cut {
                device.line.connections.cut([device.line.connections.events() + n]);
            } else {
                device.power().fail_commits(n, 1);
            }
            arrive_all(&world, 0..200);
            world.pass(INTERVAL_MS);
            assert_whole(device, 200, &format!("{n}, {is_cut}"));
            world.converge("ada");
        }
    }
}

#[test]
fn without_any_nudge_news_is_there_within_an_interval() {
    let world = hearing(&[TransportKind::WebSocket]);
    for n in 0..50 {
        arrive(&world, n);
        world.pass(INTERVAL_MS + ROUND_MS);
        assert!(has(&world.devices[0], n), "{n}");
        world.pass(u64::from(n) * 777);
    }
    assert_eq!(world.devices[0].line.connections.sockets(), 1, "its pongs were heard");
}

#[test]
fn what_something_on_the_way_holds_back_is_there_within_an_interval() {
    for kinds in [&TransportKind::ALL[..], &[TransportKind::WebSocket], &[TransportKind::Stream]] {
        for held in [0, 10_000, 60_000, 600_000] {
            let world = hearing(kinds);
            let device = &world.devices[0];
            device.line.connections.hold(held);
            for n in 0..40 {
                arrive(&world, n);
                world.pass(INTERVAL_MS + ROUND_MS);
                assert!(has(device, n), "{kinds:?}, {held} ms, {n}");
                world.pass(u64::from(n) * 333);
            }
            let (sockets, streams) = (device.line.connections.sockets(), device.line.requests_to("/v2/stream"));
            assert!(sockets + streams as u64 <= 20, "{kinds:?}, {held} ms: {sockets} sockets, {streams} streams");
            world.converge("ada");
        }
    }
}

#[test]
fn a_connection_that_falls_silent_is_opened_anew() {
    for kind in [TransportKind::WebSocket, TransportKind::Stream] {
        let world = hearing(&[kind]);
        let device = &world.devices[0];
        world.pass(100 * ROUND_MS);
        device.line.connections.hold(600 * ROUND_MS);
        world.pass(75 * ROUND_MS);
        let opened = device.line.connections.sockets() + device.line.connections.streams();
        assert!(opened >= 2, "{kind:?}: it was silent for two heartbeats");
        device.line.connections.hold(0);
        world.pass(75 * ROUND_MS);
        arrive(&world, 0);
        device.line.nudge();
        world.pass(ROUND_MS);
        assert!(has(device, 0), "{kind:?}: it is told of news again");
    }
}

#[test]
fn sockets_that_close_right_after_opening_are_left_for_a_stream_and_tried_again() {
    let mut world = World::new(3);
    let device = world.add(Setup::of("ada"));
    device.line.connections.close_sockets(true);
    device.open();
    world.pass(20 * ROUND_MS);
    let device = &world.devices[0];
    let connections = &device.line.connections;
    let counts = || (connections.sockets(), connections.streams());
    assert_eq!(counts(), (3, 1));
    arrive(&world, 0);
    world.pass(ROUND_MS);
    assert!(has(device, 0), "over the stream");
    world.pass(361 * ROUND_MS);
    assert_eq!(counts(), (4, 2), "tried again once");
    connections.close_sockets(false);
    world.pass(361 * ROUND_MS);
    assert_eq!(counts(), (5, 2));
    world.pass(1_000 * ROUND_MS);
    assert_eq!(counts(), (5, 2), "it stays with the socket");
}

#[test]
fn a_server_or_proxy_without_streams_is_asked_once_in_a_while() {
    for refused in [(404, "not_found"), (405, "method_not_allowed"), (406, ""), (429, "too_many_connections")] {
        let mut world = World::new(3);
        let device = world.add(Setup { transports: vec![TransportKind::Stream], ..Setup::of("ada") });
        device.line.connections.refuse_streams(Some(refused));
        device.open();
        world.pass(300 * ROUND_MS);
        let device = &world.devices[0];
        assert_eq!(device.line.requests_to("/v2/stream"), 1, "{refused:?}");
        device.line.connections.refuse_streams(None);
        world.pass(70 * ROUND_MS);
        assert_eq!(device.line.connections.streams(), 1, "{refused:?}");
    }
}

#[test]
fn who_only_polls_opens_nothing() {
    let world = hearing(&[TransportKind::Poll]);
    let device = &world.devices[0];
    arrive(&world, 0);
    world.pass(INTERVAL_MS + ROUND_MS);
    assert!(has(device, 0));
    assert_eq!((device.line.connections.sockets(), device.line.requests_to("/v2/stream")), (0, 0));
}

#[test]
fn a_network_that_was_gone_is_no_reason_to_leave_a_transport() {
    for kind in [TransportKind::WebSocket, TransportKind::Stream] {
        let world = hearing(&[kind]);
        let device = &world.devices[0];
        device.line.set_online(false);
        world.pass(900 * ROUND_MS);
        let tried = device.line.connections.sockets();
        assert!(tried <= 3, "{tried} sockets");
        device.line.set_online(true);
        world.pass(90 * ROUND_MS);
        arrive(&world, 0);
        device.line.nudge();
        world.pass(ROUND_MS);
        assert!(has(device, 0), "{kind:?}");
    }
}

//! A server of protocol 1, with each of its faults; and a server that is rolled back to it, and forward again.

use super::isolating::letters;
use super::sealed::{self, space};
use mana_simulation::{Device, Fault, Setup, World};
use mana_sync_engine::engine::State;
use mana_sync_engine::engine::ports::{NoAnswer, Response};
use mana_sync_engine::model::Space;
use mana_sync_engine::protocol::fallback::TransportKind;
use serde_json::{Value, json};

const HOUR_MS: u64 = 3_600_000;
const POLL_MS: u64 = 31_000;

fn task(id: &str, title: &str) -> Value {
    json!({ "id": id, "title": title, "done": false })
}

/// Devices of a person whose server has the table of both protocols.
pub fn world(setups: Vec<Setup>, by_time: bool) -> World {
    let mut world = World::new(7);
    world.server.keep_times();
    world.server.set_protocol_1(by_time);
    for setup in setups {
        world.add(setup).open();
    }
    world
}

fn of_ada(count: usize) -> World {
    world(vec![Setup::of("ada"); count], true)
}

fn titles(world: &World, device: usize) -> Vec<String> {
    let rows = world.devices[device].rows("tasks");
    rows.iter().map(|row| row["title"].as_str().unwrap_or_default().to_owned()).collect()
}

#[test]
fn what_one_device_writes_the_other_shows() {
    let world = of_ada(2);
    let [phone, laptop] = &world.devices[..] else { panic!("two devices") };
    phone.add("tasks", task("t", "Milk")).expect("added");
    phone.add("settings", json!({ "id": "theme", "dark": true })).expect("added");
    world.converge("ada");
    assert_eq!(laptop.rows("tasks")[0]["title"], "Milk");
    assert_eq!(laptop.rows("settings")[0]["dark"], true);
    laptop.update("tasks", "t", json!({ "title": "Oat milk" })).expect("written");
    phone.update("tasks", "t", json!({ "due": "2026-02-01" })).expect("written");
    world.converge("ada");
    for device in &world.devices {
        let row = &device.rows("tasks")[0];
        assert_eq!((&row["title"], &row["due"]), (&json!("Oat milk"), &json!("2026-02-01")));
        assert_eq!(device.session().status().state, State::Synced);
    }
    laptop.delete("tasks", "t").expect("written");
    world.converge("ada");
    assert!(phone.rows("tasks").is_empty());
    phone.restore("tasks", "t").expect("written");
    world.converge("ada");
    assert_eq!(laptop.rows("tasks")[0]["title"], "Oat milk");
}

#[test]
fn the_stamps_of_an_insert_are_its_writers_everywhere() {
    let world = of_ada(2);
    world.devices[0].add("tasks", task("t", "Milk")).expect("added");
    world.converge("ada");
    let stored = |device: usize| world.devices[device].stored("tasks", "t");
    assert_eq!(stored(0)["__fieldMeta"]["title"]["at"], stored(1)["__fieldMeta"]["title"]["at"]);
    assert_eq!(stored(1).get("updatedAt"), None, "it follows from the stamps");
}

#[test]
fn a_server_that_is_rolled_back_and_forward_again_loses_nothing() {
    let world = world(vec![Setup::of("ada"); 2], false);
    let mut expected = Vec::new();
    for (round, by_time) in [false, true, false, true, false].into_iter().enumerate() {
        world.server.set_protocol_1(by_time);
        for (number, device) in world.devices.iter().enumerate() {
            let title = format!("{round} of {number}");
            device.add("tasks", task(&format!("{round}-{number}"), &title)).expect("added");
            expected.push(title);
        }
        world.pass(2 * HOUR_MS);
        world.converge("ada");
        for device in 0..2 {
            let mut shown = titles(&world, device);
            shown.sort();
            assert_eq!(shown, expected, "in round {round}");
        }
    }
    let [phone, ..] = &world.devices[..] else { panic!("two devices") };
    assert!(phone.line.requests_to("/sync/pull") > 0 && phone.line.requests_to("/v2/pull") > 0);
}

#[test]
fn what_a_server_lost_that_was_restored_while_it_spoke_protocol_1_is_said_again_when_it_does_no_more() {
    let world = world(vec![Setup::of("ada"); 2], false);
    let [phone, laptop] = &world.devices[..] else { panic!("two devices") };
    phone.add("tasks", task("t", "Milk")).expect("added");
    world.converge("ada");
    let backup = world.server.backup();
    phone.update("tasks", "t", json!({ "title": "Oat milk" })).expect("written");
    world.converge("ada");
    world.server.restore(&backup);
    world.server.set_protocol_1(true);
    world.pass(HOUR_MS);
    laptop.add("tasks", task("u", "Tea")).expect("added");
    world.pass(HOUR_MS);
    world.server.restore(&backup);
    world.pass(HOUR_MS);
    world.server.set_protocol_1(false);
    world.pass(HOUR_MS);
    world.converge("ada");
    let changes = world.server.changes("ada", &["tasks"]);
    assert!(changes.iter().any(|change| change.to_json().to_string().contains("Oat milk")), "the server has it again");
    assert!(changes.iter().any(|change| change.to_json().to_string().contains("Tea")));
}

#[test]
fn another_services_health_and_one_mistaken_answer_change_no_protocol() {
    for answers in [usize::MAX, 1] {
        let world = world(vec![Setup::of("ada")], false);
        world.devices[0].add("tasks", task("t", "Milk")).expect("added");
        world.converge("ada");
        let (service, left) = (if answers == 1 { "mana-sync" } else { "mana-auth" }, std::cell::Cell::new(answers));
        world.devices[0].line.stop(move |request| {
            if left.get() == 0 {
                return None;
            }
            let body = json!({ "status": "ok", "service": service, "timestamp": "2026-01-01T00:00:00Z" }).to_string();
            let is_health = request.path == "/health";
            left.set(left.get() - usize::from(is_health));
            let (status, body) = if is_health { (200, body) } else { (404, "{}".to_owned()) };
            let content_type = "application/json".to_owned();
            Some(Ok(Response { status, content_type, retry_after_ms: None, body }))
        });
        world.devices[0].update("tasks", "t", json!({ "title": "Oat milk" })).expect("written");
        world.pass(10 * 60_000);
        world.devices[0].line.stop(|_| None);
        world.pass(10 * 60_000);
        assert_eq!(world.devices[0].unsent_count(), 0);
        assert_eq!(world.devices[0].line.requests_to("/sync"), 0, "{service}");
    }
}

fn fail_pushes_of_settings(device: &Device, status: u16) {
    device.line.stop(move |request| {
        let is_push = request.body.as_ref().is_some_and(|body| body.contains("\"op\""));
        let failed = Response { status, content_type: String::new(), retry_after_ms: None, body: String::new() };
        (is_push && request.path == "/sync/settings").then_some(Ok(failed))
    });
}

#[test]
fn an_app_that_fails_alone_does_not_have_the_others_stored_again_and_again() {
    let setup = Setup { apps: vec!["settings"], ..Setup::of("ada") };
    let world = world(vec![setup; 2], true);
    let [phone, laptop] = &world.devices[..] else { panic!("two devices") };
    fail_pushes_of_settings(phone, 404);
    phone.add("tasks", task("t", "Milk")).expect("added");
    phone.add("settings", json!({ "id": "theme", "dark": true })).expect("added");
    world.pass(HOUR_MS);
    assert_eq!(laptop.rows("tasks").len(), 1, "what the server takes is there");
    assert_eq!(world.server.production().row_count(), 1, "once");
    assert!(phone.unsent_count() > 0);
    phone.line.stop(|_| None);
    world.pass(HOUR_MS);
    assert_eq!((laptop.rows("settings").len(), phone.unsent_count()), (1, 0));
}

#[test]
fn an_app_whose_pushes_all_fail_loses_nothing_though_others_are_taken() {
    for status in [500, 413, 422] {
        let setup = Setup { apps: vec!["settings"], ..Setup::of("ada") };
        let world = world(vec![setup; 2], true);
        let [phone, laptop] = &world.devices[..] else { panic!("two devices") };
        fail_pushes_of_settings(phone, status);
        phone.add("settings", json!({ "id": "theme", "dark": true })).expect("added");
        for n in 0..20 {
            phone.add("tasks", task(&format!("t{n}"), "Milk")).expect("added");
            world.pass(5 * 60_000);
        }
        assert!(letters(phone).is_empty(), "{status}: nothing says that the change is at fault");
        assert_eq!(laptop.rows("tasks").len(), 20, "{status}: what the server takes is there");
        phone.line.stop(|_| None);
        world.pass(HOUR_MS);
        assert_eq!((laptop.rows("settings").len(), phone.unsent_count()), (1, 0), "{status}");
    }
}

#[test]
fn the_time_to_come_back_at_is_kept_whatever_of_the_server_says_it() {
    for paths in [vec!["/health"], vec!["/health", "/sync"], vec!["/sync"]] {
        let setup = Setup { apps: vec!["settings"], ..Setup::of("ada") };
        let world = world(vec![setup], true);
        let device = &world.devices[0];
        world.pass(60_000);
        let asked =
            || ["/health", "/sync", "/sync/pull"].map(|path| device.line.requests_to(path)).iter().sum::<usize>();
        let stopped = paths.clone();
        device.line.stop(move |request| {
            let busy = Response {
                status: 503,
                content_type: String::new(),
                retry_after_ms: Some(10 * 60_000),
                body: String::new(),
            };
            stopped.iter().any(|path| request.path.starts_with(path)).then_some(Ok(busy))
        });
        device.add("tasks", task("t", "Milk")).expect("added");
        device.add("settings", json!({ "id": "theme", "dark": true })).expect("added");
        world.pass(60_000);
        let before = asked();
        world.pass(HOUR_MS);
        assert!((4..=14).contains(&(asked() - before)), "{paths:?}: asked {} times in an hour", asked() - before);
        let status = device.session().status();
        let code = status.trouble.map(|trouble| trouble.code);
        assert_eq!((status.state, code.as_deref()), (State::Error, Some("busy")), "{paths:?}");
        device.line.stop(|_| None);
        world.pass(11 * 60_000);
        assert_eq!(device.unsent_count(), 0, "{paths:?}");
    }
}

#[test]
fn a_large_push_finds_a_rolled_back_server_that_lets_browsers_send_it_nothing() {
    let world = world(vec![Setup::of("ada")], false);
    world.converge("ada");
    world.server.set_protocol_1(true);
    // Its preflight refuses what is sent along with a compressed body: no answer comes.
    let line = &world.devices[0].line;
    line.stop(|request| request.path.starts_with("/v2/").then(|| Err(NoAnswer("refused".into()))));
    world.devices[0].add("tasks", task("t", "Milk")).expect("added");
    world.pass(5 * 60_000);
    assert_eq!(world.devices[0].unsent_count(), 0);
    assert_eq!(world.devices[0].session().status().state, State::Synced);
}

#[test]
fn answers_of_somebody_on_the_way_change_no_protocol() {
    for by_time in [false, true] {
        let world = world(vec![Setup::of("ada")], by_time);
        world.devices[0].add("tasks", task("t", "Milk")).expect("added");
        world.converge("ada");
        let cursor = world.devices[0].engine_rows("cursor");
        let before = world.devices[0].line.requests_to(if by_time { "/v2/pull" } else { "/sync/pull" });
        for fault in [Fault::Html, Fault::Stranger, Fault::ServerError] {
            for path in ["/v2/push", "/v2/pull", "/sync", "/sync/pull", "/health"] {
                (0..3).for_each(|_| world.devices[0].line.plan(path, fault));
            }
            world.devices[0].update("tasks", "t", json!({ "title": format!("{fault:?}") })).expect("written");
            world.pass(10_000);
        }
        world.pass(10 * 60_000);
        assert_eq!(world.devices[0].unsent_count(), 0);
        let now = world.devices[0].engine_rows("cursor");
        assert_eq!(now[0].get("byTime"), cursor[0].get("byTime"));
        let other = if by_time { "/v2/pull" } else { "/sync/pull" };
        assert_eq!(world.devices[0].line.requests_to(other), before, "{other} was not asked");
    }
}

#[test]
fn rows_that_commit_late_and_many_rows_of_one_time_come() {
    let world = of_ada(2);
    let server = world.server.production();
    server.set_page(3);
    server.set_tick(1_000_000);
    server.set_late(20_000);
    let [phone, laptop] = &world.devices[..] else { panic!("two devices") };
    for round in 0..8 {
        for number in 0..10 {
            phone.add("tasks", task(&format!("{round}-{number}"), "Milk")).expect("added");
        }
        laptop.add("settings", json!({ "id": format!("s{round}") })).expect("added");
        world.pass(7000);
    }
    world.pass(3 * POLL_MS);
    assert_eq!(laptop.rows("tasks").len(), 80);
    assert_eq!(phone.rows("settings").len(), 8);
    // A device that begins at the beginning has to go through all of them.
    laptop.lose_database();
    laptop.open();
    world.pass(3 * POLL_MS);
    assert_eq!(laptop.rows("tasks").len(), 80);
}

#[test]
fn a_push_that_is_stored_by_half_or_twice_is_said_whole() {
    let world = of_ada(2);
    let [phone, laptop] = &world.devices[..] else { panic!("two devices") };
    world.server.production().store_half();
    for number in 0..6 {
        phone.add("tasks", task(&number.to_string(), "Milk")).expect("added");
    }
    phone.line.plan("/sync", Fault::LoseAnswer);
    phone.line.plan("/sync", Fault::Duplicate);
    world.pass(5 * 60_000);
    assert!(world.server.production().row_count() > 6, "some are there more than once");
    assert_eq!(laptop.rows("tasks").len(), 6);
    assert_eq!(phone.unsent_count(), 0);
    world.converge("ada");
}

#[test]
fn what_it_cannot_store_is_set_aside_and_holds_up_nothing() {
    for (status, code) in
        [(400, "invalid_change"), (422, "invalid_change"), (413, "too_large"), (500, "invalid_change")]
    {
        let world = of_ada(2);
        let [phone, laptop] = &world.devices[..] else { panic!("two devices") };
        world.server.production().refuse("poison", status);
        phone.add("tasks", task("p", "poison")).expect("added");
        for number in 0..20 {
            phone.add("tasks", task(&number.to_string(), "Milk")).expect("added");
            world.pass(60_000);
        }
        world.pass(HOUR_MS);
        assert_eq!(laptop.rows("tasks").len(), 20, "{status}");
        let letters = phone.dead_letters();
        assert_eq!(letters.iter().map(|letter| letter.code.as_str()).collect::<Vec<_>>(), [code], "{status}");
    }
}

#[test]
fn a_server_that_is_behind_the_app_keeps_nothing_from_coming_and_loses_nothing() {
    let world = of_ada(2);
    let [phone, laptop] = &world.devices[..] else { panic!("two devices") };
    phone.line.stop(|request| {
        let is_push = request.body.as_ref().is_some_and(|body| body.contains("\"op\""));
        (is_push && request.path.starts_with("/sync/")).then(|| {
            Ok(Response {
                status: 400,
                content_type: "text/plain".into(),
                retry_after_ms: None,
                body: "unsupported schemaVersion 2 (max 1)\n".into(),
            })
        })
    });
    phone.add("tasks", task("mine", "Milk")).expect("added");
    laptop.add("tasks", task("theirs", "Tea")).expect("added");
    world.pass(2 * HOUR_MS);
    assert_eq!(titles(&world, 0).len(), 2, "what others write still comes");
    assert_eq!((phone.unsent_count(), phone.dead_letters().len()), (1, 0));
    assert_eq!(phone.session().status().trouble.map(|trouble| trouble.code), Some("schema_too_new".to_owned()));
    phone.line.stop(|_| None);
    world.pass(HOUR_MS);
    assert_eq!(titles(&world, 1).len(), 2);
}

fn club() -> Vec<Space> {
    vec![space("club", "family")]
}

fn in_club(user: &str) -> Setup {
    Setup { spaces: club(), ..Setup::of(user) }
}

fn shared(id: &str) -> Value {
    json!({ "id": id, "title": "Cake", "spaceId": "club" })
}

#[test]
fn what_an_outage_of_memberships_left_out_is_read_again_within_a_day() {
    let world = world(vec![in_club("ada"), in_club("bob")], true);
    let [ada, bob] = &world.devices[..] else { panic!("two devices") };
    ada.add("tasks", shared("t")).expect("added");
    world.pass(10 * 60_000);
    assert_eq!(bob.rows("tasks").len(), 1);
    world.server.production().set_members_unknown(true);
    ada.add("tasks", shared("u")).expect("added");
    world.pass(20 * 60_000);
    world.server.production().set_members_unknown(false);
    world.pass(HOUR_MS);
    assert_eq!(bob.rows("tasks").len(), 1, "its time has passed, and nothing says so");
    world.pass(25 * HOUR_MS);
    assert_eq!(bob.rows("tasks").len(), 2);
    assert_eq!(bob.rows("tasks").len(), ada.rows("tasks").len());
}

#[test]
fn what_an_outage_left_out_of_the_first_reading_comes_however_old_it_is() {
    let mut world = world(vec![in_club("ada")], true);
    world.devices[0].add("tasks", shared("t")).expect("added");
    world.pass(60 * 24 * HOUR_MS);
    world.server.production().set_members_unknown(true);
    world.add(in_club("bob")).open();
    world.pass(10 * 60_000);
    world.server.production().set_members_unknown(false);
    world.pass(30 * HOUR_MS);
    assert_eq!(world.devices[1].rows("tasks").len(), 1);
}

#[test]
fn a_space_that_the_app_names_when_it_starts_brings_its_history_too() {
    let mut world = world(vec![in_club("ada")], true);
    world.devices[0].add("tasks", shared("t")).expect("added");
    world.pass(HOUR_MS);
    world.add(Setup::of("bob")).open();
    world.pass(HOUR_MS);
    world.server.set_spaces("bob", club());
    world.devices[1].update_app(in_club("bob"));
    world.pass(10 * 60_000);
    assert_eq!(world.devices[1].rows("tasks").len(), 1);
}

#[test]
fn anothers_private_record_is_not_kept_here() {
    let world = world(vec![in_club("ada"), in_club("bob")], true);
    let [ada, bob] = &world.devices[..] else { panic!("two devices") };
    let secret = json!({ "id": "p", "title": "a present for Bob", "spaceId": "club", "visibility": "private" });
    ada.add("tasks", secret).expect("added");
    ada.add("tasks", shared("t")).expect("added");
    world.pass(HOUR_MS);
    assert_eq!(bob.rows("tasks").len(), 1);
    assert!(bob.store_rows("tasks").iter().all(|row| row["id"] != "p"), "not on its disk either");
}

/// A server of protocol 1 stores what anybody says of any space: of two claims on a record the person's own is shown.
#[test]
fn what_somebody_else_says_of_a_record_of_ones_own_changes_nothing_of_it() {
    let world = world(vec![in_club("ada"), in_club("bob")], true);
    let [ada, bob] = &world.devices[..] else { panic!("two devices") };
    ada.add("tasks", task("t", "Mine")).expect("added");
    world.pass(HOUR_MS);
    bob.add("tasks", json!({ "id": "t", "title": "Theirs", "spaceId": "club" })).expect("added");
    bob.add("tasks", shared("u")).expect("added");
    world.pass(HOUR_MS);
    let rows = ada.rows("tasks");
    let titles: Vec<&Value> = rows.iter().map(|row| &row["title"]).collect();
    assert_eq!(titles, [&json!("Mine"), &json!("Cake")], "and what is no claim on it comes");
    let aside = ada.engine_rows("quarantine");
    assert_eq!((aside.len(), &aside[0]["reason"]), (1, &json!("space_mismatch")));
    assert_eq!(ada.session().status().state, State::Synced);
    ada.update("tasks", "t", json!({ "title": "Mine still" })).expect("written");
    world.pass(HOUR_MS);
    assert_eq!((ada.logged().len(), &bob.rows("tasks")[0]["title"]), (0, &json!("Theirs")));
}

#[test]
fn who_joins_a_space_gets_its_history() {
    let mut world = world(vec![in_club("ada")], true);
    world.devices[0].add("tasks", shared("t")).expect("added");
    world.pass(HOUR_MS);
    world.add(Setup::of("bob")).open();
    let [ada, bob] = &world.devices[..] else { panic!("two devices") };
    world.pass(HOUR_MS);
    assert_eq!(bob.rows("tasks").len(), 0);
    world.server.set_spaces("bob", club());
    bob.set_spaces(club()).expect("set");
    world.pass(10 * 60_000);
    assert_eq!(bob.store_rows("tasks").len(), ada.store_rows("tasks").len());
}

#[test]
fn a_device_that_lost_its_database_gets_back_what_it_wrote_itself() {
    let world = of_ada(1);
    let phone = &world.devices[0];
    phone.add("tasks", task("t", "Milk")).expect("added");
    world.pass(HOUR_MS);
    phone.lose_database();
    phone.open();
    world.pass(HOUR_MS);
    assert_eq!(phone.rows("tasks").len(), 1);
    // And so does who reads everything again while it is open.
    phone.add("tasks", task("u", "Tea")).expect("added");
    world.pass(60_000);
    phone.store_put("tasks", json!({ "id": "u" }));
    phone.resync_in(0).expect("read again");
    assert_eq!(phone.rows("tasks").len(), 2);
}

#[test]
fn a_clock_that_is_wrong_is_put_right_by_the_servers() {
    let world = of_ada(2);
    world.devices[0].clock.jump(-24 * 3_600_000);
    world.devices[0].restart();
    let [wrong, right] = &world.devices[..] else { panic!("two devices") };
    right.add("tasks", task("t", "Milk")).expect("added");
    world.pass(60_000);
    wrong.update("tasks", "t", json!({ "title": "Oat milk" })).expect("written");
    wrong.add("tasks", task("u", "Tea")).expect("added");
    world.pass(10 * 60_000);
    let at = |device: usize, id: &str| world.devices[device].stored("tasks", id)["__fieldMeta"]["title"]["at"].clone();
    let shown = |stamp: Value| stamp.as_str().unwrap_or_default().to_owned();
    let now = mana_sync_engine::model::Stamp::at_ms(world.executor.now() - HOUR_MS).to_string();
    assert!(shown(at(1, "u")) > now && shown(at(1, "t")) > now, "nothing is of yesterday");
    assert_eq!(titles(&world, 1), titles(&world, 0));
    assert!(wrong.sync().is_ok());
}

#[test]
fn a_stream_nudges_and_what_it_says_is_not_applied() {
    let setup = Setup { transports: vec![TransportKind::Stream, TransportKind::Poll], ..Setup::of("ada") };
    let world = world(vec![setup; 2], true);
    let [phone, laptop] = &world.devices[..] else { panic!("two devices") };
    world.pass(60_000);
    assert_eq!(laptop.line.connections.streams(), 1, "one for the app");
    let before = laptop.line.requests_to("/sync");
    phone.add("tasks", task("t", "Milk")).expect("added");
    world.pass(2_000);
    assert_eq!(titles(&world, 1), ["Milk"], "long before the next poll");
    assert!(laptop.line.requests_to("/sync") < before + 10, "and without a storm");
    let unread = [laptop.engine_rows("quarantine"), laptop.engine_rows("parked")].concat();
    assert_eq!(unread, Vec::<Value>::new(), "what it says itself is left alone");
    world.pass(HOUR_MS);
    assert_eq!(laptop.line.connections.streams(), 1, "heartbeats keep it open");
    world.server.set_protocol_1(false);
    phone.add("tasks", task("u", "Tea")).expect("added");
    world.pass(10 * 60_000);
    assert_eq!(titles(&world, 1), ["Milk", "Tea"]);
    assert!(laptop.line.requests_to("/v2/stream") > 0, "the other protocol's stream follows");
}

#[test]
fn sealed_values_and_the_keyring_go_through_it_whole() {
    let world = world(vec![sealed::setup(); 2], true);
    world.devices.iter().for_each(|device| device.unlock(1).expect("unlocked"));
    world.devices[0].add("tasks", task("t", "Milk")).expect("added");
    world.converge("ada");
    world.devices[0].rotate(2).expect("rotated");
    world.devices[1].update("tasks", "t", json!({ "note": "two litres" })).expect("written");
    world.converge("ada");
    world.devices[1].unlock(2).expect("unlocked");
    world.converge("ada");
    for device in &world.devices {
        let row = &device.rows("tasks")[0];
        assert_eq!((&row["title"], &row["note"]), (&json!("Milk"), &json!("two litres")));
    }
}

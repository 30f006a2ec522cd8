//! Apps that are pulled only once somebody asks for them: nothing of one comes before, all of it after, and what is written
//! in one leaves the device in any case.

use super::sealed::space;
use mana_simulation::calls::code;
use mana_simulation::older_app::prepared_with;
use mana_simulation::{Fault, Setup, World, oracle};
use mana_sync_engine::engine::{AppProgress, Event};
use mana_sync_engine::protocol::fallback::TransportKind;
use serde_json::{Value, json};

/// Ada's app with tables `tasks` and, of an app of its own, `settings`.
fn eager() -> Setup {
    Setup { apps: vec!["settings"], ..Setup::of("ada") }
}

/// The same, with settings that are pulled only once they are asked for.
fn lazy() -> Setup {
    Setup { lazy: vec!["settings"], ..eager() }
}

/// A device that pulls everything and has written something in both apps, and one that has not asked for settings.
fn two() -> World {
    let world = World::with(1, vec![eager(), lazy()]);
    write(&world, 0, 1..6);
    world.pass(40_000);
    world
}

fn write(world: &World, device: usize, numbers: std::ops::Range<u32>) {
    for n in numbers {
        let writes = world.devices[device].add("settings", json!({ "id": format!("s{n}"), "title": format!("{n}") }));
        writes.expect("added");
        world.devices[device].add("tasks", json!({ "id": format!("t{n}"), "title": format!("{n}") })).expect("added");
    }
}

/// How many rows a device has of both tables, without asking for them.
fn stored(world: &World, device: usize) -> (usize, usize) {
    let count = |table| world.devices[device].store_rows(table).len();
    (count("tasks"), count("settings"))
}

fn is_here(world: &World, device: usize) -> bool {
    world.devices[device].holder("settings")()
}

#[test]
fn it_comes_when_it_is_asked_for_and_not_before() {
    let world = two();
    assert_eq!(stored(&world, 1), (5, 0));
    assert!(!world.devices[1].is_asked("settings"));
    world.devices[1].ensure_in(0, "settings").expect("it came");
    assert_eq!(stored(&world, 1), (5, 5));
    world.converge("ada");
}

#[test]
fn asking_again_costs_nothing_and_works_without_a_network() {
    let world = two();
    let device = &world.devices[1];
    device.ensure_in(0, "settings").expect("it came");
    device.line.set_online(false);
    let (answers, started) = (world.server.answers(), world.executor.now());
    device.ensure_in(0, "settings").expect("it is here");
    device.restart();
    device.ensure_in(0, "todo").expect("what is pulled from the start is here, too");
    assert_eq!((world.server.answers(), world.executor.now()), (answers, started));
}

#[test]
fn another_tab_than_the_one_that_syncs_asks() {
    for transport in TransportKind::ALL {
        let setup = Setup { transports: vec![transport], ..lazy() };
        let world = World::with(1, vec![eager(), setup]);
        write(&world, 0, 1..6);
        let device = &world.devices[1];
        device.open_tab(1);
        world.pass(40_000);
        device.ensure_in(1, "settings").expect("it came");
        assert_eq!(stored(&world, 1), (5, 5));
        // News of it come by themselves from now on.
        write(&world, 0, 6..8);
        world.pass(40_000);
        assert_eq!(stored(&world, 1), (7, 7), "{transport:?}");
        world.converge("ada");
    }
}

#[test]
fn news_come_by_stream_once_it_was_asked_for() {
    let setup = Setup { transports: vec![TransportKind::Stream], ..lazy() };
    let world = World::with(1, vec![eager(), setup]);
    write(&world, 0, 1..3);
    world.pass(10_000);
    world.devices[1].ensure_in(0, "settings").expect("it came");
    world.pass(1_000);
    write(&world, 0, 3..5);
    world.pass(5_000);
    assert_eq!(stored(&world, 1), (4, 4), "long before anybody asks by themselves");
}

#[test]
fn reading_a_table_asks_for_its_app_in_any_tab() {
    for tab in [0, 1] {
        let world = two();
        let device = &world.devices[1];
        device.open_tab(1);
        world.pass(1_000);
        assert_eq!(device.rows_in(tab, "settings"), 0);
        world.pass(2_000);
        assert_eq!(device.rows_in(tab, "settings"), 5, "tab {tab}");
    }
}

#[test]
fn writing_asks_for_the_app_and_is_pushed() {
    let world = two();
    let device = &world.devices[1];
    device.line.set_online(false);
    device.add("settings", json!({ "id": "mine", "title": "mine" })).expect("added");
    // The wish is on the disk with the record.
    device.restart();
    assert!(device.is_asked("settings") && !is_here(&world, 1));
    device.line.set_online(true);
    world.pass(60_000);
    assert_eq!((stored(&world, 0), stored(&world, 1)), ((5, 6), (5, 6)));
    assert!(is_here(&world, 1));
    world.converge("ada");
}

#[test]
fn a_wish_outlives_the_tab_that_made_it() {
    let world = two();
    let device = &world.devices[1];
    device.line.set_online(false);
    assert_eq!(code(device.ensure_in(0, "settings")), "offline");
    device.restart();
    device.line.set_online(true);
    world.pass(40_000);
    assert!(is_here(&world, 1));
    assert_eq!(stored(&world, 1), (5, 5));
}

#[test]
fn what_keeps_it_from_coming_is_said() {
    let world = two();
    let device = &world.devices[1];
    assert_eq!(code(device.ensure_in(0, "nothing")), "unknown_app");
    device.line.plan("/v2/pull", Fault::ServerError);
    assert_eq!(code(device.ensure_in(0, "settings")), "sync_failed");
    device.session().sync_stop();
    assert_eq!(code(device.ensure_in(0, "settings")), "closed");
    device.session().sync_start();
    world.pass(5_000);
    assert_eq!(stored(&world, 1), (5, 5), "what was asked for comes by itself");
}

#[test]
fn a_restored_server_gets_back_what_was_pulled_and_the_rest_is_left_alone() {
    let world = World::with(1, vec![lazy(), lazy()]);
    let [first, second] = [&world.devices[0], &world.devices[1]];
    first.add("tasks", json!({ "id": "early", "title": "early" })).expect("added");
    world.pass(40_000);
    let backup = world.server.backup();
    write(&world, 0, 1..4);
    world.pass(40_000);
    assert_eq!(stored(&world, 1), (4, 0));
    world.server.restore(&backup);
    world.pass(120_000);
    assert_eq!((stored(&world, 0), stored(&world, 1)), ((4, 3), (4, 0)));
    assert_eq!(world.server.changes("ada", &["settings"]).len(), 3, "the one that has them says them again");
    second.ensure_in(0, "settings").expect("it came");
    world.converge("ada");
}

/// The app is asked for while a full pull is under way that began without it.
#[test]
fn a_full_pull_under_way_takes_in_what_is_asked_for() {
    for ms in (0..400).step_by(20) {
        let world = two();
        let device = &world.devices[1];
        world.server.set_page(1);
        let session = device.session();
        drop(world.executor.block_on(99, ms, async move { session.resync().await }));
        device.ensure_in(0, "settings").expect("it came");
        world.pass(60_000);
        assert_eq!(stored(&world, 1), (5, 5), "asked after {ms} ms");
        world.converge("ada");
    }
}

#[test]
fn an_app_that_a_new_version_makes_lazy_is_pulled_on_and_the_other_way_round() {
    let world = World::with(1, vec![eager(), eager(), lazy()]);
    write(&world, 0, 1..3);
    world.pass(40_000);
    world.devices[1].update_app(lazy());
    world.devices[2].update_app(eager());
    write(&world, 0, 3..5);
    world.pass(40_000);
    assert_eq!((stored(&world, 1), stored(&world, 2)), ((4, 4), (4, 4)));
    world.converge("ada");
}

#[test]
fn a_database_of_before_goes_on_with_everything_it_pulled() {
    let world = World::with(1, vec![eager(), eager()]);
    write(&world, 0, 1..3);
    world.pass(40_000);
    let device = &world.devices[1];
    device.close();
    device.forget_apps();
    device.update_app(lazy());
    write(&world, 0, 3..5);
    world.pass(40_000);
    assert_eq!(stored(&world, 1), (4, 4));
}

#[test]
fn an_older_apps_database_is_pulled_whole_also_where_its_app_is_lazy_now() {
    let world = prepared_with(&Setup { lazy: vec!["todo"], ..Setup::of("ada") });
    world.devices[1].open();
    world.converge("ada");
    assert_eq!(world.devices[1].stored("tasks", "bare")["title"], "no stamps at all");
}

/// Two people's values of one field, of which one was written before the app was pulled.
#[test]
fn the_first_pull_of_an_app_tells_no_conflicts_and_later_ones_do() {
    let world = two();
    let device = &world.devices[1];
    device.line.set_online(false);
    device.add("settings", json!({ "id": "s1", "title": "mine" })).expect("added");
    device.add("tasks", json!({ "id": "t9", "title": "mine" })).expect("added");
    world.pass(1_000);
    world.devices[0].update("settings", "s1", json!({ "title": "theirs" })).expect("updated");
    world.pass(5_000);
    drop(device.take_events());
    device.line.set_online(true);
    world.pass(60_000);
    assert_eq!(device.stored("settings", "s1")["title"], "theirs");
    assert_eq!(conflicts(&device.take_events()), 0);
    device.line.set_online(false);
    device.update("settings", "s2", json!({ "title": "mine" })).expect("updated");
    world.pass(1_000);
    world.devices[0].update("settings", "s2", json!({ "title": "theirs" })).expect("updated");
    world.pass(5_000);
    device.line.set_online(true);
    world.pass(60_000);
    assert_eq!(conflicts(&device.take_events()), 1);
}

fn conflicts(events: &[Event]) -> usize {
    events.iter().filter(|event| matches!(event, Event::Conflict(_))).count()
}

/// What the status said of an app, without repetitions.
fn told(events: &[Event], app: &str) -> Vec<(u64, Option<u64>)> {
    let of_app = |progress: &[AppProgress]| progress.iter().find(|one| one.app == app).cloned();
    let shown = events.iter().filter_map(|event| if let Event::Status(status) = event { Some(status) } else { None });
    let mut told: Vec<_> =
        shown.filter_map(|status| of_app(&status.progress)).map(|one| (one.done, one.total)).collect();
    told.dedup();
    told
}

#[test]
fn the_first_pull_says_how_far_it_is_in_every_tab() {
    let world = two();
    world.server.set_page(2);
    let device = &world.devices[1];
    device.open_tab(1);
    world.pass(1_000);
    drop(device.take_events());
    device.ensure_in(0, "settings").expect("it came");
    let events = device.take_events();
    assert_eq!(
        told(&events, "settings"),
        [(0, None), (3, Some(10)), (7, Some(10))],
        "ten changes, every second a setting"
    );
    assert_eq!(told(&events, "todo"), []);
    for tab in [0, 1] {
        let session = device.session_at(tab).expect("it is open");
        assert_eq!(session.status().progress, [], "it is over");
    }
}

#[test]
fn a_new_device_says_how_far_every_app_is() {
    let mut world = two();
    world.server.set_page(3);
    world.add(eager()).open();
    world.pass(5_000);
    let events = world.devices[2].take_events();
    assert_eq!(told(&events, "todo").last(), Some(&(9, Some(10))));
    assert_eq!(told(&events, "todo"), told(&events, "settings"));
    assert_eq!(oracle::difference(&world.devices[2], &world.devices[0]), None);
}

/// A leader that has longer to do than the others wait for its answer.
#[test]
fn a_first_pull_of_minutes_is_waited_for_in_another_tab() {
    let world = World::with(1, vec![eager(), lazy()]);
    let change = |n: u32| -> Value {
        json!({ "eventId": format!("00000000-0000-7000-8000-{n:012}"), "app": "settings", "schemaVersion": 1,
            "table": "settings", "id": format!("s{n}"), "op": "insert", "at": "2026-01-01T00:00:00.000000Z",
            "origin": "user", "visibility": "space", "data": { "title": "x" } })
    };
    for batch in (0..4000).collect::<Vec<_>>().chunks(1000) {
        world.server.push_as("ada", &batch.iter().map(|n| change(*n)).collect::<Vec<_>>());
    }
    world.server.set_page(1);
    let device = &world.devices[1];
    device.open_tab(1);
    world.pass(40_000);
    let began = world.executor.now();
    device.ensure_in(1, "settings").expect("it came");
    assert!(world.executor.now() - began > 60_000, "longer than anybody waits for an answer");
    assert_eq!(stored(&world, 1).1, 4000);
}

#[test]
fn a_database_that_was_lost_asks_anew() {
    let world = two();
    let device = &world.devices[1];
    device.ensure_in(0, "settings").expect("it came");
    device.lose_database();
    device.open();
    world.pass(40_000);
    assert_eq!(stored(&world, 1), (5, 0), "a new database asks anew");
    device.ensure_in(0, "settings").expect("it came");
    world.converge("ada");
}

/// Bob has not asked for the app of a shared space's records when he is taken out of it.
#[test]
fn a_space_that_is_left_and_joined_again_comes_whole_when_its_app_is_asked_for() {
    let spaces = |of: &str| vec![space(of, "personal"), space("club", "family")];
    let setup = |user: &str, home: &str| Setup { apps: vec!["tasks"], spaces: spaces(home), ..Setup::of(user) };
    let bobs = Setup { lazy: vec!["tasks"], ..setup("bob", "bobs-home") };
    let world = World::with(1, vec![setup("ada", "adas-home"), bobs]);
    let [ada, bob] = [&world.devices[0], &world.devices[1]];
    let cake = |id: &str| json!({ "id": id, "title": "Cake", "spaceId": "club" });
    ada.add("tasks", cake("a")).expect("added");
    world.pass(40_000);
    world.server.set_spaces("bob", vec![space("bobs-home", "personal")]);
    world.pass(200_000);
    bob.ensure_in(0, "tasks").expect("there is nothing");
    assert_eq!(bob.store_rows("tasks"), Vec::<Value>::new());
    ada.add("tasks", cake("b")).expect("added");
    world.server.set_spaces("bob", spaces("bobs-home"));
    world.pass(60_000);
    assert_eq!(bob.store_rows("tasks").len(), 2);
}

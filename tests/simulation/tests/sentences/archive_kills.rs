//! An import that is killed anywhere has taken whole pages, each with what is to be sent of it, or nothing; and is done by being
//! done again.

use super::archive::{export, merge, of_bob};
use super::sealed::{self, SECRET, shown};
use super::visibility::settle;
use mana_simulation::{Device, World};
use serde_json::{Value, json};

const TASKS: usize = 9;

/// Pages of an archive of ada's: a table and some of its rows.
fn pages() -> Vec<(&'static str, Vec<Value>)> {
    let world = sealed::world();
    let device = &world.devices[0];
    for n in 0..TASKS {
        device.add("tasks", json!({ "id": format!("t{n}"), "title": format!("{SECRET} {n}") })).expect("added");
    }
    device.add("settings", json!({ "id": "theme", "value": "dark" })).expect("added");
    let tasks = export(device, "tasks");
    let of_tasks = tasks.chunks(TASKS.div_ceil(2)).map(|page| ("tasks", page.to_vec()));
    of_tasks.chain([("settings", export(device, "settings"))]).collect()
}

/// Takes page after page until the tab dies.
fn import(device: &Device, pages: &[(&str, Vec<Value>)]) {
    for (table, rows) in pages {
        if device.try_import(table, rows, merge()).is_none_or(|taken| taken.is_err()) {
            return;
        }
    }
}

fn count(page: &[Value], ids: &[String]) -> usize {
    page.iter().filter(|row| ids.iter().any(|id| row["id"] == **id)).count()
}

fn check_whole(world: &World, pages: &[(&str, Vec<Value>)], kill: u64) {
    let device = &world.devices[0];
    let id = |row: &Value| row["id"].as_str().expect("an id").to_owned();
    let sent = world.server.changes("bob", &["tasks", "settings"]).into_iter().map(|change| change.id.to_string());
    let said: Vec<String> = device.logged().iter().map(|(_, change)| id(change)).chain(sent).collect();
    for (table, page) in pages {
        let stored = count(page, &device.store_rows(table).iter().map(id).collect::<Vec<_>>());
        assert!([0, page.len()].contains(&stored), "killed after {kill} operations: {stored} of a page of {table}");
        assert_eq!(count(page, &said), stored, "killed after {kill} operations: what is here is sent");
    }
}

#[test]
fn an_import_killed_anywhere_has_taken_whole_pages_and_is_done_by_being_done_again() {
    let pages = pages();
    let whole = of_bob();
    let before = whole.devices[0].power().operations();
    import(&whole.devices[0], &pages);
    let operations = whole.devices[0].power().operations() - before;
    settle(&whole);
    assert!(operations > 20 && whole.server.row_count() > TASKS, "{operations} operations");
    for kill in 0..operations {
        let world = of_bob();
        let device = &world.devices[0];
        device.power().fail_after(kill);
        import(device, &pages);
        check_whole(&world, &pages, kill);
        device.restart();
        device.unlock(9).expect("unlocked");
        import(device, &pages);
        settle(&world);
        for device in &world.devices {
            for n in 0..TASKS {
                let title = format!("{SECRET} {n}");
                assert_eq!(shown(device, "tasks", &format!("t{n}"))["title"], title, "killed after {kill} operations");
            }
            assert_eq!(shown(device, "settings", "theme")["value"], "dark");
        }
        assert_eq!(world.server.row_count(), whole.server.row_count(), "killed after {kill} operations: said once");
        world.converge("bob");
    }
}

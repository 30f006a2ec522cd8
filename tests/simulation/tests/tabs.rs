//! Five tabs on one database that write, open, close and die in any order: one of them pushes at a time, every change is
//! stored once, and nothing that was saved is missing.
//!
//! `INTERLEAVINGS=10000` is the full figure, `SEED=42` the first of them.

use mana_simulation::calls::row;
use mana_simulation::figures::figure;
use mana_simulation::{Setup, TABS, World, oracle};
use mana_sync_engine::engine::Write;
use mana_sync_engine::model::Op;
use mana_sync_engine::store::Key;
use serde_json::{Value, json};
use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::rc::Rc;

const STEPS: u64 = 40;
/// The record that all tabs write to, each in a field of its own.
const SHARED: &str = "shared";

/// What was written: begun, and shown as saved.
#[derive(Default)]
struct Written {
    begun: Cell<u64>,
    saved: Rc<RefCell<BTreeSet<String>>>,
    /// Per tab, the number its field of the shared record was last given, and the last that was shown as saved.
    numbers: [(Cell<u64>, Rc<Cell<u64>>); TABS],
}

impl Written {
    /// Begins to add a record, and to number the shared one, in one transaction of a tab.
    fn begin(&self, world: &World, tab: usize) {
        self.begun.set(self.begun.get() + 1);
        let (id, number) = (format!("r{}", self.begun.get()), self.numbers[tab].0.get() + 1);
        self.numbers[tab].0.set(number);
        let writes = vec![
            ("tasks", Write::Add(vec![row(json!({ "id": id, "title": "written" }))])),
            ("tasks", Write::Update(vec![(Key::text(SHARED), row(json!({ field_of(tab): number })))])),
        ];
        let (saved, last) = (Rc::clone(&self.saved), Rc::clone(&self.numbers[tab].1));
        world.devices[0].begin_in(tab, writes, move |answer| {
            answer.expect("a write that is answered is saved");
            saved.borrow_mut().insert(id);
            last.set(last.get().max(number));
        });
    }
}

fn field_of(tab: usize) -> String {
    format!("tab{tab}")
}

/// Whatever may happen next.
fn step(world: &World, written: &Written) {
    let (device, random) = (&world.devices[0], &world.random);
    let tab = usize::try_from(random.below(TABS as u64)).unwrap_or(0);
    match random.below(20) {
        0 => device.close_at(tab),
        1 | 2 => device.open_tab(tab),
        3 => device.power_at(tab).into_iter().for_each(|power| power.fail_after(random.below(30))),
        4 => device.line.set_online(!random.chance(300)),
        5 => world.pass(random.below(40_000)),
        _ if device.is_open(tab) => written.begin(world, tab),
        _ => device.open_tab(tab),
    }
    // The tabs' tasks and messages cross in the middle of whatever goes on.
    world.executor.stroll(random.below(60), 200);
    device.bury_dead();
}

fn check(world: &World, written: &Written) {
    let device = &world.devices[0];
    let changes = world.server.changes("ada", &["tasks"]);
    let ids: BTreeSet<_> = changes.iter().map(|change| change.event_id.as_str()).collect();
    assert_eq!((ids.len(), world.server.row_count()), (changes.len(), changes.len()), "every change is stored once");
    let inserted = changes.iter().filter(|change| change.op == Op::Insert).map(|change| change.id.to_string());
    let mut inserts: Vec<String> = inserted.filter(|id| id != SHARED).collect();
    inserts.sort();
    let stored: BTreeSet<String> = device.rows("tasks").iter().map(id_of).filter(|id| id != SHARED).collect();
    assert_eq!(inserts, stored.iter().cloned().collect::<Vec<_>>(), "every record was inserted once");
    let saved = written.saved.borrow();
    assert!(saved.is_subset(&stored), "what was saved is there: {:?}", saved.difference(&stored).collect::<Vec<_>>());
    let shared = device.stored("tasks", SHARED);
    for (tab, (begun, saved)) in written.numbers.iter().enumerate() {
        let number = shared[field_of(tab)].as_u64().unwrap_or(0);
        assert!(
            (saved.get()..=begun.get()).contains(&number),
            "tab {tab}: {number} of {}..={}",
            saved.get(),
            begun.get()
        );
    }
    assert_eq!(device.line.crossed_pushes(), 0, "one tab pushes at a time");
}

fn id_of(row: &Value) -> String {
    row["id"].as_str().unwrap_or_default().to_owned()
}

fn interleave(seed: u64) -> usize {
    let world = World::with(seed, vec![Setup::of("ada"); 2]);
    let (device, written) = (&world.devices[0], Written::default());
    device.add("tasks", json!({ "id": SHARED })).expect("added");
    (1..TABS).for_each(|tab| device.open_tab(tab));
    device.line.set_faulty(100);
    (0..STEPS).for_each(|_| step(&world, &written));
    for tab in 0..TABS {
        device.power_at(tab).into_iter().for_each(|power| power.steady());
        if !device.is_open(tab) {
            device.open_tab(tab);
        }
    }
    world.converge("ada");
    check(&world, &written);
    oracle::check_events_once(&world.server, "ada", device);
    written.saved.borrow().len()
}

#[test]
fn five_tabs_push_one_at_a_time_and_lose_nothing() {
    let (first, count) = (figure("SEED", 1), figure("INTERLEAVINGS", 200));
    let saved: usize = (first..first + count)
        .map(|seed| {
            println!("SEED={seed}");
            interleave(seed)
        })
        .sum();
    println!("{count} interleavings, {saved} transactions saved");
    assert!(saved as u64 > count * STEPS / 4, "tabs wrote");
}

//! A schedule: what people, clocks, networks and crashes do to five devices, and what must be true when it is over.

mod end;
mod kind;
mod perform;
mod strangers;

use super::event::{DEVICES, Dice, Disasters, Event};
use super::executor::Owner;
use super::ledger::Ledger;
use super::place::{FIELDS, LAZY, TABLES};
use super::random::Random;
use super::sealed;
use super::setup::Setup;
use super::world::World;
pub use kind::Kind;
use mana_sync::log::memory::MemoryLog;
use mana_sync_engine::protocol::fallback::TransportKind;
use serde::{Deserialize, Serialize};
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

/// How often things happened, by name.
pub type Counts = BTreeMap<&'static str, u64>;

/// A schedule as plain data.
#[expect(clippy::struct_excessive_bools, reason = "each is a kind of its own, and all combinations occur")]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// Decides what is not an event: ids, delays, which requests meet which faults.
    pub seed: u64,
    /// What may happen.
    pub disasters: Disasters,
    /// Whether a field of every record is sealed.
    #[serde(default)]
    pub seals: bool,
    /// Whether every second device hears of news by stream.
    #[serde(default)]
    pub streams: bool,
    /// Whether the server is rolled back to protocol 1 and forward again.
    #[serde(default)]
    pub rolls: bool,
    /// Whether settings are an app of their own, which every second device pulls only once it is asked for.
    #[serde(default)]
    pub lazy: bool,
    /// Whether the server is replaced, while something else answers everybody.
    #[serde(default)]
    pub deploys: bool,
    /// What happens.
    pub events: Vec<Event>,
}

/// How often the server is rolled back or forward, in a thousand events.
const ROLLS_PERMILLE: u64 = 60;

impl Plan {
    /// The schedule of a seed, with so many events.
    #[must_use]
    pub fn of(seed: u64, events: usize) -> Self {
        Self::of_kind(seed, events, None)
    }

    /// The same, of one kind besides those that the seed gives it.
    #[must_use]
    pub fn of_kind(seed: u64, events: usize, kind: Option<Kind>) -> Self {
        let rolls = (seed / 16) % 8 == 5;
        // Keys are not rotated while servers speak protocol 1.
        let (seals, streams) = (!rolls && (seed / 8).is_multiple_of(3), (seed / 4).is_multiple_of(4));
        let (lazy, deploys) = ((seed / 16).is_multiple_of(3), (seed / 2) % 5 == 1);
        let (disasters, none) = (Disasters::of(seed), Vec::new());
        let mut plan = Self { seed, disasters, seals, streams, rolls, lazy, deploys, events: none };
        if let Some(kind) = kind {
            kind.force(&mut plan);
        }
        let random = Random::new(seed ^ 0x5eed_5eed_5eed_5eed);
        let mut dice = Dice::new(&random, plan.disasters, plan.deploys, plan.rolls);
        plan.events = (0..events).map(|_| dice.event()).collect();
        plan
    }

    /// Performs it and checks what must be true. Gives a fingerprint of everything that happened, and how often things did.
    #[must_use]
    pub fn run(&self) -> (u64, Counts) {
        let mut schedule = Schedule::new(self);
        let rolling = Random::new(self.seed ^ 0x0110_0110);
        for event in &self.events {
            if self.rolls && rolling.chance(ROLLS_PERMILLE) {
                schedule.roll();
            }
            schedule.perform(event);
        }
        schedule.end();
        (schedule.fingerprint(), schedule.counts)
    }
}

/// A schedule under way.
struct Schedule {
    world: World,
    ledger: Rc<Ledger>,
    disasters: Disasters,
    seals: bool,
    rolls: bool,
    lazy: bool,
    backup: Option<MemoryLog>,
    calls: u64,
    /// How many new keys were made.
    new_keys: u64,
    /// What became of them.
    rotated: Rc<RefCell<Vec<&'static str>>>,
    /// What became of opening an app.
    opened: Rc<RefCell<Vec<&'static str>>>,
    /// When the last of what came from the future is of its time, in milliseconds since 1970.
    ahead_until: u64,
    /// Tabs that died where they stood.
    dead: BTreeSet<Owner>,
    counts: Counts,
}

impl Schedule {
    fn new(plan: &Plan) -> Self {
        // What an earlier schedule of this thread reached is not this one's.
        drop(mana_sync_engine::probe::take());
        let count = usize::try_from(DEVICES).unwrap_or(5);
        let mut setup = Setup::of("ada");
        if plan.lazy {
            setup.apps = vec![LAZY];
        }
        sealed::begin(plan.seals, &setup);
        if plan.seals {
            setup.sealed = TABLES.iter().map(|table| (*table, FIELDS[0])).collect();
        }
        let mut setups = vec![setup; count];
        if plan.streams {
            setups.iter_mut().step_by(2).for_each(|setup| setup.transports = vec![TransportKind::Stream]);
        }
        if plan.lazy {
            setups.iter_mut().skip(1).step_by(2).for_each(|setup| setup.lazy = vec![LAZY]);
        }
        let world = World::with(plan.seed, setups);
        if plan.rolls {
            world.server.keep_times();
            let production = world.server.production();
            production.set_page(usize::try_from(2 + plan.seed % 9).unwrap_or(2));
            production.set_tick([1, 1000, 1_000_000][usize::try_from(plan.seed % 3).unwrap_or(0)]);
            production.set_late([0, 500, 20_000][usize::try_from(plan.seed / 3 % 3).unwrap_or(0)]);
        }
        world.server.set_page(usize::try_from(3 + plan.seed % 40).unwrap_or(3));
        let ledger = Rc::new(Ledger::default());
        for device in &world.devices {
            if plan.disasters.cut {
                device.keep_journal();
            }
            if plan.seals {
                device.keep_key(sealed::key());
            }
            device.watch(Rc::clone(&ledger) as Rc<dyn super::device::Watch>);
        }
        let books = Rc::clone(&ledger);
        world.server.on_push(move |changes, answer| books.pushed(changes, answer));
        let (dead, counts) = (BTreeSet::new(), Counts::new());
        let (disasters, seals, rolls, lazy) = (plan.disasters, plan.seals, plan.rolls, plan.lazy);
        let (new_keys, rotated, opened) = (0, Rc::default(), Rc::default());
        let (backup, ahead_until) = (None, 0);
        Self {
            world,
            ledger,
            disasters,
            seals,
            rolls,
            lazy,
            backup,
            calls: 0,
            new_keys,
            rotated,
            opened,
            ahead_until,
            dead,
            counts,
        }
    }

    /// The server is replaced by one of the other protocol.
    fn roll(&mut self) {
        let server = &self.world.server;
        server.set_protocol_1(!server.speaks_protocol_1());
        self.count("server rolled back or forward");
    }

    fn count(&mut self, what: &'static str) {
        *self.counts.entry(what).or_default() += 1;
    }
}

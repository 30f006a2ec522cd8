//! Devices, their server, and the time that passes for all of them.

use super::deploy::Interim;
use super::device::{Device, TABS};
use super::executor::Executor;
use super::network::Line;
use super::oracle;
use super::random::Random;
use super::server::Server;
use super::setup::Setup;
use mana_sync_engine::engine::{CheckState, State};
use std::rc::Rc;

/// Where every simulation begins: 2026-01-01T00:00:00Z in milliseconds since 1970.
pub const START_MS: u64 = 1_767_225_600_000;
/// Rounds within which everything must be quiet after the last fault.
const QUIET_ROUNDS: usize = 200;

/// The world.
pub struct World {
    /// Its time and tasks.
    pub executor: Executor,
    /// Its numbers.
    pub random: Random,
    /// The server.
    pub server: Rc<Server>,
    /// The devices.
    pub devices: Vec<Device>,
}

impl World {
    /// A world without devices.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        let (executor, random) = (Executor::new(START_MS), Random::new(seed));
        let server = Rc::new(Server::new(&executor, &random));
        Self { executor, random, server, devices: Vec::new() }
    }

    /// A world with one device per setup, all of them open, syncing, and quiet.
    #[must_use]
    pub fn with(seed: u64, setups: Vec<Setup>) -> Self {
        let mut world = Self::new(seed);
        for setup in setups {
            world.add(setup).open();
        }
        world.pass(5_000);
        world
    }

    /// A world with `count` devices of the user `ada`.
    #[must_use]
    pub fn of_ada(count: usize) -> Self {
        Self::with(1, vec![Setup::of("ada"); count])
    }

    /// A device more, without a tab.
    pub fn add(&mut self, setup: Setup) -> &Device {
        let user = setup.user.clone().unwrap_or_else(|| "guest".to_owned());
        if !setup.spaces.is_empty() {
            self.server.set_spaces(&user, setup.spaces.clone());
        }
        let line = Line::new(&self.executor, &self.server, self.random.fork(), &user);
        let number = self.devices.len();
        self.devices.push(Device::new(&self.executor, self.random.fork(), line, setup, number));
        &self.devices[self.devices.len() - 1]
    }

    /// Lets time pass, in milliseconds.
    pub fn pass(&self, ms: u64) {
        self.executor.run(self.executor.now() + ms, || false);
    }

    /// The server is replaced: for so many milliseconds requests are answered these in turn. What is open is cut at once, or,
    /// where the one before drains, once the new one is there.
    pub fn deploy(&self, answers: &[Interim], ms: u64, drains: bool) {
        let lines: Vec<Rc<Line>> = self.devices.iter().map(|device| Rc::clone(&device.line)).collect();
        let cut = move || lines.iter().for_each(|line| line.cut());
        let (server, number) = (Rc::clone(&self.server), self.server.deploys.begin(answers));
        if !drains {
            cut();
        }
        let slept = self.executor.sleep(ms);
        self.executor.spawn(
            0,
            Box::pin(async move {
                slept.await;
                if server.deploys.end(number) && drains {
                    cut();
                }
            }),
        );
    }

    /// Ends every fault and lets time pass until everybody has everything.
    pub fn quiesce(&self) {
        self.quiesce_with(|_, _| true);
    }

    /// The same; in every round `people` do what it takes, and say whether they have what they want.
    pub fn quiesce_with(&self, people: impl Fn(&Self, usize) -> bool) {
        for device in &self.devices {
            device.line.set_online(true);
            device.line.set_faulty(0);
        }
        for round in 0..QUIET_ROUNDS {
            let is_content = people(self, round);
            self.unblock();
            self.pass(35_000);
            if is_content && self.is_quiet() {
                return;
            }
        }
        let states: Vec<_> = self.devices.iter().map(|d| (d.session().status(), d.logged().len())).collect();
        let differing = self.devices.iter().find_map(|device| oracle::difference(device, &self.devices[0]));
        panic!("not quiet after {QUIET_ROUNDS} rounds: {states:?}, {differing:?}");
    }

    /// What an app does when sync waits for it: everything is in order again, so it says so.
    fn unblock(&self) {
        for device in &self.devices {
            let sessions = (0..TABS).filter_map(|tab| device.session_at(tab));
            sessions.filter(|session| session.status().state.awaits_a_person()).for_each(|session| session.hurry());
        }
    }

    fn is_quiet(&self) -> bool {
        let synced = |device: &Device| {
            let is_empty = device.memory.borrow().handles("_changeLog").is_empty();
            is_empty && device.session().status().state == State::Synced
        };
        if !self.devices.iter().all(synced) {
            return false;
        }
        let first = self.devices.first().map(oracle::replica);
        self.devices.iter().all(|device| Some(oracle::replica(device)) == first)
    }

    /// Lets everything become quiet and checks that all devices of `user` hold what the server's log comes to.
    pub fn converge(&self, user: &str) {
        self.quiesce();
        let expected = oracle::from_log(&self.server, user, &self.devices[0]);
        for (number, device) in self.devices.iter().enumerate() {
            assert_eq!(oracle::replica(device), expected, "device {number} holds what the server's log comes to");
        }
        oracle::check_events_once(&self.server, user, &self.devices[0]);
        // What the log holds and does not show is a difference to everybody.
        if !self.server.withholds() {
            self.check_devices();
        }
    }

    /// Every device finds by itself that it holds what the server does.
    pub fn check_devices(&self) {
        (0..self.devices.len()).for_each(|number| self.check_device(number));
    }

    /// One device does.
    pub fn check_device(&self, number: usize) {
        if self.server.speaks_protocol_1() {
            // It has no check.
            return;
        }
        let check = self.devices[number].check().expect("a check is answered");
        assert_eq!(check.state, CheckState::Equal, "device {number} compares itself with the server: {check:?}");
    }
}

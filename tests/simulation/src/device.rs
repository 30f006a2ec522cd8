//! A device: a database, a clock and a line that outlive its tabs, and the tabs that run now.

use super::calls::raw_key;
use super::executor::{Executor, Owner};
use super::host::{SimHost, WallClock};
use super::network::{Line, SimTransport};
use super::random::Random;
use super::setup::{Setup, all_stores, empty, of_older_app};
use super::storage::{Power, SimStore, Transactions, Trouble, Whose};
use super::tabs::{Profile, TabOf};
use mana_sync_engine::engine::{Engine, Event, Result, Session};
use mana_sync_engine::store::memory::Changed;
use mana_sync_engine::store::{JsonRow, Key, MemoryStore, Mode, Store as _, Transaction as _};
use serde_json::Value;
use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;

/// A tab's session.
pub type SimSession = Session<SimStore, SimHost, SimTransport, TabOf>;

/// How many tabs a device may have open.
pub const TABS: usize = 5;
/// How long opening may take before it counts as lost, in milliseconds of virtual time.
const LIMIT_MS: u64 = 300_000;
/// How many commits a power cut may take back.
const JOURNAL: usize = 20;

/// Hears of every commit of a device's database, in the moment it happens.
pub trait Watch {
    /// A commit, by its number in this database.
    fn committed(&self, device: usize, commit: u64, whose: Whose, changes: &[Changed]);
}

/// A running tab.
pub(super) struct Tab {
    pub(super) owner: Owner,
    pub(super) session: Rc<SimSession>,
    pub(super) store: SimStore,
    power: Power,
}

/// What a database's commits left, for those who watch and for power cuts.
#[derive(Default)]
struct Commits {
    last: Cell<u64>,
    keeps_journal: Cell<bool>,
    journal: RefCell<VecDeque<(u64, Vec<Changed>)>>,
    watch: RefCell<Option<Rc<dyn Watch>>>,
}

/// A device.
pub struct Device {
    pub(super) executor: Executor,
    random: Random,
    /// Its wall clock.
    pub clock: WallClock,
    /// Its line to the server.
    pub line: Rc<Line>,
    pub(super) setup: RefCell<Setup>,
    pub(super) memory: RefCell<MemoryStore>,
    /// The browser profile.
    pub profile: Rc<Profile>,
    transactions: Transactions,
    commits: Rc<Commits>,
    /// The tabs that are open or died.
    tabs: RefCell<[Option<Tab>; TABS]>,
    owners: Cell<Owner>,
    number: usize,
    /// Every byte of the key that its person unlocks the vault with when a tab is opened.
    pub(super) key: Rc<Cell<Option<u8>>>,
    /// After how many operations the next tab dies.
    doomed: Cell<Option<u64>>,
    /// After how many operations the next tab meets which trouble.
    troubled: Cell<Option<(u64, Trouble)>>,
    pub(super) events: Rc<RefCell<Vec<(Owner, Event)>>>,
}

impl Device {
    /// A device with an empty database and no tab; `number` tells devices apart.
    #[must_use]
    pub fn new(executor: &Executor, random: Random, line: Rc<Line>, setup: Setup, number: usize) -> Self {
        let device = Self {
            executor: executor.clone(),
            random,
            clock: WallClock::default(),
            line,
            memory: RefCell::new(empty(&setup)),
            setup: RefCell::new(setup),
            profile: Rc::default(),
            transactions: Rc::default(),
            commits: Rc::default(),
            tabs: RefCell::default(),
            owners: Cell::new((number as u64 + 1) << 32),
            number,
            key: Rc::default(),
            doomed: Cell::default(),
            troubled: Cell::default(),
            events: Rc::default(),
        };
        device.listen_to_commits();
        device
    }

    fn listen_to_commits(&self) {
        let (commits, transactions) = (Rc::clone(&self.commits), Rc::clone(&self.transactions));
        let number = self.number;
        self.memory.borrow().on_commit(move |transaction, changes| {
            let commit = commits.last.get() + 1;
            commits.last.set(commit);
            let whose = transactions.borrow().get(&transaction).copied().expect("somebody began the transaction");
            if whose.durable {
                commits.journal.borrow_mut().clear();
            } else if commits.keeps_journal.get() {
                let mut journal = commits.journal.borrow_mut();
                journal.push_back((commit, changes.to_vec()));
                if journal.len() > JOURNAL {
                    journal.pop_front();
                }
            }
            let watch = commits.watch.borrow().clone();
            if let Some(watch) = watch {
                watch.committed(number, commit, whose, changes);
            }
        });
    }

    /// Has `watch` hear of every commit.
    pub fn watch(&self, watch: Rc<dyn Watch>) {
        *self.commits.watch.borrow_mut() = Some(watch);
    }

    /// Keeps the last commits, so that a power cut may take them back.
    pub fn keep_journal(&self) {
        self.commits.keeps_journal.set(true);
    }

    /// Opens the first tab on what the database holds, and starts to sync; a tab that is open ends where it stands.
    pub fn open(&self) {
        self.try_open().expect("the engine opens");
        self.session().sync_start();
    }

    /// Opens the first tab, which does not sync yet.
    pub fn try_open(&self) -> Result<()> {
        self.open_at(0)
    }

    /// Opens a second tab beside the first one.
    pub fn open_second(&self) -> Result<()> {
        self.open_at(1)
    }

    /// Opens a tab beside others and starts to sync; one that is open there ends where it stands.
    pub fn open_tab(&self, at: usize) {
        self.open_at(at).expect("the engine opens");
        if let Some(session) = self.session_at(at) {
            session.sync_start();
        }
    }

    /// Opens the first tab, which dies after so many storage operations; false: it died before it was open.
    pub fn open_doomed(&self, operations: u64) -> bool {
        self.doomed.set(Some(operations));
        let opened = self.opened_at(0);
        if let Some(opened) = &opened {
            opened.as_ref().expect("the engine opens");
            self.session().sync_start();
        }
        opened.is_some()
    }

    /// Opens the first tab, whose database does something else than it was asked after so many operations.
    pub fn open_troubled(&self, operations: u64, trouble: Trouble) -> Result<()> {
        self.troubled.set(Some((operations, trouble)));
        self.open_at(0)
    }

    /// Gives the database the content of an older app on Dexie, which the engine has never opened.
    pub fn fill_as_older_app(&self, rows: &[(&str, Value)]) {
        *self.memory.borrow_mut() = of_older_app(&self.setup.borrow());
        let store = self.memory.borrow().clone();
        let filled = rows.iter().map(|(name, row)| ((*name).to_owned(), row.clone())).collect();
        self.executor.block_on(0, LIMIT_MS, fill(store, filled)).expect("the store in memory does not wait");
        self.listen_to_commits();
    }

    /// Puts a row past the engine, in the place of one with its key; the tabs are closed.
    pub fn store_put(&self, store: &str, row: Value) {
        let Value::Object(row) = row else { panic!("{row} is no row") };
        let copy = MemoryStore::from_snapshot(&self.memory.borrow().snapshot());
        let (target, store) = (copy.clone(), store.to_owned());
        let put = async move {
            let tx = target.begin(Mode::Write, &[&store]).expect("a store");
            tx.put(&store, &JsonRow::from(row), None).expect("put");
            tx.commit().await.expect("committed");
        };
        self.executor.block_on(0, LIMIT_MS, put).expect("the store in memory does not wait");
        *self.memory.borrow_mut() = copy;
        self.listen_to_commits();
    }

    /// Puts rows as an older app does that came back, past the engine; the tab is closed.
    pub fn write_as_older_app(&self, rows: &[(&str, Value)]) {
        self.close_all();
        let copy = MemoryStore::from_snapshot(&self.memory.borrow().snapshot());
        let filled = rows.iter().map(|(name, row)| ((*name).to_owned(), row.clone())).collect();
        self.executor.block_on(0, LIMIT_MS, fill(copy.clone(), filled)).expect("the store in memory does not wait");
        *self.memory.borrow_mut() = copy;
        self.listen_to_commits();
    }

    /// Deletes the database under the open first tab, and opens the second with another setup.
    pub fn hand_over(&self, setup: Setup) -> Result<()> {
        *self.memory.borrow_mut() = empty(&setup);
        *self.setup.borrow_mut() = setup;
        self.listen_to_commits();
        self.open_at(1)
    }

    fn open_at(&self, at: usize) -> Result<()> {
        self.opened_at(at).expect("opening does not wait")
    }

    /// Opens a tab; `None` when it died over it.
    fn opened_at(&self, at: usize) -> Option<Result<()>> {
        self.close_at(at);
        let owner = self.owners.get() + 1;
        self.owners.set(owner);
        let power = Power::new(owner, &self.executor, &self.profile);
        self.doomed.take().into_iter().for_each(|operations| power.fail_after(operations));
        self.troubled.take().into_iter().for_each(|(operations, trouble)| power.trouble_after(operations, trouble));
        let store = SimStore::new(self.memory.borrow().clone(), power.clone(), &self.transactions);
        let host = SimHost::new(&self.executor, owner, &self.clock, self.random.fork());
        let is_first = self.tabs.borrow().iter().flatten().all(|tab| tab.power.is_out());
        let opening = Engine::open(store.clone(), host, self.setup.borrow().config(), is_first);
        let opened = self.executor.block_on(owner, LIMIT_MS, opening);
        let engine = match opened? {
            Ok(engine) => engine,
            Err(error) => return Some(Err(error)),
        };
        let transport = SimTransport::new(&self.line, owner);
        let events = Rc::clone(&self.events);
        let tab = TabOf::new(&self.profile, &self.executor, owner);
        let hear = move |event| events.borrow_mut().push((owner, event));
        let session = Session::new(&engine, Some(transport), tab, hear);
        self.tabs.borrow_mut()[at] = Some(Tab { owner, session, store, power });
        self.unlock_at(at);
        Some(Ok(()))
    }

    /// Unlocks the vault with a key of which every byte is `byte`, now and in every tab that is opened later.
    pub fn keep_key(&self, byte: u8) {
        self.key.set(Some(byte));
        (0..TABS).for_each(|at| self.unlock_at(at));
    }

    /// Locks the vault, which the next tab finds locked, too.
    pub fn forget_key(&self) {
        self.key.set(None);
        self.with_tab(0, |tab| tab.session.engine().lock());
    }

    /// Whether its person has not unlocked the vault.
    pub fn is_locked(&self) -> bool {
        self.key.get().is_none()
    }

    fn unlock_at(&self, at: usize) {
        let Some(byte) = self.key.get() else { return };
        self.with_tab(at, |tab| tab.session.engine().unlock(raw_key(byte)).expect("the user has a vault"));
    }

    /// Ends the first tab where it stands; what was committed stays.
    pub fn close(&self) {
        self.close_at(0);
    }

    /// Ends a tab where it stands.
    pub fn close_at(&self, at: usize) {
        let tab = self.tabs.borrow_mut()[at].take();
        if let Some(tab) = tab {
            self.executor.kill(tab.owner);
            self.profile.forget(tab.owner);
        }
    }

    /// Forgets the tabs that died, with everything they held.
    pub fn bury_dead(&self) {
        (0..TABS).filter(|at| !self.is_open(*at)).for_each(|at| self.close_at(at));
    }

    /// Ends all tabs where they stand.
    pub fn close_all(&self) {
        (0..TABS).for_each(|at| self.close_at(at));
    }

    /// Ends the tab where it stands and opens another one.
    pub fn restart(&self) {
        self.close();
        self.open();
    }

    /// Opens the app in another version.
    pub fn update_app(&self, setup: Setup) {
        self.install_app(setup);
        self.open();
    }

    /// Ends all tabs where they stand; the next one is of another version of the app.
    pub fn install_app(&self, setup: Setup) {
        self.close_all();
        let old = self.memory.borrow().snapshot();
        *self.memory.borrow_mut() = MemoryStore::upgraded(&old, all_stores(&setup));
        self.listen_to_commits();
        *self.setup.borrow_mut() = setup;
    }

    /// Takes from a closed database what it says of apps, as one has it of the time before that was noted.
    pub fn forget_apps(&self) {
        let forgotten = MemoryStore::from_snapshot(&self.memory.borrow().snapshot());
        let store = forgotten.clone();
        let forgetting = async move {
            let tx = store.begin(Mode::Write, &["_engine"]).expect("a store");
            tx.delete("_engine", &Key::pair("apps", "")).expect("deleted");
            tx.commit().await.expect("committed");
        };
        self.executor.block_on(0, LIMIT_MS, forgetting).expect("the store in memory does not wait");
        *self.memory.borrow_mut() = forgotten;
        self.listen_to_commits();
    }

    /// Whether its version of the app has a table.
    #[must_use]
    pub fn has_table(&self, table: &str) -> bool {
        self.setup.borrow().has(table)
    }

    /// Loses the whole database, as browsers sometimes do. Gives the number of its last commit.
    pub fn lose_database(&self) -> u64 {
        self.close_all();
        *self.memory.borrow_mut() = empty(&self.setup.borrow());
        self.commits.journal.borrow_mut().clear();
        self.listen_to_commits();
        self.commits.last.get()
    }

    /// Cuts the power: all tabs end, and the last commits, at most `commits`, never reached the disk. Gives the number
    /// of the last commit that did.
    pub fn cut_power(&self, commits: usize) -> u64 {
        self.close_all();
        let mut journal = self.commits.journal.borrow_mut();
        let mut lasting = self.commits.last.get();
        for _ in 0..commits {
            let Some((number, changes)) = journal.pop_back() else { break };
            self.memory.borrow().undo(&changes);
            lasting = number - 1;
        }
        lasting
    }

    /// A tab that is open and alive.
    pub(super) fn with_tab<T>(&self, at: usize, use_it: impl FnOnce(&Tab) -> T) -> Option<T> {
        self.tabs.borrow()[at].as_ref().filter(|tab| !tab.power.is_out()).map(use_it)
    }

    /// Whether a tab is open and alive.
    #[must_use]
    pub fn is_open(&self, at: usize) -> bool {
        self.with_tab(at, |_| ()).is_some()
    }

    /// The first tab's session.
    #[must_use]
    pub fn session(&self) -> Rc<SimSession> {
        self.session_at(0).expect("the device has a tab open")
    }

    /// A tab's session, where it is open.
    #[must_use]
    pub fn session_at(&self, at: usize) -> Option<Rc<SimSession>> {
        self.tabs.borrow()[at].as_ref().map(|tab| Rc::clone(&tab.session))
    }

    /// The name of a tab among the tasks, where it is open or died.
    #[must_use]
    pub fn owner_at(&self, at: usize) -> Option<Owner> {
        self.tabs.borrow()[at].as_ref().map(|tab| tab.owner)
    }

    /// The first tab's power supply.
    #[must_use]
    pub fn power(&self) -> Power {
        self.power_at(0).expect("the device has a tab open")
    }

    /// A tab's power supply, where it is open.
    #[must_use]
    pub fn power_at(&self, at: usize) -> Option<Power> {
        self.tabs.borrow()[at].as_ref().map(|tab| tab.power.clone())
    }
}

async fn fill(store: MemoryStore, rows: Vec<(String, Value)>) {
    for (name, row) in rows {
        let Value::Object(row) = row else { panic!("{row} is no row") };
        let tx = store.begin(Mode::Write, &[&name]).expect("a store");
        tx.insert(&name, &JsonRow::from(row), None).await.expect("put");
        tx.commit().await.expect("committed");
    }
}

impl Drop for Device {
    fn drop(&mut self) {
        for tab in self.tabs.borrow().iter().flatten() {
            tab.session.close();
        }
        self.close_all();
    }
}

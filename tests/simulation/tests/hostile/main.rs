//! A server that lies at random: it makes values up, moves and repeats envelopes, flips their bits, writes plaintext and
//! nothing over what is sealed, withholds changes, deletes records, goes back to older copies of its log, says that records
//! are in other spaces, everybody's or moved, that spaces are of other types or gone, and makes facts of the keyring up, also
//! while a guest's records are taken over. Whatever it does, in no sealed field is anything shown but what the user wrote there, never an older value after a newer one;
//! what devices store, log and send of the user's words is sealed; and writing and syncing go on.
//!
//! `HOSTILE` says how many schedules run; `SEED` is the first.

mod book;
mod forge;
mod unruly;

use book::{Book, Place, SECRET, Vault};
use mana_simulation::calls::code;
use mana_simulation::figures::{assert_reached, figure};
use mana_simulation::{Device, Random, Setup, World};
use mana_sync::log::memory::MemoryLog;
use mana_sync_engine::engine::{Event, State};
use mana_sync_engine::model::{Change, Space, Stamp};
use serde_json::{Value, json};
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

const DEVICES: u64 = 3;
const STEPS: usize = 60;
const KEY: u8 = 7;

/// A schedule under way.
struct Hostile {
    world: World,
    random: Random,
    book: Rc<Book>,
    backup: Option<MemoryLog>,
    /// Of which values devices told that they are not the user's: the device, the place, and when they say they were written.
    told: BTreeSet<(usize, String, String)>,
    /// What the next answers to pulls contain beside what the log has, and how many of them still do.
    slipped_in: SlippedIn,
    counts: BTreeMap<&'static str, u64>,
}

type SlippedIn = Rc<RefCell<Vec<(usize, Vec<Value>)>>>;

/// How writes may be refused while a server says what it likes of spaces and keys.
const REFUSALS: [&str; 6] =
    ["unknown_space", "key_outdated", "immutable_field", "not_found", "other_user", "read_only_space"];

#[test]
fn whatever_a_server_makes_up_the_users_words_are_what_is_shown_and_stay_sealed() {
    let (first, count) = (figure("SEED", 0), figure("HOSTILE", 20));
    let mut counts = BTreeMap::new();
    for seed in first..first + count {
        let mut schedule = Hostile::new(seed);
        for _ in 0..STEPS {
            schedule.step(seed);
            schedule.check(seed);
        }
        schedule.end(seed);
        schedule.counts.into_iter().for_each(|(what, n)| *counts.entry(what).or_insert(0) += n);
    }
    let shown = counts.get("shown in the end").copied().unwrap_or(0);
    assert!(shown > count * DEVICES, "places that show the user's words in the end: {shown}");
    let others = ["told", "withheld", "an older copy", "locked", "restarted", "met a lock", "other spaces", "adopted"];
    let kinds = forge::KINDS.iter().chain(&unruly::ABOUT_PLACES).chain(&unruly::ABOUT_KEYS);
    assert_reached(&counts, count, kinds.chain(&others));
}

impl Hostile {
    fn new(seed: u64) -> Self {
        let setup = Setup { sealed: book::sealed(), spaces: honest_spaces(), ..Setup::of("ada") };
        let world = World::with(seed, vec![setup; usize::try_from(DEVICES).expect("few")]);
        let book = Rc::new(Book::default());
        let pushed = Rc::clone(&book);
        world.server.on_push(move |changes, _| changes.iter().for_each(|change| pushed.check_pushed(change)));
        world.server.set_spaces("ada", honest_spaces());
        let slipped_in = SlippedIn::default();
        let slips = Rc::clone(&slipped_in);
        world.server.on_pull(move |changes| {
            slips.borrow_mut().retain_mut(|(left, lie)| {
                changes.extend(lie.iter().cloned());
                *left -= 1;
                *left > 0
            });
        });
        world.devices.iter().for_each(|device| device.keep_key(KEY));
        // From here on everything says that it is of a time when the fields were sealed already.
        world.pass(10_000);
        Self {
            world,
            random: Random::new(seed ^ 0x0bad_5eed),
            book,
            backup: None,
            told: BTreeSet::new(),
            slipped_in,
            counts: BTreeMap::new(),
        }
    }

    fn count(&mut self, what: &'static str) {
        *self.counts.entry(what).or_default() += 1;
    }

    fn device(&self) -> &Device {
        &self.world.devices[usize::try_from(self.random.below(DEVICES)).expect("few")]
    }

    fn step(&mut self, seed: u64) {
        self.book.begin(seed);
        match self.random.below(100) {
            0..=34 => self.write(seed),
            35..=59 => self.lie(),
            60..=67 => self.lie_of_places(),
            68..=72 => self.lie_of_keys(seed),
            73..=75 => self.lie_of_spaces(),
            76..=79 => self.adopt(),
            80..=83 => self.withhold(),
            84..=86 => self.go_back(),
            87..=93 => self.lock(),
            94..=96 => {
                self.device().restart();
                self.count("restarted");
            }
            _ => self.world.pass(40_000),
        }
        self.world.pass(*self.random.pick(&[1, 1, 500, 5_000, 40_000]));
    }

    /// A person writes; with the key here, that works, but where the server has made something else of the record's space.
    fn write(&mut self, seed: u64) {
        let place = *self.random.pick(&book::PLACES);
        let words = self.book.words();
        let device = self.device();
        let (table, id, field) = place;
        let is_shown = device.rows(table).iter().any(|row| row["id"] == id);
        self.book.write(place, &words);
        let updates = is_shown && self.random.chance(700);
        let written = if updates {
            device.update(table, id, json!({ field: words }))
        } else {
            device.put(table, json!({ "id": id, field: words }))
        };
        if device.is_locked() {
            let code = code(written);
            assert!(code == "vault_locked" || REFUSALS.contains(&code), "SEED={seed}: {code}");
            self.count("met a lock");
            return;
        }
        if let Err(error) = &written {
            let code = error.kind().code();
            assert!(REFUSALS.contains(&code), "SEED={seed}: with the key, everything can be written: {error}");
            assert!(!format!("{}{:?}", device.stored(table, id), device.logged()).contains(&words));
            self.book.unwrite(place, &words);
            self.count("refused");
            return;
        }
        let at = device.stored(table, id)["__fieldMeta"][field]["at"].clone();
        let at = at.as_str().expect("a stamp");
        self.book.stamp(place, &words, at);
        if !updates {
            self.book.write_nothing_beside(place, at);
        }
    }

    /// The server says that the user wrote something.
    fn lie(&mut self) {
        let known = self.world.server.changes("ada", &book::TABLES);
        let now = self.world.executor.now();
        let Some((kind, change)) = forge::made_up(&self.random, &known, now) else { return };
        self.book.make_up(&Change::parse(change.clone()).expect("a change"));
        if self.world.server.try_push_as("ada", &[change]).rejected.is_empty() {
            self.count(kind);
        }
    }

    /// The server says that a record which all devices know for the user's own is somewhere else, or everybody's.
    fn lie_of_places(&mut self) {
        let known = self.world.server.changes("ada", &book::TABLES);
        let devices = &self.world.devices;
        let is_known = |(table, id, _): Place| {
            devices.iter().all(|device| {
                let row = device.stored(table, id);
                !row["__own"].is_null() && row["deletedAt"].is_null()
            })
        };
        let lie = unruly::about_places(&self.random, &known, self.world.executor.now(), is_known);
        let Some((kind, changes)) = lie else { return };
        for change in &changes {
            self.book.make_up(&Change::parse(change.clone()).expect("a change"));
        }
        self.slipped_in.borrow_mut().push((3, changes));
        self.count(kind);
    }

    fn lie_of_keys(&mut self, seed: u64) {
        let facts = self.world.server.keyring("ada");
        let lie = unruly::about_keys(&self.random, &facts, self.world.executor.now(), seed.is_multiple_of(4));
        let Some((kind, change)) = lie else { return };
        if self.world.server.try_push_as("ada", &[change]).rejected.is_empty() {
            self.count(kind);
        }
    }

    fn lie_of_spaces(&mut self) {
        let spaces = if self.random.chance(300) { honest_spaces() } else { unruly::spaces(&self.random) };
        self.world.server.set_spaces("ada", spaces);
        self.count("other spaces");
    }

    /// The user signs out, writes as a guest, signs in, and takes that over.
    fn adopt(&mut self) {
        let place: Place = ("tasks", "g", "title");
        let words = self.book.words();
        let device = self.device();
        if device.stored(place.0, place.1) != Value::Null {
            return;
        }
        device.sign_out().expect("signed out");
        device.add(place.0, json!({ "id": place.1, place.2: words })).expect("a guest writes what they like");
        self.book.write(place, &words);
        device.sign_in("ada").expect("signed in");
        if !device.is_locked() {
            device.keep_key(KEY);
        }
        let adopted = device.adopt_guest_data().is_ok_and(|data| data.adopted == 1);
        let stored = device.stored(place.0, place.1);
        if adopted && book::holds(place, &stored, &words) {
            let at = stored["__fieldMeta"][place.2]["at"].as_str().expect("a stamp").to_owned();
            self.book.stamp(place, &words, &at);
            self.count("adopted");
        }
    }

    /// The server keeps a change to itself, or shows everything again, to those who have not passed it.
    fn withhold(&mut self) {
        if self.random.chance(300) {
            return self.world.server.show_everything();
        }
        let known: Vec<Change> = self.world.server.changes("ada", &book::TABLES);
        if !known.is_empty() {
            let change = self.random.pick(&known).event_id.clone();
            self.world.server.withhold(change);
            self.count("withheld");
        }
    }

    fn go_back(&mut self) {
        match self.backup.take() {
            None => self.backup = Some(self.world.server.backup()),
            Some(backup) => {
                self.world.server.restore(&backup);
                self.count("an older copy");
            }
        }
    }

    fn lock(&mut self) {
        let device = self.device();
        if device.is_locked() {
            device.keep_key(KEY);
        } else {
            device.forget_key();
            self.count("locked");
        }
    }

    fn check(&mut self, seed: u64) {
        for (number, device) in self.world.devices.iter().enumerate() {
            for place in book::PLACES {
                let (table, id, field) = place;
                let row = device.rows(table).into_iter().find(|row| row["id"] == id);
                let Some(row) = row else { continue };
                let stored = device.stored(table, id)[field].clone();
                let told = self.book.check_shown((number, place), &row[field], &stored, vault_of(device));
                told.unwrap_or_else(|wrong| panic!("SEED={seed}: device {number} shows {}: {wrong}", row[field]));
            }
            for event in device.take_events() {
                let Event::Integrity { table, id, field, kept, .. } = event else { continue };
                *self.counts.entry("told").or_default() += 1;
                let at = kept.map(|conflict| conflict.incoming.at).unwrap_or_default();
                self.told.insert((number, format!("{table}/{id}/{field}"), at));
            }
        }
    }

    /// What stands in the place of the user's words was told of on every device; gives how many places show words.
    fn check_told(&self, seed: u64) -> u64 {
        let mut showing = 0;
        for (number, device) in self.world.devices.iter().enumerate() {
            for place in book::PLACES {
                let (table, id, field) = place;
                let stored = device.stored(table, id);
                let shown = device.rows(table).into_iter().find(|row| row["id"] == id).unwrap_or_default();
                let is_words = shown[field].as_str().is_some_and(|text| text.contains(SECRET));
                showing += u64::from(is_words);
                let at = stored["__fieldMeta"][field]["at"].as_str().unwrap_or_default();
                let Ok(stamp) = Stamp::parse(at) else { continue };
                let is_lie = self.book.is_made_up(place, stamp, &stored[field]);
                let is_told = self.told.contains(&(number, format!("{table}/{id}/{field}"), at.to_owned()));
                assert!(is_told || !is_words || !is_lie, "SEED={seed}: device {number} was not told of {stored}");
            }
        }
        showing
    }

    /// The server is itself again, and everybody has the key: nobody waits for anything, and nothing lies open.
    fn end(&mut self, seed: u64) {
        self.slipped_in.take();
        self.world.server.show_everything();
        self.world.server.set_spaces("ada", honest_spaces());
        self.world.devices.iter().for_each(|device| device.keep_key(KEY));
        self.world.pass(400_000);
        for device in self.world.devices.iter().filter(|device| vault_of(device) == Vault::Open) {
            device.adopt_guest_data().expect("nothing is in the way any more");
        }
        self.world.pass(10_000);
        self.check(seed);
        *self.counts.entry("shown in the end").or_default() += self.check_told(seed);
        for device in self.world.devices.iter().filter(|device| vault_of(device) == Vault::Open) {
            let status = device.session().status();
            assert_eq!((status.state, status.pending), (State::Synced, 0), "SEED={seed}: {status:?}");
            let stores = ["tasks", "settings", "_changeLog", "_engine"];
            let all: Vec<Value> = stores.iter().flat_map(|store| device.store_rows(store)).collect();
            let all = format!("{all:?}") + &device.line.sent_to("/v2/push").join("");
            assert!(!all.contains(SECRET), "SEED={seed}: {}", all.split(SECRET).next().unwrap_or_default());
        }
    }
}

/// A place with the device that shows it.
type Spot = (usize, Place);

fn honest_spaces() -> Vec<Space> {
    vec![unruly::space("home", "personal"), unruly::space("club", "family")]
}

fn vault_of(device: &Device) -> Vault {
    match (device.engine().is_locked(), device.engine().is_outdated()) {
        (true, _) => Vault::Locked,
        (false, true) => Vault::Outdated,
        (false, false) => Vault::Open,
    }
}

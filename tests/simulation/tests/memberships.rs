//! People who join spaces, leave them, and lose the right to write in them, while they write there, on devices that are
//! offline, killed, or behind a bad network, and while nobody can say who is in which space. Whatever happens: nobody's device
//! ever holds what its person may not read; in the end everybody has all of the spaces they are in, and nothing else; and
//! nothing that was saved is lost: the server has it, or a letter on the device that saved it.
//!
//! `MEMBERSHIPS` says how many schedules run; `SEED` is the first.

use mana_simulation::figures::{assert_reached, figure};
use mana_simulation::{Device, Random, Setup, World};
use mana_sync_engine::model::{Space, SpaceId};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

const PEOPLE: [&str; 3] = ["ada", "bob", "eve"];
/// Whose each device is.
const DEVICES: [&str; 5] = ["ada", "ada", "bob", "bob", "eve"];
const SPACES: [&str; 3] = ["choir", "club", "team"];
const STEPS: usize = 80;
/// How writes may be refused where somebody is no member, or may only read.
const REFUSALS: [&str; 4] = ["unknown_space", "read_only_space", "not_found", "immutable_field"];

/// Something that was saved: a text that stands nowhere else.
#[derive(Debug, Clone)]
struct Saved {
    text: String,
    device: usize,
    id: String,
}

struct Schedule {
    world: World,
    random: Random,
    seed: u64,
    roles: BTreeMap<(&'static str, &'static str), &'static str>,
    /// Which spaces somebody was ever in.
    been_in: BTreeMap<&'static str, BTreeSet<&'static str>>,
    saved: Vec<Saved>,
    texts: u64,
    counts: BTreeMap<&'static str, u64>,
}

impl Schedule {
    fn new(seed: u64) -> Self {
        let world = World::with(seed, DEVICES.iter().map(|user| Setup::of(user)).collect());
        let random = Random::new(seed ^ 0x3e3b_e255);
        let mut schedule = Self {
            world,
            random,
            seed,
            roles: BTreeMap::new(),
            been_in: BTreeMap::new(),
            saved: Vec::new(),
            texts: 0,
            counts: BTreeMap::new(),
        };
        for user in PEOPLE {
            for space in SPACES {
                if schedule.random.chance(700) {
                    schedule.set_role(user, space, Some("member"));
                }
            }
        }
        (0..DEVICES.len()).for_each(|at| schedule.look(at));
        schedule.world.pass(40_000);
        schedule
    }

    fn count(&mut self, what: &'static str) {
        *self.counts.entry(what).or_default() += 1;
    }

    fn set_role(&mut self, user: &'static str, space: &'static str, role: Option<&'static str>) {
        match role {
            Some(role) => {
                self.roles.insert((user, space), role);
                self.been_in.entry(user).or_default().insert(space);
            }
            None => drop(self.roles.remove(&(user, space))),
        }
        self.world.server.set_spaces(user, self.spaces_of(user));
    }

    fn spaces_of(&self, user: &str) -> Vec<Space> {
        let of_user = self.roles.iter().filter(|((name, _), _)| *name == user);
        of_user.map(|((_, space), role)| named(space, role)).collect()
    }

    /// The app of a device looks up its person's spaces and says which they are.
    fn look(&self, at: usize) {
        self.world.devices[at].set_spaces(self.spaces_of(DEVICES[at])).expect("set");
    }

    fn step(&mut self) {
        let (user, space) = (*self.random.pick(&PEOPLE), *self.random.pick(&SPACES));
        let at = usize::try_from(self.random.below(DEVICES.len() as u64)).expect("few");
        match self.random.below(100) {
            0..=11 => self.change_membership(user, space),
            12..=44 => self.add(at, space),
            45..=74 => self.change(at),
            75..=79 => {
                let online = !self.world.devices[at].line.is_online();
                self.world.devices[at].line.set_online(online);
                self.count("network cut or back");
            }
            80..=83 => {
                self.world.devices[at].restart();
                self.count("restarted");
            }
            84..=87 => {
                self.world.server.set_members_unknown(true);
                self.count("memberships unknown");
            }
            88..=91 => self.world.server.set_members_unknown(false),
            92..=95 => self.look(at),
            _ => self.world.devices[at].line.set_faulty(self.random.below(300)),
        }
        self.world.pass(*self.random.pick(&[10, 1_500, 8_000, 40_000, 130_000]));
        self.check();
    }

    fn change_membership(&mut self, user: &'static str, space: &'static str) {
        let role = *self.random.pick(&[None, None, Some("viewer"), Some("member"), Some("member")]);
        self.count(match (self.roles.get(&(user, space)), role) {
            (None, Some(_)) => "joined",
            (Some(_), None) => "left",
            (Some(_), Some("viewer")) => "may only read",
            _ => "stayed",
        });
        self.set_role(user, space, role);
        // Apps hear of it at once, or find out later.
        for (at, owner) in DEVICES.iter().enumerate() {
            if *owner == user && self.random.chance(500) {
                self.look(at);
            }
        }
    }

    fn add(&mut self, at: usize, space: &'static str) {
        self.texts += 1;
        let kind = if self.random.chance(250) { "private" } else { "space" };
        let (id, text) = (format!("r{}", self.texts), format!("{}/{space}/{kind}/{}.", DEVICES[at], self.texts));
        let record = json!({ "id": id, "title": text, "spaceId": space, "visibility": kind });
        let outcome = self.world.devices[at].add("tasks", record).map(drop);
        self.note(at, &id, text, outcome.map_err(|error| error.kind().code()));
    }

    /// Changes or deletes something that the device shows.
    fn change(&mut self, at: usize) {
        let rows = self.world.devices[at].rows("tasks");
        if rows.is_empty() {
            return;
        }
        let row = self.random.pick(&rows).clone();
        let id = row["id"].as_str().expect("an id").to_owned();
        if self.random.chance(120) {
            let outcome = self.world.devices[at].delete("tasks", &id).map(drop).map_err(|error| error.kind().code());
            self.refused_or(outcome);
            // What a deletion takes along needs no place any more.
            self.saved.retain(|saved| saved.id != id);
            return;
        }
        self.texts += 1;
        let (space, kind) = (row["spaceId"].as_str().expect("a space"), row["visibility"].as_str().unwrap_or("space"));
        let text = format!("{}/{space}/{kind}/{}.", row["authorId"].as_str().expect("an author"), self.texts);
        let outcome = self.world.devices[at].update("tasks", &id, json!({ "title": text })).map(drop);
        self.note(at, &id, text, outcome.map_err(|error| error.kind().code()));
    }

    fn note(&mut self, at: usize, id: &str, text: String, outcome: Result<(), &'static str>) {
        if self.refused_or(outcome) {
            // The same device's next value of a field takes the place of one that was not sent yet.
            self.saved.retain(|saved| saved.device != at || saved.id != id);
            self.saved.push(Saved { text, device: at, id: id.to_owned() });
        }
    }

    fn refused_or(&mut self, outcome: Result<(), &'static str>) -> bool {
        match outcome {
            Ok(()) => self.count("saved"),
            Err(code) => {
                assert!(REFUSALS.contains(&code), "SEED={}: {code}", self.seed);
                self.count("refused");
            }
        }
        outcome.is_ok()
    }

    /// What lies on a device is its person's, or of a space that they were in at some time and no private record of another.
    fn check(&self) {
        for (device, user) in self.world.devices.iter().zip(DEVICES) {
            for text in ["tasks", "_changeLog", "_engine"].iter().flat_map(|store| device.store_rows(store)) {
                for written in text.to_string().split('"').filter(|part| part.ends_with('.')) {
                    self.check_text(user, written);
                }
            }
        }
    }

    fn check_text(&self, user: &str, written: &str) {
        let parts: Vec<&str> = written.split('/').collect();
        if let [author, space, kind, _] = parts[..] {
            let is_theirs = author == user;
            let may = self.been_in.get(user).is_some_and(|spaces| spaces.contains(space)) && kind != "private";
            assert!(is_theirs || may, "SEED={}: {user} has {written}", self.seed);
        }
    }

    /// Everything is in order again, and time passes; then everybody has what they may read, and nothing is lost.
    fn end(mut self) -> BTreeMap<&'static str, u64> {
        self.world.server.set_members_unknown(false);
        for device in &self.world.devices {
            device.line.set_online(true);
            device.line.set_faulty(0);
        }
        (0..DEVICES.len()).for_each(|at| self.look(at));
        for _ in 0..15 {
            // Apps say so when a bill is paid, or a person signed in again.
            self.world.devices.iter().for_each(|device| device.session().hurry());
            self.world.pass(40_000);
        }
        self.check();
        for user in PEOPLE {
            let fresh = self.world.add(Setup { spaces: self.spaces_of(user), ..Setup::of(user) });
            fresh.open();
        }
        self.world.pass(120_000);
        for (at, user) in DEVICES.iter().enumerate() {
            let fresh = DEVICES.len() + PEOPLE.iter().position(|name| name == user).expect("a person");
            let (device, fresh) = (&self.world.devices[at], &self.world.devices[fresh]);
            let left = device.logged();
            assert!(
                left.is_empty(),
                "SEED={}: device {at}: {:?} {left:?} {:?}",
                self.seed,
                device.session().status(),
                self.spaces_of(user)
            );
            // What the server refused is shown until a person says what is to become of it.
            let settled = |mut rows: BTreeMap<String, Value>| {
                rows.retain(|id, _| !has_letter(device, id));
                rows
            };
            let (here, there) = (settled(shown(device)), settled(shown(fresh)));
            assert_eq!(here, there, "SEED={}: device {at} shows what a fresh one does", self.seed);
            let check = device.check().expect("a check is answered");
            assert!(check.equal, "SEED={}: device {at} holds what the server does: {check:?}", self.seed);
            let spaces: BTreeSet<&str> =
                self.roles.keys().filter(|(name, _)| name == user).map(|(_, of)| *of).collect();
            assert!(shown(device).values().all(|row| spaces.contains(row["spaceId"].as_str().unwrap_or_default())));
            for row in device.store_rows("tasks").iter().filter(|row| !shown(device).contains_key(&id_of(row))) {
                let kept =
                    row["authorId"] == json!(user) || row["deletedAt"].is_string() || has_letter(device, &id_of(row));
                assert!(kept, "SEED={}: device {at} keeps {row}", self.seed);
            }
        }
        self.nothing_saved_is_lost();
        self.counts
    }

    fn nothing_saved_is_lost(&mut self) {
        let mut server = String::new();
        for user in PEOPLE {
            self.world.server.set_spaces(user, SPACES.iter().map(|space| named(space, "owner")).collect());
            for change in self.world.server.changes(user, &["tasks"]) {
                server += &change.to_json().to_string();
            }
        }
        for saved in std::mem::take(&mut self.saved) {
            let quoted = format!("\"{}\"", saved.text);
            if server.contains(&quoted) {
                self.count("sent");
                continue;
            }
            let device = &self.world.devices[saved.device];
            let has_it = set_aside(device).iter().any(|letter| letter.to_string().contains(&quoted));
            assert!(has_it, "SEED={}: {saved:?} is neither sent nor in a letter", self.seed);
            self.count("in a letter");
        }
    }
}

fn named(id: &str, role: &str) -> Space {
    let (id, kind) = (SpaceId::parse(id).expect("an id"), Some("family".to_owned()));
    Space { id, kind, role: Some(role.to_owned()) }
}

fn id_of(row: &Value) -> String {
    row["id"].as_str().expect("an id").to_owned()
}

/// What a device shows, by id, without what only devices note.
fn shown(device: &Device) -> BTreeMap<String, Value> {
    let fields = ["id", "title", "spaceId", "visibility", "authorId"];
    let plain = |row: &Value| fields.iter().map(|name| ((*name).to_owned(), row[*name].clone())).collect::<Value>();
    device.rows("tasks").iter().map(|row| (id_of(row), plain(row))).collect()
}

/// Dead letters, and what waits behind them.
fn set_aside(device: &Device) -> Vec<Value> {
    [device.engine_rows("letter"), device.engine_rows("waiting")].concat()
}

fn has_letter(device: &Device, id: &str) -> bool {
    set_aside(device).iter().any(|letter| letter.to_string().contains(&format!("\"{id}\"")))
}

#[test]
fn whoever_joins_and_leaves_everybody_has_what_they_may_read_and_nothing_is_lost() {
    let (first, count) = (figure("SEED", 0), figure("MEMBERSHIPS", 100));
    let mut counts = BTreeMap::new();
    for seed in first..first + count {
        let mut schedule = Schedule::new(seed);
        for _ in 0..STEPS {
            schedule.step();
        }
        schedule.end().into_iter().for_each(|(what, n)| *counts.entry(what).or_insert(0u64) += n);
    }
    println!("{counts:?}");
    let all = ["joined", "left", "may only read", "memberships unknown", "restarted", "refused", "sent", "in a letter"];
    assert_reached(&counts, count, &all);
}

//! People, their memberships, which change, and what they push.

use mana_sync::log::Caller;
use mana_sync::log::contract::fixtures::{edited, insert, numbers, person, with};
use serde_json::{Value, json};
use std::collections::BTreeMap;

pub const PEOPLE: u64 = 50;
pub const SPACES: u64 = 20;
const ROLES: [&str; 4] = ["viewer", "member", "member", "owner"];

/// Who is in which space, and all that is random.
pub struct World {
    random: Box<dyn Fn() -> u64 + Send>,
    roles: BTreeMap<(u64, u64), &'static str>,
}

impl World {
    /// Everybody in some five spaces.
    pub fn new(seed: u64) -> Self {
        let mut world = Self { random: Box::new(numbers(seed)), roles: BTreeMap::new() };
        (0..PEOPLE * 6).for_each(|_| world.change_membership());
        world
    }

    /// A number below `end`.
    pub fn next(&mut self, end: u64) -> u64 {
        (self.random)() % end
    }

    /// Somebody joins a space, gets another role in it, or leaves it.
    pub fn change_membership(&mut self) {
        let place = (self.next(PEOPLE), self.next(SPACES));
        let role = ROLES.get(usize::try_from(self.next(6)).unwrap());
        match role {
            Some(role) => drop(self.roles.insert(place, role)),
            None => drop(self.roles.remove(&place)),
        }
    }

    pub fn caller(&self, who: u64) -> Caller {
        let role = |space: u64| Some(format!("s{space}:club:{}", self.roles.get(&(who, space))?));
        let home = format!("home{who}:personal:owner");
        let spaces: Vec<String> = (0..SPACES).filter_map(role).chain([home]).collect();
        person(&name(who), &spaces.iter().map(String::as_str).collect::<Vec<_>>())
    }

    /// The same person as a member of every space.
    pub fn omnipresent(who: u64) -> Caller {
        let spaces: Vec<String> = (0..SPACES).map(|space| format!("s{space}:club:owner")).collect();
        person(&name(who), &spaces.iter().map(String::as_str).collect::<Vec<_>>())
    }

    pub fn may_write(&self, who: u64, space: u64) -> bool {
        self.roles.get(&(who, space)).is_some_and(|role| *role != "viewer")
    }

    /// One to four changes, to places that the person may write to and to others.
    pub fn changes(&mut self, who: u64, n: u64) -> Vec<Value> {
        let count = self.next(4) + 1;
        (0..count).map(|at| self.change(who, n * 10 + at)).collect()
    }

    fn change(&mut self, who: u64, n: u64) -> Value {
        // One in twenty says an id that was used before.
        let id = if self.next(20) == 0 { self.next(n + 1) } else { n };
        let record = format!("t{}", self.next(40));
        let place = self.place(who);
        let minute = self.next(60);
        let word = ["space", "space", "private"][usize::try_from(self.next(3)).unwrap()];
        let change = with(insert(id, &record), &[("spaceId", place), ("visibility", json!(word))]);
        let at = json!(format!("2026-01-01T11:{minute:02}:00.000000Z"));
        match self.next(8) {
            0..4 => {
                let whole = with(change, &[("data", json!({ "title": n }))]);
                let whole = edited(whole, "visibility", word, minute);
                if self.next(2) == 0 { edited(whole, "authorId", &name(who), minute) } else { whole }
            }
            4..7 => {
                let change = edited(with(change, &[("op", json!("update"))]), "title", &n.to_string(), minute);
                without_data(change)
            }
            _ => without_data(with(change, &[("op", json!("delete")), ("deletedAt", at.clone()), ("at", at)])),
        }
    }

    fn place(&mut self, who: u64) -> Value {
        match self.next(20) {
            0..4 => Value::Null,
            4 => json!(format!("_personal:{}", name(who))),
            5 => json!(format!("home{who}")),
            6 => json!(format!("_personal:{}", name(self.next(PEOPLE)))),
            7 => json!(format!("home{}", self.next(PEOPLE))),
            8..11 => json!(format!("s{}", self.next(SPACES))),
            _ => {
                let mine: Vec<u64> = (0..SPACES).filter(|space| self.roles.contains_key(&(who, *space))).collect();
                let at = usize::try_from(self.next(SPACES)).unwrap();
                mine.get(at % mine.len().max(1)).map_or(Value::Null, |space| json!(format!("s{space}")))
            }
        }
    }
}

/// An insert under an id and of a record that nobody else uses.
pub fn fresh(n: u64, space: Option<u64>) -> Value {
    let space = space.map_or(Value::Null, |space| json!(format!("s{space}")));
    with(insert(u64::MAX - n, &format!("lie{n}")), &[("spaceId", space), ("data", json!({ "n": n }))])
}

fn name(who: u64) -> String {
    format!("p{who}")
}

fn without_data(mut change: Value) -> Value {
    change.as_object_mut().map(|change| change.remove("data"));
    change
}

//! Merging gives one result whatever the order, repetition or replica: tried exhaustively on a small universe of
//! changes and at random on a large one, and a broken rule put through the same harness is found out.

#![cfg(not(target_arch = "wasm32"))]

use mana_sync_engine::engine::{Config, Merged, merge_into};
use mana_sync_engine::model::{
    AppId, Change, EventId, Op, OrderedSet, Scope, Stamp, StoreSpec, TableName, TableSync, VISIBILITY, canonical_bytes,
};
use mana_sync_engine::store::JsonRow;
use proptest::prelude::*;
use proptest::test_runner::{Config as Cases, TestRunner};
use serde_json::{Value, json};
use std::cell::Cell;
use std::collections::BTreeMap;

const TABLE: &str = "tasks";

fn config() -> Config {
    let sync = TableSync {
        app: AppId::parse("todo").unwrap(),
        sync_name: TableName::parse(TABLE).unwrap(),
        scope: Scope::Space,
        dates: OrderedSet::new(),
        sealed: OrderedSet::new(),
        aad: mana_sync_engine::model::BoundNames::default(),
        schema_version: 1,
        migrations: Vec::new(),
    };
    let store = StoreSpec::parse(TABLE, "id").unwrap();
    Config::new("merge", vec![store], BTreeMap::from([(TABLE.to_owned(), sync)])).unwrap()
}

/// The stamp of tick `n`; every fifth has no counter, as older clients write it.
fn tick(n: u64) -> Stamp {
    let suffix = if n % 5 == 4 { String::new() } else { format!("{:03}", n % 5) };
    Stamp::parse(&format!("2026-01-01T00:00:00.{:03}{suffix}Z", n / 5)).unwrap()
}

fn change(client: &str, op: Op, at: Stamp, members: &Value) -> Change {
    let mut wire = json!({ "eventId": EventId::from_parts(1, &[0; 10]), "app": "todo", "table": TABLE, "id": "t",
        "op": op, "at": at, "spaceId": "club", "userId": client, "actor": { "kind": "user", "principalId": client } });
    for (name, member) in members.as_object().into_iter().flatten() {
        wire[name] = member.clone();
    }
    Change::parse(wire).unwrap()
}

fn update(client: &str, field: &str, value: &Value, at: Stamp) -> Change {
    change(client, Op::Update, at, &json!({ "fields": { field: { "value": value, "at": at } } }))
}

fn delete(client: &str, at: Stamp) -> Change {
    change(client, Op::Delete, at, &json!({ "deletedAt": at }))
}

fn insert(client: &str, data: &Value, at: Stamp) -> Change {
    let mut data = data.clone();
    data["authorId"] = json!(client);
    data["visibility"] = json!("space");
    data["deletedAt"] = Value::Null;
    change(client, Op::Insert, at, &json!({ "data": data }))
}

/// A way to merge a change into a record.
type Rule = dyn Fn(Option<JsonRow>, &Change) -> Merged<JsonRow>;

/// A record on its way through changes, with those that wait for its insert.
#[derive(Clone, Default)]
struct Replica {
    row: Option<JsonRow>,
    parked: Vec<Change>,
}

impl Replica {
    fn take(&mut self, rule: &Rule, change: &Change) {
        match rule(self.row.clone(), change) {
            Merged::Record(row) => self.row = row,
            Merged::Parked => self.parked.push(change.clone()),
            Merged::OtherSpace => panic!("all changes name one space"),
        }
        if self.row.is_some() {
            for parked in std::mem::take(&mut self.parked) {
                self.take(rule, &parked);
            }
        }
    }

    /// Values and stamps. Who wrote one of two equal values at one time is not part of what merges, nor is the stamp of
    /// `visibility`, which is its author's alone.
    fn result(&self) -> BTreeMap<String, (String, String)> {
        let row = self.row.as_ref().map(|row| Value::Object(row.to_map())).unwrap_or_default();
        let marks = row["__fieldMeta"].as_object().cloned().unwrap_or_default();
        let field = |(name, mark): (String, Value)| {
            let value = String::from_utf8(canonical_bytes(&row[&name])).unwrap();
            let at = if name == VISIBILITY { String::new() } else { mark["at"].to_string() };
            (name, (value, at))
        };
        marks.into_iter().map(field).collect()
    }
}

/// The 30 changes: 2 fields × 3 times × 2 clients × 2 values, and deletes of 2 clients at 3 times.
fn universe() -> Vec<Change> {
    let mut changes = Vec::new();
    for client in ["ann", "bob"] {
        for at in (1..4).map(tick) {
            for field in ["title", "done"] {
                changes.extend([json!("a"), json!("b")].iter().map(|value| update(client, field, value, at)));
            }
            changes.push(delete(client, at));
        }
    }
    changes
}

/// Replicas that merging the universe's changes reaches. Merging is pure, so a step taken from one state with one
/// change is taken through the real rule once and looked up afterwards.
struct States<'a> {
    rule: &'a Rule,
    changes: Vec<Change>,
    replicas: Vec<Replica>,
    /// Equal results have equal numbers.
    results: Vec<usize>,
    known_results: BTreeMap<BTreeMap<String, (String, String)>, usize>,
    numbers: BTreeMap<String, usize>,
    steps: BTreeMap<(usize, usize), usize>,
}

impl States<'_> {
    fn number(&mut self, replica: Replica) -> usize {
        let name = format!("{:?}", replica.row);
        let next = self.replicas.len();
        let number = *self.numbers.entry(name).or_insert(next);
        if number == next {
            let next = self.known_results.len();
            self.results.push(*self.known_results.entry(replica.result()).or_insert(next));
            self.replicas.push(replica);
        }
        number
    }

    fn step(&mut self, from: usize, change: usize) -> usize {
        if let Some(to) = self.steps.get(&(from, change)) {
            return *to;
        }
        let mut replica = self.replicas[from].clone();
        replica.take(self.rule, &self.changes[change]);
        let to = self.number(replica);
        self.steps.insert((from, change), to);
        to
    }

    /// The ends of all orders of these changes.
    fn walk(&mut self, from: usize, left: &[usize], ends: &mut Vec<usize>) {
        if left.is_empty() {
            ends.push(from);
        }
        for (at, change) in left.iter().enumerate() {
            let to = self.step(from, *change);
            let others = [&left[..at], &left[at + 1..]].concat();
            self.walk(to, &others, ends);
        }
    }
}

/// Sets of four, runs, and sets with more than one result.
fn try_all(rule: &Rule) -> (usize, usize, usize) {
    let changes = universe();
    let mut states = States {
        rule,
        changes,
        replicas: Vec::new(),
        results: Vec::new(),
        known_results: BTreeMap::new(),
        numbers: BTreeMap::new(),
        steps: BTreeMap::new(),
    };
    assert_eq!(states.changes.len(), 30);
    let mut base = Replica::default();
    base.take(rule, &insert("ann", &json!({ "title": "", "done": "" }), tick(0)));
    let base = states.number(base);
    let (mut sets, mut runs, mut diverged) = (0, 0, 0);
    for a in 0..30 {
        for b in a + 1..30 {
            for c in b + 1..30 {
                for d in c + 1..30 {
                    let mut ends = Vec::with_capacity(24);
                    states.walk(base, &[a, b, c, d], &mut ends);
                    let same = ends.iter().all(|end| states.results[*end] == states.results[ends[0]]);
                    (sets, runs, diverged) = (sets + 1, runs + ends.len(), diverged + usize::from(!same));
                }
            }
        }
    }
    (sets, runs, diverged)
}

#[test]
fn every_order_of_every_four_changes_gives_one_result() {
    let config = config();
    let rule = move |row: Option<JsonRow>, change: &Change| merge_into(row, TABLE, change, &config);
    assert_eq!(try_all(&rule), (27_405, 657_720, 0));
}

/// Drops edits under the stamp the record has already: whoever comes first stays.
fn first_come_first_served(config: &Config, row: Option<JsonRow>, change: &Change) -> Merged<JsonRow> {
    let mut change = change.clone();
    if let Some(row) = &row {
        let marks = row.to_map().get("__fieldMeta").cloned().unwrap_or_default();
        change.fields.retain(|name, edit| marks[name.as_str()]["at"] != json!(edit.at));
    }
    merge_into(row, TABLE, &change, config)
}

#[test]
fn the_harness_finds_a_broken_tie_rule() {
    let config = config();
    let (sets, _, diverged) = try_all(&move |row, change: &Change| first_come_first_served(&config, row, change));
    assert!(diverged > sets / 10, "{diverged} of {sets} sets have more than one result");
}

fn values() -> impl Strategy<Value = Value> {
    prop::sample::select(vec![
        json!("a"),
        json!("b"),
        json!(null),
        json!(1),
        json!({ "b": [1.0], "a": 2 }),
        json!({ "a": 2, "b": [1] }),
        json!("enc:1:aaaa.bbbb"),
        json!("enc:1:aaaa.cccc"),
        json!("enc:2:0001deadbeef.aaaa.bbbb"),
        json!("enc:2:000adeadbeef.aaaa.bbbb"),
        json!("enc:2:zz"),
        json!(true),
    ])
}

/// A change by one of three clients within ten ticks, so that ties are common.
fn changes() -> impl Strategy<Value = Change> {
    let clients = prop::sample::select(vec!["ann", "bob", "cyd"]);
    let fields = prop::sample::select(vec!["title", "done", "note"]);
    (clients, fields, values(), values(), 0u64..10, 0u8..10).prop_map(|(client, field, value, other, at, kind)| {
        match kind {
            0..=1 => insert(client, &json!({ field: value, "extra": other }), tick(at)),
            2 => delete(client, tick(at)),
            3 => change(
                client,
                Op::Update,
                tick(at),
                &json!({ "fields": {
                field: { "value": value, "at": tick(at) }, "extra": { "value": other, "at": tick(at / 2) } } }),
            ),
            4 => update(client, "deletedAt", &Value::Null, tick(at)),
            _ => update(client, field, &value, tick(at)),
        }
    })
}

fn merged(rule: &Rule, changes: &[Change]) -> BTreeMap<String, (String, String)> {
    let mut replica = Replica::default();
    for change in changes {
        replica.take(rule, change);
    }
    replica.result()
}

/// Edits of one field under one stamp with different values.
fn has_tie(changes: &[Change]) -> bool {
    let mut seen: BTreeMap<(String, Stamp), &Value> = BTreeMap::new();
    changes.iter().flat_map(|change| &change.fields).any(|(name, edit)| {
        seen.insert((name.to_string(), edit.at), &edit.value).is_some_and(|other| *other != edit.value)
    })
}

/// Runs random changes in two orders, the second with repetitions; gives the share of cases with ties, in percent.
fn try_random(rule: &Rule, cases: u32) -> Result<u32, String> {
    let ties = Cell::new(0);
    let run = Cell::new(0);
    let mut runner = TestRunner::new(Cases { cases, failure_persistence: None, ..Cases::default() });
    let first = prop::collection::vec(changes(), 1..9);
    let strategy = first.prop_flat_map(|first| {
        let repeated = prop::collection::vec(prop::sample::select(first.clone()), 0..5);
        let second = repeated.prop_flat_map({
            let first = first.clone();
            move |repeated| Just([first.clone(), repeated].concat()).prop_shuffle()
        });
        (Just(first), second)
    });
    let outcome = runner.run(&strategy, |(first, second)| {
        run.set(run.get() + 1);
        ties.set(ties.get() + u32::from(has_tie(&first)));
        prop_assert_eq!(merged(rule, &first), merged(rule, &second));
        Ok(())
    });
    outcome.map(|()| ties.get() * 100 / run.get()).map_err(|failure| failure.to_string())
}

#[test]
fn random_changes_in_any_order_with_any_repetition_give_one_result() {
    let config = config();
    let share = try_random(&move |row, change: &Change| merge_into(row, TABLE, change, &config), 4000);
    let share = share.unwrap_or_else(|failure| panic!("{failure}"));
    assert!(share >= 20, "ties in {share} % of the cases");
}

#[test]
fn the_random_harness_finds_a_broken_tie_rule() {
    let config = config();
    let found = try_random(&move |row, change: &Change| first_come_first_served(&config, row, change), 4000);
    assert!(found.is_err(), "a rule by which the first to come stays passed");
}

#[test]
fn the_first_inserter_is_the_author_and_decides_who_sees_the_record_in_either_order() {
    let config = config();
    let hidden = |client: &str, at: u64, word: &str| {
        let mut change = insert(client, &json!({ "title": client }), tick(at)).to_json();
        change["visibility"] = json!(word);
        change["data"]["visibility"] = json!(word);
        Change::parse(change).unwrap()
    };
    let rule = move |row: Option<JsonRow>, change: &Change| merge_into(row, TABLE, change, &config);
    let (late, early) = (hidden("ann", 9, "private"), hidden("bob", 2, "space"));
    let one = merged(&rule, &[late.clone(), early.clone()]);
    assert_eq!(one, merged(&rule, &[early, late]));
    assert_eq!((one["authorId"].0.as_str(), one["visibility"].0.as_str()), ("\"bob\"", "\"space\""));
    assert_eq!(one["title"].0, "\"ann\"", "other fields go by their stamps");
}

//! Whatever is committed, a kept result is what reading the query again would give, or says that it is not.

use super::*;
use crate::engine::Config;
use crate::engine::config::User;
use crate::engine::query::{Branch, Condition, plan::plan, run};
use crate::model::{AppId, Scope, Space, SpaceId, StoreSpec, TableName, TableSync, UserId};
use crate::store::{JsonRow, MemoryStore, Mode, Store, Transaction};
use futures_util::FutureExt;
use proptest::prelude::*;
use serde_json::{Value, json};

const SCHEMA: &str = "id, rank, kind, *tags, [kind+rank], [kind+rank+late], [spaceId+rank], n.x";
const RECORDS: usize = 6;

fn config(active: &str) -> Config {
    let sync = TableSync {
        app: AppId::parse("app").expect("an app"),
        sync_name: TableName::parse("t").expect("a table"),
        scope: Scope::Space,
        dates: crate::model::OrderedSet::new(),
        sealed: crate::model::OrderedSet::new(),
        aad: crate::model::BoundNames::default(),
        schema_version: 1,
        migrations: Vec::new(),
    };
    let spec = StoreSpec::parse("t", SCHEMA).expect("a schema");
    let local = StoreSpec::parse("own", "id").expect("a schema");
    let mut config = Config::new("db", vec![spec, local], [("t".to_owned(), sync)]).expect("a config");
    let space = |id: &str, kind: &str| Space {
        id: SpaceId::parse(id).expect("an id"),
        kind: Some(kind.to_owned()),
        role: None,
    };
    config.user = Some(User { id: UserId::parse("u").expect("an id"), display_name: None });
    config.spaces = vec![space("mine", "personal"), space("s", "family")];
    config.active_space = Some(SpaceId::parse(active).expect("an id"));
    config
}

/// A device's table: what is stored, and what its queries see.
struct World {
    config: Config,
    store: MemoryStore,
    commits: usize,
}

impl World {
    fn new(active: &str) -> Self {
        let store = MemoryStore::new([StoreSpec::parse("t", SCHEMA).expect("a schema")]);
        Self { config: config(active), store, commits: 0 }
    }

    fn sight(&self, query: &Query) -> Sight {
        let table = self.config.table("t").expect("there");
        Sight::new(&self.config, &table, query.include_deleted, query.across_spaces)
    }

    fn read(&self, query: &Query) -> Vec<JsonRow> {
        let (table, sight) = (self.config.table("t").expect("there"), self.sight(query));
        let tx = self.store.begin(Mode::Read, &["t"]).expect("begins");
        let plan = plan(&table, &sight, query).expect("a plan");
        let found = run::find(&tx, &table, &sight, &plan, Want::ROWS).now_or_never().expect("at once");
        found.expect("is read").into_iter().filter_map(|found| found.row).collect()
    }

    fn kept(&self, query: &Query) -> Option<Kept<JsonRow>> {
        let table = self.config.table("t").expect("there");
        Kept::of(&table, &self.sight(query), query, Want::ROWS, self.read(query))
    }

    fn commit(&mut self, steps: &[(usize, Option<Value>)]) -> Vec<Touched<JsonRow>> {
        let tx = self.store.begin(Mode::Write, &["t"]).expect("begins");
        let mut touched = Vec::new();
        for (id, fields) in steps {
            self.commits += 1;
            let key = Key::text(&format!("r{id}"));
            let old = tx.get("t", &key).now_or_never().expect("at once").expect("is read");
            let new = fields.clone().map(|mut fields| {
                fields["id"] = json!(format!("r{id}"));
                fields["_updatedAtIndex"] = json!(self.commits.to_string());
                JsonRow::from_json(&fields).expect("an object")
            });
            match &new {
                Some(row) => tx.put("t", row, None).expect("is put"),
                None => tx.delete("t", &key).expect("is deleted"),
            }
            if old.is_some() || new.is_some() {
                touched.push(Touched { table: "t".to_owned(), key, old, new, fields: Vec::new() });
            }
        }
        tx.commit().now_or_never().expect("at once").expect("commits");
        touched
    }
}

fn values(rows: &[JsonRow]) -> Vec<Value> {
    rows.iter().map(|row| Row::to_json(row).expect("JSON")).collect()
}

fn number(n: i64) -> Key {
    #[expect(clippy::cast_precision_loss, reason = "small")]
    Key::Number(n as f64)
}

/// A record with any of the fields that queries look at, and any that decide who sees it.
fn fields() -> impl Strategy<Value = Value> {
    let space =
        prop::sample::select(vec![json!("s"), json!("mine"), json!("_personal:u"), json!("other"), Value::Null]);
    let tags = prop::collection::vec(prop::sample::select(vec!["x", "y"]), 0..3);
    let flags = (prop::bool::weighted(0.2), prop::bool::weighted(0.1), prop::option::of(any::<bool>()));
    let keys = (prop::option::of(0i64..4), prop::option::of(0i64..3), prop::option::of(0i64..2));
    (space, tags, flags, keys, "[abA]{1,2}").prop_map(|(space, tags, (deleted, purged, private), keys, text)| {
        let mut record = json!({ "tags": tags, "n": { "x": text } });
        let mut set = |name: &str, value: Option<Value>| {
            if let Some(value) = value.filter(|value| !value.is_null()) {
                record[name] = value;
            }
        };
        set("spaceId", Some(space));
        set("rank", keys.0.map(|rank| json!(rank)));
        set("kind", keys.1.map(|kind| json!(kind)));
        set("late", keys.2.map(|late| json!(late)));
        set("deletedAt", deleted.then(|| json!("then")));
        set("__purged", purged.then(|| json!(1)));
        set("visibility", private.map(|private| json!(if private { "private" } else { "space" })));
        set("authorId", private.map(|private| json!(if private { "v" } else { "u" })));
        record
    })
}

fn conditions() -> impl Strategy<Value = Condition> {
    let names = ["equals", "above", "belowOrEqual", "between", "anyOf", "noneOf", "inAnyRange"];
    (prop::sample::select(names.to_vec()), 0i64..4, 0i64..4, any::<(bool, bool)>()).prop_map(
        |(name, a, b, includes)| {
            let keys = match name {
                "between" | "anyOf" | "noneOf" | "inAnyRange" => vec![number(a.min(b)), number(a.max(b))],
                _ => vec![number(a)],
            };
            Condition::named(name, keys, includes).expect("a condition")
        },
    )
}

fn texts() -> impl Strategy<Value = Condition> {
    let names = ["equals", "startsWith", "startsWithIgnoreCase"];
    (prop::sample::select(names.to_vec()), "[abA]")
        .prop_map(|(name, text)| Condition::named(name, vec![Key::text(&text)], (true, true)).expect("a condition"))
}

fn branches() -> impl Strategy<Value = Branch> {
    let pair =
        (0i64..3, 0i64..4).prop_map(|(kind, rank)| Condition::equals(Key::List(vec![number(kind), number(rank)])));
    let tag = prop::sample::select(vec!["x", "y"]).prop_map(|tag| Condition::equals(Key::text(tag)));
    prop_oneof![
        Just(Branch::default()),
        (prop::sample::select(vec!["rank", "kind"]), conditions()).prop_map(|(index, on)| Branch::on(index, on)),
        (prop::sample::select(vec!["rank", "kind", "[kind+rank]", "[kind+rank+late]"]))
            .prop_map(|index| Branch::on(index, Condition::All)),
        pair.prop_map(|on| Branch::on("[kind+rank]", on)),
        texts().prop_map(|on| Branch::on("n.x", on)),
        tag.prop_map(|on| Branch::on("tags", on)),
        (0i64..3, 0i64..4).prop_map(|(kind, rank)| Branch::equal([
            ("kind".to_owned(), number(kind)),
            ("rank".to_owned(), number(rank)),
        ])),
        (0i64..3)
            .prop_map(|late| Branch::equal([("kind".to_owned(), number(late)), ("late".to_owned(), number(late))])),
    ]
}

fn queries() -> impl Strategy<Value = Query> {
    let order = prop::option::weighted(0.4, prop::sample::select(vec!["rank", "late", "id", "[kind+rank]", "n.x"]));
    let window = prop_oneof![8 => Just((0, None)), 1 => (0usize..3, prop::option::of(0usize..4))];
    let branches = prop_oneof![8 => prop::collection::vec(branches(), 1), 1 => prop::collection::vec(branches(), 0..3)];
    let flags = any::<(bool, bool, bool, bool)>();
    (branches, order, window, flags).prop_map(|(branches, order, (offset, limit), flags)| Query {
        table: "t".to_owned(),
        branches,
        order: order.map(str::to_owned),
        reverse: flags.0,
        distinct: flags.1,
        offset,
        limit,
        include_deleted: flags.2,
        across_spaces: flags.3,
    })
}

type Commits = Vec<Vec<(usize, Option<Value>)>>;

fn commits() -> impl Strategy<Value = Commits> {
    let step = (0..RECORDS, prop::option::weighted(0.9, fields()));
    prop::collection::vec(prop::collection::vec(step, 1..4), 1..12)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    /// Every kind of query that is kept; the others are read anyway.
    #[test]
    fn what_followed_is_what_would_be_read(
        query in queries(),
        space in prop::sample::select(vec!["s", "mine"]),
        before in commits(),
        after in commits(),
    ) {
        let mut world = World::new(space);
        for commit in &before {
            world.commit(commit);
        }
        if let Some(mut kept) = world.kept(&query) {
            let mut shown = values(&world.read(&query));
            for commit in &after {
                let touched = world.commit(commit);
                let sight = world.sight(&query);
                let changed = kept.follow("t", &sight, &touched).map_err(|Stale| TestCaseError::fail("stale"))?;
                let now = values(&world.read(&query));
                prop_assert!(changed || shown == now);
                if changed {
                    prop_assert_eq!(values(&kept.rows()), now.clone());
                }
                shown = now;
            }
        }
    }
}

fn all() -> Query {
    Query { table: "t".to_owned(), across_spaces: true, ..Query::default() }
}

#[test]
fn a_commit_whose_forerunner_was_not_told_is_noticed() {
    let mut world = World::new("s");
    let sight = world.sight(&all());
    let none = world.kept(&all());
    let first = world.commit(&[(1, Some(json!({ "spaceId": "s" })))]);
    let kept = || world.kept(&all()).expect("can be kept");
    let (old, mut one, mut other) = (first[0].new.clone(), kept(), kept());
    let touched = |old: Option<JsonRow>, new: Option<JsonRow>| {
        [Touched { table: "t".to_owned(), key: Key::text("r1"), old, new, fields: Vec::new() }]
    };
    let later = old.clone().map(|mut row| {
        row.set_text(UPDATED_AT_INDEX, "later");
        row
    });
    assert!(one.follow("t", &sight, &touched(later.clone(), old.clone())).is_err(), "another version was replaced");
    assert!(other.follow("t", &sight, &touched(None, later)).is_err(), "nothing was replaced");
    assert!(kept().follow("t", &sight, &touched(None, None)).is_err(), "nobody knows what was");
    assert!(none.expect("can be kept").follow("t", &sight, &touched(old, None)).is_err(), "its insert was not told");
}

#[test]
fn results_whose_rows_depend_on_one_another_are_not_kept() {
    let world = World::new("s");
    let kept = |query: Query| world.kept(&query).is_some();
    let on = |branch: Branch| Query { branches: vec![branch], ..all() };
    let tagged = || Branch::on("tags", Condition::equals(Key::text("x")));
    assert!(kept(all()) && kept(on(Branch::on("rank", Condition::All))) && kept(Query { reverse: true, ..all() }));
    assert!(!kept(Query { limit: Some(3), ..all() }));
    assert!(!kept(Query { offset: 1, ..all() }));
    assert!(!kept(on(tagged())));
    assert!(!kept(Query { branches: vec![tagged(), Branch::default()], ..all() }));
    let table = world.config.table("t").expect("there");
    let apart = Want { apart: true, ..Want::ROWS };
    assert!(Kept::<JsonRow>::of(&table, &world.sight(&all()), &all(), apart, Vec::new()).is_none());
    let local = world.config.table("own").expect("there");
    let own = Query { table: "own".to_owned(), ..Query::default() };
    let sight = Sight::new(&world.config, &local, false, false);
    assert!(Kept::<JsonRow>::of(&local, &sight, &own, Want::ROWS, Vec::new()).is_none());
}

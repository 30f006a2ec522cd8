//! Sentences about queries: what they find, and by which index.

mod model;

use super::explain::{Explanation, explain};
use super::plan::plan;
use super::run::{self, Want};
use super::{Branch, Condition, Query};
use crate::engine::config::{Config, Table, User};
use crate::engine::read::Sight;
use crate::engine::{Kind, Touched};
use crate::model::{AppId, KeyPath, OrderedSet, Scope, Space, SpaceId, StoreSpec, TableName, TableSync, UserId};
use crate::store::{JsonRow, Key, MemoryStore, Mode, Row, Store, Transaction, key_at};
use futures_util::FutureExt;
use serde_json::{Value, json};
use std::rc::Rc;

const SCHEMA: &str = "id, a, c, *tags, [a+b], [b+c+d], [spaceId+c], spaceId, n.x";

struct World {
    config: Config,
    store: MemoryStore,
}

impl World {
    fn local(rows: &[Value]) -> Self {
        Self::new(rows, [])
    }

    /// A synced table, seen by the user u in the active space.
    fn synced(active: &str, rows: &[Value]) -> Self {
        let sync = TableSync {
            app: AppId::parse("app").unwrap(),
            sync_name: TableName::parse("t").unwrap(),
            scope: Scope::Space,
            dates: OrderedSet::new(),
            sealed: OrderedSet::new(),
            aad: crate::model::BoundNames::default(),
            schema_version: 1,
            migrations: Vec::new(),
        };
        let mut world = Self::new(rows, [("t".to_owned(), sync)]);
        world.config.user = Some(User { id: UserId::parse("u").unwrap(), display_name: None });
        let space =
            |id: &str, kind: &str| Space { id: SpaceId::parse(id).unwrap(), kind: Some(kind.to_owned()), role: None };
        world.config.spaces = vec![space("mine", "personal"), space("s", "family")];
        world.config.active_space = Some(SpaceId::parse(active).unwrap());
        world
    }

    fn new(rows: &[Value], sync: impl IntoIterator<Item = (String, TableSync)>) -> Self {
        let spec = StoreSpec::parse("t", SCHEMA).unwrap();
        let store = MemoryStore::new([spec.clone()]);
        let tx = store.begin(Mode::Write, &["t"]).unwrap();
        for row in rows {
            tx.put("t", &JsonRow::from_json(row).unwrap(), None).unwrap();
        }
        tx.commit().now_or_never().unwrap().unwrap();
        Self { config: Config::new("db", vec![spec], sync).unwrap(), store }
    }

    fn table(&self) -> Rc<Table> {
        self.config.table("t").unwrap()
    }

    fn sight(&self, query: &Query) -> Sight {
        Sight::new(&self.config, &self.table(), query.include_deleted, query.across_spaces)
    }

    fn find(&self, query: &Query, want: Want) -> Vec<run::Found<JsonRow>> {
        let (table, sight) = (self.table(), self.sight(query));
        let tx = self.store.begin(Mode::Read, &["t"]).unwrap();
        let plan = plan(&table, &sight, query).unwrap();
        run::find(&tx, &table, &sight, &plan, want).now_or_never().unwrap().unwrap()
    }

    /// The ids found, one letter each; counting and asking for keys alone have to agree.
    fn ids(&self, query: &Query) -> String {
        let rows: String = self.find(query, Want::ROWS).iter().filter_map(|one| one.row.as_ref()?.text("id")).collect();
        let keys = self.find(query, Want::PRIMARY).into_iter().filter_map(|one| match one.primary {
            Some(Key::Text(id)) => Some(id),
            _ => None,
        });
        assert_eq!(keys.collect::<String>(), rows, "keys alone");
        let (table, sight) = (self.table(), self.sight(query));
        let tx = self.store.begin(Mode::Read, &["t"]).unwrap();
        let count = run::count(&tx, &table, &sight, &plan(&table, &sight, query).unwrap()).now_or_never().unwrap();
        assert_eq!(count.unwrap(), rows.len(), "counted");
        rows
    }

    fn explain(&self, query: &Query) -> Explanation {
        let sight = self.sight(query);
        explain(&sight, &plan(&self.table(), &sight, query).unwrap())
    }

    fn index(&self, query: &Query) -> String {
        self.explain(query).parts[0].index.clone().unwrap_or_default()
    }

    fn refusal(&self, query: &Query) -> Kind {
        plan(&self.table(), &self.sight(query), query).err().expect("is refused").kind()
    }
}

fn rows() -> Vec<Value> {
    vec![
        json!({ "id": "p", "a": 1, "b": 2, "c": 3, "d": 1, "tags": ["x", "y"], "n": { "x": "Ab" } }),
        json!({ "id": "q", "a": 1, "b": 1, "c": 1, "tags": ["y"], "n": { "x": "ac" } }),
        json!({ "id": "r", "a": 2, "b": 1, "c": 2, "d": 5, "n": { "x": "AB" } }),
        json!({ "id": "s", "a": 1, "c": 2, "tags": "x" }),
        json!({ "id": "t", "b": 3, "c": "text" }),
    ]
}

fn number(n: f64) -> Key {
    Key::Number(n)
}

fn on(index: &str, name: &str, keys: Vec<Key>) -> Branch {
    Branch::on(index, Condition::named(name, keys, (true, false)).unwrap())
}

fn of(branch: Branch) -> Query {
    Query::of("t", branch)
}

fn ordered(query: Query, order: &str) -> Query {
    Query { order: Some(order.to_owned()), ..query }
}

fn by(fields: &[(&str, f64)]) -> Query {
    of(Branch::equal(fields.iter().map(|(path, n)| ((*path).to_owned(), number(*n)))))
}

#[test]
fn an_index_lists_its_rows_in_its_order() {
    let world = World::local(&rows());
    assert_eq!(world.ids(&Query { table: "t".into(), ..Query::default() }), "pqrst");
    assert_eq!(world.ids(&of(Branch::on("c", Condition::All))), "qrspt", "numbers before texts");
    assert_eq!(world.ids(&of(on("a", "above", vec![number(1.0)]))), "r");
    assert_eq!(world.ids(&of(on(":id", "anyOf", vec![Key::text("t"), Key::text("q"), Key::text("q")]))), "qt");
    let down = Query { reverse: true, offset: 1, limit: Some(2), ..of(on("a", "noneOf", vec![number(9.0)])) };
    assert_eq!(world.ids(&down), "sq");
    assert_eq!(world.ids(&of(on("c", "noneOf", vec![number(2.0)]))), "qpt");
}

#[test]
fn first_fields_of_a_compound_index_are_an_index() {
    let world = World::local(&rows());
    assert_eq!(world.ids(&of(on("b", "belowOrEqual", vec![number(2.0)]))), "rp", "rows without d are not in it");
    let pair = Key::List(vec![number(1.0), number(2.0)]);
    assert_eq!(world.ids(&of(on("[b+c]", "equals", vec![pair.clone()]))), "r");
    let keys = world.find(&of(Branch::on("[b+c]", Condition::All)), Want { keys: true, ..Want::PRIMARY });
    assert_eq!(keys[0].key, Some(pair));
    assert_eq!(world.index(&of(on("b", "equals", vec![number(1.0)]))), "[b+c+d]");
}

#[test]
fn several_entries_of_a_row_come_several_times_unless_told_apart() {
    let world = World::local(&rows());
    let any = of(on("tags", "anyOf", vec![Key::text("x"), Key::text("y")]));
    assert_eq!(world.ids(&any), "pspq");
    assert_eq!(world.ids(&Query { distinct: true, ..any.clone() }), "psq");
    assert_eq!(world.ids(&Query { distinct: true, reverse: true, limit: Some(2), ..any.clone() }), "qp");
    let found = world.find(&any, Want { keys: true, ..Want::ROWS });
    let keys: Vec<_> = found.iter().filter_map(|one| one.key.clone()).collect();
    assert_eq!(keys, ["x", "x", "y", "y"].map(Key::text));
}

#[test]
fn texts_are_found_in_any_case() {
    let world = World::local(&rows());
    let texts = |name: &str, text: &str| world.ids(&of(on("n.x", name, vec![Key::text(text)])));
    assert_eq!(texts("equalsIgnoreCase", "aB"), "rp");
    assert_eq!(texts("startsWithIgnoreCase", "A"), "rpq");
    assert_eq!(texts("startsWith", "a"), "q");
}

#[test]
fn criteria_take_the_index_that_answers_most_of_them() {
    let world = World::local(&rows());
    assert_eq!(world.index(&by(&[("b", 2.0), ("a", 1.0)])), "[a+b]");
    assert_eq!(world.ids(&by(&[("b", 2.0), ("a", 1.0)])), "p");
    assert_eq!(world.index(&by(&[("d", 1.0), ("a", 1.0)])), "a");
    assert_eq!(world.ids(&by(&[("d", 1.0), ("a", 1.0)])), "p");
    assert_eq!(world.index(&by(&[("b", 1.0)])), "[b+c+d]", "the last resort");
    assert_eq!(world.refusal(&by(&[("d", 1.0)])), Kind::UnknownIndex);
    let tags = of(Branch::equal([("tags".to_owned(), Key::text("x")), ("d".to_owned(), number(1.0))]));
    assert_eq!((world.index(&tags), world.ids(&tags)), ("tags".to_owned(), "p".to_owned()));
}

#[test]
fn an_index_that_begins_with_what_is_known_gives_the_order() {
    let world = World::local(&rows());
    let query = ordered(of(on("a", "equals", vec![number(1.0)])), "b");
    assert_eq!((world.index(&query), world.explain(&query).sort), ("[a+b]".to_owned(), None));
    assert_eq!(world.ids(&query), "qp", "s has no b");
    assert_eq!(world.ids(&Query { limit: Some(1), reverse: true, ..query }), "p");
    let sorted = ordered(of(on("a", "equals", vec![number(1.0)])), "c");
    assert_eq!((world.index(&sorted), world.explain(&sorted).sort), ("a".to_owned(), Some("c".to_owned())));
    assert_eq!(world.ids(&Query { limit: Some(2), ..sorted.clone() }), "qs");
    assert_eq!(world.ids(&Query { limit: Some(2), reverse: true, ..sorted }), "ps");
    let whole = ordered(Query { table: "t".into(), ..Query::default() }, "c");
    assert_eq!((world.index(&whole), world.explain(&whole).sort), ("c".to_owned(), None));
    assert_eq!(world.ids(&ordered(by(&[("a", 1.0)]), "id")), "pqs");
    assert_eq!(world.explain(&ordered(by(&[("a", 1.0)]), "id")).sort, None);
}

#[test]
fn rows_of_several_branches_come_once_and_in_the_order_of_the_branches() {
    let world = World::local(&rows());
    let either = Query {
        table: "t".into(),
        branches: vec![on("a", "equals", vec![number(2.0)]), on("c", "belowOrEqual", vec![number(2.0)])],
        ..Query::default()
    };
    assert_eq!(world.ids(&either), "rqs");
    assert_eq!(world.ids(&Query { reverse: true, limit: Some(2), ..either.clone() }), "sq");
    assert_eq!(world.ids(&ordered(either.clone(), "c")), "qrs");
    let branches = |apart| -> Vec<_> {
        let found = world.find(&either, Want { branches: true, apart, ..Want::PRIMARY });
        found.iter().map(|one| one.branch).collect()
    };
    assert_eq!(branches(false), [0, 1, 1]);
    assert_eq!(branches(true), [0, 1, 1, 1], "each what it finds");
    assert!(world.explain(&either).distinct);
}

#[test]
fn a_space_is_a_known_field_where_all_rows_are_stored_under_it() {
    let rows = [
        json!({ "id": "p", "spaceId": "s", "c": 2 }),
        json!({ "id": "q", "spaceId": "mine", "c": 1 }),
        json!({ "id": "r", "spaceId": "s", "c": 1, "deletedAt": "2026-01-01T00:00:00.000Z" }),
        json!({ "id": "s", "c": 3, "authorId": "u" }),
        json!({ "id": "t", "spaceId": "s", "c": 1, "visibility": "private", "authorId": "v" }),
    ];
    let shared = World::synced("s", &rows);
    let above = of(on("c", "above", vec![number(0.0)]));
    assert_eq!((shared.index(&above), shared.ids(&above)), ("[spaceId+c]".to_owned(), "p".to_owned()));
    let all = Query { table: "t".into(), ..Query::default() };
    assert_eq!((shared.index(&all), shared.ids(&all)), ("spaceId".to_owned(), "p".to_owned()));
    assert_eq!(shared.ids(&Query { include_deleted: true, ..all.clone() }), "pr");
    assert_eq!(shared.index(&ordered(all.clone(), "c")), "[spaceId+c]");
    let every = Query { across_spaces: true, ..above.clone() };
    assert_eq!((shared.index(&every), shared.ids(&every)), ("c".to_owned(), "qps".to_owned()));
    let own = World::synced("mine", &rows);
    assert_eq!((own.index(&above), own.ids(&above)), ("c".to_owned(), "qs".to_owned()), "rows may have no space");
}

#[test]
fn what_cannot_be_answered_is_refused() {
    let world = World::local(&rows());
    assert_eq!(world.refusal(&of(Branch::on("d", Condition::All))), Kind::UnknownIndex);
    assert_eq!(world.refusal(&of(Branch::on("", Condition::All))), Kind::UnknownIndex);
    assert_eq!(world.refusal(&ordered(of(Branch::default()), "no field")), Kind::InvalidArgument);
    assert_eq!(world.refusal(&ordered(of(Branch::default()), "tags")), Kind::InvalidArgument);
}

#[test]
fn an_explanation_names_index_ranges_and_what_is_left_to_do() {
    let world = World::local(&rows());
    let found = world.explain(&ordered(by(&[("a", 1.0), ("d", 5.0)]), "c"));
    assert_eq!(found.parts[0].ranges, ["[1, 1]"]);
    assert_eq!(found.parts[0].filters, ["d = 5"]);
    assert_eq!(found.sort.as_deref(), Some("c"));
    assert!(found.text.contains("Reads a, [1, 1]: it begins with known fields."), "{}", found.text);
    let ranges = world.explain(&of(on("n.x", "startsWith", vec![Key::text("a")]))).parts[0].ranges.clone();
    assert_eq!(ranges, ["[\"a\", \"a\u{ffff}\"]"]);
}

#[test]
fn a_commit_concerns_the_queries_that_list_its_record_before_or_after() {
    let spec = StoreSpec::parse("t", SCHEMA).unwrap();
    let touched = |old: Value, new: Value| Touched {
        table: "t".to_owned(),
        key: Key::text("p"),
        old: JsonRow::from_json(&old),
        new: JsonRow::from_json(&new),
        fields: Vec::new(),
    };
    let either = Query {
        table: "t".into(),
        branches: vec![
            on("a", "anyOf", vec![number(1.0), number(3.0)]),
            on("tags", "startsWith", vec![Key::text("x")]),
        ],
        ..Query::default()
    };
    for (old, new, concerned) in [
        (json!({ "a": 1 }), json!({ "a": 2 }), true),
        (Value::Null, json!({ "a": 3 }), true),
        (json!({ "a": 2 }), json!({ "a": 4 }), false),
        (json!({ "a": 2 }), json!({ "a": 2, "tags": ["q", "xy"] }), true),
        (json!({ "tags": ["q"] }), Value::Null, false),
    ] {
        assert_eq!(either.concerns(&spec, &touched(old.clone(), new.clone())), concerned, "{old} {new}");
    }
    assert!(!by(&[("a", 1.0), ("d", 2.0)]).concerns(&spec, &touched(Value::Null, json!({ "a": 1 }))));
    assert!(by(&[("a", 1.0), ("d", 2.0)]).concerns(&spec, &touched(Value::Null, json!({ "a": 1, "d": 2 }))));
    let ids = of(on(":id", "above", vec![Key::text("q")]));
    assert!(!ids.may_list(&spec, &Key::text("p")) && ids.may_list(&spec, &Key::text("r")));
    assert!(ids.may_list(&spec, &Key::List(vec![])), "keys that are not known may be any");
}

#[test]
fn branches_apart_come_as_their_indexes_list_them_with_their_ranks_in_the_order() {
    let world = World::local(&rows());
    let either = Query {
        branches: vec![on("a", "equals", vec![number(1.0)]), on("b", "aboveOrEqual", vec![number(1.0)])],
        ..of(Branch::default())
    };
    let apart = Want { branches: true, apart: true, ..Want::ROWS };
    let found = world.find(&ordered(either, "d"), apart).into_iter();
    let found = found.map(|one| (one.row.and_then(|row| row.text("id")).unwrap(), one.branch, one.rank));
    // Without a `d` they have no rank, and are there all the same.
    let expected = [("p", 0, Some(0)), ("q", 0, None), ("s", 0, None), ("r", 1, Some(2)), ("p", 1, Some(1))];
    assert_eq!(found.collect::<Vec<_>>(), expected.map(|(id, branch, rank)| (id.to_owned(), branch, rank)));
}

#[test]
fn rows_of_equal_keys_come_by_primary_key_also_where_that_is_beside_them() {
    let spec = StoreSpec::parse("t", ", a").unwrap();
    let store = MemoryStore::new([spec.clone()]);
    let tx = store.begin(Mode::Write, &["t"]).unwrap();
    for (key, a) in [(1.0, 9), (2.0, 8), (3.0, 7)] {
        tx.put("t", &JsonRow::from_json(&json!({ "a": a, "d": 1 })).unwrap(), Some(&number(key))).unwrap();
    }
    tx.commit().now_or_never().unwrap().unwrap();
    let world = World { config: Config::new("db", vec![spec], []).unwrap(), store };
    let found = world.find(&ordered(of(Branch::on("a", Condition::All)), "d"), Want::ROWS).into_iter();
    let found: Vec<_> = found.filter_map(|one| key_at(&one.row?, &KeyPath::Single("a".into()))).collect();
    assert_eq!(found, [9.0, 8.0, 7.0].map(number));
}

#[test]
fn the_name_of_the_users_own_space_finds_what_is_stored_under_its_id() {
    let row = |id: &str, space: &str, c: i32| json!({ "id": id, "spaceId": space, "c": c });
    let world = World::synced("mine", &[row("p", "mine", 1), row("q", "s", 1), row("r", "mine", 2)]);
    let alias = || Key::text("_personal:u");
    let pair = |c| Key::List(vec![alias(), number(c)]);
    let found = |branch: Branch| {
        let query = Query { across_spaces: true, ..of(branch) };
        world.ids(&query.stored(&world.config))
    };
    assert_eq!(found(on("spaceId", "equals", vec![alias()])), "pr");
    assert_eq!(found(on("spaceId", "anyOf", vec![Key::text("s"), alias()])), "prq");
    assert_eq!(found(on("spaceId", "noneOf", vec![alias()])), "q");
    assert_eq!(found(on("spaceId", "startsWith", vec![alias()])), "", "is about texts");
    assert_eq!(found(on("[spaceId+c]", "equals", vec![pair(2.0)])), "r");
    assert_eq!(found(on("[spaceId+c]", "between", vec![pair(1.0), pair(2.0)])), "p");
    let both = Branch::equal([("spaceId".to_owned(), alias()), ("c".to_owned(), number(1.0))]);
    assert_eq!(found(both), "p");
    let local = Query::of("t", on("spaceId", "equals", vec![alias()]));
    assert_eq!(*local.stored(&World::local(&[]).config), local, "in local tables it is the app's own field");
}

//! Random queries against a model that looks at every row, sorts all of them and then takes the page.

use super::{SCHEMA, World};
use crate::engine::query::{Branch, Condition, Query};
use crate::model::StoreSpec;
use crate::store::{JsonRow, JsonValue, Key, Row, index_keys, key_at};
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Value, json};

/// An index to look at or order by; of `b` only the first path of one, and `d` is in no index of its own.
const NAMES: [&str; 7] = ["a", "c", "[a+b]", "[spaceId+c]", "n.x", "b", "id"];

/// Rows with equal keys, keys of other types, keys that are none, and none at all.
fn rows() -> impl Strategy<Value = Vec<Value>> {
    let small = select(vec![json!(0), json!(1), json!(2), json!("x"), Value::Null, json!(true)]);
    let space = select(vec![json!("mine"), json!("s"), json!("s"), json!("other")]);
    let row = (prop::array::uniform5(small), space, prop::bool::weighted(0.1));
    let made = |(id, ([a, b, c, d, x], space, deleted)): (usize, ([Value; 5], Value, bool))| {
        let deleted = if deleted { json!("2026-01-01T00:00:00.000Z") } else { Value::Null };
        let id = char::from(b'A' + u8::try_from(id).expect("few")).to_string();
        json!({ "id": id, "a": a, "b": b, "c": c, "d": d, "n": { "x": x }, "spaceId": space, "deletedAt": deleted })
    };
    prop::collection::vec(row, 0..24).prop_map(move |rows| rows.into_iter().enumerate().map(made).collect())
}

fn keys(index: &'static str) -> impl Strategy<Value = Vec<Key>> {
    let small = select(vec![Key::Number(0.0), Key::Number(1.0), Key::Number(2.0), Key::text("x"), Key::text("s")]);
    let letter = select(vec![Key::text("C"), Key::text("H"), Key::text("P")]);
    let key = match index {
        "id" => letter.boxed(),
        "[a+b]" => prop::collection::vec(small, 2).prop_map(Key::List).boxed(),
        "[spaceId+c]" => {
            (select(vec!["s", "mine"]), small).prop_map(|(of, c)| Key::List(vec![Key::text(of), c])).boxed()
        }
        _ => small.boxed(),
    };
    prop::collection::vec(key, 1..4)
}

fn condition(index: &'static str) -> impl Strategy<Value = Condition> {
    let names =
        select(vec!["all", "equals", "above", "aboveOrEqual", "below", "belowOrEqual", "between", "anyOf", "noneOf"]);
    (names, keys(index), any::<(bool, bool)>()).prop_map(|(name, mut keys, includes)| {
        match name {
            "all" | "anyOf" | "noneOf" => {}
            "between" => keys = vec![keys[0].clone(), keys[keys.len() - 1].clone()],
            _ => keys.truncate(1),
        }
        Condition::named(name, keys, includes).expect("a condition")
    })
}

fn branch() -> impl Strategy<Value = Branch> {
    select(NAMES.to_vec()).prop_flat_map(|index| {
        condition(index).prop_map(move |condition| Branch {
            index: (index != "id").then(|| index.to_owned()),
            condition,
            ..Branch::default()
        })
    })
}

fn query() -> impl Strategy<Value = Query> {
    let orders = [None, Some("d")].into_iter().chain(NAMES.into_iter().map(Some)).collect::<Vec<_>>();
    let page = (0usize..4, prop::option::of(0usize..6));
    let seen = any::<(bool, bool)>();
    (prop::collection::vec(branch(), 0..3), select(orders), any::<bool>(), page, seen).prop_map(
        |(branches, order, reverse, (offset, limit), (include_deleted, across_spaces))| Query {
            table: "t".into(),
            order: order.map(str::to_owned),
            // Of several places, one after the other, each has a direction of its own.
            reverse: reverse && (order.is_some() || branches.len() < 2),
            branches,
            offset,
            limit,
            include_deleted,
            across_spaces,
            ..Query::default()
        },
    )
}

/// The keys under which an index lists a row; the name may be that of a field.
fn listed(row: &JsonRow, name: &str) -> Option<Key> {
    let spec = StoreSpec::parse("t", SCHEMA).expect("a schema");
    if let Some(index) = spec.indexes.iter().find(|index| index.name == name) {
        return index_keys(row, index).into_iter().next();
    }
    let path = crate::model::KeyPath::Single(name.to_owned());
    key_at(row, &path)
}

/// What of a key the condition is about.
fn asked(name: &str, key: &Key) -> Key {
    match (name, key) {
        ("b", Key::List(parts)) => parts[0].clone(),
        _ => key.clone(),
    }
}

fn is_seen(row: &Value, query: &Query, space: Option<&str>) -> bool {
    let Some(space) = space else { return true };
    let is_there = query.include_deleted || row["deletedAt"].is_null();
    let known = ["mine", "s"].iter().any(|known| row["spaceId"] == *known);
    is_there && if query.across_spaces { known } else { row["spaceId"] == space }
}

/// The ids a query finds.
fn model(rows: &[Value], query: &Query, space: Option<&str>) -> String {
    let rows: Vec<JsonRow> = rows
        .iter()
        .filter(|row| is_seen(row, query, space))
        .map(|row| JsonRow::from_json(row).expect("a row"))
        .collect();
    let id = |row: &JsonRow| Key::of::<JsonValue>(&row.get("id").expect("an id")).expect("a key");
    let mut found: Vec<&JsonRow> = Vec::new();
    let everything = [Branch::default()];
    let branches = if query.branches.is_empty() { &everything[..] } else { &query.branches };
    for branch in branches {
        let name = branch.index.as_deref().unwrap_or("id");
        // An index is also looked at by its first path alone.
        let whole = if name == "b" { "[b+c+d]" } else { name };
        let listed = |row: &JsonRow| listed(row, whole).filter(|key| branch.condition.accepts(&asked(name, key)));
        let mut here: Vec<_> = rows.iter().filter_map(|row| Some((listed(row)?, id(row), row))).collect();
        here.sort_by(|one, other| (&one.0, &one.1).cmp(&(&other.0, &other.1)));
        for (_, _, row) in here {
            if !found.iter().any(|known| id(known) == id(row)) {
                found.push(row);
            }
        }
    }
    if let Some(order) = &query.order {
        let mut sorted: Vec<_> =
            found.into_iter().filter_map(|row| Some((listed(row, order)?, id(row), row))).collect();
        sorted.sort_by(|one, other| (&one.0, &one.1).cmp(&(&other.0, &other.1)));
        found = sorted.into_iter().map(|(_, _, row)| row).collect();
    }
    if query.reverse {
        found.reverse();
    }
    let page = found.into_iter().skip(query.offset).take(query.limit.unwrap_or(usize::MAX));
    page.filter_map(|row| row.text("id")).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3000))]

    #[test]
    fn a_query_finds_what_looking_at_every_row_finds(rows in rows(), query in query()) {
        prop_assert_eq!(World::local(&rows).ids(&query), model(&rows, &query, None));
    }

    #[test]
    fn in_a_space_it_finds_the_rows_of_that_space(rows in rows(), query in query(), space in select(vec!["mine", "s"])) {
        prop_assert_eq!(World::synced(space, &rows).ids(&query), model(&rows, &query, Some(space)));
    }
}

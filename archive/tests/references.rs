//! A value that is the id of a record that gets another one is that one afterwards, and nothing else changes.

mod support;

use mana_archive::References;
use proptest::prelude::*;
use serde_json::{Value, json};
use support::numbers;

const OF_THE_ROW: [&str; 8] =
    ["id", "spaceId", "authorId", "userId", "visibility", "updatedAt", "deletedAt", "__stamps"];
const NEW: &str = "aaaaaaaa-bbbb-5ccc-8ddd-eeeeeeeeeeee";

/// Ids as apps have them: UUID, ULID, nanoid, an object id of `MongoDB`, one of Firestore, words with digits, parts with their kinds.
const NAMES: [&str; 7] = [
    "019b76da-bb88-7000-8000-000000000001",
    "01ARZ3NDEKTSV4RRFFQ69G5FAV",
    "V1StGXR8_Z5jdHi6B-myT",
    "507f1f77bcf86cd799439011",
    "6VqQ0sVJHfVtkL3Zb0a1",
    "project-2026-04-spring",
    "crm:deal.AAAAAAAA",
];

fn references() -> References {
    let mut references = References::default();
    for name in NAMES {
        references.add(name, NEW);
    }
    references
}

fn rewritten(row: &Value) -> (Value, usize) {
    let mut text = row.to_string();
    let count = references().rewrite(&mut text);
    (serde_json::from_str(&text).unwrap(), count)
}

/// The same, of the parsed row.
fn expected(value: &Value, level: usize) -> (Value, usize) {
    match value {
        Value::String(text) if NAMES.contains(&text.as_str()) => (NEW.into(), 1),
        Value::Array(items) => {
            let items: Vec<(Value, usize)> = items.iter().map(|item| expected(item, level + 1)).collect();
            (items.iter().map(|(item, _)| item.clone()).collect(), items.iter().map(|(_, count)| count).sum())
        }
        Value::Object(fields) => {
            let mut count = 0;
            let mut renamed = |(key, value): (&String, &Value)| {
                let is_escaped = key.contains(|c| matches!(c, '"' | '\\' | '\0'..='\x1f'));
                let is_the_rows =
                    level == 0 && (OF_THE_ROW.contains(&key.as_str()) || key.starts_with("__") || is_escaped);
                let (value, here) = if is_the_rows { (value.clone(), 0) } else { expected(value, level + 1) };
                count += here;
                (key.clone(), value)
            };
            let fields = fields.iter().map(&mut renamed).collect::<serde_json::Map<_, _>>();
            (Value::Object(fields), count)
        }
        other => (other.clone(), 0),
    }
}

fn text() -> impl Strategy<Value = String> {
    let name = (0..NAMES.len()).prop_map(|at| NAMES[at].to_owned());
    let near = (0..NAMES.len(), ".{1,2}").prop_map(|(at, more)| format!("{}{more}", NAMES[at]));
    prop_oneof![3 => name, 1 => near, 1 => "[a-z\"\\\\:,{}\\[\\]\n\u{1}é]{0,20}"]
}

fn value() -> impl Strategy<Value = Value> {
    let leaf =
        prop_oneof![4 => text().prop_map(Value::from), 1 => any::<i32>().prop_map(Value::from), 1 => Just(Value::Null)];
    leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            proptest::collection::btree_map(key(), inner, 0..4).prop_map(|map| json!(map)),
        ]
    })
}

fn key() -> impl Strategy<Value = String> {
    prop_oneof![text(), "[a-z_]{1,6}", (0..OF_THE_ROW.len()).prop_map(|at| OF_THE_ROW[at].to_owned())]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn whole_values_are_renamed_wherever_they_stand_and_nothing_else(
        row in proptest::collection::btree_map(key(), value(), 0..8).prop_map(|map| json!(map)),
    ) {
        prop_assert_eq!(rewritten(&row), expected(&row, 0));
    }

    #[test]
    fn any_text_is_borne(text in ".{0,60}") {
        let mut row = text;
        references().rewrite(&mut row);
    }
}

#[test]
fn every_kind_of_id_is_found_in_every_kind_of_place() {
    for name in NAMES {
        let row = json!({ "id": name, "spaceId": name, "__own": name, "_a": name, "list": [1, name, [name]],
            "deep": { "id": name, "text": format!("see {name}") }, name: "key" });
        let new = json!({ "id": name, "spaceId": name, "__own": name, "_a": NEW, "list": [1, NEW, [NEW]],
            "deep": { "id": NEW, "text": format!("see {name}") }, name: "key" });
        assert_eq!(rewritten(&row), (new, 4), "{name}");
    }
}

#[test]
fn a_hundred_thousand_are_told_apart_and_the_last_word_counts() {
    let (mut references, old) = (References::default(), |n: u32| format!("record-of-before-{n}"));
    let new = |n: u32| format!("{n:08x}-bbbb-5ccc-8ddd-eeeeeeeeeeee");
    for n in 0..100_000 {
        references.add(&old(n), NEW);
        references.add(&old(n), &new(n));
    }
    let names: Vec<String> = (0..100_001).map(old).collect();
    let mut row = json!({ "all": names }).to_string();
    assert_eq!(references.rewrite(&mut row), 100_000);
    let expected: Vec<String> = (0..100_000).map(new).chain([old(100_000)]).collect();
    assert_eq!(row, json!({ "all": expected }).to_string());
}

#[test]
fn a_row_says_which_it_is_and_where() {
    let row = json!({ "a": { "id": "x", "spaceId": "y" }, "authorId": "a\"b\\", "id": "ключ \n 1", "list": ["id"],
        "spaceId": "club", "n": 1 });
    let mut writer = mana_archive::Writer::new(Vec::new(), &support::manifest()).unwrap();
    writer.table("tasks").unwrap();
    for row in [&row, &json!({ "id": 7, "spaceId": null }), &json!({})] {
        writer.row(&row.to_string()).unwrap();
    }
    let bytes = writer.finish().unwrap();
    let mut archive = support::open(&bytes).unwrap();
    let said: Vec<Value> =
        archive.rows("tasks").unwrap().map(|line| serde_json::from_str(&line.unwrap().identity()).unwrap()).collect();
    let first = json!({ "authorId": "a\"b\\", "id": "ключ \n 1", "spaceId": "club" });
    assert_eq!(said, [first, json!({}), json!({})]);
}

#[test]
fn short_words_and_texts_are_no_names() {
    let mut references = References::default();
    let words = ["theme", "done", "fifteen-letters", "in progress, later today", "grüße-aus-zürich-2026"];
    for word in words.into_iter().chain(["weekly-review-template", "settings_of.the:sidebar"]) {
        references.add(word, NEW);
        let mut row = json!({ "field": word }).to_string();
        assert_eq!((references.rewrite(&mut row), row), (0, json!({ "field": word }).to_string()));
    }
    // What no record can be called is not put anywhere.
    references.add(NAMES[0], "x");
    assert_eq!(references.rewrite(&mut json!({ "field": NAMES[0] }).to_string()), 0);
}

#[test]
fn what_was_renamed_stays_as_it_is() {
    let mut row = json!({ "a": NAMES[0], "b": [NAMES[1]] }).to_string();
    assert_eq!(references().rewrite(&mut row), 2);
    let once = row.clone();
    assert_eq!((references().rewrite(&mut row), row), (0, once));
}

#[test]
fn a_row_of_references_alone_takes_no_longer_than_others() {
    let mut next = numbers(7);
    let names: Vec<&str> = (0..300_000).map(|_| NAMES[usize::try_from(next() % 7).unwrap()]).collect();
    let mut row = json!({ "all": names }).to_string();
    let begun = support::cpu_time();
    assert_eq!(references().rewrite(&mut row), names.len());
    let took = support::cpu_time().saturating_sub(begun);
    assert!(took.as_secs() < 5, "{took:?}");
}

/// What says of a row which it is, and where.
fn identity(row: &Value) -> String {
    let mut writer = mana_archive::Writer::new(Vec::new(), &support::manifest()).unwrap();
    writer.table("tasks").unwrap();
    writer.row(&row.to_string()).unwrap();
    let bytes = writer.finish().unwrap();
    support::open(&bytes).unwrap().rows("tasks").unwrap().next().unwrap().unwrap().identity()
}

#[test]
fn an_id_of_a_user_or_a_space_stays_whenever_it_is_said() {
    let [user, space, author, project, ..] = NAMES;
    let around = identity(&json!({ "id": project, "spaceId": space, "authorId": author, "assigneeId": project }));
    let row = json!({ "assigneeId": user, "members": [author, user], "place": { "spaceId": space }, "of": project });
    let expected = json!({ "assigneeId": user, "members": [author, user], "place": { "spaceId": space }, "of": NEW });
    for is_first in [true, false] {
        let mut references = References::default();
        let keep = |references: &mut References| {
            references.keep(user);
            references.keep_around(&around);
        };
        if is_first {
            keep(&mut references);
        }
        assert!(references.is_empty());
        for name in [user, space, author, project] {
            references.add(name, NEW);
            references.add(name, NEW);
        }
        if !is_first {
            keep(&mut references);
        }
        let mut text = row.to_string();
        assert_eq!((references.rewrite(&mut text), text), (1, expected.to_string()), "first: {is_first}");
    }
}

#[test]
fn an_id_that_another_record_keeps_stays() {
    let mut references = References::default();
    let [both, alone, twice, other, ..] = NAMES;
    references.settle(&identity(&json!({ "id": both })));
    for name in [both, alone, twice, twice] {
        references.add(name, NEW);
    }
    // Of many more, so that the table grows.
    (0..1000).for_each(|n| references.add(&format!("record-of-before-{n}"), NEW));
    for id in [both, alone, both, twice, other, twice] {
        references.settle(&identity(&json!({ "id": id, "spaceId": alone, "authorId": alone })));
    }
    let mut row = json!({ "all": [both, alone, twice, other] }).to_string();
    assert_eq!(references.rewrite(&mut row), 2);
    assert_eq!(row, json!({ "all": [both, NEW, NEW, other] }).to_string());
}

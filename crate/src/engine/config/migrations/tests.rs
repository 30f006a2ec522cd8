//! What is refused when the engine opens, and what is not.

use super::super::Config;
use super::read_migrations;
use crate::engine::Result;
use crate::model::{AppId, BoundNames, FieldName, OrderedSet, Scope, StoreSpec, TableName, TableSync};
use serde_json::{Value, json};

/// An app at version 3 with a table `tasks`, of which `sealed` is sealed, bound to the name `bound`.
fn open(migrations: &Value, sealed: Option<(&str, &str)>) -> Result<Config> {
    let declared = migrations.as_object().expect("an object");
    let mut steps = read_migrations("todo", 3, declared, &["tasks"])?;
    let aad = sealed.map(|(field, bound)| (field.to_owned(), FieldName::parse(bound).unwrap()));
    let sync = TableSync {
        app: AppId::parse("todo").unwrap(),
        sync_name: TableName::parse("todos").unwrap(),
        scope: Scope::Space,
        dates: OrderedSet::from(["due".to_owned()]),
        sealed: sealed.iter().map(|(field, _)| (*field).to_owned()).collect(),
        aad: BoundNames { table: None, fields: aad.into_iter().collect() },
        schema_version: 3,
        migrations: steps.remove("tasks").unwrap_or_default(),
    };
    let stores = vec![StoreSpec::parse("tasks", "id").unwrap()];
    Config::new("db", stores, [("tasks".to_owned(), sync)])
}

/// The version, the table and the field that the refusal names.
fn refused(migrations: &Value, sealed: Option<(&str, &str)>) -> (Value, Value, Value) {
    let error = open(migrations, sealed).map(drop).expect_err("refused");
    assert_eq!(error.kind().code(), "invalid_schema");
    let details = error.details();
    assert_eq!(details["app"], "todo");
    (details["version"].clone(), details["table"].clone(), details["field"].clone())
}

fn at(version: u32, field: &str) -> (Value, Value, Value) {
    (json!(version), json!("tasks"), json!(field))
}

#[test]
fn steps_that_fit_together_are_taken() {
    let fits = [
        json!({}),
        json!({ "3": {} }),
        json!({ "2": { "tasks": { "rename": { "a": "b", "b": "a" } } }, "3": { "tasks": { "drop": ["b"] } } }),
        json!({ "2": { "tasks": { "rename": { "a": "b" }, "drop": ["b"] } }, "3": {} }),
        json!({ "2": { "tasks": { "defaults": { "a": 1 } } }, "3": { "tasks": { "drop": ["a"], "rename": { "c": "a" } } } }),
        json!({ "3": { "tasks": { "defaults": { "due": "2026-01-01T00:00:00.000Z" } } } }),
    ];
    for migrations in fits {
        assert!(open(&migrations, None).is_ok(), "{migrations}");
    }
}

#[test]
fn gaps_and_versions_that_lead_nowhere_are_refused() {
    let whole = |version: u32| (json!(version), Value::Null, Value::Null);
    assert_eq!(refused(&json!({ "2": {} }), None), whole(3), "a gap up to the app's own version");
    for nowhere in ["1", "0", "4", "two", "02"] {
        assert_eq!(refused(&json!({ nowhere: {}, "3": {} }), None), whole(3), "{nowhere}");
    }
    assert_eq!(refused(&json!({ "3": [] }), None), whole(3));
}

#[test]
fn tables_and_fields_that_no_step_may_speak_of_are_refused() {
    let step = |step: Value| json!({ "3": { "tasks": step } });
    let unknown = (json!(3), json!("attic"), Value::Null);
    assert_eq!(refused(&json!({ "3": { "attic": {} } }), None), unknown);
    for name in
        ["id", "spaceId", "authorId", "userId", "visibility", "deletedAt", "updatedAt", "movedTo", "shareProof", "__x"]
    {
        assert_eq!(refused(&step(json!({ "drop": [name] })), None), at(3, name));
        assert_eq!(refused(&step(json!({ "rename": { "a": name } })), None), at(3, name));
        assert_eq!(refused(&step(json!({ "defaults": { name: 1 } })), None), at(3, name));
    }
    for unreadable in [json!({ "renames": {} }), json!({ "drop": "a" }), json!([]), json!({ "rename": ["a"] })] {
        assert_eq!(refused(&step(unreadable), None), (json!(3), json!("tasks"), Value::Null));
    }
    assert_eq!(refused(&step(json!({ "rename": { "a": 1 } })), None), at(3, "a"));
    assert_eq!(refused(&step(json!({ "defaults": { "a": "\u{0}" } })), None), at(3, "a"), "it cannot travel");
    assert_eq!(refused(&step(json!({ "defaults": { "due": 1 } })), None), at(3, "due"), "no date");
}

#[test]
fn a_step_that_contradicts_itself_or_an_earlier_one_is_refused() {
    let step = |step: Value| json!({ "3": { "tasks": step } });
    let twice = |first: Value, second: Value| json!({ "2": { "tasks": first }, "3": { "tasks": second } });
    assert_eq!(refused(&step(json!({ "rename": { "a": "a" } })), None), at(3, "a"));
    assert_eq!(refused(&step(json!({ "rename": { "a": "b" }, "drop": ["a"] })), None), at(3, "a"));
    assert_eq!(refused(&step(json!({ "rename": { "a": "c", "b": "c" } })), None), at(3, "c"));
    assert_eq!(refused(&step(json!({ "rename": { "a": "b" }, "defaults": { "b": 1 } })), None), at(3, "b"));
    assert_eq!(refused(&step(json!({ "rename": { "a": "b" }, "defaults": { "a": 1 } })), None), at(3, "a"));
    assert_eq!(refused(&step(json!({ "drop": ["a"], "defaults": { "a": 1 } })), None), at(3, "a"));
    let (to_b, default) = (json!({ "rename": { "a": "b" } }), json!({ "defaults": { "b": 1 } }));
    assert_eq!(refused(&twice(to_b.clone(), json!({ "rename": { "c": "b" } })), None), at(3, "b"));
    assert_eq!(refused(&twice(default.clone(), json!({ "rename": { "c": "b" } })), None), at(3, "b"));
    assert_eq!(refused(&twice(to_b, default), None), at(3, "b"));
}

#[test]
fn a_sealed_field_is_renamed_only_where_it_stays_bound_to_its_first_name() {
    let step = |step: Value| json!({ "3": { "tasks": step } });
    let renamed = step(json!({ "rename": { "title": "name" } }));
    assert!(open(&renamed, Some(("name", "title"))).is_ok());
    assert_eq!(refused(&renamed, Some(("name", "name"))), at(3, "name"), "nothing older could be opened");
    assert_eq!(refused(&renamed, Some(("title", "title"))), at(3, "title"), "it would be plaintext");
    let both = [json!({ "rename": { "title": "name" } }), json!({ "rename": { "name": "label" } })];
    let twice = json!({ "2": { "tasks": both[0] }, "3": { "tasks": both[1] } });
    assert!(open(&twice, Some(("label", "title"))).is_ok());
    assert_eq!(refused(&twice, Some(("label", "name"))), at(2, "name"));
    assert_eq!(refused(&step(json!({ "defaults": { "name": 1 } })), Some(("name", "name"))), at(3, "name"));
}

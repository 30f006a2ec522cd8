//! Changes from the wire and back.

use super::*;
use serde_json::json;

fn event() -> String {
    EventId::from_parts(1, &[1; 10]).to_string()
}

fn insert() -> Value {
    json!({ "eventId": event(), "app": "todo", "schemaVersion": 1, "table": "tasks", "id": "t1", "op": "insert",
        "at": "2026-01-01T00:00:00.000000Z", "data": { "title": "Milk", "__fieldMeta": {}, "_updatedAtIndex": "x" },
        "spaceId": "_personal:u1", "visibility": "space", "origin": "user" })
}

#[test]
fn an_insert_goes_there_and_back_without_hidden_fields() {
    let change = Change::parse(insert()).unwrap();
    assert_eq!(change.fields.len(), 1);
    assert_eq!(Change::parse(change.to_json()).unwrap(), change);
    assert_eq!(change.to_json()["data"], json!({ "title": "Milk" }));
}

#[test]
fn fields_of_an_insert_may_have_their_own_times() {
    let mut value = insert();
    value["fields"] = json!({ "done": { "value": true, "at": "2026-01-02T00:00:00.000000Z" } });
    let change = Change::parse(value).unwrap();
    assert_eq!(Change::parse(change.to_json()).unwrap(), change);
    assert_ne!(change.fields.get(&FieldName::parse("done").unwrap()).unwrap().at, change.at);
}

#[test]
fn a_delete_is_an_edit_of_one_field() {
    let value = json!({ "eventId": event(), "app": "todo", "table": "tasks", "id": "t1", "op": "delete",
        "at": "2026-01-01T00:00:00.000000Z", "deletedAt": "2026-01-01T00:00:00.000000Z" });
    let change = Change::parse(value.clone()).unwrap();
    assert_eq!(change.fields.len(), 1);
    assert_eq!(Change::parse(change.to_json()).unwrap(), change);
    let mut without = value;
    without["deletedAt"] = json!("soon");
    assert!(Change::parse(without).is_err());
}

#[test]
fn a_delete_keeps_the_stamp_of_its_deletion_where_the_change_says_another() {
    let value = json!({ "eventId": event(), "app": "todo", "table": "tasks", "id": "t1", "op": "delete",
        "at": "2026-01-02T00:00:00.000000Z", "deletedAt": "2026-01-01T00:00:00.000000Z" });
    let change = Change::parse(value.clone()).unwrap();
    assert_eq!(change.to_json()["deletedAt"], value["deletedAt"]);
    assert_eq!(Change::parse(change.to_json()).unwrap(), change);
}

#[test]
fn an_update_of_hidden_fields_only_says_nothing_and_is_refused() {
    let mut value = insert();
    (value["op"], value["data"]) = (json!("update"), Value::Null);
    value["fields"] = json!({ "__fieldMeta": { "value": 1, "at": "2026-01-01T00:00:00.000000Z" } });
    assert_eq!(Change::parse(value.clone()).unwrap_err().path, "fields");
    value["fields"]["title"] = json!({ "value": "Milk", "at": "2026-01-01T00:00:00.000000Z" });
    assert_eq!(Change::parse(value).unwrap().fields.len(), 1);
}

#[test]
fn malformed_changes_name_what_is_wrong() {
    for (key, bad) in [
        ("op", json!("upsert")),
        ("table", json!("")),
        ("id", json!(7)),
        ("at", json!("yesterday")),
        ("data", json!("text")),
        ("eventId", json!("1")),
        ("actor", json!({ "kind": "ghost" })),
        ("data", json!({ "title": "a\0b" })),
        ("data", json!({ "x": { "__proto__": 1 } })),
    ] {
        let mut value = insert();
        value[key] = bad;
        assert!(Change::parse(value).is_err(), "{key}");
    }
    let mut update = insert();
    update["op"] = json!("update");
    assert!(Change::parse(update).is_err());
}

//! Times, spaces and ids of changes that older clients send.

use super::*;

const FRESH: &str = "0198c0de-0000-7000-8000-000000000001";

fn incoming(change: Value) -> Incoming {
    let now = Stamp::parse("2026-06-01T12:00:00.000000Z").unwrap();
    Incoming::new(change, EventId::parse(FRESH).unwrap(), 1, now)
}

fn translated(change: Value) -> Value {
    incoming(change).as_protocol_2(&AppId::parse("todo").unwrap())
}

#[test]
fn an_insert_is_as_old_as_its_data_say_and_otherwise_older_than_every_edit() {
    let at =
        |data: Value| translated(json!({ "table": "tasks", "id": "t", "op": "insert", "data": data }))["at"].clone();
    let (created, updated) = ("2026-04-22T10:00:01.000Z", "2026-04-22T10:00:02.000Z");
    assert_eq!(at(json!({ "createdAt": created, "updatedAt": updated })), updated);
    assert_eq!(at(json!({ "createdAt": created, "updatedAt": 7 })), created);
    assert_eq!(at(json!({ "title": "a" })), "1970-01-01T00:00:00.000001Z");
}

#[test]
fn stamps_more_than_five_minutes_ahead_are_held_there() {
    let ahead = "2099-01-01T00:00:00.000Z";
    let change = translated(json!({ "table": "tasks", "id": "t", "op": "update", "fields": {
        "a": { "value": 1, "at": ahead }, "b": { "value": 2, "at": "2026-06-01T12:04:00.000Z" } } }));
    assert_eq!(change["fields"]["a"]["at"], "2026-06-01T12:05:00.000000Z");
    assert_eq!(change["fields"]["b"]["at"], "2026-06-01T12:04:00.000Z");
    assert_eq!(change["at"], change["fields"]["a"]["at"]);
    let delete = translated(json!({ "table": "tasks", "id": "t", "op": "delete", "deletedAt": ahead }));
    assert_eq!(delete["deletedAt"], "2026-06-01T12:05:00.000000Z");
}

#[test]
fn a_space_is_the_first_that_is_named_and_an_empty_name_is_none() {
    let space = |change: Value| translated(change).get("spaceId").cloned();
    let change = |members: Value| {
        let mut change = json!({ "table": "tasks", "id": "t", "op": "insert", "data": {} });
        change.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
        change
    };
    assert_eq!(space(change(json!({ "spaceId": "", "data": { "spaceId": "home" } }))), Some(json!("home")));
    assert_eq!(space(change(json!({ "spaceId": "" }))), None);
    let empty = translated(change(json!({ "data": { "spaceId": "" } })));
    assert_eq!((empty.get("spaceId"), empty["data"].get("spaceId")), (None, None));
}

#[test]
fn a_delete_keeps_its_time_alone_and_an_id_of_the_clients_is_kept() {
    let own = "0193e0a0-0000-7000-8000-000000000001";
    let edit = json!({ "deletedAt": { "value": "2026-04-22T10:00:04.000Z", "at": "2026-04-22T10:00:04.000Z" } });
    let change = translated(
        json!({ "table": "tasks", "id": "t", "op": "delete", "fields": edit, "eventId": own, "clientId": "x" }),
    );
    assert_eq!(change["deletedAt"], "2026-04-22T10:00:04.000Z");
    assert_eq!((change.get("fields"), change.get("clientId"), &change["eventId"]), (None, None, &json!(own)));
    assert_eq!(translated(json!({ "eventId": "no id" }))["eventId"], FRESH);
}

//! What an older app on Dexie left behind, for tests of its being taken over.

use super::{Device, Setup, World, oracle};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Long before the simulation begins.
pub const OLD: &str = "2025-06-01T10:00:00.000Z";
/// A day after that.
pub const LATER: &str = "2025-06-02T10:00:00.000Z";
/// Years after it.
pub const FUTURE: &str = "2031-01-01T00:00:00.000Z";

fn ada() -> Value {
    json!({ "kind": "user", "principalId": "ada" })
}

/// A record of the current generation whose fields were all stamped at once.
#[must_use]
pub fn stamped(id: &str, at: &str, fields: &Value) -> Value {
    let mut row =
        json!({ "id": id, "userId": "ada", "spaceId": "_personal:ada", "authorId": "ada", "visibility": "space" });
    for (name, value) in fields.as_object().expect("fields") {
        row[name] = value.clone();
    }
    let names: Vec<String> = row.as_object().expect("a row").keys().filter(|name| *name != "id").cloned().collect();
    let mark = json!({ "at": at, "actor": ada(), "origin": "user" });
    row["__fieldMeta"] = names.into_iter().map(|name| (name, mark.clone())).collect();
    row["_updatedAtIndex"] = at.into();
    row
}

/// A queued row with what every one has.
#[must_use]
pub fn queued(table: &str, id: &str, op: &str, at: &str, more: &Value) -> (&'static str, Value) {
    let mut row = json!({ "appId": "todo", "collection": table, "recordId": id, "op": op, "createdAt": at });
    for (name, value) in more.as_object().expect("an object") {
        row[name] = value.clone();
    }
    ("_pendingChanges", row)
}

/// What an older app left behind: every kind of record and queued row.
#[must_use]
pub fn rows() -> Vec<(&'static str, Value)> {
    let before = json!({ "id": "before", "title": "the generation before", "note": "first", "updatedAt": LATER,
        "userId": "ada", "spaceId": "_personal:ada", "authorId": "ada", "visibility": "space",
        "__fieldTimestamps": { "title": LATER, "note": OLD, "updatedAt": LATER, "spaceId": OLD },
        "__fieldActors": { "title": { "kind": "ai", "principalId": "helper" } }, "__lastActor": ada() });
    let mut renamed = stamped("renamed", OLD, &json!({ "title": "new name", "address": { "city": "Zug", "zip": 1 } }));
    renamed["__fieldMeta"]["title"]["at"] = LATER.into();
    renamed["__fieldMeta"]["address"]["at"] = LATER.into();
    let mut gone = stamped("gone", OLD, &json!({ "title": "deleted offline", "deletedAt": LATER }));
    gone["__fieldMeta"]["deletedAt"]["at"] = "2025-06-02T10:00:00.004Z".into();
    let mut clock = stamped("clock", OLD, &json!({ "title": "from a wrong clock", "note": "edited twice" }));
    clock["__fieldMeta"]["title"]["at"] = FUTURE.into();
    clock["__fieldMeta"]["note"]["at"] = "2031-01-01T00:00:01.000Z".into();
    vec![
        ("tasks", stamped("orphan", OLD, &json!({ "title": "never queued" }))),
        ("tasks", before),
        ("tasks", json!({ "id": "bare", "title": "no stamps at all", "createdAt": OLD })),
        ("tasks", stamped("made", OLD, &json!({ "title": "made offline" }))),
        ("tasks", renamed),
        ("tasks", gone),
        ("tasks", clock),
        ("tasks", stamped("shared", LATER, &json!({ "title": "ours, later", "note": "ours, later" }))),
        (
            "settings",
            json!({ "id": "prefs", "dark": true, "userId": "ada", "spaceId": "_personal:ada", "updatedAt": OLD }),
        ),
        ("notes", json!({ "text": "local" })),
        queued(
            "tasks",
            "made",
            "insert",
            OLD,
            &json!({ "data": { "id": "made", "title": "made offline",
            "userId": "ada", "spaceId": "_personal:ada", "authorId": "ada", "visibility": "space", "updatedAt": OLD },
            "actor": ada(), "origin": "user", "spaceId": "_personal:ada" }),
        ),
        queued(
            "tasks",
            "renamed",
            "update",
            LATER,
            &json!({ "fields": {
            "title": { "value": "new name", "updatedAt": LATER }, "updatedAt": { "value": LATER, "updatedAt": LATER } } }),
        ),
        queued(
            "tasks",
            "renamed",
            "update",
            LATER,
            &json!({ "fields": { "address.city": { "value": "Zug", "at": LATER } },
            "eventId": "01a20350-9a75-7fb5-b364-84f6881af588", "actor": { "kind": "ai", "principalId": "helper" } }),
        ),
        queued(
            "tasks",
            "gone",
            "delete",
            LATER,
            &json!({ "deletedAt": LATER, "fields": {
            "deletedAt": { "value": LATER, "at": "2025-06-02T10:00:00.004Z" }, "title": { "value": "deleted offline", "at": LATER } } }),
        ),
        queued(
            "tasks",
            "clock",
            "update",
            FUTURE,
            &json!({ "fields": { "note": { "value": "edited once", "at": FUTURE } } }),
        ),
        queued(
            "tasks",
            "clock",
            "update",
            FUTURE,
            &json!({ "fields": {
            "note": { "value": "edited twice", "at": "2031-01-01T00:00:01.000Z" } } }),
        ),
        queued(
            "tasks",
            "renamed",
            "update",
            LATER,
            &json!({ "fields": { "memo": { "value": "nul \u{0}", "at": LATER } } }),
        ),
        queued("elsewhere", "x", "update", LATER, &json!({ "fields": { "a": { "value": 1, "at": LATER } } })),
        ("_syncMeta", json!({ "appId": "todo", "collection": "tasks", "lastSyncedAt": OLD })),
        ("_clientIdentity", json!({ "id": "self", "clientId": "old" })),
    ]
}

/// A world whose server and second device hold what the older app had synced, and a device with the older app's database.
#[must_use]
pub fn prepared() -> World {
    prepared_with(&Setup::of("ada"))
}

/// The same, whose second device opens that database with a setup of its own.
#[must_use]
pub fn prepared_with(setup: &Setup) -> World {
    let mut world = World::of_ada(1);
    world.server.set_page(3);
    for id in ["renamed", "gone", "clock", "shared"] {
        world.devices[0].add("tasks", json!({ "id": id, "title": "on the server" })).expect("added");
    }
    world.devices[0].update("tasks", "shared", json!({ "note": "theirs, latest" })).expect("written");
    world.converge("ada");
    world.add(setup.clone()).fill_as_older_app(&rows());
    world
}

/// Values as people see them.
#[must_use]
pub fn values(device: &Device) -> BTreeMap<(String, String), BTreeMap<String, Value>> {
    let record = |record: BTreeMap<String, (Value, _)>| {
        record.into_iter().filter(|(name, _)| name != "deletedAt").map(|(name, (value, _))| (name, value)).collect()
    };
    oracle::replica(device).into_iter().map(|(name, fields)| (name, record(fields))).collect()
}

/// No edit is on the server under two ids.
pub fn check_sent_once(world: &World) {
    let mut seen = BTreeMap::new();
    for change in world.server.changes("ada", &["tasks", "settings"]) {
        for (name, edit) in &change.fields {
            let edit = (change.table.clone(), change.id.clone(), name.clone(), edit.at);
            let earlier = seen.insert(edit.clone(), change.event_id.clone());
            assert!(earlier.is_none(), "{edit:?} was sent as {earlier:?} and as {:?}", change.event_id);
        }
    }
}

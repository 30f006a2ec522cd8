//! Clients of both protocols at work on the same records: they come to the same values.

use super::{BEGINNING, OldClient, old_edit};
use crate::support::{Site, event, with};
use mana_sync_engine::model::Stamp;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// A field's newest value and its time.
type Fields = BTreeMap<(String, String), (Stamp, String)>;

fn stamp(value: &Value) -> Option<Stamp> {
    Stamp::parse(value.as_str()?).ok()
}

/// What a client makes of changes: for each field the newest value, of two of one time the greater text. An insert says its time
/// in its data where protocol 1 said it, and by itself where protocol 2 did.
fn merged(changes: &[Value]) -> Fields {
    let mut fields = Fields::new();
    for change in changes {
        let id = change["id"].as_str().unwrap().to_owned();
        let mut edit = |field: &str, at: Stamp, value: &Value| {
            let entry = fields.entry((id.clone(), field.to_owned())).or_insert((Stamp::EPOCH, String::new()));
            let new = (at, value.to_string());
            if new > *entry {
                *entry = new;
            }
        };
        let data = &change["data"];
        let inserted = stamp(&change["at"]).or_else(|| stamp(&data["updatedAt"])).or_else(|| stamp(&data["createdAt"]));
        for (field, value) in data.as_object().into_iter().flatten().filter(|(field, _)| *field != "updatedAt") {
            edit(field, inserted.unwrap_or(Stamp::EPOCH), value);
        }
        for (field, said) in change["fields"].as_object().into_iter().flatten() {
            edit(field, stamp(&said["at"]).unwrap(), &said["value"]);
        }
        if let Some(at) = stamp(&change["deletedAt"]) {
            edit("deletedAt", at, &json!(at));
        }
    }
    fields
}

#[tokio::test]
async fn clients_of_both_protocols_come_to_the_same_values() {
    let site = Site::start().await;
    let ada = site.person("ada").await;
    let (old, reader) = (OldClient::of(&ada, "old"), OldClient::of(&ada, "reader"));
    let mut random: u64 = 7;
    let mut next = move |below: u64| {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (random >> 33) % below
    };
    for step in 0..120 {
        let (id, at) = (format!("t{}", next(6)), format!("2026-02-{:02}T00:00:{:02}", 1 + next(20), next(3)));
        match next(7) {
            kind @ 0..3 => old.write(&[by_old(kind, step, &id, &format!("{at}.000Z"))]).await,
            kind => ada.accept(&[by_new(kind, step, &id, &format!("{at}.000007Z"))]).await,
        }
    }
    let of_new = merged(&ada.read_on(None, &["tasks"], 50).await.0);
    let of_old = merged(&reader.read(BEGINNING).await);
    assert_eq!(of_new, of_old);
    assert!(of_new.len() > 20, "{of_new:?}");
}

/// What an older client does.
fn by_old(kind: u64, step: u64, id: &str, at: &str) -> Value {
    match kind {
        0 => json!({ "table": "tasks", "id": id, "op": "insert",
            "data": { "id": id, "title": format!("old {step}"), "done": false, "createdAt": at } }),
        1 => old_edit(id, "title", &json!(format!("old edit {step}")), at),
        _ => json!({ "table": "tasks", "id": id, "op": "delete", "deletedAt": at }),
    }
}

/// What a client of protocol 2 does.
fn by_new(kind: u64, step: u64, id: &str, at: &str) -> Value {
    let change =
        |op: &str| json!({ "eventId": event(), "app": "todo", "table": "tasks", "id": id, "op": op, "at": at });
    match kind {
        // One of its fields is older than the rest, as where an insert and edits were sent as one.
        3 => with(
            change("insert"),
            &[
                ("data", json!({ "id": id, "title": format!("new {step}") })),
                ("fields", json!({ "done": { "value": true, "at": "2026-02-01T00:00:00.000001Z" } })),
            ],
        ),
        4 => with(change("delete"), &[("deletedAt", json!(at))]),
        _ => {
            let title = json!({ "value": format!("new edit {step}"), "at": at });
            let fields = json!({ "title": title, "deletedAt": { "value": null, "at": at } });
            with(change("update"), &[("fields", fields)])
        }
    }
}

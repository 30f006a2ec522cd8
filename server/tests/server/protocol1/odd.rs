//! Odd things that older clients send: refused by a sentence, or kept and served to their author as they were.

use super::{BEGINNING, OldClient, old_task};
use crate::postgres::{Database, SERVER};
use crate::support::Site;
use serde_json::{Value, json};

/// Changes that no client should send.
fn odd_changes() -> Vec<Value> {
    let members = [
        json!({ "data": [1] }),
        json!({ "data": "text" }),
        json!({ "data": { "id": "another" } }),
        json!({ "data": { "__proto__": 1, "visibility": 7 } }),
        json!({ "data": { "nul": "\u{0}", "spaceId": "\u{0}" } }),
        json!({ "data": {}, "spaceId": 5 }),
        json!({ "data": {}, "spaceId": "x".repeat(300) }),
        json!({ "data": {}, "actor": "ada" }),
        json!({ "data": {}, "origin": "moon" }),
        json!({ "data": {}, "schemaVersion": -1 }),
        json!({ "data": {}, "eventId": 7, "deletedAt": 7 }),
        json!({ "data": {}, "table": "a b" }),
        json!({ "op": "update" }),
        json!({ "op": "update", "fields": 3 }),
        json!({ "op": "update", "fields": { "a": 1 } }),
        json!({ "op": "update", "fields": { "a": { "value": 1, "at": "yesterday" } } }),
        json!({ "op": "update", "fields": { "deletedAt": null, "spaceId": [] } }),
        json!({ "op": "delete" }),
        json!({ "op": "delete", "deletedAt": "never", "fields": { "deletedAt": 4 } }),
        json!({ "op": "insert" }),
    ];
    let change = |(at, members): (usize, &Value)| {
        let mut change = json!({ "table": "tasks", "id": format!("odd{at}"), "op": "insert" });
        change.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
        change
    };
    members.iter().enumerate().map(change).collect()
}

#[tokio::test]
async fn odd_changes_harm_no_others_and_come_back_to_their_author() {
    let database = Database::migrated().await;
    let url = database.url(SERVER).await;
    for site in [Site::start().await, Site::start_with(|settings| settings.postgres_url = Some(url)).await] {
        let ada = site.person("ada").await;
        let (old, other) = (OldClient::of(&ada, "a"), OldClient::of(&ada, "b"));
        let odd = odd_changes();
        let mut changes = odd.clone();
        changes.insert(7, old_task("good"));
        old.write(&changes).await;
        let pulled = other.read(BEGINNING).await;
        for change in odd.iter().filter(|change| change["table"] == "tasks") {
            assert!(pulled.iter().any(|found| found["id"] == change["id"]), "{change}");
        }
        assert!(ada.tasks().await.contains(&"good".to_owned()));
    }
}

#[tokio::test]
async fn what_is_no_push_is_refused_by_a_sentence() {
    let site = Site::start().await;
    let ada = site.person("ada").await;
    let old = OldClient::of(&ada, "a");
    for (change, sentence) in [
        (json!({ "table": "tasks", "id": "\u{0}", "op": "insert" }), "missing table or id in change 0\n"),
        (json!({ "table": "a\nb", "id": "x", "op": "insert" }), "missing table or id in change 0\n"),
        (json!({ "table": 1, "id": "x", "op": "insert" }), "missing table or id in change 0\n"),
        (json!("text"), "missing table or id in change 0\n"),
        (json!({ "table": "tasks", "id": "x" }), "invalid op \"\" in change 0\n"),
        (json!({ "table": "tasks", "id": "x", "op": "withdraw" }), "invalid op \"withdraw\" in change 0\n"),
    ] {
        let body = json!({ "changes": [change] }).to_string();
        assert_eq!(old.send(body).await, (400, sentence.to_owned()));
    }
    for body in ["", "[]", "{", "{\"changes\":7}", "null", "{\"schemaVersion\":-1}"] {
        let (status, text) = old.send(body.to_owned()).await;
        assert!(status == 400 && text.starts_with("invalid JSON: "), "{body}: {status} {text}");
    }
}

#[tokio::test]
async fn half_a_surrogate_pair_does_not_hold_up_a_push() {
    let site = Site::start().await;
    let ada = site.person("ada").await;
    let (old, other) = (OldClient::of(&ada, "a"), OldClient::of(&ada, "b"));
    let body =
        r#"{"changes":[{"table":"tasks","id":"t1","op":"insert","data":{"half":"a\ud83d","whole":"\ud83d\ude00"}}]}"#;
    assert_eq!(old.send(body.to_owned()).await.0, 200);
    assert_eq!(other.read(BEGINNING).await[0]["data"], json!({ "half": "a\u{FFFD}", "whole": "\u{1F600}" }));
}

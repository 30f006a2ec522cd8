//! Push and pull as clients see them.

use crate::support::{Person, Site, ids, push_body, task, task_in, with};
use serde_json::{Value, json};
use std::collections::BTreeMap;

#[tokio::test]
async fn a_second_device_gets_what_the_first_one_pushed() {
    let site = Site::start().await;
    let (first, second) = (site.person("ada").await, site.person("ada").await);
    let change = task("t1");
    let pushed = first.push(std::slice::from_ref(&change)).await;
    assert_eq!(pushed.body["accepted"], json!([change["eventId"]]));
    assert_eq!((pushed.body["protocol"].as_u64(), pushed.body["serverTime"].is_string()), (Some(2), true));
    let pulled = second.pull(None, &["tasks"], 10).await.body;
    assert_eq!(pulled["changes"][0]["data"], change["data"]);
    assert_eq!(pulled["changes"][0]["userId"], "ada");
    assert_eq!((&pulled["protocol"], &pulled["hasMore"], &pulled["spaces"]), (&json!(2), &json!(false), &json!([])));
    assert!(pulled["spacesAsOf"].is_string() && pulled["serverTime"].is_string());
}

#[tokio::test]
async fn the_same_push_twice_is_accepted_twice_and_stored_once() {
    let site = Site::start().await;
    let ada = site.person("ada").await;
    let changes = [task("t1"), task("t2")];
    ada.accept(&changes).await;
    ada.accept(&changes).await;
    assert_eq!(ada.tasks().await, ["t1", "t2"]);
}

#[tokio::test]
async fn pages_inside_one_push_and_across_streams_bring_every_change_once() {
    let site = Site::start().await;
    let ada = site.person("ada").await;
    let space = ada.create_space("family").await;
    let place =
        |n: usize| if n.is_multiple_of(2) { task(&format!("t{n:03}")) } else { task_in(&space, &format!("t{n:03}")) };
    ada.accept(&(0..150).map(place).collect::<Vec<_>>()).await;
    for limit in [1, 7, 74, 75, 76, 1000] {
        let mut got = ids(&ada.read_on(None, &["tasks"], limit).await.0);
        got.sort();
        assert_eq!(got, (0..150).map(|n| format!("t{n:03}")).collect::<Vec<_>>(), "pages of {limit}");
    }
}

#[tokio::test]
async fn a_table_added_later_is_delivered_from_its_beginning_without_the_others() {
    let site = Site::start().await;
    let ada = site.person("ada").await;
    let tag = |id: &str| with(task(id), &[("table", json!("tags"))]);
    ada.accept(&[task("t1"), tag("g1"), task("t2"), tag("g2")]).await;
    let (_, cursor) = ada.read_on(None, &["tasks"], 10).await;
    ada.accept(&[tag("g3"), task("t3")]).await;
    let (changes, _) = ada.read_on(Some(cursor), &["tags", "tasks"], 1).await;
    assert_eq!(ids(&changes), ["g1", "g2", "g3", "t3"]);
}

#[tokio::test]
async fn another_persons_rows_are_never_served() {
    let site = Site::start().await;
    let (ada, bob) = (site.person("ada").await, site.person("bob").await);
    let space = ada.create_space("family").await;
    ada.accept(&[task("mine"), task_in(&space, "ours"), task_in("_personal:ada", "personal")]).await;
    assert!(bob.tasks().await.is_empty());
    let foreign = bob.push(&[task_in(&space, "x"), task_in("_personal:ada", "y")]).await;
    let codes: Vec<_> = foreign.body["rejected"].as_array().unwrap().iter().map(|r| r["code"].clone()).collect();
    assert_eq!(codes, [json!("not_a_member"), json!("not_a_member")]);
    ada.add_member(&space, "bob", "member").await;
    assert_eq!(bob.tasks().await, ["ours"]);
    assert_eq!(bob.pull(None, &["tasks"], 10).await.body["spaces"][0]["type"], "family");
    let stolen = ada.pull(None, &["tasks"], 10).await.body["cursor"].as_str().unwrap().to_owned();
    assert!(ids(&bob.read_on(Some(stolen), &["tasks"], 10).await.0).is_empty(), "a cursor gives no rights");
}

#[tokio::test]
async fn private_rows_are_served_to_their_author_only() {
    let site = Site::start().await;
    let (ada, bob) = (site.person("ada").await, site.person("bob").await);
    let space = ada.create_space("family").await;
    ada.add_member(&space, "bob", "member").await;
    let private = ("visibility", json!("private"));
    ada.accept(&[with(task_in(&space, "secret"), std::slice::from_ref(&private)), task_in(&space, "shared")]).await;
    assert_eq!(ada.tasks().await, ["secret", "shared"]);
    let raw = bob.pull(None, &["tasks"], 10).await.body.to_string();
    assert!(raw.contains("shared") && !raw.contains("secret"), "{raw}");
    let edit = json!({ "title": { "value": "Mine now", "at": "2026-01-02T00:00:00.000000Z" } });
    let update =
        with(task_in(&space, "secret"), &[("op", json!("update")), ("data", Value::Null), ("fields", edit), private]);
    assert_eq!(bob.push(&[update]).await.body["rejected"][0]["code"], "not_the_author");
}

#[tokio::test]
async fn viewers_read_and_do_not_write() {
    let site = Site::start().await;
    let (ada, vic) = (site.person("ada").await, site.person("vic").await);
    let space = ada.create_space("team").await;
    ada.add_member(&space, "vic", "viewer").await;
    ada.accept(&[task_in(&space, "t1")]).await;
    assert_eq!(vic.tasks().await, ["t1"]);
    assert_eq!(vic.push(&[task_in(&space, "t2")]).await.body["rejected"][0]["code"], "read_only");
}

#[tokio::test]
async fn the_personal_space_is_one_stream_under_both_its_names() {
    let site = Site::start().await;
    let ada = site.person("ada").await;
    let home = ada.create_space("personal").await;
    let mut body = push_body(&[task_in(&home, "t1"), task_in("_personal:ada", "t2")]);
    body["personalSpaceId"] = json!(home);
    let pushed = ada.post("/v2/push", body).await;
    assert_eq!(pushed.body["rejected"], json!([]));
    let (changes, _) = ada.read_on(None, &["tasks"], 10).await;
    for change in &changes {
        assert_eq!(
            (&change["spaceId"], &change["data"]["spaceId"]),
            (&json!("_personal:ada"), &json!("_personal:ada"))
        );
    }
    assert_eq!(ids(&changes), ["t1", "t2"]);
}

#[tokio::test]
async fn numbers_and_text_come_back_as_they_were_sent() {
    let site = Site::start().await;
    let ada = site.person("ada").await;
    let numbers = json!([0.1, 1e21, 5e-324, 1.797_693_134_862_315_7e308, 9_007_199_254_740_991_u64, -1, 0.1 + 0.2]);
    let data = json!({ "a": numbers, "deep": [[[[{}]]]], "empty": "",
        "é\u{1F468}\u{200D}\u{1F469}": "\u{2028} \\u0041 \"quoted\" </script>" });
    ada.accept(&[with(task("t1"), &[("data", data.clone())])]).await;
    assert_eq!(ada.pull(None, &["tasks"], 1).await.body["changes"][0]["data"], data);
}

#[tokio::test]
async fn nothing_is_missed_and_nothing_comes_twice_while_eight_people_write() {
    let site = Site::start().await;
    let owner = site.person("owner").await;
    let space = owner.create_space("team").await;
    let mut writers = Vec::new();
    for n in 0..8 {
        owner.add_member(&space, &format!("w{n}"), "member").await;
        let person = site.person(&format!("w{n}")).await;
        writers.push(tokio::spawn(write(person, space.clone(), n)));
    }
    let mut seen: BTreeMap<String, u32> = BTreeMap::new();
    let mut cursor: Option<String> = None;
    loop {
        // Asked before the page is read: what was written by then is in this page or in one after it.
        let finished = writers.iter().all(tokio::task::JoinHandle::is_finished);
        let page = owner.pull(cursor.as_deref(), &["tasks"], 13).await.body;
        for change in page["changes"].as_array().unwrap() {
            *seen.entry(change["eventId"].as_str().unwrap().to_owned()).or_default() += 1;
        }
        cursor = page["cursor"].as_str().map(str::to_owned);
        if finished && page["hasMore"] == json!(false) {
            break;
        }
    }
    for writer in writers {
        writer.await.unwrap();
    }
    assert_eq!(seen.len(), 8 * 25 * 4);
    assert!(seen.values().all(|times| *times == 1));
}

async fn write(person: Person, space: String, writer: usize) {
    for n in 0..25 {
        let batch: Vec<Value> = (0..4).map(|at| task_in(&space, &format!("{writer}-{n}-{at}"))).collect();
        person.accept(&batch).await;
    }
}

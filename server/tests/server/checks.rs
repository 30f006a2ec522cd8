//! Checks as clients see them: numbers of what one may read, at the end of what one has read.

use crate::support::{Answer, Person, Site, client, task, task_in, with};
use serde_json::{Value, json};

/// The body of a check of `todo/tasks`.
fn body(cursor: &str) -> Value {
    json!({ "protocol": 2, "clientId": "install.session", "cursor": cursor, "apps": { "todo": ["tasks"] } })
}

async fn cursor(person: &Person) -> String {
    person.read_on(None, &["tasks"], 100).await.1
}

async fn check(person: &Person) -> Answer {
    person.post("/v2/check", body(&cursor(person).await)).await
}

/// Stream and number of records of each table.
fn numbers(answer: &Answer) -> Vec<(&str, u64)> {
    let tables = answer.body["tables"].as_array().expect("a list");
    tables.iter().map(|table| (table["stream"].as_str().unwrap(), table["records"].as_u64().unwrap())).collect()
}

#[tokio::test]
async fn everybody_is_told_of_what_they_may_read_and_of_nothing_else() {
    let site = Site::start().await;
    let (ada, bob) = (site.person("ada").await, site.person("bob").await);
    let space = ada.create_space("family").await;
    ada.add_member(&space, "bob", "member").await;
    let hidden = with(task_in(&space, "t3"), &[("visibility", json!("private"))]);
    ada.accept(&[task("t1"), task_in(&space, "t2"), hidden]).await;
    let (hers, his) = (check(&ada).await, check(&bob).await);
    let stream = format!("space:{space}");
    assert_eq!(numbers(&hers), [("user:ada", 1), (stream.as_str(), 2)]);
    assert_eq!(numbers(&his), [(stream.as_str(), 1)]);
    assert_eq!(his.body["streams"], json!(["user:bob", stream]));
    assert_eq!((&his.body["protocol"], &his.body["behind"]), (&json!(2), &json!(false)));
    assert!(his.body["serverTime"].is_string() && his.body["tables"][0]["hash"].as_str().unwrap().len() == 64);
    let mut without = body(&cursor(&bob).await);
    without["except"] = json!([{ "app": "todo", "table": "tasks", "id": "t2" }]);
    assert_eq!(bob.post("/v2/check", without).await.body["tables"], json!([]));
}

#[tokio::test]
async fn who_is_behind_is_told_so_and_who_comes_from_elsewhere_begins_anew() {
    let site = Site::start().await;
    let ada = site.person("ada").await;
    let old = cursor(&ada).await;
    ada.accept(&[task("t1")]).await;
    let behind = ada.post("/v2/check", body(&old)).await;
    assert_eq!((&behind.body["behind"], &behind.body["tables"]), (&json!(true), &json!([])));
    let lost = ada.post("/v2/check", body("elsewhere")).await;
    assert_eq!((lost.code(), &lost.body["reason"]), ((410, "cursor_expired"), &json!("restored")));
}

#[tokio::test]
async fn a_request_that_is_none_is_refused_by_a_code() {
    let site = Site::start().await;
    let ada = site.person("ada").await;
    let changed = |name: &str, value: Value| with(body("x"), &[(name, value)]);
    let record = json!({ "app": "todo", "table": "tasks", "id": "t" });
    let tables: Vec<String> = (0..=1000).map(|n| format!("t{n}")).collect();
    for (wrong, code) in [
        (changed("cursor", json!(null)), "invalid_request"),
        (changed("apps", json!({ "todo": tables })), "invalid_request"),
        (changed("apps", json!({ "todo": ["__proto__"] })), "invalid_request"),
        (changed("except", json!(vec![record; 1001])), "invalid_request"),
        (changed("except", json!([{ "app": "todo" }])), "invalid_request"),
        (changed("protocol", json!(1)), "unsupported_protocol"),
    ] {
        assert_eq!(ada.post("/v2/check", wrong).await.code(), (400, code));
    }
    let stranger = client().post(site.url() + "/v2/check").json(&body("x")).send().await.unwrap();
    assert_eq!(stranger.status(), 401);
}

/// Whatever is asked at once, each is answered in full or told to come again.
#[tokio::test]
async fn checks_at_once_are_made_one_after_another() {
    let site = Site::start().await;
    let ada = site.person("ada").await;
    let tasks: Vec<Value> = (0..500).map(|n| task(&format!("t{n}"))).collect();
    ada.accept(&tasks).await;
    let body = body(&cursor(&ada).await);
    let asked = (0..12).map(|_| ada.post("/v2/check", body.clone()));
    let answers = futures_util::future::join_all(asked).await;
    for answer in &answers {
        match answer.code() {
            (200, _) => assert_eq!(numbers(answer), [("user:ada", 500)]),
            refused => assert_eq!(refused, (429, "check_under_way")),
        }
    }
    assert_eq!(numbers(&check(&ada).await), [("user:ada", 500)], "none is under way any more");
}

//! Input that is not what it should be: a typed answer each time, never a 5xx, and the server goes on.

use crate::support::{Answer, Person, Site, answer, event, pull_body, push_body, task, with};
use flate2::Compression;
use flate2::write::GzEncoder;
use reqwest::Method;
use reqwest::header::{CONTENT_ENCODING, CONTENT_TYPE};
use serde_json::{Value, json};
use std::io::Write as _;

/// Status and code of an answer.
type Code = (u16, &'static str);

async fn send(person: &Person, path: &str, content_type: &str, body: impl Into<reqwest::Body>) -> Answer {
    let request = person.http.post(format!("{}{path}", person.url)).bearer_auth(&person.token);
    answer(request.header(CONTENT_TYPE, content_type).body(body)).await.expect("an answer")
}

async fn still_works(person: &Person) {
    person.accept(&[task("alive")]).await;
}

#[tokio::test]
async fn every_malformed_request_has_its_code() {
    let site = Site::start().await;
    let ada = site.person("ada").await;
    let (push, pull, json) = ("/v2/push", "/v2/pull", "application/json");
    let without = |mut body: Value, member: &str| {
        body.as_object_mut().unwrap().remove(member);
        body.to_string()
    };
    let set = |mut body: Value, member: &str, value: Value| {
        body[member] = value;
        body.to_string()
    };
    let (pushed, pulled) = (push_body(&[]), pull_body(None, &["tasks"], 10));
    let many: Vec<String> = (0..=1000).map(|n| format!("t{n}")).collect();
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    let table: Vec<(&str, &str, Vec<u8>, Code)> = vec![
        (push, json, b"".into(), (400, "malformed_json")),
        (push, json, b"{".into(), (400, "malformed_json")),
        (push, json, b"nonsense".into(), (400, "malformed_json")),
        (push, json, b"\xff\xfe{}".into(), (400, "malformed_json")),
        (push, json, b"{\"protocol\":2,\"clientId\":\"\xff\"}".into(), (400, "malformed_json")),
        (push, json, deep.clone().into(), (400, "invalid_request")),
        (push, json, b"[]".into(), (400, "invalid_request")),
        (push, json, b"null".into(), (400, "invalid_request")),
        (push, json, b"<html></html>".into(), (400, "malformed_json")),
        (push, json, without(pushed.clone(), "changes").into(), (400, "invalid_request")),
        (push, json, without(pushed.clone(), "clientId").into(), (400, "invalid_request")),
        (push, json, without(pushed.clone(), "protocol").into(), (400, "invalid_request")),
        (push, json, set(pushed.clone(), "protocol", json!(1)).into(), (400, "unsupported_protocol")),
        (push, json, set(pushed.clone(), "protocol", json!("2")).into(), (400, "invalid_request")),
        (push, json, set(pushed.clone(), "clientId", json!("")).into(), (400, "invalid_request")),
        (push, json, set(pushed.clone(), "changes", json!({})).into(), (400, "invalid_request")),
        (push, json, set(pushed.clone(), "changes", json!(vec![1; 1001])).into(), (413, "too_large")),
        (push, "text/plain", pushed.to_string().into(), (415, "unsupported_media_type")),
        (push, "application/x-www-form-urlencoded", b"a=b".into(), (415, "unsupported_media_type")),
        (pull, json, set(pulled.clone(), "limit", json!(0)).into(), (400, "invalid_request")),
        (pull, json, set(pulled.clone(), "limit", json!(1001)).into(), (400, "invalid_request")),
        (pull, json, set(pulled.clone(), "limit", json!(-1)).into(), (400, "invalid_request")),
        (pull, json, set(pulled.clone(), "apps", json!({ "a b": [] })).into(), (400, "invalid_request")),
        (pull, json, set(pulled.clone(), "apps", json!({ "todo": ["_changeLog"] })).into(), (400, "invalid_request")),
        (pull, json, set(pulled.clone(), "apps", json!({ "todo": many })).into(), (400, "invalid_request")),
        (pull, json, set(pulled.clone(), "cursor", json!(7)).into(), (400, "invalid_request")),
        (pull, json, set(pulled.clone(), "cursor", json!("garbage")).into(), (410, "cursor_expired")),
        (pull, json, set(pulled.clone(), "protocol", json!(3)).into(), (400, "unsupported_protocol")),
        ("/dev/login", json, b"{}".into(), (400, "invalid_request")),
        ("/dev/login", json, json!({ "user": "" }).to_string().into(), (400, "invalid_request")),
        ("/dev/login", json, json!({ "user": "x".repeat(200) }).to_string().into(), (400, "invalid_request")),
        ("/dev/spaces", json, json!({ "name": "", "type": "x" }).to_string().into(), (400, "invalid_request")),
        ("/dev/spaces/%00/members", json, json!({ "userId": "bob" }).to_string().into(), (400, "invalid_request")),
        ("/dev/spaces/%ff/members", json, json!({ "userId": "bob" }).to_string().into(), (400, "invalid_request")),
        ("/dev/spaces/nowhere/members", json, json!({ "userId": "bob" }).to_string().into(), (404, "not_found")),
        ("/v2/nowhere", json, b"{}".into(), (404, "not_found")),
        ("/", json, b"{}".into(), (404, "not_found")),
        ("/health", json, b"{}".into(), (405, "method_not_allowed")),
    ];
    for (path, content_type, body, wanted) in table {
        let shown = String::from_utf8_lossy(&body[..body.len().min(80)]).into_owned();
        let answer = send(&ada, path, content_type, body).await;
        assert_eq!(answer.code(), wanted, "{path} {content_type} {shown}: {}", answer.body);
        assert_eq!((&answer.body["protocol"], answer.body["message"].is_string()), (&json!(2), true));
    }
    for (method, path) in [(Method::GET, "/v2/push"), (Method::PUT, "/v2/pull"), (Method::DELETE, "/dev/login")] {
        assert_eq!(ada.send(method, path, Value::Null).await.code(), (405, "method_not_allowed"));
    }
    still_works(&ada).await;
}

#[tokio::test]
async fn every_malformed_change_is_rejected_alone() {
    let site = Site::start().await;
    let ada = site.person("ada").await;
    let deep = |levels: usize| format!("{}1{}", "[".repeat(levels), "]".repeat(levels));
    let change = |data: &str| {
        let head = r#""app":"todo","table":"tasks","id":"t","op":"insert","at":"2026-01-01T00:00:00Z""#;
        format!(r#"{{"eventId":"{}",{head},"data":{data}}}"#, event())
    };
    let bad = [
        change(&format!(r#"{{"a":{}}}"#, deep(65))),
        change(&format!(r#"{{"a":{}}}"#, deep(128))),
        change(&format!(r#"{{"a":{}}}"#, deep(50_000))),
        change(r#"{"a":1e400}"#),
        change(r#"{"a":"\ud800"}"#),
        change(r#"{"a":"\u0000"}"#),
        change(r#"{"a":{"__proto__":1}}"#),
        change(r#"{"constructor":1}"#),
        change(r#""text""#),
        change("{}").replace("insert", "upsert"),
        change("{}").replace("insert", "withdraw"),
        change("{}").replace(r#""table":"tasks","#, ""),
        change("{}").replace(r#""id":"t","#, ""),
        change("{}").replace(r#""id":"t""#, r#""id":"constructor""#),
    ];
    let good = task("good").to_string();
    let body = format!(
        r#"{{"protocol":2,"clientId":"c","schemaVersion":1,"changes":[{},{good},7,null,"x",{{}}]}}"#,
        bad.join(",")
    );
    let answer = send(&ada, "/v2/push", "application/json", body).await;
    assert_eq!(answer.status.as_u16(), 200, "{}", answer.body);
    assert_eq!(answer.body["accepted"].as_array().unwrap().len(), 1);
    let rejected = answer.body["rejected"].as_array().unwrap();
    assert_eq!(rejected.len(), bad.len() + 1, "what has no id is answered once");
    assert!(rejected.iter().all(|r| r["code"] == "invalid_change"), "{rejected:#?}");
    assert!(bad.iter().all(|text| rejected.iter().any(|r| text.contains(r["eventId"].as_str().unwrap()))));
    assert_eq!(ada.tasks().await, ["good"]);
}

#[tokio::test]
async fn a_schema_newer_than_the_server_takes_is_rejected() {
    let limit = mana_sync_engine::model::AppId::parse("todo").unwrap();
    let site = Site::start_with(|settings| settings.max_schema.extend([(limit, 2)])).await;
    let ada = site.person("ada").await;
    let newer = with(task("t1"), &[("schemaVersion", json!(3))]);
    let answer = ada.push(&[newer, with(task("t2"), &[("schemaVersion", json!(2))])]).await;
    assert_eq!((&answer.body["rejected"][0]["code"], ada.tasks().await), (&json!("schema_too_new"), vec!["t2".into()]));
}

#[tokio::test]
async fn bad_tokens_are_answered_401() {
    let site = Site::start().await;
    let ada = site.person("ada").await;
    let stranger = Site::start().await.person("ada").await.token;
    let tampered = format!("{}AAAA", &ada.token[..ada.token.len() - 4]);
    for token in ["", "x", "a.b.c", &stranger, &tampered] {
        let bad = Person { token: token.to_owned(), ..ada.clone() };
        assert_eq!(bad.push(&[task("t1")]).await.code(), (401, "unauthorized"), "{token}");
        assert_eq!(bad.pull(None, &["tasks"], 1).await.code(), (401, "unauthorized"), "{token}");
        assert_eq!(bad.post("/dev/spaces", json!({})).await.code(), (401, "unauthorized"), "{token}");
    }
    for scheme in ["Basic", "Token", ""] {
        let request =
            ada.http.post(format!("{}/v2/push", ada.url)).header("authorization", format!("{scheme} {}", ada.token));
        assert_eq!(answer(request.json(&push_body(&[]))).await.unwrap().code(), (401, "unauthorized"));
    }
    let cookie = ada.http.post(format!("{}/v2/push", ada.url)).header("cookie", format!("token={}", ada.token));
    assert_eq!(answer(cookie.json(&push_body(&[]))).await.unwrap().code(), (401, "unauthorized"));
    still_works(&ada).await;
}

#[tokio::test]
async fn bodies_over_the_limit_are_answered_413() {
    let site = Site::start().await;
    let ada = site.person("ada").await;
    let large = |bytes: usize| with(task("large"), &[("data", json!({ "text": "x".repeat(bytes) }))]);
    assert_eq!(ada.push(&[large(11 << 20)]).await.code(), (413, "too_large"));
    let one = ada.push(&[large(9 << 20), task("small")]).await;
    assert_eq!(one.body["rejected"][0]["code"], "too_large", "{}", one.body["rejected"]);
    assert_eq!(ada.tasks().await, ["small"]);
    ada.accept(&[large(7 << 20)]).await;
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

async fn encoded(person: &Person, encoding: &str, body: Vec<u8>) -> Answer {
    let request = person.http.post(format!("{}/v2/push", person.url)).bearer_auth(&person.token);
    let request = request.header(CONTENT_TYPE, "application/json").header(CONTENT_ENCODING, encoding);
    answer(request.body(body)).await.expect("an answer")
}

#[tokio::test]
async fn gzipped_bodies_are_read_and_their_limit_counts_what_they_hold() {
    let site = Site::start().await;
    let ada = site.person("ada").await;
    let body = push_body(&[task("t1")]).to_string();
    assert_eq!(encoded(&ada, "gzip", gzip(body.as_bytes())).await.status.as_u16(), 200);
    assert_eq!(ada.tasks().await, ["t1"]);
    let bomb = gzip(&vec![b' '; 200 << 20]);
    assert!(bomb.len() < 1 << 20);
    assert_eq!(encoded(&ada, "gzip", bomb).await.code(), (413, "too_large"));
    assert_eq!(encoded(&ada, "gzip", body.into_bytes()).await.code(), (400, "invalid_request"), "not gzip at all");
    assert_eq!(encoded(&ada, "br", Vec::new()).await.code(), (415, "unsupported_media_type"));
    still_works(&ada).await;
}

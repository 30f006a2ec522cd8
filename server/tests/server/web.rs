//! What browsers ask: health, origins, preflights.

use crate::protocol1::BEGINNING;
use crate::sockets::{Socket, available};
use crate::streams::Stream;
use crate::support::{Site, answer, client, task, task_in, with};
use mana_sync::http::Origins;
use reqwest::{Method, Response};
use serde_json::json;

async fn preflight(url: &str, path: &str, origin: &str) -> Response {
    client()
        .request(Method::OPTIONS, format!("{url}{path}"))
        .header("origin", origin)
        .header("access-control-request-method", "POST")
        .header("access-control-request-headers", "authorization,content-encoding,content-type")
        .send()
        .await
        .unwrap()
}

fn header<'a>(response: &'a Response, name: &str) -> &'a str {
    response.headers().get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
}

#[tokio::test]
async fn health_names_the_protocol_and_is_never_cached() {
    let site = Site::start().await;
    let response = client().get(format!("{}/health", site.url())).send().await.unwrap();
    assert_eq!((response.status().as_u16(), header(&response, "cache-control")), (200, "no-store"));
    let body: serde_json::Value = response.json().await.unwrap();
    assert_eq!((&body["status"], &body["service"], &body["protocol"]), (&"ok".into(), &"mana-sync".into(), &2.into()));
    assert!(body["timestamp"].is_string());
}

#[tokio::test]
async fn pages_of_this_machine_may_use_a_development_server() {
    let site = Site::start().await;
    for origin in ["http://localhost:5173", "http://127.0.0.1:40000"] {
        let allowed = preflight(&site.url(), "/v2/push", origin).await;
        assert_eq!(header(&allowed, "access-control-allow-origin"), origin);
        let headers = header(&allowed, "access-control-allow-headers");
        assert!(["authorization", "content-type", "content-encoding"].iter().all(|name| headers.contains(name)));
    }
    let refused = preflight(&site.url(), "/v2/push", "https://evil.test").await;
    assert_eq!(header(&refused, "access-control-allow-origin"), "");
}

#[tokio::test]
async fn listed_origins_are_taken_exactly_and_answers_vary_by_origin() {
    let site = Site::start_with(|settings| settings.origins = Origins::parse("https://app.example")).await;
    for (origin, allowed) in [
        ("https://app.example", "https://app.example"),
        ("https://app.example.evil.test", ""),
        ("http://app.example", ""),
        ("http://localhost:5173", ""),
        ("null", ""),
    ] {
        let response = preflight(&site.url(), "/v2/pull", origin).await;
        assert_eq!(header(&response, "access-control-allow-origin"), allowed, "{origin}");
        let request = client().post(format!("{}/v2/pull", site.url())).header("origin", origin);
        let response = request.send().await.unwrap();
        assert_eq!(header(&response, "access-control-allow-origin"), allowed, "{origin}, also on errors");
        assert!(header(&response, "vary").contains("origin"));
        assert!(header(&response, "access-control-expose-headers").contains("retry-after"));
        assert_eq!(header(&response, "access-control-allow-credentials"), "");
    }
}

#[tokio::test]
async fn who_watches_over_servers_learns_whether_they_work_and_what_they_did_and_nothing_of_people() {
    let site = Site::start_watched().await;
    let ada = site.person("ada-lovelace").await;
    ada.accept(&[task("t1"), task("t2")]).await;
    ada.push(&[task_in("elsewhere", "t3")]).await;
    assert_eq!(ada.tasks().await.len(), 2);
    ada.post("/no/such/ada-lovelace", json!({})).await;
    let ready = answer(ada.http.get(format!("{}/ready", site.url()))).await.unwrap();
    assert_eq!((ready.status.as_u16(), &ready.body["status"]), (200, &json!("ready")));
    let guess = ada.http.get(format!("{}/metrics", site.url())).bearer_auth("guessing");
    assert_eq!(guess.send().await.unwrap().status(), 401);
    site.counts(&[
        "mana_sync_changes_total{direction=\"accepted\"} 2",
        "mana_sync_changes_total{direction=\"rejected\"} 1",
        "mana_sync_changes_total{direction=\"served\"} 2",
        "mana_sync_connections 0",
        "mana_sync_lag_seconds_count 0",
        "mana_sync_requests_total{route=\"/v2/push\",method=\"POST\",status=\"200\"} 2",
        "mana_sync_requests_total{route=\"none\",method=\"POST\",status=\"404\"} 1",
        "mana_sync_request_duration_seconds_count{route=\"/v2/pull\"} 1",
    ])
    .await;
    let text = site.metrics().await;
    assert!(!text.contains("lovelace") && !text.contains("elsewhere"), "{text}");
}

#[tokio::test]
async fn how_long_connections_of_every_kind_wait_for_news_is_measured() {
    let site = Site::start_watched().await;
    let ada = site.person("ada").await;
    let mut socket = Socket::open(&site, &ada).await;
    let mut stream = Stream::of_tasks(&ada).await;
    let older = format!("{}/sync/todo/stream?collections=tasks&since={BEGINNING}", ada.url);
    let mut older = Stream::of(ada.http.get(older).bearer_auth(&ada.token).send().await.unwrap());
    stream.event().await;
    ada.accept(&[task("t1")]).await;
    assert_eq!(socket.hear().await, available("tasks"));
    stream.brings(&["t1"]).await;
    assert_eq!(older.event().await.name, "changes");
    site.counts(&["mana_sync_lag_seconds_count 3"]).await;
    // What nobody waits for is not measured.
    ada.accept(&[with(task("g1"), &[("app", json!("notes"))])]).await;
    assert_eq!(socket.hear().await["appId"], json!("notes"));
    site.counts(&["mana_sync_lag_seconds_count 4"]).await;
}

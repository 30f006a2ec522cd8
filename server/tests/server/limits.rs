//! What one person may take: requests a minute, bytes of the log, a subscription.

use crate::postgres::{Database, SERVER};
use crate::support::{Answer, Person, Site, answer, push_body, task, task_in, with};
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::routing::get;
use axum::{Json, Router};
use mana_sync::auth::ServiceKey;
use mana_sync::server::Settings;
use serde_json::{Value, json};
use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// A server on SQLite and one on PostgreSQL, with the same settings.
async fn on_both(change: impl Fn(&mut Settings)) -> [Site; 2] {
    let postgres = Database::migrated().await.url(SERVER).await;
    let on_sqlite = Site::start_with(&change).await;
    let on_postgres = Site::start_with(|settings| {
        change(settings);
        settings.postgres_url = Some(postgres);
    });
    [on_sqlite, on_postgres.await]
}

#[tokio::test]
async fn who_asks_too_often_is_told_when_to_come_back_and_others_are_served() {
    let site = Site::start_with(|settings| settings.rate_limit = NonZeroU32::new(5)).await;
    let (ada, bob) = (site.person("ada").await, site.person("bob").await);
    for n in 0..5 {
        ada.accept(&[task(&format!("t{n}"))]).await;
    }
    let (late, pull) = (ada.push(&[task("late")]).await, ada.pull(None, &["tasks"], 9).await);
    assert_eq!((late.code(), pull.code()), ((429, "rate_limited"), (429, "rate_limited")));
    let request = ada.http.post(format!("{}/v2/push", ada.url)).bearer_auth(&ada.token).json(&push_body(&[task("x")]));
    let response = request.send().await.unwrap();
    let wait: u64 = response.headers()["retry-after"].to_str().unwrap().parse().unwrap();
    assert!((1..=12).contains(&wait), "{wait} s: a fifth of a minute for each");
    assert_eq!(bob.tasks().await, Vec::<String>::new());
    // Whose token is not good takes nobody's requests.
    let forged = Person { token: format!("{}x", bob.token), ..bob.clone() };
    for _ in 0..9 {
        assert_eq!(forged.pull(None, &["tasks"], 9).await.code(), (401, "unauthorized"));
    }
    bob.accept(&[task("b1")]).await;
}

/// A task with so many bytes in one field.
fn large(id: &str, bytes: usize) -> Value {
    let mut change = task(id);
    change["data"]["text"] = json!("x".repeat(bytes));
    change
}

#[tokio::test]
async fn a_push_over_the_quota_is_refused_whole_and_leaves_nothing() {
    for site in on_both(|settings| settings.storage_quota = Some(10_000)).await {
        let (ada, bob) = (site.person("ada").await, site.person("bob").await);
        let first = large("t1", 6_000);
        ada.accept(std::slice::from_ref(&first)).await;
        let over = ada.push(&[task("small"), large("t2", 6_000)]).await;
        assert_eq!(over.code(), (403, "storage_quota_exceeded"), "{}", over.body);
        assert_eq!(ada.tasks().await, ["t1"], "the small one went with it");
        ada.accept(&[first]).await;
        // What was refused was not counted, so there is room for less.
        ada.accept(&[large("t3", 2_000)]).await;
        assert_eq!(ada.push(&[large("t4", 2_000)]).await.code(), (403, "storage_quota_exceeded"));
        bob.accept(&[large("b1", 6_000)]).await;
        // An invalid change is refused as such, and costs nothing.
        let invalid = with(task("t5"), &[("table", json!("_nope"))]);
        assert_eq!(ada.push(&[invalid]).await.body["rejected"][0]["code"], "invalid_change");
    }
}

#[tokio::test]
async fn what_is_withheld_for_older_clients_counts_too() {
    for site in on_both(|settings| settings.storage_quota = Some(10_000)).await {
        let ada = site.person("ada").await;
        let odd = |id: &str| {
            json!({ "clientId": "old", "changes": [{ "table": "tasks", "id": id, "op": "insert",
            "data": { "id": id, "text": format!("\u{0}{}", "x".repeat(6_000)) } }] })
        };
        assert_eq!(ada.post("/sync/todo", odd("t1")).await.status, StatusCode::OK);
        let url = format!("{}/sync/todo", ada.url);
        let over = ada.http.post(url).bearer_auth(&ada.token).json(&odd("t2")).send().await.unwrap();
        assert_eq!(over.status(), StatusCode::FORBIDDEN);
    }
}

#[tokio::test]
async fn what_somebody_writes_counts_for_them_in_every_space_and_for_nobody_else() {
    for site in on_both(|settings| settings.storage_quota = Some(10_000)).await {
        let (ada, bob) = (site.person("ada").await, site.person("bob").await);
        let space = ada.create_space("family").await;
        ada.add_member(&space, "bob", "member").await;
        let shared = |id: &str| {
            let mut change = task_in(&space, id);
            change["data"]["text"] = json!("x".repeat(6_000));
            change
        };
        ada.accept(&[shared("t1")]).await;
        assert_eq!(ada.push(&[large("t2", 6_000)]).await.code(), (403, "storage_quota_exceeded"));
        bob.accept(&[shared("t3")]).await;
        assert_eq!(ada.tasks().await, ["t1", "t3"], "who is over the quota reads on");
    }
}

#[tokio::test]
async fn two_pushes_at_once_do_not_get_past_the_quota_together() {
    for site in on_both(|settings| settings.storage_quota = Some(10_000)).await {
        let ada = site.person("ada").await;
        let space = ada.create_space("family").await;
        let pushes = (0..8).map(|n| {
            let (ada, space) = (ada.clone(), space.clone());
            tokio::spawn(async move {
                let change = if n % 2 == 0 { task(&format!("t{n}")) } else { task_in(&space, &format!("t{n}")) };
                let text = json!("x".repeat(3_000));
                let data = json!({ "id": change["id"], "text": text });
                ada.push(&[with(change, &[("data", data)])]).await
            })
        });
        let mut taken = 0;
        for push in pushes.collect::<Vec<_>>() {
            taken += usize::from(push.await.unwrap().status == StatusCode::OK);
        }
        assert_eq!((taken, ada.tasks().await.len()), (3, 3));
    }
}

/// A service that knows subscriptions: ada's is active, bob's is not, of others it says something else.
struct Credits {
    url: String,
    asked: Arc<AtomicUsize>,
}

impl Credits {
    async fn start() -> Self {
        async fn status(
            State(asked): State<Arc<AtomicUsize>>,
            Path(user): Path<String>,
            headers: HeaderMap,
        ) -> (StatusCode, Json<Value>) {
            asked.fetch_add(1, Ordering::Relaxed);
            assert_eq!(headers["x-service-key"], "between services");
            match user.as_str() {
                "ada" => (StatusCode::OK, Json(json!({ "active": true }))),
                "bob" => (StatusCode::OK, Json(json!({ "active": false, "plan": "none" }))),
                "odd" => (StatusCode::OK, Json(json!({ "active": "no" }))),
                _ => (StatusCode::INTERNAL_SERVER_ERROR, Json(json!({ "active": false }))),
            }
        }
        let asked = Arc::new(AtomicUsize::new(0));
        let route = Router::new().route("/api/v1/internal/sync/status/{id}", get(status)).with_state(asked.clone());
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, route).await });
        Self { url, asked }
    }
}

async fn site_with_credits(url: &str) -> Site {
    Site::start_with(|settings| {
        settings.subscriptions = Some(url.parse().unwrap());
        settings.service_key = ServiceKey::new("between services");
    })
    .await
}

async fn pull(site: &Site, name: &str) -> Answer {
    site.person(name).await.pull(None, &["tasks"], 9).await
}

#[tokio::test]
async fn whose_subscription_is_inactive_pays_first_and_everybody_else_syncs() {
    let credits = Credits::start().await;
    let site = site_with_credits(&credits.url).await;
    let ada = site.person("ada").await;
    ada.accept(&[task("t1")]).await;
    assert_eq!(ada.tasks().await, ["t1"]);
    assert_eq!(credits.asked.load(Ordering::Relaxed), 1, "an answer is used again");
    let bob = site.person("bob").await;
    assert_eq!(bob.push(&[task("b1")]).await.code(), (402, "subscription_inactive"));
    assert_eq!(bob.pull(None, &["tasks"], 9).await.code(), (402, "subscription_inactive"));
    let older = bob.post("/sync/todo", json!({ "changes": [] })).await;
    assert_eq!((older.status, &older.body["error"]), (StatusCode::PAYMENT_REQUIRED, &json!("sync_inactive")));
    // Nothing is concluded from an answer that is none.
    for name in ["odd", "broken", "..", "a/../bob"] {
        assert_eq!(pull(&site, name).await.status, StatusCode::OK, "{name}");
    }
    let health = answer(ada.http.get(format!("{}/health", ada.url))).await.unwrap();
    assert_eq!(health.status, StatusCode::OK);
}

#[tokio::test]
async fn a_service_that_cannot_be_reached_keeps_nobody_from_their_data() {
    // A port on which nobody listens any more.
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let site = site_with_credits(&url).await;
    assert_eq!(pull(&site, "bob").await.status, StatusCode::OK);
}

//! A running server, people who use it, and changes for them to push.

use mana_sync::auth::ServiceKey;
use mana_sync::server::{Server, Settings};
use mana_sync_engine::model::EventId;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tempfile::TempDir;

/// A server with a database in a folder that goes with it.
pub struct Site {
    pub server: Server,
    pub folder: TempDir,
}

impl Site {
    pub async fn start() -> Self {
        Self::start_with(|_| {}).await
    }

    pub async fn start_with(change: impl FnOnce(&mut Settings)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut settings = Settings::dev(database_url(&folder));
        change(&mut settings);
        Self { server: Server::start(settings).await.unwrap(), folder }
    }

    /// A server that is [`watch`]ed.
    pub async fn start_watched() -> Self {
        Self::start_with(watch).await
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.server.address())
    }

    /// What a server that is [`watch`]ed has counted.
    pub async fn metrics(&self) -> String {
        let request = client().get(format!("{}/metrics", self.url())).bearer_auth(WATCHING);
        request.send().await.unwrap().error_for_status().unwrap().text().await.unwrap()
    }

    /// Waits until it has counted exactly this: some things are counted after somebody has heard of them.
    pub async fn counts(&self, lines: &[&str]) {
        let mut text = String::new();
        let reached = async {
            loop {
                text = self.metrics().await;
                if lines.iter().all(|line| text.lines().any(|found| found == *line)) {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        let reached = tokio::time::timeout(PATIENCE, reached).await;
        assert!(reached.is_ok(), "{lines:?} in\n{text}");
    }

    pub async fn person(&self, name: &str) -> Person {
        Person::sign_in(&self.url(), name).await
    }

    /// Ends the server and starts another one on the same database, after `meanwhile`.
    pub async fn restart(self, meanwhile: impl FnOnce(&PathBuf)) -> Self {
        self.server.stop().await;
        meanwhile(&self.folder.path().join(DATABASE));
        let server = Server::start(Settings::dev(database_url(&self.folder))).await.unwrap();
        Self { server, folder: self.folder }
    }
}

pub const DATABASE: &str = "log.db";
/// The key of who watches over a server.
pub const WATCHING: &str = "watching";
/// Longest wait before a test fails; no test waits for it to pass.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// Lets a server be asked for its metrics.
pub fn watch(settings: &mut Settings) {
    settings.service_key = ServiceKey::new(WATCHING);
}

pub fn database_url(folder: &TempDir) -> String {
    format!("sqlite://{}", folder.path().join(DATABASE).display())
}

/// Somebody who is signed in.
#[derive(Clone)]
pub struct Person {
    pub http: reqwest::Client,
    pub url: String,
    pub token: String,
}

/// An answer: its status and its body, which is always JSON.
#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub body: Value,
}

impl Answer {
    pub fn code(&self) -> (u16, &str) {
        (self.status.as_u16(), self.body["code"].as_str().unwrap_or_default())
    }
}

impl Person {
    pub async fn sign_in(url: &str, name: &str) -> Self {
        Self::sign_in_for(url, name, None).await
    }

    pub async fn sign_in_for(url: &str, name: &str, seconds: Option<u64>) -> Self {
        let mut person = Self { http: client(), url: url.to_owned(), token: String::new() };
        let login = person.post("/dev/login", json!({ "user": name, "expiresIn": seconds })).await;
        assert_eq!(login.status, StatusCode::OK, "{}", login.body);
        login.body["token"].as_str().unwrap().clone_into(&mut person.token);
        person
    }

    pub async fn post(&self, path: &str, body: Value) -> Answer {
        self.send(Method::POST, path, body).await
    }

    pub async fn send(&self, method: Method, path: &str, body: Value) -> Answer {
        let request = self.http.request(method, format!("{}{path}", self.url)).bearer_auth(&self.token).json(&body);
        answer(request).await.expect("an answer")
    }

    pub async fn push(&self, changes: &[Value]) -> Answer {
        self.post("/v2/push", push_body(changes)).await
    }

    /// Pushes changes that must all be accepted.
    pub async fn accept(&self, changes: &[Value]) {
        let answer = self.push(changes).await;
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
        assert_eq!(answer.body["rejected"], json!([]));
        assert_eq!(answer.body["accepted"].as_array().map(Vec::len), Some(changes.len()));
    }

    pub async fn pull(&self, cursor: Option<&str>, tables: &[&str], limit: usize) -> Answer {
        self.post("/v2/pull", pull_body(cursor, tables, limit)).await
    }

    /// Pulls pages until there are no more: all changes, and the last cursor.
    pub async fn read_on(&self, mut cursor: Option<String>, tables: &[&str], limit: usize) -> (Vec<Value>, String) {
        let mut changes = Vec::new();
        loop {
            let answer = self.pull(cursor.as_deref(), tables, limit).await;
            assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
            changes.extend(answer.body["changes"].as_array().unwrap().iter().cloned());
            let next = answer.body["cursor"].as_str().unwrap().to_owned();
            if answer.body["hasMore"] == json!(false) {
                return (changes, next);
            }
            cursor = Some(next);
        }
    }

    /// The ids of all `todo/tasks` this person may read, in the order they came.
    pub async fn tasks(&self) -> Vec<String> {
        ids(&self.read_on(None, &["tasks"], 1000).await.0)
    }

    /// A new shared space of this person's.
    pub async fn create_space(&self, kind: &str) -> String {
        let answer = self.post("/dev/spaces", json!({ "name": "Home", "type": kind })).await;
        assert_eq!(answer.status, StatusCode::CREATED, "{}", answer.body);
        answer.body["id"].as_str().unwrap().to_owned()
    }

    pub async fn add_member(&self, space: &str, user: &str, role: &str) {
        let answer = self.post(&format!("/dev/spaces/{space}/members"), json!({ "userId": user, "role": role })).await;
        assert_eq!(answer.status, StatusCode::NO_CONTENT, "{}", answer.body);
    }
}

/// A client for requests of a test's own.
pub fn client() -> reqwest::Client {
    mana_sync::upstream::install_tls();
    reqwest::Client::new()
}

/// Sends a request; an error is one of the connection.
pub async fn answer(request: reqwest::RequestBuilder) -> Result<Answer, reqwest::Error> {
    let response = request.send().await?;
    let status = response.status();
    let text = response.text().await?;
    let body = if text.is_empty() { Value::Null } else { serde_json::from_str(&text).expect("JSON") };
    Ok(Answer { status, body })
}

pub fn push_body(changes: &[Value]) -> Value {
    json!({ "protocol": 2, "clientId": "install.session", "schemaVersion": 1, "changes": changes })
}

pub fn pull_body(cursor: Option<&str>, tables: &[&str], limit: usize) -> Value {
    let mut body = json!({ "protocol": 2, "clientId": "install.session", "apps": { "todo": tables }, "limit": limit });
    if let Some(cursor) = cursor {
        body["cursor"] = json!(cursor);
    }
    body
}

pub fn ids(changes: &[Value]) -> Vec<String> {
    changes.iter().map(|change| change["id"].as_str().unwrap().to_owned()).collect()
}

/// A fresh event id.
pub fn event() -> EventId {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    let mut random = [0; 10];
    random[2..].copy_from_slice(&NEXT.fetch_add(1, Ordering::Relaxed).to_be_bytes());
    EventId::from_parts(1_767_000_000_000, &random)
}

/// A task of one's own.
pub fn task(id: &str) -> Value {
    json!({ "eventId": event(), "app": "todo", "schemaVersion": 1, "table": "tasks", "id": id, "op": "insert",
        "at": "2026-01-01T00:00:00.000000Z", "data": { "id": id, "title": format!("Task {id}") } })
}

/// A task in a space.
pub fn task_in(space: &str, id: &str) -> Value {
    let mut change = task(id);
    change["spaceId"] = json!(space);
    change["data"]["spaceId"] = json!(space);
    change
}

/// `change` with other members and an event id of its own.
pub fn with(mut change: Value, members: &[(&str, Value)]) -> Value {
    change["eventId"] = json!(event());
    for (name, value) in members {
        change[*name] = value.clone();
    }
    change
}

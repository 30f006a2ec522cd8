//! People who are signed in, and what they push and pull: records of some 600 bytes and 12 fields.

use mana_sync_engine::model::EventId;
use reqwest::{Client, RequestBuilder};
use serde_json::{Value, json};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::time::Instant;

/// Changes of a push that is measured.
pub const CHANGES: usize = 10;
/// Changes of a page that is measured.
pub const PAGE: usize = 1000;
/// Whose pages are read.
const READERS: usize = 20;

#[derive(Clone)]
pub struct Person {
    pub name: String,
    pub token: String,
    pub url: String,
    pub http: Client,
}

pub struct People {
    everybody: Vec<Person>,
    next: AtomicU64,
}

impl People {
    pub async fn sign_in(url: &str, count: usize) -> Self {
        mana_sync::upstream::install_tls();
        let http = Client::new();
        let mut everybody = Vec::new();
        for n in 0..count {
            everybody.push(Person::sign_in(url, &http, format!("person{n}")).await);
        }
        Self { everybody, next: AtomicU64::new(0) }
    }

    /// Another person each time, in an order without pattern.
    pub fn any(&self) -> &Person {
        self.among(self.everybody.len())
    }

    /// One of those who have a page to read.
    pub fn reader(&self) -> &Person {
        self.among(READERS.min(self.everybody.len()))
    }

    fn among(&self, count: usize) -> &Person {
        let n = self.next.fetch_add(1, Ordering::Relaxed).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 33;
        &self.everybody[usize::try_from(n).unwrap_or_default() % count]
    }

    pub fn all(&self) -> &[Person] {
        &self.everybody
    }

    /// Somebody who has nothing yet.
    pub async fn newcomer(&self, name: &str) -> Person {
        let Person { url, http, .. } = &self.everybody[0];
        Person::sign_in(url, http, name.to_owned()).await
    }

    /// Gives readers a page.
    pub async fn fill_pages(&self) {
        for person in self.everybody.iter().take(READERS) {
            person.store(PAGE).await;
        }
    }
}

impl Person {
    async fn sign_in(url: &str, http: &Client, name: String) -> Self {
        let login = http.post(format!("{url}/dev/login")).json(&json!({ "user": name }));
        let answer: Value = login.send().await.expect("an answer").json().await.expect("JSON");
        let token = answer["token"].as_str().expect("a token").to_owned();
        Self { name, token, url: url.to_owned(), http: http.clone() }
    }

    /// The person on a connection of their own.
    pub fn on(&self, http: &Client) -> Self {
        Self { http: http.clone(), ..self.clone() }
    }

    pub async fn push(&self, count: usize) {
        let changes: Vec<Value> = (0..count).map(|_| record(&self.name)).collect();
        let body = json!({ "protocol": 2, "clientId": "load.load", "schemaVersion": 1, "changes": changes });
        let answer = self.ask(self.http.post(format!("{}/v2/push", self.url)).json(&body)).await;
        assert_eq!(answer["accepted"].as_array().map(Vec::len), Some(count), "{answer}");
    }

    pub async fn health(&self) {
        let response = self.http.get(format!("{}/health", self.url)).send().await.expect("an answer");
        response.bytes().await.expect("a body");
    }

    /// One page from a cursor: its rows and where the next one begins. The page is not parsed but for its end:
    /// what a client does with it is measured elsewhere.
    pub async fn page(&self, cursor: Option<&str>) -> (usize, Option<String>) {
        let body = json!({ "protocol": 2, "clientId": "load.load", "apps": { "todo": ["tasks"] }, "limit": PAGE, "cursor": cursor });
        let request = self.http.post(format!("{}/v2/pull", self.url)).bearer_auth(&self.token).json(&body);
        let response = request.send().await.expect("an answer");
        assert_eq!(response.status(), 200);
        let text = response.text().await.expect("a body");
        let rows = text.matches("\"eventId\"").count();
        let cursor = text
            .split_once("\"cursor\":\"")
            .and_then(|(_, rest)| rest.split_once('"'))
            .map(|(text, _)| text.to_owned());
        (rows, cursor.filter(|_| text.contains("\"hasMore\":true")))
    }

    /// Stores so many records, in pushes as large as they may be.
    pub async fn store(&self, count: usize) {
        let mut left = count;
        while left > 0 {
            let now = left.min(1000);
            self.push(now).await;
            left -= now;
        }
    }

    /// Reads everything; how much it was, and how long each page took.
    pub async fn read_all(&self) -> (usize, Vec<Duration>) {
        let (mut read, mut pages, mut cursor) = (0, Vec::new(), None);
        loop {
            let began = Instant::now();
            let (rows, next) = self.page(cursor.as_deref()).await;
            pages.push(began.elapsed());
            read += rows;
            match next {
                Some(next) => cursor = Some(next),
                None => return (read, pages),
            }
        }
    }

    async fn ask(&self, request: RequestBuilder) -> Value {
        let response = request.bearer_auth(&self.token).send().await.expect("an answer");
        assert_eq!(response.status(), 200);
        response.json().await.expect("JSON")
    }
}

/// A number that was not given before.
pub fn fresh() -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    NEXT.fetch_add(1, Ordering::Relaxed)
}

fn record(owner: &str) -> Value {
    let n = fresh();
    let mut random = [0; 10];
    random[2..].copy_from_slice(&n.to_be_bytes());
    let (event, id) = (EventId::from_parts(1_767_000_000_000, &random), format!("{owner}-{n}"));
    json!({ "eventId": event, "app": "todo", "schemaVersion": 1, "table": "tasks", "id": id, "op": "insert",
        "at": "2026-01-01T00:00:00.000000Z", "data": data(&id, n) })
}

/// What a record holds.
pub fn data(id: &str, n: u64) -> Value {
    json!({ "id": id, "title": format!("Task number {n} of somebody"), "notes": "Long enough for a line or two. ".repeat(8),
        "project": "home", "state": "open", "dueDate": "2026-03-01", "doneAt": null, "priority": n % 5, "estimate": 1.5,
        "labels": ["one", "two", "three"], "place": "kitchen", "createdBy": "a person with a name" })
}

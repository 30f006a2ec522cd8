//! `/v2/stream`: what comes, and to whom.

mod ending;
mod resuming;

use crate::support::{PATIENCE, Person, Site, ids, pull_body, task, task_in, with};
use mana_sync::http::Origins;
use reqwest::{Method, Response};
use serde_json::{Value, json};
use std::time::Duration;

/// A stream as a client reads it.
pub struct Stream {
    response: Response,
    text: String,
}

/// One event: its name, its id and its data.
#[derive(Debug, Default)]
pub struct Event {
    pub name: String,
    pub id: String,
    pub data: Value,
}

impl Event {
    fn parse(block: &str) -> Self {
        let mut event = Self::default();
        for line in block.lines() {
            let (field, value) = line.split_once(": ").unwrap_or((line, ""));
            match field {
                "event" => value.clone_into(&mut event.name),
                "id" => value.clone_into(&mut event.id),
                "data" => event.data = serde_json::from_str(value).expect("JSON"),
                other => panic!("the field {other} is not expected"),
            }
        }
        event
    }

    pub fn changes(&self) -> Vec<Value> {
        assert_eq!(self.name, "changes", "{self:?}");
        assert_eq!(self.data["cursor"].as_str(), Some(&*self.id));
        self.data["changes"].as_array().expect("changes").clone()
    }

    fn tasks(&self) -> Vec<String> {
        ids(&self.changes())
    }

    fn code(&self) -> (&str, &str) {
        (&self.name, self.data["code"].as_str().unwrap_or_default())
    }
}

impl Stream {
    pub async fn open(person: &Person, query: &str) -> Self {
        Self::of(request(person, query).send().await.expect("an answer"))
    }

    /// All tasks, from the beginning.
    pub async fn of_tasks(person: &Person) -> Self {
        Self::open(person, "apps=todo/tasks").await
    }

    pub fn of(response: Response) -> Self {
        assert_eq!(response.status(), 200);
        Self { response, text: String::new() }
    }

    /// The next event, or nothing once the server has ended the stream as it should.
    pub async fn next(&mut self) -> Option<Event> {
        loop {
            if let Some((block, rest)) = self.text.split_once("\n\n") {
                let event = Event::parse(block);
                self.text = self.text.split_off(self.text.len() - rest.len());
                return Some(event);
            }
            let chunk = tokio::time::timeout(PATIENCE, self.response.chunk()).await.expect("an event in time");
            let Some(bytes) = chunk.expect("a stream that is not cut off") else {
                assert_eq!(self.text, "", "half an event");
                return None;
            };
            self.text.push_str(std::str::from_utf8(&bytes).expect("UTF-8"));
        }
    }

    /// The next event that is no heartbeat.
    pub async fn event(&mut self) -> Event {
        loop {
            let event = self.next().await.expect("an event");
            if event.name != "heartbeat" {
                return event;
            }
        }
    }

    /// Reads on until these tasks have come, which must be in this order and nothing else.
    pub async fn brings(&mut self, wanted: &[&str]) {
        let mut found = Vec::new();
        while found.len() < wanted.len() {
            found.extend(self.event().await.tasks());
        }
        assert_eq!(found, wanted);
    }

    async fn ends_with(&mut self, code: &str) {
        assert_eq!(self.event().await.code(), ("end", code));
        assert!(self.next().await.is_none(), "and nothing after it");
    }
}

pub fn request(person: &Person, query: &str) -> reqwest::RequestBuilder {
    person.http.get(format!("{}/v2/stream?{query}", person.url)).bearer_auth(&person.token)
}

pub async fn refusal(request: reqwest::RequestBuilder) -> (u16, String) {
    let answer = crate::support::answer(request).await.expect("an answer");
    (answer.status.as_u16(), answer.body["code"].as_str().unwrap_or_default().to_owned())
}

pub async fn has_connections(site: &Site, wanted: usize) {
    let reached = async {
        while site.server.connections() != wanted {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let reached = tokio::time::timeout(PATIENCE, reached).await;
    assert!(reached.is_ok(), "{} are open, not {wanted}", site.server.connections());
}

#[tokio::test]
async fn a_stream_brings_what_there_is_and_then_what_comes() {
    let site = Site::start().await;
    let ada = site.person("ada").await;
    ada.accept(&[task("t1"), with(task("g1"), &[("table", json!("tags"))])]).await;
    let mut stream = Stream::of_tasks(&ada).await;
    let header = |name| stream.response.headers()[name].to_str().unwrap().to_owned();
    let headers = ["content-type", "cache-control", "x-accel-buffering"].map(header);
    assert_eq!(headers, ["text/event-stream", "no-store", "no"]);
    let first = stream.event().await;
    assert_eq!(
        (first.tasks(), &first.data["hasMore"], &first.data["protocol"]),
        (vec!["t1".into()], &json!(false), &json!(2))
    );
    ada.accept(&[with(task("g2"), &[("table", json!("tags"))]), task("t2")]).await;
    stream.brings(&["t2"]).await;
    let mut empty = Stream::of_tasks(&site.person("bob").await).await;
    assert_eq!(empty.event().await.changes(), Vec::<Value>::new(), "who has nothing learns that at once");
}

#[tokio::test]
async fn the_post_twin_takes_the_body_of_a_pull() {
    let site = Site::start().await;
    let ada = site.person("ada").await;
    ada.accept(&[task("t1"), task("t2"), task("t3")]).await;
    let cursor = ada.pull(None, &["tasks"], 1).await.body["cursor"].as_str().unwrap().to_owned();
    let body = pull_body(Some(&cursor), &["tasks"], 1);
    let request = ada.http.post(format!("{}/v2/stream", ada.url)).bearer_auth(&ada.token).json(&body);
    let mut stream = Stream::of(request.send().await.unwrap());
    assert_eq!((stream.event().await.tasks(), stream.event().await.tasks()), (vec!["t2".into()], vec!["t3".into()]));
}

#[tokio::test]
async fn a_request_that_is_none_is_refused_like_any_other() {
    let site = Site::start_with(|settings| settings.origins = Origins::parse("https://app.example")).await;
    let ada = site.person("ada").await;
    let nobody = Person { token: "a.b.c".to_owned(), ..ada.clone() };
    assert_eq!(refusal(request(&nobody, "apps=todo/tasks")).await, (401, "unauthorized".to_owned()));
    for query in ["", "apps=", "apps=todo", "apps=todo/tasks&limit=0", "apps=todo/tasks&limit=1001", "apps=todo/_x"] {
        assert_eq!(refusal(request(&ada, query)).await, (400, "invalid_request".to_owned()), "{query}");
    }
    for origin in ["https://app.example.evil.test", "null", "http://app.example"] {
        let request = request(&ada, "apps=todo/tasks").header("origin", origin);
        assert_eq!(refusal(request).await, (403, "forbidden".to_owned()), "{origin}");
    }
    let allowed = request(&ada, "apps=todo/tasks").header("origin", "https://app.example").send().await.unwrap();
    assert_eq!(allowed.headers()["access-control-allow-origin"], "https://app.example");
    let preflight = ada.http.request(Method::OPTIONS, format!("{}/v2/stream", ada.url));
    let preflight = preflight.header("origin", "https://app.example").header("access-control-request-method", "GET");
    let preflight = preflight.header("access-control-request-headers", "authorization,last-event-id");
    let allowed =
        preflight.send().await.unwrap().headers()["access-control-allow-headers"].to_str().unwrap().to_owned();
    assert!(allowed.contains("last-event-id"), "{allowed}");
}

#[tokio::test]
async fn who_joins_a_space_gets_its_history_and_who_leaves_gets_no_further_row() {
    let site = Site::start().await;
    let (ada, bob) = (site.person("ada").await, site.person("bob").await);
    let space = ada.create_space("family").await;
    ada.accept(&[task_in(&space, "t1"), task_in(&space, "t2")]).await;
    let mut stream = Stream::of_tasks(&bob).await;
    assert_eq!(stream.event().await.data["spaces"], json!([]));
    ada.add_member(&space, "bob", "member").await;
    let joined = stream.event().await;
    assert_eq!((joined.tasks(), &joined.data["spaces"][0]["id"]), (vec!["t1".into(), "t2".into()], &json!(space)));
    ada.accept(&[task_in(&space, "t3")]).await;
    stream.brings(&["t3"]).await;
    ada.send(Method::DELETE, &format!("/dev/spaces/{space}/members"), json!({ "userId": "bob" })).await;
    let left = stream.event().await;
    assert_eq!((left.tasks(), &left.data["spaces"]), (Vec::new(), &json!([])));
    ada.accept(&[task_in(&space, "t4")]).await;
    bob.accept(&[task("own")]).await;
    stream.brings(&["own"]).await;
}

#[tokio::test]
async fn a_private_row_comes_to_its_author_alone() {
    let site = Site::start().await;
    let (ada, bob) = (site.person("ada").await, site.person("bob").await);
    let space = ada.create_space("family").await;
    ada.add_member(&space, "bob", "member").await;
    let (mut of_ada, mut of_bob) = (Stream::of_tasks(&ada).await, Stream::of_tasks(&bob).await);
    of_ada.event().await;
    of_bob.event().await;
    ada.accept(&[with(task_in(&space, "secret"), &[("visibility", json!("private"))])]).await;
    of_ada.brings(&["secret"]).await;
    ada.accept(&[task_in(&space, "shared")]).await;
    of_ada.brings(&["shared"]).await;
    of_bob.brings(&["shared"]).await;
}

#[tokio::test]
async fn a_stream_without_news_says_that_it_is_there() {
    let site = Site::start_with(|settings| settings.live.heartbeat = Duration::from_millis(20)).await;
    let ada = site.person("ada").await;
    let mut stream = Stream::of_tasks(&ada).await;
    assert_eq!(stream.next().await.unwrap().name, "changes");
    for _ in 0..3 {
        let heartbeat = stream.next().await.unwrap();
        assert_eq!((&*heartbeat.name, &*heartbeat.id, heartbeat.data), ("heartbeat", "", json!({})));
    }
    ada.accept(&[task("t1")]).await;
    stream.brings(&["t1"]).await;
}

//! What was recorded of the server before this one, said again: every request is answered in the same shape.

use crate::streams::Stream;
use crate::support::{Person, Site};
use mana_sync::http::Origins;
use reqwest::Method;
use serde_json::{Value, json};

const RECORDED: &str = include_str!("exchanges.json");

/// A server with the people and the space of the recording.
struct World {
    site: Site,
    ada: Person,
    exchanges: Vec<Value>,
}

impl World {
    async fn new() -> Self {
        let site = Site::start_with(|settings| {
            settings.origins = Origins::parse("http://localhost:5173");
            settings.max_schema.insert("todo".to_owned().try_into().unwrap(), 1);
        })
        .await;
        let ada = site.person("ada").await;
        let space = ada.create_space("family").await;
        for other in ["bob", "mallory"] {
            ada.add_member(&space, other, "member").await;
        }
        let exchanges = serde_json::from_str(&RECORDED.replace("space-family", &space)).unwrap();
        Self { site, ada, exchanges }
    }

    fn named(&self, name: &str) -> &Value {
        self.exchanges.iter().find(|exchange| exchange["name"] == name).expect("a recording")
    }

    /// Sends a recorded request: the answer's status, type and text.
    async fn send(&self, request: &Value) -> (u16, String, String) {
        let method = if request["method"] == "POST" { Method::POST } else { Method::GET };
        let mut sent = self.ada.http.request(method, format!("{}{}", self.ada.url, request["path"].as_str().unwrap()));
        sent = sent.header("x-client-id", request["clientId"].as_str().unwrap());
        match request["user"].as_str() {
            Some(user) => sent = sent.bearer_auth(self.site.person(user).await.token),
            None if request["path"].as_str().unwrap().ends_with("since=x") => sent = sent.bearer_auth("bad"),
            None => {}
        }
        sent = match &request["body"] {
            Value::Null => sent,
            Value::String(text) if text.contains("10.5 MB") => {
                sent.body(format!("{{\"changes\":[],\"padding\":\"{}\"}}", "x".repeat(10_500_000)))
            }
            Value::String(text) => sent.body(text.clone()),
            body => sent.json(body),
        };
        let response = sent.send().await.expect("an answer");
        let content = response.headers()["content-type"].to_str().unwrap().to_owned();
        (response.status().as_u16(), content, response.text().await.unwrap())
    }

    /// Sends a recorded request and compares the answers.
    async fn replay(&self, exchange: &Value) {
        let (name, recorded) = (&exchange["name"], &exchange["response"]);
        let (status, content, text) = self.send(&exchange["request"]).await;
        assert_eq!(u64::from(status), recorded["status"].as_u64().unwrap(), "{name}: {text}");
        assert_eq!(json!(content), recorded["contentType"], "{name}");
        match &recorded["body"] {
            // Of a sentence what comes before the details; those of JSON and of tokens are another library's.
            Value::String(sentence) if sentence.contains(": ") => {
                assert_eq!(text.split_once(": ").unwrap().0, sentence.split_once(": ").unwrap().0, "{name}");
            }
            Value::String(sentence) => assert_eq!(&text, sentence, "{name}"),
            body => assert_eq!(shape(serde_json::from_str(&text).unwrap()), shape(body.clone()), "{name}"),
        }
    }
}

/// An answer without what differs each time. A push that was sent twice under one id is stored once, and what says nothing of
/// its origin is the user's: these two are repairs.
fn shape(mut body: Value) -> Value {
    if body["syncedUntil"].is_string() {
        body["syncedUntil"] = json!("a time");
    }
    for name in ["serverChanges", "changes"] {
        let Some(changes) = body[name].as_array_mut() else { continue };
        for change in changes.iter_mut().filter_map(Value::as_object_mut) {
            if change.contains_key("eventId") {
                change.insert("eventId".to_owned(), json!("an id"));
            }
            change.entry("origin").or_insert_with(|| json!("user"));
        }
        changes.dedup();
    }
    body
}

#[tokio::test]
async fn every_recorded_request_is_answered_in_the_same_shape() {
    let world = World::new().await;
    let mut replayed = 0;
    for exchange in &world.exchanges {
        let name = exchange["name"].as_str().unwrap();
        if !exchange["request"]["method"].is_string() || ["health", "push while a stream is open"].contains(&name) {
            continue;
        }
        if name == "push while a socket is open" {
            stream(&world).await;
        }
        world.replay(exchange).await;
        replayed += 1;
    }
    assert_eq!(replayed, 20, "all of them but two, which have tests of their own");
}

/// The recorded stream: a backlog of two tables, then what another client pushes.
async fn stream(world: &World) {
    let recorded = world.named("stream: backlog, then one live change")["response"]["rawText"].as_str().unwrap();
    let url = format!("{}/sync/todo/stream?collections=tasks,projects&since=1970-01-01T00:00:00.000Z", world.ada.url);
    let request = world.ada.http.get(url).bearer_auth(&world.ada.token).header("x-client-id", "client-b");
    let mut stream = Stream::of(request.send().await.unwrap());
    let mut wanted: Vec<Value> = recorded
        .split("\n\n")
        .filter(|block| !block.is_empty())
        .map(|block| shape(serde_json::from_str(block.split_once("data: ").unwrap().1).unwrap()))
        .collect();
    let mut backlog = [shape(stream.event().await.data), shape(stream.event().await.data)];
    // Tables come in any order.
    backlog.sort_by_key(|page| page["table"] != "tasks");
    assert_eq!(backlog.as_slice(), &wanted[..2]);
    world.replay(world.named("push while a stream is open")).await;
    assert_eq!(shape(stream.event().await.data), wanted.remove(2));
}

#[tokio::test]
async fn pages_of_listed_origins_get_past_the_preflight() {
    let world = World::new().await;
    let preflight = async |headers: &str| {
        let request = world.ada.http.request(Method::OPTIONS, format!("{}/sync/todo", world.ada.url));
        let request = request.header("origin", "http://localhost:5173").header("access-control-request-method", "POST");
        request.header("access-control-request-headers", headers).send().await.unwrap().headers().clone()
    };
    let recorded = &world.named("CORS preflight")["response"]["headers"];
    let answered = preflight("authorization,content-type,x-client-id").await;
    for name in ["access-control-allow-credentials", "access-control-allow-origin", "access-control-allow-headers"] {
        assert_eq!(answered[name].to_str().unwrap(), recorded[name].as_str().unwrap(), "{name}");
    }
    let other = preflight("authorization,x-other").await;
    assert!(!other["access-control-allow-headers"].to_str().unwrap().contains("x-other"));
}

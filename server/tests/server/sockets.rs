//! `GET /ws`: who may connect, who hears what, and when it ends.

use crate::streams::{Stream, has_connections, refusal, request};
use crate::support::{PATIENCE, Person, Site, task, task_in, watch, with};
use futures_util::{SinkExt as _, StreamExt as _};
use mana_sync::http::Origins;
use reqwest::Method;
use serde_json::{Value, json};
use std::num::NonZeroU32;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

pub struct Socket(WebSocketStream<MaybeTlsStream<TcpStream>>);

impl Socket {
    async fn connect(site: &Site, path: &str, origin: Option<&str>) -> Result<Self, Error> {
        let mut request = format!("ws://{}{path}", site.server.address()).into_client_request()?;
        if let Some(origin) = origin {
            request.headers_mut().insert("origin", origin.parse().unwrap());
        }
        Ok(Self(connect_async(request).await?.0))
    }

    pub async fn open(site: &Site, person: &Person) -> Self {
        Self::open_at(site, "/ws", person).await
    }

    async fn open_at(site: &Site, path: &str, person: &Person) -> Self {
        let mut socket = Self::connect(site, path, None).await.unwrap();
        socket.say(json!({ "type": "auth", "token": person.token })).await;
        assert_eq!(socket.hear().await, json!({ "type": "auth-ok" }));
        socket
    }

    async fn say(&mut self, frame: Value) {
        self.0.send(Message::text(frame.to_string())).await.unwrap();
    }

    /// The next text frame; `{"type":"closed"}` with the code when there will be none.
    pub async fn hear(&mut self) -> Value {
        loop {
            match tokio::time::timeout(PATIENCE, self.0.next()).await.expect("a frame in time") {
                Some(Ok(Message::Text(text))) => return serde_json::from_str(&text).unwrap(),
                Some(Ok(Message::Close(frame))) => {
                    return json!({ "type": "closed", "code": frame.map(|frame| u16::from(frame.code)) });
                }
                Some(Ok(_)) => {}
                Some(Err(_)) | None => return json!({ "type": "closed" }),
            }
        }
    }

    /// What comes before the answer to a ping: everything that was on its way.
    pub async fn hear_all(&mut self) -> Vec<Value> {
        self.say(json!({ "type": "ping" })).await;
        let mut heard = Vec::new();
        loop {
            match self.hear().await {
                pong if pong["type"] == "pong" => return heard,
                frame => heard.push(frame),
            }
        }
    }

    async fn is_refused_with(&mut self, reason: &str) {
        assert_eq!(self.hear().await, json!({ "type": "error", "tables": [reason] }));
        assert_eq!(self.hear().await["code"], 1008);
    }
}

pub fn available(table: &str) -> Value {
    json!({ "type": "sync-available", "appId": "todo", "tables": [table] })
}

#[tokio::test]
async fn a_push_reaches_every_member_and_nobody_else() {
    let site = Site::start().await;
    let (ada, bob, eve) = (site.person("ada").await, site.person("bob").await, site.person("eve").await);
    let space = ada.create_space("family").await;
    ada.add_member(&space, "bob", "member").await;
    let mut sockets =
        [Socket::open(&site, &ada).await, Socket::open(&site, &bob).await, Socket::open(&site, &eve).await];
    ada.accept(&[task_in(&space, "t1")]).await;
    let mut heard = Vec::new();
    for socket in &mut sockets {
        heard.push(socket.hear_all().await);
    }
    assert_eq!(heard, [vec![available("tasks")], vec![available("tasks")], vec![]]);
    ada.accept(&[task("own"), with(task_in(&space, "p"), &[("visibility", json!("private"))])]).await;
    let [mut of_ada, mut of_bob, _] = sockets;
    assert_eq!((of_ada.hear_all().await.len(), of_bob.hear_all().await.len()), (1, 0));
}

#[tokio::test]
async fn changed_memberships_are_told_and_count_at_once() {
    let site = Site::start().await;
    let (ada, bob) = (site.person("ada").await, site.person("bob").await);
    let space = ada.create_space("family").await;
    let mut socket = Socket::open(&site, &bob).await;
    ada.add_member(&space, "bob", "member").await;
    assert_eq!(socket.hear().await, json!({ "type": "spaces-changed" }));
    ada.accept(&[task_in(&space, "t1")]).await;
    assert_eq!(socket.hear().await, available("tasks"));
    ada.send(Method::DELETE, &format!("/dev/spaces/{space}/members"), json!({ "userId": "bob" })).await;
    assert_eq!(socket.hear().await, json!({ "type": "spaces-changed" }));
    ada.accept(&[task_in(&space, "t2")]).await;
    assert!(socket.hear_all().await.is_empty());
    assert!(bob.tasks().await.is_empty());
}

#[tokio::test]
async fn a_socket_of_one_app_hears_of_that_app_only() {
    let site = Site::start().await;
    let ada = site.person("ada").await;
    let mut socket = Socket::open_at(&site, "/ws/notes", &ada).await;
    ada.accept(&[task("t1"), with(task("n1"), &[("app", json!("notes")), ("table", json!("notes"))])]).await;
    let notes = json!({ "type": "sync-available", "appId": "notes", "tables": ["notes"] });
    assert_eq!(socket.hear_all().await, [notes]);
}

#[tokio::test]
async fn a_silent_socket_is_closed_by_a_timer() {
    let site = Site::start_with(|settings| settings.socket_auth = Duration::from_millis(50)).await;
    Socket::connect(&site, "/ws", None).await.unwrap().is_refused_with("auth_timeout").await;
}

#[tokio::test]
async fn a_socket_that_only_pings_is_closed_by_the_same_timer() {
    let site = Site::start_with(|settings| settings.socket_auth = Duration::from_millis(300)).await;
    let mut socket = Socket::connect(&site, "/ws", None).await.unwrap();
    loop {
        if socket.0.send(Message::text(r#"{"type":"ping"}"#)).await.is_err() {
            break;
        }
        match socket.hear().await {
            frame if frame["type"] == "pong" => {}
            frame => {
                assert_eq!(frame, json!({ "type": "error", "tables": ["auth_timeout"] }));
                break;
            }
        }
    }
}

#[tokio::test]
async fn bad_tokens_other_people_and_nonsense_end_a_socket() {
    let site = Site::start().await;
    let (ada, bob) = (site.person("ada").await, site.person("bob").await);
    let mut socket = Socket::connect(&site, "/ws", None).await.unwrap();
    socket.say(json!({ "type": "auth", "token": "a.b.c" })).await;
    socket.is_refused_with("unauthorized").await;

    let mut socket = Socket::open(&site, &ada).await;
    socket.say(json!({ "type": "auth", "token": ada.token })).await;
    assert_eq!(socket.hear().await, json!({ "type": "auth-ok" }), "the same person may bring a new token");
    socket.say(json!({ "type": "auth", "token": bob.token })).await;
    socket.is_refused_with("other_user").await;

    for nonsense in ["", "{", "[]", r#"{"type":"sing"}"#, r#"{"type":"auth"}"#] {
        let mut socket = Socket::open(&site, &ada).await;
        socket.0.send(Message::text(nonsense)).await.unwrap();
        socket.is_refused_with("invalid_frame").await;
    }
    let mut socket = Socket::open(&site, &ada).await;
    let _ = socket.0.send(Message::text("x".repeat(2 << 20))).await;
    assert_eq!(socket.hear().await["type"], "closed", "a frame that is too large");
}

#[tokio::test]
async fn a_socket_ends_with_its_token() {
    let site = Site::start().await;
    let ada = Person::sign_in_for(&site.url(), "ada", Some(1)).await;
    let mut socket = Socket::connect(&site, "/ws", None).await.unwrap();
    socket.say(json!({ "type": "auth", "token": ada.token })).await;
    // On a slow machine the second may be over before the first answer.
    let first = socket.hear().await;
    let last = if first["type"] == "auth-ok" { socket.hear().await } else { first };
    assert_eq!(last, json!({ "type": "error", "tables": ["token_expired"] }));
}

#[tokio::test]
async fn only_exact_origins_connect() {
    let site = Site::start_with(|settings| settings.origins = Origins::parse("https://app.example")).await;
    assert!(Socket::connect(&site, "/ws", Some("https://app.example")).await.is_ok());
    for origin in ["https://app.example.evil.test", "http://app.example", "null", "", "http://localhost:5173"] {
        match Socket::connect(&site, "/ws", Some(origin)).await {
            Err(Error::Http(response)) => assert_eq!(response.status().as_u16(), 403, "{origin}"),
            _ => panic!("{origin} was not refused"),
        }
    }
}

#[tokio::test]
async fn a_plain_request_is_told_that_this_is_for_sockets() {
    let site = Site::start().await;
    let ada = site.person("ada").await;
    let request = ada.http.get(format!("{}/ws", site.url()));
    assert_eq!(crate::support::answer(request).await.unwrap().code(), (426, "upgrade_required"));
}

#[tokio::test]
async fn a_stopping_server_says_goodbye_and_leaves_nothing_open() {
    let site = Site::start().await;
    let ada = site.person("ada").await;
    let mut socket = Socket::open(&site, &ada).await;
    assert_eq!(site.server.connections(), 1);
    drop(ada);
    let goodbye = tokio::spawn(async move { socket.hear().await });
    site.server.stop().await;
    assert_eq!(goodbye.await.unwrap(), json!({ "type": "closed", "code": 1001 }));
}

#[tokio::test]
async fn a_person_has_so_many_sockets_and_streams_and_the_next_one_is_refused() {
    let site = Site::start_with(|settings| {
        settings.connection_limit = NonZeroU32::new(2);
        watch(settings);
    });
    let site = site.await;
    let (ada, bob) = (site.person("ada").await, site.person("bob").await);
    let mut socket = Socket::open(&site, &ada).await;
    let mut stream = Stream::of_tasks(&ada).await;
    for _ in 0..2 {
        let mut third = Socket::connect(&site, "/ws", None).await.unwrap();
        third.say(json!({ "type": "auth", "token": ada.token })).await;
        third.is_refused_with("too_many_connections").await;
    }
    assert_eq!(refusal(request(&ada, "apps=todo/tasks")).await, (429, "too_many_connections".to_owned()));
    let older = ada.http.get(format!("{}/sync/todo/stream?collections=tasks", ada.url)).bearer_auth(&ada.token);
    let older = older.send().await.unwrap();
    assert_eq!((older.status().as_u16(), &older.headers()["retry-after"]), (429, &"30".parse().unwrap()));
    let _of_bob = Socket::open(&site, &bob).await;
    // Those that are open go on, and requests are served as ever.
    ada.accept(&[task("t1")]).await;
    assert_eq!(socket.hear().await, available("tasks"));
    stream.brings(&["t1"]).await;
    assert_eq!(ada.tasks().await, ["t1"]);
    site.counts(&["mana_sync_connections_refused_total 4"]).await;
    drop(stream);
    has_connections(&site, 2).await;
    Socket::open(&site, &ada).await;
}

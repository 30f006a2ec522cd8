//! Idle connections, what each of them takes of the server's memory, and how long news takes to one of them.

use crate::people::{People, Person};
use crate::process::ServerProcess;
use crate::sizes::Sizes;
use crate::table::Table;
use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::json;
use tokio::net::TcpStream;
use tokio::time::Instant;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

/// How often news is timed.
const NEWS: usize = 200;
/// The first connections take what is taken once.
const FIRST: usize = 50;

/// Everything stays open to the end: what the first kind gave back, the second would take.
pub async fn measure(sizes: &Sizes, people: &People, server: &ServerProcess, table: &mut Table) {
    let _sockets = open::<Socket>(sizes.sockets, people, server, table).await;
    let _streams = open::<Stream>(sizes.streams, people, server, table).await;
    time::<Socket>(people, table).await;
    time::<Stream>(people, table).await;
}

async fn open<C: Connection>(count: usize, people: &People, server: &ServerProcess, table: &mut Table) -> Vec<C> {
    let mut open = Vec::new();
    for person in people.all().iter().cycle().take(count.min(FIRST)) {
        open.push(C::open(person).await);
    }
    let before = server.memory();
    for person in people.all().iter().cycle().take(count) {
        open.push(C::open(person).await);
    }
    table.connections(C::NAMES, count, server.memory().saturating_sub(before));
    open
}

/// From sending a push until a connection of the same person has heard of it.
async fn time<C: Connection>(people: &People, table: &mut Table) {
    let mut times = Vec::new();
    let person = people.newcomer(&format!("listens-to-{}", C::NAMES)).await;
    let mut connection = C::open(&person).await;
    for _ in 0..NEWS {
        let began = Instant::now();
        let heard = async {
            connection.hear().await;
            began.elapsed()
        };
        let (taken, ()) = tokio::join!(heard, person.push(1));
        times.push(taken);
    }
    table.news(C::NAMES, &times);
}

trait Connection: Sized {
    /// What they are called.
    const NAMES: &str;

    /// Connects; when it is there, nothing that comes later is missed.
    async fn open(person: &Person) -> Self;

    /// Waits for news.
    async fn hear(&mut self);
}

struct Socket(WebSocketStream<MaybeTlsStream<TcpStream>>);

impl Connection for Socket {
    const NAMES: &str = "sockets";

    async fn open(person: &Person) -> Self {
        let address = format!("{}/ws", person.url.replace("http", "ws"));
        let mut socket = Self(connect_async(address).await.expect("a connection").0);
        let auth = json!({ "type": "auth", "token": person.token }).to_string();
        socket.0.send(Message::text(auth)).await.expect("sent");
        assert!(socket.text().await.contains("auth-ok"));
        socket
    }

    async fn hear(&mut self) {
        assert!(self.text().await.contains("sync-available"));
    }
}

impl Socket {
    async fn text(&mut self) -> String {
        loop {
            match self.0.next().await.expect("open").expect("a frame") {
                Message::Text(text) => return text.to_string(),
                Message::Ping(_) | Message::Pong(_) => {}
                other => panic!("{other}"),
            }
        }
    }
}

struct Stream(reqwest::Response);

impl Connection for Stream {
    const NAMES: &str = "streams";

    async fn open(person: &Person) -> Self {
        let request = person.http.get(format!("{}/v2/stream?apps=todo/tasks", person.url));
        let response = request.bearer_auth(&person.token).send().await.expect("an answer");
        assert_eq!(response.status(), 200);
        let mut stream = Self(response);
        stream.event().await;
        stream
    }

    async fn hear(&mut self) {
        assert!(self.event().await.contains("\"eventId\""));
    }
}

impl Stream {
    /// The next event that is no heartbeat.
    async fn event(&mut self) -> String {
        loop {
            let mut event = String::new();
            while !event.ends_with("\n\n") {
                let bytes = self.0.chunk().await.expect("a stream").expect("open");
                event.push_str(std::str::from_utf8(&bytes).expect("UTF-8"));
            }
            if event.starts_with("event: changes") {
                return event;
            }
        }
    }
}

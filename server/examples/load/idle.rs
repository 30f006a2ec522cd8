//! Idle connections, what each of them takes of the server's memory, and how long news takes to one of them.

use crate::people::{People, Person};
use crate::process::ServerProcess;
use crate::sizes::Sizes;
use crate::table::Table;
use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::json;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::time::Instant;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

/// How often news is timed.
const NEWS: usize = 200;

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

pub async fn measure(sizes: &Sizes, people: &People, server: &ServerProcess, table: &mut Table) {
    // The first ones take what is taken once.
    let mut open = Vec::new();
    for person in people.all().iter().cycle().take(sizes.sockets.min(50)) {
        open.push(socket(server.url(), person).await);
    }
    let before = server.memory();
    for person in people.all().iter().cycle().take(sizes.sockets) {
        open.push(socket(server.url(), person).await);
    }
    let more = server.memory().saturating_sub(before);
    table.connections(sizes.sockets, more);
    let mut times = Vec::new();
    let person = people.newcomer("listener").await;
    let mut own = socket(server.url(), &person).await;
    for _ in 0..NEWS {
        let began = Instant::now();
        let (taken, ()) = tokio::join!(news(&mut own, began), person.push(1));
        times.push(taken);
    }
    table.news(&times);
}

async fn socket(url: &str, person: &Person) -> Socket {
    let (mut socket, _) = connect_async(format!("{}/ws", url.replace("http", "ws"))).await.expect("a connection");
    let auth = json!({ "type": "auth", "token": person.token }).to_string();
    socket.send(Message::text(auth)).await.expect("sent");
    assert!(hear(&mut socket).await.contains("auth-ok"));
    socket
}

async fn news(socket: &mut Socket, began: Instant) -> Duration {
    assert!(hear(socket).await.contains("sync-available"));
    began.elapsed()
}

async fn hear(socket: &mut Socket) -> String {
    loop {
        match socket.next().await.expect("open").expect("a frame") {
            Message::Text(text) => return text.to_string(),
            Message::Ping(_) | Message::Pong(_) => {}
            other => panic!("{other}"),
        }
    }
}

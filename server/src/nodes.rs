//! What servers over one PostgreSQL database tell each other: where there is something to pull, and whose memberships
//! changed. Whatever is lost on the way is found by the next poll, so nothing here holds up a request.

use crate::clock;
use crate::log::postgres::options;
use crate::log::{Collection, LogError, News, StreamId};
use mana_sync_engine::model::{Stamp, UserId};
use serde::{Deserialize, Serialize};
use sqlx::PgPool;
use sqlx::postgres::{PgConnectOptions, PgListener, PgPoolOptions};
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

/// Where servers listen.
const CHANNEL: &str = "mana_sync";
/// Most bytes of a notification; PostgreSQL takes less than 8,000.
const MAX_BYTES: usize = 7_900;
/// Bytes of a notification around what it tells.
const FRAME: usize = 100;
/// Bytes of quotes, commas and brackets around each thing it tells.
const PUNCTUATION: usize = 16;
/// Most that waits to be told. More is lost.
const WAITING: usize = 1024;
/// How long after a failure it is tried again.
const PAUSE: Duration = Duration::from_secs(1);
/// How long a connection may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// What one server tells the others.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    /// When the first of it happened, by the clock of the server (or database) that tells.
    pub at: Stamp,
    /// Streams with something to pull, and of which tables.
    #[serde(default)]
    pub news: News,
    /// People whose memberships changed.
    #[serde(default)]
    pub moved: Vec<UserId>,
}

impl Message {
    /// Nothing, at a time.
    #[must_use]
    pub fn at(at: Stamp) -> Self {
        Self { at, news: News::new(), moved: Vec::new() }
    }

    fn is_empty(&self) -> bool {
        self.news.is_empty() && self.moved.is_empty()
    }

    /// Takes in what comes with it.
    fn add(&mut self, more: Self) {
        self.at = self.at.min(more.at);
        for (stream, tables) in more.news {
            self.news.entry(stream).or_default().extend(tables);
        }
        self.moved.extend(more.moved);
    }
}

/// A message and who sends it: everybody hears their own, too.
#[derive(Serialize, Deserialize)]
struct Letter<M> {
    from: u64,
    #[serde(flatten)]
    message: M,
}

/// This server among the others. Dropping it ends its tasks.
pub struct Nodes {
    sender: mpsc::Sender<Message>,
    tasks: [JoinHandle<()>; 2],
}

impl Nodes {
    /// Joins the servers over the database at `url`; `hear` gets what they tell.
    pub async fn join(url: &str, hear: impl Fn(Message) + Send + Sync + 'static) -> Result<Self, LogError> {
        let options = options(url)?;
        let mut random = [0; 8];
        clock::random(&mut random);
        let node = u64::from_be_bytes(random);
        let (sender, receiver) = mpsc::channel(WAITING);
        let listener = listener(&options).await.inspect_err(|error| warn("cannot listen to other servers", error)).ok();
        let tasks = [
            tokio::spawn(tell(receiver, connection(&options), node)),
            tokio::spawn(listen(options, listener, node, hear)),
        ];
        Ok(Self { sender, tasks })
    }

    /// Tells the other servers, some time soon.
    pub fn tell(&self, message: Message) {
        if self.sender.try_send(message).is_err() {
            tracing::warn!("the database is slow: other servers find out by polling");
        }
    }
}

impl Drop for Nodes {
    fn drop(&mut self) {
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}

/// A pool of the one connection that nobody else uses.
fn connection(options: &PgConnectOptions) -> PgPool {
    PgPoolOptions::new().max_connections(1).acquire_timeout(PATIENCE).connect_lazy_with(options.clone())
}

async fn listener(options: &PgConnectOptions) -> Result<PgListener, sqlx::Error> {
    let mut listener = PgListener::connect_with(&connection(options)).await?;
    listener.listen(CHANNEL).await?;
    Ok(listener)
}

/// Sends what waits; what has come together meanwhile goes together.
async fn tell(mut receiver: mpsc::Receiver<Message>, connection: PgPool, node: u64) {
    while let Some(mut message) = receiver.recv().await {
        while let Ok(more) = receiver.try_recv() {
            message.add(more);
        }
        for letter in letters(message, node) {
            let notify = sqlx::query("SELECT pg_notify($1, $2)").bind(CHANNEL).bind(letter);
            if let Err(error) = notify.execute(&connection).await {
                warn("other servers cannot be told", &error);
            }
        }
    }
}

async fn listen(
    options: PgConnectOptions,
    mut listener: Option<PgListener>,
    node: u64,
    hear: impl Fn(Message) + Send + Sync + 'static,
) {
    loop {
        let heard = match &mut listener {
            // A lost connection is made anew in here.
            Some(listener) => listener.recv().await.map(Some),
            None => self::listener(&options).await.map(|made| listener.replace(made)).map(|_| None),
        };
        match heard.as_ref().map(|letter| letter.as_ref().map(|letter| serde_json::from_str(letter.payload()))) {
            Ok(Some(Ok(Letter { from, message }))) if from != node => hear(message),
            // One's own, or by something that is no server of this kind.
            Ok(_) => {}
            Err(error) => {
                warn("cannot listen to other servers", error);
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}

/// A message in parts that a notification holds.
fn letters(message: Message, node: u64) -> Vec<String> {
    let news = message.news.into_iter().flat_map(|(stream, tables)| {
        tables.into_iter().map(move |table| Item::News(stream.clone(), table)).collect::<Vec<_>>()
    });
    let at = message.at;
    let (mut letters, mut part, mut bytes) = (Vec::new(), Message::at(at), 0);
    for item in news.chain(message.moved.into_iter().map(Item::Moved)) {
        let size = item.bytes();
        if bytes + size > MAX_BYTES - FRAME {
            letters.extend(written(&std::mem::replace(&mut part, Message::at(at)), node));
            bytes = 0;
        }
        bytes += size;
        item.put_into(&mut part);
    }
    letters.extend(written(&part, node));
    letters
}

/// What a message tells, one by one.
enum Item {
    News(StreamId, Collection),
    Moved(UserId),
}

impl Item {
    /// At most so many in a notification.
    fn bytes(&self) -> usize {
        PUNCTUATION
            + match self {
                Self::News(stream, table) => quoted(&stream.to_string()) + quoted(&table.to_string()),
                Self::Moved(user) => quoted(user.as_str()),
            }
    }

    fn put_into(self, message: &mut Message) {
        match self {
            Self::News(stream, table) => {
                message.news.entry(stream).or_default().insert(table);
            }
            Self::Moved(user) => message.moved.push(user),
        }
    }
}

/// Bytes of a text in JSON. No id holds control characters.
fn quoted(text: &str) -> usize {
    text.len() + text.matches(['"', '\\']).count()
}

fn written(message: &Message, node: u64) -> Option<String> {
    if message.is_empty() {
        return None;
    }
    serde_json::to_string(&Letter { from: node, message }).ok()
}

fn warn(what: &str, error: &sqlx::Error) {
    tracing::warn!(%error, "{what}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_message_goes_in_parts_that_postgresql_takes_and_arrives_whole() {
        let id = |kind: &str, n: usize| format!("{kind}:{}{n}", "é\"".repeat(30));
        let table = |n: usize| Collection::try_from(format!("todo/tasks{n}")).expect("a table");
        let news: News = (0..300)
            .map(|n| (StreamId::try_from(id("space", n)).expect("a stream"), (0..=n % 5).map(table).collect()))
            .chain([(StreamId::try_from(id("user", 0)).expect("a stream"), (0..900).map(table).collect())])
            .collect();
        let moved = (0..300).map(|n| UserId::parse(format!("user{n}")).expect("a user")).collect();
        let at = Stamp::at_ms(1_767_000_000_000);
        let message = Message { at, news, moved };
        let mut whole = Message::at(at.next());
        let letters = letters(message.clone(), u64::MAX);
        assert!(letters.len() > 5, "{}", letters.len());
        for letter in letters {
            assert!(letter.len() < MAX_BYTES, "{}", letter.len());
            let Letter { from, message } = serde_json::from_str::<Letter<Message>>(&letter).expect("a letter");
            assert_eq!(from, u64::MAX);
            whole.add(message);
        }
        assert_eq!(whole, message);
    }

    #[test]
    fn what_goes_together_is_as_old_as_the_first_of_it() {
        let [first, second] = [1, 2].map(Stamp::at_ms);
        for (a, b) in [(first, second), (second, first)] {
            let mut both = Message::at(a);
            both.add(Message::at(b));
            assert_eq!(both.at, first);
        }
    }

    #[test]
    fn nothing_to_tell_is_not_told() {
        assert!(letters(Message::at(Stamp::at_ms(0)), 1).is_empty());
    }
}

//! How much is measured: from the environment, so that a small run takes a minute.

use std::fmt;
use std::time::Duration;

/// Where the log lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Store {
    Sqlite,
    Postgres,
}

pub struct Sizes {
    pub users: usize,
    pub connections: usize,
    pub turn: Duration,
    pub rounds: usize,
    pub sockets: usize,
    pub streams: usize,
    pub first_sync: usize,
    pub stores: Vec<Store>,
}

impl Sizes {
    pub fn of_environment() -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Self {
            users: number("USERS", 1000).max(1),
            connections: number("CONNECTIONS", 4 * cores).max(1),
            turn: Duration::from_secs(number("SECONDS", 3).max(1) as u64),
            rounds: number("ROUNDS", 3).max(1),
            sockets: number("SOCKETS", 2000),
            streams: number("STREAMS", 2000),
            first_sync: number("FIRST_SYNC", 100_000).max(1),
            stores: stores(),
        }
    }
}

impl fmt::Display for Sizes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} people, {} connections, {} rounds of {} s, {} idle sockets, {} idle streams, a first sync of {} records",
            self.users,
            self.connections,
            self.rounds,
            self.turn.as_secs(),
            self.sockets,
            self.streams,
            self.first_sync
        )
    }
}

fn stores() -> Vec<Store> {
    match std::env::var("STORE").unwrap_or_default().as_str() {
        "sqlite" => vec![Store::Sqlite],
        "postgres" => vec![Store::Postgres],
        _ => vec![Store::Sqlite, Store::Postgres],
    }
}

fn number(name: &str, unless: usize) -> usize {
    let text = std::env::var(name).unwrap_or_default();
    if text.is_empty() { unless } else { text.parse().unwrap_or_else(|_| panic!("{name} must be a whole number")) }
}

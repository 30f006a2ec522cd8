//! One turn of one contender: all connections at once, for some seconds.

use crate::database::Direct;
use crate::people::{CHANGES, PAGE, People};
use futures_util::future::join_all;
use reqwest::Client;
use std::time::Duration;
use tokio::time::Instant;

/// What is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// A handler that does nothing: what HTTP costs, on both sides.
    Nothing,
    /// A push without changes: token, memberships and JSON, and nothing of the log.
    EmptyPush,
    /// A push of ten changes.
    Push,
    /// Ten rows a commit, by the database alone.
    TenRows,
    /// A thousand rows a commit, by the database alone.
    ThousandRows,
    /// A page of a thousand changes.
    Page,
}

impl Kind {
    pub const ALL: [Self; 6] =
        [Self::Nothing, Self::EmptyPush, Self::Push, Self::TenRows, Self::ThousandRows, Self::Page];

    pub fn words(self) -> &'static str {
        match self {
            Self::Nothing => "no-op handler (GET /health)",
            Self::EmptyPush => "push of nothing (token, JSON)",
            Self::Push => "push of 10 changes",
            Self::TenRows => "database alone, 10 rows a commit",
            Self::ThousandRows => "database alone, 1,000 rows a commit",
            Self::Page => "pull of a page of 1,000",
        }
    }

    /// Changes or rows in one of it.
    pub fn rows(self) -> usize {
        match self {
            Self::Nothing | Self::EmptyPush => 0,
            Self::Push | Self::TenRows => CHANGES,
            Self::ThousandRows | Self::Page => PAGE,
        }
    }
}

/// What a turn came to.
pub struct Sample {
    /// How many a second.
    pub rate: f64,
    /// How long each took.
    pub times: Vec<Duration>,
}

pub struct Turns<'a> {
    pub people: &'a People,
    pub direct: &'a Direct,
    pub connections: usize,
    pub lasting: Duration,
}

impl Turns<'_> {
    pub async fn take(&self, kind: Kind, lasting: Duration) -> Sample {
        let began = Instant::now();
        let times = join_all((0..self.connections).map(|_| self.one_connection(kind, began + lasting))).await.concat();
        Sample { rate: times.len() as f64 / began.elapsed().as_secs_f64(), times }
    }

    async fn one_connection(&self, kind: Kind, until: Instant) -> Vec<Duration> {
        let http = Client::new();
        let mut times = Vec::new();
        while Instant::now() < until {
            times.push(self.once(kind, &http).await);
        }
        times
    }

    async fn once(&self, kind: Kind, http: &Client) -> Duration {
        let began = Instant::now();
        match kind {
            Kind::Nothing => self.people.any().on(http).health().await,
            Kind::EmptyPush => self.people.any().on(http).push(0).await,
            Kind::Push => self.people.any().on(http).push(CHANGES).await,
            Kind::TenRows | Kind::ThousandRows => return self.direct.insert(kind.rows()).await,
            Kind::Page => assert!(self.people.reader().on(http).page(None).await.0 >= PAGE),
        }
        began.elapsed()
    }
}

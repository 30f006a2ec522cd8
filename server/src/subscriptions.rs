//! Whether a person's subscription lets them sync, as the service says that knows.
//!
//! Nobody is kept from their data because that service does not answer, and who has just paid does not wait for long.

use crate::kept::Kept;
use crate::lock::hold;
use crate::upstream::{Upstream, below};
use mana_sync_engine::model::UserId;
use reqwest::Url;
use reqwest::header::HeaderValue;
use serde::Deserialize;
use std::sync::Mutex;
use std::time::Duration;
use tokio::time::Instant;

/// Asks `GET {address}/api/v1/internal/sync/status/{id}`.
pub struct Subscriptions {
    upstream: Upstream,
    address: Url,
    key: Option<HeaderValue>,
    known: Mutex<Kept<Standing>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Standing {
    Active,
    Inactive,
    Unknown,
}

impl Standing {
    /// How long it is not asked for again: somebody may pay at any moment, and a service that is away is not asked by each
    /// request.
    fn lasting(self) -> Duration {
        match self {
            Self::Active => Duration::from_mins(5),
            Self::Inactive => Duration::from_secs(10),
            Self::Unknown => Duration::from_secs(30),
        }
    }
}

#[derive(Deserialize)]
struct Answer {
    active: bool,
}

impl Subscriptions {
    /// The service at `address`, which knows this server by `key`.
    #[must_use]
    pub fn new(upstream: Upstream, address: Url, key: Option<HeaderValue>) -> Self {
        Self { upstream, address, key, known: Mutex::default() }
    }

    /// Whether this person may sync: everybody of whom the service does not say that they may not.
    pub async fn let_through(&self, user: &UserId) -> bool {
        let kept = hold(&self.known).get(user);
        let standing = match kept {
            Some(standing) => standing,
            None => self.ask(user).await,
        };
        standing != Standing::Inactive
    }

    async fn ask(&self, user: &UserId) -> Standing {
        let asked = Instant::now();
        let standing = match below(&self.address, &["api", "v1", "internal", "sync", "status", user.as_str()]) {
            Some(url) => self.upstream.get(url, self.key.as_ref()).await.map_or_else(
                |cause| {
                    tracing::warn!(%cause, "subscriptions are not checked");
                    Standing::Unknown
                },
                |Answer { active }| if active { Standing::Active } else { Standing::Inactive },
            ),
            None => Standing::Unknown,
        };
        hold(&self.known).keep(user, standing, asked + standing.lasting());
        standing
    }
}

//! What open streams of both protocols have in common: when to look for changes again, and when to end.

use crate::auth::Identity;
use crate::error::ApiError;
use crate::hub::{Nudge, Subscription};
use crate::log::Collection;
use crate::members::SpaceList;
use crate::server::{App, AppState};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use mana_sync_engine::model::UserId;
use std::collections::BTreeSet;
use std::convert::Infallible;
use tokio::time::{Instant, Interval, MissedTickBehavior, interval_at, sleep_until};

/// One person's open stream: it is told that there is something to read, and reads it from the log when its connection
/// takes more. So a slow one holds no more than what is on its way, and nothing is read for somebody who may no longer.
pub(super) struct Feed {
    app: AppState,
    identity: Identity,
    nudges: Subscription,
    ends: Instant,
    recheck: Interval,
    /// When the changes were stored that are being read.
    since: Option<Instant>,
}

impl Feed {
    /// Listens for changes in these tables from now on: what is read from the log afterwards and what is told leave no gap.
    pub fn open(app: AppState, identity: Identity, tables: BTreeSet<Collection>) -> Result<Self, ApiError> {
        let nudges = app.hub.follow(identity.user.clone(), tables);
        let nudges = nudges.inspect_err(|_| app.metrics.connection_refused())?;
        let mut recheck = interval_at(Instant::now() + app.live.recheck, app.live.recheck);
        recheck.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Ok(Self { ends: identity.ends(), app, identity, nudges, recheck, since: None })
    }

    pub fn app(&self) -> &App {
        &self.app
    }

    pub fn user(&self) -> &UserId {
        &self.identity.user
    }

    /// The person's spaces now; the stream hears of exactly these from here on.
    pub async fn spaces(&self) -> Result<SpaceList, ApiError> {
        let list = self.app.memberships.recent_spaces_of(&self.identity.user).await?;
        self.nudges.set_spaces(list.shared());
        Ok(list)
    }

    /// Why the stream may not go on, if so.
    pub fn check(&self) -> Result<(), ApiError> {
        if *self.app.stopping.borrow() {
            return Err(stopping());
        }
        if Instant::now() >= self.ends { Err(token_expired()) } else { Ok(()) }
    }

    /// Waits until there may be something new to read: changes, other memberships, or something that nobody told of.
    pub async fn news(&mut self) -> Result<(), ApiError> {
        self.since = None;
        let nudge = tokio::select! {
            biased;
            () = self.app.stopped() => return Err(stopping()),
            () = sleep_until(self.ends) => return Err(token_expired()),
            nudge = self.nudges.next() => nudge.ok_or_else(stopping)?,
            _ = self.recheck.tick() => return Ok(()),
        };
        if let Nudge::Available { since, .. } = nudge {
            self.since = Some(since);
        }
        Ok(())
    }

    /// What was waited for was read, and goes to the connection.
    pub fn told(&mut self) {
        if let Some(since) = self.since.take() {
            self.app.metrics.told(since.elapsed());
        }
    }
}

fn stopping() -> ApiError {
    ApiError::later("stopping", "the server stops; connect again", 1)
}

fn token_expired() -> ApiError {
    ApiError::new(StatusCode::UNAUTHORIZED, "token_expired", "the token has ended; connect again with another")
}

/// What makes the events of a stream, one whenever its connection takes more.
pub(super) trait Events: Send + 'static {
    /// The next event; `None` once there are no more.
    fn next(&mut self) -> impl Future<Output = Option<Event>> + Send;
}

/// The answer that is a stream of these events (WHATWG HTML, 9.2), with heartbeats where there are none for a while.
pub(super) fn respond(app: &App, events: impl Events) -> Response {
    let events = stream::unfold(events, async |mut events| {
        let event = events.next().await?;
        Some((Ok::<_, Infallible>(event), events))
    });
    let heartbeat = Event::default().event("heartbeat").data("{}");
    let mut response =
        Sse::new(events).keep_alive(KeepAlive::new().interval(app.live.heartbeat).event(heartbeat)).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    // Proxies that collect an answer before they pass it on would keep everything.
    headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
    response
}

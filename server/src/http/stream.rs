//! `/v2/stream`: the pages of a pull as server-sent events, one after the other for as long as the connection lasts.

use super::body::Input;
use super::feed::{Events, Feed, respond};
use super::pull::{Wanted, check_limits};
use crate::auth::Identity;
use crate::error::ApiError;
use crate::log::Collection;
use crate::server::AppState;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::HeaderMap;
use axum::response::Response;
use axum::response::sse::Event;
use mana_sync_engine::model::Space;
use mana_sync_engine::protocol::limits::MAX_PAGE;
use mana_sync_engine::protocol::wire::{ErrorAnswer, PullAnswer, PullRequest};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// The query of `GET /v2/stream`.
#[derive(Deserialize)]
pub(super) struct Asked {
    /// The tables wanted, `app/table` each, with commas between them.
    apps: String,
    cursor: Option<String>,
    receipt: Option<String>,
    limit: Option<usize>,
}

/// `GET /v2/stream`.
pub(super) async fn get(
    State(app): State<AppState>,
    identity: Identity,
    headers: HeaderMap,
    query: Result<Query<Asked>, QueryRejection>,
) -> Result<Response, ApiError> {
    let Query(asked) = query.map_err(|error| ApiError::invalid(error.body_text()))?;
    let tables: Result<BTreeSet<Collection>, _> =
        asked.apps.split(',').map(|name| Collection::try_from(name.to_owned())).collect();
    let tables = tables.map_err(|error| ApiError::invalid(format!("apps: {error}")))?;
    let limit = asked.limit.unwrap_or(MAX_PAGE);
    check_limits(limit, &tables)?;
    open(
        app,
        identity,
        &headers,
        Wanted { cursor: asked.cursor, receipt: asked.receipt, personal_space: None, tables, limit },
    )
    .await
}

/// `POST /v2/stream`: the same for more tables than an address should hold.
pub(super) async fn post(
    State(app): State<AppState>,
    identity: Identity,
    headers: HeaderMap,
    Input(request): Input<PullRequest>,
) -> Result<Response, ApiError> {
    open(app, identity, &headers, Wanted::of(request)?).await
}

async fn open(
    app: AppState,
    identity: Identity,
    headers: &HeaderMap,
    mut wanted: Wanted,
) -> Result<Response, ApiError> {
    app.origins.check(headers)?;
    if let Some(last) = last_event_id(headers) {
        wanted.cursor = Some(last);
    }
    let feed = Feed::open(app.clone(), identity, wanted.tables.clone())?;
    let mut follower = Follower { feed, wanted, told: None, has_more: false, first: None, is_over: false };
    // Before anything is sent: what is wrong with the request or its cursor is an answer like any other.
    let first = follower.read().await?;
    follower.told.clone_from(&first.spaces);
    follower.first = Some(first);
    Ok(respond(&app, follower))
}

/// Where a browser's own client was cut off, which it says beside the address it began with.
fn last_event_id(headers: &HeaderMap) -> Option<String> {
    let id = headers.get("last-event-id")?.to_str().ok()?;
    (!id.is_empty()).then(|| id.to_owned())
}

/// A stream that follows the log from its cursor on.
struct Follower {
    feed: Feed,
    wanted: Wanted,
    /// The spaces that the last page named.
    told: Option<Vec<Space>>,
    has_more: bool,
    first: Option<PullAnswer>,
    is_over: bool,
}

impl Follower {
    /// The next page that says something, or that the last one promised.
    async fn page(&mut self) -> Result<PullAnswer, ApiError> {
        loop {
            if self.has_more {
                self.feed.check()?;
            } else {
                self.feed.news().await?;
            }
            let is_promised = self.has_more;
            let page = self.read().await?;
            if is_promised || !page.changes.is_empty() || page.has_more || page.spaces != self.told {
                self.told.clone_from(&page.spaces);
                self.feed.told();
                return Ok(page);
            }
        }
    }

    async fn read(&mut self) -> Result<PullAnswer, ApiError> {
        let list = self.feed.spaces().await?;
        let page = self.wanted.page(self.feed.app(), self.feed.user(), list).await?;
        self.wanted.cursor = Some(page.cursor.clone());
        self.wanted.receipt = None;
        self.wanted.personal_space = None;
        self.has_more = page.has_more;
        Ok(page)
    }
}

impl Events for Follower {
    async fn next(&mut self) -> Option<Event> {
        if self.is_over {
            return None;
        }
        let page = match self.first.take() {
            Some(first) => Ok(first),
            None => self.page().await,
        };
        match page {
            Ok(page) => Some(event("changes", &page)?.id(page.cursor)),
            Err(error) => {
                self.is_over = true;
                event("end", &ErrorAnswer::from(&error))
            }
        }
    }
}

fn event(name: &str, data: &impl Serialize) -> Option<Event> {
    // No failing case: the types have text keys and numbers that JSON has.
    let data = serde_json::to_string(data).ok()?;
    Some(Event::default().event(name).data(data))
}

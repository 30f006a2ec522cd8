//! `GET /sync/{app}/stream`: pages of some tables as server-sent events, table by table, and then what comes.

use super::outgoing::{Form, served};
use super::pull::{PAGE, page};
use super::{Asking, Refusal, names, since};
use crate::error::ApiError;
use crate::http::feed::{Events, Feed, respond};
use crate::log::{Collection, DatedPage, Since};
use crate::server::AppState;
use axum::extract::{Query, State};
use axum::http::HeaderMap;
use axum::response::Response;
use axum::response::sse::Event;
use serde::Deserialize;
use serde_json::json;
use std::collections::{BTreeSet, VecDeque};

#[derive(Deserialize)]
pub(super) struct Asked {
    collections: Option<String>,
    since: Option<String>,
}

pub(super) async fn stream(
    State(app): State<AppState>,
    asking: Asking,
    headers: HeaderMap,
    Query(asked): Query<Asked>,
) -> Result<Response, Refusal> {
    app.origins.check(&headers)?;
    let Some(collections) = asked.collections else {
        return Err(Refusal::bad_request("missing collections parameter"));
    };
    let tables: BTreeSet<String> = names(&collections)?.into_iter().collect();
    let heard =
        tables.iter().filter_map(|table| Collection::try_from(format!("{}/{table}", asking.app)).ok()).collect();
    let since = since(&asked.since.unwrap_or_default());
    let wanted = |table: &String| Since {
        since,
        app: asking.app.clone(),
        tables: Some(BTreeSet::from([table.clone()])),
        but: asking.client.clone(),
        limit: PAGE,
    };
    let wanted: Vec<Since> = tables.iter().map(wanted).collect();
    let unread = (0..wanted.len()).collect();
    let feed = Feed::open(app.clone(), asking.identity, heard)?;
    // Before anything is sent: where memberships are unknown, that is the answer.
    feed.spaces().await?;
    Ok(respond(&app, Tables { feed, wanted, unread, is_over: false }))
}

/// A stream that follows each table from the time it was read up to.
struct Tables {
    feed: Feed,
    wanted: Vec<Since>,
    /// The tables that may have something to read.
    unread: VecDeque<usize>,
    is_over: bool,
}

impl Tables {
    /// The next page that has changes, and its table.
    async fn page(&mut self) -> Result<(usize, DatedPage), ApiError> {
        loop {
            let Some(table) = self.unread.front().copied() else {
                self.feed.news().await?;
                self.unread = (0..self.wanted.len()).collect();
                continue;
            };
            self.feed.check()?;
            let list = self.feed.spaces().await?;
            let wanted = &mut self.wanted[table];
            let page = page(self.feed.app(), self.feed.user(), list, wanted).await?;
            // Also where that is earlier: a time to come would hide what comes until then.
            wanted.since = page.until;
            if !page.has_more {
                self.unread.pop_front();
            }
            if !page.changes.is_empty() {
                self.feed.told();
                return Ok((table, page));
            }
        }
    }
}

impl Events for Tables {
    async fn next(&mut self) -> Option<Event> {
        if self.is_over {
            return None;
        }
        let Ok((table, page)) = self.page().await else {
            // An older client knows no reason; it connects again and is told then.
            self.is_over = true;
            return None;
        };
        let name = self.wanted[table].tables.iter().flatten().next();
        let data = json!({ "table": name, "syncedUntil": page.until, "hasMore": page.has_more,
            "changes": served(page.changes, Form::InStream) });
        Some(Event::default().event("changes").data(data.to_string()))
    }
}

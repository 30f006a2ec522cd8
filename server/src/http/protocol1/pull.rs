//! `GET /sync/{app}/pull`: one page of one table, from a time on.

use super::outgoing::{Form, served};
use super::{Asking, Refusal, names, since};
use crate::error::ApiError;
use crate::log::{Caller, DatedPage, Since};
use crate::members::SpaceList;
use crate::server::{App, AppState};
use axum::Json;
use axum::extract::{Query, State};
use mana_sync_engine::model::UserId;
use serde::Deserialize;
use serde_json::{Value, json};

/// Most changes of a page.
pub(super) const PAGE: usize = 1000;

#[derive(Deserialize)]
pub(super) struct Asked {
    collection: Option<String>,
    since: Option<String>,
}

pub(super) async fn pull(
    State(app): State<AppState>,
    asking: Asking,
    Query(asked): Query<Asked>,
) -> Result<Json<Value>, Refusal> {
    let (Some(collection), Some(from)) = (asked.collection, asked.since) else {
        return Err(Refusal::bad_request("missing collection or since parameter"));
    };
    let tables = Some(names(&collection)?.into_iter().collect());
    let wanted = Since { since: since(&from), app: asking.app, tables, but: asking.client, limit: PAGE };
    let list = app.memberships.recent_spaces_of(&asking.identity.user).await?;
    Ok(Json(answer(page(&app, &asking.identity.user, list, &wanted).await?)))
}

/// One page by time for this person, who is in these spaces.
pub(super) async fn page(app: &App, user: &UserId, list: SpaceList, wanted: &Since) -> Result<DatedPage, ApiError> {
    let caller = Caller { user: user.clone(), spaces: list.spaces };
    let turn = app.turns.take(user).await?;
    let page = app.log.since(caller, wanted).await?;
    drop(turn);
    app.metrics.served(page.changes.len());
    Ok(page)
}

pub(super) fn answer(page: DatedPage) -> Value {
    let mut answer =
        json!({ "serverChanges": served(page.changes, Form::Whole), "conflicts": [], "syncedUntil": page.until });
    if page.has_more {
        answer["hasMore"] = json!(true);
    }
    answer
}

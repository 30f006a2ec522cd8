//! `POST /v2/pull`.

use super::body::Input;
use super::push::check_protocol;
use crate::auth::Identity;
use crate::clock;
use crate::error::ApiError;
use crate::log::{Caller, Collection, Pull};
use crate::server::AppState;
use axum::Json;
use axum::extract::State;
use mana_sync_engine::model::Change;
use mana_sync_engine::protocol::limits::{MAX_PAGE, MAX_PULL_TABLES};
use mana_sync_engine::protocol::wire::{PROTOCOL, PullAnswer, PullRequest};
use std::collections::BTreeSet;

pub(super) async fn pull(
    State(app): State<AppState>,
    identity: Identity,
    Input(request): Input<PullRequest>,
) -> Result<Json<PullAnswer>, ApiError> {
    check_protocol(request.protocol)?;
    if !(1..=MAX_PAGE).contains(&request.limit) {
        return Err(ApiError::invalid(format!("limit: must be 1 to {MAX_PAGE}")));
    }
    let tables = tables(&request);
    if tables.len() > MAX_PULL_TABLES {
        return Err(ApiError::invalid(format!("apps: may name {MAX_PULL_TABLES} tables together")));
    }
    let list = app.memberships.recent_spaces_of(&identity.user).await?;
    let caller = Caller { user: identity.user, spaces: list.spaces.clone() };
    let turn = app.turns.take(&caller.user).await?;
    if let Some(named) = &request.personal_space_id {
        app.log.hear_of_own_space(&caller, named).await?;
    }
    let pull = Pull { caller, cursor: request.cursor, receipt: request.receipt, tables, limit: request.limit };
    let page = app.log.pull(&pull).await?;
    drop(turn);
    app.metrics.served(page.changes.len());
    Ok(Json(PullAnswer {
        protocol: PROTOCOL,
        changes: page.changes.iter().map(Change::to_json).collect(),
        cursor: page.cursor,
        has_more: page.has_more,
        server_time: clock::now(),
        spaces: list.spaces,
        spaces_as_of: list.as_of,
    }))
}

fn tables(request: &PullRequest) -> BTreeSet<Collection> {
    let of_app = |(app, tables): (&_, &Vec<_>)| {
        let app: mana_sync_engine::model::AppId = Clone::clone(app);
        tables.iter().map(move |table| Collection { app: app.clone(), table: Clone::clone(table) }).collect::<Vec<_>>()
    };
    request.apps.iter().flat_map(of_app).collect()
}

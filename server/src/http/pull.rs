//! `POST /v2/pull`.

use super::body::Input;
use super::push::check_protocol;
use crate::auth::Identity;
use crate::clock;
use crate::error::ApiError;
use crate::log::{Caller, Collection, Pull};
use crate::members::SpaceList;
use crate::server::{App, AppState};
use axum::Json;
use axum::extract::State;
use mana_sync_engine::model::{AppId, Change, SpaceId, TableName, UserId};
use mana_sync_engine::protocol::limits::{MAX_PAGE, MAX_PULL_TABLES};
use mana_sync_engine::protocol::wire::{PROTOCOL, PullAnswer, PullRequest};
use std::collections::{BTreeMap, BTreeSet};

pub(super) async fn pull(
    State(app): State<AppState>,
    identity: Identity,
    Input(request): Input<PullRequest>,
) -> Result<Json<PullAnswer>, ApiError> {
    let wanted = Wanted::of(request)?;
    let list = app.memberships.recent_spaces_of(&identity.user).await?;
    Ok(Json(wanted.page(&app, &identity.user, list).await?))
}

/// What a client asks for, within the limits.
pub(super) struct Wanted {
    pub cursor: Option<String>,
    pub receipt: Option<String>,
    /// The space that the person calls their own.
    pub personal_space: Option<SpaceId>,
    pub tables: BTreeSet<Collection>,
    pub limit: usize,
}

impl Wanted {
    pub fn of(request: PullRequest) -> Result<Self, ApiError> {
        check_protocol(request.protocol)?;
        let tables = tables(&request.apps);
        check_limits(request.limit, &tables)?;
        let (cursor, receipt, personal_space) = (request.cursor, request.receipt, request.personal_space_id);
        Ok(Self { cursor, receipt, personal_space, tables, limit: request.limit })
    }

    /// One page for this person, who is in these spaces.
    pub async fn page(&self, app: &App, user: &UserId, list: SpaceList) -> Result<PullAnswer, ApiError> {
        let caller = Caller { user: user.clone(), spaces: list.spaces.clone() };
        let turn = app.turns.take(user).await?;
        if let Some(named) = &self.personal_space {
            app.log.hear_of_own_space(&caller, named).await?;
        }
        let pull = Pull {
            caller,
            cursor: self.cursor.clone(),
            receipt: self.receipt.clone(),
            tables: self.tables.clone(),
            limit: self.limit,
        };
        let page = app.log.pull(pull).await?;
        drop(turn);
        app.metrics.served(page.changes.len());
        Ok(PullAnswer {
            protocol: PROTOCOL,
            changes: page.changes.iter().map(Change::to_json).collect(),
            cursor: page.cursor,
            has_more: page.has_more,
            progress: page.progress,
            server_time: clock::now(),
            spaces: Some(list.spaces),
            spaces_as_of: Some(list.as_of),
        })
    }
}

pub(super) fn check_limits(limit: usize, tables: &BTreeSet<Collection>) -> Result<(), ApiError> {
    if !(1..=MAX_PAGE).contains(&limit) {
        return Err(ApiError::invalid(format!("limit: must be 1 to {MAX_PAGE}")));
    }
    check_tables(tables)
}

pub(super) fn check_tables(tables: &BTreeSet<Collection>) -> Result<(), ApiError> {
    if tables.len() > MAX_PULL_TABLES {
        return Err(ApiError::invalid(format!("apps: may name {MAX_PULL_TABLES} tables together")));
    }
    Ok(())
}

pub(super) fn tables(apps: &BTreeMap<AppId, Vec<TableName>>) -> BTreeSet<Collection> {
    let of_app = |(app, tables): (&AppId, &Vec<_>)| {
        let app = app.clone();
        tables.iter().map(move |table| Collection { app: app.clone(), table: Clone::clone(table) }).collect::<Vec<_>>()
    };
    apps.iter().flat_map(of_app).collect()
}

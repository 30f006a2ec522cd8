//! What other services of the same operator tell this one.

use super::body::Input;
use crate::error::ApiError;
use crate::server::AppState;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use mana_sync_engine::model::UserId;
use serde::Deserialize;

/// Most people whose memberships change at once.
const MAX_USERS: usize = 10_000;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct SpacesChanged {
    user_ids: Vec<UserId>,
}

/// `POST /internal/spaces-changed`: these people's memberships changed. What was known of them is forgotten, and their
/// connections are told.
pub(super) async fn spaces_changed(
    State(app): State<AppState>,
    headers: HeaderMap,
    Input(changed): Input<SpacesChanged>,
) -> Result<StatusCode, ApiError> {
    app.check_service_key(&headers)?;
    if changed.user_ids.len() > MAX_USERS {
        return Err(ApiError::too_large(format!("userIds: may name {MAX_USERS} people")));
    }
    app.spaces_changed(&changed.user_ids);
    Ok(StatusCode::NO_CONTENT)
}

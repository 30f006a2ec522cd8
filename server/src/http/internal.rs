//! What other services of the same operator tell this one.

use super::body::Input;
use super::segment::Segment;
use crate::error::ApiError;
use crate::log::erase::Erasure;
use crate::server::AppState;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use mana_sync_engine::model::{SpaceId, UserId};
use serde::Deserialize;

/// Most people whose memberships change at once.
const MAX_USERS: usize = 10_000;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct SpacesChanged {
    user_ids: Vec<UserId>,
}

/// `DELETE /internal/users/{id}`: everything of this person leaves the log.
pub(super) async fn erase_user(
    State(app): State<AppState>,
    headers: HeaderMap,
    user: Result<Segment<UserId>, ApiError>,
) -> Result<StatusCode, ApiError> {
    app.check_service_key(&headers)?;
    erase(app, Erasure::User(user?.0)).await
}

/// `DELETE /internal/spaces/{id}`: everything of this space leaves the log.
pub(super) async fn erase_space(
    State(app): State<AppState>,
    headers: HeaderMap,
    space: Result<Segment<SpaceId>, ApiError>,
) -> Result<StatusCode, ApiError> {
    app.check_service_key(&headers)?;
    erase(app, Erasure::Space(space?.0)).await
}

/// In a task of its own: a caller who hangs up does not stop it half-way, or the news of it.
async fn erase(app: AppState, whose: Erasure) -> Result<StatusCode, ApiError> {
    let done = tokio::spawn(async move {
        Ok::<_, ApiError>(app.log.erase(app.eraser.as_ref(), &whose, |news| app.publish(news)).await?)
    });
    if done.await.map_err(|_| ApiError::internal())?? {
        return Ok(StatusCode::NO_CONTENT);
    }
    let message = "this server was started without COMPACTOR_DATABASE_URL and erases nothing";
    Err(ApiError::new(StatusCode::NOT_IMPLEMENTED, "erasure_unavailable", message))
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

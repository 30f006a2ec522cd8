//! `POST /v2/push`.

use super::body;
use crate::auth::Identity;
use crate::clock;
use crate::error::ApiError;
use crate::log::{Caller, Push, Sent};
use crate::server::AppState;
use axum::Json;
use axum::extract::{Request, State};
use mana_sync_engine::model::ClientId;
use mana_sync_engine::protocol::limits::MAX_ACCEPTED_PUSH;
use mana_sync_engine::protocol::wire::{PROTOCOL, PushAnswer};
use serde::Deserialize;
use serde_json::value::RawValue;

/// The wire's `PushRequest` with its changes left as text: one that is no readable JSON is rejected alone. The space
/// that memberships call personal is the person's own, so what the client says of it is not asked.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct PushBody<'a> {
    protocol: u32,
    client_id: ClientId,
    receipt: Option<String>,
    #[serde(borrow)]
    changes: Vec<&'a RawValue>,
}

pub(super) async fn push(
    State(app): State<AppState>,
    identity: Identity,
    request: Request,
) -> Result<Json<PushAnswer>, ApiError> {
    let bytes = body::read(request).await?;
    let body: PushBody<'_> = body::parse(&bytes)?;
    check_protocol(body.protocol)?;
    if body.changes.len() > MAX_ACCEPTED_PUSH {
        return Err(ApiError::too_large(format!("a push may have {MAX_ACCEPTED_PUSH} changes")));
    }
    let changes = body.changes.into_iter().map(Sent::from_text).collect();
    let (client_id, receipt) = (body.client_id, body.receipt);
    let spaces = app.memberships.spaces_of(&identity.user).await?.spaces;
    let caller = Caller { user: identity.user, spaces };
    let push = Push { caller, client_id, receipt, changes, now: clock::now() };
    // A task of its own: a client that hangs up does not stop the transaction, or the news of it.
    let done = tokio::spawn(async move {
        let hub = app.hub.clone();
        Ok::<_, ApiError>(app.log.push_and_tell(push, move |news| hub.publish(news)).await?)
    });
    let outcome = done.await.map_err(|_| ApiError::internal())??;
    tracing::debug!(accepted = outcome.accepted.len(), rejected = outcome.rejected.len(), "pushed");
    Ok(Json(PushAnswer {
        protocol: PROTOCOL,
        accepted: outcome.accepted,
        rejected: outcome.rejected,
        receipt: outcome.receipt,
        server_time: clock::now(),
    }))
}

pub(super) fn check_protocol(protocol: u32) -> Result<(), ApiError> {
    if protocol == PROTOCOL {
        return Ok(());
    }
    let message = format!("this path speaks protocol {PROTOCOL}, not {protocol}");
    Err(ApiError::new(axum::http::StatusCode::BAD_REQUEST, "unsupported_protocol", message))
}

//! `POST /v2/push`.

use super::body;
use crate::auth::Identity;
use crate::clock;
use crate::error::ApiError;
use crate::log::{Caller, Push, PushOutcome, Sent};
use crate::server::AppState;
use axum::Json;
use axum::extract::{Request, State};
use mana_sync_engine::model::{ClientId, SpaceId, UserId};
use mana_sync_engine::protocol::limits::MAX_ACCEPTED_PUSH;
use mana_sync_engine::protocol::wire::{PROTOCOL, PushAnswer, RejectionCode};
use serde::Deserialize;
use serde_json::value::RawValue;
use std::collections::BTreeSet;

/// The wire's `PushRequest` with its changes left as text: one that is no readable JSON is rejected alone.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct PushBody<'a> {
    protocol: u32,
    client_id: ClientId,
    personal_space_id: Option<SpaceId>,
    receipt: Option<String>,
    #[serde(borrow)]
    changes: Vec<&'a RawValue>,
}

pub(super) async fn push(
    State(app): State<AppState>,
    identity: Identity,
    request: Request,
) -> Result<Json<PushAnswer>, ApiError> {
    let bytes = body::read(request, &app).await?;
    let body: PushBody<'_> = body::parse(&bytes)?;
    check_protocol(body.protocol)?;
    if body.changes.len() > MAX_ACCEPTED_PUSH {
        return Err(ApiError::too_large(format!("a push may have {MAX_ACCEPTED_PUSH} changes")));
    }
    let (changes, client_id, receipt) = (body.changes, body.client_id, body.receipt);
    if let Some(named) = body.personal_space_id {
        let spaces = app.memberships.recent_spaces_of(&identity.user).await?.spaces;
        let turn = app.turns.take(&identity.user).await?;
        app.log.hear_of_own_space(&Caller { user: identity.user.clone(), spaces }, &named).await?;
        drop(turn);
    }
    let changes: Vec<Sent> = changes.iter().map(|change| Sent::from_text(change)).collect();
    let outcome = take(&app, &identity.user, (&client_id, receipt), &changes).await?;
    app.metrics.pushed(outcome.accepted.len(), outcome.rejected.len());
    tracing::debug!(accepted = outcome.accepted.len(), rejected = outcome.rejected.len(), "pushed");
    Ok(Json(PushAnswer {
        protocol: PROTOCOL,
        accepted: outcome.accepted,
        rejected: outcome.rejected,
        receipt: outcome.receipt,
        server_time: clock::now(),
    }))
}

/// Takes changes of this person's into the log. Nobody is refused by memberships that were true a moment ago.
pub(super) async fn take(
    app: &AppState,
    user: &UserId,
    (client_id, receipt): (&ClientId, Option<String>),
    changes: &[Sent],
) -> Result<PushOutcome, ApiError> {
    let push = |spaces| Push {
        caller: Caller { user: user.clone(), spaces },
        client_id: client_id.clone(),
        receipt: receipt.clone(),
        changes: changes.to_vec(),
        now: clock::now(),
    };
    let spaces = app.memberships.recent_spaces_of(user).await?.spaces;
    let outcome = store(app, push(spaces)).await?;
    if !outcome.rejected.iter().any(|rejection| is_denial(rejection.code)) {
        return Ok(outcome);
    }
    let spaces = app.memberships.spaces_of(user).await?.spaces;
    Ok(after(outcome, store(app, push(spaces)).await?))
}

/// In a task of its own: a client that hangs up does not stop the transaction, or the news of it.
async fn store(app: &AppState, push: Push) -> Result<PushOutcome, ApiError> {
    let (app, turn) = (app.clone(), app.turns.take(&push.caller.user).await?);
    let done = tokio::spawn(async move {
        let outcome = app.log.push(push).await;
        drop(turn);
        let outcome = outcome?;
        app.publish(&outcome.news);
        Ok::<_, ApiError>(outcome)
    });
    done.await.map_err(|_| ApiError::internal())?
}

/// What became of a push that was taken twice: what was stored the first time is stored.
fn after(first: PushOutcome, mut second: PushOutcome) -> PushOutcome {
    let stored: BTreeSet<String> = first.accepted.iter().map(ToString::to_string).collect();
    second.rejected.retain(|rejection| !stored.contains(&rejection.event_id));
    let again: BTreeSet<String> = second.accepted.iter().map(ToString::to_string).collect();
    second.accepted.extend(first.accepted.into_iter().filter(|event| !again.contains(&event.to_string())));
    second
}

/// Whether a change was rejected because of its author's memberships.
fn is_denial(code: RejectionCode) -> bool {
    matches!(code, RejectionCode::NotAMember | RejectionCode::ReadOnly)
}

pub(super) fn check_protocol(protocol: u32) -> Result<(), ApiError> {
    if protocol == PROTOCOL {
        return Ok(());
    }
    let message = format!("this path speaks protocol {PROTOCOL}, not {protocol}");
    Err(ApiError::new(axum::http::StatusCode::BAD_REQUEST, "unsupported_protocol", message))
}

//! `POST /v2/check`.

use super::body::Input;
use super::pull::{check_tables, tables};
use super::push::check_protocol;
use crate::auth::Identity;
use crate::clock;
use crate::error::ApiError;
use crate::log::{Caller, Check, Collection};
use crate::server::AppState;
use axum::Json;
use axum::extract::State;
use mana_sync_engine::protocol::limits::MAX_CHECK_EXCEPT;
use mana_sync_engine::protocol::wire::{CheckAnswer, CheckRequest, RecordName};

pub(super) async fn check(
    State(app): State<AppState>,
    identity: Identity,
    Input(request): Input<CheckRequest>,
) -> Result<Json<CheckAnswer>, ApiError> {
    check_protocol(request.protocol)?;
    let tables = tables(&request.apps);
    check_tables(&tables)?;
    if request.except.len() > MAX_CHECK_EXCEPT {
        return Err(ApiError::invalid(format!("except: may name {MAX_CHECK_EXCEPT} records")));
    }
    let spaces = app.memberships.recent_spaces_of(&identity.user).await?.spaces;
    let caller = Caller { user: identity.user.clone(), spaces };
    let turn = app.turns.take(&identity.user).await?;
    let checking = app.checks.begin(&identity.user)?;
    if let Some(named) = &request.personal_space_id {
        app.log.hear_of_own_space(&caller, named).await?;
    }
    let name = |RecordName { app, table, id }| (Collection { app, table }, id);
    let except = request.except.into_iter().map(name).collect();
    let check = Check { caller, cursor: request.cursor, tables, except };
    // A client that hangs up does not end the statement. Until that has ended, nobody's turn is over.
    let checked = tokio::spawn(async move {
        let _held = (turn, checking);
        app.log.check(check).await
    });
    let checked = checked.await.map_err(|_| ApiError::internal())??;
    Ok(Json(checked.into_answer(clock::now())))
}

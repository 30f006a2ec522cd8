//! The identity service of `--dev`: signs anybody in by name, and keeps spaces and their members.
//!
//! It stands in for a real identity provider on a developer's machine and in tests: it asks for no password, so the
//! server that carries it listens on this machine only.

mod store;

pub use store::{DevStore, Refused};

use crate::auth::{Identity, Issuer, KeyPair};
use crate::clock;
use crate::error::ApiError;
use crate::http::{Input, Segment};
use crate::server::AppState;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::IntoResponse;
use axum::routing::{get, post};
use axum::{Json, Router};
use mana_sync_engine::model::{SpaceId, UserId};
use serde::Deserialize;
use serde_json::{Value, json};

/// The issuer of this service's tokens.
pub const ISSUER: Issuer = Issuer { name: "mana-sync-dev", audience: "mana-sync" };

/// How long a token is good when the login does not say, in seconds.
const TOKEN_S: u64 = 12 * 60 * 60;
/// Longest name of a person in bytes; leaves room for the prefixes that ids are made with.
const MAX_NAME: usize = 128;

/// The service: its data and its key.
pub struct DevIdentity {
    /// Spaces and members.
    pub store: DevStore,
    /// Signs the tokens.
    pub key: KeyPair,
}

/// The service's routes.
pub fn routes() -> Router<AppState> {
    Router::new()
        .route("/dev/login", post(login))
        .route("/dev/jwks", get(jwks))
        .route("/dev/spaces", get(spaces).post(create_space))
        .route("/dev/spaces/{id}/members", get(members).post(put_member).delete(remove_member))
        .route("/api/v1/internal/users/{id}/memberships", get(memberships))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Login {
    user: UserId,
    /// Seconds; for those who want to see a token end.
    #[serde(default)]
    expires_in: Option<u64>,
}

async fn login(State(app): State<AppState>, Input(login): Input<Login>) -> Result<Json<Value>, ApiError> {
    if login.user.as_str().len() > MAX_NAME {
        return Err(ApiError::invalid(format!("user: must have at most {MAX_NAME} bytes")));
    }
    let seconds = login.expires_in.unwrap_or(TOKEN_S).clamp(1, TOKEN_S);
    let token = dev(&app)?.key.issue(ISSUER, &login.user, clock::now().ms() / 1000, seconds);
    let token = token.ok_or_else(ApiError::internal)?;
    Ok(Json(json!({ "token": token.text, "user": login.user, "expires": token.expires })))
}

async fn jwks(State(app): State<AppState>) -> Result<Json<Value>, ApiError> {
    Ok(Json(dev(&app)?.key.jwks()))
}

#[derive(Deserialize)]
struct NewSpace {
    name: String,
    #[serde(rename = "type")]
    kind: String,
}

async fn create_space(
    State(app): State<AppState>,
    caller: Identity,
    Input(space): Input<NewSpace>,
) -> Result<impl IntoResponse, ApiError> {
    let kind_ok =
        (1..=32).contains(&space.kind.len()) && space.kind.bytes().all(|b| b.is_ascii_lowercase() || b == b'-');
    if !kind_ok || space.name.trim().is_empty() || space.name.len() > 200 {
        return Err(ApiError::invalid("a space needs a name of at most 200 bytes and a type in small letters"));
    }
    let id = dev(&app)?.store.create_space(&caller.user, &space.name, &space.kind).await.map_err(refuse)?;
    app.spaces_changed(&[caller.user]);
    let answer = json!({ "id": id, "name": space.name, "type": space.kind, "role": "owner" });
    Ok((StatusCode::CREATED, Json(answer)))
}

async fn spaces(State(app): State<AppState>, caller: Identity) -> Result<Json<Value>, ApiError> {
    let spaces = dev(&app)?.store.named_spaces(&caller.user).await.map_err(|e| refuse(e.into()))?;
    let space = |(space, name)| json!({ "id": space_id(&space), "name": name, "type": space.kind, "role": space.role });
    Ok(Json(json!({ "spaces": spaces.into_iter().map(space).collect::<Vec<_>>() })))
}

fn space_id(space: &mana_sync_engine::model::Space) -> &SpaceId {
    &space.id
}

async fn members(
    State(app): State<AppState>,
    caller: Identity,
    Segment(space): Segment<SpaceId>,
) -> Result<Json<Value>, ApiError> {
    let members = dev(&app)?.store.members(&caller.user, &space).await.map_err(refuse)?;
    let member = |(user, role): (String, String)| json!({ "userId": user, "role": role });
    Ok(Json(json!({ "members": members.into_iter().map(member).collect::<Vec<Value>>() })))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Member {
    user_id: UserId,
    #[serde(default)]
    role: Option<String>,
}

async fn put_member(
    State(app): State<AppState>,
    caller: Identity,
    Segment(space): Segment<SpaceId>,
    Input(member): Input<Member>,
) -> Result<StatusCode, ApiError> {
    let role = member.role.as_deref().unwrap_or("member");
    if !["owner", "admin", "member", "viewer"].contains(&role) {
        return Err(ApiError::invalid("role: must be 'owner', 'admin', 'member' or 'viewer'"));
    }
    change_member(&app, (&caller.user, &space), &member.user_id, Some(role)).await
}

async fn remove_member(
    State(app): State<AppState>,
    caller: Identity,
    Segment(space): Segment<SpaceId>,
    Input(member): Input<Member>,
) -> Result<StatusCode, ApiError> {
    change_member(&app, (&caller.user, &space), &member.user_id, None).await
}

async fn change_member(
    app: &AppState,
    place: (&UserId, &SpaceId),
    member: &UserId,
    role: Option<&str>,
) -> Result<StatusCode, ApiError> {
    dev(app)?.store.set_member(place, member, role).await.map_err(refuse)?;
    app.spaces_changed(std::slice::from_ref(member));
    Ok(StatusCode::NO_CONTENT)
}

/// The endpoint that a sync server asks, in the contract it has everywhere.
async fn memberships(
    State(app): State<AppState>,
    Segment(user): Segment<UserId>,
    headers: HeaderMap,
) -> Result<Json<Value>, ApiError> {
    app.check_service_key(&headers)?;
    let spaces = dev(&app)?.store.named_spaces(&user).await.map_err(|e| refuse(e.into()))?;
    let membership = |(space, _)| json!({ "organizationId": space_id(&space), "role": space.role, "type": space.kind });
    Ok(Json(json!({ "userId": user, "memberships": spaces.into_iter().map(membership).collect::<Vec<_>>() })))
}

fn dev(app: &AppState) -> Result<&DevIdentity, ApiError> {
    app.dev.as_ref().ok_or_else(|| ApiError::new(StatusCode::NOT_FOUND, "not_found", "there is nothing here"))
}

fn refuse(refused: Refused) -> ApiError {
    let conflict = |message| ApiError::new(StatusCode::CONFLICT, "conflict", message);
    match refused {
        Refused::NoSuchSpace => ApiError::new(StatusCode::NOT_FOUND, "not_found", "you are in no such space"),
        Refused::NotTheOwner => ApiError::forbidden("only an owner changes the members of a space"),
        Refused::Personal => conflict("a person has one personal space, and it has no other members"),
        Refused::LastOwner => conflict("a space keeps at least one owner"),
        Refused::Failed(cause) => {
            tracing::error!(%cause, "the identity service failed");
            ApiError::internal()
        }
    }
}

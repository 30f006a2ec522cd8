//! Protocol 1, for clients that are older than this server: the same routes and shapes, and none of its gaps.
//!
//! A change comes as one of protocol 2 ([`incoming`]) and goes out as one of protocol 1 ([`outgoing`]), so that both kinds of
//! clients work on one log. What protocol 2 refuses is kept for its author's older clients: they believe it was taken.

mod incoming;
mod outgoing;
mod pull;
mod push;
mod stream;
mod surrogates;

use crate::auth::{Identity, Unverified, bearer};
use crate::error::ApiError;
use crate::server::AppState;
use axum::Router;
use axum::extract::{FromRequestParts, Path};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use mana_sync_engine::model::{AppId, ClientId, Stamp};

/// The routes of protocol 1 that no other protocol has.
pub(super) fn routes() -> Router<AppState> {
    Router::new()
        .route("/sync/{app}", post(push::push))
        .route("/sync/{app}/pull", get(pull::pull))
        .route("/sync/{app}/stream", get(stream::stream))
}

/// An error as older clients expect it: a sentence of plain text.
#[derive(Debug)]
struct Refusal(ApiError);

impl Refusal {
    fn bad_request(sentence: impl Into<String>) -> Self {
        Self(ApiError::invalid(sentence))
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        self.0.in_plain_text()
    }
}

impl<E: Into<ApiError>> From<E> for Refusal {
    fn from(error: E) -> Self {
        Self(error.into())
    }
}

/// Who asks: a person with a token, about one app, as one of their clients.
struct Asking {
    identity: Identity,
    app: AppId,
    client: Option<ClientId>,
}

impl FromRequestParts<AppState> for Asking {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, Refusal> {
        let unauthorized = |why| Refusal(ApiError::new(StatusCode::UNAUTHORIZED, "unauthorized", why));
        let token = bearer(&parts.headers).ok_or_else(|| unauthorized("unauthorized: no authorization header"))?;
        let identity = state.tokens.verify(token).await.map_err(|error| match error {
            Unverified::Bad => {
                unauthorized("unauthorized: the token is malformed, has ended, or is not for this server")
            }
            Unverified::Unavailable => error.into(),
        })?;
        state.admit(&identity.user).await?;
        let app = Path::<AppId>::from_request_parts(parts, state).await;
        let Path(app) = app.map_err(|_| Refusal::bad_request("the path names no app"))?;
        Ok(Self { identity, app, client: client(&parts.headers) })
    }
}

fn client(headers: &HeaderMap) -> Option<ClientId> {
    ClientId::parse(headers.get("x-client-id")?.to_str().ok()?).ok()
}

/// The time that a client has read up to; what is none is the beginning. A time that was cut to milliseconds on its way
/// stands for the first of them.
fn since(text: &str) -> Stamp {
    let stamp = Stamp::parse(text).unwrap_or(Stamp::EPOCH);
    let of_millisecond = Stamp::at_ms(stamp.ms());
    if stamp.to_string().len() < of_millisecond.to_string().len() { of_millisecond } else { stamp }
}

/// The names of tables in a query; older clients write them with commas between.
fn names(list: &str) -> Result<Vec<String>, Refusal> {
    let names: Vec<String> = list.split(',').filter(|name| !name.is_empty()).map(str::to_owned).collect();
    if names.is_empty() || names.iter().any(|name| name.chars().any(char::is_control)) {
        return Err(Refusal::bad_request("missing collection or since parameter"));
    }
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_that_was_cut_to_milliseconds_is_before_all_of_them_and_what_is_none_before_everything() {
        let whole = Stamp::parse("2026-06-01T12:00:00.123004Z").unwrap();
        assert_eq!(since("2026-06-01T12:00:00.123004Z"), whole);
        assert_eq!(since("2026-06-01T12:00:00.123004567Z"), whole);
        for cut in ["2026-06-01T12:00:00.123Z", "2026-06-01T14:00:00.123+02:00"] {
            assert_eq!(since(cut), Stamp::parse("2026-06-01T12:00:00.123000Z").unwrap());
        }
        for none in ["", "garbage", "1970-01-01T00:00:00.000Z"] {
            assert_eq!(since(none), Stamp::EPOCH);
        }
    }
}

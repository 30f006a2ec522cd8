//! Errors as clients see them: a status, a stable code, a sentence; never what happened inside.

use crate::auth::Unverified;
use crate::checks::UnderWay;
use crate::hub::TooMany;
use crate::log::{LogError, PullError};
use crate::members::Unavailable;
use crate::rate::TooOften;
use crate::turns::Crowded;
use axum::Json;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use mana_sync_engine::protocol::wire::{ErrorAnswer, ExpiryReason, PROTOCOL};
use serde_json::json;

/// An answer that is not a success.
#[derive(Debug, Clone)]
pub struct ApiError {
    status: StatusCode,
    code: &'static str,
    message: String,
    reason: Option<ExpiryReason>,
    retry_after: Option<u16>,
}

impl ApiError {
    /// An error with a status, a code of its own and a sentence for people.
    pub fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        Self { status, code, message: message.into(), reason: None, retry_after: None }
    }

    /// 400 `invalid_request`: the request as a whole is not what it should be.
    pub fn invalid(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "invalid_request", message)
    }

    /// 401 `unauthorized`: no token, or one that is not good (any more).
    #[must_use]
    pub fn unauthorized() -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "unauthorized", "a valid bearer token is needed")
    }

    /// 401 `unauthorized`: the request is no other service's.
    #[must_use]
    pub fn no_service() -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "unauthorized", "the service key is missing or wrong")
    }

    /// 403 `forbidden`.
    pub fn forbidden(message: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, "forbidden", message)
    }

    /// 413 `too_large`.
    pub fn too_large(message: impl Into<String>) -> Self {
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "too_large", message)
    }

    /// 410 `cursor_expired`, with its reason.
    #[must_use]
    pub fn cursor_expired(reason: ExpiryReason) -> Self {
        let message = "the cursor cannot be followed any more: read from the beginning";
        Self { reason: Some(reason), ..Self::new(StatusCode::GONE, "cursor_expired", message) }
    }

    /// 503 with `Retry-After`, in seconds.
    pub fn later(code: &'static str, message: impl Into<String>, seconds: u16) -> Self {
        Self { retry_after: Some(seconds), ..Self::new(StatusCode::SERVICE_UNAVAILABLE, code, message) }
    }

    /// 402 `subscription_inactive`.
    #[must_use]
    pub fn payment_required() -> Self {
        let message = "the subscription of this account does not include sync at present";
        Self::new(StatusCode::PAYMENT_REQUIRED, "subscription_inactive", message)
    }

    /// 500 `internal`; the cause goes to the log only.
    #[must_use]
    pub fn internal() -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", "the server failed; try again later")
    }
}

impl ApiError {
    /// The error as an older client gets it: a status and a sentence; where the account does not include sync, as JSON.
    #[must_use]
    pub fn in_plain_text(self) -> Response {
        let mut response = if self.status == StatusCode::PAYMENT_REQUIRED {
            let body = Json(json!({ "error": "sync_inactive", "message": self.message }));
            (self.status, body).into_response()
        } else {
            (self.status, format!("{}\n", self.message)).into_response()
        };
        self.add_headers(response.headers_mut());
        response
    }

    /// Its status.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        self.status
    }

    fn add_headers(&self, headers: &mut HeaderMap) {
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if let Some(seconds) = self.retry_after {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if self.status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
    }
}

impl From<&ApiError> for ErrorAnswer {
    fn from(error: &ApiError) -> Self {
        let (code, message) = (error.code.to_owned(), error.message.clone());
        Self { protocol: PROTOCOL, code, message, reason: error.reason }
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let mut response = (self.status, Json(ErrorAnswer::from(&self))).into_response();
        self.add_headers(response.headers_mut());
        response
    }
}

impl From<LogError> for ApiError {
    fn from(error: LogError) -> Self {
        match error {
            LogError::Busy(_) | LogError::Conflict => Self::later("busy", "the server is busy; try again", 1),
            LogError::OverQuota(quota) => {
                let message = format!(
                    "this account may store {quota} bytes, and this push is over that: nothing of it was stored"
                );
                Self::new(StatusCode::FORBIDDEN, "storage_quota_exceeded", message)
            }
            LogError::Failed(cause) => {
                tracing::error!(%cause, "the change log failed");
                Self::internal()
            }
        }
    }
}

impl From<TooOften> for ApiError {
    fn from(TooOften { seconds }: TooOften) -> Self {
        let message = "too many requests of this person; try again later";
        Self { retry_after: Some(seconds), ..Self::new(StatusCode::TOO_MANY_REQUESTS, "rate_limited", message) }
    }
}

impl From<TooMany> for ApiError {
    fn from(_: TooMany) -> Self {
        let message = "this person has too many connections open; close one, or ask without one";
        Self { retry_after: Some(30), ..Self::new(StatusCode::TOO_MANY_REQUESTS, "too_many_connections", message) }
    }
}

impl From<UnderWay> for ApiError {
    fn from(_: UnderWay) -> Self {
        let message = "a check is under way; ask again when it has ended";
        Self { retry_after: Some(5), ..Self::new(StatusCode::TOO_MANY_REQUESTS, "check_under_way", message) }
    }
}

impl From<Crowded> for ApiError {
    fn from(_: Crowded) -> Self {
        Self::later("busy", "too many requests of this person are under way; try again", 1)
    }
}

impl From<PullError> for ApiError {
    fn from(error: PullError) -> Self {
        match error {
            PullError::Expired(reason) => Self::cursor_expired(reason),
            PullError::Log(error) => error.into(),
        }
    }
}

impl From<Unavailable> for ApiError {
    fn from(error: Unavailable) -> Self {
        tracing::warn!(cause = %error.0, "memberships are unavailable");
        Self::later("memberships_unavailable", "memberships cannot be looked up at present", 5)
    }
}

impl From<Unverified> for ApiError {
    fn from(error: Unverified) -> Self {
        match error {
            Unverified::Bad => Self::unauthorized(),
            Unverified::Unavailable => Self::later("identity_unavailable", "tokens cannot be checked at present", 5),
        }
    }
}

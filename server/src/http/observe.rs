//! What watches over servers asks for: whether this one can work, and what it has done.

use crate::error::ApiError;
use crate::server::AppState;
use axum::Json;
use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use serde_json::json;
use std::time::Duration;
use tokio::time::{Instant, timeout};

/// How long the database may take to answer.
const PATIENCE: Duration = Duration::from_secs(2);

/// `GET /ready`: 200 where requests can be served, 503 where the database does not answer.
pub(super) async fn ready(State(app): State<AppState>) -> Response {
    let is_ready = matches!(timeout(PATIENCE, app.log.ping()).await, Ok(Ok(())));
    let (status, word) =
        if is_ready { (StatusCode::OK, "ready") } else { (StatusCode::SERVICE_UNAVAILABLE, "unavailable") };
    let no_store = [(header::CACHE_CONTROL, HeaderValue::from_static("no-store"))];
    (status, no_store, Json(json!({ "status": word }))).into_response()
}

/// `GET /metrics`, with the service key as `X-Service-Key` or as a bearer token.
pub(super) async fn metrics(State(app): State<AppState>, headers: HeaderMap) -> Result<Response, ApiError> {
    app.check_service_key(&headers)?;
    let kind = HeaderValue::from_static("application/openmetrics-text; version=1.0.0; charset=utf-8");
    Ok(([(header::CONTENT_TYPE, kind)], app.metrics.text(app.hub.len())).into_response())
}

/// Counts a request. What matches no route counts as one, so that nobody makes up names.
pub(super) async fn count(State(app): State<AppState>, request: Request, next: Next) -> Response {
    let began = Instant::now();
    let method = request.method().clone();
    let route = request.extensions().get::<MatchedPath>().map_or("none", MatchedPath::as_str).to_owned();
    let response = next.run(request).await;
    let method =
        if matches!(method.as_str(), "GET" | "POST" | "DELETE" | "OPTIONS") { method.as_str() } else { "other" };
    app.metrics.answered(&route, method, response.status().as_u16(), began.elapsed());
    response
}

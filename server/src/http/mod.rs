//! The routes of both protocols, and what holds for all of them: exact origins, limited bodies, and for those of protocol 2 typed
//! errors.

mod body;
mod check;
mod feed;
mod internal;
mod observe;
mod origin;
mod protocol1;
mod pull;
mod push;
mod segment;
mod stream;
mod ws;

pub use body::Input;
pub use origin::Origins;
pub use segment::Segment;

use crate::clock;
use crate::error::ApiError;
use crate::server::AppState;
use axum::body::Body;
use axum::extract::MatchedPath;
use axum::http::{HeaderName, HeaderValue, Method, Request, StatusCode, header};
use axum::middleware;
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, get, post};
use axum::{Json, Router};
use mana_sync_engine::protocol::wire::{Health, PROTOCOL};
use std::any::Any;
use std::time::Duration;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::cors::{AllowOrigin, CorsLayer};
use tower_http::decompression::RequestDecompressionLayer;
use tower_http::trace::TraceLayer;

/// How long a browser may remember a preflight's answer.
const PREFLIGHT: Duration = Duration::from_mins(10);
/// How a client of a stream says where it was cut off.
const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");
/// How a client of protocol 1 names itself.
const CLIENT_ID: HeaderName = HeaderName::from_static("x-client-id");

/// All routes of the server.
pub fn router(app: AppState) -> Router {
    let mut router = Router::new()
        .route("/health", get(health))
        .route("/ready", get(observe::ready))
        .route("/metrics", get(observe::metrics))
        .route("/v2/push", post(push::push))
        .route("/v2/pull", post(pull::pull))
        .route("/v2/check", post(check::check))
        .route("/v2/stream", get(stream::get).post(stream::post))
        .route("/internal/spaces-changed", post(internal::spaces_changed))
        .route("/internal/users/{id}", delete(internal::erase_user))
        .route("/internal/spaces/{id}", delete(internal::erase_space))
        .route("/ws", get(ws::all_apps))
        .route("/ws/{app}", get(ws::one_app));
    if app.dev.is_some() {
        router = router.merge(crate::dev::routes());
    }
    let router = router
        .fallback(async || ApiError::new(StatusCode::NOT_FOUND, "not_found", "there is nothing here"))
        .method_not_allowed_fallback(async || {
            ApiError::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", "this path takes other methods")
        })
        .layer(cors(&app));
    router
        .merge(protocol1::routes().layer(cors_of_protocol_1(&app)))
        .layer(RequestDecompressionLayer::new().pass_through_unaccepted(true))
        .layer(CatchPanicLayer::custom(panicked))
        .layer(middleware::from_fn_with_state(app.clone(), observe::count))
        .layer(TraceLayer::new_for_http().make_span_with(span))
        .with_state(app)
}

async fn health() -> Response {
    let health = Health {
        status: "ok".to_owned(),
        service: "mana-sync".to_owned(),
        protocol: Some(PROTOCOL),
        timestamp: clock::now(),
    };
    ([(header::CACHE_CONTROL, HeaderValue::from_static("no-store"))], Json(health)).into_response()
}

fn cors(app: &AppState) -> CorsLayer {
    let origins = app.origins.clone();
    CorsLayer::new()
        .allow_origin(AllowOrigin::predicate(move |origin, _| origins.allow(origin)))
        .allow_methods([Method::GET, Method::POST, Method::DELETE])
        .allow_headers([header::AUTHORIZATION, header::CONTENT_TYPE, header::CONTENT_ENCODING, LAST_EVENT_ID])
        .expose_headers([header::RETRY_AFTER])
        .max_age(PREFLIGHT)
}

/// Older clients name themselves in a header, and send their requests with credentials, of which there are none here.
fn cors_of_protocol_1(app: &AppState) -> CorsLayer {
    let headers = [header::AUTHORIZATION, header::CONTENT_TYPE, CLIENT_ID];
    cors(app).allow_methods([Method::GET, Method::POST]).allow_headers(headers).allow_credentials(true)
}

fn panicked(_: Box<dyn Any + Send>) -> Response {
    ApiError::internal().into_response()
}

/// Method and route of a request, for the log: a path itself can hold ids.
fn span(request: &Request<Body>) -> tracing::Span {
    let route = request.extensions().get::<MatchedPath>().map_or("", MatchedPath::as_str);
    tracing::debug_span!("request", method = %request.method(), route)
}

//! Reading request bodies: JSON only, gzip or plain, limited while they are read.

use crate::error::ApiError;
use crate::server::{App, AppState};
use axum::body::Body;
use axum::extract::{FromRequest, Request};
use axum::http::{HeaderMap, StatusCode, header};
use futures_util::StreamExt as _;
use mana_sync_engine::protocol::limits::MAX_BODY_BYTES;
use serde::de::DeserializeOwned;

/// How much of a body that is too large is read and thrown away. A client that is still sending when the connection
/// closes may never see the answer, and would try again for ever.
const DISCARD_BYTES: usize = 8 * MAX_BODY_BYTES;

/// What room a body gets, in bytes, and which when it is full. The last step is a large one: a body that is moved as it grows takes
/// its memory twice.
const ROOMS: [usize; 4] = [16 * 1024, 128 * 1024, 1024 * 1024, MAX_BODY_BYTES];

/// A JSON body of known shape.
pub struct Input<T>(pub T);

impl<T: DeserializeOwned> FromRequest<AppState> for Input<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, app: &AppState) -> Result<Self, ApiError> {
        parse(&read(request, app).await?).map(Self)
    }
}

/// Reads a JSON document into its type; what is wrong with it is said, never more than that.
pub fn parse<'a, T: serde::Deserialize<'a>>(bytes: &'a [u8]) -> Result<T, ApiError> {
    serde_json::from_slice(bytes).map_err(|error| {
        let code = if error.is_data() { "invalid_request" } else { "malformed_json" };
        ApiError::new(StatusCode::BAD_REQUEST, code, error.to_string())
    })
}

/// The body of a request that must be JSON, of at most [`MAX_BODY_BYTES`] after decompression.
pub async fn read(request: Request, app: &App) -> Result<Vec<u8>, ApiError> {
    let (parts, body) = request.into_parts();
    check_headers(&parts.headers)?;
    read_any(body, app).await
}

/// A body of whatever type, as large.
pub async fn read_any(body: Body, app: &App) -> Result<Vec<u8>, ApiError> {
    match tokio::time::timeout(app.patience.body, collect(body)).await {
        Ok(bytes) => bytes,
        Err(_) => Err(ApiError::new(StatusCode::REQUEST_TIMEOUT, "request_timeout", "the body did not come in time")),
    }
}

fn check_headers(headers: &HeaderMap) -> Result<(), ApiError> {
    let unsupported = |message| ApiError::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type", message);
    let essence = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let essence = essence.and_then(|value| value.split(';').next()).unwrap_or_default().trim();
    if !essence.eq_ignore_ascii_case("application/json") {
        return Err(unsupported("the body must be application/json"));
    }
    // The layer before this one takes gzip off, with its header; what is left is an encoding it does not know.
    match headers.get(header::CONTENT_ENCODING) {
        Some(encoding) if !encoding.as_bytes().eq_ignore_ascii_case(b"identity") => {
            Err(unsupported("the body may be encoded with gzip, or not at all"))
        }
        _ => Ok(()),
    }
}

async fn collect(body: Body) -> Result<Vec<u8>, ApiError> {
    let mut chunks = body.into_data_stream();
    let mut bytes = Vec::new();
    let mut total = 0usize;
    while let Some(chunk) = chunks.next().await {
        let chunk = chunk.map_err(|_| ApiError::invalid("the body broke off, or is not in the encoding it claims"))?;
        total = total.saturating_add(chunk.len());
        if total <= MAX_BODY_BYTES {
            if let Some(room) = ROOMS.into_iter().find(|room| total <= *room).filter(|_| total > bytes.capacity()) {
                bytes.reserve_exact(room - bytes.len());
            }
            bytes.extend_from_slice(&chunk);
        } else if total > DISCARD_BYTES {
            break;
        } else {
            bytes = Vec::new();
        }
    }
    if total > MAX_BODY_BYTES {
        return Err(ApiError::too_large(format!("a body may have {MAX_BODY_BYTES} bytes")));
    }
    Ok(bytes)
}

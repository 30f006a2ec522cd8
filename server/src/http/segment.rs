//! Parts of a path: ids that are checked before anything is looked up.

use crate::error::ApiError;
use axum::extract::{FromRequestParts, Path};
use axum::http::request::Parts;
use serde::de::DeserializeOwned;

/// The one variable segment of a path.
pub struct Segment<T>(pub T);

impl<T: DeserializeOwned + Send, S: Send + Sync> FromRequestParts<S> for Segment<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let segment = Path::<T>::from_request_parts(parts, state).await;
        segment.map(|Path(value)| Self(value)).map_err(|_| ApiError::invalid("the path holds an id that is none"))
    }
}

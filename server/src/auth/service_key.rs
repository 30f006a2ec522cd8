//! The key by which services know each other.

use axum::http::{HeaderMap, HeaderValue};
use sha2::{Digest as _, Sha256};

/// The key that other services of the same operator send as `X-Service-Key`, and this one sends to them.
#[derive(Clone)]
pub struct ServiceKey(HeaderValue);

impl ServiceKey {
    /// A key that a header can carry; never an empty one.
    #[must_use]
    pub fn new(key: &str) -> Option<Self> {
        let mut value = HeaderValue::from_str(key).ok().filter(|key| !key.is_empty())?;
        value.set_sensitive(true);
        Some(Self(value))
    }

    /// What this server sends along.
    #[must_use]
    pub fn header(&self) -> HeaderValue {
        self.0.clone()
    }

    /// Whether a request carries the key, as `X-Service-Key` or as a bearer token. Their digests are compared: how long that takes says nothing about the key.
    #[must_use]
    pub fn is_sent(&self, headers: &HeaderMap) -> bool {
        let own = Sha256::digest(self.0.as_bytes());
        let named = headers.get("x-service-key").map(HeaderValue::as_bytes);
        let token = super::bearer(headers).map(str::as_bytes);
        named.or(token).is_some_and(|sent| Sha256::digest(sent) == own)
    }
}

/// The key itself is never shown.
impl std::fmt::Debug for ServiceKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ServiceKey(…)")
    }
}

//! Who a request comes from: bearer tokens, signed by an identity provider with Ed25519.

mod eddsa;
mod jwks;
mod keys;
mod service_key;

pub use jwks::PublishedKeys;
pub use keys::{IssuedToken, KeyPair};
pub use service_key::ServiceKey;

use crate::clock;
use crate::error::ApiError;
use crate::server::AppState;
use axum::extract::FromRequestParts;
use axum::http::{HeaderMap, header, request::Parts};
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use mana_sync_engine::model::UserId;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::time::Duration;
use tokio::time::Instant;

/// A person whose token was verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// The person.
    pub user: UserId,
    /// When the token ends, in seconds since 1970.
    pub expires: u64,
}

impl Identity {
    /// When the token ends, on the clock that timers use.
    #[must_use]
    pub fn ends(&self) -> Instant {
        let left_ms = self.expires.saturating_mul(1000).saturating_sub(clock::now().ms());
        Instant::now() + Duration::from_millis(left_ms.min(u64::from(u32::MAX)))
    }
}

/// What a token of one's own says.
#[derive(Debug, Serialize)]
pub(crate) struct Claims {
    pub sub: String,
    pub iss: String,
    pub aud: String,
    pub iat: u64,
    pub exp: u64,
}

/// What is asked of any token, besides what the library checks.
#[derive(Deserialize)]
struct Verified {
    sub: String,
    exp: u64,
}

/// Why a token names nobody.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unverified {
    /// It is not good.
    Bad,
    /// That cannot be said: the identity provider's keys are not known, and it does not answer.
    Unavailable,
}

/// Whose tokens are taken, and for whom they must be meant.
#[derive(Debug, Clone, Copy)]
pub struct Issuer {
    /// The `iss` claim.
    pub name: &'static str,
    /// The `aud` claim.
    pub audience: &'static str,
}

/// How far clocks may differ, in seconds.
const LEEWAY_S: u64 = 30;

/// Checks tokens against the public keys of one issuer.
pub struct TokenVerifier {
    keys: Keys,
    validation: Validation,
}

enum Keys {
    Own(BTreeMap<String, DecodingKey>),
    Published(Box<PublishedKeys>),
}

impl TokenVerifier {
    /// Takes tokens of `issuer`, signed by one of these keys (id, 32 bytes).
    #[must_use]
    pub fn new(issuer: Issuer, keys: &[(String, [u8; 32])]) -> Self {
        let validation = validation(Some(issuer.name), Some(issuer.audience));
        let keys = keys.iter().map(|(id, public)| (id.clone(), DecodingKey::from_ed_der(public))).collect();
        Self { keys: Keys::Own(keys), validation }
    }

    /// Takes tokens signed by one of the keys that an identity provider publishes; their `iss` and `aud` must be these
    /// where they are given.
    #[must_use]
    pub fn published(keys: PublishedKeys, issuer: Option<&str>, audience: Option<&str>) -> Self {
        Self { keys: Keys::Published(Box::new(keys)), validation: validation(issuer, audience) }
    }

    /// The person a token names.
    pub async fn verify(&self, token: &str) -> Result<Identity, Unverified> {
        let bad = |_| Unverified::Bad;
        let header = jsonwebtoken::decode_header(token).map_err(bad)?;
        let id = header.kid.filter(|_| header.alg == Algorithm::EdDSA).ok_or(Unverified::Bad)?;
        let key = match &self.keys {
            Keys::Own(keys) => keys.get(&id).cloned().ok_or(Unverified::Bad)?,
            Keys::Published(keys) => keys.key(&id).await?,
        };
        let claims = jsonwebtoken::decode::<Verified>(token, &key, &self.validation).map_err(bad)?.claims;
        let user = UserId::parse(claims.sub).map_err(|_| Unverified::Bad)?;
        Ok(Identity { user, expires: claims.exp })
    }
}

fn validation(issuer: Option<&str>, audience: Option<&str>) -> Validation {
    eddsa::install();
    let mut validation = Validation::new(Algorithm::EdDSA);
    validation.leeway = LEEWAY_S;
    validation.validate_nbf = true;
    let mut required = vec!["exp", "sub"];
    if let Some(issuer) = issuer {
        validation.set_issuer(&[issuer]);
        required.push("iss");
    }
    if let Some(audience) = audience {
        validation.set_audience(&[audience]);
        required.push("aud");
    }
    validation.validate_aud = audience.is_some();
    validation.set_required_spec_claims(&required);
    validation
}

/// The token of an `Authorization: Bearer` header.
pub(crate) fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers.get(header::AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then_some(token.trim())
}

impl FromRequestParts<AppState> for Identity {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &AppState) -> Result<Self, ApiError> {
        let token = bearer(&parts.headers).ok_or_else(ApiError::unauthorized)?;
        let identity = app.tokens.verify(token).await?;
        app.admit(&identity.user).await?;
        Ok(identity)
    }
}

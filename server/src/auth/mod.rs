//! Who a request comes from: bearer tokens, signed by an identity provider with Ed25519.

mod eddsa;
mod keys;

pub use keys::{IssuedToken, KeyPair};

use crate::error::ApiError;
use crate::server::AppState;
use axum::extract::FromRequestParts;
use axum::http::{HeaderMap, header, request::Parts};
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use mana_sync_engine::model::UserId;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A person whose token was verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// The person.
    pub user: UserId,
    /// When the token ends, in seconds since 1970.
    pub expires: u64,
}

/// What a token says.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Claims {
    pub sub: String,
    pub iss: String,
    pub aud: String,
    pub iat: u64,
    pub exp: u64,
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
    keys: BTreeMap<String, DecodingKey>,
    validation: Validation,
}

impl TokenVerifier {
    /// Takes tokens of `issuer`, signed by one of these keys (id, 32 bytes).
    #[must_use]
    pub fn new(issuer: Issuer, keys: &[(String, [u8; 32])]) -> Self {
        eddsa::install();
        let mut validation = Validation::new(Algorithm::EdDSA);
        validation.leeway = LEEWAY_S;
        validation.validate_nbf = true;
        validation.set_issuer(&[issuer.name]);
        validation.set_audience(&[issuer.audience]);
        validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
        let keys = keys.iter().map(|(id, public)| (id.clone(), DecodingKey::from_ed_der(public))).collect();
        Self { keys, validation }
    }

    /// The person a token names; `None` when it is not good for any reason.
    #[must_use]
    pub fn verify(&self, token: &str) -> Option<Identity> {
        let header = jsonwebtoken::decode_header(token).ok()?;
        let key = self.keys.get(header.kid.as_deref()?)?;
        let claims = jsonwebtoken::decode::<Claims>(token, key, &self.validation).ok()?.claims;
        Some(Identity { user: UserId::parse(claims.sub).ok()?, expires: claims.exp })
    }
}

/// The token of an `Authorization: Bearer` header.
fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers.get(header::AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then_some(token.trim())
}

impl FromRequestParts<AppState> for Identity {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &AppState) -> Result<Self, ApiError> {
        bearer(&parts.headers).and_then(|token| app.tokens.verify(token)).ok_or_else(ApiError::unauthorized)
    }
}

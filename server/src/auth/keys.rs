//! A key pair of one's own, for the identity service of `--dev`: signs tokens and publishes its public half.

use super::{Claims, Issuer, eddsa};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ed25519_dalek::SigningKey;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use mana_sync_engine::model::UserId;
use serde_json::{Value, json};

/// An Ed25519 key pair with its id.
pub struct KeyPair {
    id: String,
    seed: [u8; 32],
    public: [u8; 32],
}

/// A signed token.
#[derive(Debug, Clone)]
pub struct IssuedToken {
    /// The compact form, for `Authorization: Bearer`.
    pub text: String,
    /// When it ends, in seconds since 1970.
    pub expires: u64,
}

impl KeyPair {
    /// The pair that grows from a secret seed; its id names the public half.
    #[must_use]
    pub fn from_seed(seed: [u8; 32]) -> Self {
        let public = SigningKey::from_bytes(&seed).verifying_key().to_bytes();
        Self { id: URL_SAFE_NO_PAD.encode(&public[..9]), seed, public }
    }

    /// Id and public half.
    #[must_use]
    pub fn public(&self) -> (String, [u8; 32]) {
        (self.id.clone(), self.public)
    }

    /// The public half as a JSON Web Key Set.
    #[must_use]
    pub fn jwks(&self) -> Value {
        json!({ "keys": [{ "kty": "OKP", "crv": "Ed25519", "alg": "EdDSA", "use": "sig", "kid": self.id,
            "x": URL_SAFE_NO_PAD.encode(self.public) }] })
    }

    /// Signs a token for `user`, from `now` for `seconds`. `None` when the library refuses, which no input makes it do.
    #[must_use]
    pub fn issue(&self, issuer: Issuer, user: &UserId, now: u64, seconds: u64) -> Option<IssuedToken> {
        eddsa::install();
        let header = Header { kid: Some(self.id.clone()), ..Header::new(Algorithm::EdDSA) };
        let expires = now.saturating_add(seconds);
        let claims = Claims {
            sub: user.to_string(),
            iss: issuer.name.to_owned(),
            aud: issuer.audience.to_owned(),
            iat: now,
            exp: expires,
        };
        let text = jsonwebtoken::encode(&header, &claims, &EncodingKey::from_ed_der(&self.seed)).ok()?;
        Some(IssuedToken { text, expires })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::{TokenVerifier, Unverified};

    const ISSUER: Issuer = Issuer { name: "issuer", audience: "audience" };

    fn token(pair: &KeyPair, issuer: Issuer, now: u64, seconds: u64) -> String {
        pair.issue(issuer, &UserId::parse("ada").unwrap(), now, seconds).unwrap().text
    }

    fn now() -> u64 {
        crate::clock::now().ms() / 1000
    }

    #[tokio::test]
    async fn a_token_names_its_person_and_its_end() {
        let pair = KeyPair::from_seed([1; 32]);
        let verifier = TokenVerifier::new(ISSUER, &[pair.public()]);
        let now = now();
        let identity = verifier.verify(&token(&pair, ISSUER, now, 60)).await.unwrap();
        assert_eq!((identity.user.as_str(), identity.expires), ("ada", now + 60));
    }

    #[tokio::test]
    async fn forged_foreign_and_old_tokens_are_not_taken() {
        let pair = KeyPair::from_seed([1; 32]);
        let verifier = TokenVerifier::new(ISSUER, &[pair.public()]);
        let good = token(&pair, ISSUER, now(), 60);
        let parts: Vec<&str> = good.split('.').collect();
        let encode = |value: Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let kid = pair.public().0;
        let with_header = |value: Value| format!("{}.{}.{}", encode(value), parts[1], parts[2]);
        let other_claims = encode(json!({ "sub": "bob", "iss": "issuer", "aud": "audience", "exp": now() + 60 }));
        let forgeries = [
            String::new(),
            "a.b.c".to_owned(),
            format!("{}.{}.", encode(json!({ "alg": "none", "kid": kid })), parts[1]),
            with_header(json!({ "alg": "HS256", "kid": kid })),
            with_header(json!({ "alg": "RS256", "kid": kid })),
            with_header(json!({ "alg": "EdDSA" })),
            with_header(json!({ "alg": "EdDSA", "kid": "../other" })),
            format!("{}.{other_claims}.{}", parts[0], parts[2]),
            format!("{}.{}.{}", parts[0], parts[1], "A".repeat(86)),
            format!("{}.{}.", parts[0], parts[1]),
            token(&KeyPair::from_seed([2; 32]), ISSUER, now(), 60),
            token(&pair, Issuer { audience: "other", ..ISSUER }, now(), 60),
            token(&pair, Issuer { name: "other", ..ISSUER }, now(), 60),
            token(&pair, ISSUER, now() - 120, 60),
        ];
        for forgery in &forgeries {
            assert_eq!(verifier.verify(forgery).await, Err(Unverified::Bad), "{forgery}");
        }
    }

    #[tokio::test]
    async fn claims_that_are_missing_are_not_guessed() {
        let pair = KeyPair::from_seed([1; 32]);
        let verifier = TokenVerifier::new(ISSUER, &[pair.public()]);
        let whole = json!({ "sub": "ada", "iss": "issuer", "aud": "audience", "iat": now(), "exp": now() + 60 });
        let header = Header { kid: Some(pair.public().0), ..Header::new(Algorithm::EdDSA) };
        let sign = |claims: &Value| jsonwebtoken::encode(&header, claims, &EncodingKey::from_ed_der(&[1; 32])).unwrap();
        assert!(verifier.verify(&sign(&whole)).await.is_ok());
        for claim in ["sub", "iss", "aud", "exp"] {
            let mut partial = whole.clone();
            partial.as_object_mut().unwrap().remove(claim);
            assert_eq!(verifier.verify(&sign(&partial)).await, Err(Unverified::Bad), "{claim}");
        }
    }
}

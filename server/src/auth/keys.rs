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
    use ed25519_dalek::Signer as _;

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
        let mut forgeries = vec![
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
            format!("{good}."),
            format!("{good}.{}", parts[2]),
            format!("{good}="),
            format!("{good}A"),
            format!(" {good}"),
            good.replace('-', "+").replace('_', "/") + "+",
            format!("{}..{}", parts[0], parts[2]),
            format!(".{}.{}", parts[1], parts[2]),
            // The signature with the order of the group added to its scalar says the same of the same message.
            format!("{}.{}.{}", parts[0], parts[1], plus_order(parts[2])),
        ];
        for algorithm in ["none", "None", "NONE", "HS256", "HS512", "ES256", "PS256", "EdDSA ", "Ed448", ""] {
            forgeries.push(with_header(json!({ "alg": algorithm, "kid": kid })));
        }
        for id in [json!(null), json!(1), json!([kid]), json!(""), json!(format!("{kid} ")), json!("A".repeat(100_000))]
        {
            forgeries.push(with_header(json!({ "alg": "EdDSA", "kid": id })));
        }
        // Keys that a token brings along are nobody's.
        let stranger = KeyPair::from_seed([2; 32]);
        let key = &stranger.jwks()["keys"][0];
        for brought in
            [json!({ "jwk": key }), json!({ "jku": "https://evil.test/jwks" }), json!({ "x5u": "https://evil.test" })]
        {
            let mut header = json!({ "alg": "EdDSA", "kid": kid });
            header.as_object_mut().unwrap().extend(brought.as_object().unwrap().clone());
            let signed = format!("{}.{}", encode(header), parts[1]);
            let signature = SigningKey::from_bytes(&[2; 32]).sign(signed.as_bytes());
            forgeries.push(format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature.to_bytes())));
        }
        assert!(forgeries.len() >= 40);
        for forgery in &forgeries {
            assert_eq!(verifier.verify(forgery).await, Err(Unverified::Bad), "{forgery}");
        }
    }

    /// A signature `(R, S)` as `(R, S + L)`, L being the order of the group (RFC 8032, 5.1).
    fn plus_order(signature: &str) -> String {
        let mut bytes = URL_SAFE_NO_PAD.decode(signature).unwrap();
        let order = [0x5cf5_d3ed_u32, 0x5812_631a, 0xa2f7_9cd6, 0x14de_f9de, 0, 0, 0, 0x1000_0000];
        let mut carry = 0u64;
        for (word, add) in bytes[32..].chunks_exact_mut(4).zip(order) {
            let sum = u64::from(u32::from_le_bytes(word.try_into().unwrap())) + u64::from(add) + carry;
            word.copy_from_slice(&u32::try_from(sum & 0xffff_ffff).unwrap().to_le_bytes());
            carry = sum >> 32;
        }
        URL_SAFE_NO_PAD.encode(bytes)
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
        let odd = [
            ("sub", json!("")),
            ("sub", json!(7)),
            ("sub", json!(["ada"])),
            ("sub", json!("a\u{0}b")),
            ("sub", json!("a".repeat(10_000))),
            ("exp", json!("2099-01-01")),
            ("exp", json!((now() + 60).to_string())),
            ("exp", json!(-1)),
            ("exp", json!(null)),
            ("exp", json!(true)),
            ("nbf", json!(now() + 600)),
            ("iss", json!("issuer ")),
            ("iss", json!(["other"])),
            ("aud", json!(["other", "Audience"])),
            ("aud", json!({})),
        ];
        for (claim, value) in odd {
            let mut other = whole.clone();
            other[claim] = value;
            assert_eq!(verifier.verify(&sign(&other)).await, Err(Unverified::Bad), "{claim} {}", other[claim]);
        }
    }
}

//! The identity provider's public keys (RFC 7517), fetched when they are needed and kept.

use super::Unverified;
use crate::lock::hold;
use crate::upstream::Upstream;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::DecodingKey;
use reqwest::Url;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Mutex;
use tokio::time::Instant;

/// After this long the keys are looked up again: one that was taken back is taken no longer than that.
const FRESH: Duration = Duration::from_mins(10);
/// For so long what is known is used where the provider cannot be asked.
const USABLE: Duration = Duration::from_hours(24);
/// How often the provider is asked at most, whatever tokens arrive.
const PAUSE: Duration = Duration::from_secs(10);

/// The keys a provider publishes at an address.
pub struct PublishedKeys {
    upstream: Upstream,
    address: Url,
    known: std::sync::Mutex<Option<Arc<Known>>>,
    /// When the provider was asked last; held while it is.
    asked: Mutex<Option<Instant>>,
}

struct Known {
    keys: BTreeMap<String, DecodingKey>,
    since: Instant,
}

#[derive(Deserialize)]
struct KeySet {
    keys: Vec<serde_json::Value>,
}

/// An Ed25519 key (RFC 8037).
#[derive(Deserialize)]
struct Jwk {
    kty: String,
    crv: String,
    kid: String,
    x: String,
    alg: Option<String>,
    #[serde(rename = "use")]
    usage: Option<String>,
}

impl PublishedKeys {
    /// The keys at `address`; nothing is fetched yet.
    #[must_use]
    pub fn new(upstream: Upstream, address: Url) -> Self {
        Self { upstream, address, known: std::sync::Mutex::default(), asked: Mutex::default() }
    }

    /// The key of this id. One that is not known is looked up.
    pub async fn key(&self, id: &str) -> Result<DecodingKey, Unverified> {
        if self.is_due(id) {
            self.refresh(id).await;
        }
        let known = self.known().ok_or(Unverified::Unavailable)?;
        known.keys.get(id).cloned().ok_or(Unverified::Bad)
    }

    fn known(&self) -> Option<Arc<Known>> {
        let known = hold(&self.known).clone();
        known.filter(|known| known.since.elapsed() < USABLE)
    }

    /// Whether the provider's keys have to be looked up for a token that names the key `id`.
    fn is_due(&self, id: &str) -> bool {
        self.known().is_none_or(|known| known.since.elapsed() >= FRESH || !known.keys.contains_key(id))
    }

    async fn refresh(&self, id: &str) {
        let usable = self.known().is_some_and(|known| known.keys.contains_key(id));
        // Who has a key does not wait for somebody else who asks already.
        let asked = if usable { self.asked.try_lock().ok() } else { Some(self.asked.lock().await) };
        let Some(mut asked) = asked else { return };
        if !self.is_due(id) || asked.is_some_and(|asked| asked.elapsed() < PAUSE) {
            return;
        }
        *asked = Some(Instant::now());
        match self.upstream.get::<KeySet>(self.address.clone(), None).await {
            Ok(set) => {
                let keys = set.keys.into_iter().filter_map(decoding_key).collect();
                let known = Arc::new(Known { keys, since: Instant::now() });
                *hold(&self.known) = Some(known);
            }
            Err(error) => tracing::warn!(%error, "the identity provider's keys cannot be looked up"),
        }
    }
}

/// A key that signs tokens here; `None` for every other one of the set.
fn decoding_key(key: serde_json::Value) -> Option<(String, DecodingKey)> {
    let key: Jwk = serde_json::from_value(key).ok()?;
    let signs =
        key.usage.is_none_or(|usage| usage == "sig") && key.alg.is_none_or(|alg| matches!(&*alg, "EdDSA" | "Ed25519"));
    let ours = signs && key.kty == "OKP" && key.crv == "Ed25519";
    let public = <[u8; 32]>::try_from(URL_SAFE_NO_PAD.decode(key.x).ok().filter(|_| ours)?).ok()?;
    Some((key.kid, DecodingKey::from_ed_der(&public)))
}

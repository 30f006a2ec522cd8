//! Asking other services: JSON over HTTP, with limits on everything an answer could take.

use reqwest::header::{ACCEPT, HeaderValue};
use reqwest::{Client, RequestBuilder, Url, redirect};
use serde::de::DeserializeOwned;
use std::time::Duration;

/// How long a service may take to answer in full.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long a service may take to take the connection.
const CONNECTING: Duration = Duration::from_secs(2);
/// Largest answer that is read.
const MAX_ANSWER_BYTES: usize = 1024 * 1024;

/// Why a service gave no usable answer; for the log. It names no more of the address than the host.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{host}: {reason}")]
pub struct NoAnswer {
    host: String,
    reason: String,
}

/// Makes ring known to the TLS library, once for the process: HTTP clients are made after that.
pub fn install_tls() {
    // Only ever an error when one is installed already.
    let _ = rustls::crypto::ring::default_provider().install_default();
}

/// Asks other services.
#[derive(Debug, Clone)]
pub struct Upstream(Client);

impl Upstream {
    /// A client that follows no redirects: an answer is the service's own, and no key goes to anybody else.
    pub fn new() -> Result<Self, String> {
        install_tls();
        let client = Client::builder()
            .redirect(redirect::Policy::none())
            .timeout(PATIENCE)
            .connect_timeout(CONNECTING)
            .user_agent(concat!("mana-sync/", env!("CARGO_PKG_VERSION")));
        client.build().map(Self).map_err(|error| error.to_string())
    }

    /// The JSON document at `url`; `key` goes along as `X-Service-Key`.
    pub async fn get<T: DeserializeOwned>(&self, url: Url, key: Option<&HeaderValue>) -> Result<T, NoAnswer> {
        let host = url.host_str().unwrap_or_default().to_owned();
        let mut request = self.0.get(url).header(ACCEPT, "application/json");
        if let Some(key) = key {
            request = request.header("x-service-key", key);
        }
        let bytes = read(request).await.map_err(|reason| NoAnswer { host: host.clone(), reason })?;
        // What the parser says can quote the answer, which is about people.
        serde_json::from_slice(&bytes).map_err(|_| NoAnswer { host, reason: "answers something else".to_owned() })
    }
}

async fn read(request: RequestBuilder) -> Result<Vec<u8>, String> {
    let mut answer = request.send().await.map_err(said)?;
    if !answer.status().is_success() {
        return Err(format!("answers {}", answer.status().as_u16()));
    }
    let mut bytes = Vec::new();
    while let Some(part) = answer.chunk().await.map_err(said)? {
        if bytes.len() + part.len() > MAX_ANSWER_BYTES {
            return Err(format!("answers more than {MAX_ANSWER_BYTES} bytes"));
        }
        bytes.extend_from_slice(&part);
    }
    Ok(bytes)
}

#[expect(clippy::needless_pass_by_value, reason = "as map_err wants it")]
fn said(error: reqwest::Error) -> String {
    let word = match () {
        () if error.is_timeout() => "did not answer in time",
        () if error.is_connect() => "cannot be reached",
        () => "broke off",
    };
    word.to_owned()
}

/// The address of what lies below a service's own. Each segment is encoded, so that no id leads anywhere else. `.` and `..`
/// are what they are however they are encoded: such an id has no address.
#[must_use]
pub fn below(address: &Url, segments: &[&str]) -> Option<Url> {
    let mut url = address.clone();
    url.path_segments_mut().ok()?.pop_if_empty().extend(segments);
    (!segments.iter().any(|segment| matches!(*segment, "." | ".."))).then_some(url)
}

/// The address of another service, as a setting names it.
pub fn address(text: &str) -> Result<Url, String> {
    let url = Url::parse(text).map_err(|error| format!("{text}: {error}"))?;
    if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
        return Err(format!("{text}: must be http://… or https://…"));
    }
    Ok(url)
}

#[cfg(test)]
mod tests {
    use super::address;

    #[test]
    fn services_have_web_addresses() {
        for good in ["https://id.example/.well-known/jwks.json", "http://auth:3001", "http://127.0.0.1:1/x"] {
            assert!(address(good).is_ok(), "{good}");
        }
        for bad in ["", "id.example", "file:///etc/passwd", "ftp://id.example", "https://", "data:,x"] {
            assert!(address(bad).is_err(), "{bad}");
        }
    }
}
